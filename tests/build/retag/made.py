"""Wheels that claim something, and what `retag` makes of them."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tests.support.wheels import make_wheel

from crossdock.archive.wheel import Wheel
from crossdock.build.retag import Retagged, Wish, retag
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.build.repair.elves import Versions

LIBC = "libc.so.6"
X86, ARM = ".cpython-311-x86_64-linux-gnu.so", ".cpython-311-aarch64-linux-gnu.so"


def needs(*versions: str) -> Versions:
    return {LIBC: {version: (f"since_{version.rpartition('.')[2]}",) for version in versions}}


def retagged(
    directory: Path, files: Mapping[str, bytes | str], tag: str, *to: str, name: str = "", **more: Any
) -> Retagged:
    """Make a wheel of these files, call it `name` if one is given, and retag it; what is written must be sound."""
    directory.mkdir(parents=True, exist_ok=True)
    options = {key: more.pop(key) for key in ("sysroot",) if key in more}
    path = make_wheel(directory, tag=tag, files=dict(files), **more)
    if name:
        path = path.rename(directory / name)
    done = retag(path, wish=Wish.parse(to) if to else None, **options)
    assert retag(path, wish=Wish.parse(to) if to else None, **options) == done
    content = path.read_bytes() if done.content is None else done.content
    with Wheel.open(content, done.filename, rules=PathRules.POSIX) as opened:
        assert {str(one) for one in opened.tags} == set(done.tags)
        for file in opened.files:
            opened.read(file)
    return done


def platform(done: Retagged) -> str:
    return done.filename.removesuffix(".whl").rpartition("-")[2]


def tag(done: Retagged) -> str:
    return "-".join(done.filename.removesuffix(".whl").split("-")[-3:])


def members(done: Retagged) -> dict[str, bytes]:
    assert done.content is not None
    with zipfile.ZipFile(BytesIO(done.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
