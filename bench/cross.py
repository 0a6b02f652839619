"""Cross-building a source distribution, beside gcc for this machine and gcc for the target under qemu."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.image_setting import emulated, pip_wheel
from bench.measure import Contestant
from bench.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.measure import Series

#: One large file of C, C++, and Cython: project, and what pip needs for its isolated environment.
PROJECTS = {
    "regex": ("setuptools", "wheel"),
    "ujson": ("setuptools", "wheel", "setuptools-scm"),
    "msgpack": ("setuptools", "wheel", "cython"),
}
PYTHON = "3.11"


def plans(work: Path, *, rounds: int, slow_rounds: int) -> list[Plan]:
    """Return a case for each project; its sdist, the tools and an arm64 system with gcc are got beforehand."""
    place = work / "cross"
    place.mkdir()
    root = _system(place / "arm64")
    found = []
    for project, requires in PROJECTS.items():
        sdist = _sdist(project, place)
        tools = _wheels(requires, place / f"{project}-tools")
        found.append(_plan(project, sdist, tools=tools, root=root, place=place, rounds=slow_rounds))
    found.append(_again(_sdist("msgpack", place), place, rounds))
    return found


def _plan(project: str, sdist: Path, *, tools: Path, root: Path, place: Path, rounds: int) -> Plan:
    ours, native, slow = (place / f"{project}-{word}" for word in ("ours", "native", "slow"))
    pip = pip_wheel(place / f"{project}-pip")
    inside = ["python3", f"/pip/{pip.name}/pip", "wheel", "-q", "--no-deps", "--no-index", "--find-links", "/tools",
              "--disable-pip-version-check", "--no-cache-dir", "-w", "/out", f"/sdist/{sdist.name}"]  # fmt: skip
    mounts = {"/pip": pip.parent, "/tools": tools, "/out": slow, "/sdist": sdist.parent}
    return Plan(
        title=f"Cross build: {project}",
        text=f"`{sdist.name}` becomes a wheel for linux/arm64 and Python {PYTHON}. Everything fetched before: build "
        "requirements, the compiler, its runtime libraries. The others: `uv build` with this machine's gcc, for this "
        "machine; pip with Debian's gcc for arm64 under qemu's user-mode emulation. All make the environment anew.",
        contestants=[
            Contestant(
                name="crossdock build",
                argv=[sys.executable, "-m", "crossdock", "build", str(sdist), "--for", "linux/arm64", "--python", PYTHON,
                      "--rebuild", "-q", "-o", str(ours)],
                check=_made(ours),
            ),
            Contestant(
                name="uv build, gcc, for this machine",
                argv=[_uv(), "build", "-q", "--wheel", "--python", PYTHON, "--out-dir", str(native), str(sdist)],
                environ={"CC": "gcc", "CXX": "g++"},
                check=_made(native),
            ),
            Contestant(
                name="pip wheel, gcc for arm64 under qemu",
                argv=emulated(_chroot(root, mounts, inside)),
                check=_made(slow),
            ),
        ],
        base="crossdock build",
        rounds=rounds,
        conclude=_ratios,
    )  # fmt: skip


def _ratios(series: Sequence[Series]) -> list[str]:
    ours, native, slow = (one.median for one in series)
    return [
        f"{ours / native:.2f} x the native build (asked: at most 1.3), {slow / ours:.1f} x less than under qemu (8)."
    ]


def _again(sdist: Path, place: Path, rounds: int) -> Plan:
    out = place / "again"
    return Plan(
        title="Cross build: found in the store",
        text=f"The wheel of `{sdist.name}` was built before. The whole command, Python's start in it, and a bare interpreter.",
        contestants=[
            Contestant(
                name="crossdock build",
                argv=[sys.executable, "-m", "crossdock", "build", str(sdist), "--for", "linux/arm64", "--python", PYTHON,
                      "-q", "-o", str(out)],
                check=_made(out),
            ),
            Contestant(name="crossdock --version", argv=[sys.executable, "-m", "crossdock", "--version"]),
        ],
        base="crossdock build",
        rounds=rounds,
        conclude=lambda series: [f"{1000 * (series[0].median - series[1].median):.0f} ms more than `--version` (asked: 50)."],
    )  # fmt: skip


def _system(place: Path) -> Path:
    """Put Debian's arm64 gcc and Python headers into a directory."""
    subprocess.run(
        [
            "sh",
            "dev/foreign-python",
            "arm64",
            str(place),
            "gcc",
            "g++",
            "libc6-dev",
            "python3-dev",
            "python3-distutils",
        ],
        stdin=subprocess.DEVNULL,
        check=True,
    )
    return place


def _chroot(root: Path, mounts: dict[str, Path], command: Sequence[str]) -> str:
    lines = ["set -e"]
    for name, source in mounts.items():
        (root / name.lstrip("/")).mkdir(exist_ok=True)
        source.mkdir(exist_ok=True)
        lines.append(f"mount --bind {shlex.quote(str(source))} {shlex.quote(str(root))}{name}")
    for name in ("tmp", "proc", "dev"):
        (root / name).mkdir(exist_ok=True)
    lines += [
        f"mount --rbind /dev {shlex.quote(str(root))}/dev",
        f"exec chroot {shlex.quote(str(root))} {shlex.join(command)}",
    ]
    return "\n".join(lines)


def _sdist(project: str, place: Path) -> Path:
    known = sorted(place.glob(f"{project}-*.tar.gz"))
    if not known:
        _pip("download", "--no-deps", "--no-binary", ":all:", "-d", str(place), project)
        known = sorted(place.glob(f"{project}-*.tar.gz"))
    return known[0]


def _wheels(names: Sequence[str], place: Path) -> Path:
    """Download what pip's isolated environment needs, as wheels that any machine runs."""
    _pip(
        "download",
        "--only-binary",
        ":all:",
        "--platform",
        "any",
        "--python-version",
        PYTHON,
        "-d",
        str(place),
        *names,
    )
    return place


def _pip(*words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", words[0], "-q", *words[1:]],
        stdin=subprocess.DEVNULL,
        check=True,
    )


def _uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def _made(directory: Path) -> Callable[[], None]:
    """Check that a wheel was written, and remove it."""

    def check() -> None:
        if not list(directory.glob("*.whl")):
            raise RuntimeError(f"no wheel in {directory.name}")
        for path in directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    return check
