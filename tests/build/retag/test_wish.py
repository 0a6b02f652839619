"""`--to`: a tag is given if it is true, and refused with the file and the symbol if it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf, extension
from tests.build.retag.made import ARM, X86, needs, platform, retagged, tag
from tests.inspect.builders import macho, pe, universal

from crossdock.build.retag import Wish
from crossdock.errors import RetagError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

INIT = b"\0_PyInit_m\0"


@pytest.mark.parametrize(
    "wish",
    [
        "manylinux2014_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "manylinux_2_28_x86_64",
        "linux_x86_64",
    ],
)
def test_a_wish_that_is_true(tmp_path: Path, wish: str) -> None:
    files = {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17"))}
    done = retagged(tmp_path, files, "cp311-cp311-linux_x86_64", wish)
    assert platform(done) == ".".join(sorted(wish.split(".")))
    assert (done.content is None) is (wish == "linux_x86_64")


@pytest.mark.parametrize(
    ("files", "wish", "said"),
    [
        (
            {
                f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17", "GLIBC_2.34")),
                "demo/ok.so": elf("x86_64", versions=needs("GLIBC_2.17")),
            },
            "manylinux2014_x86_64",
            f"demo/m{X86} needs GLIBC_2.34 (since_34) of libc.so.6; glibc 2.17 has it not",
        ),
        (
            {f"demo/m{X86}": extension("x86_64", versions={"libstdc++.so.6": {"GLIBCXX_3.4.29": ("f",)}})},
            "manylinux_2_28_x86_64",
            f"demo/m{X86} needs GLIBCXX_3.4.29 (f) of libstdc++.so.6; glibc 2.28 has it not",
        ),
        (
            {f"demo/m{X86}": extension("x86_64", needed=("libmvec.so.1", "libc.so.6"))},
            "manylinux2014_x86_64",
            f"demo/m{X86} needs libmvec.so.1; glibc 2.17 has it not",
        ),
        (
            {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17"))},
            "manylinux_2_17_aarch64",
            f"demo/m{X86} is for Linux on x86_64 with glibc, not for Linux on aarch64 with glibc",
        ),
        (
            {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17"))},
            "linux_aarch64",
            f"demo/m{X86} is for Linux on x86_64 with glibc, not for Linux on aarch64",
        ),
        (
            {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17"))},
            "musllinux_1_2_x86_64",
            f"demo/m{X86} is for Linux on x86_64 with glibc, not for Linux on x86_64 with musl",
        ),
        (
            {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17"))},
            "any",
            f"demo/m{X86} is for Linux on x86_64 with glibc",
        ),
        (
            {
                "demo/m.cpython-311-x86_64-linux-musl.so": extension(
                    "x86_64", needed=("libc.so",), imports=("_Fork",)
                )
            },
            "musllinux_1_1_x86_64",
            "demo/m.cpython-311-x86_64-linux-musl.so needs musl 1.2 (_Fork); musl 1.1 has it not",
        ),
        (
            {"demo/m.cpython-311-darwin.so": macho(min_os=(12, 0), names=INIT)},
            "macosx_11_0_arm64",
            "demo/m.cpython-311-darwin.so needs macOS 12.0",
        ),
        (
            {"demo/m.cpython-311-darwin.so": macho(names=INIT)},
            "macosx_11_0_universal2",
            "demo/m.cpython-311-darwin.so is for macOS on arm64, not for macOS on x86_64",
        ),
        (
            {"demo/m.cp311-win_amd64.pyd": pe(dlls=("python311.dll",), exports=("PyInit_m",))},
            "win_arm64",
            "demo/m.cp311-win_amd64.pyd is for Windows on x86_64, not for Windows on arm64",
        ),
    ],
)
def test_a_wish_that_is_not(tmp_path: Path, files: dict[str, bytes | str], wish: str, said: str) -> None:
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, files, "cp311-cp311-linux_x86_64", wish)
    assert caught.value.code == "E-RETAG-UNTRUE"
    assert caught.value.message.endswith(f"cannot truly be tagged `{wish}`")
    assert said in caught.value.places


def test_what_is_true_stands_in_the_hint(tmp_path: Path) -> None:
    files = {f"demo/m{ARM}": extension(versions=needs("GLIBC_2.34"))}
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, files, "cp311-cp311-linux_aarch64", "manylinux2014_aarch64")
    assert "manylinux_2_34_aarch64" in (caught.value.hint or "")


def test_one_of_two_wishes_is_not_enough(tmp_path: Path) -> None:
    files = {f"demo/m{ARM}": extension(versions=needs("GLIBC_2.28"))}
    with pytest.raises(RetagError):
        retagged(
            tmp_path, files, "cp311-cp311-linux_aarch64", "manylinux_2_28_aarch64", "manylinux_2_17_aarch64"
        )


def test_a_library_that_one_of_two_systems_lacks(tmp_path: Path) -> None:
    files = {
        f"demo/m{X86}": extension("x86_64", needed=("libpq.so.5",)),
        "demo/m.cp311-win_amd64.pyd": pe(dlls=("python311.dll",), exports=("PyInit_m",)),
    }
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, files, "cp311-cp311-win_amd64", "manylinux2014_x86_64", "win_amd64")
    assert caught.value.code == "E-RETAG-LIBRARY"
    assert platform(retagged(tmp_path, files, "cp311-cp311-win_amd64", "win_amd64")) == "win_amd64"
    # What `linux_x86_64` says is true of a machine that has the library.
    assert platform(retagged(tmp_path, files, "cp311-cp311-win_amd64", "linux_x86_64")) == "linux_x86_64"


def test_a_part_of_a_universal_wheel_may_be_asked_for(tmp_path: Path) -> None:
    module = universal(
        ("x86_64", macho("x86_64", min_os=(10, 9), names=INIT)), ("aarch64", macho(names=INIT))
    )
    files = {"demo/m.cpython-311-darwin.so": module}
    done = retagged(tmp_path, files, "cp311-cp311-macosx_10_9_universal2", "macosx_10_12_x86_64")
    assert platform(done) == "macosx_10_12_x86_64"


def test_musl_1_1_may_be_asked_for_where_nothing_newer_is_needed(tmp_path: Path) -> None:
    files = {"demo/m.cpython-311-x86_64-linux-musl.so": extension("x86_64", needed=("libc.so",))}
    done = retagged(tmp_path, files, "cp311-cp311-linux_x86_64", "musllinux_1_1_x86_64")
    assert platform(done) == "musllinux_1_1_x86_64"


def test_pure_wheels_get_what_is_asked_for(tmp_path: Path) -> None:
    files = {"demo/__init__.py": ""}
    assert tag(retagged(tmp_path, files, "py3-none-any", "win_amd64")) == "py3-none-win_amd64"


@pytest.mark.parametrize(
    "word",
    [
        "manylinux_2_28",
        "manylinux2012_x86_64",
        "manylinux_2_28_vax",
        "manylinux_2_5_aarch64",
        "macosx_11_3_arm64",
        "macosx_9_0_x86_64",
        "ios_13_0_arm64_iphoneos",
        "cp311-manylinux_2_28_x86_64",
        "",
        "any.win_amd64",
        "..",
    ],
)
def test_words_that_are_no_tag(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        Wish.parse([word])
    assert caught.value.code == "E-RETAG-TAG"
