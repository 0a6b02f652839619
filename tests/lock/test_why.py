from __future__ import annotations

import pytest
from tests.lock.locks import linux, macos, windows

from crossdock.digest import Digest
from crossdock.lock.pylock import parse_wheel_name
from crossdock.lock.why import why_not
from crossdock.target.model import Arch, Implementation, Os, Python, Target

BOX = linux()
CASES = [
    ("cp312-cp312-manylinux_2_39_aarch64", BOX, "needs glibc 2.39, the target has 2.28"),
    (
        "cp312-cp312-manylinux_2_34_aarch64.manylinux_2_31_aarch64",
        BOX,
        "needs glibc 2.31, the target has 2.28",
    ),
    ("cp312-cp312-manylinux2014_aarch64", linux(glibc=(2, 12)), "needs glibc 2.17, the target has 2.12"),
    ("cp313-cp313-manylinux_2_17_aarch64", BOX, "for cp313"),
    ("cp312-cp312-musllinux_1_2_aarch64", BOX, "for musl, the target has glibc"),
    ("cp312-cp312-manylinux_2_17_aarch64", linux(musl=(1, 2)), "for glibc, the target has musl"),
    ("cp312-cp312-musllinux_1_2_aarch64", linux(musl=(1, 1)), "needs musl 1.2, the target has 1.1"),
    ("cp312-cp312-manylinux_2_17_x86_64", BOX, "for x86_64"),
    ("cp311-cp311-win_amd64", BOX, "for Windows; for cp311"),
    ("cp312-cp312-win32", windows(), "for win32"),
    ("cp312-cp312-win_arm64", windows(), "for arm64"),
    ("cp312-cp312-linux_aarch64", BOX, "a bare linux_aarch64 tag does not say which libc it needs"),
    ("cp312-cp312-macosx_14_0_arm64", macos(), "needs macOS 14.0, the target has 13.0"),
    ("cp312-cp312-macosx_12_5_arm64", macos(), "its macOS tag 12.5 is not one that exists"),
    ("cp312-cp312-macosx_11_0_x86_64", macos(), "for x86_64"),
    ("cp312-cp312-macosx_14_0_universal2", macos(), "needs macOS 14.0, the target has 13.0"),
    ("cp312-cp312-pyodide_2024_0_wasm32", BOX, "for Pyodide"),
    ("cp312-cp312-android_24_arm64_v8a", BOX, "for Android"),
    ("cp312-cp312-ios_13_0_arm64_iphoneos", BOX, "for iOS"),
    (
        "cp313-cp313t-manylinux_2_17_aarch64",
        linux(python=Python(minor=13)),
        "for free-threaded Python (cp313t)",
    ),
    (
        "cp313-cp313-manylinux_2_17_aarch64",
        linux(python=Python(minor=13, free_threaded=True)),
        "ABI cp313, the target is free-threaded (cp313t)",
    ),
    (
        "cp38-abi3-manylinux_2_17_aarch64",
        linux(python=Python(minor=13, free_threaded=True)),
        "ABI abi3, the target is free-threaded (cp313t)",
    ),
    ("cp313-abi3-manylinux_2_17_aarch64", BOX, "for cp313"),
    ("pp311-pypy311_pp73-manylinux_2_17_aarch64", BOX, "for PyPy (pp311)"),
    ("py2-none-any", BOX, "for py2"),
    ("py313-none-any", BOX, "for py313"),
    ("cp312-cp312d-manylinux_2_17_aarch64", BOX, "ABI cp312d, the target has cp312"),
    ("cp312-cp312-solaris_11_sparc", BOX, "for solaris_11_sparc, which is not known"),
    (
        "cp311-cp311-manylinux_2_17_aarch64",
        linux(python=Python(minor=11, implementation=Implementation.PYPY, abi="pypy311_pp73")),
        "for CPython (cp311)",
    ),
    (
        "cp312-cp312-android_30_arm64_v8a",
        Target(os=Os.ANDROID, arch=Arch.AARCH64, os_version=(24, 0), python=Python(minor=12)),
        "needs Android API 30, the target has API 24",
    ),
]


@pytest.mark.parametrize(("tag", "target", "reason"), CASES, ids=[f"{tag}" for tag, _, _ in CASES])
def test_reason_in_words(tag: str, target: Target, reason: str) -> None:
    wheel = parse_wheel_name(f"demo-1.0-{tag}.whl", digest=Digest.of(b""))
    assert why_not(wheel, target) == reason
