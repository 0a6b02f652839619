"""What needs no index: help, version, names of targets, completion, colours, and refusals of the command line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.build.sandbox.support import until
from tests.cli.sdists import pure_sdist
from tests.cli.world import ARM, CROSSDOCK

import crossdock

if TYPE_CHECKING:
    from tests.cli.world import World

COMMANDS = ["lock", "plan", "download", "install", "verify", "targets", "cache", "completion"]


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version_is_one_line(bare: World, flag: str) -> None:
    assert bare.run(flag).stdout == f"crossdock {crossdock.__version__}\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command_and_shows_examples(bare: World, flag: str) -> None:
    text = bare.run(flag).stdout
    assert all(f"\n  {name} " in text for name in COMMANDS)
    assert "crossdock install . --for lambda-python3.12-arm64" in text


def test_without_a_word_the_help_comes_as_wrong_usage(bare: World) -> None:
    assert "Usage:" in bare.run(status=2).stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(bare: World, name: str) -> None:
    text = bare.run(name, "--help").stdout
    assert text.startswith(f"Usage: crossdock {name}")
    if name != "cache":
        assert "Example" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_build_that_is_ended_leaves_nothing(bare: World, number: int) -> None:
    """Neither its processes nor its directory, which may hold gigabytes."""
    body = "import time; pathlib.Path(os.environ['HOME'], 'here').touch(); time.sleep(120)"
    path = pure_sdist(bare.work, "demo", body=body)
    temporary = bare.root / "tmp"
    temporary.mkdir(exist_ok=True)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    process = bare.popen("build", path, "--for", "linux/arm64", "--python", python, "--no-index")
    try:
        assert until(lambda: any(temporary.glob("crossdock-*/home/here")), 60), process.communicate(timeout=1)
        process.send_signal(number)
        said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number, said
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("word", ["instal", "plann", "xyzzy", "--nonsense"])
def test_an_unknown_command_is_wrong_usage(bare: World, word: str) -> None:
    done = bare.run(word, status=2)
    assert word in done.stderr
    assert done.stdout == ""


def test_a_misspelt_command_gets_the_nearest(bare: World) -> None:
    assert "did you mean `install`?" in bare.run("instal", status=2).stderr


def test_an_unknown_option_is_wrong_usage(bare: World) -> None:
    assert "--targte" in bare.run("install", "app", "--targte", "out", status=2).stderr


def test_targets_are_listed_and_told(bare: World) -> None:
    listed = bare.run("targets").stdout
    assert "lambda-python3.12-arm64" in listed
    assert {"name", "meaning"} == set(bare.json("targets")[0])
    told = bare.json("targets", "lambda-python3.12-arm64")
    assert told["oci_platform"] == "linux/arm64"
    text = bare.run("targets", "lambda-python3.12-arm64").stdout
    assert "linux/arm64" in text


def test_an_unknown_target_is_refused_with_the_nearest(bare: World) -> None:
    assert "lambda-python3.12-arm64" in bare.refused(
        "targets", "lambda-python3.12-arm46", code="E-TARGET-UNKNOWN", status=2
    )


def test_no_target_is_wrong_usage_and_never_this_machine(bare: World) -> None:
    text = bare.refused("install", "app", "-t", "out", code="E-USAGE-TARGET", status=2)
    assert "--for linux/arm64" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed(bare: World, shell: str) -> None:
    text = bare.run("completion", shell).stdout
    assert f"_CROSSDOCK_COMPLETE={shell}_complete" in text
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=text, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "number", "expected"),
    [
        ("crossdock ", "1", "install"),
        ("crossdock ins", "1", "install"),
        ("crossdock install --fo", "2", "--for"),
    ],
)
def test_the_shell_gets_its_completions(bare: World, words: str, number: str, expected: str) -> None:
    done = subprocess.run(
        [CROSSDOCK],
        env=bare.variables(
            {"COMP_WORDS": words, "COMP_CWORD": number, "_CROSSDOCK_COMPLETE": "bash_complete"}
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"plain,{expected}" in done.stdout.splitlines()


def test_an_unknown_shell_is_wrong_usage(bare: World) -> None:
    bare.run("completion", "tcsh", status=2)


def test_colours_only_where_they_are_wanted(bare: World) -> None:
    def error(**environ: str) -> str:
        return bare.run("targets", "nowhere", status=2, environ=environ).stderr

    assert "\x1b[" not in error()
    assert "\x1b[31merror:\x1b[0m" in error(FORCE_COLOR="1")
    assert "\x1b[" not in error(FORCE_COLOR="1", NO_COLOR="1")
    told = bare.run("targets", ARM, environ={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert "\x1b[" not in told


def test_a_terminal_gets_colours_and_no_color_takes_them_away(bare: World) -> None:
    pty = pytest.importorskip("pty")
    for environ, coloured in ((None, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        leader, follower = pty.openpty()
        subprocess.run(
            [CROSSDOCK, "targets", "nowhere"],
            env={"TERM": "xterm", **bare.variables(environ)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=follower,
            check=False,
        )
        os.close(follower)
        said = os.read(leader, 10_000)
        os.close(leader)
        assert (b"\x1b[31m" in said) is coloured


def test_a_reader_that_goes_away_is_no_error(bare: World) -> None:
    """`crossdock targets | head -1`: the pipe is closed before all is written."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [CROSSDOCK, "targets", "--json"],
        env=bare.variables(),
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_host_is_never_a_default_python(bare: World) -> None:
    """The Python of a bare name is the newest stable one, said aloud; .python-version and settings come first."""
    assert bare.json("targets", "linux/arm64")["canonical"].startswith("cp315-")
    assert "newest stable Python; say another with --python" in bare.run("targets", "linux/arm64").stderr
    (bare.work / ".python-version").write_text("# ours\n3.12.4\n")
    assert bare.json("targets", "linux/arm64")["canonical"].startswith("3.12.4-")
    (bare.work / "pyproject.toml").write_text('[tool.crossdock]\npython = "3.11"\n')
    assert bare.json("targets", "linux/arm64")["canonical"].startswith("cp311-")
    assert bare.json("targets", "linux/arm64", "--python", "3.13t")["canonical"].startswith("cp313t-")
