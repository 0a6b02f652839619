"""Build popular packages from source for foreign targets, run each under an emulator, and write docs/cross-build.md.

    python -m bench.cross_matrix [--only NAMES] [--for linux/arm64] [--python 3.11] [--results FILE] [--write]
    python -m bench.cross_matrix --packages bench/cross_untuned.toml --results FILE

Each build is `crossdock build NAME --for TARGET` with no settings; each check imports the built wheel and calls it, by
Debian's Python of that CPU under qemu's user-mode emulation. Results are appended to a file as they come, so that an
interrupted run goes on where it was; `--write` makes the table of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGES = HERE / "cross_packages.toml"
CACHE = Path(os.environ.get("CROSSDOCK_TEST_CACHE", Path.home() / ".cache" / "crossdock-tests"))

#: Where wheels are run: Debian's architecture, qemu's, and the suite that has each Python.
EMULATED = {
    "linux/arm64": ("arm64", "aarch64"),
    "linux/arm/v7": ("armhf", "arm"),
    "linux/s390x": ("s390x", "s390x"),
    "linux/ppc64le": ("ppc64el", "ppc64le"),
    "linux/riscv64": ("riscv64", "riscv64"),
}
SUITES = {"3.11": "bookworm", "3.13": "trixie"}
#: The glibc of each: what needs a newer one cannot be run there.
GLIBC = {"bookworm": (2, 36), "trixie": (2, 41)}
#: Wheels for these are audited and not run: no loader of theirs is here.
AUDITED = ("musllinux_1_2_aarch64", "macosx_11_0_arm64", "win_amd64")
BUILD_SECONDS = 3600
_FLOOR = re.compile(r"it is for `(?P<tag>manylinux_\d+_\d+_\w+)`")
CHECK_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A row of cross_packages.toml."""

    name: str
    check: str
    needs: tuple[str, ...] = ()
    more: bool = False
    portable: bool = False
    slow: bool = False


@dataclass(slots=True, kw_only=True)
class Result:
    """What became of one package on one target."""

    package: str
    target: str
    python: str
    outcome: str  # "built", "failed"
    check: str = ""  # "passed", "failed", "audited", "not run"
    wheel: str = ""
    seconds: float = 0
    binaries: int = 0
    grafted: list[str] = field(default_factory=list)
    cause: str = ""


def packages(path: Path = PACKAGES) -> list[Package]:
    """Return the packages of a file like cross_packages.toml, in its order."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Package(**{**row, "name": name, "needs": tuple(row.get("needs", ()))}) for name, row in table.items()
    ]


def run(package: Package, target: str, python: str, place: Path) -> Result:
    """Build one package for one target, and check what came out.

    Where Debian's libraries need a newer glibc than the target has, the build is asked for again with what they need:
    the lowest floor that is true, which the table shows.
    """
    result = Result(package=package.name, target=target, python=python, outcome="failed")
    began = time.monotonic()
    done = _build(package, target, python, place)
    higher = _FLOOR.search(done.stderr) if done.returncode else None
    if higher is not None:
        target = higher["tag"]
        done = _build(package, target, python, place)
    result.seconds = round(time.monotonic() - began, 1)
    if done.returncode:
        result.cause = _cause(done.stderr)
        return result
    (built,) = json.loads(done.stdout)["built"]
    wheel = Path(built["path"])
    result.outcome, result.wheel = "built", wheel.name
    result.grafted = [one["soname"] for one in built["grafted"]]
    result.check, result.cause = _checked(package, wheel, result.target, target, python, place)
    result.binaries = _binaries(wheel)
    return result


def _build(package: Package, target: str, python: str, place: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crossdock", "build", package.name, "--for", target, "--python", python]
    command += ["--output-dir", str(place / "wheels"), "--json", "--quiet"]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"error: more than {BUILD_SECONDS} s")


def _cause(text: str) -> str:
    # No place of this machine gets into the results.
    for place in (tempfile.gettempdir(), str(Path.home())):
        text = re.sub(rf"{re.escape(place)}/[\w.-]+/", "", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("error", "hint")) or "error:" in line]
    return " | ".join((telling or lines)[:3])[:400]


def _binaries(wheel: Path) -> int:
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        return sum(name.endswith((".so", ".pyd", ".dylib")) or ".so." in name for name in archive.namelist())


def _checked(  # noqa: PLR0917 - what, for what, where
    package: Package, wheel: Path, target: str, floor: str, python: str, place: Path
) -> tuple[str, str]:
    """Audit a wheel for its floor, and run it where an emulator can: the outcome, and why."""
    audited = subprocess.run(
        [sys.executable, "-m", "crossdock", "verify", str(wheel), "--for", floor, "--python", python],
        capture_output=True,
        text=True,
        check=False,
    )
    if audited.returncode:
        return "failed", "audit: " + _cause(audited.stderr + audited.stdout)
    arch, emulator = EMULATED.get(target, ("", ""))
    root = foreign_python(arch, python) if arch else None
    if root is None:
        return "audited", f"no Python {python} for {arch} here" if arch else ""
    wanted = re.search(r"manylinux_(\d+)_(\d+)", wheel.name)
    if wanted is not None and tuple(map(int, wanted.groups())) > GLIBC[SUITES[python]]:
        return "audited", f"the emulated Debian has glibc {'.'.join(map(str, GLIBC[SUITES[python]]))}"
    folder = place / "tree"
    shutil.unpack_archive(wheel, folder, "zip")
    problem = _install_needs(package, target, python, folder) if package.needs else ""
    if problem:
        return "not run", problem
    return _run(
        [f"qemu-{emulator}-static", "-L", str(root), f"{root}/usr/bin/python{python}"], package, folder
    )


def _run(start: list[str], package: Package, folder: Path) -> tuple[str, str]:
    env = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder.parent), "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            [*start, "-c", package.check],
            env=env,
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
            cwd=folder.parent,
        )
    except subprocess.TimeoutExpired:
        return "failed", f"the check took more than {CHECK_SECONDS} s"
    if done.returncode:
        said = done.stderr.replace(f"{folder.parent}/", "").strip()
        return "failed", (said.splitlines() or [f"exit status {done.returncode}"])[-1][:300]
    return "passed", ""


def _install_needs(package: Package, target: str, python: str, folder: Path) -> str:
    """Install what the check needs; what a need brings along comes too, but not the package itself again."""
    needs = folder.parent / "needs"
    done = subprocess.run(
        [sys.executable, "-m", "crossdock", "install", *package.needs, "--for", target, "--python", python,
         "--target", str(needs), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        return "needs: " + _cause(done.stderr)
    for entry in needs.iterdir():
        if not (folder / entry.name).exists():
            entry.rename(folder / entry.name)
    return ""


def foreign_python(arch: str, python: str) -> Path | None:
    """Return the directory of Debian's Python for a CPU, fetched by dev/foreign-python at the first time."""
    suite = SUITES.get(python)
    if suite is None:
        return None
    place = CACHE / f"python-{suite}-{arch}"
    if not place.exists():
        env = {**os.environ, "CROSSDOCK_DEBIAN_SUITE": suite}
        done = subprocess.run(
            ["sh", str(HERE.parent / "dev" / "foreign-python"), arch, str(place)],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            return None
    return place


def planned(
    rows: list[Package], only: set[str], targets: list[str], pythons: list[str]
) -> list[tuple[Package, str, str]]:
    """Return every build of the table: all for arm64, some for the other architectures and systems."""
    todo = []
    for package in rows:
        if only and package.name not in only:
            continue
        for target in targets:
            narrow = target in AUDITED[1:]
            if (narrow and not package.portable) or (
                target != "linux/arm64" and not narrow and not package.more
            ):
                continue
            todo += [(package, target, python) for python in pythons]
    return todo


def read_results(path: Path) -> list[Result]:
    """Return every result of a file, in the order in which they came; none where there is no file."""
    if not path.is_file():
        return []
    return [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> int:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names, with commas")
    parser.add_argument("--for", dest="targets", action="append")
    parser.add_argument("--python", dest="pythons", action="append")
    parser.add_argument("--packages", type=Path, default=PACKAGES, help="a file like cross_packages.toml")
    parser.add_argument("--results", type=Path, default=HERE / "cross_results.jsonl")
    parser.add_argument("--again", action="store_true", help="also what failed before")
    parser.add_argument("--everything", action="store_true", help="also what passed before")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="make docs/cross-build.md of the results")
    args = parser.parse_args()
    if args.write:
        from bench.cross_table import write

        write(read_results(args.results), args.results.stem)
        return 0
    only = {name for name in args.only.split(",") if name}
    todo = planned(packages(args.packages), only, args.targets or ["linux/arm64"], args.pythons or ["3.11"])
    known = {(one.package, one.target, one.python): one for one in read_results(args.results)}

    def one(item: tuple[Package, str, str]) -> None:
        package, target, python = item
        before = known.get((package.name, target, python))
        if before is not None and not args.everything:
            passed = before.outcome == "built" and before.check in {"passed", "audited"}
            if passed or not args.again:
                return
        with tempfile.TemporaryDirectory(prefix="crossdock-matrix-") as name:
            result = run(package, target, python, Path(name))
        with args.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result), sort_keys=True) + "\n")
        words: list[Any] = [result.outcome, result.check, package.name, target, python, f"{result.seconds} s"]
        sys.stderr.write(" ".join(map(str, [*words, result.wheel, result.cause])) + "\n")

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(one, todo))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
