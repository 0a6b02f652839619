"""Tags: what binaries need decides, compared with auditwheel's answer rounded up to what it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.build.repair.elves import elf, extension
from tests.build.repair.made import SUFFIX, members, repaired, target
from tests.inspect.builders import macho, pe

from crossdock.errors import BuildError
from crossdock.target.arches import lowest_glibc
from crossdock.target.model import Arch

if TYPE_CHECKING:
    from pathlib import Path

_LIBC = "libc.so.6"


def _needs(*versions: str) -> dict[str, dict[str, tuple[str, ...]]]:
    return {_LIBC: dict.fromkeys(versions, ())}


def test_the_tag_is_the_newest_glibc_that_any_binary_needs(tmp_path: Path) -> None:
    done = repaired(
        tmp_path,
        {
            f"demo/m{SUFFIX}": extension(versions=_needs("GLIBC_2.17")),
            "demo/plugin.so": elf(versions=_needs("GLIBC_2.17", "GLIBC_2.26")),
        },
    )
    assert done.wheel.filename == "demo-1.0-cp311-cp311-manylinux_2_26_aarch64.whl"
    assert str(done.report.floor) == "demo/plugin.so needs GLIBC_2.26 (f3) of libc.so.6"
    assert b"Tag: cp311-cp311-manylinux_2_26_aarch64\n" in members(done)["demo-1.0.dist-info/WHEEL"]


@pytest.mark.parametrize("place", ["demo-1.0.data/scripts/tool", "demo-1.0.data/data/lib/x.so"])
def test_binaries_outside_of_the_package_count_too(tmp_path: Path, place: str) -> None:
    files = {f"demo/m{SUFFIX}": extension(), place: elf(versions=_needs("GLIBC_2.25"))}
    assert repaired(tmp_path, files).report.tags == ("cp311-cp311-manylinux_2_25_aarch64",)


@pytest.mark.parametrize(
    ("cpu", "lowest"),
    [
        ("x86_64", "manylinux_2_5"),
        ("i686", "manylinux_2_5"),
        ("aarch64", "manylinux_2_17"),
        ("armv7l", "manylinux_2_17"),
        ("ppc64le", "manylinux_2_17"),
        ("s390x", "manylinux_2_17"),
        ("riscv64", "manylinux_2_17"),
    ],
)
def test_what_needs_nothing_gets_the_oldest_tag_there_is(tmp_path: Path, cpu: str, lowest: str) -> None:
    files = {"demo/m.so": extension(cpu)}
    done = repaired(tmp_path, files, f"manylinux_2_35_{cpu}", tag=f"cp311-cp311-linux_{cpu}")
    assert done.report.tags == (f"cp311-cp311-{lowest}_{cpu}",)
    assert done.report.floor is not None
    assert done.report.floor.path == ""


def test_a_marker_of_glibc_counts_as_the_first_glibc_with_it(tmp_path: Path) -> None:
    files = {f"demo/m{SUFFIX}": extension(versions=_needs("GLIBC_ABI_DT_RELR"))}
    done = repaired(tmp_path, files, "manylinux_2_38_aarch64")
    assert done.report.tags == ("cp311-cp311-manylinux_2_36_aarch64",)


def test_the_version_of_another_library_sets_the_floor_by_the_policies(tmp_path: Path) -> None:
    files = {f"demo/m{SUFFIX}": extension(versions={"libstdc++.so.6": {"GLIBCXX_3.4.24": ()}})}
    done = repaired(tmp_path, files)
    # auditwheel's policies: GLIBCXX_3.4.24 is promised from manylinux_2_26 on.
    assert done.report.tags == ("cp311-cp311-manylinux_2_26_aarch64",)
    assert "GLIBCXX_3.4.24" in str(done.report.floor)


def test_a_library_of_later_policies_sets_the_floor(tmp_path: Path) -> None:
    files = {f"demo/m{SUFFIX}": extension(needed=("libmvec.so.1",))}
    assert repaired(tmp_path, files).report.tags == ("cp311-cp311-manylinux_2_24_aarch64",)


def test_a_wheel_newer_than_the_target_is_refused_with_the_way_out(tmp_path: Path) -> None:
    files = {f"demo/m{SUFFIX}": extension(versions={_LIBC: {"GLIBC_2.34": ("dlsym",)}})}
    with pytest.raises(BuildError) as caught:
        repaired(tmp_path, files)
    assert caught.value.code == "E-BUILD-FLOOR"
    assert "manylinux_2_34_aarch64" in caught.value.message
    assert caught.value.places == (f"demo/m{SUFFIX} needs GLIBC_2.34 (dlsym) of libc.so.6",)
    assert "--for manylinux_2_34_aarch64" in (caught.value.hint or "")


def test_musl_wheels_are_for_musl_1_2(tmp_path: Path) -> None:
    name = "demo/m.cpython-311-aarch64-linux-musl.so"
    done = repaired(tmp_path, {name: extension(needed=("libc.so",))}, "musllinux_1_2_aarch64")
    assert done.wheel.filename == "demo-1.0-cp311-cp311-musllinux_1_2_aarch64.whl"


def test_a_target_with_an_older_musl_is_refused(tmp_path: Path) -> None:
    name = "demo/m.cpython-311-aarch64-linux-musl.so"
    with pytest.raises(BuildError, match="musllinux_1_2_aarch64") as caught:
        repaired(tmp_path, {name: extension(needed=("libc.so",))}, "musllinux_1_1_aarch64")
    assert caught.value.code == "E-BUILD-FLOOR"


@pytest.mark.parametrize(
    ("minos", "tag"),
    [((10, 9), "11_0"), ((11, 0), "11_0"), ((12, 0), "12_0"), ((11, 3), "12_0")],
)
def test_macos_wheels_are_tagged_by_the_newest_minimum(
    tmp_path: Path, minos: tuple[int, int], tag: str
) -> None:
    files = {
        "demo/m.cpython-311-darwin.so": macho(min_os=minos, names=b"\0_PyInit_m\0"),
        "demo/n.cpython-311-darwin.so": macho(min_os=(11, 0), names=b"\0_PyInit_n\0"),
    }
    done = repaired(tmp_path, files, "macosx_13_0_arm64", tag="cp311-cp311-macosx_11_0_arm64")
    assert done.report.tags == (f"cp311-cp311-macosx_{tag}_arm64",)


def test_macos_on_intel_goes_further_back(tmp_path: Path) -> None:
    files = {"demo/m.cpython-311-darwin.so": macho("x86_64", min_os=(10, 13), names=b"\0_PyInit_m\0")}
    done = repaired(tmp_path, files, "macosx_13_0_x86_64", tag="cp311-cp311-macosx_10_9_universal2")
    assert done.report.tags == ("cp311-cp311-macosx_10_13_x86_64",)


def test_a_newer_macos_than_the_target_has_is_refused(tmp_path: Path) -> None:
    files = {"demo/m.cpython-311-darwin.so": macho(min_os=(14, 0), names=b"\0_PyInit_m\0")}
    with pytest.raises(BuildError, match="macosx_14_0_arm64") as caught:
        repaired(tmp_path, files, "macosx_13_0_arm64", tag="cp311-cp311-macosx_11_0_arm64")
    assert caught.value.code == "E-BUILD-FLOOR"


@pytest.mark.parametrize(
    ("name", "machine", "tag"),
    [("windows/amd64", 0x8664, "win_amd64"), ("windows/arm64", 0xAA64, "win_arm64")],
)
def test_windows_wheels(tmp_path: Path, name: str, machine: int, tag: str) -> None:
    files = {
        f"demo/m.cp311-{tag}.pyd": pe(machine, dlls=("python311.dll", "KERNEL32.dll"), exports=("PyInit_m",))
    }
    done = repaired(tmp_path, files, name, tag="cp311-cp311-linux_x86_64")
    assert done.report.tags == (f"cp311-cp311-{tag}",)
    assert done.report.floor is None


# What PEP 600 says: the newest version of all, whatever else is needed beside it.


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cpu=st.sampled_from(["x86_64", "aarch64", "ppc64le", "s390x", "armv7l", "i686", "riscv64"]),
    minors=st.lists(st.lists(st.integers(2, 42), max_size=4), min_size=1, max_size=4),
    stated=st.booleans(),
)
def test_the_floor_is_the_maximum_and_never_below_the_lowest(
    tmp_path: Path, cpu: str, minors: list[list[int]], stated: bool
) -> None:
    files: dict[str, bytes | str] = {
        f"demo/m{number}.so": extension(
            cpu,
            f"m{number}",
            versions=_needs(*(f"GLIBC_2.{minor}" for minor in sorted(set(found)))) if found else {},
        )
        for number, found in enumerate(minors)
    }
    tag = f"cp311-cp311-{'manylinux_2_17' if stated else 'linux'}_{cpu}"
    done = repaired(tmp_path, files, f"manylinux_2_42_{cpu}", tag=tag)
    wanted = max([lowest_glibc(Arch(cpu)), *(minor for found in minors for minor in found)])
    assert done.report.tags == (f"cp311-cp311-manylinux_2_{wanted}_{cpu}",)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # Not 18: CentOS 7's 2.17 has one symbol of it on this CPU, so auditwheel takes it for 17. Others' 2.17 have not.
    glibc=st.sampled_from([17, 22, 25, 26, 27, 28, 30, 31, 33, 34, 35, 36, 38]),
    glibcxx=st.sampled_from(["", "3.4", "3.4.19", "3.4.21", "3.4.22", "3.4.24", "3.4.25", "3.4.29"]),
    zlib=st.sampled_from(["", "1.2.0", "1.2.5.2", "1.2.9"]),
)
def test_auditwheel_agrees_up_to_its_rounding(tmp_path: Path, glibc: int, glibcxx: str, zlib: str) -> None:
    versions = _needs(f"GLIBC_2.{glibc}")
    if glibcxx:
        versions["libstdc++.so.6"] = {f"GLIBCXX_{glibcxx}": ()}
    if zlib:
        versions["libz.so.1"] = {f"ZLIB_{zlib}": ()}
    done = repaired(tmp_path, {f"demo/m{SUFFIX}": extension(versions=versions)}, "manylinux_2_42_aarch64")
    path = tmp_path / done.wheel.filename
    path.write_bytes(done.wheel.content)
    ours = int(done.report.tags[0].split("_")[2])
    known, theirs = _auditwheel(path)
    assert theirs == min(minor for minor in known if minor >= ours)


def _auditwheel(path: Path) -> tuple[list[int], int]:
    """Return the policies that auditwheel knows, and the one that it finds for a wheel."""
    from repairwheel._vendor.auditwheel.architecture import Architecture
    from repairwheel._vendor.auditwheel.libc import Libc as TheirLibc
    from repairwheel._vendor.auditwheel.wheel_abi import analyze_wheel_abi

    found = analyze_wheel_abi(
        TheirLibc.GLIBC,
        Architecture.aarch64,
        path,
        frozenset(),
        disable_isa_ext_check=False,
        allow_graft=False,
    )
    known = [int(one.name.split("_")[2]) for one in found.policies if one.name.startswith("manylinux_")]
    return known, int(found.sym_policy.name.split("_")[2])


def test_the_host_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platform
    import sys
    import sysconfig

    for module, name in ((platform, "machine"), (sysconfig, "get_platform"), (platform, "libc_ver")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("the host was asked"))
    monkeypatch.setattr(sys, "platform", "sunos5")
    done = repaired(tmp_path, {f"demo/m{SUFFIX}": extension()}, target())
    assert done.report.tags == ("cp311-cp311-manylinux_2_17_aarch64",)
