"""The Pythons of this machine, what packaging says in each, and the target that each of them is."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import packaging

from crossdock.target.model import Arch, Libc, LibcKind, Os, Target
from crossdock.target.pythons import parse_python

if TYPE_CHECKING:
    from collections.abc import Sequence

_DUMP = Path(__file__).with_name("dump.py")

#: What packaging 26.3 itself can run on.
OLDEST = (3, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """What packaging says of one running Python."""

    markers: dict[str, str]
    tags: tuple[str, ...]


def interpreters() -> list[Path]:
    """Every Python there is: in PATH, in pyenv, in /usr/bin; each file once."""
    directories = [Path(text) for text in os.environ.get("PATH", "").split(os.pathsep) if text]
    directories += [Path("/usr/bin"), Path("/usr/local/bin"), *sorted(_pyenv().glob("versions/*/bin"))]
    found: dict[Path, Path] = {}
    for directory in directories:
        for path in sorted(directory.glob("python3*")):
            if re.fullmatch(r"python3(\.\d+t?)?", path.name) and os.access(path, os.X_OK):
                found.setdefault(path.resolve(), path)
    # pyenv's shims are shell scripts that choose one of its versions, which are here by themselves.
    return [path for resolved, path in found.items() if "shims" not in resolved.parts]


def _pyenv() -> Path:
    program = shutil.which("pyenv")
    if program is None:
        return Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    asked = subprocess.run([program, "root"], capture_output=True, text=True, check=True)
    return Path(asked.stdout.strip())


@functools.cache
def version_of(command: tuple[str, ...]) -> tuple[int, int]:
    """Return the minor version that runs behind a command, (0, 0) if it does not start."""
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    asked = subprocess.run([*command, "-c", code], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        return (0, 0)
    major, minor = map(int, asked.stdout.split())
    return (major, minor)


def dump(command: Sequence[str]) -> Dump:
    """Ask packaging, as it is installed for the tests, inside another Python."""
    home = str(Path(packaging.__file__).parents[1])
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    asked = subprocess.run(
        [*command, str(_DUMP), home], env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert asked.returncode == 0, asked.stderr
    value = json.loads(asked.stdout)
    return Dump(markers=value["markers"], tags=tuple(value["tags"]))


def target_of(found: Dump) -> Target:
    """Return the Linux target that a running CPython is, kernel release and all."""
    markers = found.markers
    python = parse_python(markers["python_full_version"])
    libc = next(
        Libc(LibcKind.GLIBC if kind == "many" else LibcKind.MUSL, int(major), int(minor))
        for tag in found.tags
        for kind, major, minor in re.findall(r"-(many|musl)linux_(\d+)_(\d+)_", tag)
    )
    return Target(
        os=Os(markers["sys_platform"]),
        arch=Arch(markers["platform_machine"]),
        libc=libc,
        python=replace(python, free_threaded=found.tags[0].split("-")[1].endswith("t")),
        marker_overrides=tuple((name, markers[name]) for name in ("platform_release", "platform_version")),
    )
