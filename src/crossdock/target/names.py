"""Every spelling of a target that a user already knows, read into the one model, and written back."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossdock.errors import TargetError
from crossdock.target.model import Os, Python, Target
from crossdock.target.platforms import Place, parse_place, platform_names
from crossdock.target.presets import by_name, presets
from crossdock.target.pythons import parse_python, python_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.target.presets import Preset

__all__ = ["canonical_name", "known_names", "parse_python", "parse_target"]

#: Pyodide's ABI for each Python (pyodide-build's and PEP 783's table; read 2026-11).
_PYODIDE = {12: (2024, 0), 13: (2025, 0), 14: (2026, 0)}

#: Names longer than this are refused before any pattern sees them.
_LIMIT = 200

#: cp312-linux-aarch64-glibc2.34 and cibuildwheel's cp312-manylinux_aarch64.
_WITH_PYTHON = re.compile(
    r"(?P<python>(?:cp|pp)3\d{1,2}t?|pypy3\.?\d{1,2}(?:\.\d+)?(?:_pp\d+)?|3\.\d{1,2}(?:\.\d+(?:(?:a|b|rc)\d+)?)?t?)-(?P<place>.+)"
)
#: pex's --platform: manylinux2014_aarch64-cp-312-cp312.
_PEX = re.compile(r"(?P<place>.+)-(?P<name>cp|pp)-(?P<version>3\.?\d{1,2}(?:\.\d+)?)-(?P<abi>\w+)")


@dataclass(frozen=True, slots=True)
class _Request:
    text: str
    default: Python | None


def parse_target(text: str, *, default_python: Python | None = None) -> Target:
    """Read a target's name: OCI platform, triple, wheel platform tag, uv's, cibuildwheel's, pex's, or a preset.

    `default_python` completes names that say no Python. Raises `TargetError`: E-TARGET-PYTHON if the name
    has none and there is no default, E-TARGET-UNKNOWN with the nearest known names for all else.
    """
    if len(text) > _LIMIT:
        raise TargetError(f"a target's name has at most {_LIMIT} characters", code="E-TARGET-UNKNOWN")
    request = _Request(text.strip(), default_python)
    target = _preset(request) or _with_python(request) or _pex(request) or _place(request)
    if target is None:
        raise _unknown(request.text)
    return target


def _preset(request: _Request) -> Target | None:
    found = by_name().get(request.text.lower())
    if found is None:
        return None
    preset, arch = found
    assumed = () if arch or len(preset.arches) == 1 else (f"{preset.arch_word(preset.arches[0])}",)
    python = _preset_python(preset, request)
    return Target(
        os=Os.LINUX,
        arch=arch or preset.arches[0],
        libc=preset.libc,
        python=python,
        base_libraries=preset.base_libraries,
        name=request.text,
        assumed=assumed,
    )


def _preset_python(preset: Preset, request: _Request) -> Python:
    own = parse_python(preset.python) if preset.python else None
    default = request.default
    if preset.python_in_name and own is not None:
        # A default that agrees may know more: the patch version.
        return default if default is not None and _refines(default, own) else own
    if own is not None and default is None:
        return own
    return _needed(default, request.text)


def _refines(default: Python, own: Python) -> bool:
    return replace(default, patch=None, prerelease="") == own


def _with_python(request: _Request) -> Target | None:
    found = _WITH_PYTHON.fullmatch(request.text)
    if found is None:
        return None
    place = parse_place(found["place"])
    return None if place is None else _target(place, parse_python(found["python"]), request.text)


def _pex(request: _Request) -> Target | None:
    found = _PEX.fullmatch(request.text)
    if found is None:
        return None
    place = parse_place(found["place"])
    if place is None:
        return None
    version = found["version"] if "." in found["version"] else f"{found['version'][0]}.{found['version'][1:]}"
    python = parse_python(f"{'pypy' if found['name'] == 'pp' else ''}{version}")
    if found["name"] == "cp":
        abi = parse_python(found["abi"])
        if abi.version != python.version:
            raise TargetError(
                f"version and ABI of `{request.text}` contradict each other", code="E-TARGET-UNKNOWN"
            )
        python = replace(python, free_threaded=abi.free_threaded)
    return _target(place, python, request.text)


def _place(request: _Request) -> Target | None:
    place = parse_place(request.text)
    return None if place is None else _target(place, _needed(request.default, request.text), request.text)


def _needed(python: Python | None, text: str) -> Python:
    if python is None:
        raise TargetError(
            f"`{text}` does not say which Python",
            code="E-TARGET-PYTHON",
            hint="add for example --python 3.12",
        )
    return python


def _target(place: Place, python: Python, name: str) -> Target:
    return Target(
        os=place.os,
        arch=place.arch,
        libc=place.libc,
        os_version=_pyodide_abi(python, name)
        if place.os is Os.EMSCRIPTEN and not place.os_version
        else place.os_version,
        simulator=place.simulator,
        python=python,
        name=name,
        assumed=place.assumed,
    )


def _pyodide_abi(python: Python, text: str) -> tuple[int, int]:
    found = _PYODIDE.get(python.minor)
    if found is None:
        raise TargetError(
            f"no Pyodide has Python {python.short}: `{text}`",
            code="E-TARGET-PYTHON",
            hint=f"known: {', '.join(f'3.{minor} ({year})' for minor, (year, _) in _PYODIDE.items())}",
        )
    return found


def _unknown(text: str) -> TargetError:
    import difflib

    names = [name for name, _ in known_names()]
    near = difflib.get_close_matches(text.lower(), [*names, *by_name()], n=3, cutoff=0.5)
    return TargetError(
        f"no target is called `{text}`",
        code="E-TARGET-UNKNOWN",
        hint=f"did you mean {' or '.join(f'`{name}`' for name in near)}?"
        if near
        else "`crossdock targets` lists the names",
    )


def canonical_name(target: Target) -> str:
    """Return the one name that says everything but overrides and base libraries: `cp312-linux-aarch64-glibc2.34`."""
    parts = [python_name(target.python), str(target.os), str(target.arch)]
    if target.libc is not None:
        parts.append(str(target.libc))
    elif target.os_version is not None:
        parts.append(f"{target.os_version[0]}.{target.os_version[1]}")
    if target.simulator:
        parts.append("simulator")
    return "-".join(parts)


def known_names() -> Sequence[tuple[str, str]]:
    """Return (name, meaning) of every target known by name, platforms first."""
    names = [(name, meaning) for name, meaning in platform_names()]
    for preset in presets():
        libc = str(preset.libc)
        for arch in preset.arches:
            names.append((f"{preset.name}-{preset.arch_word(arch)}", f"{preset.meaning}, {arch}, {libc}"))  # noqa: PERF401
    return names
