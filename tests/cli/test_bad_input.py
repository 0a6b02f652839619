"""Anything may stand where a file or a value is asked for: a refusal with a reason, never a traceback."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import ARM, names_below

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.world import World

GARBAGE = bytes(range(256)) * 8

#: What may lie at a path that is given for a file.
CONTENTS: dict[str, Callable[[Path], object]] = {
    "missing": lambda _path: None,
    "directory": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(GARBAGE),
    "zeros": lambda path: path.write_bytes(b"\0" * 5000),
    "latin-1": lambda path: path.write_bytes(b"caf\xe9 = 1\n"),
    "broken toml": lambda path: path.write_text('[[packages]\nname = "'),
    "deep": lambda path: path.write_text("a = " + "[" * 50_000),
    "long line": lambda path: path.write_text("x" * 2_000_000),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "bom": lambda path: path.write_bytes(b"\xff\xfe" + "app".encode("utf-16-le")),
}

#: How a file of each kind is handed over; `{}` is its name.
USES: dict[str, tuple[str, list[str]]] = {
    "lock": ("pylock.toml", ["install", "{}", "-t", "out", "--for", ARM]),
    "plan": ("pylock.toml", ["plan", "{}", "--for", ARM, "--json"]),
    "requirements": ("requirements.txt", ["lock", "-r", "{}", "--for", ARM]),
    "constraints": ("constraints.txt", ["lock", "app", "-c", "{}", "--for", ARM]),
    "script": ("script.py", ["lock", "{}", "--for", ARM]),
    "project": ("pyproject.toml", ["lock", "{}", "--for", ARM]),
    "uv.lock": ("uv.lock", ["install", "{}", "-t", "out", "--for", ARM]),
    "target": ("target.toml", ["targets", "{}"]),
    "json target": ("target.json", ["targets", "{}", "--json"]),
    "wheel": ("demo-1.0-py3-none-any.whl", ["verify", "{}", "--for", ARM, "--json"]),
    "wheel to install": ("demo-1.0-py3-none-any.whl", ["install", "./{}", "--for", ARM, "-t", "out"]),
    "zip": ("bundle.zip", ["verify", "{}", "--for", ARM]),
    "tar": ("image.tar", ["verify", "{}", "--for", ARM]),
}

#: What is good all the same: an empty file asks for nothing, an empty directory has nothing that does not fit.
GOOD = {
    ("requirements", "empty"),
    ("constraints", "empty"),
    ("constraints", "long line"),
    ("wheel", "directory"),
    ("zip", "directory"),
    ("tar", "directory"),
}


@pytest.mark.parametrize("use", list(USES))
def test_a_file_of_any_content_is_refused_in_words(world: World, use: str) -> None:
    name, words = USES[use]
    for kind, make in CONTENTS.items():
        place = world.work / kind.replace(" ", "-")
        place.mkdir()
        make(place / name)
        done = world.run(*[word.replace("{}", name) for word in words], status=None, cwd=place)
        if (use, kind) in GOOD:
            continue
        assert done.returncode in (1, 2), (kind, done.stdout, done.stderr)
        told = done.stdout if use == "wheel" and done.stdout else done.stderr
        assert "error" in told.lower(), (kind, done.stderr)
        assert len(done.stderr) < 20_000, kind
        # A plan and a verification are results, whatever they say.
        assert done.stdout == "" or use in ("plan", "wheel"), kind
        assert [path for path in names_below(place) if path.startswith("out/")] == []


#: What may be waited for, or read, for ever.
UNENDING: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
}

_LAMBDA = ["lambda", "--for", "lambda-python3.12-arm64"]
_IMAGE = ["--image", "--handler", "code.main", "--app", "code.py", "-o", "img"]
#: Beside `USES`: the files that a function's zip and image are made of; `pylock.toml` and `code.py` are good.
USES_OF_FUNCTIONS: dict[str, tuple[str, list[str]]] = {
    "application": ("app", [*_LAMBDA, "pylock.toml", "-o", "f.zip", "--app", "{}"]),
    "application's script": ("app.py", [*_LAMBDA, "pylock.toml", "-o", "f.zip", "--app", "{}"]),
    "included requirements": ("more.txt", [*_LAMBDA, "including.txt", "-o", "f.zip"]),
    "layer": ("layer.zip", [*_LAMBDA, "pylock.toml", "-o", "f.zip", "--with-layer", "{}"]),
    "runtimes": ("mine.toml", [*_LAMBDA, "pylock.toml", "-o", "f.zip", "--runtimes", "{}"]),
    "base": ("base.tar", [*_LAMBDA, "pylock.toml", *_IMAGE, "--base", "./{}"]),
    "settings": ("pyproject.toml", [*_LAMBDA, "app", "-o", "f.zip"]),
    "base lock": ("base.toml", [*_LAMBDA, "pylock.toml", *_IMAGE, "--base-lock", "{}"]),
}


@pytest.mark.parametrize("kind", list(UNENDING))
@pytest.mark.parametrize("use", [*USES, *USES_OF_FUNCTIONS])
def test_a_pipe_or_a_device_is_refused_and_never_waited_for(world: World, use: str, kind: str) -> None:
    name, words = {**USES, **USES_OF_FUNCTIONS}[use]
    if use in USES_OF_FUNCTIONS:
        world.run("lock", "app", "--for", "lambda-python3.12-arm64")
        (world.work / "code.py").write_text("def main(event, context): return event\n")
        (world.work / "including.txt").write_text("app\n-r more.txt\n")
    UNENDING[kind](world.work / name)
    try:
        done = world.run(*[word.replace("{}", name) for word in words], status=None, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("it waits for ever")
    assert done.returncode in (1, 2), done.stderr
    assert "error" in done.stderr.lower()
    assert not (world.work / "f.zip").exists()


VALUES = ["", " ", "x" * 100_000, "\u202e", "../..", "--", "\x1b[31m", "a\nb", "/dev/null"]

OPTIONS: dict[str, list[str]] = {
    "--for": ["install", "app", "-t", "out", "--for", "{}"],
    "--python": ["install", "app", "-t", "out", "--for", "linux/arm64", "--python", "{}"],
    "--platform": ["download", "app", "--platform", "{}", "--python-version", "3.12"],
    "--python-version": ["download", "app", "--platform", "win_amd64", "--python-version", "{}"],
    "--abi": ["download", "app", "--platform", "win_amd64", "--python-version", "3.12", "--abi", "{}"],
    "--implementation": [
        "download",
        "app",
        "--platform",
        "win_amd64",
        "--python-version",
        "3.12",
        "--implementation",
        "{}",
    ],
    "SOURCE": ["lock", "--for", ARM, "{}"],
    "--extra": ["install", "pylock.toml", "-t", "out", "--for", ARM, "--extra", "{}"],
    "--only-binary": ["lock", "app", "--for", ARM, "--only-binary", "{}"],
    "--index-url": ["lock", "app", "--for", ARM, "-i", "{}"],
    "--output": ["lock", "app", "--for", ARM, "-o", "{}"],
    "targets": ["targets", "{}"],
    "verify": ["verify", "{}", "--for", ARM],
    "--max-size": ["cache", "prune", "--max-size", "{}"],
    "--jobs": ["install", "pylock.toml", "-t", "out", "--for", ARM, "-j", "{}"],
    "--target": ["install", "pylock.toml", "--for", ARM, "-t", "{}"],
}


@pytest.mark.parametrize("option", list(OPTIONS))
def test_a_value_of_any_kind_is_taken_or_refused_in_words(world: World, option: str) -> None:
    world.run("lock", "app", "--for", ARM)
    # Each option gets a third of the values, and each value a third of the options: a process each.
    for number, value in enumerate(VALUES[list(OPTIONS).index(option) % 3 :: 3]):
        place = world.work / str(number)
        place.mkdir()
        (place / "pylock.toml").write_bytes((world.work / "pylock.toml").read_bytes())
        words = [word.replace("{}", value) for word in OPTIONS[option]]
        done = world.run(*words, status=None, cwd=place)
        if done.returncode:
            assert "rror:" in done.stderr, (value[:20], done.stderr)
            assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOURCE_DATE_EPOCH", "yesterday"),
        ("UV_INDEX", "not a url"),
        ("PIP_INDEX_URL", "ftp://127.0.0.1/"),
        ("PIP_TIMEOUT", "soon"),
        ("PIP_RETRIES", "-5"),
        ("UV_HTTP_TIMEOUT", "x"),
        ("PIP_CERT", "/nowhere.pem"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
        ("PIP_CONFIG_FILE", "/"),
        ("UV_CONFIG_FILE", "/nowhere.toml"),
        ("HTTP_PROXY", "not a proxy"),
        ("LC_ALL", "xx_YY.nonsense"),
        ("PYTHONIOENCODING", "ascii"),
        ("HOME", "/nowhere"),
        ("CROSSDOCK_STORE", "relative/store"),
        ("COLUMNS", "0"),
        ("TERM", ""),
    ],
)
def test_variables_of_any_kind(world: World, name: str, value: str) -> None:
    world.run("install", "app", "--for", ARM, "-t", "out", status=None, environ={name: value}, timeout=60)


def test_an_error_carries_nothing_to_the_terminal_but_text(bare: World) -> None:
    done = bare.run("targets", "\x1b]0;owned\x07\u202e", status=2)
    assert done.stderr.replace("\n", "").isprintable()


def test_without_most_variables(world: World) -> None:
    gone: dict[str, str | None] = dict.fromkeys(
        ("HOME", "LANG", "XDG_CONFIG_HOME", "TMPDIR", "PIP_CONFIG_FILE")
    )
    world.run("install", "app", "--for", ARM, "-t", "out", environ=gone)
    done = world.run(
        "install", "app", "--for", ARM, "-t", "two", environ={**gone, "CROSSDOCK_STORE": None}, status=None
    )
    assert done.stderr.count("warning:") <= 1


def test_a_working_directory_that_is_gone(world: World) -> None:
    import subprocess

    from tests.cli.world import CROSSDOCK

    place = world.root / "gone"
    place.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", f"cd {place} && rmdir {place} && exec {CROSSDOCK} install app --for {ARM} -t out"],
        env=world.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "a bug in crossdock" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ('[tool.crossdock]\ntarget = ["linux/arm64"]\n', "table of tables"),
        ('[tool.crossdock]\ntargts = ["linux/arm64"]\n', "did you mean `targets`?"),
        ('[tool.crossdock]\nonly_binary = [":all:"]\n', "did you mean `only-binary`?"),
        ("[tool.crossdock]\nxyzzy = 1\n", "known: "),
        ('[tool.crossdock]\nprefer-wheels = "yes"\n', "true or false"),
        ('[tool.crossdock]\nlink-mode = "symlink"\n', "hardlink"),
        ("[tool]\ncrossdock = 1\n", "not a table"),
    ],
)
def test_settings_that_are_wrong_are_wrong_usage(world: World, settings: str, hint: str) -> None:
    (world.work / "pyproject.toml").write_text(settings)
    done = world.run("install", "app", "--for", ARM, "-t", "out", status=2)
    assert hint in done.stderr
    assert "[E-SETTINGS-" in done.stderr
    assert not (world.work / "out").exists()


@pytest.mark.parametrize("command", ["install", "download", "plan", "lock"])
def test_json_goes_to_standard_output_alone(world: World, command: str) -> None:
    extra = {"install": ["-t", "out"], "download": ["-d", "out"]}.get(command, [])
    assert world.json(command, "app", "--for", ARM, *extra)
