"""Which way a source takes to its wheel: pure or compiled. Real pure builds; a builder that notes what it is asked."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import uv
from tests.cli.sdists import native_sdist, pure_sdist, sources
from tests.cli.world import ARM, MUSL, elf
from tests.support.wheels import make_sdist, wheel_files, zip_bytes

from crossdock.build.backend import BuildTools
from crossdock.build.crossed import CrossBuilt, CrossJob
from crossdock.build.model import PackageSettings
from crossdock.build.sandbox.model import Limits
from crossdock.build.sandbox.supervise import Job as SandboxJob
from crossdock.build.sandbox.supervise import supervise
from crossdock.digest import Digest
from crossdock.errors import BuildError
from crossdock.lock.pylock import read_lock
from crossdock.lock.select import select
from crossdock.pipeline import Means, gather
from crossdock.pipeline.building import Building, Local, ToBuild, build_wheel
from crossdock.store import Store
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.build.crossed import Run


class Builder:
    """Makes a wheel of each job at once, and notes it."""

    workers = 2

    def __init__(self, store: Store) -> None:
        self.jobs: list[CrossJob] = []
        self._store = store

    def build(self, job: CrossJob) -> CrossBuilt:
        self.jobs.append(job)
        libc = "musllinux_1_2" if str(job.target.libc).startswith("musl") else "manylinux_2_17"
        tag = f"cp312-cp312-{libc}_aarch64"
        content = zip_bytes(wheel_files(job.name, "1.0", tag, files={f"{job.name}.so": elf()}))
        digest = Digest.of(content)
        blob = self._store.ingest(digest, (content,))
        return CrossBuilt(filename=f"{job.name}-1.0-{tag}.whl", digest=digest, blob=blob, report={})

    def stop(self) -> None:
        pytest.fail("nobody stops it")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "store", warn=pytest.fail)) as opened:
        yield opened


@pytest.fixture
def builder(store: Store) -> Builder:
    return Builder(store)


@pytest.fixture
def means(tmp_path: Path, store: Store, builder: Builder) -> Means:
    environ = {
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_NO_INDEX": "1",
        "PATH": os.defpath,
        "HOME": str(tmp_path),
    }
    tools = BuildTools(uv=uv.find_uv_bin(), uv_arguments=(), uv_environ=environ)
    return Means(
        store=store,
        http=lambda: pytest.fail("nothing is fetched here"),
        tools=lambda: tools,
        python_for=lambda _version: sys.executable,
        reporter=lambda: None,
        warn=lambda _text: None,
        building=Building(builder=lambda: builder, settings=lambda name: PackageSettings(requires=(name,))),
    )


def source(store: Store, path: Path, **more: Any) -> ToBuild:
    content = path.read_bytes()
    digest = Digest.of(content)
    name = path.name.partition("-")[0]
    blob = store.ingest(digest, (content,))
    return ToBuild(name=name, version="1.0", filename=path.name, digest=digest, blob=blob, **more)


def test_pure_sources_are_built_pure(tmp_path: Path, means: Means, builder: Builder) -> None:
    built = build_wheel(source(means.store, pure_sdist(tmp_path, "pure")), parse_target(ARM), means)
    assert (built.filename, built.crossed) == ("pure-1.0-py3-none-any.whl", None)
    assert builder.jobs == []


def test_a_pure_source_that_asks_for_the_machine_is_built_for_the_target(
    tmp_path: Path, means: Means, builder: Builder
) -> None:
    """Its metadata and files follow the answers: those of this machine are wrong for another."""
    files = sources("asks", body="import platform; platform.machine()")
    asks = source(means.store, make_sdist(tmp_path, name="asks", files=files))
    built = build_wheel(asks, parse_target(ARM), means)
    assert built.crossed is not None
    (job,) = builder.jobs
    assert (job.evidence, job.settings.pure) == ((), True)
    warned: list[str] = []
    alone = build_wheel(asks, parse_target(ARM), replace(means, building=None, warn=warned.append))
    assert alone.filename == "asks-1.0-py3-none-any.whl"
    assert any("platform.machine" in text for text in warned)


def test_pure_sources_are_held_to_their_packages_limits(
    tmp_path: Path, means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int | None, int | None]] = []

    def sdist(*words: Any, **_named: object) -> object:
        seen.append((words[4].seconds, words[4].memory))
        raise BuildError("seen")

    monkeypatch.setattr("crossdock.build.cached.sdist", sdist)
    building = Building(
        builder=lambda: pytest.fail("pure"), settings=lambda _name: PackageSettings(seconds=5)
    )
    tools = replace(means.tools(), seconds=9, memory=70)
    one = source(means.store, pure_sdist(tmp_path, "pure"))
    for how in (building, None):
        with pytest.raises(BuildError):
            build_wheel(one, parse_target(ARM), replace(means, tools=lambda: tools, building=how))
    assert seen == [(5, 70), (9, 70)]


def test_native_sources_are_compiled_with_their_settings(
    tmp_path: Path, means: Means, builder: Builder
) -> None:
    path = native_sdist(tmp_path, "hard")
    built = build_wheel(source(means.store, path), parse_target(ARM), means)
    assert built.crossed is not None
    (job,) = builder.jobs
    assert job.settings.requires == ("hard",)
    assert job.identity == str(Digest.of(path.read_bytes()))
    assert not job.is_own
    assert "setup.py: ext_modules" in job.evidence
    with pytest.raises(BuildError) as caught:
        build_wheel(source(means.store, path), parse_target(ARM), replace(means, building=None))
    assert caught.value.code == "E-BUILD-NATIVE"


def test_what_only_looked_pure_is_compiled_and_remembered(
    tmp_path: Path, means: Means, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = source(means.store, pure_sdist(tmp_path, "sly", extra={"sly_core.so": elf()}))
    build_wheel(one, parse_target(ARM), means)
    assert any("sly_core.so" in reason for reason in builder.jobs[0].evidence)
    # The second time no backend runs to find that out.
    monkeypatch.setattr(
        "crossdock.build.pure.build_wheel", lambda *_a, **_k: pytest.fail("built as pure again")
    )
    build_wheel(one, parse_target(ARM), means)
    assert len(builder.jobs) == 2
    monkeypatch.undo()
    with pytest.raises(BuildError) as caught:
        build_wheel(one, parse_target(ARM), replace(means, building=None))
    assert caught.value.code == "E-BUILD-NOT-PURE"


def test_wheels_for_platforms_say_that_a_source_compiles(
    tmp_path: Path, means: Means, builder: Builder
) -> None:
    path = pure_sdist(tmp_path, "shy")
    rows = [
        'lock-version = "1.0"', 'created-by = "tests"', "[[packages]]", 'name = "shy"', 'version = "1.0"',
        f'sdist = {{ path = "{path.name}", hashes = {{ sha256 = "{Digest.of(path.read_bytes()).hex}" }} }}',
        f'wheels = [{{ url = "https://e.invalid/shy-1.0-cp312-cp312-win_amd64.whl", hashes = {{ sha256 = "{"a" * 64}" }} }}]',
    ]  # fmt: skip
    (tmp_path / "pylock.toml").write_text("\n".join(rows))
    lock = read_lock(tmp_path / "pylock.toml")
    targets = [parse_target(ARM), parse_target(MUSL)]
    gathered = gather(lock, [select(lock, target) for target in targets], means)
    # A native wheel is for one target.
    assert [one.wheels[0].filename for one in gathered] == [
        "shy-1.0-cp312-cp312-manylinux_2_17_aarch64.whl",
        "shy-1.0-cp312-cp312-musllinux_1_2_aarch64.whl",
    ]
    assert {job.target for job in builder.jobs} == set(targets)
    assert all("shy-1.0-cp312-cp312-win_amd64.whl" in job.evidence[0] for job in builder.jobs)


def test_a_directory_is_packed_and_named_by_its_contents(
    tmp_path: Path, means: Means, builder: Builder
) -> None:
    setup = "from setuptools import Extension, setup\nsetup(name='named', ext_modules=[Extension('x', ['x.c'])])\n"
    for name in ("one", "two"):
        for path, content in {"setup.py": setup, "x.c": "int x;", **sources("named")}.items():
            if path == "pyproject.toml":
                continue
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(str(content))
        build_wheel(ToBuild(name="", version=None, directory=tmp_path / name), parse_target(ARM), means)
    first, second = builder.jobs
    assert first.name == "named"
    assert first.identity == second.identity
    assert (first.identity or "").startswith("tree sha256:")
    assert first.is_own
    assert replace(first, identity=None).is_own
    assert [job.archive()[0].read_bytes() for job in builder.jobs[:1]] == [second.archive()[0].read_bytes()]


class SilentStages:
    """Tells nobody how builds go."""

    def began(self, label: str) -> object:
        return label

    def stage(self, name: object, words: str) -> None: ...

    def ended(self, name: object, words: str, *, failed: bool) -> None: ...


def _local(store: Store, means: Means, monkeypatch: pytest.MonkeyPatch) -> tuple[Local, CrossJob]:
    """Give what builds on this machine, with nothing built before, and a job for it."""
    from crossdock.build.model import World

    monkeypatch.setattr("crossdock.build.crossed.find_built", lambda *_words: None)
    monkeypatch.setattr("crossdock.build.crossed.ask_of", lambda *_words: {})
    world = World(
        store=store, tools=means.tools(), http=lambda: pytest.fail("no"), index=lambda: pytest.fail("no"),
        python_for=lambda *_w: "", archives=lambda _s: (), now=0, warn=pytest.fail,
    )  # fmt: skip
    job = CrossJob(
        what="x", name="alone", version=None, identity=None, archive=lambda: (store.root, ""), target=parse_target(ARM),
        settings=PackageSettings(),
    )  # fmt: skip
    return Local(world, processors=8, stages=SilentStages()), job


def test_builds_beside_each_other_share_the_processors(
    store: Store, monkeypatch: pytest.MonkeyPatch, means: Means
) -> None:
    shares: list[int] = []
    both, first = threading.Barrier(2, timeout=30), threading.Event()

    def cross(job: CrossJob, world: Any, _run: object) -> CrossBuilt:
        shares.append(world.jobs)
        if job.name != "alone":
            first.set()
            both.wait()
        return CrossBuilt(filename="x", digest=Digest.of(b""), blob=store.root, report={})

    monkeypatch.setattr("crossdock.pipeline.building.cross", cross)
    local, job = _local(store, means, monkeypatch)
    local.build(job)
    other = threading.Thread(target=local.build, args=(replace(job, name="one"),))
    other.start()
    first.wait(30)
    local.build(replace(job, name="two"))
    other.join(30)
    assert shares == [8, 8, 4]


def test_a_build_that_was_about_to_start_its_process_is_stopped_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, means: Means, tmp_path: Path
) -> None:
    ready, ended = threading.Event(), threading.Event()

    def cross(_job: CrossJob, _world: object, run: Run) -> CrossBuilt:
        run.tell("compiling")
        ready.set()
        stopping.wait(30)  # It has passed its last question, and starts its process after all were killed.
        sleep = SandboxJob(
            command=["sleep", "300"], environ={}, log=tmp_path / "log", limits=Limits(), what="sleep"
        )
        supervise(sleep)
        ended.set()
        raise BuildError("killed", code="E-BUILD-FAILED")

    stopping = threading.Event()
    monkeypatch.setattr("crossdock.pipeline.building.cross", cross)
    local, job = _local(store, means, monkeypatch)

    def build() -> None:
        with pytest.raises(BuildError):
            local.build(job)

    other = threading.Thread(target=build)
    other.start()
    assert ready.wait(30)
    threading.Timer(0.3, stopping.set).start()
    local.stop()
    assert ended.is_set()
    other.join(30)


def test_a_directory_that_is_edited_before_it_is_packed_is_not_built_as_what_it_was(
    store: Store, tmp_path: Path
) -> None:
    from crossdock.pipeline.building import _tree

    source = tmp_path / "project"
    source.mkdir()
    (source / "a.c").write_text("int a;")
    identity, archive = _tree(ToBuild(name="demo", version=None, directory=source), store)
    assert identity is not None
    assert archive()[1] == "source.tar.gz"
    (source / "a.c").write_text("int b;")
    with pytest.raises(BuildError) as caught:
        archive()
    assert caught.value.code == "E-BUILD-CHANGED"
