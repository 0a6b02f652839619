"""Every spelling of a target that a user already knows, read into the one model, and written back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.errors import TargetError
from crossdock.target.model import Os, Target
from crossdock.target.platforms import parse_place
from crossdock.target.pythons import parse_python, python_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.target.model import Arch, Python
    from crossdock.target.places import Place
    from crossdock.target.presets import Preset

__all__ = ["canonical_name", "known_names", "parse_python", "parse_target", "preset_target"]

#: Pyodide's ABI for each Python (pyodide-build's and PEP 783's table; read 2026-11).
_PYODIDE = {12: (2024, 0), 13: (2025, 0), 14: (2026, 0)}

#: Names longer than this are refused before any pattern sees them.
_LIMIT = 200

#: cp312-linux-aarch64-glibc2.34, cibuildwheel's cp312-manylinux_aarch64, a wheel's cp313-cp313t-win_arm64.
_WITH_PYTHON = (
    r"(?P<python>(?:cp|pp)3\d{1,2}t?|pypy3\.?\d{1,2}(?:\.\d+)?(?:_pp\d+)?"
    r"|3\.\d{1,2}(?:\.\d+(?:(?:a|b|rc)\d+)?)?t?)-(?:(?P<abi>cp3\d{1,2}t?|pypy3\d{1,2}_pp\d+)-)?(?P<place>.+)"
)
_BEGINNINGS = ("cp", "pp", "pypy", "3.")

#: pex's --platform: manylinux2014_aarch64-cp-312-cp312.
_PEX = r"(?P<place>.+)-(?P<name>cp|pp)-(?P<major>3)\.?(?P<minor>\d{1,2})(?P<patch>\.\d+)?-(?P<abi>\w+)"


def parse_target(text: str, *, default_python: Python | None = None) -> Target:
    """Read a target's name: OCI platform, triple, wheel platform tag, uv's, cibuildwheel's, pex's, or a preset.

    `default_python` completes names that say no Python. Raises `TargetError`: E-TARGET-PYTHON if the name
    has none and there is no default, E-TARGET-UNKNOWN with the nearest known names if it is none.
    """
    if len(text) > _LIMIT:
        raise TargetError(f"a target's name has at most {_LIMIT} characters", code="E-TARGET-UNKNOWN")
    name = text.strip()
    target = (
        _with_python(name) or _pex(name) or _of_place(name, default_python) or _preset(name, default_python)
    )
    if target is None:
        raise _unknown(name)
    return target


def _with_python(name: str) -> Target | None:
    if not name.lower().startswith(_BEGINNINGS):
        return None
    found = re.fullmatch(_WITH_PYTHON, name, re.IGNORECASE)
    if found is None:
        return None
    python = parse_python(found["python"])
    if found["abi"]:
        python = _of_abi(found["abi"].lower(), python, name)
    place = parse_place(found["place"])
    return (
        _preset_with_python(found["place"], python, name) if place is None else _target(place, python, name)
    )


def _preset_with_python(place: str, python: Python, name: str) -> Target | None:
    """Read cp313-debian-bookworm-arm64: a place of the distribution, with another Python than its own."""
    target = _preset(place, python)
    if target is None:
        return None
    if target.python != python:
        raise TargetError(
            f"`{name}` says two Pythons",
            code="E-TARGET-PYTHON",
            hint=f"`{place}` is Python {target.python.short}",
        )
    return replace(target, name=name)


def _pex(name: str) -> Target | None:
    if "-cp-3" not in name and "-pp-3" not in name:
        return None
    found = re.fullmatch(_PEX, name)
    place = None if found is None else parse_place(found["place"])
    if found is None or place is None:
        return None
    word = "pypy" if found["name"] == "pp" else ""
    said = parse_python(f"{word}3.{found['minor']}{found['patch'] or ''}")
    return _target(place, _of_abi(found["abi"], said, name), name)


def _of_abi(abi: str, said: Python, name: str) -> Python:
    """Return the ABI's Python, which says all but the patch version: free-threading, PyPy's own version."""
    python = parse_python(abi)
    if (python.implementation, python.version) != (said.implementation, said.version):
        raise TargetError(f"version and ABI of `{name}` contradict each other", code="E-TARGET-UNKNOWN")
    return replace(python, patch=said.patch, prerelease=said.prerelease)


def _of_place(name: str, default: Python | None) -> Target | None:
    place = parse_place(name)
    return None if place is None else _target(place, _needed(default, name), name)


def _preset(name: str, default: Python | None) -> Target | None:
    # Only now: no name above needs the presets to be read.
    from crossdock.target.presets import by_name

    found = by_name().get(name.lower())
    if found is None:
        return None
    return preset_target(*found, name, default)


def preset_target(preset: Preset, arch: Arch | None, name: str, default: Python | None) -> Target:
    """Return the target of a preset that was called `name`; without `arch` the preset's first is assumed.

    Raises `TargetError` (E-TARGET-PYTHON) where neither the preset nor `default` says a Python.
    """
    assumed = () if arch or len(preset.arches) == 1 else (preset.arch_word(preset.arches[0]),)
    return Target(
        os=Os.LINUX,
        arch=arch or preset.arches[0],
        libc=preset.libc,
        python=_preset_python(preset, name, default),
        base_libraries=preset.base_libraries,
        name=name,
        assumed=assumed,
        preset=preset.name,
    )


def _preset_python(preset: Preset, name: str, default: Python | None) -> Python:
    own = parse_python(preset.python) if preset.python else None
    if preset.python_in_name and own is not None:
        # A default that agrees may know more: the patch version.
        return default if default is not None and _refines(default, own) else own
    if own is not None and default is None:
        return own
    return _needed(default, name)


def _refines(default: Python, own: Python) -> bool:
    return replace(default, patch=None, prerelease="") == own


def _needed(python: Python | None, name: str) -> Python:
    if python is None:
        raise TargetError(
            f"`{name}` does not say which Python",
            code="E-TARGET-PYTHON",
            hint="add for example --python 3.12",
        )
    return python


def _target(place: Place, python: Python, name: str) -> Target:
    version = place.os_version
    if place.os is Os.EMSCRIPTEN and version is None:
        version = _pyodide_abi(python, name)
    return Target(
        os=place.os,
        arch=place.arch,
        libc=place.libc,
        os_version=version,
        simulator=place.simulator,
        python=python,
        marker_overrides=(("platform_machine", place.machine),) if place.machine else (),
        name=name,
        assumed=place.assumed,
    )


def _pyodide_abi(python: Python, name: str) -> tuple[int, int]:
    found = _PYODIDE.get(python.minor)
    if found is None:
        raise TargetError(
            f"no Pyodide has Python {python.short}: `{name}`",
            code="E-TARGET-PYTHON",
            hint=f"known: {', '.join(f'3.{minor} ({year})' for minor, (year, _) in _PYODIDE.items())}",
        )
    return found


def _unknown(name: str) -> TargetError:
    from crossdock.target.arches import nearest
    from crossdock.target.known import spellings

    near = nearest(name.lower(), spellings())
    return TargetError(
        f"no target is called `{name}`",
        code="E-TARGET-UNKNOWN",
        hint=f"did you mean {near}?" if near else "`crossdock targets` lists the names",
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
    from crossdock.target import known

    return known.known_names()
