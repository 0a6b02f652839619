"""Platform tags: what the binaries need decides, on every system, and never the wheel's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf, extension
from tests.build.retag.made import ARM, LIBC, X86, members, needs, platform, retagged, tag
from tests.inspect.builders import macho, pe, universal

from crossdock.errors import RetagError

if TYPE_CHECKING:
    from pathlib import Path

MUSL = ".cpython-311-x86_64-linux-musl.so"
INIT = b"\0_PyInit_m\0_PyModule_Create2\0"


def _mac(cpu: str, *min_os: int) -> bytes:
    return macho(cpu, min_os=(min_os[0], min_os[1]), names=INIT)


@pytest.mark.parametrize(
    ("claimed", "versions", "true"),
    [
        ("linux_x86_64", ("GLIBC_2.17",), "manylinux_2_17_x86_64"),
        ("linux_x86_64", (), "manylinux_2_5_x86_64"),
        ("manylinux_2_28_x86_64", ("GLIBC_2.2.5", "GLIBC_2.17"), "manylinux_2_17_x86_64"),
        ("manylinux2014_x86_64", ("GLIBC_2.34",), "manylinux_2_34_x86_64"),
        ("manylinux1_x86_64", ("GLIBC_ABI_DT_RELR",), "manylinux_2_36_x86_64"),
        ("manylinux_2_17_aarch64", ("GLIBC_2.34",), "manylinux_2_34_x86_64"),
        ("win_amd64", ("GLIBC_2.17",), "manylinux_2_17_x86_64"),
        ("musllinux_1_2_x86_64", ("GLIBC_2.17",), "manylinux_2_17_x86_64"),
    ],
)
def test_linux_wheels_are_for_the_newest_glibc_that_any_binary_needs(
    tmp_path: Path, claimed: str, versions: tuple[str, ...], true: str
) -> None:
    files = {f"demo/m{X86}": extension("x86_64", versions=needs(*versions) if versions else None)}
    done = retagged(tmp_path, files, f"cp311-cp311-{claimed}")
    assert tag(done) == f"cp311-cp311-{true}"
    wheel = members(done)["demo-1.0.dist-info/WHEEL"].decode()
    assert f"Tag: cp311-cp311-{true}\n" in wheel
    assert wheel.count("Tag:") == 1
    assert "Generator: tests\n" in wheel


@pytest.mark.parametrize(
    "claimed",
    [
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "manylinux2014_x86_64.manylinux_2_17_x86_64",
        "manylinux_2_17_x86_64.manylinux_2_28_x86_64",
    ],
)
def test_a_wheel_whose_tags_are_true_stays_as_it_is(tmp_path: Path, claimed: str) -> None:
    done = retagged(
        tmp_path,
        {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17"))},
        f"cp311-cp311-{claimed}",
    )
    assert done.content is None
    assert done.filename == f"demo-1.0-cp311-cp311-{claimed}.whl"
    assert done.because == (f"demo/m{X86} needs GLIBC_2.17 (since_17) of libc.so.6",)


def test_what_was_retagged_stays_as_it_is(tmp_path: Path) -> None:
    done = retagged(
        tmp_path,
        {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.20"))},
        "cp311-cp311-linux_x86_64",
    )
    assert done.content is not None
    path = tmp_path / done.filename
    path.write_bytes(done.content)
    from crossdock.build.retag import retag

    assert retag(path).content is None


def test_a_renamed_wheel_gets_one_word_in_name_and_file(tmp_path: Path) -> None:
    """The way by hand: `mv x-linux_aarch64.whl x-manylinux2014_aarch64.whl`, WHEEL left as it was."""
    done = retagged(
        tmp_path,
        {f"demo/m{ARM}": extension(versions=needs("GLIBC_2.17"))},
        "cp311-cp311-linux_aarch64",
        name="demo-1.0-cp311-cp311-manylinux2014_aarch64.whl",
    )
    assert done.filename == "demo-1.0-cp311-cp311-manylinux2014_aarch64.whl"
    assert b"Tag: cp311-cp311-manylinux2014_aarch64\n" in members(done)["demo-1.0.dist-info/WHEEL"]


def test_centos_has_a_symbol_of_2_18_on_arm(tmp_path: Path) -> None:
    files = {f"demo/m{ARM}": extension(versions=needs("GLIBC_2.18"))}
    assert retagged(tmp_path, files, "cp311-cp311-manylinux2014_aarch64").content is None
    # Nobody says so, and others' 2.17 have it not.
    assert platform(retagged(tmp_path, files, "cp311-cp311-linux_aarch64")) == "manylinux_2_18_aarch64"


@pytest.mark.parametrize(
    ("symbol", "elsewhere", "true"),
    [
        ("getrandom", (), "manylinux_2_25_x86_64"),
        ("pthread_create", (), "manylinux_2_17_x86_64"),
        ("getrandom", ("getrandom",), "manylinux_2_17_x86_64"),
        ("my_own", (), "manylinux_2_17_x86_64"),
    ],
)
def test_a_symbol_without_a_version_counts_as_the_glibc_that_brought_it(
    tmp_path: Path, symbol: str, elsewhere: tuple[str, ...], true: str
) -> None:
    """As a linker leaves it that is shown an older glibc: the loader finds it in a newer one, and not before."""
    files = {
        f"demo/m{X86}": extension(
            "x86_64", versions=needs("GLIBC_2.17"), imports=("PyModule_Create2", symbol)
        ),
        "demo/x.so": elf("x86_64", exports=elsewhere),
    }
    done = retagged(tmp_path, files, "cp311-cp311-linux_x86_64")
    assert platform(done) == true
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, files, "cp311-cp311-linux_x86_64", "manylinux_2_12_x86_64")
    if true != "manylinux_2_17_x86_64":
        assert f"demo/m{X86} needs GLIBC_2.25 (getrandom) of libc.so.6" in caught.value.places[0]


def test_a_module_with_the_suffix_of_another_cpu_is_renamed(tmp_path: Path) -> None:
    """A cross build by hand: the code is the target's, the suffix that of the machine it was built on."""
    done = retagged(
        tmp_path, {f"demo/m{X86}": extension(versions=needs("GLIBC_2.17"))}, "cp311-cp311-linux_x86_64"
    )
    assert tag(done) == "cp311-cp311-manylinux_2_17_aarch64"
    assert f"demo/m{ARM}" in members(done)
    assert [one.code for one in done.findings] == ["E-FIT-MODULE"]


@pytest.mark.parametrize(
    ("claimed", "imports", "true"),
    [
        ("linux_x86_64", (), "musllinux_1_2_x86_64"),
        ("manylinux2014_x86_64", (), "musllinux_1_2_x86_64"),
        ("musllinux_1_2_x86_64", (), None),
        ("musllinux_1_1_x86_64", (), None),
        ("musllinux_1_1_x86_64", ("qsort_r",), "musllinux_1_2_x86_64"),
        ("musllinux_1_1_x86_64", ("__clock_gettime64",), "musllinux_1_2_x86_64"),
    ],
)
def test_musl_wheels(tmp_path: Path, claimed: str, imports: tuple[str, ...], true: str | None) -> None:
    module = extension("x86_64", needed=("libc.so",), imports=("PyModule_Create2", *imports))
    done = retagged(tmp_path, {f"demo/m{MUSL}": module}, f"cp311-cp311-{claimed}")
    assert platform(done) == (true or claimed)
    assert (done.content is None) is (true is None)


def test_a_program_without_a_loader_is_for_both_c_libraries(tmp_path: Path) -> None:
    program = bytearray(elf("x86_64"))
    program[16] = 2  # ET_EXEC
    files = {"demo-1.0.data/scripts/tool": bytes(program)}
    done = retagged(tmp_path, files, "py3-none-linux_x86_64")
    assert tag(done) == "py3-none-manylinux_2_5_x86_64.musllinux_1_2_x86_64"
    wheel = members(done)["demo-1.0.dist-info/WHEEL"].decode()
    assert "Tag: py3-none-manylinux_2_5_x86_64\nTag: py3-none-musllinux_1_2_x86_64\n" in wheel


def test_libraries_for_two_cpus_get_the_tags_of_both(tmp_path: Path) -> None:
    files = {
        "demo/x86.so": elf("x86_64", versions=needs("GLIBC_2.17")),
        "demo/arm.so": elf("aarch64", versions=needs("GLIBC_2.28")),
    }
    done = retagged(tmp_path, files, "py3-none-manylinux_2_17_x86_64")
    assert tag(done) == "py3-none-manylinux_2_17_x86_64.manylinux_2_28_aarch64"


@pytest.mark.parametrize(
    ("claimed", "intel", "own", "true"),
    [
        ("macosx_10_9_universal2", (10, 9), (11, 0), None),
        ("macosx_11_0_universal2", (10, 9), (11, 0), "macosx_10_9_universal2"),
        ("macosx_11_0_universal2", (11, 0), (11, 0), None),
        ("macosx_10_9_universal2", (10, 13), (11, 0), "macosx_10_13_universal2"),
        ("macosx_10_9_universal2", (10, 9), (12, 0), "macosx_10_9_x86_64.macosx_12_0_arm64"),
        ("macosx_10_9_x86_64.macosx_11_0_arm64", (10, 9), (11, 0), None),
        ("macosx_11_0_arm64", (10, 9), (11, 0), "macosx_10_9_universal2"),
    ],
)
def test_universal_wheels(
    tmp_path: Path, claimed: str, intel: tuple[int, int], own: tuple[int, int], true: str | None
) -> None:
    module = universal(("x86_64", _mac("x86_64", *intel)), ("aarch64", _mac("aarch64", *own)))
    done = retagged(tmp_path, {"demo/m.cpython-311-darwin.so": module}, f"cp311-cp311-{claimed}")
    assert platform(done) == (true or claimed)
    assert (done.content is None) is (true is None)


@pytest.mark.parametrize(
    ("claimed", "cpu", "minimum", "true"),
    [
        ("macosx_10_9_x86_64", "x86_64", (10, 15), "macosx_10_15_x86_64"),
        ("macosx_11_0_arm64", "aarch64", (12, 3), "macosx_13_0_arm64"),
        ("macosx_14_0_arm64", "aarch64", (11, 0), "macosx_11_0_arm64"),
        ("macosx_10_9_universal2", "aarch64", (11, 0), "macosx_11_0_arm64"),
        ("macosx_10_6_intel", "x86_64", (10, 6), None),
    ],
)
def test_macos_wheels_are_for_the_newest_minimum(
    tmp_path: Path, claimed: str, cpu: str, minimum: tuple[int, int], true: str | None
) -> None:
    files = {"demo/m.cpython-311-darwin.so": _mac(cpu, *minimum)}
    done = retagged(tmp_path, files, f"cp311-cp311-{claimed}")
    assert platform(done) == (true or claimed)


def test_a_macos_tag_that_was_too_low_is_told_why(tmp_path: Path) -> None:
    files = {"demo/m.cpython-311-darwin.so": _mac("x86_64", 12, 0)}
    done = retagged(tmp_path, files, "cp311-cp311-macosx_10_9_x86_64")
    assert done.because == ("demo/m.cpython-311-darwin.so needs macOS 12.0",)


def test_a_thin_module_beside_universal_ones_makes_the_wheel_thin(tmp_path: Path) -> None:
    files = {
        "demo/m.cpython-311-darwin.so": universal(
            ("x86_64", _mac("x86_64", 10, 9)), ("aarch64", _mac("aarch64", 11, 0))
        ),
        "demo/n.cpython-311-darwin.so": macho("x86_64", min_os=(10, 9), names=b"\0_PyInit_n\0"),
    }
    done = retagged(tmp_path, files, "cp311-cp311-macosx_10_9_universal2")
    assert platform(done) == "macosx_10_9_x86_64"
    assert any("not for macOS on arm64: demo/n.cpython-311-darwin.so" in one for one in done.notes)


@pytest.mark.parametrize(
    ("machine", "true"), [(0x8664, "win_amd64"), (0xAA64, "win_arm64")], ids=["amd64", "arm64"]
)
def test_windows_wheels(tmp_path: Path, machine: int, true: str) -> None:
    files = {
        f"demo/m.cp311-{true}.pyd": pe(machine, dlls=("python311.dll", "KERNEL32.dll"), exports=("PyInit_m",))
    }
    done = retagged(tmp_path, files, "cp311-cp311-win32")
    assert platform(done) == true
    assert "`win32` is not true: no binary is for it" in done.notes
    assert retagged(tmp_path, files, f"cp311-cp311-{true}").content is None


def test_modules_for_two_systems_get_the_tags_of_both(tmp_path: Path) -> None:
    files = {
        f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17")),
        "demo/m.cp311-win_amd64.pyd": pe(dlls=("python311.dll",), exports=("PyInit_m",)),
    }
    done = retagged(tmp_path, files, "py3-none-win_amd64")
    assert tag(done) == "cp311-cp311-manylinux_2_17_x86_64.win_amd64"
    # As `any` it may well do without them elsewhere.
    assert retagged(tmp_path, files, "py3-none-any").content is None


# `any`


def test_an_any_wheel_with_a_module_is_for_that_modules_system(tmp_path: Path) -> None:
    files = {f"demo/m{X86}": extension("x86_64", versions=needs("GLIBC_2.17"))}
    done = retagged(tmp_path, files, "py3-none-any")
    assert tag(done) == "cp311-cp311-manylinux_2_17_x86_64"
    assert b"Root-Is-Purelib: false\n" in members(done)["demo-1.0.dist-info/WHEEL"]
    assert any("is an extension module" in one for one in done.notes)


def test_an_any_wheel_with_a_library_of_one_system_is_for_that(tmp_path: Path) -> None:
    done = retagged(tmp_path, {"demo/x.so": elf("x86_64", versions=needs("GLIBC_2.17"))}, "py3-none-any")
    assert tag(done) == "py3-none-manylinux_2_17_x86_64"


def test_an_any_wheel_with_libraries_of_several_systems_stays_any(tmp_path: Path) -> None:
    files = {"demo/x.so": elf("x86_64", versions=needs("GLIBC_2.17")), "demo/x.dll": pe()}
    done = retagged(tmp_path, files, "py3-none-any")
    assert done.content is None
    assert "demo/x.so is for Linux on x86_64 with glibc" in done.notes[0]
    assert "demo/x.dll is for Windows on x86_64" in done.notes[0]


def test_an_any_wheel_with_a_module_of_one_and_a_library_of_another_stays_any(tmp_path: Path) -> None:
    """debugpy's: speed-ups for one Python on Windows, and libraries for each system."""
    files = {
        "demo/m.cp39-win_amd64.pyd": pe(dlls=("python39.dll",), exports=("PyInit_m",)),
        "demo/attach.so": elf("x86_64", versions=needs("GLIBC_2.17")),
    }
    done = retagged(tmp_path, files, "py2.py3-none-any")
    assert done.content is None
    assert "`any` stays" in done.notes[0]


def test_an_any_wheel_with_launchers_stays_any(tmp_path: Path) -> None:
    done = retagged(tmp_path, {"demo/t64.exe": pe(dll=False), "demo/__init__.py": ""}, "py2.py3-none-any")
    assert done.content is None
    assert "`any` stays" in done.notes[0]


def test_pure_wheels_stay(tmp_path: Path) -> None:
    done = retagged(tmp_path, {"demo/__init__.py": ""}, "py2.py3-none-any")
    assert (done.content, done.notes, done.tags) == (None, (), ("py2-none-any", "py3-none-any"))


def test_nothing_binds_a_platform_wheel_without_binaries(tmp_path: Path) -> None:
    files = {"demo/__init__.py": ""}
    done = retagged(tmp_path, files, "cp311-cp311-linux_x86_64")
    assert done.content is None
    assert "--to any" in done.notes[0]
    assert tag(retagged(tmp_path, files, "cp311-cp311-linux_x86_64", "any")) == "cp311-none-any"
    renamed = "demo-1.0-py3-none-manylinux2014_x86_64.whl"
    assert tag(retagged(tmp_path, files, "py3-none-any", name=renamed)) == "py3-none-any"


# No tag at all


def test_a_library_that_is_nowhere(tmp_path: Path) -> None:
    files = {
        f"demo/m{X86}": extension("x86_64", versions={**needs("GLIBC_2.17"), "libpq.so.5": {"PQ": ("f",)}})
    }
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, files, "cp311-cp311-linux_x86_64")
    assert caught.value.code == "E-RETAG-LIBRARY"
    assert "libpq.so.5" in caught.value.places[0]
    assert "--library libpq5" in (caught.value.hint or "")


def test_a_library_of_a_mac_that_is_nowhere(tmp_path: Path) -> None:
    module = macho(names=INIT, needed=("/opt/homebrew/lib/libpq.5.dylib",))
    with pytest.raises(RetagError, match="neither in it nor promised on macOS on arm64") as caught:
        retagged(tmp_path, {"demo/m.cpython-311-darwin.so": module}, "cp311-cp311-macosx_11_0_arm64")
    assert "delocate" in (caught.value.hint or "")


def test_an_unsigned_module_for_apples_cpu(tmp_path: Path) -> None:
    files = {"demo/m.cpython-311-darwin.so": macho(names=INIT, signed=False)}
    with pytest.raises(RetagError, match="no platform tag is true") as caught:
        retagged(tmp_path, files, "cp311-cp311-macosx_11_0_arm64")
    assert caught.value.code == "E-RETAG-NONE"
    assert "codesign" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "module", [macho(platform=2, names=INIT), extension("s390x")[:40]], ids=["ios", "broken"]
)
def test_systems_that_no_wheel_here_is_for(tmp_path: Path, module: bytes) -> None:
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, {"demo/m.so": module}, "cp311-cp311-linux_x86_64")
    assert caught.value.code == "E-RETAG-SYSTEM"


def test_a_library_newer_than_every_policy(tmp_path: Path) -> None:
    versions = {LIBC: {"GLIBC_2.17": ()}, "libstdc++.so.6": {"GLIBCXX_3.4.99": ("f",)}}
    with pytest.raises(RetagError) as caught:
        retagged(
            tmp_path, {f"demo/m{X86}": extension("x86_64", versions=versions)}, "cp311-cp311-linux_x86_64"
        )
    assert caught.value.code == "E-RETAG-NONE"
    assert "GLIBCXX_3.4.99" in caught.value.places[0]
