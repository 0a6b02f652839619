"""Every spelling of a target is read, printed, and read back."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.errors import TargetError
from crossdock.target.describe import describe, oci_platform, rust_target, uv_platform, zig_target
from crossdock.target.model import Arch, Implementation, Libc, LibcKind, Os, Python, Target
from crossdock.target.names import canonical_name, known_names, parse_python, parse_target
from crossdock.target.tags import platform_tags

PY312 = Python(minor=12)

# (spelling, canonical name with cp312)
SPELLINGS = [
    # OCI platforms: no floor in them.
    ("linux/amd64", "linux-x86_64-glibc2.28"),
    ("linux/arm64", "linux-aarch64-glibc2.28"),
    ("linux/arm64/v8", "linux-aarch64-glibc2.28"),
    ("Linux/ARM64", "linux-aarch64-glibc2.28"),
    ("linux/arm/v7", "linux-armv7l-glibc2.31"),
    ("linux/arm", "linux-armv7l-glibc2.31"),
    ("linux/arm/v6", "linux-armv6l-glibc2.28"),
    ("linux/386", "linux-i686-glibc2.28"),
    ("linux/ppc64le", "linux-ppc64le-glibc2.28"),
    ("linux/s390x", "linux-s390x-glibc2.28"),
    ("linux/riscv64", "linux-riscv64-glibc2.31"),
    ("linux/loong64", "linux-loongarch64-glibc2.36"),
    ("darwin/arm64", "macos-aarch64-11.0"),
    ("darwin/amd64", "macos-x86_64-10.13"),
    ("windows/amd64", "windows-x86_64"),
    ("windows/arm64", "windows-aarch64"),
    ("windows/386", "windows-i686"),
    ("linux/amd64/v3", "linux-x86_64-glibc2.28"),
    ("linux/arm64/v9", "linux-aarch64-glibc2.28"),
    ("linux/x86_64", "linux-x86_64-glibc2.28"),
    # uv
    ("linux", "linux-x86_64-glibc2.28"),
    ("macos", "macos-aarch64-11.0"),
    ("windows", "windows-x86_64"),
    ("x86_64-manylinux2014", "linux-x86_64-glibc2.17"),
    ("x86_64-manylinux_2_40", "linux-x86_64-glibc2.40"),
    ("aarch64-manylinux_2_17", "linux-aarch64-glibc2.17"),
    ("x86_64-unknown-linux-gnu", "linux-x86_64-glibc2.28"),
    ("aarch64-unknown-linux-gnu", "linux-aarch64-glibc2.28"),
    ("riscv64-unknown-linux", "linux-riscv64-glibc2.31"),
    ("x86_64-unknown-linux-musl", "linux-x86_64-musl1.2"),
    ("aarch64-unknown-linux-musl", "linux-aarch64-musl1.2"),
    ("aarch64-apple-darwin", "macos-aarch64-11.0"),
    ("x86_64-apple-darwin", "macos-x86_64-10.13"),
    ("x86_64-pc-windows-msvc", "windows-x86_64"),
    ("aarch64-pc-windows-msvc", "windows-aarch64"),
    ("i686-pc-windows-msvc", "windows-i686"),
    ("arm64-apple-ios", "ios-aarch64-13.0"),
    ("arm64-apple-ios-simulator", "ios-aarch64-13.0-simulator"),
    ("x86_64-apple-ios-simulator", "ios-x86_64-13.0-simulator"),
    ("aarch64-linux-android", "android-aarch64-24.0"),
    ("x86_64-linux-android", "android-x86_64-24.0"),
    ("wasm32-pyodide2024", "emscripten-wasm32-2024.0"),
    ("wasm32-pyodide2025", "emscripten-wasm32-2025.0"),
    # zig, with floors
    ("x86_64-linux-gnu.2.5", "linux-x86_64-glibc2.5"),
    ("x86_64-linux-gnu.2.44", "linux-x86_64-glibc2.44"),
    ("aarch64-linux-gnu.2.26", "linux-aarch64-glibc2.26"),
    ("arm-linux-gnueabihf.2.17", "linux-armv7l-glibc2.17"),
    ("x86-linux-gnu.2.17", "linux-i686-glibc2.17"),
    ("powerpc64le-linux-gnu.2.19", "linux-ppc64le-glibc2.19"),
    ("s390x-linux-gnu.2.17", "linux-s390x-glibc2.17"),
    ("riscv64-linux-gnu.2.31", "linux-riscv64-glibc2.31"),
    ("loongarch64-linux-gnu.2.36", "linux-loongarch64-glibc2.36"),
    ("x86_64-linux-musl", "linux-x86_64-musl1.2"),
    ("aarch64-linux-musl", "linux-aarch64-musl1.2"),
    ("arm-linux-musleabihf", "linux-armv7l-musl1.2"),
    ("aarch64-macos.11.0", "macos-aarch64-11.0"),
    ("x86_64-macos.11.0", "macos-x86_64-11.0"),
    ("x86_64-windows-gnu", "windows-x86_64"),
    ("aarch64-windows-gnu", "windows-aarch64"),
    ("x86-windows-gnu", "windows-i686"),
    # GNU, Debian, Rust, clang, Android's NDK
    ("aarch64-linux-android21", "android-aarch64-21.0"),
    ("armv7a-linux-androideabi24", "android-armv7l-24.0"),
    ("arm64-apple-macosx12.0", "macos-aarch64-12.0"),
    ("arm64-apple-ios15.4-simulator", "ios-aarch64-15.4-simulator"),
    ("s390x-unknown-linux-gnu", "linux-s390x-glibc2.28"),
    ("loongarch64-unknown-linux-gnu", "linux-loongarch64-glibc2.36"),
    ("x86_64-linux-gnu", "linux-x86_64-glibc2.28"),
    ("aarch64-linux-gnu", "linux-aarch64-glibc2.28"),
    ("arm-linux-gnueabihf", "linux-armv7l-glibc2.31"),
    ("i386-linux-gnu", "linux-i686-glibc2.28"),
    ("powerpc64le-unknown-linux-gnu", "linux-ppc64le-glibc2.28"),
    ("armv7-unknown-linux-gnueabihf", "linux-armv7l-glibc2.31"),
    ("arm-unknown-linux-gnueabihf", "linux-armv6l-glibc2.28"),
    ("riscv64gc-unknown-linux-gnu", "linux-riscv64-glibc2.31"),
    ("x86_64-alpine-linux-musl", "linux-x86_64-musl1.2"),
    ("aarch64-apple-ios-sim", "ios-aarch64-13.0-simulator"),
    ("x86_64-apple-ios", "ios-x86_64-13.0-simulator"),
    # Wheel platform tags
    ("manylinux1_x86_64", "linux-x86_64-glibc2.5"),
    ("manylinux2010_i686", "linux-i686-glibc2.12"),
    ("manylinux2014_aarch64", "linux-aarch64-glibc2.17"),
    ("manylinux_2_26_aarch64", "linux-aarch64-glibc2.26"),
    ("manylinux_2_42_x86_64", "linux-x86_64-glibc2.42"),
    ("manylinux_2_31_armv7l", "linux-armv7l-glibc2.31"),
    ("musllinux_1_1_x86_64", "linux-x86_64-musl1.1"),
    ("musllinux_1_2_x86_64", "linux-x86_64-musl1.2"),
    ("linux_aarch64", "linux-aarch64-glibc2.28"),
    ("macosx_11_0_arm64", "macos-aarch64-11.0"),
    ("macosx_14_5_arm64", "macos-aarch64-14.5"),
    ("macosx_10_9_x86_64", "macos-x86_64-10.9"),
    ("win_amd64", "windows-x86_64"),
    ("win_arm64", "windows-aarch64"),
    ("win32", "windows-i686"),
    ("ios_16_0_arm64_iphoneos", "ios-aarch64-16.0"),
    ("ios_16_0_x86_64_iphonesimulator", "ios-x86_64-16.0-simulator"),
    ("android_24_arm64_v8a", "android-aarch64-24.0"),
    ("android_21_x86_64", "android-x86_64-21.0"),
    ("pyodide_2025_0_wasm32", "emscripten-wasm32-2025.0"),
    ("pyemscripten_2026_0_wasm32", "emscripten-wasm32-2026.0"),
    ("pyemscripten_2025_0_wasm32", "emscripten-wasm32-2025.0"),
    ("wasm32-unknown-emscripten", "emscripten-wasm32-2024.0"),
    # sysconfig.get_platform(), and capitals
    ("win-amd64", "windows-x86_64"),
    ("linux-x86_64", "linux-x86_64-glibc2.28"),
    ("macosx-11.0-arm64", "macos-aarch64-11.0"),
    ("AArch64-Apple-Darwin", "macos-aarch64-11.0"),
]

# Names that say their Python.
WITH_PYTHON = [
    ("cp312-manylinux_aarch64", "cp312-linux-aarch64-glibc2.28"),
    ("cp314t-manylinux_x86_64", "cp314t-linux-x86_64-glibc2.28"),
    ("cp311-musllinux_x86_64", "cp311-linux-x86_64-musl1.2"),
    ("cp310-win_amd64", "cp310-windows-x86_64"),
    ("cp313-win32", "cp313-windows-i686"),
    ("cp313-macosx_arm64", "cp313-macos-aarch64-11.0"),
    ("pp311-manylinux_x86_64", "pypy311_pp73-linux-x86_64-glibc2.28"),
    ("cp313-ios_arm64_iphoneos", "cp313-ios-aarch64-13.0"),
    ("cp314-android_arm64_v8a", "cp314-android-aarch64-24.0"),
    ("cp313-pyodide_wasm32", "cp313-emscripten-wasm32-2025.0"),
    ("cp312-linux-aarch64-glibc2.34", "cp312-linux-aarch64-glibc2.34"),
    ("3.12.4-linux-aarch64-glibc2.34", "3.12.4-linux-aarch64-glibc2.34"),
    ("cp312-cp312-manylinux_2_17_aarch64", "cp312-linux-aarch64-glibc2.17"),
    ("cp313-cp313t-win_arm64", "cp313t-windows-aarch64"),
    ("3.15.0rc1-cp315t-win_amd64", "3.15.0rc1t-windows-x86_64"),
    ("pp310-pypy310_pp73-musllinux_1_2_x86_64", "pypy310_pp73-linux-x86_64-musl1.2"),
    ("cp313-debian-bookworm-arm64", "cp313-linux-aarch64-glibc2.36"),
    ("3.13.2t-ubuntu-24.04-arm64", "3.13.2t-linux-aarch64-glibc2.39"),
    ("cp312-alpine-arm64", "cp312-linux-aarch64-musl1.2"),
    ("cp312-linux/arm64", "cp312-linux-aarch64-glibc2.28"),
    ("manylinux2014_aarch64-cp-312-cp312", "cp312-linux-aarch64-glibc2.17"),
    ("manylinux2014_x86_64-cp-3.12.4-cp312", "3.12.4-linux-x86_64-glibc2.17"),
    ("macosx_12_0_arm64-cp-313-cp313t", "cp313t-macos-aarch64-12.0"),
    ("manylinux_2_28_x86_64-pp-311-pypy311_pp73", "pypy311_pp73-linux-x86_64-glibc2.28"),
    ("manylinux_2_28_x86_64-pp-310-pypy310_pp80", "pypy310_pp80-linux-x86_64-glibc2.28"),
    ("linux-x86_64-cp-311-cp311", "cp311-linux-x86_64-glibc2.28"),
]


@pytest.mark.parametrize(("text", "canonical"), SPELLINGS, ids=[text for text, _ in SPELLINGS])
def test_a_place_without_a_python(text: str, canonical: str) -> None:
    target = parse_target(text, default_python=PY312)
    assert canonical_name(target) == f"cp312-{canonical}"
    assert target.name == text
    assert parse_target(canonical_name(target)) == target
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    assert caught.value.code == "E-TARGET-PYTHON"


@pytest.mark.parametrize(("text", "canonical"), WITH_PYTHON, ids=[text for text, _ in WITH_PYTHON])
def test_a_name_with_its_python(text: str, canonical: str) -> None:
    target = parse_target(text, default_python=Python(minor=9))
    assert canonical_name(target) == canonical
    assert parse_target(canonical) == target


def test_the_known_names_are_known() -> None:
    names = known_names()
    assert len({name for name, _ in names}) == len(names)
    for name, meaning in names:
        assert meaning
        target = parse_target(name, default_python=PY312)
        assert parse_target(canonical_name(target)).fields_for_key() | {"base_libraries": None} == (
            target.fields_for_key() | {"base_libraries": None}
        )


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("linux/arm46", "E-TARGET-UNKNOWN", "did you mean `arm64`?"),
        ("linux/arm/v5", "E-TARGET-UNKNOWN", "`arm/v7`"),
        ("manylinux_2_28", "E-TARGET-UNKNOWN", "did you mean `manylinux_2_28_x86_64`"),
        ("amd64", "E-TARGET-UNKNOWN", "`linux/amd64`"),
        ("aarch64-aple-darwin", "E-TARGET-UNKNOWN", "`aarch64-apple-darwin`"),
        ("x86_64-pc-windows-msv", "E-TARGET-UNKNOWN", "`x86_64-pc-windows-msvc`"),
        ("lambda-3.12", "E-TARGET-UNKNOWN", "`lambda-python3.12`"),
        ("ios_11_4_arm64_iphoneos", "E-TARGET-OS", "12.0"),
        ("android_15_arm64_v8a", "E-TARGET-OS", "16"),
        ("emscripten-x86_64", "E-TARGET-ARCH", "wasm32"),
        ("linux/wasm32", "E-TARGET-ARCH", "pyodide"),
        ("cp311-cp312-win_amd64", "E-TARGET-UNKNOWN", "contradict"),
        ("cp311-lambda-python3.12-arm64", "E-TARGET-PYTHON", "two Pythons"),
        ("x", "E-TARGET-UNKNOWN", "`crossdock targets`"),
        ("windows-x86_64-10.0", "E-TARGET-UNKNOWN", ""),
        ("x86_64-windows-gnu.2.17", "E-TARGET-UNKNOWN", ""),
        ("manylinux_2_28_x86_64-pp-311-pypy310_pp73", "E-TARGET-UNKNOWN", "contradict"),
        ("linux/arm\u0664", "E-TARGET-UNKNOWN", ""),
        ("lambda-python3.12-amr64", "E-TARGET-UNKNOWN", "`lambda-python3.12-arm64`"),
        ("debian-bookwurm", "E-TARGET-UNKNOWN", "`debian-bookworm"),
        ("manylinux_2_16_aarch64", "E-TARGET-LIBC", "2.17"),
        ("manylinux_2_4_x86_64", "E-TARGET-LIBC", "2.5"),
        ("manylinux_2_35_loongarch64", "E-TARGET-LIBC", "2.36"),
        ("manylinux_3_0_x86_64", "E-TARGET-LIBC", "2.5"),
        ("macosx_11_0_universal2", "E-TARGET-UNKNOWN", "macosx_11_0_arm64"),
        ("darwin/ppc64le", "E-TARGET-ARCH", "macOS"),
        ("windows/arm", "E-TARGET-ARCH", "Windows"),
        ("arm-linux-gnueabi", "E-TARGET-ARCH", "soft-float"),
        ("cp37-manylinux_x86_64", "E-TARGET-PYTHON", "3.7"),
        ("cp316-manylinux_x86_64", "E-TARGET-PYTHON", "3.16"),
        ("cp312t-manylinux_x86_64", "E-TARGET-PYTHON", "free-threaded"),
        ("manylinux2014_x86_64-cp-312-cp311", "E-TARGET-UNKNOWN", "contradict"),
        ("", "E-TARGET-UNKNOWN", "`crossdock targets`"),
        ("x" * 5000, "E-TARGET-UNKNOWN", "characters"),
        ("wasm32", "E-TARGET-UNKNOWN", ""),
    ],
)
def test_a_name_that_is_none_says_what_to_write(text: str, code: str, words: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(text, default_python=PY312)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("3.12", Python(minor=12)),
        ("3.12.4", Python(minor=12, patch=4)),
        ("3.13t", Python(minor=13, free_threaded=True)),
        ("3.13.1t", Python(minor=13, patch=1, free_threaded=True)),
        ("cp39", Python(minor=9)),
        ("cp313t", Python(minor=13, free_threaded=True)),
        ("3.15.0rc1", Python(minor=15, patch=0, prerelease="rc1")),
        ("pypy3.11", Python(minor=11, implementation=Implementation.PYPY, abi="pypy311_pp73")),
        ("pp310", Python(minor=10, implementation=Implementation.PYPY, abi="pypy310_pp73")),
        ("pypy311_pp73", Python(minor=11, implementation=Implementation.PYPY, abi="pypy311_pp73")),
    ],
)
def test_a_python(text: str, python: Python) -> None:
    assert parse_python(text) == python


@pytest.mark.parametrize(
    "text", ["", "3", "2.7", "3.8", "3.16", "3.12t", "3.12.x", "cp27", "pypy3.11t", "3.12.4.5"]
)
def test_no_python(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_python(text)
    assert caught.value.code == "E-TARGET-PYTHON"
    assert caught.value.hint


@pytest.mark.parametrize("word", [oci_platform, uv_platform, zig_target, rust_target])
@pytest.mark.parametrize("text", [text for text, _ in SPELLINGS])
def test_what_another_tool_calls_it_is_understood(word: object, text: str) -> None:
    target = parse_target(text, default_python=PY312)
    assert callable(word)
    name = word(target)
    if name is None or (word is zig_target and target.arch is Arch.ARMV6L):
        return  # no such name, or one that does not say all: zig is told ARMv6 by another option
    again = parse_target(name, default_python=PY312)
    assert (again.os, again.arch, again.simulator) == (target.os, target.arch, target.simulator)
    if target.libc is not None and word is not oci_platform:
        assert again.libc is not None
        assert again.libc.kind is target.libc.kind


@pytest.mark.parametrize("text", [text for text, _ in SPELLINGS])
def test_the_first_platform_tag_names_the_same_target(text: str) -> None:
    target = parse_target(text, default_python=PY312)
    again = parse_target(platform_tags(target)[0], default_python=PY312)
    expected = target
    if target.os is Os.MACOS and target.os_version == (14, 5):
        expected = parse_target("macosx_14_0_arm64", default_python=PY312)  # from 11 on, tags have no minor
    assert again == expected


def test_what_a_name_leaves_open_is_told() -> None:
    assert parse_target("linux/arm64", default_python=PY312).assumed == ("glibc 2.28 or newer",)
    assert parse_target("darwin/arm64", default_python=PY312).assumed == ("macOS 11.0 or newer",)
    assert parse_target("aarch64-unknown-linux-musl", default_python=PY312).assumed == ("musl 1.2 or newer",)
    assert parse_target("manylinux_2_28_aarch64", default_python=PY312).assumed == ()
    assert parse_target("cp312-linux-aarch64-glibc2.34").assumed == ()


pythons = st.one_of(
    st.builds(
        Python,
        minor=st.integers(9, 15),
        patch=st.none() | st.integers(0, 30),
    ),
    st.builds(
        Python,
        minor=st.integers(13, 15),
        patch=st.none() | st.integers(0, 30),
        free_threaded=st.just(True),
    ),
    st.builds(
        Python,
        minor=st.integers(9, 15),
        patch=st.just(0),
        prerelease=st.sampled_from(["a1", "b2", "rc3"]),
        free_threaded=st.just(False),
    ),
    st.tuples(st.integers(9, 12), st.none() | st.integers(0, 20), st.integers(7, 80)).map(
        lambda parts: Python(
            minor=parts[0],
            patch=parts[1],
            implementation=Implementation.PYPY,
            abi=f"pypy3{parts[0]}_pp{parts[2]}",
        )
    ),
)
LINUX = [arch for arch in Arch if arch is not Arch.WASM32]
MAC = [Arch.AARCH64, Arch.X86_64]
targets = st.one_of(
    st.builds(
        Target,
        os=st.just(Os.LINUX),
        arch=st.sampled_from(LINUX),
        libc=st.builds(Libc, st.just(LibcKind.GLIBC), st.just(2), st.integers(36, 99)),
        python=pythons,
    ),
    st.builds(
        Target,
        os=st.just(Os.LINUX),
        arch=st.sampled_from(LINUX),
        libc=st.builds(Libc, st.just(LibcKind.MUSL), st.just(1), st.integers(0, 9)),
        python=pythons,
    ),
    st.builds(
        Target,
        os=st.just(Os.MACOS),
        arch=st.sampled_from(MAC),
        os_version=st.tuples(st.integers(11, 30), st.integers(0, 9)),
        python=pythons,
    ),
    st.builds(Target, os=st.just(Os.WINDOWS), arch=st.sampled_from([*MAC, Arch.I686]), python=pythons),
    st.builds(
        Target,
        os=st.just(Os.IOS),
        arch=st.just(Arch.AARCH64),
        os_version=st.tuples(st.integers(12, 30), st.integers(0, 9)),
        simulator=st.booleans(),
        python=pythons,
    ),
    st.builds(
        Target,
        os=st.just(Os.ANDROID),
        arch=st.sampled_from(MAC),
        os_version=st.tuples(st.integers(21, 40), st.just(0)),
        python=pythons,
    ),
    st.builds(
        Target,
        os=st.just(Os.EMSCRIPTEN),
        arch=st.just(Arch.WASM32),
        os_version=st.tuples(st.integers(2024, 2030), st.integers(0, 3)),
        python=pythons,
    ),
)


@given(targets)
def test_the_canonical_name_says_everything(target: Target) -> None:
    again = parse_target(canonical_name(target))
    assert again == target
    assert again.key == target.key
    assert canonical_name(again) == canonical_name(target)


@given(targets, targets)
def test_different_targets_have_different_names_and_keys(one: Target, other: Target) -> None:
    assert (one == other) is (canonical_name(one) == canonical_name(other)) is (one.key == other.key)


@given(targets)
def test_every_target_can_be_described(target: Target) -> None:
    value = describe(target)
    assert json.loads(json.dumps(value)) == value


@given(st.text(max_size=40) | st.from_regex(r"[a-z0-9]{0,8}[-_/.][a-z0-9_./-]{0,20}", fullmatch=True))
def test_any_text_is_a_target_or_a_refusal(text: str) -> None:
    with suppress(TargetError):
        target = parse_target(text, default_python=PY312)
        assert parse_target(canonical_name(target)).os is target.os
