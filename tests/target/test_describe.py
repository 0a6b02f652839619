"""One target in every ecosystem's words: the table of names, row by row."""

from __future__ import annotations

import pytest

from crossdock.target.describe import describe, oci_platform, rust_target, uv_platform, zig_target
from crossdock.target.model import Python
from crossdock.target.names import parse_target

# target -> OCI, uv, zig, Rust, Bazel's CPU, Debian
ROWS = [
    ("manylinux_2_28_x86_64", "linux/amd64", "x86_64-manylinux_2_28", "x86_64-linux-gnu.2.28", "x86_64-unknown-linux-gnu", "x86_64", "amd64"),
    ("manylinux_2_26_x86_64", "linux/amd64", None, "x86_64-linux-gnu.2.26", "x86_64-unknown-linux-gnu", "x86_64", "amd64"),
    ("manylinux_2_17_aarch64", "linux/arm64", "aarch64-manylinux_2_17", "aarch64-linux-gnu.2.17", "aarch64-unknown-linux-gnu", "aarch64", "arm64"),
    ("manylinux_2_41_aarch64", "linux/arm64", None, "aarch64-linux-gnu.2.41", "aarch64-unknown-linux-gnu", "aarch64", "arm64"),
    ("manylinux_2_31_armv7l", "linux/arm/v7", None, "arm-linux-gnueabihf.2.31", "armv7-unknown-linux-gnueabihf", "armv7", "armhf"),
    ("linux/arm/v6", "linux/arm/v6", None, "arm-linux-gnueabihf.2.28", "arm-unknown-linux-gnueabihf", "armv6", None),
    ("manylinux_2_17_i686", "linux/386", None, "x86-linux-gnu.2.17", "i686-unknown-linux-gnu", "x86_32", "i386"),
    ("manylinux_2_17_ppc64le", "linux/ppc64le", None, "powerpc64le-linux-gnu.2.19", "powerpc64le-unknown-linux-gnu", "ppc64le", "ppc64el"),
    ("manylinux_2_17_s390x", "linux/s390x", None, "s390x-linux-gnu.2.17", "s390x-unknown-linux-gnu", "s390x", "s390x"),
    ("manylinux_2_31_riscv64", "linux/riscv64", "riscv64-unknown-linux", "riscv64-linux-gnu.2.31", "riscv64gc-unknown-linux-gnu", "riscv64", "riscv64"),
    ("manylinux_2_36_loongarch64", "linux/loong64", None, "loongarch64-linux-gnu.2.36", "loongarch64-unknown-linux-gnu", "loongarch64", "loong64"),
    ("musllinux_1_2_x86_64", "linux/amd64", "x86_64-unknown-linux-musl", "x86_64-linux-musl", "x86_64-unknown-linux-musl", "x86_64", None),
    ("musllinux_1_2_armv7l", "linux/arm/v7", None, "arm-linux-musleabihf", "armv7-unknown-linux-musleabihf", "armv7", None),
    ("musllinux_1_1_aarch64", "linux/arm64", None, "aarch64-linux-musl", "aarch64-unknown-linux-musl", "aarch64", None),
    ("macosx_11_0_arm64", "darwin/arm64", "aarch64-apple-darwin", "aarch64-macos.11.0", "aarch64-apple-darwin", "aarch64", None),
    ("macosx_11_0_x86_64", "darwin/amd64", "x86_64-apple-darwin", "x86_64-macos.11.0", "x86_64-apple-darwin", "x86_64", None),
    ("win_amd64", "windows/amd64", "x86_64-pc-windows-msvc", "x86_64-windows-gnu", "x86_64-pc-windows-msvc", "x86_64", None),
    ("win_arm64", "windows/arm64", "aarch64-pc-windows-msvc", "aarch64-windows-gnu", "aarch64-pc-windows-msvc", "aarch64", None),
    ("win32", "windows/386", "i686-pc-windows-msvc", "x86-windows-gnu", "i686-pc-windows-msvc", "x86_32", None),
    ("ios_13_0_arm64_iphoneos", None, "arm64-apple-ios", None, "aarch64-apple-ios", "aarch64", None),
    ("ios_13_0_arm64_iphonesimulator", None, "arm64-apple-ios-simulator", None, "aarch64-apple-ios-sim", "aarch64", None),
    ("android_24_arm64_v8a", None, "aarch64-linux-android", None, "aarch64-linux-android", "aarch64", None),
    ("pyodide_2025_0_wasm32", None, "wasm32-pyodide2025", None, "wasm32-unknown-emscripten", "wasm32", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "oci", "uv", "zig", "rust", "bazel", "debian"), ROWS, ids=[row[0] for row in ROWS]
)
def test_a_row(
    *, name: str, oci: str | None, uv: str | None, zig: str | None, rust: str, bazel: str, debian: str | None
) -> None:
    target = parse_target(name, default_python=Python(minor=13))
    assert (oci_platform(target), uv_platform(target), zig_target(target), rust_target(target)) == (
        oci,
        uv,
        zig,
        rust,
    )
    value = describe(target)
    assert value["bazel"]["constraints"][1] == f"@platforms//cpu:{bazel}"
    assert value["debian_architecture"] == debian


def test_a_lambda_in_every_tools_words() -> None:
    value = describe(parse_target("lambda-python3.12-arm64"))
    assert value["name"] == "lambda-python3.12-arm64"
    assert value["canonical"] == "cp312-linux-aarch64-glibc2.34"
    assert value["lambda"] == {"runtime": "python3.12", "architecture": "arm64"}
    assert value["oci_platform"] == "linux/arm64"
    assert value["wheel_platform_tags"][0] == "manylinux_2_34_aarch64"
    assert value["wheel_tags"][0] == "cp312-cp312-manylinux_2_34_aarch64"
    assert value["markers"]["platform_machine"] == "aarch64"
    assert value["markers"]["python_full_version"] == "(open)"
    assert value["bazel"]["py_linux_libc"] == "glibc"
    assert "lambda-python3.12" in value["presets"]


@pytest.mark.parametrize(
    "name", ["manylinux_2_28_aarch64", "musllinux_1_2_aarch64", "macosx_11_0_arm64", "linux/riscv64"]
)
def test_what_is_no_lambda(name: str) -> None:
    assert describe(parse_target(name, default_python=Python(minor=12)))["lambda"] is None


@pytest.mark.parametrize("name", ["cp313t-manylinux_2_34_aarch64", "pypy311_pp73-linux-aarch64-glibc2.34"])
def test_no_lambda_has_another_build_of_python(name: str) -> None:
    value = describe(parse_target(name))
    assert value["lambda"] is None
    assert value["presets"] == ["amazonlinux-2023"]


def test_where_another_tools_word_says_less() -> None:
    def notes(name: str) -> str:
        return "; ".join(describe(parse_target(name, default_python=Python(minor=12)))["notes"])

    assert "2.19" in notes("manylinux_2_17_ppc64le")
    assert "-mcpu" in notes("linux/arm/v6")
    assert "uv" in notes("lambda-python3.11-arm64")
    assert not notes("lambda-python3.12-arm64")


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("cp312-win_amd64", "CPython 3.12"),
        ("3.13.2t-win_amd64", "CPython 3.13.2, free-threaded"),
        ("pypy311_pp73-win_amd64", "PyPy 3.11"),
    ],
)
def test_its_python_in_words(name: str, python: str) -> None:
    assert describe(parse_target(name))["python"] == python


def test_one_of_a_few() -> None:
    value = describe(parse_target("cp313-ios_arm64_iphoneos"))
    assert value["markers"]["platform_system"] == "iOS or iPadOS"
