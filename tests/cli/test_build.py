"""`crossdock build`: what it takes, what it refuses, and what a pure source distribution comes to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from tests.cli.sdists import native_sdist, pure_sdist, sources
from tests.cli.world import ARM, MUSL
from tests.support.wheels import make_sdist, make_wheel

if TYPE_CHECKING:
    from tests.cli.world import World


def test_a_pure_source_distribution_is_built_once_for_all_targets(bare: World) -> None:
    path = pure_sdist(bare.work, "pure")
    done = bare.run("build", path, "--for", ARM, "--for", MUSL, "-o", "out")
    assert done.stdout == "out/pure-1.0-py3-none-any.whl\n"
    (wheel,) = (bare.work / "out").iterdir()
    (row, other) = bare.json("build", path.name, "--for", ARM, "--for", MUSL, "-o", "out")["built"]
    assert row["sha256"] == other["sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (row["target"], row["tags"], row["provenance"]) == (ARM, ["py3-none-any"], None)


def test_a_requirement_a_url_and_a_directory_are_the_same_source(bare: World) -> None:
    path = pure_sdist(bare.files, "pure")
    make_sdist(bare.files, "pure", "0.9", files=sources("pure"))
    make_wheel(bare.files, "pure", "1.1")
    url = f"{bare.index.origin}/files/{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}"
    for name, text in sources("pure").items():
        place = bare.work / "project" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(str(text))
    wheels = set()
    # A wheel of a newer version is no source.
    for word in ("pure", "pure==1.0", "pure>0.9", url, "./project"):
        (row,) = bare.json("build", word, "--for", ARM)["built"]
        assert row["filename"] == "pure-1.0-py3-none-any.whl"
        wheels.add(row["sha256"])
    assert len(wheels) == 1


def test_a_pinned_requirement_is_asked_of_the_index_once(bare: World) -> None:
    pure_sdist(bare.files, "pure")
    first = bare.run("build", "pure==1.0", "--for", ARM)
    asked = len(bare.index.requests)
    assert bare.run("build", "pure==1.0", "--for", ARM).stdout == first.stdout
    assert len(bare.index.requests) == asked
    assert bare.run("build", "pure==1.0", "--for", ARM, "--offline").stdout == first.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["gone.tar.gz"], "E-BUILD-WHAT", "no source distribution at `gone.tar.gz`"),
        (["./gone"], "E-BUILD-WHAT", "./project"),
        (["demo-1.0-py3-none-any.whl"], "E-BUILD-WHAT", "is a wheel"),
        (["not a requirement"], "E-BUILD-WHAT", "is no source distribution, directory, URL or requirement"),
        (["https://example.invalid/demo-1.0.tar.gz"], "E-BUILD-WHAT", "#sha256="),
        (["demo", "--glibc", "3.0"], "E-SETTINGS-VALUE", "--glibc is no version of glibc"),
        (["./project", "--config-setting", "a"], "E-SETTINGS-VALUE", "KEY=VALUE"),
        (["./project", "--require", "a b c"], "E-SETTINGS-VALUE", "--require has no requirement"),
        (["./project", "--executor", "ray://x"], "E-BUILD-EXECUTOR", "dask://HOST:PORT"),
    ],
)
def test_wrong_words_are_refused(bare: World, words: list[str], code: str, says: str) -> None:
    project = bare.work / "project"
    (project / "src").mkdir(parents=True)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "maturin"\n[project]\nname = "x"\n'
    )
    text = bare.refused("build", *words, "--for", ARM, code=code, status=2)
    assert says in text
    assert not (bare.work / "dist").exists()


def test_a_package_without_a_source_distribution(bare: World) -> None:
    make_wheel(bare.files, "demo")
    text = bare.refused("build", "demo", "--for", ARM, code="E-BUILD-NO-SDIST")
    assert "wheels only" in text
    bare.refused("build", "demo==2", "--for", ARM, "--offline", code="E-FETCH-OFFLINE")


def test_a_project_without_a_stated_name(bare: World) -> None:
    project = bare.work / "project"
    project.mkdir()
    (project / "setup.py").write_text(
        "from setuptools import setup, Extension\nsetup(name=str(), ext_modules=[Extension('a', ['a.c'])])\n"
    )
    text = bare.refused("build", "./project", "--for", ARM, code="E-BUILD-NAME")
    assert "under [project]" in text


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        (
            "[tool.crossdock.build.demo]\npatches = ['a.patch']\n",
            "E-SETTINGS-PATCHES",
            "what the author published",
        ),
        ("[tool.crossdock.build.demo]\nlibrary = ['x']\n", "E-SETTINGS-UNKNOWN", "did you mean `libraries`"),
        ("[tool.crossdock.build.demo]\nlibraries = 'x'\n", "E-SETTINGS-TYPE", "a list of strings"),
        (
            "[tool.crossdock.build.demo.environment]\n'a b' = 'c'\n",
            "E-SETTINGS-VALUE",
            "no name of a variable",
        ),
        ("[tool.crossdock.build.a_b]\n[tool.crossdock.build.a-b]\n", "E-SETTINGS-BUILD", "two spellings"),
        ("[tool.crossdock.build]\nglibc = 2.17\n", "E-SETTINGS-TYPE", "a string"),
        ("[tool.crossdock.build]\nrelese = 'sid'\n", "E-SETTINGS-UNKNOWN", "did you mean `release`"),
    ],
)
def test_settings_are_read_strictly(bare: World, settings: str, code: str, says: str) -> None:
    (bare.work / "pyproject.toml").write_text(settings)
    path = pure_sdist(bare.work, "pure")
    assert says in bare.refused("build", path.name, "--for", ARM, code=code, status=2)


def test_a_build_without_a_python_of_that_version_says_what_to_do(bare: World) -> None:
    path = native_sdist(bare.work, "hard")
    environ = {"PATH": "/usr/bin:/bin", "UV_PYTHON_DOWNLOADS": "never", "PYENV_ROOT": str(bare.root)}
    target = "cp39-linux-aarch64-glibc2.28"
    text = bare.refused("build", path.name, "--for", target, code="E-BUILD-PYTHON", environ=environ)
    assert "no Python 3.9 on this machine to run the build" in text
    assert "UV_PYTHON_DOWNLOADS=never" in text
    assert "uv python install 3.9" in text
