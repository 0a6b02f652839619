"""Environments of host tools: wheels only, started by the names that hold inside, nothing of the caller's."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.build.environments import Place, opened
from tests.support.wheels import make_sdist, make_wheel

from crossdock.build.backend import clean_variables
from crossdock.build.environment import Environment, host_python
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path) as made:
        yield made


def test_scripts_start_the_interpreter_by_its_inside_name(place: Place) -> None:
    make_wheel(
        place.wheels,
        "tool",
        files={"tool.py": "def main():\n    print('ran')\n"},
        entry_points="[console_scripts]\ntool = tool:main\n",
    )
    environment = place.environment("/build/env")
    environment.install(["tool"], what="demo")
    script = environment.directory / "bin" / "tool"
    assert script.read_text().startswith("#!/build/env/bin/python")
    assert str(environment.directory) not in script.read_text()
    assert os.access(script, os.X_OK)
    assert environment.inside(environment.python) == "/build/env/bin/python"
    assert environment.installed() == ["tool==1.0"]


def test_what_uv_keeps_of_a_tool_is_not_changed_with_it(place: Place, tmp_path: Path) -> None:
    """A second environment, at another place, has scripts of its own: nothing was written through a link of the cache."""
    make_wheel(
        place.wheels,
        "tool",
        files={"tool.py": "", "tool-1.0.data/scripts/plain": "#!python\nprint('plain')\n"},
        modes={"tool-1.0.data/scripts/plain": 0o100755},
    )
    first = place.environment("/build/env")
    first.install(["tool"], what="demo")
    assert (first.directory / "bin" / "plain").read_text().startswith("#!/build/env/bin/python")
    (tmp_path / "env").rename(tmp_path / "first")
    second = place.environment()
    second.install(["tool"], what="demo")
    done = subprocess.run([second.directory / "bin" / "plain"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "plain\n"), done.stderr


@pytest.mark.parametrize("long", [False, True])
def test_scripts_at_long_places_start_too(place: Place, long: bool) -> None:
    make_wheel(
        place.wheels,
        "tool",
        files={"tool.py": "", "tool-1.0.data/scripts/plain": "#!python\nprint('plain')\n"},
        modes={"tool-1.0.data/scripts/plain": 0o100755},
    )
    inside = f"/{'x' * 150}/env" if long else "/build/env"
    environment = place.environment(inside)
    environment.install(["tool"], what="demo")
    text = (environment.directory / "bin" / "plain").read_text()
    by_shell = f"#!/bin/sh\n'''exec' '{inside}/bin/python' "
    assert text.startswith(by_shell if long else f"#!{inside}/bin/python\n")


HOSTILE = {
    "a start-up file": {"evil.pth": "import os; open({canary!r}, 'w')"},
    "a module that starts with it": {"sitecustomize.py": "open({canary!r}, 'w')"},
    "its settings": {"evil-1.0.data/data/pyvenv.cfg": "home = /nowhere\n"},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_that_was_installed_runs_outside(place: Place, tmp_path: Path, what: str) -> None:
    """A second installation does not ask the environment's interpreter, not even where uv remembers nothing."""
    canary = tmp_path / "canary"
    files = {
        name: text.replace("{canary!r}", repr(str(canary))).replace("{canary}", str(canary))
        for name, text in HOSTILE[what].items()
    }
    make_wheel(place.wheels, "evil", files=files, modes=dict.fromkeys(files, 0o100755))
    make_wheel(place.wheels, "more")
    environ = {**place.world.tools.uv_environ, "UV_NO_CACHE": "1", "UV_COMPILE_BYTECODE": "1"}
    tools = replace(place.world.tools, uv_environ=environ)
    directory = tmp_path / "env"
    directory.mkdir()
    environment = Environment.make(directory, "/build/env", tools, python=host_python(sys.executable))
    environment.install(["evil"], what="demo")
    environment.install(["more"], what="demo")
    assert environment.installed() == ["evil==1.0", "more==1.0"]
    assert not canary.exists()


def test_a_requirement_without_a_wheel_is_refused_and_its_code_does_not_run(
    place: Place, tmp_path: Path
) -> None:
    setup = f"open({str(tmp_path / 'canary')!r}, 'w')\n"
    make_sdist(place.wheels, "onlysource", files={"setup.py": setup})
    environment = place.environment("/build/env")
    with pytest.raises(BuildError) as caught:
        environment.install(["onlysource"], what="demo-1.0.tar.gz")
    assert caught.value.code == "E-BUILD-REQUIRES"
    assert "demo-1.0.tar.gz" in caught.value.message
    assert any("onlysource" in line for line in caught.value.places)
    assert "wheels only" in (caught.value.hint or "")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("word", ["-r/etc/passwd", "--index-url=http://127.0.0.1:9", "-e.", "--help"])
def test_a_requirement_is_never_an_option(place: Place, word: str) -> None:
    with pytest.raises(BuildError) as caught:
        place.environment().install([word], what="demo")
    assert caught.value.code == "E-BUILD-REQUIRES"
    assert place.index.paths() == []


@pytest.mark.parametrize("link", ["http://127.0.0.1:9/${CANARY}/far.whl", "git+http://127.0.0.1:9/far"])
def test_a_url_in_what_a_requirement_requires_is_not_followed(place: Place, link: str) -> None:
    make_wheel(place.wheels, "near", requires=(f"far @ {link}",))
    with pytest.raises(BuildError) as caught:
        place.environment().install(["near"], what="demo")
    assert caught.value.code == "E-BUILD-REQUIRES"
    assert "URL" in " ".join(caught.value.places)


def test_the_users_own_words_may_name_a_url(place: Place) -> None:
    make_wheel(place.wheels, "near")
    environment = place.environment("/build/env")
    wheel = next(place.wheels.glob("near-*.whl"))
    environment.install([], what="demo", named=[f"near @ {wheel.as_uri()}"])
    assert environment.installed() == ["near==1.0"]


def test_nothing_of_the_caller_is_in_the_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its packages are not seen, and neither are its variables by uv or by the backend."""
    monkeypatch.setenv("SECRET", "canary")
    monkeypatch.setenv("PYTHONPATH", "/canary")
    environment = place.environment("/build/env")
    code = "import sys\ntry:\n    import pytest\nexcept ImportError:\n    print('none', sys.version_info[:2] == %r)"
    done = subprocess.run(
        [environment.python, "-c", code % (sys.version_info[:2],)],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    assert done.stdout.split() == ["none", "True"], done.stderr
    told = clean_variables(["/a", "/b"], build="/build", tools=place.world.tools)
    assert "canary" not in "".join(told.values())
    assert told["PATH"] == "/a:/b"
    assert {name: told[name] for name in ("HOME", "TMPDIR", "TZ", "LC_ALL")} == {
        "HOME": "/build/home",
        "TMPDIR": "/build/tmp",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


def test_the_host_python_is_the_program_itself(tmp_path: Path, place: Place) -> None:
    """Asked through an environment's interpreter, the one below it answers."""
    environment = place.environment()
    found = host_python(str(environment.python))
    assert found == host_python(sys.executable)
    assert not found.executable.startswith(str(tmp_path))
    assert found.version == sys.version_info[:3]
    liar = tmp_path / "liar"
    liar.write_text("#!/bin/sh\necho nonsense\n")
    liar.chmod(0o755)
    for program in (liar, tmp_path / "none"):
        with pytest.raises(BuildError) as caught:
            host_python(str(program))
        assert caught.value.code == "E-BUILD-PYTHON"
