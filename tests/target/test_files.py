"""Targets from files: our TOML, and what pex calls a complete platform."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.errors import TargetError
from crossdock.target.files import load_target
from crossdock.target.markers import environment
from crossdock.target.model import Python, Target
from crossdock.target.names import canonical_name, parse_target
from crossdock.target.tags import wheel_tags


def toml(text: str, filename: str = "box.toml") -> object:
    return load_target(text.encode(), filename=filename, default_python=Python(minor=11))


def test_a_toml_file() -> None:
    target = load_target(
        b"""
        platform = "manylinux_2_31_aarch64"
        python = "3.10.12"
        base-libraries = ["libcuda.so.1"]
        [markers]
        platform_release = "5.10.104-tegra"
        """,
        filename="jetson.toml",
        default_python=Python(minor=11),
    )
    assert canonical_name(target) == "3.10.12-linux-aarch64-glibc2.31"
    assert target.name == "jetson"
    assert target.base_libraries == frozenset({"libcuda.so.1"})
    assert environment(target)["platform_release"] == "5.10.104-tegra"


def test_what_a_toml_file_leaves_out() -> None:
    target = load_target(b'platform = "linux/arm64"', filename="a.toml", default_python=Python(minor=11))
    assert target == parse_target("linux/arm64", default_python=Python(minor=11))
    assert target.assumed
    with pytest.raises(TargetError) as caught:
        load_target(b'platform = "linux/arm64"', filename="a.toml", default_python=None)
    assert caught.value.code == "E-TARGET-PYTHON"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "platform"),
        ("platform = 3", "platform"),
        ('platform = "linux/arm64"\npyton = "3.12"', "pyton"),
        ('platform = "linux/arm64"\npython = 3.12', "python"),
        ('platform = "linux/arm64"\nmarkers = 3', "markers"),
        ('platform = "linux/arm64"\n[markers]\nplatform_release = 5', "markers"),
        ('platform = "linux/arm64"\n[markers]\nkernel = "5"', "kernel"),
        ('platform = "linux/arm64"\nbase-libraries = "libc"', "base-libraries"),
        ('platform = "linux/arm46"', "arm46"),
        ("platform = ", "box.toml"),
        ("\x00", "box.toml"),
    ],
)
def test_a_toml_file_that_is_wrong(text: str, words: str) -> None:
    with pytest.raises(TargetError) as caught:
        toml(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["lambda-python3.12-arm64", "cp313t-linux-x86_64-glibc2.28", "cp311-linux-aarch64-musl1.2", "cp312-windows-x86_64",
     "cp312-macos-aarch64-12.0", "pypy311_pp73-linux-x86_64-glibc2.28", "3.11.4-linux-armv7l-glibc2.31"],
)  # fmt: skip
@pytest.mark.parametrize("bare", [True, False])
def test_pexs_complete_platform(name: str, bare: bool) -> None:
    target = parse_target(name)
    content = {
        "path": "/usr/bin/python",
        "marker_environment": {
            **{key: value for key, value in environment(target).items() if value},
            "platform_release": "6.1.0",
        },
        # pex always lists the bare tags of the machine that it ran on.
        "compatible_tags": [str(tag) for tag in wheel_tags(target, bare_linux=bare)],
    }
    found = load_target(json.dumps(content).encode(), filename="place.json", default_python=None)
    assert canonical_name(found) == canonical_name(target)
    assert found.name == "place"
    assert environment(found)["platform_release"] == "6.1.0"


def pex(tags: list[str], **markers: str) -> Target:
    content = {"marker_environment": markers, "compatible_tags": tags}
    return load_target(json.dumps(content).encode(), filename="place.json", default_python=None)


def test_what_pexs_markers_know_better_than_its_tags() -> None:
    kernel = pex(["cp311-cp311-manylinux_2_36_i686"], platform_machine="x86_64", sys_platform="linux")
    assert dict(kernel.marker_overrides) == {"platform_machine": "x86_64"}
    ipad = pex(["cp313-cp313-ios_13_0_arm64_iphoneos"], platform_system="iPadOS", platform_machine="iPad16,3")
    assert environment(ipad)["platform_system"] == "iPadOS"
    between = pex(["cp314-cp314-manylinux_2_36_x86_64"], python_full_version="3.14.0+", python_version="3.14")
    assert canonical_name(between) == "3.14.0-linux-x86_64-glibc2.36"
    pypy = pex(["pp311-pypy311_pp73-manylinux_2_36_x86_64"], implementation_version="7.3.19")
    assert environment(pypy)["implementation_version"] == "7.3.19"


def test_pexs_tags_and_markers_of_different_pythons() -> None:
    with pytest.raises(TargetError) as caught:
        pex(["cp311-cp311-manylinux_2_36_x86_64"], python_full_version="3.12.4")
    assert caught.value.code == "E-TARGET-FILE"
    with pytest.raises(TargetError) as caught:
        pex(["cp311-cp311-manylinux_2_36_x86_64"], sys_platform="darwin")
    assert "darwin" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"compatible_tags": 3}', '{"compatible_tags": []}', '{"compatible_tags": ["a"]}',
     '{"compatible_tags": [3], "marker_environment": []}', '{"compatible_tags": ["cp312-cp312-linux_x86_64"]}',
     '{"compatible_tags": ["py3-none-any"]}', "[" * 100_000, '{"compatible_tags": ["cp312-cp312-plan9_x86_64"]}'],
    ids=range(11),
)  # fmt: skip
def test_a_json_file_that_is_wrong(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(text.encode(), filename="place.json", default_python=None)
    assert caught.value.code.startswith("E-TARGET")


@given(st.binary(max_size=60), st.sampled_from(["a.toml", "a.json"]))
def test_any_bytes_are_a_target_or_a_refusal(content: bytes, filename: str) -> None:
    with pytest.raises(TargetError):
        load_target(content, filename=filename, default_python=Python(minor=12))
