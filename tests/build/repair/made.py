"""Wheels as a backend leaves them, sysroots, and jobs for their repair."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tests.support.wheels import make_wheel

from crossdock.archive.wheel import Wheel
from crossdock.build.model import Sysroot, SystemPackage
from crossdock.build.repair import Repaired, RepairJob, repair
from crossdock.safepath import PathRules
from crossdock.target.model import Python
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crossdock.target.model import Target

TRIPLET = "aarch64-linux-gnu"
#: As CPython 3.11 names extension modules on the target of most tests.
SUFFIX = ".cpython-311-aarch64-linux-gnu.so"


def target(name: str = "manylinux_2_28_aarch64", minor: int = 11, **more: Any) -> Target:
    return parse_target(name, default_python=Python(minor=minor, **more))


def job(for_: Target | str = "manylinux_2_28_aarch64", **fields: Any) -> RepairJob:
    known: dict[str, Any] = {
        "target": target(for_) if isinstance(for_, str) else for_,
        "what": "demo-1.0.tar.gz",
        "name": "demo",
        "version": "1.0",
        "sysroot": None,
        "native_evidence": ("demo/m.c",),
        "pure": False,
        "provenance": {"builder": "tests"},
    }
    return RepairJob(**{**known, **fields})


def repaired(
    directory: Path,
    files: Mapping[str, bytes | str],
    for_: Target | str = "manylinux_2_28_aarch64",
    *,
    tag: str = "cp311-cp311-linux_aarch64",
    metadata: str = "",
    modes: Mapping[str, int] | None = None,
    **fields: Any,
) -> Repaired:
    """Repair a wheel of these files; what comes out must be a wheel by our own strict reader."""
    directory.mkdir(parents=True, exist_ok=True)
    wheel = make_wheel(directory, tag=tag, files=dict(files), extra_metadata=metadata, modes=modes)
    done = repair(wheel, job(for_, **fields))
    with Wheel.open(done.wheel.content, done.wheel.filename, rules=PathRules.POSIX) as opened:
        assert {str(one) for one in opened.tags} == set(done.report.tags)
        for file in opened.files:
            opened.read(file)
    return done


def members(done: Repaired) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(done.wheel.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sysroot(directory: Path, libraries: Mapping[str, bytes], *, floor: tuple[int, int] = (2, 31)) -> Sysroot:
    """Lay out a sysroot with a package for each library: `libz.so.1` is libz1's."""
    place = directory / "usr" / "lib" / TRIPLET
    place.mkdir(parents=True)
    owners = {}
    for soname, content in libraries.items():
        stem, _, number = soname.partition(".so.")
        (place / f"{soname}.0.9").write_bytes(content)
        (place / soname).symlink_to(f"{soname}.0.9")
        package = SystemPackage(
            name=f"{stem}{number}", version="1:0.9-2+deb11u1", architecture="arm64", source=stem
        )
        owners[f"usr/lib/{TRIPLET}/{soname}"] = package
        doc = directory / "usr" / "share" / "doc" / package.name
        doc.mkdir(parents=True)
        (doc / "copyright").write_text(f"{package.name} is free.\n")
    return Sysroot(
        directory=directory,
        triplet=TRIPLET,
        detail="Debian bullseye arm64: libfoo-dev 1:0.9-2+deb11u1",
        digest="0" * 64,
        floor=floor,
        packages=tuple(sorted(owners.values())),
        owners=owners,
    )
