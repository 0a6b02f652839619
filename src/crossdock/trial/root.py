"""Files of a foreign system that a program of another CPU needs: Debian's, unpacked into the store without root."""

from __future__ import annotations

import posixpath
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.archive.tarread import Kind
from crossdock.errors import FetchError
from crossdock.store.sealed import read_sealed, seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from crossdock.archive.deb import DebEntry
    from crossdock.net.debian.chosen import PackageSet
    from crossdock.net.debian.sources import Archive
    from crossdock.trial.means import TrialMeans

#: What every wheel may expect of a system (PEP 600's list), and awslambdaric needs beside libc.
SYSTEM = ("libc6", "libgcc-s1", "libstdc++6", "zlib1g")

#: Raised when the same packages would be unpacked otherwise.
_FORM = 1
_FACT = "trial-root"
#: Where the files lie in a tree of the store.
ROOT = "root"
_MANIFEST = "manifest.json"
_GROUP = "system"


def foreign_root(suite: str, packages: Sequence[str], architecture: str, means: TrialMeans) -> Path:
    """Return a directory with what `packages` of a Debian suite and all that they need bring below /usr.

    It is made once and kept in the store; what the packages came to then is what they are from then on. Raise
    `FetchError` where the suite's archives cannot be reached or lack a package, `UsageError` for apt's settings.
    """
    archives = list(means.archives(suite))
    key = f"{_FORM} {suite} {architecture} {' '.join(sorted(packages))}"
    known = _known(means.store.get_fact(_FACT, key))
    if known is not None:
        try:
            return _tree(known, archives, means)
        except FetchError as error:
            # Mirrors drop what was replaced: the packages of today are as good.
            if not _is_gone(error):
                raise
    _refuse_unreachable(suite, archives, means)
    # Not every suite has updates and fixes, and mirrors of fixes drop old suites: the suite itself will do.
    choices = [archives, archives[:1]] if len(archives) > 1 else [archives]
    for some in choices:
        try:
            found = _resolved(packages, architecture, some, means)
            root = _tree(found, some, means)
        except FetchError as error:
            if some is choices[-1] or not _is_gone(error):
                raise
        else:
            means.store.put_fact(_FACT, key, found.to_json())
            return root
    raise AssertionError(suite)


def _is_gone(error: FetchError) -> bool:
    """Tell whether an archive answered that it does not have something."""
    return error.code == "E-DEBIAN-GONE" or error.code.endswith("-404")


def _refuse_unreachable(suite: str, archives: Sequence[Archive], means: TrialMeans) -> None:
    if means.offline:
        raise FetchError(
            f"offline, and files of Debian's `{suite}` are not in the store", code="E-FETCH-OFFLINE"
        )
    if not any(archive.suite == suite for archive in archives):
        raise FetchError(f"no archive is known that has Debian's `{suite}`", code="E-DEBIAN-ARCHIVE")


def _known(value: object) -> PackageSet | None:
    from crossdock.net.debian.chosen import PackageSet

    try:
        return None if value is None else PackageSet.from_json(value)
    except FetchError:
        return None  # of another form


def _resolved(
    packages: Sequence[str], architecture: str, archives: Sequence[Archive], means: TrialMeans
) -> PackageSet:
    from crossdock.net.debian.chosen import Wanted
    from crossdock.net.debian.resolve import resolve
    from crossdock.ship.image.debian.suites import scripts_only

    wanted = Wanted(
        groups={_GROUP: tuple(packages)}, optional={}, without=scripts_only(), architecture=architecture
    )
    return resolve(
        wanted,
        archives,
        http=means.http(),
        store=means.store,
        now=means.now,
        warn=lambda _text: None,
    )


def _tree(packages: PackageSet, archives: Sequence[Archive], means: TrialMeans) -> Path:
    def make(work: Path) -> None:
        from crossdock.net.debian.resolve import fetch_packages
        from crossdock.ship.image.debian.contents import read_contents

        client = None if means.offline else means.http()
        files = fetch_packages(
            packages.packages, archives, http=client, store=means.store, reporter=means.reporter()
        )
        parts = read_contents({_GROUP: packages.packages}, files)[_GROUP]
        entries = [entry for part in parts for entry in part.entries]
        write_root(work / ROOT, entries)
        note_files(work)

    key = f"{_FORM} {' '.join(f'{one.name}={one.sha256}' for one in packages.packages)}"
    return means.store.tree("trial-root", key, make, prove=is_whole) / ROOT


def write_root(root: Path, entries: Iterable[DebEntry]) -> None:
    """Write what lies below /usr, with the links of the merged layout.

    Nothing else of a system is there: qemu takes from this machine what it does not find here, as `/etc/resolv.conf`.
    Links that begin at the root are made relative, or they would leave the directory.
    """
    root.mkdir()
    for entry in entries:
        below = entry.path.startswith("usr/")
        path = root / entry.path
        if entry.kind is Kind.SYMLINK and (below or entry.link.startswith("usr/")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(_relative(entry.path, entry.link))
        elif entry.kind is Kind.FILE and below:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.content)
            path.chmod(0o755 if entry.executable else 0o644)


def _relative(path: str, link: str) -> str:
    if not link.startswith("/"):
        return link
    return posixpath.relpath(link.lstrip("/"), posixpath.dirname(path) or ".")


def note_files(directory: Path) -> None:
    """Note the SHA-256 of every file below a directory's `ROOT`, for `is_whole`."""
    root = directory / ROOT
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    manifest = {path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}
    (directory / _MANIFEST).write_bytes(seal(manifest))


def is_whole(directory: Path) -> bool:
    """Tell whether every file has the bytes that were written."""
    manifest = read_sealed(directory / _MANIFEST)
    if not isinstance(manifest, dict):
        return False
    try:
        return all(
            sha256((directory / ROOT / path).read_bytes()).hexdigest() == digest
            for path, digest in manifest.items()
        )
    except OSError:
        return False
