"""The file that pins bases: the same one next time, whatever a tag points to by then."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = 1
_LARGEST = 8 << 20
_HEAD = "# The bases of this project's images. `crossdock image --update-base` renews it.\n"


@dataclass(slots=True)
class BaseLock:
    """Bases by name: a registry's by the digest of its index, Debian's by their packages for each platform.

    What is asked for and not known is opened anew and noted; `changed` tells whether there is something to write.
    """

    digests: dict[str, Digest] = field(default_factory=dict)
    #: By name and platform: a JSON-ready table.
    packages: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    changed: bool = False

    def digest(self, name: str) -> Digest | None:
        """Return what a registry's image was pinned to."""
        return self.digests.get(name)

    def note_digest(self, name: str, digest: Digest) -> None:
        """Take down what a registry's image came to."""
        if self.digests.get(name) != digest:
            self.digests[name] = digest
            self.changed = True

    def package_set(self, name: str, platform: str) -> dict[str, Any] | None:
        """Return the packages that a base was pinned to."""
        return self.packages.get((name, platform))

    def note_packages(self, name: str, platform: str, value: dict[str, Any]) -> None:
        """Take down the packages that a base was made of."""
        if self.packages.get((name, platform)) != value:
            self.packages[name, platform] = value
            self.changed = True

    def to_bytes(self) -> bytes:
        """Return the file's content, the same for the same bases."""
        import tomli_w

        bases: list[dict[str, Any]] = [
            {"name": name, "digest": str(digest)} for name, digest in sorted(self.digests.items())
        ]
        bases += [
            {"name": name, "platform": platform, "packages": value}
            for (name, platform), value in sorted(self.packages.items())
        ]
        return (_HEAD + tomli_w.dumps({"base-lock": _VERSION, "base": bases})).encode()


def read_base_lock(path: Path) -> BaseLock:
    """Read a base lock; raise `UsageError` (E-IMAGE-BASE-LOCK) for what is none."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")  # noqa: TRY301  # a pipe would be waited for
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")  # noqa: TRY301  # one text for all that is wrong with it
        value = tomllib.loads(path.read_text("utf-8"))
        if value["base-lock"] != _VERSION:
            raise ValueError(f"of version {value['base-lock']!r}, only {_VERSION} is known")  # noqa: TRY301
        lock = BaseLock()
        for base in value["base"]:
            if "digest" in base:
                lock.digests[str(base["name"])] = Digest.parse(base["digest"])
            else:
                lock.packages[str(base["name"]), str(base["platform"])] = dict(base["packages"])
    except (OSError, ValueError, LookupError, TypeError, CrossdockError) as error:
        raise UsageError(
            f"`{path}` is not a base lock: {error}",
            code="E-IMAGE-BASE-LOCK",
            hint="name another file, or remove it: it is written anew",
        ) from error
    return lock
