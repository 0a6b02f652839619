"""Which files of a source tree a build sees, and when their wheel may be taken from the store."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest
import uv
from tests.cli.sdists import sources

from crossdock.build import cached
from crossdock.build.backend import BuildTools
from crossdock.build.pure import build_pure_directory
from crossdock.build.tree import copy_tree, source_tree, tree_digest
from crossdock.errors import BuildError
from crossdock.ship.tree import RECEIPT
from crossdock.store import Store


@pytest.fixture
def tools(tmp_path: Path) -> BuildTools:
    environ = {"UV_CACHE_DIR": str(tmp_path / "uv"), "UV_NO_INDEX": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return BuildTools(uv=uv.find_uv_bin(), uv_arguments=(), uv_environ={**environ, "PATH": os.defpath})


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def paths(root: Path) -> list[str]:
    return [file.path for file in source_tree(root)]


def test_leftovers_caches_and_environments_are_not_seen(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": "",
            "pkg/__init__.py": "",
            "pkg/build/mod.py": "",
            "pkg/__pycache__/x.pyc": "",
            "pkg/old.pyc": "",
            "pkg.egg-info/PKG-INFO": "",
            "build/lib/stale.py": "",
            "dist/pkg-1.whl": "",
            ".git/HEAD": "",
            ".venv/x": "",
            "env/pyvenv.cfg": "",
            "env/lib/x.py": "",
            f"shipped/{RECEIPT}": "",
            "shipped/x.py": "",
            "image/oci-layout": "",
            "node_modules/x.js": "",
            ".gitignore": "pkg",
        },
    )
    assert paths(tmp_path) == [".gitignore", "pkg/__init__.py", "pkg/build/mod.py", "pyproject.toml"]


def test_a_build_directory_that_is_part_of_the_project_is_seen(tmp_path: Path) -> None:
    package = write(tmp_path / "a", {"build/__init__.py": ""})
    assert paths(package) == ["build/__init__.py"]
    text = '[build-system]\nrequires = []\nbuild-backend = "me"\nbackend-path = ["build"]\n'
    backend = write(tmp_path / "b", {"pyproject.toml": text, "build/me.py": ""})
    assert "build/me.py" in paths(backend)


def test_names_modes_and_contents_count_in_the_digest_and_times_do_not(tmp_path: Path) -> None:
    def digest() -> str:
        return str(tree_digest(source_tree(root), root))

    root = write(tmp_path / "tree", {"a.py": "1", "b/c.py": "2"})
    first = digest()
    os.utime(root / "a.py", (1, 1))
    (root / "a.py").chmod(0o600)
    (root / "empty").mkdir()
    assert digest() == first
    seen = {first}
    for change in (
        lambda: (root / "a.py").write_text("3"),
        lambda: (root / "a.py").chmod(0o755),
        lambda: (root / "b" / "c.py").rename(root / "c.py"),
        lambda: (root / "link").symlink_to("a.py"),
    ):
        change()
        assert digest() not in seen
        seen.add(digest())
    (root / "out").symlink_to(tmp_path)
    assert tree_digest(source_tree(root), root) is None, "what lies behind it may change unseen"


def test_a_copy_has_plain_modes(tmp_path: Path) -> None:
    root = write(tmp_path / "tree", {"a.py": "1", "b/run": "2"})
    (root / "a.py").chmod(0o640)
    (root / "b" / "run").chmod(0o700)
    (root / "link").symlink_to("b/run")
    copy_tree(source_tree(root), tmp_path / "copy")
    assert (tmp_path / "copy" / "a.py").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "copy" / "b" / "run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "copy" / "link").readlink() == Path("b/run")


def test_a_tree_that_compiles_is_refused_before_its_code_runs(
    tmp_path: Path, tools: BuildTools, builds: list[str]
) -> None:
    files = sources("demo")
    setup = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"
    tree = write(tmp_path / "tree", {**files, "setup.py": setup, "x.c": "int x;"})
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "setuptools.build_meta"\n'
    write(tree, {"pyproject.toml": pyproject})
    with pytest.raises(BuildError) as caught:
        build_pure_directory(tree, tools, python=sys.executable, log=tmp_path / "log")
    assert caught.value.code == "E-BUILD-NATIVE"
    assert builds == []


def test_a_tree_is_built_once_until_it_changes(tmp_path: Path, tools: BuildTools, builds: list[str]) -> None:
    tree = write(tmp_path / "tree", sources("demo"))
    (tmp_path / "outside").write_text("")
    with closing(Store.open(tmp_path / "store", warn=pytest.fail)) as store:

        def build() -> str:
            return cached.directory(store, tree, tools, python=sys.executable, version=(3, 12)).sha256

        first = build()
        assert (build(), len(builds)) == (first, 1)
        (tree / "build").mkdir()
        (tree / "build" / "left.py").write_text("")
        assert (build(), len(builds)) == (first, 1)
        (tree / "demo.py").write_text("NAME = 2\n")
        assert build() != first
        assert len(builds) == 2
        (tree / "out").symlink_to(tmp_path / "outside")
        assert [build(), build()][0]
        assert len(builds) == 4, "a tree with a link out of it is never remembered"


def test_the_directorys_name_is_not_in_the_wheel(tmp_path: Path, tools: BuildTools) -> None:
    body = "EXTRA['where.py'] = os.path.basename(os.getcwd()).encode()"
    made = [
        build_pure_directory(
            write(tmp_path / name, sources("demo", body=body)),
            tools,
            python=sys.executable,
            log=tmp_path / "log",
        ).sha256
        for name in ("one", "two")
    ]
    assert made[0] == made[1]
