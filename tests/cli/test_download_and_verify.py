"""`crossdock download` beside pip, `crossdock verify` of things that others made, `crossdock cache`."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import ARM, MUSL, WINDOWS, elf, names_below, native
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World


def pip_download(world: World, out: Path, *words: str) -> list[str]:
    """Run pip on the same index and return the names of what it fetched."""
    command = [sys.executable, "-m", "pip", "download", "-q", "-i", world.index.url, "-d", str(out), *words]
    environ = world.variables({"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"})
    done = subprocess.run(command, cwd=world.work, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return names_below(out)


@pytest.mark.parametrize(
    "words",
    [
        ["-r", "requirements.txt", "--platform", "manylinux2014_aarch64", "--python-version", "3.12"],
        ["-r", "requirements.txt", "--platform=musllinux_1_2_aarch64", "--python-version=312", "--abi=cp312"],
        ["lib", "fancy", "--platform", "win_amd64", "--python-version", "3.12", "--implementation", "cp"],
        ["lib<1.1", "--platform", "manylinux2014_x86_64", "--python-version", "3.12", "--abi", "cp312"],
        [
            "lib==0.9",
            "--no-deps",
            "--platform",
            "manylinux_2_28_aarch64",
            "--platform",
            "manylinux2014_aarch64",
            "--platform",
            "linux_aarch64",
            "--python-version",
            "3.12.4",
        ],
    ],
)
def test_pips_spelling_gives_pips_files(world: World, words: list[str]) -> None:
    (world.work / "requirements.txt").write_text("app\nfancy\n")
    theirs = pip_download(world, world.root / "pip", *words, "--only-binary=:all:")
    world.run("download", *words, "--only-binary=:all:", "-d", "out")
    assert names_below(world.work / "out") == theirs
    for name in theirs:
        assert (world.work / "out" / name).read_bytes() == (world.root / "pip" / name).read_bytes()


def test_the_line_of_the_readme(world: World) -> None:
    make_wheel(world.files, "lib", "1.1", "cp311-cp311-manylinux2014_aarch64")
    (world.work / "requirements.txt").write_text("app\n")
    words = "download -r requirements.txt --platform manylinux2014_aarch64 --python-version 3.11 --only-binary=:all: -d out"
    # The wheel's binary is missing, but pip's words are what matters.
    world.run(*words.split())
    assert names_below(world.work / "out") == [
        "app-1.0-py3-none-any.whl",
        "lib-1.1-cp311-cp311-manylinux2014_aarch64.whl",
    ]


def test_where_pip_takes_the_host_for_the_target_crossdock_does_not(world: World) -> None:
    """pip evaluates `sys_platform == 'win32'` here; the wheel for Windows needs wincolor."""
    words = ["app", "--platform", "win_amd64", "--python-version", "3.12", "--only-binary=:all:"]
    assert "wincolor-1.0-py3-none-any.whl" not in pip_download(world, world.root / "pip", *words)
    world.run("download", *words, "-d", "out")
    assert "wincolor-1.0-py3-none-any.whl" in names_below(world.work / "out")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--platform", "win_amd64", "--platform", "manylinux2014_aarch64"], "E-USAGE-TARGET"),
        (["--abi", "cp312"], "E-USAGE-TARGET"),
        (["--platform", "any"], "E-USAGE-TARGET"),
        (["--platform", "win_amd64", "--python-version", "3.12", "--abi", "cp313"], "E-USAGE-TARGET"),
    ],
)
def test_what_pips_flags_cannot_mean_is_wrong_usage(world: World, words: list[str], code: str) -> None:
    world.refused("download", "app", *words, code=code, status=2)


def test_flags_of_pip_without_effect_are_taken(world: World) -> None:
    flags = "--no-cache-dir --disable-pip-version-check --no-input --prefer-binary --progress-bar off --no-compile -U"
    world.run("download", "app", "--for", ARM, *flags.split())
    assert "app-1.0-py3-none-any.whl" in names_below(world.work)


def test_one_directory_for_all_targets_or_one_for_each(world: World) -> None:
    words = ["download", "app", "--for", ARM, "--for", WINDOWS, "-d", "out"]
    value = world.json(*words)["downloaded"]
    assert [one["target"] for one in value] == [ARM, WINDOWS]
    assert len(names_below(world.work / "out")) == 4
    assert "(0 new)" in world.run(*words).stderr
    world.run(*words, "--by-target")
    assert len(names_below(world.work / "out" / ARM)) == 2


def test_a_file_of_that_name_with_other_bytes_is_not_overwritten(world: World) -> None:
    path = world.work / "fancy-1.0-py3-none-any.whl"
    path.write_bytes(b"mine")
    world.refused("download", "fancy", "--for", ARM, code="E-SHIP-FOREIGN")
    assert path.read_bytes() == b"mine"


def test_verify_reads_wheels_directories_and_zips_of_others(world: World) -> None:
    wheel = world.files / "lib-1.1-cp312-cp312-manylinux2014_aarch64.whl"
    world.run("verify", wheel, "--for", ARM)
    value = world.json("verify", wheel, "--for", "cp312-linux-x86_64-glibc2.28", status=1)["verified"][0]
    assert value["thing"] == str(wheel)
    assert any(finding["code"] == "E-FIT-MACHINE" for finding in value["findings"])
    world.run("install", "app", "--for", ARM, "-t", "out")
    world.run("verify", "out", "--for", ARM)
    module = world.work / "out/lib/core.cpython-312-aarch64-linux-gnu.so"
    module.unlink()
    module.write_bytes(elf("x86_64"))
    done = world.run("verify", "out", "--for", ARM, status=1)
    assert module.name in done.stdout
    assert done.stderr == ""
    with zipfile.ZipFile(world.work / "bundle.zip", "w") as archive:
        for name in names_below(world.work / "out"):
            archive.write(world.work / "out" / name, name)
    world.run("verify", "bundle.zip", "--for", ARM, status=1)
    both = world.json("verify", "bundle.zip", "out", "--for", ARM, "--for", MUSL, status=1)["verified"]
    assert [(one["thing"], one["target"]) for one in both] == [
        ("bundle.zip", ARM),
        ("bundle.zip", MUSL),
        ("out", ARM),
        ("out", MUSL),
    ]


def test_cache_tells_checks_and_shrinks(world: World) -> None:
    world.run("install", "app", "--for", ARM, "-t", "out")
    info = world.json("cache", "info")
    assert (info["root"], info["blobs"], info["temporary"]) == (str(world.store), 2, False)
    assert world.json("cache", "verify")["damaged"] == []
    victim = (world.files / "app-1.0-py3-none-any.whl").read_bytes()
    blob = next(path for path in world.store.rglob("*") if path.is_file() and path.read_bytes() == victim)
    blob.chmod(0o644)
    blob.write_bytes(b"x" * len(victim))
    assert world.json("cache", "verify", "--no-heal", status=1)["damaged"]
    assert world.json("cache", "verify", status=1)["damaged"]
    assert world.json("cache", "verify")["damaged"] == []
    world.run("install", "app", "--for", ARM, "-t", "again")
    world.run("cache", "prune", status=2)
    world.run("cache", "prune", "--max-size", "lots", status=2)
    assert world.json("cache", "prune", "--max-size", "1T", "--older-than", "1")["removed"] == 0
    assert world.json("cache", "prune", "--all")["kept_bytes"] == 0
    assert world.json("cache", "info")["blobs"] == 0
    assert json.loads((world.work / "out/.crossdock.json").read_bytes())
    world.run("install", "app", "--for", ARM, "-t", "after")


def test_a_native_package_is_audited_before_it_is_handed_out(bare: World) -> None:
    native(bare.files, "liar", machine="x86_64")
    bare.refused("download", "liar", "--for", ARM, "-d", "out", code="E-FINDINGS")
    assert not (bare.work / "out").exists()
