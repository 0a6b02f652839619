"""Which Python tries a function: this machine's, Debian's or uv's under qemu, or why none does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.debian import Member, SmallArchive
from tests.trial.worlds import means_of

from crossdock.errors import BuildError, TrialError
from crossdock.target.names import parse_target
from crossdock.trial.emulator import emulator
from crossdock.trial.python import python_for
from crossdock.trial.root import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.trial.means import TrialMeans

QEMU = {"qemu-aarch64-static": "/usr/bin/qemu-aarch64-static"}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[SmallArchive]:
    with SmallArchive(tmp_path / "mirror", architecture="arm64") as small:
        yield small


def publish(small: SmallArchive, suite: str, *more: str) -> None:
    small.suite = suite
    small.stanzas.clear()
    for name in (*SYSTEM, *more):
        small.add(name, Member(f"usr/bin/{name}", b"\x7fELF", mode=0o755))
    small.publish()


def means(directory: Path, small: SmallArchive | None = None, **changed: Any) -> TrialMeans:
    def archives(suite: str) -> list[object]:
        return [small.archive] if small is not None and small.suite == suite else []

    return means_of(directory, archives=archives, **{"find_program": QEMU.get, **changed})


def refused(name: str, given: TrialMeans) -> TrialError:
    with pytest.raises(TrialError) as caught:
        python_for(parse_target(name), given)
    return caught.value


def no_python(_version: tuple[int, int]) -> str:
    raise BuildError("none", code="E-BUILD-PYTHON", places=["uv: offline"])


def test_this_machines_own_for_its_cpu(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def found(version: tuple[int, int]) -> str:
        asked.append(version)
        return "/opt/python3.12"

    python = python_for(parse_target("lambda-python3.12-x86_64"), means(tmp_path, python_for=found))
    assert (python.command, python.how, asked) == (("/opt/python3.12",), "native", [(3, 12)])
    # A machine of the other CPU runs the other one natively.
    own = means(tmp_path, python_for=found, host=("linux", "aarch64"))
    assert python_for(parse_target("lambda-python3.12-arm64"), own).how == "native"


def test_debians_under_qemu_for_another_cpu(mirror: SmallArchive, tmp_path: Path) -> None:
    publish(mirror, "bookworm", "python3.11", "python3-distutils")
    python = python_for(parse_target("lambda-python3.11-arm64"), means(tmp_path, mirror))
    qemu, option, root, program = python.command
    assert (qemu, option, program) == (QEMU["qemu-aarch64-static"], "-L", f"{root}/usr/bin/python3.11")
    assert Path(program).is_file()
    assert Path(root, "usr/bin/libstdc++6").is_file()
    assert python.how == "qemu"
    assert "newer than the runtime's" in python.note


def test_uvs_with_debians_c_library_where_debian_has_none(mirror: SmallArchive, tmp_path: Path) -> None:
    publish(mirror, "trixie")
    asked = []

    def uv(name: str, directory: Path) -> Path:
        asked.append(name)
        program = directory / "cpython-3.12.9-linux-aarch64-gnu" / "bin" / "python3.12"
        program.parent.mkdir(parents=True)
        program.write_bytes(b"")
        return directory

    given = means(tmp_path, mirror, uv_python=uv)
    for _time in range(2):  # it is downloaded once
        python = python_for(parse_target("lambda-python3.12-arm64"), given)
        assert python.command[3].endswith("/cpython-3.12.9-linux-aarch64-gnu/bin/python3.12")
        assert Path(python.command[2], "usr/bin/libc6").is_file()
    assert asked == ["cpython-3.12-linux-aarch64-gnu"]


def test_without_qemu_it_says_what_to_install(tmp_path: Path) -> None:
    error = refused("lambda-python3.11-arm64", means(tmp_path, find_program=lambda _name: None))
    assert error.code == "E-TRIAL-QEMU"
    assert "qemu-user-static" in str(error.hint)


def test_where_no_python_can_be_had_every_reason_is_told(mirror: SmallArchive, tmp_path: Path) -> None:
    publish(mirror, "trixie")
    error = refused("lambda-python3.12-arm64", means(tmp_path, mirror))
    assert error.code == "E-TRIAL-PYTHON"
    assert error.places == (
        "Debian: no suite has Python 3.12",
        "uv: cannot get cpython-3.12-linux-aarch64-gnu",
    )
    error = refused("lambda-python3.11-arm64", means(tmp_path))
    assert any("bookworm" in place for place in error.places)
    # Nothing was left that would be taken for a Python the next time.
    assert refused("lambda-python3.12-arm64", means(tmp_path, mirror)).code == "E-TRIAL-PYTHON"


def test_uv_that_unpacks_something_else_is_no_python(mirror: SmallArchive, tmp_path: Path) -> None:
    publish(mirror, "trixie")
    given = means(tmp_path, mirror, uv_python=lambda _name, directory: directory)
    assert refused("lambda-python3.12-arm64", given).code == "E-TRIAL-PYTHON"


def test_a_python_that_this_machine_lacks_is_emulated_or_refused(
    mirror: SmallArchive, tmp_path: Path
) -> None:
    lacking = means(tmp_path, python_for=no_python, find_program=lambda _name: None)
    error = refused("lambda-python3.13-x86_64", lacking)
    assert error.code == "E-TRIAL-PYTHON"
    assert error.places == ("this machine: no Python 3.13", "uv: offline")
    mirror.architecture = "amd64"
    publish(mirror, "trixie", "python3.13")
    emulated = means(tmp_path, mirror, python_for=no_python, find_program=lambda name: f"/bin/{name}")
    python = python_for(parse_target("lambda-python3.13-x86_64"), emulated)
    assert (python.how, python.command[0]) == ("qemu", "/bin/qemu-x86_64-static")


@pytest.mark.parametrize("name", ["cp312-windows-amd64", "cp312-linux-x86_64-musl1.2", "pp311-linux/amd64"])
def test_other_targets_are_refused(name: str, tmp_path: Path) -> None:
    assert refused(name, means(tmp_path)).code == "E-TRIAL-TARGET"


@pytest.mark.parametrize("host", [("darwin", "aarch64"), ("win32", "x86_64"), ("linux", "riscv64")])
def test_the_emulator_runs_on_linux_only(host: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(TrialError) as caught:
        emulator(means(tmp_path, host=host))
    assert caught.value.code == "E-TRIAL-HOST"
