"""Writing one wheel's layer, beside the least that a transcoder that verifies can do, and what is usual."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.measure import Contestant
from bench.plan import Plan
from bench.transcode import wheel_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: A large library, and many small files.
PROJECTS = ("numpy", "pyarrow", "scipy", "botocore")


def plans(work: Path, *, rounds: int) -> list[Plan]:
    """Return a case for each wheel, which pip downloads to `work`."""
    directory = work / "layers"
    directory.mkdir()
    return [_layer(wheel_of(project, directory), rounds) for project in PROJECTS]


def _layer(wheel: Path, rounds: int) -> Plan:
    out = wheel.with_suffix(".layer")
    size = wheel.stat().st_size
    return Plan(
        title=f"Layer: {wheel.name.partition('-')[0]}, {size / 1e6:.0f} MB",
        text=f"An image layer made of `{wheel.name}`, with everything checked, by one thread. The floor inflates every member "
        "by the same engine, checks its CRC and hashes it, and writes nothing. Both include the start of Python. The last "
        "unpacks the wheel, and compresses a tar of the files.",
        contestants=[
            _way("crossdock", "ours", wheel, out, _written(out)),
            _way("floor", "floor", wheel, out, None),
            _way("unzip, tar, gzip -6", "usual", wheel, out, _written(out)),
        ],
        base="crossdock",
        rounds=rounds,
    )


def _way(name: str, way: str, wheel: Path, out: Path, check: Callable[[], None] | None) -> Contestant:
    program = f"import sys, pathlib, bench.transcode as t; t.{way}(*map(pathlib.Path, sys.argv[1:]))"
    places = [str(wheel)] if way == "floor" else [str(wheel), str(out)]
    return Contestant(
        name=name,
        argv=[sys.executable, "-c", program, *places],
        prepare=lambda: out.unlink(missing_ok=True),
        check=check,
    )


def _written(out: Path) -> Callable[[], None]:
    def check() -> None:
        if not out.stat().st_size:
            raise RuntimeError(f"{out.name}: nothing was written")

    return check
