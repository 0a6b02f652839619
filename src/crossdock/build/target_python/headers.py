"""The headers of a Python as files: which belong to it, and its own `pyconfig.h` where a distribution hides that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: CPython installs its headers here and in these directories; others are of packages (`greenlet/greenlet.h`).
_FOLDERS = ("cpython/", "internal/")
#: Debian's pyconfig.h only says where that of the architecture is, by what compilers define.
_ELSEWHERE = re.compile(r"^#\s*include\s+<([^>/\s]+/python3\.\d+[a-z]*/pyconfig\.h)>\s*$", re.MULTILINE)


def is_header(path: str) -> bool:
    """Tell by its path below `include/pythonX.Y` whether a file is one of CPython's headers."""
    return path.endswith(".h") and ("/" not in path or path.startswith(_FOLDERS))


def own_pyconfig(text: str, triplets: tuple[str, ...], read: Callable[[str], bytes | None]) -> bytes | None:
    """Return the pyconfig.h that Debian's stands for, None if it stands for itself.

    `read` gives the bytes of a file below the directory of headers' directory (`usr/include`), None if it is missing.
    """
    for path in _ELSEWHERE.findall(text):
        if path.partition("/")[0] in triplets and (content := read(path)) is not None:
            return content
    return None


def is_pointer(text: str) -> bool:
    """Tell whether a pyconfig.h only says where others are."""
    return _ELSEWHERE.search(text) is not None


def edited(headers: Mapping[str, bytes], text: str) -> dict[str, bytes]:
    """Return the headers with another pyconfig.h."""
    return {**headers, "pyconfig.h": text.encode()}
