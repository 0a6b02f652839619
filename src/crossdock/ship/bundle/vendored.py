"""Wheels as they are in a directory of the zip, with a requirements.txt, for a place that installs them by pip."""

from __future__ import annotations

import zlib
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.archive.zipformat import STORED
from crossdock.ship.bundle.layout import made_file
from crossdock.ship.bundle.model import BundledPackage, BundleFile, Raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

#: The directory that GOOGLE_VENDOR_PIP_DEPENDENCIES names (Google's buildpack for Python).
VENDOR = "vendor"
REQUIREMENTS = "requirements.txt"
_CHUNK = 1 << 20


def vendored(packages: Iterable[tuple[BundledPackage, Path]]) -> list[BundledPackage]:
    """Return each package as its wheel, copied whole: nothing in a wheel can be compressed further."""
    result = []
    for package, blob in packages:
        assert package.package is not None, "the user's own code is no wheel"  # noqa: S101
        crc, digest, size = _summed(blob)
        path = f"{VENDOR}/{package.package.wheel}"
        raw = Raw(blob, 0, size, STORED, crc, crc)
        file = BundleFile(path, digest, size, executable=False, raw=raw)
        result.append(replace(package, files=(file,), shared=(), record_path="", record_base="", binaries=()))
    return result


def with_requirements(application: BundledPackage, packages: Sequence[BundledPackage]) -> BundledPackage:
    """Return the application with the requirements.txt that pip installs the wheels by, in place of its own one."""
    lines = [
        f"{one.package.name}=={one.package.version} --hash=sha256:{one.files[0].sha256}\n"
        for one in sorted(packages, key=lambda one: one.name)
        if one.package is not None
    ]
    kept = [file for file in application.files if file.path != REQUIREMENTS]
    files = (*kept, made_file(REQUIREMENTS, "".join(lines).encode()))
    return replace(application, files=tuple(sorted(files, key=lambda file: file.path.encode())))


def _summed(blob: Path) -> tuple[int, str, int]:
    crc, hasher, size = 0, sha256(), 0
    with blob.open("rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
            hasher.update(chunk)
            size += len(chunk)
    return crc, hasher.hexdigest(), size
