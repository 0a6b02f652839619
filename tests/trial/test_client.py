"""Which of the pinned wheels a runtime gets, and how they come from an index."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.index import LoopbackIndex
from tests.support.wheels import make_wheel
from tests.trial.worlds import means_of

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError, TrialError
from crossdock.store import Store
from crossdock.target.names import parse_target
from crossdock.trial import client, emulator
from crossdock.trial.client import client_for, client_wheels
from crossdock.trial.means import PinnedWheel, fetch_pinned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNTIMES = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackIndex]:
    folder = tmp_path / "index"
    folder.mkdir()
    with LoopbackIndex(folder) as served:
        yield served


def pinned(path: Path) -> PinnedWheel:
    content = path.read_bytes()
    return PinnedWheel(path.name, Digest.of(content).hex, len(content))


@pytest.mark.parametrize("minor", RUNTIMES)
@pytest.mark.parametrize(("word", "cpu"), [("x86_64", "x86_64"), ("arm64", "aarch64")])
def test_every_runtime_of_lambda_has_a_client_of_its_own_python_and_cpu(
    minor: str, word: str, cpu: str
) -> None:
    wheels = client_wheels(parse_target(f"lambda-python{minor}-{word}"))
    assert [wheel.project for wheel in wheels] == ["awslambdaric", "simplejson", "snapshot-restore-py"]
    tag = f"cp{minor.replace('.', '')}"
    for wheel in wheels[:2]:
        assert re.search(rf"-{tag}-{tag}-manylinux.*_{cpu}\.whl$", wheel.filename)
    assert wheels[0].version.startswith("3." if minor == "3.9" else "4.2.")


def test_a_musl_target_gets_musl_wheels() -> None:
    wheels = client_wheels(parse_target("cp312-linux-aarch64-musl1.2"))
    assert "musllinux_1_2_aarch64" in wheels[0].filename


@pytest.mark.parametrize(
    "name", ["cp312-windows-amd64", "cp312-linux-riscv64-glibc2.39", "cp39-linux-x86_64-musl1.2"]
)
def test_no_client_for_others(name: str) -> None:
    with pytest.raises(TrialError) as caught:
        client_wheels(parse_target(name))
    assert caught.value.code == "E-TRIAL-CLIENT"


def test_pins_are_whole() -> None:
    wheels = [*client._pinned(), PinnedWheel.of(emulator._pinned()["wheel"])]
    assert len({wheel.filename for wheel in wheels}) == len(wheels)
    assert all(re.fullmatch("[0-9a-f]{64}", wheel.sha256) and wheel.size > 0 for wheel in wheels)
    assert emulator._pinned()["member"].keys() == {"x86_64", "aarch64"}


def test_the_client_is_laid_out_once(
    index: LoopbackIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        make_wheel(index.directory, "awslambdaric", "9.0", files={"awslambdaric/__init__.py": "x = 1\n"}),
        make_wheel(index.directory, "simplejson", "9.0", files={"simplejson/__init__.py": ""}),
    ]
    monkeypatch.setattr(client, "_pinned", lambda: tuple(map(pinned, files)))
    means = means_of(tmp_path, index)
    target = parse_target("lambda-python3.12-arm64")
    site = client_for(target, means)
    assert (site / "awslambdaric" / "__init__.py").read_text() == "x = 1\n"
    assert (site / "simplejson" / "__init__.py").is_file()
    # No hard link: what runs with it may write there, and must not reach the store's wheels.
    assert (site / "awslambdaric" / "__init__.py").stat().st_nlink == 1
    asked = len(index.requests)
    assert client_for(target, means_of(tmp_path, index, offline=True)) == site
    assert len(index.requests) == asked


def test_a_file_of_another_hash_is_refused(index: LoopbackIndex, tmp_path: Path) -> None:
    path = make_wheel(index.directory, "awslambdaric", "9.0")
    with pytest.raises(FetchError) as caught:
        fetch_pinned([pinned(path)._replace(sha256="0" * 64)], means_of(tmp_path, index))
    assert caught.value.code == "E-FETCH-HASH"


def test_an_index_without_the_file_and_no_network(index: LoopbackIndex, tmp_path: Path) -> None:
    path = make_wheel(index.directory, "awslambdaric", "9.0")
    wheel = pinned(path)._replace(filename="awslambdaric-9.1-py3-none-any.whl")
    with pytest.raises(CrossdockError) as caught:
        fetch_pinned([wheel], means_of(tmp_path, index))
    assert caught.value.code == "E-TRIAL-INDEX"
    assert wheel.filename in caught.value.message
    with pytest.raises(CrossdockError) as caught:
        fetch_pinned([wheel], means_of(tmp_path, index, offline=True))
    assert caught.value.code == "E-FETCH-OFFLINE"
    assert caught.value.places == (wheel.filename,)


def test_the_emulator_is_taken_out_of_its_wheel_and_made_again_when_damaged(
    index: LoopbackIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_wheel(index.directory, "aws_sam_cli", "9.0", files={"rapid/emulator": "program"})
    member = {"path": "rapid/emulator", "sha256": Digest.of(b"program").hex}
    table = {"wheel": pinned(path)._asdict(), "member": {"x86_64": member}}
    monkeypatch.setattr(emulator, "_pinned", lambda: table)
    means = means_of(tmp_path, index)
    program = emulator.emulator(means)
    assert (program.read_bytes(), program.stat().st_mode & 0o777) == (b"program", 0o755)
    program.write_bytes(b"damaged")
    # Another boot: what was written just before a power cut is looked at again.
    restarted = replace(means, store=Store.open(tmp_path / "store", warn=print, boot=lambda: "another"))
    assert emulator.emulator(replace(restarted, offline=True)).read_bytes() == b"program"
    member["sha256"] = "0" * 64
    for path_in_wheel in ("rapid/emulator", "rapid/nothing"):
        member["path"] = path_in_wheel
        with pytest.raises(TrialError) as caught:
            emulator.emulator(means)
        assert caught.value.code == "E-TRIAL-EMULATOR"
