"""What makes a wheel doubtful that nothing in it shows: modules given up, requirements that follow another machine."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING

from crossdock.target.model import Os

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.target.model import Target

#: How builds say that they go on without a module: setuptools of one that is `optional` (`_filter_build_errors` in
#: distutils' command/build_ext.py), setuptools-rust likewise (command/build.py).
_GIVEN_UP = re.compile(
    r"building extension \"(?P<c>[\w.]{1,200})\" failed|Build optional Rust extension (?P<rust>[\w.]{1,200}) failed"
)
#: What a setup.py calls the requirements that get into a wheel.
_REQUIRES = re.compile(r"\brequires?\b|(?:install|extras)_requires?\b|requirements|dependenc")
_SETTINGS = frozenset({"dependencies", "optional-dependencies"})


def modules_given_up(log: str) -> tuple[str, ...]:
    """Return the modules that the output of a build says it went on without, each once."""
    return tuple(dict.fromkeys(said["c"] or said["rust"] for said in _GIVEN_UP.finditer(log)))


def asks_os_name(project: Path, target: Target) -> bool:
    """Tell whether the requirements in a wheel follow `os.name` of this machine, which is not the target's.

    `os.name` stays in a build, since what works with files and processes goes by it (`shim/crossdock_target.py`).
    Only Windows' is another: "nt", everywhere else it is "posix".
    """
    if target.os is not Os.WINDOWS or _states_requirements(project):
        return False
    try:
        tree = ast.parse((project / "setup.py").read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return False
    names = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _asks(node.value, frozenset())
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    return any(_decides(node, frozenset(names)) for node in ast.walk(tree))


def _states_requirements(project: Path) -> bool:
    """Tell whether pyproject.toml has the requirements, and setup.py is not asked for them (PEP 621)."""
    try:
        table = tomllib.loads((project / "pyproject.toml").read_text("utf-8")).get("project")
    except (OSError, ValueError):
        return False
    dynamic = table.get("dynamic", ()) if isinstance(table, dict) else _SETTINGS
    return isinstance(dynamic, (list, tuple)) and _SETTINGS.isdisjoint(map(str, dynamic))


def _asks(node: ast.AST, names: frozenset[str]) -> bool:
    return any(
        (isinstance(one, ast.Attribute) and ast.unparse(one) == "os.name")
        or (isinstance(one, ast.Name) and one.id in names)
        for one in ast.walk(node)
    )


def _decides(node: ast.AST, names: frozenset[str]) -> bool:
    match node:
        case ast.If(test=test, body=body, orelse=other):
            return _asks(test, names) and any(_REQUIRES.search(ast.unparse(one)) for one in (*body, *other))
        case ast.keyword(arg=str(name), value=value):
            return _REQUIRES.search(name) is not None and _asks(value, names)
        case ast.Assign(targets=[target], value=value) | ast.AugAssign(target=target, value=value):
            return _REQUIRES.search(ast.unparse(target)) is not None and _asks(value, names)
        case ast.Dict(keys=keys, values=values):
            return any(
                isinstance(key, ast.Constant) and _REQUIRES.search(str(key.value)) and _asks(value, names)
                for key, value in zip(keys, values, strict=True)
            )
        case _:
            return False
