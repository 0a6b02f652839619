"""The wheel tags of a target, best first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag, android_platforms, parse_tag

from crossdock.errors import TargetError
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target
from crossdock.target.names import parse_python, parse_target
from crossdock.target.tags import platform_tags, tag_ranks, wheel_tags


def target(name: str, python: str = "3.12") -> Target:
    return parse_target(name, default_python=parse_python(python))


def platforms(name: str) -> list[str]:
    return list(platform_tags(target(name)))


def takes(where: Target, wheel: str) -> bool:
    return bool(parse_tag(wheel) & set(wheel_tags(where)))


def rank(where: Target, wheel: str) -> int:
    ranks = tag_ranks(where)
    return min(ranks[tag] for tag in parse_tag(wheel) if tag in ranks)


# Platforms


def test_the_glibc_ladder_with_its_aliases() -> None:
    assert platforms("manylinux_2_18_x86_64") == [
        "manylinux_2_18_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_16_x86_64",
        "manylinux_2_15_x86_64",
        "manylinux_2_14_x86_64",
        "manylinux_2_13_x86_64",
        "manylinux_2_12_x86_64",
        "manylinux2010_x86_64",
        "manylinux_2_11_x86_64",
        "manylinux_2_10_x86_64",
        "manylinux_2_9_x86_64",
        "manylinux_2_8_x86_64",
        "manylinux_2_7_x86_64",
        "manylinux_2_6_x86_64",
        "manylinux_2_5_x86_64",
        "manylinux1_x86_64",
    ]


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        ("manylinux_2_5_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64", 2),
        ("manylinux_2_17_i686", "manylinux_2_17_i686", "manylinux1_i686", 16),
        ("manylinux_2_17_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64", 2),
        ("manylinux_2_26_aarch64", "manylinux_2_26_aarch64", "manylinux2014_aarch64", 11),
        ("manylinux_2_34_x86_64", "manylinux_2_34_x86_64", "manylinux1_x86_64", 33),
        ("manylinux_2_42_x86_64", "manylinux_2_42_x86_64", "manylinux1_x86_64", 41),
        ("manylinux_2_99_s390x", "manylinux_2_99_s390x", "manylinux2014_s390x", 84),
        ("musllinux_1_0_aarch64", "musllinux_1_0_aarch64", "musllinux_1_0_aarch64", 1),
        ("musllinux_1_2_aarch64", "musllinux_1_2_aarch64", "musllinux_1_0_aarch64", 3),
        ("macosx_11_0_arm64", "macosx_11_0_arm64", "macosx_10_4_universal2", 15),
        ("win_amd64", "win_amd64", "win_amd64", 1),
        ("win_arm64", "win_arm64", "win_arm64", 1),
        ("win32", "win32", "win32", 1),
        ("ios_13_1_arm64_iphoneos", "ios_13_1_arm64_iphoneos", "ios_12_0_arm64_iphoneos", 12),
        (
            "ios_13_0_arm64_iphonesimulator",
            "ios_13_0_arm64_iphonesimulator",
            "ios_12_0_arm64_iphonesimulator",
            11,
        ),
        ("android_24_arm64_v8a", "android_24_arm64_v8a", "android_16_arm64_v8a", 9),
        ("android_21_x86_64", "android_21_x86_64", "android_16_x86_64", 6),
        ("wasm32-pyodide2024", "pyemscripten_2024_0_wasm32", "pyodide_2024_0_wasm32", 2),
        ("wasm32-pyodide2025", "pyemscripten_2025_0_wasm32", "pyodide_2025_0_wasm32", 2),
        ("pyemscripten_2026_0_wasm32", "pyemscripten_2026_0_wasm32", "pyemscripten_2026_0_wasm32", 1),
    ],
)
def test_from_the_floor_down(name: str, first: str, last: str, count: int) -> None:
    found = platforms(name)
    assert (found[0], found[-1], len(found)) == (first, last, count)
    assert len(set(found)) == count


def test_musl_and_glibc_stay_apart() -> None:
    assert not any("many" in tag for tag in platforms("musllinux_1_2_x86_64"))
    assert not any("musl" in tag for tag in platforms("manylinux_2_28_x86_64"))


@pytest.mark.parametrize("name", ["macosx_11_0_arm64", "macosx_12_0_x86_64", "macosx_26_0_arm64"])
def test_universal2_fits_both_macs(name: str) -> None:
    assert takes(target(name), "cp312-cp312-macosx_11_0_universal2")
    assert takes(target(name), "cp312-cp312-macosx_10_9_universal2")


def test_macs() -> None:
    mac = target("macosx_14_5_arm64")
    assert takes(mac, "cp312-cp312-macosx_14_0_arm64")
    assert not takes(mac, "cp312-cp312-macosx_14_5_arm64")  # matches nobody: astral-sh/uv#16337
    assert not takes(mac, "cp312-cp312-macosx_15_0_arm64")
    assert not takes(mac, "cp312-cp312-macosx_11_0_x86_64")
    intel = target("macosx_10_13_x86_64")
    assert takes(intel, "cp312-cp312-macosx_10_9_x86_64")
    assert takes(intel, "cp312-cp312-macosx_10_9_intel")
    assert not takes(intel, "cp312-cp312-macosx_11_0_x86_64")
    assert not takes(intel, "cp312-cp312-macosx_10_9_arm64")


def test_a_bare_linux_tag_proves_nothing() -> None:
    where = target("linux/arm64")
    assert not takes(where, "cp312-cp312-linux_aarch64")
    assert not takes(where, "py3-none-linux_aarch64")
    assert platform_tags(where, bare_linux=True) == ("linux_aarch64", *platform_tags(where))
    assert Tag("cp312", "cp312", "linux_aarch64") == wheel_tags(where, bare_linux=True)[0]


def test_a_platform_without_a_tag_is_refused() -> None:
    with pytest.raises(TargetError) as caught:
        wheel_tags(Target(os=Os.WINDOWS, arch=Arch.S390X, python=Python(minor=12)))
    assert caught.value.code == "E-TARGET-ARCH"


@pytest.mark.parametrize(
    "where",
    [
        Target(os=Os.LINUX, arch=Arch.AARCH64, python=Python(minor=12)),
        Target(os=Os.LINUX, arch=Arch.AARCH64, libc=Libc(LibcKind.GLIBC, 2, 16), python=Python(minor=12)),
        Target(os=Os.MACOS, arch=Arch.AARCH64, python=Python(minor=12)),
        Target(os=Os.IOS, arch=Arch.AARCH64, os_version=(11, 0), python=Python(minor=13)),
        Target(os=Os.IOS, arch=Arch.AARCH64, python=Python(minor=13)),
        Target(os=Os.ANDROID, arch=Arch.AARCH64, os_version=(15, 0), python=Python(minor=13)),
        Target(os=Os.EMSCRIPTEN, arch=Arch.WASM32, python=Python(minor=13)),
    ],
    ids=lambda where: f"{where.os}-{where.libc or where.os_version}",
)
def test_a_place_without_any_tag_never_gets_the_running_machines(where: Target) -> None:
    # packaging takes an empty list of platforms for this machine's.
    assert platform_tags(where) == ()
    with pytest.raises(TargetError) as caught:
        wheel_tags(where)
    assert caught.value.code == "E-TARGET-OS"


def test_armv8l_takes_armv7ls_wheels() -> None:
    kernel = target("linux_armv8l")
    assert platform_tags(kernel, bare_linux=True)[:3] == (
        "linux_armv8l",
        "linux_armv7l",
        "manylinux_2_31_armv8l",
    )
    assert takes(kernel, "cp312-cp312-manylinux_2_31_armv7l")
    assert rank(kernel, "cp312-cp312-manylinux_2_17_armv8l") < rank(
        kernel, "cp312-cp312-manylinux_2_31_armv7l"
    )
    assert not takes(target("linux/arm/v7"), "cp312-cp312-manylinux_2_31_armv8l")
    for name in ("linux/arm/v8", "armv8l-linux-gnueabihf", "linux-armv8l", "manylinux_2_31_armv8l"):
        assert takes(target(name), "cp312-cp312-manylinux_2_31_armv7l")


@pytest.mark.parametrize("abi", ["arm64_v8a", "x86_64", "armeabi_v7a", "x86"])
def test_androids_tags_are_packagings(abi: str) -> None:
    assert platforms(f"android_33_{abi}") == list(android_platforms(33, abi))


def test_a_pyodide_takes_both_names_of_its_abi() -> None:
    where = target("cp313-pyodide_wasm32")
    assert takes(where, "cp313-abi3-pyemscripten_2025_0_wasm32")
    assert takes(where, "cp313-cp313-pyodide_2025_0_wasm32")
    assert not takes(where, "cp313-cp313-pyodide_2024_0_wasm32")
    assert not takes(target("pyemscripten_2026_0_wasm32", "3.14"), "cp314-cp314-pyodide_2026_0_wasm32")


@given(
    st.sampled_from(["x86_64", "i686", "aarch64", "s390x"]),
    st.integers(17, 60),
    st.integers(5, 60),
    st.booleans(),
)
def test_a_wheel_fits_if_and_only_if_its_floor_is_not_newer(
    arch: str, has: int, needs: int, legacy: bool
) -> None:
    alias = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}.get(needs)
    tag = f"{alias}_{arch}" if legacy and alias else f"manylinux_2_{needs}_{arch}"
    exists = needs >= 17 or arch in ("x86_64", "i686")
    assert takes(target(f"manylinux_2_{has}_{arch}"), f"cp312-cp312-{tag}") is (exists and needs <= has)


# Interpreters and ABIs


@pytest.mark.parametrize(
    ("python", "wheel", "fits"),
    [
        ("3.12", "cp312-cp312", True),
        ("3.12", "cp311-cp311", False),
        ("3.12", "cp313-cp313", False),
        ("3.12", "cp312-none", True),
        ("3.12", "py3-none", True),
        ("3.12", "py312-none", True),
        ("3.12", "py313-none", False),
        ("3.12", "py2.py3-none", True),
        ("3.12", "py2-none", False),
        ("3.12", "cp36-abi3", True),
        ("3.12", "cp312-abi3", True),
        ("3.12", "cp313-abi3", False),
        ("3.12", "cp312-abi3t", False),
        ("3.13", "cp313-cp313t", False),
        ("3.15", "cp315-abi3.abi3t", True),
        ("3.15", "cp315-abi3", True),
        ("3.15", "cp315-abi3t", False),
        ("3.15", "cp39-abi3", True),
        ("3.13t", "cp313-cp313t", True),
        ("3.13t", "cp313-cp313", False),
        ("3.13t", "cp36-abi3", False),
        ("3.13t", "cp313-abi3", False),
        ("3.13t", "py3-none", True),
        ("3.14t", "cp314-cp314t", True),
        ("3.15t", "cp315-abi3", False),
        ("3.15t", "cp315-abi3t", True),
        ("3.15t", "cp315-abi3.abi3t", True),
        ("3.9", "cp39-cp39", True),
        ("pypy3.11", "pp311-pypy311_pp73", True),
        ("pypy3.11", "pp310-pypy310_pp73", False),
        ("pypy3.11", "cp311-cp311", False),
        ("pypy3.11", "cp36-abi3", False),
        ("pypy3.11", "pp311-none", True),
        ("pypy3.11", "py3-none", True),
    ],
)
def test_which_python_takes_which_wheel(python: str, wheel: str, fits: bool) -> None:
    where = target("manylinux_2_28_aarch64", python)
    assert takes(where, f"{wheel}-manylinux_2_17_aarch64.manylinux2014_aarch64") is fits
    assert not takes(where, f"{wheel}-manylinux_2_29_aarch64")
    assert not takes(where, f"{wheel}-manylinux_2_17_x86_64")
    assert not takes(where, f"{wheel}-musllinux_1_2_aarch64")


def test_the_lowest_claim_of_several_counts() -> None:
    wheel = "cp311-cp311-manylinux_2_26_aarch64.manylinux_2_28_aarch64"
    assert takes(target("lambda-python3.11-arm64"), wheel)
    assert not takes(target("manylinux_2_24_aarch64", "3.11"), wheel)


def test_order() -> None:
    where = target("manylinux_2_34_x86_64")
    best_first = [
        "cp312-cp312-manylinux_2_34_x86_64",
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux2014_x86_64",
        "cp312-cp312-manylinux_2_12_x86_64",
        "cp312-cp312-manylinux2010_x86_64",
        "cp312-cp312-manylinux1_x86_64",
        "cp312-abi3-manylinux_2_17_x86_64",
        "cp312-none-manylinux_2_17_x86_64",
        "cp311-abi3-manylinux_2_34_x86_64",
        "cp36-abi3-manylinux_2_17_x86_64",
        "py312-none-manylinux_2_17_x86_64",
        "py3-none-manylinux_2_34_x86_64",
        "py3-none-manylinux1_x86_64",
        "cp312-none-any",
        "py312-none-any",
        "py2.py3-none-any",
        "py30-none-any",
    ]
    ranks = [rank(where, wheel) for wheel in best_first]
    assert ranks == sorted(set(ranks))


def test_the_tags_are_made_once() -> None:
    assert wheel_tags(target("linux/arm64")) is wheel_tags(target("manylinux_2_28_aarch64"))
    assert tag_ranks(target("linux/arm64")) is tag_ranks(target("linux/arm64"))
