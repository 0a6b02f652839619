"""Names of images: `host[:port]/repository[:tag][@digest]`, with Docker's defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, UsageError
from crossdock.net.registry.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection

#: What Docker puts before a name without a host, and the host that answers for it.
DEFAULT_REGISTRY = "docker.io"
DOCKER_API = f"registry-1.{DEFAULT_REGISTRY}"
DOCKER_INDEX_HOST = f"index.{DEFAULT_REGISTRY}"
_DOCKER_HOSTS = frozenset({DEFAULT_REGISTRY, DOCKER_INDEX_HOST, DOCKER_API})

# The grammar: distribution/reference, reference.go and regexp.go; distribution specification, "Pulling manifests".
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])(?::(?P<port>[0-9]{{1,5}}))?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LARGEST_PORT = 65535
#: Host and repository together (distribution/reference, NameTotalLengthMax).
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """Where an image is: `registry` (host and port as the user names it), `repository`, and a tag or digest.

    With both, the digest decides what is read, and the tag what is written.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference as Docker does: `python` is `docker.io/library/python:latest`.

        Raise `UsageError` (`E-REFERENCE`) that says which part is wrong.
        """
        name, at, digest_text = text.partition("@")
        digest = _digest(text, digest_text) if at else None
        registry, rest = _split_host(text, name)
        repository, colon, tag = rest.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise _malformed(text, f"`{tag[:140]}` is not a tag")
        if registry == DEFAULT_REGISTRY and "/" not in repository:
            repository = f"library/{repository}"
        _check_repository(text, registry, repository)
        if not colon and digest is None:
            tag = "latest"
        return cls(registry=registry, repository=repository, tag=tag, digest=digest)

    @property
    def name(self) -> str:
        """The whole reference in its canonical spelling."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def place(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def api_host(self) -> str:
        """Host and port that answer the API; Docker's default registry has another than its name."""
        return DOCKER_API if self.registry == DEFAULT_REGISTRY else self.registry

    @property
    def wanted(self) -> str:
        """The last part of a manifest's URL: the digest if there is one, else the tag."""
        return str(self.digest) if self.digest is not None else self.tag

    def at(self, digest: Digest) -> Self:
        """Return the reference to a content of the same repository, by digest alone."""
        return replace(self, tag="", digest=digest)

    def tagged(self, tag: str) -> Self:
        """Return the reference to a tag of the same repository."""
        if not _TAG.fullmatch(tag):
            raise _malformed(tag, "not a tag")
        return replace(self, tag=tag, digest=None)

    def may_be_plain(self, insecure: Collection[str]) -> bool:
        """Tell whether plain HTTP may be spoken: to this machine, or because the user named the host."""
        host = host_of(self.api_host)
        return is_loopback(host) or bool({self.registry, self.api_host, host} & set(insecure))

    def __str__(self) -> str:
        return self.name


def host_of(registry: str) -> str:
    """Return the host without its port, and without an IPv6 address's brackets."""
    if registry.startswith("["):
        return registry[1:].partition("]")[0].lower()
    return registry.partition(":")[0].lower()


def _split_host(text: str, name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # distribution/reference, splitDockerDomain: a host has a dot, a port, capitals, or is `localhost`.
    is_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not (is_host or first.startswith("[")):
        return DEFAULT_REGISTRY, name
    match = _HOST.fullmatch(first)
    if match is None or int(match["port"] or 0) > _LARGEST_PORT:
        raise _malformed(text, f"`{first[:140]}` is not a host with or without a port")
    registry = first.lower()
    if registry.startswith("["):
        registry = _canonical_ipv6(text, registry)
    return (DEFAULT_REGISTRY if registry in _DOCKER_HOSTS else registry), rest


def _canonical_ipv6(text: str, registry: str) -> str:
    import ipaddress  # rare

    address, _, after = registry[1:].partition("]")
    try:
        return f"[{ipaddress.IPv6Address(address).compressed}]{after}"
    except ValueError:
        raise _malformed(text, f"`{address[:60]}` is not an IPv6 address") from None


def _check_repository(text: str, registry: str, repository: str) -> None:
    if _REPOSITORY.fullmatch(repository):
        if len(registry) + 1 + len(repository) > _LONGEST_NAME:
            raise _malformed(text, f"host and repository are longer than {_LONGEST_NAME} characters")
        return
    if repository != repository.lower() and _REPOSITORY.fullmatch(repository.lower()):
        raise _malformed(text, "a repository's name is in lower case")
    if "://" in text:
        raise _malformed(text, "a reference has no `https://` in front")
    raise _malformed(text, f"`{repository[:140]}` is not a repository's name")


def _digest(text: str, digest: str) -> Digest:
    try:
        return Digest.parse(digest)
    except CrossdockError as error:
        raise _malformed(text, error.message) from error


def _malformed(text: str, why: str) -> UsageError:
    return UsageError(
        f"not a reference to an image: `{text[:300]}`: {why}",
        code="E-REFERENCE",
        hint="write `host[:port]/repository[:tag][@sha256:...]`, for example `registry.example.com/team/app:1.2`",
    )
