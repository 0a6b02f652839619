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
        build_pure_sdist(Sdist.open(path.read_bytes(), path.name), tools(tmp_path), python=sys.executable)
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
            build_pure_sdist(Sdist.open(path.read_bytes(), path.name), tools(tmp_path), python=sys.executable)
        assert (caught.value.code, "made no wheel" in caught.value.message) == ("E-BUILD-BACKEND", True)
