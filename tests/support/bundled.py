"""Packages of a bundle made from wheels, and what a zip of them unpacks to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from crossdock.archive.wheel import Wheel
from crossdock.safepath import PathRules
from crossdock.ship.bundle.model import BundledPackage, BundleFile, Raw
from crossdock.ship.bundle.prune_sources import Contents
from crossdock.ship.installed import Layout
from crossdock.ship.receipt import ShippedPackage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def bundled(wheel: Path, prefix: str = "") -> BundledPackage:
    """Return the package of a wheel as it lies in a zip below `prefix`; its shared libraries count as binaries."""
    with Wheel.open(wheel.read_bytes(), wheel.name, rules=PathRules.POSIX) as opened:
        dist_info, layout = opened.dist_info, Layout()
        files = [
            BundleFile(
                f"{prefix}{layout.place(file.scheme, str(file.path), opened.name)}",
                file.sha256,
                file.size,
                file.executable,
                raw=Raw(
                    wheel,
                    file.member.data_offset,
                    file.member.compressed_size,
                    file.member.method,
                    file.member.crc32,
                ),
            )
            for file in opened.files
            if file.path != f"{dist_info}/RECORD"
        ]
        return BundledPackage(
            package=ShippedPackage(
                name=opened.name, version=opened.version, wheel=wheel.name, sha256="0" * 64
            ),
            files=tuple(sorted(files, key=lambda file: file.path.encode())),
            record_path=f"{prefix}{dist_info}/RECORD",
            record_base=prefix,
            binaries=tuple((file.path, {}) for file in files if ".so" in file.path.rpartition("/")[2]),
            tags=tuple(sorted(map(str, opened.tags))),
            requires=frozenset(opened.requires_dist),
        )


def application(files: Mapping[str, bytes | str]) -> BundledPackage:
    """Return the user's own code."""
    made = []
    for path, text in sorted(files.items()):
        content = text.encode() if isinstance(text, str) else text
        made.append(
            BundleFile(
                path, hashlib.sha256(content).hexdigest(), len(content), executable=False, content=content
            )
        )
    return BundledPackage(package=None, files=tuple(made))


def unpack(packages: Iterable[BundledPackage], directory: Path) -> None:
    """Write every file of the packages to `directory`."""
    contents = Contents()
    for package in packages:
        for file in package.files:
            place = directory / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(contents.read(file))
