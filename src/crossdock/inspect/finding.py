"""What an audit takes and gives: files with their facts, and findings about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from crossdock.errors import InspectError
from crossdock.inspect.facts import Binary

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(StrEnum):
    """How much a finding weighs: an error makes `verify` and `install` fail, the others only tell."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFile:
    """A binary at its place in what is shipped.

    `path` is relative to the directory that the interpreter imports from, with forward slashes; a wheel's
    scripts lie in `bin/` (`Scripts/` on Windows). `package` is the distribution's name, empty if unknown;
    `wheel` its file name if known; `tags` are the compatibility tags that the wheel claims.
    """

    path: str
    binary: Binary
    package: str = ""
    wheel: str | None = None
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "path": self.path,
            "binary": self.binary.to_json(),
            "package": self.package,
            "wheel": self.wheel,
            "tags": list(self.tags),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote; raise `InspectError` for anything else."""
        try:
            return cls(
                path=value["path"],
                binary=Binary.from_json(value["binary"]),
                package=value["package"],
                wheel=value["wheel"],
                tags=tuple(value["tags"]),
            )
        except (KeyError, TypeError) as error:
            raise InspectError(f"not the facts of a file: {error}", code="E-BINARY-FACTS") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One way in which something shipped does not fit its target.

    `path` is the first file it is true of; `others` are further files of the package of which the very same
    is true.
    """

    code: str
    severity: Severity
    message: str
    package: str = ""
    path: str = ""
    wheel: str | None = None
    library: str = ""
    symbol: str = ""
    hint: str = ""
    others: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, empty ones left out."""
        names = ("code", "severity", "package", "path", "wheel", "message", "library", "symbol", "hint")
        result: dict[str, Any] = {name: str(value) for name in names if (value := getattr(self, name))}
        if self.others:
            result["others"] = list(self.others)
        return result

    def __str__(self) -> str:
        where = self.path or self.package
        if self.others:
            where += f" and {len(self.others)} more"
        return f"{where}: {self.message}" if where else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a platform's rules say about one file, before it is weighed how much the file matters."""

    code: str
    message: str
    severity: Severity = Severity.ERROR
    library: str = ""
    symbol: str = ""
    hint: str = ""

    def about(self, file: AuditFile, at_most: Severity = Severity.ERROR) -> Finding:
        """Return the finding, no worse than `at_most`."""
        return Finding(
            code=self.code,
            severity=max(self.severity, at_most, key=_ORDER.__getitem__),
            message=self.message,
            package=file.package,
            path=file.path,
            wheel=file.wheel,
            library=self.library,
            symbol=self.symbol,
            hint=self.hint,
        )


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, the same one about several files as one; errors first, then by package."""
    same: dict[Finding, set[str]] = {}
    for one in findings:
        same.setdefault(replace(one, path="", others=()), set()).update({one.path, *one.others})
    merged = []
    for one, found in same.items():
        first, *others = sorted(found)
        merged.append(replace(one, path=first, others=tuple(others)))
    return tuple(
        sorted(
            merged,
            key=lambda one: (_ORDER[one.severity], one.package, one.path, one.code, one.message),
        )
    )
