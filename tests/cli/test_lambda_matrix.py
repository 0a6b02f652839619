"""Real packages for every Lambda runtime and CPU: each fits, as another reader of binaries says, or is refused with the true reason.

Nothing is compiled here (`--no-cross-build`). `pytest -rP` prints the table.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import lief
import pytest
from packaging.markers import Marker
from packaging.tags import Tag, parse_tag
from packaging.utils import parse_wheel_filename
from tests.cli.world import CROSSDOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = [pytest.mark.index, pytest.mark.slow]

#: What is locked, and what is imported of it. psycopg2 itself has no wheels for Linux.
PACKAGES = {
    "psycopg2": "psycopg2",
    "psycopg2-binary": "psycopg2",
    "numpy": "numpy",
    "cryptography": "cryptography.fernet",
    "pandas": "pandas",
}
#: Lambda's word for a CPU, the wheels' and ELF's.
CPUS = {
    "arm64": ("aarch64", lief.ELF.ARCH.AARCH64),
    "x86_64": ("x86_64", lief.ELF.ARCH.X86_64),
}


class System(NamedTuple):
    """What is newest in an operating system: version nodes of glibc and of GCC's libraries."""

    glibc: tuple[int, int]
    glibcxx: tuple[int, ...]
    cxxabi: tuple[int, ...]


#: glibc as AWS states it; libstdc++ of GCC 7 and 11 (gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html).
AMAZON_2 = System((2, 26), (3, 4, 24), (1, 3, 11))
AMAZON_2023 = System((2, 34), (3, 4, 29), (1, 3, 13))
RUNTIMES = {minor: AMAZON_2 if minor < 12 else AMAZON_2023 for minor in range(9, 15)}

#: PEP 599's libraries that are no windows' and no terminals', the loaders, and zlib, which auditwheel allows too.
SYSTEM_LIBRARIES = re.compile(
    r"(libc|libm|libresolv)\.so\.6|(libpthread|libresolv|librt|libutil|libnsl|libgcc_s|libz)\.so\.[012]"
    r"|libdl\.so\.2|libstdc\+\+\.so\.6|ld-linux-(aarch64|x86-64)\.so\.[12]"
)


class Needed(NamedTuple):
    """What a file says of itself, by LIEF."""

    machine: lief.ELF.ARCH
    #: GLIBC, GLIBCXX, CXXABI, GCC, ... -> the newest version of it that is asked for
    newest: dict[str, tuple[int, ...]]
    libraries: frozenset[str]


def read_elf(data: bytes) -> Needed | None:
    """Return what a binary needs, None if it is none."""
    if data[:4] != b"\x7fELF":
        return None
    binary = lief.ELF.parse(io.BytesIO(data))
    assert isinstance(binary, lief.ELF.Binary)
    newest: dict[str, tuple[int, ...]] = {}
    for requirement in binary.symbols_version_requirement:
        for one in requirement.get_auxiliary_symbols():
            if found := re.fullmatch(r"([A-Z]+)_([0-9.]+)", str(one.name)):
                version = tuple(map(int, found[2].split(".")))
                newest[found[1]] = max(newest.get(found[1], ()), version)
    return Needed(binary.header.machine_type, newest, frozenset(map(str, binary.libraries)))


def audit(path: Path, minor: int, cpu: str) -> str:
    """Hold every binary of a zip against the runtime; return what is in it and how many there are."""
    system, (_word, machine) = RUNTIMES[minor], CPUS[cpu]
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        found = {name: needed for name in names if (needed := read_elf(archive.read(name))) is not None}
    assert found, "no binary in it: nothing was proven"
    bundled = {name.rpartition("/")[2] for name in found}
    for name, needed in found.items():
        assert needed.machine == machine, name
        assert needed.newest.get("GLIBC", (0,)) <= system.glibc, name
        assert needed.newest.get("GLIBCXX", (0,)) <= system.glibcxx, name
        assert needed.newest.get("CXXABI", (0,)) <= system.cxxabi, name
        left = {one for one in needed.libraries - bundled if not SYSTEM_LIBRARIES.fullmatch(one)}
        assert not left, f"{name} needs {left}"
        if tagged := re.search(r"\.(cpython-\d+|abi3)-?[^/]*\.so$", name):
            assert tagged[1] in (f"cpython-3{minor}", "abi3"), name
    versions = sorted(
        name.partition(".dist-info/")[0] for name in names if name.endswith(".dist-info/METADATA")
    )
    return f"{' '.join(versions)}: {len(found)} binaries fit"


def is_imported(path: Path, module: str, directory: Path) -> None:
    """Import the module out of the zip's files, with nothing of this environment beside them."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(directory)
    code = f"import sys; sys.path.insert(0, {str(directory)!r}); import {module} as m; print(m.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(directory))


# Why something is refused


class Lock(NamedTuple):
    """A lock as its file says it: every package with its version, marker, and wheels' names."""

    packages: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Lock:
        return cls(tomllib.loads(path.read_text("utf-8"))["packages"])

    def wheels(self, name: str, version: str) -> dict[str, str]:
        """Return the SHA-256 of each wheel by file name."""
        (package,) = (one for one in self.packages if (one["name"], one["version"]) == (name, version))
        return {
            wheel.get("name") or wheel["url"].rpartition("/")[2]: wheel["hashes"]["sha256"]
            for wheel in package.get("wheels", ())
        }


def accepted(minor: int, cpu: str) -> frozenset[Tag]:
    """Return every tag that the runtime takes, spelled out here by what the standards say of them."""
    word, floor = CPUS[cpu][0], RUNTIMES[minor].glibc[1]
    platforms = [f"manylinux_2_{glibc}_{word}" for glibc in range(17, floor + 1)]
    platforms += [f"manylinux2014_{word}", "any"]
    if word == "x86_64":
        older = [f"manylinux_2_{glibc}_{word}" for glibc in range(5, 17)]
        platforms += [*older, f"manylinux1_{word}", f"manylinux2010_{word}"]
    own = [f"cp3{minor}-{abi}" for abi in (f"cp3{minor}", "abi3", "none")]
    stable = [f"cp3{older}-abi3" for older in range(2, minor)]
    pure = [f"py3{older}-none" for older in range(minor + 1)] + ["py3-none", "py2.py3-none"]
    return frozenset(
        tag for left in (*own, *stable, *pure) for right in platforms for tag in parse_tag(f"{left}-{right}")
    )


@functools.cache
def newest_glibc(name: str, version: str, file: str, sha256: str, directory: Path) -> tuple[int, ...]:
    """Fetch a wheel by pip, and return the newest glibc that any file in it asks for."""
    tags = parse_wheel_filename(file)[3]
    one = min(tags, key=str)
    words = [word for tag in sorted(tags, key=str) for word in ("--platform", tag.platform)]
    words += [
        "--implementation",
        "cp",
        "--python-version",
        one.interpreter.removeprefix("cp"),
        "--abi",
        one.abi,
    ]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *words]
    subprocess.run([*command, "-d", directory, f"{name}=={version}"], check=True, capture_output=True)
    data = (directory / file).read_bytes()
    assert hashlib.sha256(data).hexdigest() == sha256
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        read = [read_elf(archive.read(member)) for member in archive.namelist()]
    return max(needed.newest.get("GLIBC", (0,)) for needed in read if needed is not None)


class Said(NamedTuple):
    """A refusal: what it names."""

    package: str
    version: str
    wheels: int
    nearest: str
    why: str
    symbol: str | None
    instead: str | None


def told(text: str) -> Said:
    head = re.search(
        r"packages\[\d+\] (\S+) (\S+): none of (\d+) wheels fits \(nearest: (\S+\.whl): (.*)\)\n", text
    )
    assert head is not None, text
    symbol = re.search(r"needs GLIBC_([0-9.]+) of", text)
    instead = re.search(r"newest version with a wheel that fits(?: and that the lock allows)?: (\S+)", text)
    return Said(
        head[1],
        head[2],
        int(head[3]),
        head[4],
        head[5],
        symbol and symbol[1],
        instead and instead[1],
    )


def no_wheel_fits(text: str, lock: Lock, minor: int, cpu: str, directory: Path) -> Said:
    """Hold a refusal for the lack of a wheel against the lock and the wheel itself."""
    said = told(text)
    wheels = lock.wheels(said.package, said.version)
    takes = accepted(minor, cpu)
    assert not [file for file in wheels if parse_wheel_filename(file)[3] & takes], "one would have fitted"
    assert said.wheels == len(wheels)
    assert said.nearest in wheels
    word, (_, floor) = CPUS[cpu][0], RUNTIMES[minor].glibc
    pythons = {(tag.interpreter, tag.abi) for tag in takes}
    too_new = [
        file
        for file in wheels
        for tag in parse_wheel_filename(file)[3]
        if (tag.interpreter, tag.abi) in pythons and re.fullmatch(rf"manylinux_.*_{word}", tag.platform)
    ]
    if not too_new:
        assert "linux" not in said.nearest
        assert said.symbol is None
        return said
    assert said.nearest in too_new
    floors = [int(found) for found in re.findall(r"manylinux_2_(\d+)_", said.nearest)]
    assert said.why == f"needs glibc 2.{min(floors)}, the target has 2.{floor}"
    needed = newest_glibc(said.package, said.version, said.nearest, wheels[said.nearest], directory)
    if needed > (2, floor):
        assert said.symbol == ".".join(map(str, needed))
    else:
        assert "only its tag is too new" in text
    return said


def patch_decides(lock: Lock, minor: int) -> None:
    """Hold a refusal for an open patch version against the lock: what it selects differs between patch versions."""

    def selected(patch: int) -> frozenset[tuple[str, str]]:
        world = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.{patch}"}
        return frozenset(
            (one["name"], one["version"])
            for one in lock.packages
            if "marker" not in one or Marker(one["marker"]).evaluate(world)
        )

    assert len({selected(patch) for patch in range(30)}) > 1


# The matrix


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is fetched once."""
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture
def run(store: Path, tmp_path: Path) -> Run:
    """The program, with the index settings of this machine."""
    environ: Mapping[str, str] = {**os.environ, "CROSSDOCK_STORE": str(store / "store")}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [CROSSDOCK, *words],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


@pytest.mark.parametrize("minor", RUNTIMES)
@pytest.mark.parametrize("package", PACKAGES)
def test_it_fits_or_is_refused_with_the_true_reason(
    package: str, minor: int, run: Run, store: Path, tmp_path: Path
) -> None:
    targets = [f"lambda-python3.{minor}-{cpu}" for cpu in CPUS]
    locked = run("lock", package, "--for", targets[0], "--for", targets[1], "-o", "pylock.toml")
    assert locked.returncode == 0, locked.stderr
    lock = Lock.read(tmp_path / "pylock.toml")
    for cpu, target in zip(CPUS, targets, strict=True):
        words = ("lambda", "--for", target, "--no-cross-build", "-o", f"{cpu}.zip")
        cell = f"{package:16} 3.{minor:<3} {cpu:7}"
        done = run(*words, "pylock.toml")
        if package == "psycopg2":
            assert done.returncode == 1, "it has no wheels for Linux"
        if done.returncode:
            print(f"{cell} refused: {reason(done.stderr, lock, minor, cpu, store)}")
            if package == "psycopg2":
                continue
            remedied(done.stderr, run, *words, package=package, minor=minor)
            cell = f"{'then':32}"
        print(f"{cell} {audit(tmp_path / f'{cpu}.zip', minor, cpu)}")
        if (sys.platform, sys.version_info[1], platform.machine()) == ("linux", minor, CPUS[cpu][0]):
            is_imported(tmp_path / f"{cpu}.zip", PACKAGES[package], tmp_path / "imported")


def reason(text: str, lock: Lock, minor: int, cpu: str, store: Path) -> str:
    """Hold a refusal against the truth; return it in short."""
    if "[E-LOCK-OPEN]" in text:
        patch_decides(lock, minor)
        return "the patch version of Python decides what is selected"
    assert "[E-LOCK-NATIVE]" in text, text
    assert "cross-building is switched off: allow it" in text
    downloads = store / "pip"
    downloads.mkdir(exist_ok=True)
    said = no_wheel_fits(text, lock, minor, cpu, downloads)
    symbol = f" (GLIBC_{said.symbol})" if said.symbol else ""
    return f"{said.package} {said.version} {said.why}{symbol}; fits: {said.instead}"


def remedied(text: str, run: Run, *words: str, package: str, minor: int) -> None:
    """Do what a refusal says: give the patch version, or take the version that has a wheel."""
    if "[E-LOCK-OPEN]" in text:
        done = run(*words, "pylock.toml", "--python", f"3.{minor}.20")
        assert done.returncode == 0, done.stderr
        return
    done = run(*words, package, "--json")
    assert done.returncode == 0, done.stderr
    (bundle,) = json.loads(done.stdout)["bundles"]
    shipped = {(one["name"], one["version"]) for one in bundle["zips"][0]["packages"]}
    said = told(text)
    assert (said.package, said.instead) in shipped


def test_the_audit_of_this_test_notices(tmp_path: Path) -> None:
    # A program of this machine: its CPU, and a glibc that is newer than Amazon Linux 2's.
    shell = Path(shutil.which("bash") or "/bin/sh").read_bytes()
    needed = read_elf(shell)
    assert needed is not None
    (cpu,) = (one for one, (word, _) in CPUS.items() if word == platform.machine())
    (other,) = CPUS.keys() - {cpu}
    assert needed.machine == CPUS[cpu][1]
    assert needed.newest["GLIBC"] > AMAZON_2.glibc
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.so", shell)
    for minor, where in ((11, cpu), (14, other)):
        with pytest.raises(AssertionError):
            audit(tmp_path / "a.zip", minor, where)
