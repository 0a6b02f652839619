"""What differs between the `pyconfig.h` of one place and another (`differences.toml`)."""

from __future__ import annotations

import hashlib
import tomllib
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from crossdock.build.target_python.names import multiarch
from crossdock.target.model import LibcKind, Os

if TYPE_CHECKING:
    from crossdock.build.target_python.pyconfig import Defines
    from crossdock.target.model import Target


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "differences.toml").read_text("utf-8"))


@lru_cache(maxsize=1)
def facts_digest() -> str:
    """Return a hash of our tables: what was made by others is not what is made today."""
    found = hashlib.sha256()
    for name in ("differences.toml", "windows.toml"):
        found.update((resources.files(__package__) / name).read_bytes())
    return found.hexdigest()[:16]


def values_for(target: Target, *, made_for: str | None = None) -> Defines:
    """Return the value of every name that is not the same everywhere, for a target.

    They hold whatever machine the other values come from: a table of one place lists all names that any place
    of its kind has otherwise. `made_for` is the kind of system (`kind_of`) that those are of: what a C library has
    is taken from the table only if that is another one, and left out where it is not said.
    """
    table = _table()
    arch, kind = str(target.arch), kind_of_target(target)
    values: dict[str, Any] = {**table["any"], **table["arch"][arch]}
    if made_for is not None and made_for != kind:
        values |= table["answers"][kind]
    values |= table["always"][kind] | table.get(kind, {}).get(arch, {})
    values["Py_GIL_DISABLED"] = 1 if target.python.free_threaded else False
    values["SOABI_PLATFORM"] = f'"{multiarch(target)}"'
    return {name: _text(value) for name, value in values.items()}


def kind_of_target(target: Target) -> str:
    """Return `glibc`, `musl` or `macos`."""
    if target.os is Os.MACOS:
        return "macos"
    return "musl" if target.libc is not None and target.libc.kind is LibcKind.MUSL else "glibc"


def kind_of(names: Defines) -> str:
    """Return the kind of system that a pyconfig.h was made for: before 3.11 nothing else tells musl from glibc."""
    if names.get("WITH_DYLD") is not None:
        return "macos"
    return "musl" if names.get("HAVE_DECL_RTLD_DEEPBIND") == "0" else "glibc"


def is_known(target: Target) -> bool:
    """Tell whether there is a table for the target's CPU and system."""
    return target.os in {Os.LINUX, Os.MACOS} and str(target.arch) in _table()["arch"]


def debian_suites(version: tuple[int, int]) -> tuple[str, ...]:
    """Return the suites of Debian that have a Python, the most settled first."""
    return tuple(_table()["debian"].get(f"{version[0]}.{version[1]}", ()))


def _text(value: object) -> str | None:
    # TOML has no null: false stands for a name that is not defined.
    return None if value is False else str(value)


#: What no Python of the target has otherwise, however it was built.
_DECISIVE = (
    "SIZEOF_VOID_P",
    "SIZEOF_LONG",
    "SIZEOF_SIZE_T",
    "SIZEOF_LONG_DOUBLE",
    "WORDS_BIGENDIAN",
    "Py_GIL_DISABLED",
)


def decisive_for(target: Target) -> Defines:
    """Return the values by which headers for another CPU, or of another ABI, are told."""
    if target.os is Os.WINDOWS:
        return {}
    values = values_for(target)
    return {name: values[name] for name in _DECISIVE}
