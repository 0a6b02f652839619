"""Reads the table of runtimes: places.toml beside this module, and a user's file of the same form over it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from crossdock.errors import CrossdockError, UsageError
from crossdock.ship.bundle.places import Limits, Place, Runtime
from crossdock.target.model import Arch, Libc, LibcKind
from crossdock.target.names import parse_python
from crossdock.target.presets import Preset

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

T = TypeVar("T")

#: A file with every runtime of every cloud has some 10 kB.
_LIMIT = 1 << 20

_LAYOUTS = ("root", "site-packages", "wheels")
#: Places of AWS write arm64 where wheels say aarch64, and x86_64 where others say amd64.
_AWS = ("lambda", "agentcore")

_TOP = ("kind", "runtime")
_KIND = (
    "title", "layout", "task-root", "layer-root", "arches", "base-libraries", "provided", "limits", "source", "read",
)  # fmt: skip
_LIMITS = ("zipped", "unzipped", "unzipped-exclusive", "layers")
_RUNTIME = (
    "kind", "python", "os", "glibc", "arches", "deprecated", "create-blocked", "update-blocked", "remark", "source",
    "read",
)  # fmt: skip


@dataclass(slots=True)
class _Raw:
    """Tables as they are in TOML: kinds by name, runtimes by kind and Python."""

    kinds: dict[str, dict[str, Any]] = field(default_factory=dict)
    runtimes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


@lru_cache(maxsize=1)
def built_in() -> tuple[Runtime, ...]:
    """Return the runtimes that crossdock knows."""
    return _parsed(_built_in(), "places.toml")


def laid_over(path: Path) -> tuple[Runtime, ...]:
    """Return the known runtimes with a file's entries over them; `UsageError` (E-BUNDLE-RUNTIMES) for a bad file.

    Entries are laid over key by key: one that only gives a date keeps the rest. A runtime that is not known needs its
    glibc.
    """
    try:
        if path.exists() and not path.is_file():
            raise _bad(path.name, "is no file")  # a pipe or a device might never end
        with path.open("rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        raise _bad(path.name, f"cannot be read: {error.strerror}") from error
    if len(content) > _LIMIT:
        raise _bad(path.name, "is larger than a table of runtimes can be")
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _bad(path.name, f"is not TOML: {error}") from error
    raw, own = _built_in(), _raw(table, path.name)
    _lay_over(raw, own, path.name)
    return _parsed(raw, path.name)


def _built_in() -> _Raw:
    text = (resources.files(__package__) / "places.toml").read_text("utf-8")
    return _raw(tomllib.loads(text), "places.toml")


def _lay_over(raw: _Raw, own: _Raw, name: str) -> None:
    for kind, table in own.kinds.items():
        if kind not in raw.kinds:
            raise _bad(name, f"[kind.{kind}] is none of {', '.join(raw.kinds)}")
        known = raw.kinds[kind]
        limits = {**known.get("limits", {}), **table.get("limits", {})}
        # Whose word a runtime's data are is said below, by runtime.
        said = {key: value for key, value in table.items() if key not in ("source", "read")}
        raw.kinds[kind] = {**known, **said, "limits": limits}
    for key, entry in own.runtimes.items():
        if key[0] not in raw.kinds:
            raise _bad(name, f"a runtime's kind is `{key[0]}`: known: {', '.join(raw.kinds)}")
        of_file = {"source": name, **_picked(own.kinds.get(key[0], {}), ("source", "read"))}
        raw.runtimes[key] = {**raw.runtimes.get(key, {}), **of_file, **entry}


def _picked(table: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def _raw(table: dict[str, Any], name: str) -> _Raw:
    _known(table, _TOP, name, "the file")
    raw = _Raw(kinds=_value(table, "kind", dict, {}, name))
    for kind, entry in raw.kinds.items():
        if not isinstance(entry, dict):
            raise _bad(name, f"[kind.{kind}] is no table")
        _known(entry, _KIND, name, f"[kind.{kind}]")
    for entry in _value(table, "runtime", list, [], name):
        if not isinstance(entry, dict):
            raise _bad(name, "[[runtime]] is no table")
        _known(entry, _RUNTIME, name, "[[runtime]]")
        key = (_value(entry, "kind", str, "", name), _value(entry, "python", str, "", name))
        if not all(key):
            raise _bad(name, "a [[runtime]] says no `kind` or no `python`")
        if key in raw.runtimes:
            raise _bad(name, f"{key[0]} has python {key[1]} twice")
        raw.runtimes[key] = entry
    return raw


def _parsed(raw: _Raw, name: str) -> tuple[Runtime, ...]:
    order = list(raw.kinds)
    keys = sorted(raw.runtimes, key=lambda key: (order.index(key[0]), _minor(key[1], name)))
    return tuple(_runtime(raw.kinds[kind], raw.runtimes[kind, python], name) for kind, python in keys)


def _minor(python: str, name: str) -> int:
    try:
        found = parse_python(python)
    except CrossdockError as error:
        raise _bad(name, f"{error.message}{f' ({error.hint})' if error.hint else ''}") from error
    if found.short != python:
        raise _bad(name, f"a runtime's Python is a minor version such as 3.12, not `{python}`")
    return found.minor


def _runtime(kind: dict[str, Any], entry: dict[str, Any], name: str) -> Runtime:
    os = _value(entry, "os", str, "Linux", name)
    title = _value(kind, "title", str, "", name)
    label = f"{entry['kind']}-python{entry['python']}"
    libraries = _strings(kind, "base-libraries", name) if "base-libraries" in kind else None
    return Runtime(
        place=Place(
            kind=entry["kind"],
            name=label,
            os=os,
            layout=_one_of(_value(kind, "layout", str, "root", name), _LAYOUTS, name),
            task_root=_value(kind, "task-root", str, "", name),
            layer_root=_value(kind, "layer-root", str, "", name),
            limits=_limits(_value(kind, "limits", dict, {}, name), name),
            deprecated=_date(entry, "deprecated", name),
            create_blocked=_date(entry, "create-blocked", name),
            update_blocked=_date(entry, "update-blocked", name),
            provided=_strings(kind, "provided", name),
            remark=_value(entry, "remark", str, "", name),
            source=_value({**_picked(kind, ("source",)), **entry}, "source", str, "", name),
            read=_date({**_picked(kind, ("read",)), **entry}, "read", name),
        ),
        preset=Preset(
            name=label,
            meaning=f"{title}, {os}",
            arches=_arches({**_picked(kind, ("arches",)), **entry}, name),
            libc=_glibc(entry, label, name),
            python=entry["python"],
            python_in_name=True,
            arch_words="lambda" if entry["kind"] in _AWS else "",
            base_libraries=None if libraries is None else frozenset(libraries),
        ),
    )


def _limits(table: dict[str, Any], name: str) -> Limits:
    _known(table, _LIMITS, name, "limits")
    return Limits(
        zipped=_count(table, "zipped", name),
        unzipped=_count(table, "unzipped", name),
        unzipped_exclusive=_value(table, "unzipped-exclusive", bool, False, name),  # noqa: FBT003  # a default
        layers=_count(table, "layers", name),
    )


def _count(table: dict[str, Any], key: str, name: str) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise _bad(name, f"`{key}` is a whole number above zero")
    return value


def _glibc(entry: dict[str, Any], label: str, name: str) -> Libc:
    text = _value(entry, "glibc", str, "", name)
    major, _, minor = text.partition(".")
    # A tag is made for each minor version below: glibc adds two a year and is at 2.43.
    if not (re.fullmatch(r"[0-9]{1,2}", major) and re.fullmatch(r"[0-9]{1,2}", minor)):
        raise _bad(name, f'{label} needs `glibc`, a string like "2.34"')
    return Libc(LibcKind.GLIBC, int(major), int(minor))


def _arches(entry: dict[str, Any], name: str) -> tuple[Arch, ...]:
    words = _strings(entry, "arches", name)
    # The places' users write only these two, by wheels' names or AWS's.
    known = {"x86_64": Arch.X86_64, "aarch64": Arch.AARCH64, "arm64": Arch.AARCH64}
    found = tuple(dict.fromkeys(known[_one_of(word, tuple(known), name)] for word in words))
    if not found:
        raise _bad(name, "a runtime's `arches` are empty")
    return found


def _date(entry: dict[str, Any], key: str, name: str) -> date | None:
    value = entry.get(key)
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    raise _bad(name, f"`{key}` is a date such as 2027-06-30, without quotes")


def _strings(entry: dict[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _bad(name, f"`{key}` is a list of strings")


def _value(entry: dict[str, Any], key: str, kind: type[T], default: T, name: str) -> T:
    value = entry.get(key, default)
    if isinstance(value, kind):
        return value
    raise _bad(name, f"`{key}` is of the wrong type: `{value}`")


def _one_of(word: str, known: tuple[str, ...], name: str) -> str:
    if word not in known:
        raise _bad(name, f"`{word}` is none of {', '.join(known)}")
    return word


def _known(table: dict[str, Any], keys: tuple[str, ...], name: str, where: str) -> None:
    for key in table:
        if key not in keys:
            raise _bad(name, f"{where} has an unknown key `{key}`", hint=f"known: {', '.join(keys)}")


def _bad(name: str, what: str, *, hint: str | None = None) -> UsageError:
    return UsageError(
        f"`{name}`: {what}",
        code="E-BUNDLE-RUNTIMES",
        hint=hint or "`crossdock runtimes --refresh -o FILE` writes such a file",
    )
