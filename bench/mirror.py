"""Wheelhouses for six platforms: crossdock beside the loop over `pip download` that people write, on the same lock."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

from bench.installs import Setting
from bench.measure import Contestant
from bench.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.measure import Series

OURS = "crossdock"
PYTHON = "3.12"
TARGETS = (
    "linux/amd64",
    "linux/arm64",
    "macosx_12_0_arm64",
    "win_amd64",
    "lambda-python3.12-arm64",
    "lambda-python3.12-x86_64",
)
_FOR = [word for target in TARGETS for word in ("--for", target)] + ["--python", PYTHON]
#: Packages of the synthetic lock.
MANY = 2000


def plans(work: Path, requirements: Path, *, rounds: int, slow_rounds: int) -> list[Plan]:
    """Return the cases; what they need is downloaded before."""
    work.mkdir(parents=True)
    store = {"CROSSDOCK_STORE": str(work / "store")}
    environ = {**os.environ, **store}
    tool = Setting.tool("crossdock")
    shutil.copy(requirements, work / "requirements.txt")
    lock = work / "pylock.toml"
    command = [tool, "lock", str(work / "requirements.txt"), *_FOR, "-o", str(lock), "--prefer-wheels", "-q"]
    subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=True)
    ours = [tool, "mirror", str(lock), *_FOR, "-q", "-o"]
    done = subprocess.run(
        [*ours, str(work / "first"), "--json"],
        env=environ,
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
    )
    receipt = json.loads(done.stdout)
    return [
        _empty(work, ours, store, receipt, slow_rounds),
        _unchanged(work, ours, store, rounds),
        _many(work, slow_rounds),
    ]


def _empty(
    work: Path, ours: list[str], store: dict[str, str], receipt: dict[str, object], rounds: int
) -> Plan:
    wheels = len(list((work / "first").rglob("*.whl")))
    # Of two wheels that fit, pip may take another one for a target, and then one file serves two of them.
    least = wheels - len(TARGETS)
    mine, theirs = work / "wheelhouse", work / "pip"

    def whole(place: Path) -> Callable[[], None]:
        def check() -> None:
            found = len({path.name for path in place.rglob("*.whl")})
            if found < least:
                raise RuntimeError(f"{place.name} has {found} wheels, the lock's targets need {wheels}")

        return check

    return Plan(
        title="Wheelhouse: six targets into an empty directory",
        text=f"{wheels} wheels of one lock for {', '.join(f'`{target}`' for target in TARGETS)}, Python {PYTHON}, everything "
        "downloaded before. crossdock writes the files, the index and the lock, after an audit of every binary. pip runs once for "
        "each target with the versions of the lock and `--no-deps`, from its warm cache, and writes the files.",
        contestants=[
            Contestant(
                name=OURS, argv=[*ours, str(mine)], environ=store, prepare=_remove(mine), check=whole(mine)
            ),
            Contestant(
                name="pip download, a loop",
                argv=_pip_loop(work, theirs, receipt),
                environ={"PIP_CACHE_DIR": str(work / "pip-cache")},
                prepare=_remove(theirs),
                check=whole(theirs),
            ),
        ],
        base=OURS,
        rounds=rounds,
        conclude=lambda series: [
            f"crossdock is {series[1].median / series[0].median:.0f} times as fast as the loop (the aim: 5)."
        ],
    )


def _pip_loop(work: Path, place: Path, receipt: dict[str, object]) -> list[str]:
    """Return a shell's loop over `pip download`; each target's list is what crossdock chose for it."""
    steps = ["set -e"]
    for number, target in enumerate(receipt["targets"]):  # type: ignore[arg-type, var-annotated]
        files = [path.rpartition("/")[2] for path in target["files"]]
        pins = work / f"pins-{number}.txt"
        pins.write_text("".join("{}=={}\n".format(*name.split("-")[:2]) for name in files), encoding="utf-8")
        platforms = sorted(
            {tag for name in files for tag in name.removesuffix(".whl").split("-")[-1].split(".")} - {"any"}
        )
        words = [Setting.tool("pip"), "download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:",
                 "--python-version", PYTHON, "--implementation", "cp", "-d", str(place), "-r", str(pins)]  # fmt: skip
        words += [word for platform in platforms for word in ("--platform", platform)]
        # A stable ABI of an older Python has to be said too.
        abis = sorted({name.split("-")[-2] for name in files})
        words += [word for abi in abis for word in ("--abi", abi)]
        steps.append(shlex.join(words))
    return ["/bin/sh", "-c", "\n".join(steps)]


def _unchanged(work: Path, ours: list[str], store: dict[str, str], rounds: int) -> Plan:
    place = work / "first"
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}

    def same() -> None:
        if {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()} != before:
            raise RuntimeError("a file was written, though nothing had changed")

    return Plan(
        title="Wheelhouse: nothing changed",
        text="The same command again: every file's size and every page's bytes are compared.",
        contestants=[Contestant(name=OURS, argv=[*ours, str(place)], environ=store, check=same)],
        base=OURS,
        rounds=rounds,
        conclude=lambda series: [f"crossdock takes {series[0].median:.2f} s (the aim: under 0.5 s)."],
    )


def _many(work: Path, rounds: int) -> Plan:
    lock = many_wheels(work / "many", MANY)
    store, place = work / "many-store", work / "many-wheelhouse"
    return Plan(
        title=f"Wheelhouse: {MANY} packages for six targets",
        text="A lock of tiny wheels, a third of them one for each platform; nothing in the store, nothing in the directory.",
        contestants=[
            Contestant(
                name=OURS,
                argv=[Setting.tool("crossdock"), "mirror", str(lock), *_FOR, "-q", "-o", str(place)],
                environ={"CROSSDOCK_STORE": str(store)},
                prepare=_remove(store, place),
            )
        ],
        base=OURS,
        rounds=rounds,
        conclude=lambda series: [_memory(series)],
    )


def _memory(series: Sequence[Series]) -> str:
    return f"{series[0].peak / 1e6:.0f} MB of memory at most (the aim: under 300 MB)."


_PLATFORMS = ("manylinux2014_x86_64", "manylinux2014_aarch64", "macosx_11_0_arm64", "win_amd64")


def many_wheels(directory: Path, count: int) -> Path:
    """Write tiny wheels and a lock that names them by their paths; return the lock."""
    directory.mkdir(parents=True)
    lines = ['lock-version = "1.0"', 'created-by = "bench"', f'requires-python = ">={PYTHON}"', ""]
    for number in range(count):
        name = f"package-{number:04d}"
        lines += ["[[packages]]", f'name = "{name}"', 'version = "1.0"', "wheels = ["]
        tags = [f"cp312-cp312-{platform}" for platform in _PLATFORMS] if number % 3 == 0 else ["py3-none-any"]
        for tag in tags:
            path = _tiny(directory, name.replace("-", "_"), tag)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(
                f'  {{ path = "{path.name}", size = {path.stat().st_size}, hashes = {{ sha256 = "{digest}" }} }},'
            )
        lines += ["]", ""]
    lock = directory / "pylock.toml"
    lock.write_text("\n".join(lines), encoding="utf-8")
    return lock


def _tiny(directory: Path, name: str, tag: str) -> Path:
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"NAME = {name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Python: >=3.9\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: {'true' if tag.endswith('any') else 'false'}\n"
        f"Tag: {tag}\n",
    }
    record = "".join(f"{path},,\n" for path in [f"{info}/RECORD"])
    path = directory / f"{name}-1.0-{tag}.whl"
    rows = [
        f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text.encode())}\n"
        for file, text in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "".join(rows) + record)
    return path


def _remove(*paths: Path) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)

    return remove
