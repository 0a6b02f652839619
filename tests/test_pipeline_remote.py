"""What a cluster answers is a stranger's word: a wheel is taken only if it is the one that was asked for."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.build.test_crossed import REPORT, job, wheel

from crossdock.build.crossed import ask_of, find_built
from crossdock.errors import BuildError
from crossdock.pipeline.building import Quiet
from crossdock.pipeline.remote import Remote, RemoteOutcome
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Cluster:
    """Answers each task with the same."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def submit(self, *_words: object) -> Future[object]:
        future: Future[object] = Future()
        future.set_result(self.answer)
        return future


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    with closing(Store.open(tmp_path / "store", warn=pytest.fail)) as store:
        tools = SimpleNamespace(source_date_epoch=315_532_800)
        yield SimpleNamespace(
            store=store,
            tools=tools,
            sysroot=None,
            target_python=None,
            allow_unsandboxed=False,
            resolution="",
        )


def built(world: Any, answer: object, tmp_path: Path) -> Any:
    archive = tmp_path / "demo-1.0.tar.gz"
    archive.write_bytes(b"")
    cluster: Any = Cluster(answer)
    remote = Remote(cluster, lambda _job: pytest.fail("elsewhere"), world, stages=Quiet())
    return remote.build(job(archive=lambda: (archive, archive.name)))


def good(world: Any, **changed: Any) -> RemoteOutcome:
    filename, content = wheel(ask_of(job(**changed), world), compiler={"zig": "1"})
    return RemoteOutcome(
        filename=filename, content=content, report=REPORT, log=b"built\n", log_place="/their/log"
    )


def test_the_wheel_that_was_asked_for_is_taken(world: Any, tmp_path: Path) -> None:
    found = built(world, good(world), tmp_path)
    assert found.filename == "demo-1.0-cp312-cp312-manylinux_2_17_aarch64.whl"
    assert found.log.read_bytes() == b"built\n"
    assert find_built(world.store, ask_of(job(), world)) is not None


def test_an_error_is_raised_as_it_was_there(world: Any, tmp_path: Path) -> None:
    told = {"message": "no", "code": "E-BUILD-BACKEND", "places": ["see /their/log"], "hint": None}
    with pytest.raises(BuildError) as caught:
        built(world, RemoteOutcome(error=told, log=b"x", log_place="/their/log"), tmp_path)
    assert (caught.value.code, caught.value.message) == ("E-BUILD-BACKEND", "no")
    assert str(world.store.root) in caught.value.places[0]


_TEXT: Any = "x"
WRONG: dict[str, Any] = {
    "a name that leads elsewhere": lambda world: replace(good(world), filename="../../../x"),
    "a name that is another wheel's": lambda world: replace(
        good(world), filename="other-1.0-cp312-cp312-manylinux_2_17_aarch64.whl"
    ),
    "no wheel": lambda world: replace(good(world), content=b"x"),
    "a wheel of another source": lambda world: good(world, identity=f"sha256:{'b' * 64}"),
    "a wheel for another target": lambda world: good(
        world, target=replace(job().target, arch=type(job().target.arch)("x86_64"))
    ),
    "a report of another shape": lambda world: replace(good(world), report={"tags": 1}),
    "no report": lambda world: replace(good(world), report=None),
    "texts that are none": lambda world: replace(good(world), log=_TEXT),
    "another value": lambda _world: {"filename": "x"},
    "an error without words": lambda world: replace(good(world), error={}),
    "an error whose code is none": lambda world: replace(
        good(world), error={"message": "x", "code": "\x1b[2J"}
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_another_answer_is_refused(world: Any, tmp_path: Path, what: str) -> None:
    with pytest.raises(BuildError) as caught:
        built(world, WRONG[what](world), tmp_path)
    assert caught.value.code == "E-BUILD-EXECUTOR"
    assert find_built(world.store, ask_of(job(), world)) is None
