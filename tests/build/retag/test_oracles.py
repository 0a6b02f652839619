"""What auditwheel and delocate say of the same binaries."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.build.repair.elves import extension
from tests.build.retag.made import ARM, members, needs, platform, retagged
from tests.inspect.builders import macho, universal
from tests.support.wheels import make_wheel

from crossdock.build.retag import Wish, retag
from crossdock.build.retag.places import Place, Version, parse_platform, promises, tags_of
from crossdock.errors import RetagError
from crossdock.target.model import Arch, Os

_TRIES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
#: Not 18: CentOS 7's 2.17 has one symbol of it on this CPU, so auditwheel takes it for 17.
_MINORS = [17, 22, 25, 26, 27, 28, 30, 31, 33, 34, 35, 36, 38]


@_TRIES
@given(glibc=st.sampled_from(_MINORS), glibcxx=st.sampled_from(["", "3.4.19", "3.4.21", "3.4.24", "3.4.29"]))
def test_auditwheel_finds_every_wish_untrue_that_we_refuse(tmp_path: Path, glibc: int, glibcxx: str) -> None:
    from repairwheel._vendor.auditwheel.architecture import Architecture
    from repairwheel._vendor.auditwheel.libc import Libc
    from repairwheel._vendor.auditwheel.wheel_abi import analyze_wheel_abi

    versions = needs(f"GLIBC_2.{glibc}")
    if glibcxx:
        versions["libstdc++.so.6"] = {f"GLIBCXX_{glibcxx}": ()}
    files = {f"demo/m{ARM}": extension(versions=versions)}
    # auditwheel remembers by the path.
    place = tmp_path / f"{glibc}-{glibcxx}"
    done = retagged(place, files, "cp311-cp311-linux_aarch64")
    path = place / "demo-1.0-cp311-cp311-linux_aarch64.whl"
    found = analyze_wheel_abi(
        Libc.GLIBC, Architecture.aarch64, path, frozenset(), disable_isa_ext_check=False, allow_graft=False
    )
    theirs = int(found.sym_policy.name.split("_")[2])
    known = [int(one.name.split("_")[2]) for one in found.policies if one.name.startswith("manylinux_")]
    assert theirs == min(minor for minor in known if minor >= int(platform(done).split("_")[2]))
    for minor in known:
        if minor >= theirs:
            retagged(place, files, "cp311-cp311-linux_aarch64", f"manylinux_2_{minor}_aarch64")
        else:
            with pytest.raises(RetagError):
                retagged(place, files, "cp311-cp311-linux_aarch64", f"manylinux_2_{minor}_aarch64")


@_TRIES
@given(
    intel=st.lists(st.sampled_from([(10, 9), (10, 13), (10, 15), (11, 0), (12, 0)]), max_size=3),
    own=st.lists(st.sampled_from([(11, 0), (12, 0), (14, 0)]), max_size=3),
)
def test_delocate_promises_as_much_or_less(
    tmp_path: Path, intel: list[tuple[int, int]], own: list[tuple[int, int]]
) -> None:
    """It takes one number for both CPUs where it can. Not 11.3, which it rounds down."""
    from repairwheel._vendor.delocate.delocating import _calculate_minimum_wheel_name

    count = max(len(intel), len(own))
    if not count or (intel and own and len(intel) != len(own)):
        return
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir(exist_ok=True)
    for old in unpacked.iterdir():
        old.unlink()
    files: dict[str, bytes | str] = {}
    for number in range(count):
        names = f"\0_PyInit_m{number}\0".encode()
        parts = [("x86_64", macho("x86_64", min_os=intel[number], names=names))] if intel else []
        parts += [("aarch64", macho("aarch64", min_os=own[number], names=names))] if own else []
        content = universal(*parts) if len(parts) > 1 else parts[0][1]
        files[f"demo/m{number}.cpython-311-darwin.so"] = content
        (unpacked / f"m{number}.so").write_bytes(content)
    cpu = "universal2" if intel and own else "x86_64" if intel else "arm64"
    tag = f"cp311-cp311-macosx_10_9_{cpu}"
    theirs, _ = _calculate_minimum_wheel_name(f"demo-1.0-{tag}.whl", unpacked, None)
    ours = _promised(platform(retagged(tmp_path, files, tag)))
    wanted = {Arch.X86_64: max(intel, default=None), Arch.AARCH64: max(own, default=None)}
    assert ours == {Place(Os.MACOS, arch): version for arch, version in wanted.items() if version is not None}
    for place, version in _promised(Path(theirs).stem.rpartition("-")[2]).items():
        least = ours[place]
        assert version is not None
        assert least is not None
        assert version >= least


def _promised(tags: str) -> dict[Place, Version | None]:
    return promises(one for tag in tags.split(".") if (one := parse_platform(tag)) is not None)


def test_wheel_tags_writes_the_same_files(tmp_path: Path) -> None:
    """Told the answer, it changes WHEEL in the same places and leaves the rest: RECORD's rows in another order."""
    wish = "manylinux2014_aarch64.manylinux_2_17_aarch64"
    files: dict[str, bytes | str] = {
        f"demo/m{ARM}": extension(versions=needs("GLIBC_2.17")),
        "demo/__init__.py": "x = 1\n",
        "demo-1.0.data/scripts/tool": "#!python\n",
    }
    old = "cp311-cp311-linux_aarch64"
    path = make_wheel(tmp_path, tag=old, files=files)
    ours = retag(path, wish=Wish.parse([wish]))
    command = [sys.executable, "-m", "wheel", "tags", f"--platform-tag={wish}", str(path)]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert theirs == ours.filename
    with zipfile.ZipFile(tmp_path / theirs) as archive:
        found = {name: sorted(archive.read(name).splitlines()) for name in archive.namelist()}
    mine = {name: sorted(content.splitlines()) for name, content in members(ours).items()}
    for every in (found, mine):
        every["demo-1.0.dist-info/WHEEL"] = [one for one in every["demo-1.0.dist-info/WHEEL"] if one]
        # WHEEL's own row, whose lines may stand in another order.
        every["demo-1.0.dist-info/RECORD"] = [
            one for one in every["demo-1.0.dist-info/RECORD"] if b"/WHEEL," not in one
        ]
    assert mine == found


_VERSIONS = st.tuples(st.integers(2, 2), st.integers(17, 45))


@given(
    st.dictionaries(
        st.sampled_from(["manylinux_{}_{}_x86_64", "manylinux_{}_{}_aarch64", "musllinux_{}_{}_x86_64"]),
        _VERSIONS,
    ),
    st.sampled_from([(10, 9), (10, 15), (11, 0), (12, 0), None]),
    st.sampled_from([(11, 0), (12, 0), None]),
    st.sets(st.sampled_from(["win_amd64", "win_arm64", "win32"])),
)
def test_tags_say_what_they_were_made_of(
    linux: dict[str, tuple[int, int]],
    intel: tuple[int, int] | None,
    own: tuple[int, int] | None,
    windows: set[str],
) -> None:
    tags = [form.format(*version) for form, version in linux.items()]
    tags += [f"macosx_{intel[0]}_{intel[1]}_x86_64"] if intel else []
    tags += [f"macosx_{own[0]}_{own[1]}_arm64"] if own else []
    promised = _promised(".".join([*tags, *windows]))
    made = tags_of(promised)
    assert made == tuple(sorted(made))
    assert _promised(".".join(made)) == promised


@pytest.mark.parametrize(
    "tag",
    [
        "manylinux_2_17_x86_64",
        "manylinux2014_i686",
        "musllinux_1_1_aarch64",
        "macosx_10_9_universal2",
        "win32",
    ],
)
def test_installers_take_what_a_place_promises(tag: str) -> None:
    """The targets made of a tag's places take it, by `packaging`'s own lists."""
    from crossdock.build.retag.pythons import ANY_PYTHON
    from crossdock.target.tags import platform_tags

    found = parse_platform(tag)
    assert found is not None
    for place, version in promises([found]).items():
        assert tag in platform_tags(place.target(version, ANY_PYTHON))
