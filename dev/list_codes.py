"""Prints every code that an error or a finding of crossdock can have, and the modules that raise it."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "crossdock"

_CODE = re.compile(r"E(-[A-Z0-9]+)+")
_RULE = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*")

#: Codes that are put together where they are raised: the part that stands in the source, and the calls whose first
#: argument is the rest. An empty tuple: the rest is listed in `_REST`.
_COMPOSED = {
    "E-TAR-": ("BadHeaderError", "_refuse"),
    "E-ZIP-": ("BadStreamError",),
    "E-FETCH-": (),
    "E-LOCK-": (),
    "E-UPLOAD-": (),
}
#: NNN is a status of HTTP; a lock's names are its extras and groups (`lock/needed.py`).
_REST = {"E-FETCH-": ("NNN",), "E-UPLOAD-": ("NNN",), "E-LOCK-": ("EXTRA", "GROUP")}


def codes() -> dict[str, set[str]]:
    """Return each code with the modules (relative paths) that have it."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for code in _codes_of(node, name):
                found.setdefault(code, set()).add(name)
    return found


def _codes_of(node: ast.AST, module: str) -> list[str]:
    match node:
        case ast.Constant(value=str(text)) if _CODE.fullmatch(text):
            return [text]
        case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), *_]) if re.fullmatch(
            r"E-[A-Z-]+", prefix
        ):
            if prefix not in _COMPOSED:
                raise SystemExit(
                    f"{module}: codes that begin with {prefix} are put together: tell dev/list_codes.py how"
                )
            return [prefix + rest for rest in _REST.get(prefix, ())]
        case ast.Call(func=function, args=[ast.Constant(value=str(rule)), *_]) if _RULE.fullmatch(rule):
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            return [
                prefix + rule
                for prefix, calls in _COMPOSED.items()
                if name in calls and _is_of(prefix, module)
            ]
    return []


def _is_of(prefix: str, module: str) -> bool:
    """Tell whether a module's rules get this prefix: other archives have a `_refuse` that takes whole codes."""
    return prefix != "E-TAR-" or module in {"archive/tarread.py", "archive/tarheader.py", "archive/pax.py"}


if __name__ == "__main__":
    sys.stdout.write(
        "".join(f"{code}  {' '.join(sorted(modules))}\n" for code, modules in sorted(codes().items()))
    )
