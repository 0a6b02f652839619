"""The user's own code in a zip: a project's wheel, a directory of modules or a script, where the handler is looked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossdock.errors import ShipError
from crossdock.inspect.binary import HEAD_SIZE, examine, is_binary
from crossdock.ship.application import check_python
from crossdock.ship.bundle.layout import bundled_wheel, by_path
from crossdock.ship.bundle.model import BundledPackage, BundleFile
from crossdock.ship.bundle.raw import find_raw_wheel, read_raw_wheel
from crossdock.ship.cargo import shipped_package
from crossdock.ship.entries import FILE_MODE, Entry, disk_file
from crossdock.ship.sources import module_files
from crossdock.store.mapped import mapped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from crossdock.digest import Digest
    from crossdock.store import Store
    from crossdock.target.model import Target


def script_application(path: Path) -> BundledPackage:
    """Return a script: the file alone."""
    return _own([disk_file(path.name, path, mode=FILE_MODE)], path.parent)


def modules_application(
    directory: Path, *, exclude: Sequence[str] = (), skip: Collection[Path] = ()
) -> BundledPackage:
    """Return a directory of modules, as `module_files` chooses them, at the root of the zip.

    A zip for functions has no links: the file that one leads to lies in its place. Raise `ShipError` for a directory
    without files.
    """
    entries = _without_links(module_files(directory, "", exclude=exclude, skip=skip))
    if not entries:
        raise ShipError(
            "the application's directory has no files that would be shipped",
            code="E-BUNDLE-EMPTY",
            places=[str(directory)],
            hint="give the right one by `--app DIR`, or none: `--app none`",
        )
    return _own(entries, directory)


def project_application(
    store: Store, digest: Digest, blob: Path, filename: str, target: Target
) -> BundledPackage:
    """Return a project's wheel, in the store as `blob`, installed as every wheel is; `ShipError` if it is not for `target`."""
    from crossdock.archive.wheel import Wheel
    from crossdock.safepath import PathRules

    with Wheel.open(mapped(blob), filename, rules=PathRules.POSIX) as wheel:
        check_python(wheel, target)
    raw = find_raw_wheel(store, digest, filename) or read_raw_wheel(store, digest, blob, filename)
    package = shipped_package(raw, name=raw.facts.name, filename=filename, digest=digest, built_from=None)
    bundled = bundled_wheel(raw, blob, package, target=target, prefix="", squeeze=True)
    return replace(bundled, package=None)


def _own(entries: Iterable[Entry], directory: Path) -> BundledPackage:
    found = list(entries)
    files = by_path(
        BundleFile(one.path, one.sha256, one.size, one.mode & 0o111 != 0, source=one.source) for one in found
    )
    binaries = tuple(_binaries(files, directory))
    libraries = {path for path, binary in binaries if binary["kind"] == "shared"}
    return BundledPackage(
        package=None,
        files=tuple(
            file._replace(executable=file.executable and file.path not in libraries) for file in files
        ),
        binaries=binaries,
    )


def _binaries(files: Iterable[BundleFile], directory: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Give what the user's own binaries are: they must fit as those of wheels do."""
    for file in files:
        head = next(iter(file.source.chunks()), b"") if file.source is not None else b""
        if is_binary(head[:HEAD_SIZE]):
            facts = examine(mapped(directory / file.path), file.path)
            if facts is not None:
                yield file.path, facts.to_json()


def _without_links(entries: Sequence[Entry]) -> list[Entry]:
    by_place = {entry.path: entry for entry in entries}
    return [file for entry in entries for file in _resolved(entry, by_place, ())]


def _resolved(entry: Entry, by_place: Mapping[str, Entry], seen: tuple[str, ...]) -> list[Entry]:
    """Return a file as it is, and what a link leads to at the link's own place; one that leads to itself is refused."""
    if not entry.link:
        return [entry]
    import posixpath

    if entry.path in seen:
        raise ShipError(
            f"the link `{entry.path}` leads to a directory that it lies in",
            code="E-APP-LINK",
            hint="leave it out by `exclude`",
        )
    target = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.link))
    if target in by_place:
        found = _resolved(by_place[target], by_place, (*seen, entry.path))
        return [replace(file, path=f"{entry.path}{file.path.removeprefix(target)}") for file in found]
    below = "" if target == "." else f"{target}/"
    inside = [one for path, one in by_place.items() if path.startswith(below)]
    found = [file for one in inside for file in _resolved(one, by_place, (*seen, entry.path))]
    return [replace(file, path=f"{entry.path}/{file.path.removeprefix(below)}") for file in found]
