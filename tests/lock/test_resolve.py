"""Resolution by the real uv against an index on loopback."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.lock.locks import linux, macos, windows
from tests.support.index import LoopbackIndex
from tests.support.wheels import make_sdist, make_wheel

from crossdock.errors import LockError
from crossdock.lock.resolve import Resolved, ResolveOptions, load_lock, lowest_python, resolve
from crossdock.lock.select import Kind, select
from crossdock.lock.source import find_source
from crossdock.lock.uv import run_uv
from crossdock.target.model import Python, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TARGETS = [linux(), linux(musl=(1, 2)), macos(), windows()]

#: A backend inside the source distribution: it leaves a mark when it is run.
BACKEND = """
import os, pathlib
def _mark(): pathlib.Path(os.environ["CANARY"]).write_text("ran")
_mark()
def get_requires_for_build_wheel(settings=None): return []
def prepare_metadata_for_build_wheel(directory, settings=None):
    info = pathlib.Path(directory) / "legacy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: legacy\\nVersion: 1.0\\nRequires-Dist: pure\\n")
    return info.name
"""
LEGACY = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": BACKEND,
}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackIndex]:
    files = tmp_path / "index"
    files.mkdir()
    make_wheel(files, "pure", "1.0", requires=("extra-dep ; sys_platform == 'win32'",))
    make_wheel(files, "extra_dep", "1.0")
    for tag in (
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp312-cp312-win_amd64",
        "cp312-cp312-macosx_11_0_arm64",
    ):
        make_wheel(files, "native", "1.0", tag)
    make_sdist(files, "native", "1.0", files={"setup.py": "raise SystemExit('never run')"})
    make_sdist(files, "legacy", "1.0", files=LEGACY)
    with LoopbackIndex(files) as served:
        yield served


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


@pytest.fixture
def environ(index: LoopbackIndex, tmp_path: Path) -> dict[str, str]:
    return {**index.uv_environ(tmp_path / "cache"), "CANARY": str(tmp_path / "canary")}


def lock(
    directory: Path, environ: dict[str, str], *words: str, targets: list[Target] | None = None, **options: Any
) -> Resolved:
    source = find_source(words, directory=directory)
    return resolve(source, targets or TARGETS, environ=environ, options=ResolveOptions(**options))


def names(resolved: Resolved) -> list[str]:
    return [package.name for package in resolved.lock.packages]


def project(directory: Path, more: str = "", dependencies: str = '"pure"') -> Path:
    path = directory / "pyproject.toml"
    path.write_text(
        f'[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
        f"dependencies = [{dependencies}]\n{more}"
    )
    return path


def test_one_lock_serves_every_target(work: Path, environ: dict[str, str], index: LoopbackIndex) -> None:
    resolved = lock(work, environ, "pure", "native")
    assert names(resolved) == ["extra-dep", "native", "pure"]
    native = resolved.lock.named("native")[0]
    assert len(native.wheels) == 3
    # uv leaves source distributions out when it may not build: the second run brings them back.
    assert native.sdist is not None
    assert native.wheels[0].size
    chosen = {
        target.name: {c.name: c.kind for c in select(resolved.lock, target).choices} for target in TARGETS
    }
    assert set(chosen["windows"]) == {"extra-dep", "native", "pure"}
    assert set(chosen["mac"]) == {"native", "pure"}
    assert chosen["box"]["native"] is Kind.SDIST  # the last of that name: musl has no wheel
    assert str(resolved.lock.requires_python) == ">=3.12"
    assert index.url in resolved.text or index.origin in resolved.text


def test_same_input_gives_the_same_bytes_without_this_machine(
    work: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    first = lock(work, environ, "pure", "native").text
    assert first == lock(work, environ, "native", "pure").text
    assert str(tmp_path) not in first
    assert "#" not in first
    assert 'created-by = "crossdock"' in first


def test_no_code_of_a_package_runs_unless_allowed(work: Path, environ: dict[str, str]) -> None:
    canary = environ["CANARY"]
    with pytest.raises(LockError) as raised:
        lock(work, environ, "legacy", "native")
    error = raised.value
    assert error.code == "E-LOCK-BUILD"
    assert "`legacy`" in error.message
    assert "--allow-build legacy" in str(error.hint)
    assert not os.path.exists(canary)  # noqa: PTH110
    resolved = lock(work, environ, "legacy", "native", allow_build=frozenset({"legacy"}))
    assert os.path.exists(canary)  # noqa: PTH110
    assert {"legacy", "pure", "native"} <= set(names(resolved))
    legacy = resolved.lock.named("legacy")[0]
    assert legacy.sdist is not None
    assert resolved.lock.named("native")[0].wheels


def test_static_source_distribution_needs_no_permission(
    work: Path, environ: dict[str, str], index: LoopbackIndex
) -> None:
    info = "Metadata-Version: 2.2\nName: fixed\nVersion: 1.0\nRequires-Dist: native\n"
    make_sdist(index.directory, "fixed", "1.0", files={"PKG-INFO": info, **LEGACY})
    source = find_source(["fixed", "pure"], directory=work)
    asked: list[str] = []

    def static_version(name: str) -> str | None:
        asked.append(name)
        return "1.0" if name == "fixed" else None

    resolved = resolve(source, TARGETS, environ=environ, static_version=static_version)
    assert names(resolved) == ["extra-dep", "fixed", "native", "pure"]
    assert asked == ["fixed"]
    with pytest.raises(LockError) as raised:
        resolve(
            find_source(["legacy"], directory=work), TARGETS, environ=environ, static_version=static_version
        )
    assert raised.value.code == "E-LOCK-BUILD"
    assert not os.path.exists(environ["CANARY"])  # noqa: PTH110


def test_everything_may_be_allowed(work: Path, environ: dict[str, str]) -> None:
    assert "legacy" in names(lock(work, environ, "legacy", allow_build=frozenset({":all:"})))


def test_stated_metadata_makes_running_needless(work: Path, environ: dict[str, str]) -> None:
    project(
        work,
        '[[tool.uv.dependency-metadata]]\nname = "legacy"\nversion = "1.0"\nrequires-dist = ["native"]\n',
        '"legacy"',
    )
    assert names(lock(work, environ)) == ["legacy", "native"]
    assert not os.path.exists(environ["CANARY"])  # noqa: PTH110


def test_extras_and_groups_share_one_lock(work: Path, environ: dict[str, str]) -> None:
    project(
        work,
        '[project.optional-dependencies]\nFast_IO = ["native"]\n[dependency-groups]\ntest = ["extra-dep"]\n',
    )
    resolved = lock(work, environ, all_extras=True, all_groups=True)
    made = resolved.lock
    assert (made.extras, made.dependency_groups, made.default_groups) == (("fast-io",), ("test",), ())

    def chosen(target: Target, **options: Any) -> list[str]:
        return [choice.name for choice in select(made, target, **options).choices]

    assert chosen(linux()) == ["pure"]
    assert chosen(linux(), extras=["fast-io"]) == ["native", "pure"]
    assert chosen(linux(), groups=["test"]) == ["extra-dep", "pure"]
    assert chosen(windows()) == ["extra-dep", "pure"]


def test_unknown_extra_is_in_uvs_words(work: Path, environ: dict[str, str]) -> None:
    project(work)
    with pytest.raises(LockError, match="nope"):
        lock(work, environ, extras=("nope",))
    with pytest.raises(LockError) as raised:
        lock(work, environ, "pure", extras=("nope",))
    assert raised.value.code == "E-LOCK-EXTRA"


def test_project_with_uv_lock(work: Path, environ: dict[str, str]) -> None:
    path = project(work, '[project.optional-dependencies]\nfast = ["native"]\n')
    run_uv(["lock", "--no-build"], directory=work, environ=environ)
    resolved = lock(work, environ, extras=("fast",))
    assert names(resolved) == ["extra-dep", "native", "pure"]
    assert [choice.name for choice in select(resolved.lock, linux()).choices] == ["pure"]
    assert len(select(resolved.lock, linux(), extras=["fast"]).choices) == 2
    path.write_text(path.read_text().replace('"pure"', '"pure", "extra-dep"'))
    with pytest.raises(LockError) as raised:
        lock(work, environ)
    assert raised.value.code == "E-LOCK-STALE"
    assert "uv lock" in str(raised.value.hint)


def test_a_uv_lock_for_a_python_that_this_host_does_not_run(work: Path, environ: dict[str, str]) -> None:
    path = project(work)
    run_uv(["lock", "--no-build"], directory=work, environ=environ)
    lowest = re.compile(r'requires-python = "[^"]*"')
    beyond = f'requires-python = ">=3.{sys.version_info.minor + 1}"'
    path.write_text(lowest.sub(beyond, path.read_text()))
    lockfile = work / "uv.lock"
    lockfile.write_text(lowest.sub(beyond, lockfile.read_text(), count=1))
    resolved = lock(work, environ, targets=[linux(python=Python(minor=15))])
    assert "pure" in names(resolved)


def test_versions_of_uv_lock_cannot_be_constrained(work: Path, environ: dict[str, str]) -> None:
    project(work)
    run_uv(["lock", "--no-build"], directory=work, environ=environ)
    with pytest.raises(LockError) as raised:
        lock(work, environ, constraints=("pure<1",))
    assert raised.value.code == "E-LOCK-SOURCE"


def test_script(work: Path, environ: dict[str, str]) -> None:
    (work / "run.py").write_text(
        '# /// script\n# requires-python = ">=3.13"\n# dependencies = ["pure"]\n# ///\n'
    )
    resolved = lock(work, environ, "run.py")
    assert names(resolved) == ["extra-dep", "pure"]
    assert str(resolved.lock.requires_python) == ">=3.13"


def test_requirements_files_with_includes_constraints_and_hashes(
    work: Path, environ: dict[str, str], index: LoopbackIndex
) -> None:
    make_wheel(index.directory, "pure", "2.0")
    wheel = index.directory / "pure-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (work / "more").mkdir()
    (work / "more" / "base.txt").write_text(f"pure==1.0 --hash=sha256:{digest}\n")
    (work / "limits.txt").write_text("native<2\n")
    (work / "requirements.txt").write_text(
        "-r more/base.txt\n-c limits.txt\nnative ; sys_platform == 'linux'\n"
    )
    resolved = lock(work, environ, "requirements.txt", targets=[linux()])
    pure, native = resolved.lock.named("pure")[0], resolved.lock.named("native")[0]
    assert (pure.version, str(native.marker)) == ("1.0", 'sys_platform == "linux"')
    (work / "more" / "base.txt").write_text(f"pure==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(LockError):
        lock(work, environ, "requirements.txt")


def test_local_files_are_named_from_the_lock(work: Path, environ: dict[str, str], tmp_path: Path) -> None:
    (work / "dist").mkdir()
    make_wheel(work / "dist", "local", "1.0", requires=("pure",))
    library = work / "lib"
    library.mkdir()
    (library / "pyproject.toml").write_text(
        '[project]\nname = "lib"\nversion = "3"\ndependencies = []\n[build-system]\nrequires = []\nbuild-backend = "x"\n'
    )
    source = find_source(["./dist/local-1.0-py3-none-any.whl", "./lib"], directory=work)
    elsewhere = tmp_path / "out" / "deep"
    elsewhere.mkdir(parents=True)
    resolved = resolve(source, TARGETS, environ=environ, lock_directory=elsewhere)
    local, lib = resolved.lock.named("local")[0], resolved.lock.named("lib")[0]
    assert local.archive is not None
    assert lib.directory is not None
    assert local.archive.path == "../../work/dist/local-1.0-py3-none-any.whl"
    assert lib.directory.path == "../../work/lib"
    assert (elsewhere / local.archive.path).is_file()
    assert str(tmp_path) not in resolved.text


def test_direct_url_is_an_archive_with_a_hash(
    work: Path, environ: dict[str, str], index: LoopbackIndex
) -> None:
    url = f"{index.origin}/files/pure-1.0-py3-none-any.whl"
    archive = lock(work, environ, f"pure @ {url}").lock.named("pure")[0].archive
    assert archive is not None
    assert archive.url == url


def test_find_links_directory_leaves_no_host_path(
    work: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    links = work / "links"
    links.mkdir()
    make_wheel(links, "linked", "1.0")
    resolved = lock(work, environ, "linked", extra_args=("--find-links", str(links)))
    assert resolved.lock.named("linked")[0].wheels[0].path == "links/linked-1.0-py3-none-any.whl"
    assert str(tmp_path) not in resolved.text


@pytest.mark.parametrize("only_html", [True, False])
def test_login_is_used_and_not_written(
    work: Path, environ: dict[str, str], index: LoopbackIndex, only_html: bool
) -> None:
    index.login, index.only_html = ("alice", "canary-pw"), only_html
    resolved = lock(work, {**environ, "UV_DEFAULT_INDEX": index.url_with_login}, "native")
    assert "canary-pw" not in resolved.text
    assert "alice" not in resolved.text
    index.login = ("alice", "changed")
    with pytest.raises(LockError) as raised:
        lock(
            work,
            {**environ, "UV_DEFAULT_INDEX": index.url_with_login.replace("changed", "canary-pw")},
            "pure",
        )
    assert "canary-pw" not in str(raised.value)


def test_target_outside_the_projects_environments_is_refused(work: Path, environ: dict[str, str]) -> None:
    project(work, "[tool.uv]\nenvironments = [\"sys_platform == 'linux'\"]\n")
    with pytest.raises(LockError, match="leaves out mac, windows") as raised:
        lock(work, environ)
    assert raised.value.code == "E-LOCK-ENVIRONMENT"
    resolved = lock(work, environ, targets=[linux()])
    with pytest.raises(LockError) as raised:
        select(resolved.lock, windows())
    assert raised.value.code == "E-LOCK-ENVIRONMENT"


def test_failure_is_in_uvs_words(work: Path, environ: dict[str, str]) -> None:
    with pytest.raises(LockError) as raised:
        lock(work, environ, "pure==9")
    assert raised.value.code == "E-LOCK-RESOLVE"
    assert "pure" in "".join(raised.value.places)


def test_host_settings_do_not_reach_uv(work: Path, environ: dict[str, str]) -> None:
    hostile = {
        "UV_PYTHON": "/nonexistent",
        "VIRTUAL_ENV": "/nonexistent",
        "UV_NO_BINARY": "1",
        "FORCE_COLOR": "1",
    }
    assert "pure" in names(lock(work, {**environ, **hostile}, "pure"))


def test_lock_is_its_own_source(work: Path, environ: dict[str, str]) -> None:
    (work / "pylock.toml").write_text(lock(work, environ, "pure").text)
    source = find_source(["pylock.toml"], directory=work)
    assert [p.name for p in load_lock(source, TARGETS, environ={}).packages] == ["extra-dep", "pure"]
    with pytest.raises(LockError, match="a lock already"):
        resolve(source, TARGETS, environ={})


@pytest.mark.parametrize(
    ("pythons", "requires", "lowest"),
    [
        ([Python(minor=12), Python(minor=9)], None, "3.9"),
        ([Python(minor=12)], ">=3.8", "3.12"),
        ([Python(minor=12)], ">=3.12.4,<4", "3.12.4"),
        ([Python(minor=12, patch=3)], None, "3.12.3"),
        ([Python(minor=12)], "==3.12.*", "3.12"),
        ([Python(minor=12)], "nonsense", "3.12"),
    ],
)
def test_lower_bound_of_python(pythons: list[Python], requires: str | None, lowest: str) -> None:
    assert lowest_python([linux(python=python) for python in pythons], requires) == lowest
