"""The pure floors take values and give values: no file, network, process, clock or host in their syntax trees."""

from __future__ import annotations

import ast
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

PURE = ("target", "archive", "inspect", "lock/select.py", "safepath.py", "digest.py", "errors.py")

MODULES = {"asyncio", "ctypes", "getpass", "http", "multiprocessing", "os", "pathlib", "platform", "shutil", "signal", "site",
           "socket", "ssl", "subprocess", "sysconfig", "tempfile", "threading", "time", "urllib", "urllib3"}  # fmt: skip
#: What `packaging` says of the running machine.
NAMES = {"default_environment", "sys_tags", "open", "input", "print", "breakpoint", "__import__"}
OF_SYS = {"platform", "version_info", "version", "implementation", "executable", "prefix", "argv", "abiflags", "maxsize",
          "byteorder", "flags", "getwindowsversion", "stdout", "stderr", "stdin"}  # fmt: skip
#: Methods that read or write a file whatever they are called on, and the host's clock.
METHODS = {"environ", "getenv", "read_text", "write_text", "write_bytes", "now", "today", "utcnow"}

#: Tables that are shipped beside the module, read with `Path` since `importlib.resources` is slow to import.
PACKAGE_DATA = {"policy.py": {"pathlib", ".read_text"}}


def modules(where: Traversable) -> Iterator[Traversable]:
    if where.is_file():
        yield where
        return
    for entry in where.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from modules(entry)
        elif entry.name.endswith(".py"):
            yield entry


def impurities(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                if module.split(".")[0] in MODULES:
                    yield module
                yield from (name.name for name in names if name.name in NAMES)
                yield from (f"sys.{name.name}" for name in names if module == "sys" and name.name in OF_SYS)
            case ast.Call(func=ast.Name(id=name)) if name in NAMES:
                yield f"{name}()"
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in OF_SYS:
                yield f"sys.{name}"
            case ast.Attribute(value=ast.Name(id="io"), attr="open"):
                yield "io.open"
            case ast.Attribute(attr=name) if name in METHODS or name in NAMES - {"open", "input", "print"}:
                yield f".{name}"
            case _:
                pass


def typing_only(tree: ast.Module) -> ast.Module:
    """Leave out what is imported for annotations."""
    tree.body = [
        node
        for node in tree.body
        if not (
            isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        )
    ]
    return tree


@pytest.mark.parametrize("name", PURE)
def test_a_floor_is_pure(name: str) -> None:
    sources = list(modules(files("crossdock").joinpath(name)))
    assert sources
    for source in sources:
        tree = typing_only(ast.parse(source.read_text("utf-8")))
        allowed = PACKAGE_DATA.get(source.name, set())
        assert [f"{source.name}: {found}" for found in impurities(tree) if found not in allowed] == []


@pytest.mark.parametrize(
    "code",
    [
        "open('x')", "import os", "import os.path", "from os import environ", "import socket", "from urllib.request import urlopen",
        "import sys\nsys.platform", "from sys import version_info", "from packaging.tags import sys_tags", "import time",
        "def f():\n    import platform", "from packaging import markers\nmarkers.default_environment()", "x.environ", "import io\nio.open('x')",
        "path.read_text()", "import subprocess as s", "datetime.now()",
    ],
)  # fmt: skip
def test_the_test_sees(code: str) -> None:
    assert list(impurities(ast.parse(code)))


def test_the_test_lets_pass_what_is_pure() -> None:
    code = "import sys, io, struct\nZipArchive.open(b)\nfile.read()\nsys.intern('x')\n__loader__.get_data(x)"
    assert not list(impurities(ast.parse(code)))
