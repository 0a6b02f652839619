"""Source distributions in C, built for arm64 by the program as people run it, and imported there."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.images import Contents, base_layout
from tests.cli.world import MACHINES
from tests.support.crossbuild import (
    CROSSDOCK,
    fresh_store,
    native_project_sdist,
    project,
    variables,
    wait_for,
    warm_store,
    write_project,
)
from tests.support.emulation import ForeignPython, require_foreign_python
from tests.support.wheels import make_sdist

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.index, pytest.mark.slow]


@pytest.fixture
def python() -> ForeignPython:
    return require_foreign_python("arm64")


def run(store: Path, cwd: Path, *words: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [CROSSDOCK, *map(str, words)], cwd=cwd, env=variables(store), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done


def build(store: Path, cwd: Path, *words: str | Path) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = json.loads(run(store, cwd, "build", *words, "--json").stdout)["built"]
    return value


@pytest.mark.emulation
def test_a_built_wheel_runs_there_and_is_found_again(tmp_path: Path, python: ForeignPython) -> None:
    store = warm_store(python.minor)
    sdist = native_project_sdist(tmp_path, "fortytwo")
    target = ["--for", "linux/arm64", "--python", python.minor]
    (row,) = build(store, tmp_path, sdist, *target)
    assert row["from_store"] is False
    assert row["floor"]["version"] == "2.17"
    assert row["provenance"]["source"]["name"] == sdist.name.partition("-")[0]
    assert row["provenance"]["target-python"]["digest"]
    assert "core.c" in (tmp_path / row["log"]).read_text() or (tmp_path / row["log"]).is_file()
    with zipfile.ZipFile(tmp_path / row["path"]) as wheel:
        wheel.extractall(tmp_path / "tree")
    ran = python.run("-c", "import fortytwo; print(fortytwo.answer(41))", path=tmp_path / "tree")
    assert (ran.returncode, ran.stdout) == (0, "42\n"), ran.stderr
    # Nothing of the network, or of the parts, is needed to find it.
    (again,) = build(store, tmp_path, sdist, *target, "--offline", "-o", "other")
    assert (again["from_store"], again["sha256"]) == (True, row["sha256"])
    (anew,) = build(store, tmp_path, sdist, *target, "--rebuild", "-o", "anew")
    assert (anew["from_store"], anew["sha256"]) == (False, row["sha256"])


def test_setuptools_for_several_targets_side_by_side(tmp_path: Path, python: ForeignPython) -> None:
    store = warm_store(python.minor)
    sdists = [native_project_sdist(tmp_path, name, setuptools=True) for name in ("first", "second")]
    names = [f"cp{python.minor.replace('.', '')}-linux-aarch64-glibc2.17", "linux/arm64"]
    done = run(
        store,
        tmp_path,
        "build",
        *sdists,
        *(word for name in names for word in ("--for", name)),
        "--python",
        python.minor,
    )
    assert len(done.stdout.split()) == 2  # both targets come to the same names
    assert done.stderr.count("building ") == 4
    assert done.stderr.count("built ") == 4
    for path in done.stdout.split():
        assert path.endswith("-manylinux_2_17_aarch64.whl")


def test_what_was_taken_for_pure_is_compiled_when_it_is_not(tmp_path: Path, python: ForeignPython) -> None:
    store = warm_store(python.minor)
    sdist = native_project_sdist(tmp_path, "quiet", claim="")
    (row,) = build(store, tmp_path, sdist, "--for", "linux/arm64", "--python", python.minor)
    assert row["filename"].endswith("_aarch64.whl")
    assert row["provenance"]["target"]["arch"] == "aarch64"


def test_a_failed_build_tells_why_and_where_its_log_is(tmp_path: Path, python: ForeignPython) -> None:
    store = warm_store(python.minor)
    sdist = native_project_sdist(tmp_path, "broken", core="#include <no/such.h>\nint x;\n")
    done = run(store, tmp_path, "build", sdist, "--for", "linux/arm64", "--python", python.minor, status=1)
    assert done.stdout == ""
    assert not (tmp_path / "dist").exists()
    error = done.stderr[done.stderr.index("error: ") :]
    place = next(line for line in error.splitlines() if "the whole output:" in line).split(": ", 1)[1]
    assert place.startswith(str(store / "logs"))
    assert "no/such.h" in (tmp_path / place).read_text()
    golden = [
        "error: the build backend `backend` failed on `broken-1.0.tar.gz` for linux/arm64",
        "no/such.h",
        "hint: `no/such.h` is in no library that is known here",
        "nothing of this machine was taken in its place",
        "[E-BUILD-BACKEND]",
    ]
    assert [line for line in golden if line not in error] == []


def write_lock(directory: Path, *sdists: Path) -> None:
    """Write a lock of source distributions that lie beside it."""
    lines = ['lock-version = "1.0"', 'created-by = "tests"']
    for path in sdists:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name, version = path.name.removesuffix(".tar.gz").split("-")
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{version}"']
        lines += ["[packages.sdist]", f'path = "{path.name}"', f'hashes = {{ sha256 = "{digest}" }}']
    (directory / "pylock.toml").write_text("\n".join(lines) + "\n")


@pytest.mark.emulation
def test_install_and_download_compile_what_has_no_wheel(tmp_path: Path, python: ForeignPython) -> None:
    store = warm_store(python.minor)
    write_lock(tmp_path, make_sdist(tmp_path, "inlock", "1.0", files=project("inlock")))
    target = ["--for", "linux/arm64", "--python", python.minor]
    assert "cross-build" in run(store, tmp_path, "plan", ".", *target, "--offline").stdout
    done = run(store, tmp_path, "install", ".", *target, "-t", "out")
    assert "building inlock 1.0 for linux/arm64" in done.stderr
    ran = python.run("-c", "import inlock; print(inlock.answer(41))", path=tmp_path / "out")
    assert ran.stdout == "42\n", ran.stderr
    done = run(store, tmp_path, "download", ".", *target, "-d", "wheels", "--offline")
    assert [path.name.endswith("_aarch64.whl") for path in (tmp_path / "wheels").iterdir()] == [True]
    assert "building" not in done.stderr


def test_an_image_has_the_projects_own_native_code_for_each_platform(
    tmp_path: Path, python: ForeignPython
) -> None:
    store = warm_store(python.minor)
    write_project(tmp_path / "project", "own", script="[console_scripts]\nown = own:answer\n")
    base_layout(minor=python.version[1]).write(tmp_path / "base")
    write_lock(tmp_path, native_project_sdist(tmp_path, "locked"))
    target = ["--for", "linux/arm64", "--for", "linux/amd64", "--python", python.minor, "--base", "base"]
    run(store, tmp_path, "image", "pylock.toml", "--app", "project", *target, "-o", "out")
    image = Contents.of_layout(tmp_path / "out")
    for platform, machine in (("linux/arm64/v8", "aarch64"), ("linux/amd64", "x86_64")):
        modules = {
            path: content for path, (_info, content) in image.tree(platform).items() if "cpython-" in path
        }
        names = sorted(path.rpartition("/")[2].partition(".")[0] for path in modules)
        assert names == ["locked", "own"]
        assert all(machine in path for path in modules)
        assert {content[18] for content in modules.values()} == {MACHINES[machine]}


def test_built_wheels_are_carried_to_another_machine(tmp_path: Path, python: ForeignPython) -> None:
    one = fresh_store(python.minor, tmp_path / "one")
    other = tmp_path / "other"
    sdist = native_project_sdist(tmp_path, "carried")
    target = ["--for", "linux/arm64", "--python", python.minor]
    (row,) = build(one, tmp_path, sdist, *target)
    assert run(one, tmp_path, "cache", "export", "wheels.tar").stdout.startswith("1 wheels")
    run(one, tmp_path, "cache", "export", "named.tar", "Carried")
    assert (tmp_path / "wheels.tar").read_bytes() == (tmp_path / "named.tar").read_bytes()
    run(other, tmp_path, "cache", "import", "wheels.tar")
    (found,) = build(other, tmp_path, sdist, *target, "--offline", "-o", "there")
    assert (found["from_store"], found["imported"], found["sha256"]) == (True, True, row["sha256"])
    assert found["floor"] == row["floor"]


def test_an_interrupt_ends_builds_that_run(tmp_path: Path, python: ForeignPython) -> None:
    store = fresh_store(python.minor, tmp_path / "store")
    sdists = [native_project_sdist(tmp_path, name) for name in ("slow", "slower")]
    words = ["build", *sdists, "--for", "linux/arm64", "--python", python.minor, "-C", "sleep=300"]
    asked = subprocess.Popen(
        [str(CROSSDOCK), *map(str, words)], cwd=tmp_path, env=variables(store), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for(
            "a build", lambda: any("SLEEPING" in path.read_text() for path in (store / "logs").glob("*"))
        )
        asked.send_signal(signal.SIGINT)
        _out, said = asked.communicate(timeout=60)
    finally:
        asked.kill()
    assert asked.returncode == 130, said
    assert "interrupted" in said
    assert not (tmp_path / "dist").exists()


def test_rebuilding_reaches_what_a_lock_came_to(tmp_path: Path, python: ForeignPython) -> None:
    store = fresh_store(python.minor, tmp_path / "store")
    write_lock(tmp_path, native_project_sdist(tmp_path, "inlock"))
    target = ["--for", "linux/arm64", "--python", python.minor]
    run(store, tmp_path, "install", "pylock.toml", *target, "-t", "out")
    kept = {path: path.read_bytes() for path in (store / "facts" / "cross-built").rglob("*.json")}
    run(store, tmp_path, "build", tmp_path / "inlock-1.0.tar.gz", *target, "--rebuild", "-o", "same")
    # The same bytes come out, so nothing that is remembered is forgotten.
    assert not (store / "facts" / "cross-rebuilt").exists()
    assert kept == {path: path.read_bytes() for path in (store / "facts" / "cross-built").rglob("*.json")}
