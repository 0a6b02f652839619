"""What one family of settings (pip's or uv's) says about indexes and connections; values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.net.url import redact

if TYPE_CHECKING:
    from crossdock.net.credentials import Credential

_YES = frozenset({"y", "yes", "t", "true", "on", "1"})
_NO = frozenset({"n", "no", "f", "false", "off", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSource:
    """One index: a URL or directory. `explicit` ones serve only packages that name them (uv)."""

    url: str
    name: str | None = None
    explicit: bool = False
    #: A flat page or directory of files, as `find-links` has.
    flat: bool = False

    def __repr__(self) -> str:
        return f"IndexSource({self.name or ''}{'=' if self.name else ''}{redact(self.url)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The settings of one tool; None and empty mean that it does not say."""

    default_index: IndexSource | None = None
    indexes: tuple[IndexSource, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    #: Files or directories of CA certificates.
    authorities: tuple[str, ...] = ()
    client_cert: str | None = None
    proxy: str | None = None
    timeout: float | None = None
    retries: int | None = None
    keyring: str | None = None
    index_strategy: str | None = None
    credentials: tuple[Credential, ...] = ()

    def __repr__(self) -> str:
        # URLs may hold passwords, and a repr ends up in tracebacks.
        return f"Family(default_index={self.default_index!r}, indexes={self.indexes!r})"


def read_bool(text: str, where: str) -> bool:
    """Read a boolean as pip and uv spell it; raise `UsageError` naming `where`."""
    lowered = text.strip().lower()
    if lowered in _YES:
        return True
    if lowered in _NO:
        return False
    raise UsageError(f"{where}: not a boolean: `{text[:80]}`", code="E-SETTINGS", hint="write true or false")


def read_number(text: str, where: str) -> float:
    """Read a number that is not negative; raise `UsageError` naming `where`."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(f"{where}: not a number of 0 or more: `{text[:80]}`", code="E-SETTINGS")
    return number
