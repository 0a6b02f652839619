"""What a source distribution's code may not do to the environment that it is run in: uv works on it from outside."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
import uv
from tests.cli.sdists import sources
from tests.support.wheels import make_sdist, make_wheel

from crossdock.archive.sdist import Sdist
from crossdock.build.backend import BuildTools
from crossdock.build.pure import build_pure_sdist
from crossdock.build.sandbox import sandbox_kind
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.build.pure import BuiltWheel

#: Each is what a backend does when it is asked for its requirements, before uv installs them from outside.
ATTACKS = {
    "the interpreter is another program": """
    import pathlib, sys
    place = pathlib.Path(sys.prefix, "bin")
    for path in place.glob("python*"):
        path.unlink()
        path.write_text("#!/bin/sh\\necho $0 > {canary}\\nexit 1\\n")
        path.chmod(0o755)
""",
    "site-packages lies elsewhere": """
    import os, pathlib, shutil, sysconfig
    place = pathlib.Path(sysconfig.get_path("purelib"))
    shutil.rmtree(place)
    place.symlink_to("{directory}")
""",
    "a start-up file of site-packages": """
    import pathlib, sysconfig
    pathlib.Path(sysconfig.get_path("purelib"), "x.pth").write_text("import os; open('{canary}', 'w')")
""",
    "the environment's own settings": """
    import pathlib, sys
    pathlib.Path(sys.prefix, "pyvenv.cfg").write_text("home = {directory}\\n")
""",
    "the whole environment": """
    import os, sys
    os.rename(sys.prefix, sys.prefix + "-was")
    os.symlink("{directory}", sys.prefix)
""",
}


def tools(place: Path) -> BuildTools:
    """uv with no index at all."""
    environ = {"UV_CACHE_DIR": str(place / "uv"), "UV_PYTHON_DOWNLOADS": "never", "PATH": os.defpath}
    return BuildTools(uv=uv.find_uv_bin(), uv_arguments=("--no-index",), uv_environ=environ)


def build(path: Path, place: Path) -> BuiltWheel:
    opened = Sdist.open(path.read_bytes(), path.name)
    return build_pure_sdist(opened, tools(place), python=sys.executable, log=place / "log")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_backend_cannot_change_what_uv_runs_outside(tmp_path: Path, attack: str) -> None:
    if sandbox_kind() == "none":
        pytest.skip("this host can make no sandbox")
    directory, canary = tmp_path / "outside", tmp_path / "outside" / "canary"
    directory.mkdir()
    body = ATTACKS[attack].format(canary=canary, directory=directory)
    files = sources("demo")
    text = str(files["backend/backend.py"])
    asked = "return []"
    assert asked in text
    files["backend/backend.py"] = text.replace(asked, f"{body.strip()}\n    return ['setuptools']", 1)
    path = make_sdist(tmp_path, "demo", files=files)
    with pytest.raises(BuildError) as caught:
        build(path, tmp_path)
    assert list(directory.iterdir()) == []
    # It failed where it tried, not at what uv found.
    assert caught.value.code == "E-BUILD-BACKEND", caught.value
    said = "\n".join(caught.value.places)
    assert any(words in said for words in ("Read-only file system", "resource busy", "not permitted")), said


def test_a_wheel_is_not_taken_from_where_a_link_leads(tmp_path: Path) -> None:
    """What lies outside is not shown by a link, neither as the wheel nor as the directory that has it."""
    outside = make_wheel(tmp_path, "demo")
    for place, answer in (("../dist", "demo-1.0-py3-none-any.whl"), ("../dist/x.whl", "x.whl")):
        files = sources("demo", body=f"return {answer!r}")
        link = outside.parent if place == "../dist" else outside
        asked = f"""import pathlib, shutil
    place = pathlib.Path(os.environ["HOME"], {place!r})
    place.parent.mkdir(exist_ok=True)
    place.symlink_to({str(link)!r})
    return []"""
        text = str(files["backend/backend.py"])
        files["backend/backend.py"] = text.replace("return []", asked, 1)
        path = make_sdist(tmp_path, "demo", files=files)
        with pytest.raises(BuildError) as caught:
            build(path, tmp_path)
        assert (caught.value.code, "made no wheel" in caught.value.message) == ("E-BUILD-BACKEND", True)


#: What a backend may leave at the place of a log in its directory, before its next hook prints.
LOGS = {"a link": "place.symlink_to({victim!r})", "a pipe": "os.mkfifo(place)"}


@pytest.mark.parametrize("kind", LOGS)
def test_the_log_of_a_build_is_not_the_builds_to_replace(tmp_path: Path, kind: str) -> None:
    """Neither is what it prints written where a link of it leads, nor is what lies there shown."""
    victim = tmp_path / "victim"
    victim.write_text("the user's own\n")
    files = sources("demo", body="print('said inside'); raise SystemExit(1)")
    asked = f"""import pathlib
    for name in ("build.log", "log"):
        place = pathlib.Path(os.environ["HOME"]).parent / name
        place.unlink(missing_ok=True)
        {LOGS[kind].format(victim=str(victim))}
    return []"""
    files["backend/backend.py"] = str(files["backend/backend.py"]).replace("return []", asked, 1)
    path = make_sdist(tmp_path, "demo", files=files)
    with pytest.raises(BuildError) as caught:
        build(path, tmp_path)
    assert victim.read_text() == "the user's own\n"
    assert "said inside" in caught.value.places
    assert "the user's own" not in caught.value.places
    assert str(tmp_path / "log") in (caught.value.hint or "")
    assert "said inside" in (tmp_path / "log").read_text()
