"""Python versions and ABIs as people and tags write them."""

from __future__ import annotations

import re

from crossdock.errors import TargetError
from crossdock.target.model import Implementation, Python

#: CPython 3.9 to 3.15 are what crossdock promises; free-threading begins with 3.13 (PEP 703).
_OLDEST, _NEWEST, _FIRST_FREE_THREADED = 9, 15, 13

_VERSION = (
    r"(?P<name>cpython|python|py|pypy)?[-@ ]?(?P<major>3)\.(?P<minor>\d{1,2})(?:\.(?P<patch>\d{1,4})(?P<pre>(?:a|b|rc)\d+)?)?"
    r"(?P<free>t|\+freethreaded)?(?:_pp(?P<pypy>\d{1,3}))?"
)
_TAG = r"(?P<name>cp|pp|pypy)(?P<major>3)(?P<minor>\d{1,2})(?P<free>t)?(?:_pp(?P<pypy>\d{1,3}))?"


def parse_python(text: str) -> Python:
    """Read `3.12`, `3.12.4`, `3.15.0rc1`, `3.13t`, `cp313t`, `pypy3.11` or `pypy311_pp73`; else `TargetError`."""
    word = text.strip().lower()
    python = _simple(word) or _general(word, text)
    _check(python, text)
    return python


def _simple(word: str) -> Python | None:
    """Read `3.12`: what nearly every command is given has no need of a compiled pattern."""
    return Python(minor=int(word[2:])) if word in _SIMPLE else None


_SIMPLE = frozenset(f"3.{minor}" for minor in range(_OLDEST, _NEWEST + 1))


def _general(word: str, text: str) -> Python:
    found = re.fullmatch(_VERSION, word, re.ASCII) or re.fullmatch(_TAG, word, re.ASCII)
    if found is None:
        raise TargetError(
            f"not a Python version: `{text}`",
            code="E-TARGET-PYTHON",
            hint="write for example 3.12, 3.12.4, 3.13t, cp313t or pypy3.11",
        )
    parts = found.groupdict()
    pypy = parts["name"] in ("pypy", "pp")
    if parts["pypy"] and not pypy:
        raise TargetError(f"CPython has no ABI of PyPy: `{text}`", code="E-TARGET-PYTHON")
    return Python(
        minor=int(parts["minor"]),
        patch=None if parts.get("patch") is None else int(parts["patch"]),
        prerelease=parts.get("pre") or "",
        implementation=Implementation.PYPY if pypy else Implementation.CPYTHON,
        free_threaded=bool(parts.get("free")),
        abi=f"pypy3{parts['minor']}_pp{parts.get('pypy') or '73'}" if pypy else None,
    )


def _check(python: Python, text: str) -> None:
    if not _OLDEST <= python.minor <= _NEWEST:
        raise TargetError(
            f"Python {python.short} is not supported: `{text}`",
            code="E-TARGET-PYTHON",
            hint=f"crossdock ships for 3.{_OLDEST} to 3.{_NEWEST}",
        )
    if python.free_threaded and (python.minor < _FIRST_FREE_THREADED or python.abi):
        raise TargetError(
            f"there is no free-threaded Python {python.short}: `{text}`",
            code="E-TARGET-PYTHON",
            hint=f"free-threaded CPython begins with 3.{_FIRST_FREE_THREADED}t",
        )


def python_name(python: Python) -> str:
    """Return what `parse_python` reads back: `cp312`, `cp313t`, `pypy311_pp73`, `3.12.4`, `3.13.1t`."""
    suffix = "t" if python.free_threaded else ""
    if python.abi and python.full is not None:
        return f"pypy{python.full}_{python.abi.partition('_')[2]}"
    if python.abi:
        return python.abi
    if python.full is not None:
        return f"{python.full}{suffix}"
    return f"cp{python.major}{python.minor}{suffix}"
