"""The same wheel from the same input, wherever and however it is repaired; and nothing of how it was zipped."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from tests.build.repair.elves import Versions, elf, extension
from tests.build.repair.made import SUFFIX, job, repaired, sysroot
from tests.support.wheels import wheel_files, zip_bytes

from crossdock.build.repair import Repaired, repair

_ROOT = Path(__file__).parents[3]
_GLIBC: Versions = {"libc.so.6": {"GLIBC_2.17": ("printf",)}}

#: Run as a program in other surroundings: prints the wheel's name and hash.
_PROGRAM = """
import sys
from pathlib import Path
from tests.build.repair.test_reproducible import grafted
done = grafted(Path(sys.argv[1]))
print(done.wheel.filename, done.wheel.sha256)
"""


def grafted(directory: Path) -> Repaired:
    """Repair a wheel with two modules, three libraries, licences and a bill."""
    libraries = {
        "libfoo.so.1": elf(soname="libfoo.so.1", needed=("libbar.so.2", "libbaz.so.3"), versions=_GLIBC),
        "libbar.so.2": elf(soname="libbar.so.2", versions=_GLIBC),
        "libbaz.so.3": elf(soname="libbaz.so.3", needed=("libbar.so.2",)),
    }
    files = {
        f"demo/{name}{SUFFIX}": extension(name=name, needed=("libfoo.so.1",), runpath="/somewhere")
        for name in "mn"
    }
    text = "text\n" * 100
    return repaired(
        directory / "wheel",
        {**files, "demo/__init__.py": "", "demo/table.txt": text},
        sysroot=sysroot(directory / "sysroot", libraries),
        provenance={"b": {"d": 1, "c": 2}, "a": 3},
    )


@pytest.mark.parametrize(
    ("umask", "environment"),
    [
        (0o077, {"PYTHONHASHSEED": "1", "TZ": "Asia/Kolkata", "LC_ALL": "C"}),
        (
            0o000,
            {
                "PYTHONHASHSEED": "2",
                "TZ": "America/St_Johns",
                "PYTHONUTF8": "1",
                "SOURCE_DATE_EPOCH": "86400",
            },
        ),
    ],
)
def test_other_surroundings_give_the_same_bytes(
    tmp_path: Path, umask: int, environment: dict[str, str]
) -> None:
    here = grafted(tmp_path / "here")
    there = tmp_path / "somewhere else"
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(there)],
        env={**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'src'}", **environment},
        cwd=tmp_path,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [here.wheel.filename, here.wheel.sha256]


@pytest.mark.parametrize("number", range(4))
def test_how_the_backend_zipped_does_not_show(tmp_path: Path, number: int) -> None:
    files = wheel_files(
        tag="cp311-cp311-linux_aarch64",
        files={
            f"demo/m{SUFFIX}": extension(versions=_GLIBC),
            "demo/x.sh": "#!/bin/sh\n",
            "demo/y.py": "y = 1\n" * 50,
        },
    )
    known = {"demo/x.sh": 0o100755}
    variants = [
        zip_bytes(files, modes=known),
        zip_bytes(dict(reversed(list(files.items()))), modes=known),
        zip_bytes(files, modes=known, compression=zipfile.ZIP_STORED),
        zip_bytes(files, modes={**dict.fromkeys(files, 0o100600), "demo/x.sh": 0o100700}),
    ]
    done = []
    for content in (variants[0], variants[number]):
        wheel = tmp_path / "demo-1.0-cp311-cp311-linux_aarch64.whl"
        wheel.write_bytes(content)
        done.append(repair(wheel, job()).wheel)
    assert done[0] == done[1]


def test_the_zip_is_sorted_dated_1980_and_compressed_where_that_is_shorter(tmp_path: Path) -> None:
    with zipfile.ZipFile(BytesIO(grafted(tmp_path).wheel.content)) as archive:
        entries = archive.infolist()
    assert [one.filename for one in entries] == sorted(one.filename for one in entries)
    assert {one.date_time for one in entries} == {(1980, 1, 1, 0, 0, 0)}
    methods = {one.filename: one.compress_type for one in entries}
    assert methods["demo/table.txt"] == zipfile.ZIP_DEFLATED
    assert methods["demo/__init__.py"] == zipfile.ZIP_STORED


def test_the_bytes_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossdock.build.repair.bill.__version__", "0")
    # Held to a value, so that a new version of what writes ELF files or compresses cannot change wheels unnoticed.
    assert (
        grafted(tmp_path).wheel.sha256 == "c5299d5f2a9d2ee75ae86100d343db61a126b24a4e8c89c0f0d21ac520a30e80"
    )
