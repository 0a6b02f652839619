"""A locked wheel that is too new for the target's glibc and cannot be built: what the refusal says."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.sdists import sources
from tests.cli.world import CROSSDOCK
from tests.support.binaries import glibc_elf
from tests.support.wheels import make_sdist, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World

TARGET = "lambda-python3.12-arm64"  # glibc 2.34
SUFFIX = "cpython-312-aarch64-linux-gnu.so"
WORDS = ("install", "pylock.toml", "--for", TARGET, "-t", "out", "--no-cross-build")


def lib(world: World, version: str, platform: str, **files: bytes) -> Path:
    inside = {f"lib/{name}.{SUFFIX}": content for name, content in files.items()}
    return make_wheel(world.files, "lib", version, f"cp312-cp312-{platform}", files={**inside})


def locked(world: World, *, sdist: bool = True) -> None:
    """Lock lib 2.0, which has a wheel for a newer glibc only."""
    if sdist:
        make_sdist(world.files, "lib", "2.0", files=sources("lib"))
    world.run("lock", "lib==2.0", "--for", "cp312-linux-aarch64-glibc2.39")


def test_file_symbol_version_and_the_newest_version_that_fits(bare: World) -> None:
    for version in ("1.0", "1.1"):
        lib(bare, version, "manylinux_2_28_aarch64", core=glibc_elf("aarch64", "GLIBC_2.17"))
    lib(
        bare,
        "2.0",
        "manylinux_2_38_aarch64",
        core=glibc_elf("aarch64", "GLIBC_2.17", "GLIBC_2.38"),
        extra=glibc_elf("aarch64", "GLIBC_2.36"),
        more=glibc_elf("aarch64", "GLIBC_2.38"),
    )
    locked(bare)
    text = bare.refused(*WORDS, code="E-LOCK-NATIVE")
    wheel = "lib-2.0-cp312-cp312-manylinux_2_38_aarch64.whl"
    assert f"    {wheel} needs glibc 2.38, the target has 2.34\n" in text
    assert f"    lib/core.{SUFFIX} needs GLIBC_2.38 of libc.so.6; so does 1 more file\n" in text
    assert "newest version with a wheel that fits: 1.1 (lib-1.1-" in text
    assert not (bare.work / "out").exists()


def test_without_a_source_distribution_it_is_said_too(bare: World) -> None:
    lib(bare, "2.0", "manylinux_2_38_aarch64", core=glibc_elf("aarch64", "GLIBC_2.38"))
    locked(bare, sdist=False)
    text = bare.refused("install", "pylock.toml", "--for", TARGET, "-t", "out", code="E-LOCK-NOFILE")
    assert f"lib/core.{SUFFIX} needs GLIBC_2.38" in text
    assert "no version of lib on the index has a wheel that fits" in text


def test_a_tag_that_promises_less_than_the_bytes_keep(bare: World) -> None:
    lib(bare, "2.0", "manylinux_2_38_aarch64", core=glibc_elf("aarch64", "GLIBC_2.17"))
    locked(bare)
    text = bare.refused(*WORDS, code="E-LOCK-NATIVE")
    assert "nothing newer than GLIBC_2.17 and would run on 2.34: only its tag is too new" in text


def test_offline_says_what_the_store_knows_and_asks_nobody(bare: World) -> None:
    lib(bare, "1.0", "manylinux_2_28_aarch64", core=glibc_elf("aarch64", "GLIBC_2.17"))
    lib(bare, "2.0", "manylinux_2_38_aarch64", core=glibc_elf("aarch64", "GLIBC_2.38"))
    locked(bare)
    bare.index.requests.clear()
    text = bare.refused(*WORDS, "--offline", code="E-LOCK-NATIVE")
    assert "GLIBC_2.38" not in text
    assert bare.index.requests == []
    bare.refused(*WORDS, code="E-LOCK-NATIVE")
    bare.index.requests.clear()
    assert "GLIBC_2.38" in bare.refused(*WORDS, "--offline", code="E-LOCK-NATIVE")
    assert bare.index.requests == []


def test_a_wheel_that_cannot_be_had_does_not_hide_the_refusal(bare: World) -> None:
    wheel = lib(bare, "2.0", "manylinux_2_38_aarch64", core=glibc_elf("aarch64", "GLIBC_2.38"))
    locked(bare)
    wheel.write_bytes(b"no longer what was locked")
    text = bare.refused(*WORDS, code="E-LOCK-NATIVE")
    assert "lib 2.0" in text
    assert "cannot look into the wheels that are too new" in text


def test_what_the_rest_of_the_lock_asks_is_heeded(bare: World) -> None:
    """From the METADATA beside the files on the index, and from the store where the wheel is there."""
    for version in ("1.0", "1.1"):
        lib(bare, version, "manylinux_2_28_aarch64", core=glibc_elf("aarch64", "GLIBC_2.17"))
    lib(bare, "2.0", "manylinux_2_38_aarch64", core=glibc_elf("aarch64", "GLIBC_2.38"))
    make_wheel(bare.files, "user", "3.0", requires=("lib!=1.1",))
    make_sdist(bare.files, "lib", "2.0", files=sources("lib"))
    bare.run("lock", "lib==2.0", "user", "--for", "cp312-linux-aarch64-glibc2.39")
    bare.index.requests.clear()
    text = bare.refused(*WORDS, code="E-LOCK-NATIVE")
    assert "that fits and that the lock allows: 1.0 (lib-1.0-" in text
    assert "user 3.0 asks for lib!=1.1" in text
    assert bare.fetched() == ["lib-2.0-cp312-cp312-manylinux_2_38_aarch64.whl"]
    bare.run("download", "user", "--no-deps", "--for", TARGET, "-d", "wheels")
    bare.index.metadata = False
    assert "user 3.0 asks for lib!=1.1" in bare.refused(*WORDS, code="E-LOCK-NATIVE")


def test_a_source_that_cannot_be_built_is_no_way_out_and_says_it_too(bare: World) -> None:
    lib(bare, "1.0", "manylinux_2_28_aarch64", core=glibc_elf("aarch64", "GLIBC_2.17"))
    lib(bare, "2.0", "manylinux_2_38_aarch64", core=glibc_elf("aarch64", "GLIBC_2.38"))
    (bare.files / "lib-2.0.tar.gz").write_bytes(b"no archive")
    locked(bare, sdist=False)
    text = bare.run("install", "pylock.toml", "--for", TARGET, "-t", "out", status=1).stderr
    assert "lib-2.0.tar.gz" in text
    assert "  lib-2.0-cp312-cp312-manylinux_2_38_aarch64.whl needs glibc 2.38, the target has 2.34\n" in text
    assert f"  lib/core.{SUFFIX} needs GLIBC_2.38 of libc.so.6\n" in text
    assert "  newest version with a wheel that fits: 1.0 (lib-1.0-" in text


@pytest.mark.index
def test_numpy_on_amazon_linux_2(tmp_path: Path) -> None:
    """The real case: numpy 2.4 has no aarch64 wheel below 2.27, and 2.2.6 was the last that had."""
    environ = {**os.environ, "CROSSDOCK_STORE": str(tmp_path / "store")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CROSSDOCK, *words], capture_output=True, text=True, check=False, cwd=tmp_path, env=environ
        )

    (tmp_path / "requirements.txt").write_text("numpy==2.4.0\n")
    target = "lambda-python3.11-arm64"
    assert run("lock", "-r", "requirements.txt", "--for", target, "-o", "pylock.toml").returncode == 0
    done = run("install", "pylock.toml", "--for", target, "--no-cross-build", "-t", "out")
    assert done.returncode == 1
    assert "numpy-2.4.0-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl" in done.stderr
    assert "numpy/_core/_multiarray_umath.cpython-311-aarch64-linux-gnu.so needs GLIBC_2.2" in done.stderr
    assert "newest version with a wheel that fits: 2.2.6" in done.stderr
