"""Files that run code at every start of Python: a live way in (PYSEC-2026-2), and legitimate in few wheels."""

from __future__ import annotations

import re

_CUSTOMIZE = re.compile(r"(?:site|user)customize(?:\.[^/]+|/__init__\.[^/]+)")
#: site.py executes such lines of a .pth file (PEP 829 deprecates them).
_PTH_IMPORT = re.compile(rb"^(?:\xef\xbb\xbf)?import[ \t]", re.MULTILINE)
#: A .pth file beyond this is listed without a look into it.
PTH_CAP = 1 << 20


def may_be_hook(scheme: str, path: str) -> bool:
    """Tell by its place whether a wheel's file may run at start-up; a .pth does so only if `runs_code`."""
    if scheme == "data":
        # Which directory below the data scheme is site-packages is the target's business: any may be.
        path = path.rpartition("/")[2]
    elif scheme not in {"purelib", "platlib"} or ("/" in path and "customize/" not in path):
        return False
    return path.endswith((".pth", ".start")) or _CUSTOMIZE.fullmatch(path) is not None


def runs_code(content: bytes) -> bool:
    """Tell whether a .pth file has a line that is executed, and not only paths."""
    return _PTH_IMPORT.search(content) is not None
