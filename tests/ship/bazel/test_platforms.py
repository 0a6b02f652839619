"""Targets as Bazel's platforms."""

from __future__ import annotations

import pytest

from crossdock.errors import UsageError
from crossdock.ship.bazel.platforms import bazel_platforms
from crossdock.target.model import Python, Target
from crossdock.target.names import parse_target


def target(name: str, minor: int = 12) -> Target:
    return parse_target(name, default_python=Python(minor=minor))


@pytest.mark.parametrize(
    ("name", "expected", "constraints"),
    [
        ("linux/arm64", "linux_arm64", ("@platforms//os:linux", "@platforms//cpu:aarch64", ":glibc")),
        ("musllinux_1_2_x86_64", "musllinux_1_2_x86_64", ("@platforms//os:linux", "@platforms//cpu:x86_64", ":musl")),
        ("win_arm64", "win_arm64", ("@platforms//os:windows", "@platforms//cpu:aarch64")),
        ("macosx_11_0_arm64", "macosx_11_0_arm64", ("@platforms//os:osx", "@platforms//cpu:aarch64")),
        ("linux/arm/v7", "linux_arm_v7", ("@platforms//os:linux", "@platforms//cpu:armv7", ":glibc")),
        ("linux/s390x", "linux_s390x", ("@platforms//os:linux", "@platforms//cpu:s390x", ":glibc")),
    ],
)  # fmt: skip
def test_a_target_is_a_platform(name: str, expected: str, constraints: tuple[str, ...]) -> None:
    (found,) = bazel_platforms([target(name)])
    assert (found.name, found.constraints) == (expected, constraints)


@pytest.mark.parametrize(
    "names",
    [
        ["manylinux_2_17_aarch64", "manylinux_2_28_aarch64"],
        ["linux/arm64", "lambda-python3.12-arm64"],
        ["macosx_11_0_arm64", "macosx_14_0_arm64"],
    ],
)
def test_two_targets_that_are_one_platform_are_refused(names: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        bazel_platforms([target(name) for name in names])
    assert caught.value.code == "E-BAZEL-TARGETS"
    assert all(name in caught.value.message for name in names)


def test_two_pythons_are_two_hubs() -> None:
    with pytest.raises(UsageError) as caught:
        bazel_platforms([target("linux/arm64", 12), target("linux/arm64", 13)])
    assert caught.value.code == "E-BAZEL-TARGETS"


def test_a_cpu_that_bazel_has_no_word_for() -> None:
    with pytest.raises(UsageError) as caught:
        bazel_platforms([target("linux/loong64")])
    assert caught.value.code == "E-BAZEL-PLATFORM"
