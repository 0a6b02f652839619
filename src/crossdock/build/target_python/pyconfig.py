"""`pyconfig.h`: what CPython's configure found out, one `#define` or commented `#undef` a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A name of pyconfig.h and its value as the preprocessor has it; None: the name is known and not defined.
Defines = dict[str, "str | None"]

_LINE = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+(?P<defined>[A-Za-z_]\w*)(?P<value>[ \t][^\n]*)?$"
    r"|^[ \t]*/\*[ \t]*#[ \t]*undef[ \t]+(?P<undefined>[A-Za-z_]\w*)[ \t]*\*/[ \t]*$",
    re.MULTILINE,
)
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)|//.*$")
#: The last `#endif` is the guard's, which begins with this name.
_GUARD = "Py_PYCONFIG_H"


def read_pyconfig(text: str) -> Defines:
    """Return the names of a pyconfig.h; of a name that stands there twice the last counts.

    Two do so, `WORDS_BIGENDIAN` and `_GNU_SOURCE`-like ones, each within a condition: the last is the one for
    the CPU that it was made for.
    """
    names: Defines = {}
    for found in _LINE.finditer(text):
        if found["defined"] == _GUARD:
            continue
        if found["defined"]:
            names[found["defined"]] = _COMMENT.sub("", found["value"] or "").strip()
        else:
            names[found["undefined"]] = None
    return names


def with_changes(text: str, changes: Mapping[str, str | None], *, add: bool = False) -> str:
    """Return a pyconfig.h in which `changes` hold, all else as it was.

    Names that it does not know are left out, for the next version of CPython knows others; `add` puts those that
    are to be defined at the end.
    """
    last = {found["defined"] or found["undefined"]: found for found in _LINE.finditer(text)}
    pieces: list[str] = []
    at = 0
    for found in sorted((last[name] for name in changes if name in last), key=lambda one: one.start()):
        name = found["defined"] or found["undefined"]
        pieces += [text[at : found.start()], _line(name, changes[name])]
        at = found.end()
    pieces.append(text[at:])
    result = "".join(pieces)
    more = [
        _line(name, changes[name])
        for name in sorted(changes)
        if name not in last and changes[name] is not None
    ]
    if not add or not more:
        return result
    head, guard, tail = result.rpartition("#endif")
    return f"{head}{chr(10).join(more)}\n{guard}{tail}" if guard else f"{result}{chr(10).join(more)}\n"


def _line(name: str, value: str | None) -> str:
    return f"/* #undef {name} */" if value is None else f"#define {name} {value}".rstrip()


def as_variables(names: Defines) -> dict[str, int | str]:
    """Return the names as `sysconfig.parse_config_h` does: numbers as such, 0 for what is not defined."""
    return {name: 0 if value is None else _number(value) for name, value in names.items()}


def _number(value: str) -> int | str:
    return int(value) if re.fullmatch(r"[+-]?\d+", value, re.ASCII) else value
