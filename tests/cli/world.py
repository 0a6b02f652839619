"""The console script as people run it: a process of its own, on a loopback index, with an environment made anew."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.index import LoopbackIndex
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

CROSSDOCK = Path(sys.executable).with_name("crossdock")

ARM = "cp312-linux-aarch64-glibc2.28"
MUSL = "cp312-linux-aarch64-musl1.2"
WINDOWS = "cp312-windows-amd64"

MACHINES = {"x86_64": 62, "aarch64": 183}


def elf(machine: str = "aarch64") -> bytes:
    """A shared object that needs nothing: a header, one segment to load and an empty dynamic section."""
    dynamic = struct.pack("<QQ", 0, 0)
    at = 64 + 2 * 56
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, at + len(dynamic), at + len(dynamic), 0x1000)
    table = struct.pack("<IIQQQQQQ", 2, 6, at, at, at, len(dynamic), len(dynamic), 8)
    return header + load + table + dynamic


@dataclass(kw_only=True)
class World:
    """A directory with an index, a home, a store and a place to work in; `files` is what the index serves."""

    root: Path
    index: LoopbackIndex
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        return self.index.directory

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def store(self) -> Path:
        return self.root / "store"

    def variables(self, changed: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """The whole environment of a run; None takes a variable away."""
        values: dict[str, str | None] = {
            **self.index.uv_environ(self.root / "uv-cache"),
            "HOME": str(self.root / "home"),
            "XDG_CONFIG_HOME": str(self.root / "home" / ".config"),
            "CROSSDOCK_STORE": str(self.store),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "TMPDIR": str(self.root / "tmp"),
            **self.environ,
            **(changed or {}),
        }
        return {name: value for name, value in values.items() if value is not None}

    def popen(
        self, *words: str | Path, environ: Mapping[str, str | None] | None = None
    ) -> subprocess.Popen[str]:
        """Start the program and return at once."""
        return subprocess.Popen(
            [str(CROSSDOCK), *map(str, words)],
            cwd=self.work,
            env=self.variables(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        *words: str | Path,
        status: int | None = 0,
        cwd: Path | None = None,
        environ: Mapping[str, str | None] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run the program to its end; whatever happens, nobody ever sees a traceback."""
        done = subprocess.run(
            [str(CROSSDOCK), *map(str, words)],
            cwd=cwd or self.work,
            env=self.variables(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=timeout,
        )
        said = f"{words}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in said, said
        assert "a bug in crossdock" not in said, said
        assert done.returncode in (0, 1, 2), said
        assert status is None or done.returncode == status, said
        return done

    def json(self, *words: str | Path, **options: Any) -> Any:
        """Run the program with --json and return what it printed."""
        return json.loads(self.run(*words, "--json", **options).stdout)

    def refused(self, *words: str | Path, code: str, status: int = 1, **options: Any) -> str:
        """Run the program, expect the refusal `code`, and return the text of it."""
        done = self.run(*words, status=status, **options)
        assert f"[{code}]" in done.stderr, done.stderr
        assert done.stdout == ""
        return done.stderr

    def fetched(self) -> list[str]:
        """Return the names of the files that were downloaded, metadata files left out."""
        paths = [request.path for request in self.index.requests if request.method == "GET"]
        names = [path.removeprefix("/files/") for path in paths if path.startswith("/files/")]
        return [name for name in names if not name.endswith(".metadata")]


def make_world(root: Path, **options: Any) -> World:
    """Make the directories and an index that is not started yet."""
    for name in ("files", "work", "home", "tmp"):
        (root / name).mkdir(parents=True)
    return World(root=root, index=LoopbackIndex(root / "files", **options))


def stock(files: Path) -> None:
    """Put a small application into an index: pure, native and platform-dependent packages, extras and all."""
    make_wheel(
        files,
        "app",
        files={"app/__init__.py": "", "app/cli.py": "def main():\n    print('ran')\n"},
        requires=("lib>=1", "wincolor; sys_platform == 'win32'", "fancy; extra == 'fancy'"),
        entry_points="[console_scripts]\napp = app.cli:main\n",
        extra_metadata="Provides-Extra: fancy\n",
    )
    for version in ("0.9", "1.0", "1.1"):
        native(files, "lib", version)
    make_wheel(files, "wincolor", files={"wincolor.py": "ON = True\n"})
    make_wheel(files, "fancy", files={"fancy.py": "FANCY = True\n"})


PLATFORMS = {
    "manylinux2014_aarch64": ("cpython-312-aarch64-linux-gnu.so", "aarch64"),
    "manylinux2014_x86_64": ("cpython-312-x86_64-linux-gnu.so", "x86_64"),
    "musllinux_1_2_aarch64": ("cpython-312-aarch64-linux-musl.so", "aarch64"),
}


def native(files: Path, name: str, version: str = "1.0", *, machine: str | None = None) -> None:
    """Wheels with an extension module for three Linux platforms and a script-only one for Windows.

    With `machine` the binaries are for that one whatever their tag says.
    """
    for platform, (suffix, own) in PLATFORMS.items():
        inside: dict[str, bytes | str] = {
            f"{name}/__init__.py": f"VERSION = {version!r}\n",
            f"{name}/core.{suffix}": elf(machine or own),
        }
        path = f"{name}/core.{suffix}"
        make_wheel(files, name, version, f"cp312-cp312-{platform}", files=inside, modes={path: 0o100755})
    make_wheel(files, name, version, "cp312-cp312-win_amd64", files={f"{name}/__init__.py": "WIN = 1\n"})


def tree_of(root: Path, *, without: tuple[str, ...] = ()) -> dict[str, tuple[str, int, int]]:
    """Return kind and content, mode and date of everything below `root`, by path."""
    result = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name in without:
            continue
        found = path.lstat()
        if path.is_symlink():
            what = f"link {path.readlink()}"
        elif path.is_dir():
            result[name] = ("directory", stat.S_IMODE(found.st_mode), 0)
            continue
        else:
            what = hashlib.sha256(path.read_bytes()).hexdigest()
        result[name] = (what, stat.S_IMODE(found.st_mode), found.st_mtime_ns)
    return result


def names_below(root: Path) -> list[str]:
    """Return the paths of all files below `root`."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())
