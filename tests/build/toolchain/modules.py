"""A small setuptools project, built for a system that is not here, and the facts of what came out."""

from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

from tests.support.crossbuild import CROSSDOCK, project, variables, warm_store
from tests.support.wheels import make_sdist

from crossdock.inspect.binary import read_binary

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.inspect.facts import Image

#: Asks as packages do which system it is built for, and says it in the words of that system's compiler.
_SETUP = """
import shutil, sys
from setuptools import Extension, setup
assert sys.platform == {system!r}, sys.platform
assert shutil.which("sh")
words = ["/O2", "/W3", "/std:c11", "/DWORD=1"] if sys.platform == "win32" else ["-O2", "-std=c11", "-DWORD=1"]
limited = [("Py_LIMITED_API", "0x03090000")]
setup(ext_modules=[
    Extension("{name}", ["core.c"], extra_compile_args=words),
    Extension("{name}_stable", ["stable.c"], define_macros=limited, py_limited_api=True),
])
"""


def built_modules(place: Path, name: str, *, target: str, system: str, python: str) -> dict[str, Image]:
    """Return the facts of each binary of the wheel by its name, with the wheel's own name as `wheel`'s library."""
    files = project(name, setuptools=True)
    files["stable.c"] = (
        files["core.c"]
        .replace(f'"{name}"', f'"{name}_stable"')
        .replace(f"PyInit_{name}", f"PyInit_{name}_stable")
    )
    files["core.c"] = "#if WORD != 1\n#error no word came\n#endif\n" + files["core.c"]
    files["setup.py"] = _SETUP.format(name=name, system=system)
    sdist = make_sdist(place, name, "1.0", files=files)
    words = ["build", str(sdist), "--for", target, "--python", python, "-o", str(place / "dist")]
    done = subprocess.run(
        [CROSSDOCK, *words], env=variables(warm_store(python)), capture_output=True, text=True, check=False,
        timeout=1200, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = (place / "dist").iterdir()
    assert f"-cp{python.replace('.', '')}-" in wheel.name
    assert wheel.stem.endswith(target)
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith((".so", ".pyd")):
                binary = read_binary(archive.read(member), member)
                assert binary is not None
                (found[member],) = binary.images
    return found
