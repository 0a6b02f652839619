"""The same bytes, modes and dates whoever installs, wherever and whenever; nothing of the host in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.sdists import pure_sdist
from tests.cli.world import ARM, CROSSDOCK, WINDOWS, World, names_below, tree_of

import crossdock

VARIATIONS: dict[str, dict[str, str | None]] = {
    "time zone and language": {"TZ": "Pacific/Chatham", "LANG": "tr_TR.UTF-8", "LC_ALL": None},
    "C locale": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "hash seed": {"PYTHONHASHSEED": "12345"},
    "home, user and shell": {
        "HOME": "/nowhere",
        "USER": "somebody",
        "LOGNAME": "somebody",
        "SHELL": "/bin/false",
    },
    "no colour, verbose Python": {"NO_COLOR": "1", "PYTHONOPTIMIZE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
}

#: Made-up values that must not show in what is shipped.
SECRETS = {"AWS_SECRET_ACCESS_KEY": "canary-4711", "CANARY": "canary-4712", "HOSTNAME": "canary-4713"}


@pytest.fixture
def locked(world: World) -> World:
    """A world with a lock of wheels and of a source distribution that is built here."""
    pure_sdist(world.files, "pure")
    world.run("lock", "app[fancy]", "pure", "--allow-build", "pure", "--for", ARM, "--for", WINDOWS)
    return world


def install(
    world: World, out: Path, *, environ: dict[str, str | None], umask: int = 0o022, cwd: Path | None = None
) -> None:
    words = ["install", str(world.work / "pylock.toml"), "--for", ARM, "--for", WINDOWS, "-t", str(out)]
    done = subprocess.run(
        [CROSSDOCK, *words],
        cwd=cwd or world.work,
        env=world.variables({"CROSSDOCK_STORE": str(out.parent / f"{out.name}-store"), **environ}),
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )
    assert done.returncode == 0, done.stderr


def test_the_tree_tells_nothing_of_the_host(locked: World) -> None:
    install(locked, locked.root / "good", environ={})
    good = tree_of(locked.root / "good")
    assert len(good) > 30
    for name, environ in VARIATIONS.items():
        out = locked.root / "a place of another length" / name
        install(locked, out, environ=environ, umask=0o077, cwd=locked.root)
        assert tree_of(out) == good, name
    for umask in (0o000, 0o027):
        install(locked, locked.root / f"umask{umask}", environ={}, umask=umask)
        assert tree_of(locked.root / f"umask{umask}") == good
        assert (locked.root / f"umask{umask}").stat().st_mode & 0o777 == 0o755


def test_no_path_and_no_secret_of_the_host_is_in_the_tree(locked: World) -> None:
    install(locked, locked.root / "out", environ=dict(SECRETS))
    hidden = [
        str(locked.root),
        str(locked.root / "home"),
        sys.executable,
        os.uname().nodename,
        *SECRETS.values(),
    ]
    for name in names_below(locked.root / "out"):
        data = (locked.root / "out" / name).read_bytes()
        found = [text for text in hidden if len(text) > 5 and text.encode() in data]
        assert found == [], name


def test_a_store_with_history_gives_the_tree_of_an_empty_one(locked: World) -> None:
    install(locked, locked.root / "good", environ={})
    environ: dict[str, str | None] = {"CROSSDOCK_STORE": str(locked.store)}
    locked.run("install", "lib<1.0", "fancy", "--for", WINDOWS, "-t", "first")
    install(locked, locked.root / "second", environ=environ)
    install(locked, locked.root / "third", environ=environ)
    assert tree_of(locked.root / "second") == tree_of(locked.root / "good") == tree_of(locked.root / "third")


def test_the_lock_tells_nothing_of_the_host(locked: World) -> None:
    texts = set()
    for number, environ in enumerate(VARIATIONS.values()):
        place = locked.root / ("d" * (number + 1))
        place.mkdir()
        locked.run("lock", "app[fancy]", "--for", ARM, "--for", WINDOWS, cwd=place, environ=environ)
        texts.add((place / "pylock.toml").read_bytes())
    assert len(texts) == 1


def other_pythons() -> list[str]:
    """Return interpreters of other supported minor versions on this machine."""
    found = []
    for minor in range(11, 16):
        if minor == sys.version_info.minor:
            continue
        name = f"python3.{minor}"
        candidates = [shutil.which(name)]
        pyenv = shutil.which("pyenv")
        if pyenv:
            listed = subprocess.run(
                [pyenv, "prefix", f"3.{minor}"], capture_output=True, text=True, check=False
            )
            candidates.append(f"{listed.stdout.strip()}/bin/{name}" if listed.returncode == 0 else None)
        for candidate in candidates:
            if (
                candidate
                and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
            ):
                found.append(candidate)
                break
    return found


def test_another_python_runs_crossdock_to_the_same_bytes(locked: World) -> None:
    install(locked, locked.root / "good", environ={})
    good = tree_of(locked.root / "good")
    source = str(Path(crossdock.__file__).parents[1])
    packages = [path for path in sys.path if path.endswith("site-packages")]
    ran: list[str] = []
    for python in other_pythons():
        environ = locked.variables(
            {
                "PYTHONPATH": os.pathsep.join([source, *packages]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PATH": f"{CROSSDOCK.parent}:/usr/bin:/bin",
            }
        )
        environ["CROSSDOCK_STORE"] = str(locked.root / f"store-{len(ran)}")
        out = locked.root / f"out-{len(ran)}"
        words = [
            "-m",
            "crossdock",
            "install",
            str(locked.work / "pylock.toml"),
            "--for",
            ARM,
            "--for",
            WINDOWS,
        ]
        probe = subprocess.run(
            [python, "-c", "import click, packaging, urllib3, rich, distlib, pyproject_hooks, uv"],
            env=environ,
            capture_output=True,
            check=False,
        )
        if probe.returncode:
            continue
        done = subprocess.run(
            [python, *words, "-t", str(out)],
            env=environ,
            cwd=locked.work,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (python, done.stderr)
        assert tree_of(out) == good, python
        ran.append(python)
    if not ran:
        pytest.skip(
            "no Python 3.12 on this machine, nor another minor version, that imports what crossdock needs"
        )
