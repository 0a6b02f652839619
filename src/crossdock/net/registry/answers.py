"""What registries say, made sense of: error documents, digests and ranges in headers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.net.registry.reference import ImageReference

MIB = 1 << 20
#: "Pushing a blob in chunks": inclusive, without a unit; some say `bytes=` all the same.
_RANGE = re.compile(r"(?:bytes[= ])?0-([0-9]{1,18})")
_ERROR_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_CODES = {401: "E-REGISTRY-DENIED", 403: "E-REGISTRY-DENIED", 404: "E-REGISTRY-NONE", 413: "E-REGISTRY-SIZE"}


def error_codes(body: bytes) -> frozenset[str]:
    """Return the codes of an error document ("Error Codes"), such as `MANIFEST_BLOB_UNKNOWN`."""
    return frozenset(code for code, _ in _errors(body))


def _errors(body: bytes) -> list[tuple[str, str]]:
    try:
        errors = json.loads(body)["errors"]
        rows = [(str(row.get("code", "")), str(row.get("message", ""))) for row in errors[:10]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    return [(code, message) for code, message in rows if _ERROR_CODE.fullmatch(code)]


def refusal(reference: ImageReference, what: str, status: int, body: bytes) -> FetchError:
    """Return the error for an answer that no other try will change; `what` follows the reference."""
    said = "; ".join(f"{code}: {_shown(message)}" for code, message in _errors(body)[:3])
    code = _CODES.get(status, "E-REGISTRY-ANSWER")
    hints = {
        "E-REGISTRY-DENIED": f"log in with `docker login {reference.registry}` or "
        f"`podman login {reference.registry}`, and check that this login may use `{reference.repository}`",
        "E-REGISTRY-NONE": "check the name, and that the registry has it",
        "E-REGISTRY-SIZE": "the registry, or a proxy before it, has a limit: ask who runs it",
    }
    return FetchError(
        f"`{reference.name}`: {what}: the registry says {status}{f' ({said})' if said else ''}",
        code=code,
        hint=hints.get(code, "the registry does not do what the distribution specification says"),
    )


def _shown(message: str) -> str:
    """Return a foreign text as it can be printed: no control characters, not endless."""
    return "".join(char if char.isprintable() else " " for char in message[:200]).strip()


def check_digest(reference: ImageReference, headers: Mapping[str, str], digest: Digest, what: str) -> None:
    """Check `Docker-Content-Digest`, if there is one of the same algorithm; raise `E-REGISTRY-DIGEST`."""
    said = stated_digest(reference, headers)
    if said is not None and said.algorithm == digest.algorithm and said != digest:
        raise wrong_digest(reference, what, want=digest, got=said)


def stated_digest(reference: ImageReference, headers: Mapping[str, str]) -> Digest | None:
    """Return the digest that a header states, None without one; raise `E-REGISTRY-DIGEST` for a malformed one."""
    text = headers.get("docker-content-digest", "").strip()
    if not text:
        return None
    try:
        return Digest.parse(text)
    except CrossdockError as error:
        raise FetchError(
            f"`{reference.name}`: the registry states a digest that is none: {error.message}",
            code="E-REGISTRY-DIGEST",
            hint="the registry does not do what the distribution specification says",
        ) from error


def wrong_digest(reference: ImageReference, what: str, *, want: Digest, got: Digest) -> FetchError:
    """Return the error for a content that is not what was asked for or sent."""
    return FetchError(
        f"`{reference.name}`: {what} is not what its digest says: want `{want}`, got `{got}`",
        code="E-REGISTRY-DIGEST",
        hint="the registry or a proxy changed it: ask who runs them",
    )


def received(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes of an upload arrived, as `Range` says; None when it says nothing that can be used.

    `0-0` is both one byte and, from some registries always, nothing at all.
    """
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    last = int(match[1]) if match else 0
    return last + 1 if last else None
