"""A wheel at its place in a bundle, and all of them together: which path is whose, and what RECORD then says."""

from __future__ import annotations

import zlib
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.archive.record import quoted, record_row
from crossdock.archive.zipformat import STORED
from crossdock.errors import ShipError, StoreError
from crossdock.inspect.facts import Kind
from crossdock.oci.blob import FileSource
from crossdock.ship.bundle.model import APPLICATION, BundledPackage, BundleFile, Raw
from crossdock.ship.collision import both_write
from crossdock.ship.installed import directory_layout, payload_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from crossdock.ship.bundle.places import Place
    from crossdock.ship.bundle.raw import RawWheel
    from crossdock.ship.installed import PayloadFile
    from crossdock.ship.receipt import ShippedPackage
    from crossdock.target.model import Target


#: Where Azure Functions looks for packages (its worker's search path).
_AZURE = ".python_packages/lib/site-packages/"


def package_prefix(place: Place, target: Target, *, layer: bool, versioned: bool) -> str:
    """Return where the packages lie in a zip for `place`: empty, or a directory with its slash.

    A layer has them below `python/`, which every Python finds, or below `python/lib/pythonX.Y/site-packages/`.
    """
    if layer:
        return f"python/lib/python{target.python.short}/site-packages/" if versioned else "python/"
    return _AZURE if place.layout == "site-packages" else ""


def bundled_wheel(
    wheel: RawWheel,
    blob: Path,
    package: ShippedPackage,
    *,
    target: Target,
    prefix: str,
    direct_url: bytes | None = None,
    squeeze: bool = False,
) -> BundledPackage:
    """Return a wheel as it lies in a zip: packages at `prefix` (empty, or with a slash at its end), scripts in `bin`.

    That is where `pip install --target` puts them, so scripts find the packages beside themselves wherever the zip
    is unpacked, and Python on the PATH: `/var/lang/bin` is on it in Lambda, and other places have other paths. What
    an installer notes (INSTALLER, REQUESTED) is left out; direct_url.json stays, a host's path is never in it.
    With `squeeze` what the wheel stores is compressed here: wheels of pure packages that were built here are stored.
    Raise `ShipError` for a wheel that overwrites its own file.
    """
    layout = directory_layout(target)
    facts = wheel.facts
    places = [layout.place(file.scheme, file.path, facts.name) for file in facts.files]
    raws = {place: Raw(blob, *member) for place, member in zip(places, wheel.members, strict=True)}
    libraries = {path for path, binary in wheel.binaries if binary.get("kind") == Kind.SHARED}

    def read(file: PayloadFile) -> bytes:
        return read_raw(raws[layout.place(file.scheme, file.path, facts.name)])

    files = []
    for file in payload_files(facts, target, layout, read=read):
        raw: Raw | None = raws[file.path] if file.content is None else None
        source: FileSource | None = None
        if raw is not None and squeeze and raw.method == STORED:
            source, raw = FileSource(raw.blob, raw.offset, raw.compressed), None
        files.append(
            BundleFile(
                path=f"{prefix}{file.path}",
                sha256=file.sha256,
                size=file.size,
                executable=file.executable and file.path not in libraries,
                raw=raw,
                content=file.content,
                source=source,
            )
        )
    if direct_url is not None:
        files.append(made_file(f"{prefix}{facts.dist_info}/direct_url.json", direct_url))
    return BundledPackage(
        package=package,
        files=by_path(files),
        record_path=f"{prefix}{facts.dist_info}/RECORD",
        record_base=prefix,
        binaries=tuple((f"{prefix}{path}", binary) for path, binary in wheel.binaries),
        tags=wheel.tags,
        requires=frozenset(wheel.requires),
    )


def made_file(path: str, content: bytes, *, executable: bool = False) -> BundleFile:
    """Return a file that was made here."""
    return BundleFile(path, sha256(content).hexdigest(), len(content), executable, content=content)


def by_path(files: Iterable[BundleFile]) -> tuple[BundleFile, ...]:
    """Return files sorted as they lie in the zip: by the bytes of their paths."""
    return tuple(sorted(files, key=lambda file: file.path.encode()))


def read_raw(raw: Raw) -> bytes:
    """Return the content of a small file of a wheel; raise `StoreError` if its bytes are damaged."""
    try:
        with raw.blob.open("rb") as blob:
            blob.seek(raw.offset)
            packed = blob.read(raw.compressed)
        content = zlib.decompress(packed, -zlib.MAX_WBITS) if raw.method else packed
    except (OSError, zlib.error) as error:
        raise damaged(raw.blob) from error
    if zlib.crc32(content) != raw.crc32:
        raise damaged(raw.blob)
    return content


def read_content(file: BundleFile) -> bytes:
    """Return the content of a small file; raise `StoreError` if it is a wheel's and damaged, `OSError` if it is gone."""
    if file.raw is not None:
        return read_raw(file.raw)
    if file.source is not None:
        return b"".join(file.source.chunks())
    return file.content or b""


def damaged(blob: Path) -> StoreError:
    """Return the refusal of a wheel in the store whose bytes are not those that were verified."""
    return StoreError(
        "a wheel in the store is damaged, or was changed or removed just now",
        code="E-STORE-DAMAGED",
        places=[str(blob)],
        hint="run `crossdock cache verify --heal`, then this again: what is missing is fetched anew",
    )


def together(packages: Iterable[BundledPackage]) -> list[BundledPackage]:
    """Return the packages of one zip by name, the user's own code last, each path with one of them.

    A file that two packages ship alike counts with the first. Raise `ShipError` (E-SHIP-COLLISION) for one path with
    two contents, and for a file where another package needs a directory.
    """
    ordered = sorted(packages, key=lambda one: (one.name == APPLICATION, one.name))
    owners: dict[str, tuple[BundleFile, BundledPackage]] = {}
    result = []
    for package in ordered:
        own, shared = [], []
        for file in package.files:
            other, owner = owners.setdefault(file.path, (file, package))
            if other is file:
                own.append(file)
            elif (other.sha256, other.executable) == (file.sha256, file.executable):
                shared.append(file)
            else:
                raise both_write(file.path, (label(owner), other.sha256), (label(package), file.sha256))
        result.append(replace(package, files=tuple(own), shared=tuple(shared)) if shared else package)
    _refuse_files_as_directories(owners)
    _refuse_vendored(owners, result)
    return result


def _refuse_vendored(
    owners: dict[str, tuple[BundleFile, BundledPackage]], packages: Iterable[BundledPackage]
) -> None:
    """Refuse a copy of an installed package beside that package: each has a RECORD of its own."""
    for package in packages:
        owner = owners.get(package.record_path)
        if owner is not None:
            raise ShipError(
                f"`{label(owner[1])}` brings an installed copy of `{label(package)}`, which is shipped too",
                code="E-SHIP-COLLISION",
                places=[package.record_path],
                hint="leave the copy out (`exclude`), or the package out of the requirements",
            )


def _refuse_files_as_directories(owners: dict[str, tuple[BundleFile, BundledPackage]]) -> None:
    looked: set[str] = set()
    for path, (_file, package) in owners.items():
        parent = path.rpartition("/")[0]
        while parent and parent not in looked:
            if parent in owners:
                raise ShipError(
                    f"`{label(owners[parent][1])}` has a file `{parent}`, and `{label(package)}` a directory of that name",
                    code="E-SHIP-COLLISION",
                    places=[path],
                    hint="only one of the two can be shipped",
                )
            looked.add(parent)
            parent = parent.rpartition("/")[0]


def label(package: BundledPackage) -> str:
    """Return what a package is called in messages."""
    return (
        "the application" if package.package is None else f"{package.package.name} {package.package.version}"
    )


def zip_files(packages: Sequence[BundledPackage]) -> list[BundleFile]:
    """Return all files of one zip, each package's RECORD written of what is left of it, sorted."""
    shipped = {file.path for package in packages for file in package.files}
    files = [file for package in packages for file in package.files]
    files += [_record(package, shipped) for package in packages if package.record_path]
    return list(by_path(files))


def _record(package: BundledPackage, shipped: Collection[str]) -> BundleFile:
    """Return RECORD: paths relative to the directory that holds the .dist-info (recording installed projects)."""
    start = len(package.record_base)
    listed = [*package.files, *(file for file in package.shared if file.path in shipped)]
    rows = [record_row(file.path[start:], file.sha256, file.size) for file in by_path(listed)]
    rows.append(f"{quoted(package.record_path[start:])},,\n")
    return made_file(package.record_path, "".join(rows).encode())
