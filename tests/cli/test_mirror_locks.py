"""Several locks in one wheelhouse: whose each is, and that none takes another's place, or loses targets, in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.test_mirror import ALL, INTEL, contents
from tests.cli.world import ARM, WINDOWS

from crossdock.cli.mirror_locks import origin_of

if TYPE_CHECKING:
    from tests.cli.world import World


@pytest.fixture
def two(world: World) -> World:
    """Two directories with a requirements.txt each; the wheelhouse is beside them."""
    for name, wanted in (("one", "lib"), ("two", "wincolor")):
        (world.work / name).mkdir()
        (world.work / name / "requirements.txt").write_text(f"{wanted}\n")
    return world


def project(world: World, name: str) -> None:
    text = f'[project]\nname = "{name}-app"\nversion = "1"\ndependencies = ["lib"]\n'
    (world.work / name / "pyproject.toml").write_text(text)


def locks(world: World) -> dict[str, str]:
    table = json.loads((world.work / "wh" / "manifest.json").read_bytes())
    return {name: lock["origin"] for name, lock in table["locks"].items()}


def test_a_lock_of_the_same_name_from_elsewhere_is_refused(two: World) -> None:
    words = ["mirror", "requirements.txt", *ALL, "-o", "../wh"]
    two.run(*words, cwd=two.work / "one")
    before = contents(two.work / "wh")
    said = two.refused(*words, cwd=two.work / "two", code="E-WHEELHOUSE-NAME-USED")
    assert "`pylock.toml`" in said
    assert "--name" in said
    assert contents(two.work / "wh") == before
    # From the same place it is the same lock, however it is written, and whatever is in it.
    (two.work / "one" / "requirements.txt").write_text("lib<1.1\n")
    two.run("mirror", "./requirements.txt", *ALL, "-o", "../wh", cwd=two.work / "one")
    two.run(*words, "--name", "two", cwd=two.work / "two")
    assert sorted(locks(two)) == ["", "two"]
    two.run(*words, "--replace", cwd=two.work / "two")
    two.refused(*words, cwd=two.work / "one", code="E-WHEELHOUSE-NAME-USED")


def test_projects_are_told_apart_by_their_names(two: World) -> None:
    words = ["mirror", "requirements.txt", *ALL, "-o", "../wh"]
    for name in ("one", "two"):
        project(two, name)
    two.run(*words, cwd=two.work / "one")
    said = two.refused(*words, cwd=two.work / "two", code="E-WHEELHOUSE-NAME-USED")
    assert "the project `one-app`" in said
    assert "the project `two-app`" in said
    assert locks(two) == {"": "project one-app"}
    # A name that is given does not hide it.
    two.refused(*words, "--name", "", cwd=two.work / "two", code="E-WHEELHOUSE-NAME-USED")
    # The project elsewhere is the same project.
    (two.work / "one").rename(two.work / "elsewhere")
    two.run(*words, cwd=two.work / "elsewhere")


def test_a_name_that_is_given_serves_from_any_directory(two: World) -> None:
    for place in ("one", "two"):
        two.run(
            "mirror",
            "requirements.txt",
            *ALL,
            "-o",
            "../wh",
            "--name",
            "ci",
            "--replace",
            cwd=two.work / place,
        )
    assert locks(two) == {"ci": "name"}
    two.run("mirror", "requirements.txt", *ALL, "-o", "../wh", "--name", "ci", cwd=two.work / "one")


def test_a_delta_does_not_replace_the_lock_of_another_either(two: World) -> None:
    words = ["mirror", "requirements.txt", *ALL]
    two.run(*words, "-o", "../wh", cwd=two.work / "one")
    two.run(*words, "-o", "../other", "--delta", "../other.tar", cwd=two.work / "two")
    two.refused("mirror", "import", "other.tar", "-o", "wh", code="E-WHEELHOUSE-NAME-USED")
    two.run("mirror", "import", "other.tar", "-o", "wh", "--replace")


def test_a_lock_of_before_says_nothing_of_its_origin(two: World) -> None:
    words = ["mirror", "requirements.txt", *ALL, "-o", "../wh"]
    two.run(*words, cwd=two.work / "one")
    path = two.work / "wh" / "manifest.json"
    table = json.loads(path.read_bytes())
    del table["locks"][""]["origin"]
    path.write_text(json.dumps(table))
    two.run(*words, cwd=two.work / "two")


def test_targets_that_are_dropped_are_told(two: World) -> None:
    words = ["mirror", "one/requirements.txt", "-o", "wh"]
    assert "warning" not in two.run(*words, "--for", ARM, "--for", WINDOWS).stderr
    done = two.run(*words, "--for", INTEL, "--for", ARM)
    assert f"`pylock.toml` is no longer for {WINDOWS}" in done.stderr
    assert "name all targets in one run" in done.stderr
    assert "no longer" not in two.run(*words, *ALL).stderr


def test_what_an_origin_is() -> None:
    here = Path("/somewhere/app")
    plain = origin_of(None, here, ["requirements.txt"], named=False)
    assert origin_of(None, Path("/else/app"), ["requirements.txt"], named=False) == plain
    assert "somewhere" not in plain
    others = [(here, "x/requirements.txt"), (Path("/somewhere/two"), "requirements.txt")]
    assert plain not in {origin_of(None, place, [word], named=False) for place, word in others}
    assert origin_of("My_App", here, ["x"], named=True) == "project my-app"
    assert origin_of(None, here, ["x" * 5000 + "\0"], named=False).startswith("source ")
