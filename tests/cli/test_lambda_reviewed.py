"""What reviews of `crossdock lambda` found: files that were shipped, left out or waited for though nobody wanted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.test_lambda import ARM, modules, names
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.world import World


@pytest.fixture
def locked(world: World) -> World:
    """A lock of the small application, and a directory of modules."""
    world.run("lock", "app", "--for", ARM, "-o", "pylock.toml")
    modules(world.work / "code")
    return world


# What of a project is shipped


def test_gitignore_is_not_read_and_exclude_is(locked: World) -> None:
    code = modules(
        locked.work / "code",
        {".gitignore": "secrets.env\n", "secrets.env": "KEY=1\n", ".env": "KEY=2\n", "handler.py": ""},
    )
    words = ["lambda", "../pylock.toml", "--app", ".", "--for", ARM, "-o", "f.zip"]
    locked.run(*words, cwd=code)
    assert "secrets.env" in names(code / "f.zip"), "the guide says so; if this changes, so must the guide"
    assert not {".env", ".gitignore"} & set(names(code / "f.zip"))
    (code / "pyproject.toml").write_text('[tool.crossdock.lambda]\nexclude = ["secrets.env"]\n')
    (code / "pylock.toml").write_bytes((locked.work / "pylock.toml").read_bytes())
    locked.run("lambda", ".", "--for", ARM, "-o", "f.zip", cwd=code)
    assert {"handler.py"} <= set(names(code / "f.zip"))
    assert "secrets.env" not in names(code / "f.zip")


def test_a_wheelhouse_and_its_deltas_are_told_and_not_shipped(locked: World) -> None:
    code = locked.work / "code"
    words = ["lambda", "../pylock.toml", "--app", ".", "--for", ARM, "-o", "f.zip"]
    locked.run(*words, cwd=code)
    before = (code / "f.zip").read_bytes()
    mirror = ["mirror", "../pylock.toml", "--for", ARM, "-o", "wheels", "--delta", "carried.tar"]
    locked.run(*mirror, cwd=code)
    said = locked.run(*words, cwd=code).stderr
    assert (code / "f.zip").read_bytes() == before
    for name in ("wheels", "carried.tar"):
        assert f"`{name}` has the form of what crossdock writes: it is not shipped" in said


# What the runtime brings


@pytest.fixture
def sdk(world: World) -> World:
    """AWS's packages as they need each other."""
    make_wheel(world.files, "boto3", files={"boto3/__init__.py": ""}, requires=("botocore", "jmespath"))
    make_wheel(world.files, "botocore", files={"botocore/__init__.py": ""}, requires=("jmespath", "six"))
    for name in ("jmespath", "six"):
        make_wheel(world.files, name, files={f"{name}/__init__.py": ""})
    modules(world.work / "code")
    return world


def left_out(world: World, *words: str, **files: str) -> list[str]:
    for name, text in files.items():
        (world.work / name.replace("_dot_", ".")).write_text(text)
    run = ["lambda", *words, "--for", ARM, "-o", "f.zip", "--without-provided"]
    (told,) = world.json(*run)["bundles"]
    found: list[str] = told["left-out"]
    return found


COMPILED = """\
boto3==1.0
    # via -r requirements.in
botocore==1.0
    # via boto3
jmespath==1.0
    # via
    #   boto3
    #   botocore
six==1.0
    # via
    #   -r requirements.in
    #   botocore
"""

ASKING: Mapping[str, tuple[list[str], dict[str, str], list[str]]] = {
    "words": (["boto3", "six"], {}, ["boto3", "botocore", "jmespath"]),
    "a file": (["r.txt"], {"r_dot_txt": "boto3\nsix\n"}, ["boto3", "botocore", "jmespath"]),
    "-r": (["-r", "r.txt"], {"r_dot_txt": "boto3\nsix==1.0\n"}, ["boto3", "botocore", "jmespath"]),
    "included": (
        ["r.txt"],
        {"r_dot_txt": "boto3\n-r more.in\n", "more_dot_in": "six\n"},
        ["boto3", "botocore", "jmespath"],
    ),
    "a pin": (["r.txt"], {"r_dot_txt": "boto3==1.0\n"}, []),
    "compiled": (["r.txt"], {"r_dot_txt": COMPILED}, ["boto3", "botocore", "jmespath"]),
    "a script": (
        ["run.py"],
        {"run_dot_py": '# /// script\n# dependencies = ["boto3", "six"]\n# ///\n'},
        ["boto3", "botocore", "jmespath"],
    ),
    "an extra": (
        ["pyproject.toml", "--extra", "more"],
        {
            "pyproject_dot_toml": '[project]\nname = "mine"\nversion = "1"\ndependencies = ["boto3"]\n'
            '[project.optional-dependencies]\nmore = ["six"]\n'
        },
        ["boto3", "botocore", "jmespath"],
    ),
    "a group": (
        ["pyproject.toml", "--group", "more"],
        {
            "pyproject_dot_toml": '[project]\nname = "mine"\nversion = "1"\ndependencies = ["boto3"]\n'
            '[dependency-groups]\nmore = ["six"]\n'
        },
        ["boto3", "botocore", "jmespath"],
    ),
}


@pytest.mark.parametrize(("words", "files", "expected"), ASKING.values(), ids=ASKING)
def test_what_the_user_asks_for_is_not_left_to_the_runtime(
    sdk: World, words: list[str], files: dict[str, str], expected: list[str]
) -> None:
    assert left_out(sdk, *words, "--app", "code", **files) == expected


def test_a_lock_made_from_requirements_knows_what_they_asked_for(sdk: World) -> None:
    (sdk.work / "requirements.txt").write_text("boto3\nsix\n")
    sdk.run("lock", "requirements.txt", "--for", ARM, "-o", "pylock.toml")
    assert left_out(sdk, "pylock.toml", "--app", "code") == ["boto3", "botocore", "jmespath"]
