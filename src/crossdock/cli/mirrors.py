"""Where Debian's packages come from: a mirror that the user names, else what apt is set up with on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.cli.session import Session
    from crossdock.net.debian.sources import Archive, SourceEntry

_APT = Path("/etc/apt")
_LARGEST = 4 << 20
#: sources.list(5): a relative keyring lies here.
_KEYRINGS = Path("/usr/share/keyrings")
#: Where Debian's mirrors have its archives (mirror layout, debian.org/mirror/ftpmirror).
_USUAL = frozenset({"debian", "debian-security"})


def archives_of_suite(session: Session, suite: str) -> list[Archive]:
    """Return the archives that have a suite and its updates; raise `UsageError` (E-DEBIAN-SOURCES)."""
    from crossdock.net.debian.sources import Archive, archives_for, archives_of

    named = session.options.get("debian_mirror") or os.environ.get("CROSSDOCK_DEBIAN_MIRROR")
    if named:
        return [
            Archive(mirror=mirror, suite=name, components=("main",))
            for mirror in named.split()
            for name in _suites_of(mirror, suite)
        ]
    entries = _apt_entries()
    archives = archives_of([entry for entry in entries if _may_be_debian(entry)], _keyring)
    if not any(archive.suite == suite for archive in archives):
        archives += _other_suite(archives, suite)
    if not any(archive.suite == suite for archive in archives):
        # A mirror of somebody's own, signed by a key of his own.
        archives = archives_of(entries, _keyring)
    return archives_for(suite, _likeliest(archives))


def _may_be_debian(entry: SourceEntry) -> bool:
    """Tell whether an entry may be Debian's: others name their suites alike and sign with keys of their own."""
    keyrings = [name.rpartition("/")[2] for name in entry.signed_by]
    return "main" in entry.components and not entry.key and all(one.startswith("debian-") for one in keyrings)


def _likeliest(archives: Sequence[Archive]) -> list[Archive]:
    """Return of several archives of one suite those that lie where Debian's mirrors have it, else all."""
    usual = [one for one in archives if one.mirror.rstrip("/").rpartition("/")[2] in _USUAL]
    suites = {one.suite for one in usual}
    return [*usual, *(one for one in archives if one.suite not in suites)]


def _suites_of(mirror: str, suite: str) -> list[str]:
    """Return the suites of a mirror by its name: the archive of security fixes is one of its own."""
    security = mirror.rstrip("/").endswith("-security")
    return [f"{suite}-security"] if security else [suite, f"{suite}-updates"]


def _other_suite(archives: Sequence[Archive], suite: str) -> list[Archive]:
    """Return the same mirrors for a suite that this machine is not of."""
    from dataclasses import replace

    from crossdock.ship.image.debian.suites import known_suites

    found = []
    for archive in archives:
        name, dash, rest = archive.suite.partition("-")
        if name in known_suites():
            # The key that signs this machine's suite need not sign another: Debian's own are used.
            found.append(replace(archive, suite=f"{suite}{dash}{rest}", keys=()))
    return found


def _apt_entries() -> list[SourceEntry]:
    """Return the entries of apt's settings on this machine, none where there is no apt."""
    from crossdock.net.debian.sources import parse_deb822_sources, parse_sources_list

    entries: list[SourceEntry] = []
    parts = _APT / "sources.list.d"
    for path in [_APT / "sources.list", *sorted(parts.glob("*.list"))]:
        if path.is_file():
            entries += parse_sources_list(_text(path))
    for path in sorted(parts.glob("*.sources")):
        entries += parse_deb822_sources(_text(path))
    return entries


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise UsageError(f"`{path}` is larger than {_LARGEST >> 20} MiB", code="E-DEBIAN-SOURCES")
    return path.read_text("utf-8", errors="replace")


def _keyring(name: str) -> bytes:
    path = _KEYRINGS / name
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise UsageError(
            f"cannot read the keyring `{path}`, which apt's settings name: {error.strerror}",
            code="E-DEBIAN-SOURCES",
            hint="correct apt's settings, or name a mirror by `--debian-mirror`",
        ) from error
