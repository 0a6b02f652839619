"""Whatever machine crossdock runs on, a target means the same."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from types import SimpleNamespace
from typing import TYPE_CHECKING

from packaging import markers as packaging_markers
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from crossdock.target import kleene, markers, presets, tags
from crossdock.target.names import parse_python, parse_target

if TYPE_CHECKING:
    import pytest

NAMES = (
    "linux/arm64",
    "linux/arm/v7",
    "x86_64-unknown-linux-musl",
    "darwin/arm64",
    "darwin/amd64",
    "windows/amd64",
    "win_arm64",
    "arm64-apple-ios",
    "aarch64-linux-android",
    "wasm32-pyodide2025",
    "lambda-python3.12-arm64",
)
PYTHONS = ("3.9", "3.12.4", "3.13t", "3.15.0rc1", "pypy3.11")
MARKERS = (
    *(f"{name} == '{value}'" for name, value in packaging_markers.default_environment().items()),
    "python_full_version >= '3.12.2'",
    "platform_machine in 'x86_64 AMD64 aarch64'",
)


def everything() -> dict[tuple[str, str], object]:
    found: dict[tuple[str, str], object] = {}
    for name in NAMES:
        for python in PYTHONS:
            target = parse_target(name, default_python=parse_python(python))
            found[name, python] = (
                [str(tag) for tag in tags.wheel_tags(target)],
                markers.environment(target),
                [markers.evaluate(Marker(text), target) for text in MARKERS],
                markers.satisfies(SpecifierSet(">=3.12.2"), target),
            )
    return found


def forget() -> None:
    for module in (tags, markers, kleene, presets):
        for name in dir(module):
            clear = getattr(getattr(module, name), "cache_clear", None)
            if clear is not None:
                clear()


def test_the_host_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    here = everything()
    packaging_markers._cached_default_environment.cache_clear()
    forget()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        patch.setattr(
            sys, "implementation", SimpleNamespace(name="pypy", version=sys.version_info, cache_tag="x")
        )
        patch.setattr(platform, "machine", lambda: "ARM64")
        patch.setattr(platform, "system", lambda: "Windows")
        patch.setattr(platform, "release", lambda: "11")
        patch.setattr(platform, "version", lambda: "10.0.26100")
        patch.setattr(platform, "python_version", lambda: "3.10.1")
        patch.setattr(platform, "python_version_tuple", lambda: ("3", "10", "1"))
        patch.setattr(platform, "python_implementation", lambda: "PyPy")
        patch.setattr(platform, "mac_ver", lambda: ("12.3", ("", "", ""), "arm64"))
        patch.setattr(platform, "libc_ver", lambda *_: ("glibc", "2.5"))
        patch.setattr(sysconfig, "get_platform", lambda: "win-arm64")
        patch.setattr(sysconfig, "get_config_var", lambda _: 1)
        patch.setattr(os, "uname", lambda: ("Windows", "", "", "", "ARM64"))
        there = everything()
        faked = packaging_markers.default_environment()
    packaging_markers._cached_default_environment.cache_clear()
    forget()
    # The disguise is one that packaging believes in.
    assert (faked["sys_platform"], faked["python_full_version"]) == ("win32", "3.10.1")
    assert there == here
