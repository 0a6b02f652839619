"""The file that is written: what stays, what is lost, what is refused; libraries taken in."""

from __future__ import annotations

import json
import platform as host
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf, extension
from tests.build.repair.made import sysroot
from tests.build.retag.made import ARM, members, needs, retagged, tag
from tests.support.wheels import make_record, make_wheel, wheel_files, zip_bytes

from crossdock.build.retag import Wish, retag
from crossdock.build.retag.libraries import directory_of_libraries
from crossdock.build.retag.places import Place
from crossdock.errors import ArchiveError, BuildError, InspectError, RetagError
from crossdock.inspect.binary import read_binary
from crossdock.target.model import Arch, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossdock.build.model import Sysroot

GLIBC = needs("GLIBC_2.17")
MODULE = {f"demo/m{ARM}": extension(versions=GLIBC)}
TAG = "cp311-cp311-linux_aarch64"
PLACE = Place(Os.LINUX, Arch.AARCH64, LibcKind.GLIBC)


def test_all_but_the_tags_stays(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        **MODULE,
        "demo/__init__.py": "x = 1\n",
        "demo-1.0.data/scripts/tool": "#!python\n",
        "demo-1.0.dist-info/licenses/LICENSE": "free\n",
    }
    path = make_wheel(tmp_path, tag=TAG, files=files, modes={"demo-1.0.data/scripts/tool": 0o100755})
    done = retag(path)
    assert done.content is not None
    found = members(done)
    old = wheel_files(tag=TAG, files=files)
    changed = {"demo-1.0.dist-info/WHEEL", "demo-1.0.dist-info/RECORD"}
    assert found.keys() == old.keys()
    assert {name for name in old if found[name] != old[name]} == changed
    from crossdock.archive.wheel import Wheel

    with Wheel.open(done.content, done.filename) as opened:
        assert [str(one.member.name) for one in opened.files if one.executable] == [
            "demo-1.0.data/scripts/tool"
        ]


def test_build_numbers_and_odd_spellings_stay(tmp_path: Path) -> None:
    content = zip_bytes(wheel_files("Demo.Two", "1.0", TAG, files=MODULE))
    path = tmp_path / f"Demo.Two-1.0-3-{TAG}.whl"
    path.write_bytes(content)
    done = retag(path)
    assert done.filename == "Demo.Two-1.0-3-cp311-cp311-manylinux_2_17_aarch64.whl"
    assert b"Build: 3\n" in members(done)["Demo.Two-1.0.dist-info/WHEEL"]


def test_the_same_bytes_whoever_zipped_it(tmp_path: Path) -> None:
    import zipfile

    one, other = tmp_path / "one", tmp_path / "other"
    for place, compression in ((one, zipfile.ZIP_DEFLATED), (other, zipfile.ZIP_STORED)):
        place.mkdir()
        old = wheel_files(tag=TAG, files=MODULE)
        ordered = old if place is one else dict(reversed(old.items()))
        (place / f"demo-1.0-{TAG}.whl").write_bytes(zip_bytes(ordered, compression=compression))
    assert retag(one / f"demo-1.0-{TAG}.whl").content == retag(other / f"demo-1.0-{TAG}.whl").content


def test_the_host_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((host, "machine"), (sysconfig, "get_platform"), (host, "libc_ver")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("the host was asked"))
    monkeypatch.setattr(sys, "platform", "sunos5")
    assert tag(retagged(tmp_path, MODULE, TAG)) == "cp311-cp311-manylinux_2_17_aarch64"


def test_a_signature_is_left_out_and_told_of(tmp_path: Path) -> None:
    old = wheel_files(tag=TAG, files=MODULE)
    old["demo-1.0.dist-info/RECORD.jws"] = b"{}"
    path = tmp_path / f"demo-1.0-{TAG}.whl"
    path.write_bytes(zip_bytes(old))
    done = retag(path)
    assert "demo-1.0.dist-info/RECORD.jws" not in members(done)
    assert "RECORD.jws signed the old RECORD, and is left out" in done.notes


def test_a_wheel_that_stays_keeps_its_signature(tmp_path: Path) -> None:
    true = "cp311-cp311-manylinux_2_17_aarch64"
    old = wheel_files(tag=true, files=MODULE)
    old["demo-1.0.dist-info/RECORD.jws"] = b"{}"
    path = tmp_path / f"demo-1.0-{true}.whl"
    path.write_bytes(zip_bytes(old))
    done = retag(path)
    assert (done.content, done.notes) == (None, ())


def _other_hash(old: dict[str, bytes]) -> None:
    old[f"demo/m{ARM}"] += b"\0"


def _unlisted(old: dict[str, bytes]) -> None:
    old["demo/more.py"] = b""


def _other_project(old: dict[str, bytes]) -> None:
    old["demo-1.0.dist-info/METADATA"] = b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"
    old["demo-1.0.dist-info/RECORD"] = make_record(old, "demo-1.0.dist-info")


@pytest.mark.parametrize(
    ("change", "code"),
    [(_other_hash, "E-RECORD-SIZE"), (_unlisted, "E-RECORD-UNLISTED"), (_other_project, "E-WHEEL-NAME")],
)
def test_a_wheel_that_is_not_sound(
    tmp_path: Path, change: Callable[[dict[str, bytes]], None], code: str
) -> None:
    old = wheel_files(tag=TAG, files=MODULE)
    change(old)
    path = tmp_path / f"demo-1.0-{TAG}.whl"
    path.write_bytes(zip_bytes(old))
    with pytest.raises(ArchiveError) as caught:
        retag(path)
    assert caught.value.code == code


def test_a_symbol_table_that_leads_nowhere(tmp_path: Path) -> None:
    """What audits a binary never reads its section headers; what asks for the stable ABI does."""
    module = bytearray(extension("x86_64", versions=GLIBC))
    at = int.from_bytes(module[40:48], "little")
    for number in range(1, 8):
        module[at + 64 * number + 24 : at + 64 * number + 32] = (1 << 40).to_bytes(8, "little")
    with pytest.raises(InspectError) as caught:
        retagged(tmp_path, {"demo/m.abi3.so": bytes(module)}, "cp39-abi3-linux_x86_64")
    assert caught.value.code == "E-BINARY-TRUNCATED"


# Libraries


@pytest.fixture
def foo(tmp_path: Path) -> Sysroot:
    """A sysroot with libfoo, which needs libbar; libfoo has the versions FOO_1 and FOO_2."""
    return sysroot(
        tmp_path / "sysroot",
        {
            "libfoo.so.1": elf(soname="libfoo.so.1", versions={**GLIBC, "libbar.so.2": {"BAR_1": ("bar",)}}),
            "libbar.so.2": elf(soname="libbar.so.2", versions=needs("GLIBC_2.28")),
        },
    )


def _needs_foo(version: str = "FOO_1") -> dict[str, bytes | str]:
    return {f"demo/m{ARM}": extension(versions={**GLIBC, "libfoo.so.1": {version: ("foo",)}})}


def test_libraries_are_taken_in_with_their_licences_and_a_bill(tmp_path: Path, foo: Sysroot) -> None:
    done = retagged(
        tmp_path / "in", _needs_foo(), TAG, sysroot=lambda _: foo, extra_metadata="License-File: x\n"
    )
    assert tag(done) == "cp311-cp311-manylinux_2_28_aarch64"
    assert [one.soname for one in done.grafted] == ["libbar.so.2", "libfoo.so.1"]
    assert done.because[0].startswith("demo.libs/libbar-")
    found = members(done)
    binary = read_binary(found[f"demo/m{ARM}"], "m")
    assert binary is not None
    assert binary.images[0].rpath == ("$ORIGIN/../demo.libs",)
    bill = json.loads(found["demo-1.0.dist-info/sboms/crossdock.cdx.json"])
    assert [one["name"] for one in bill["components"]] == ["libbar2", "libfoo1"]
    assert "demo-1.0.dist-info/licenses/grafted/libfoo1/copyright" in found


def test_a_second_bill_lies_beside_the_first(tmp_path: Path, foo: Sysroot) -> None:
    name = "demo-1.0.dist-info/sboms/crossdock.cdx.json"
    done = retagged(tmp_path / "in", {**_needs_foo(), name: "{}"}, TAG, sysroot=lambda _: foo)
    found = members(done)
    assert found[name] == b"{}"
    assert name.replace(".cdx", "-2.cdx") in found


def test_a_wish_decides_what_must_be_taken_in(tmp_path: Path, foo: Sysroot) -> None:
    done = retagged(tmp_path / "in", _needs_foo(), TAG, "manylinux_2_35_aarch64", sysroot=lambda _: foo)
    assert tag(done) == "cp311-cp311-manylinux_2_35_aarch64"
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path / "in2", _needs_foo(), TAG, "manylinux2014_aarch64", sysroot=lambda _: foo)
    assert caught.value.code == "E-RETAG-UNTRUE"
    assert any("GLIBC_2.28" in place and "libbar-" in place for place in caught.value.places)


def test_a_library_that_the_sysroot_lacks_too(tmp_path: Path, foo: Sysroot) -> None:
    files = {f"demo/m{ARM}": extension(needed=("libnowhere.so.1",))}
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path / "in", files, TAG, sysroot=lambda _: foo)
    assert caught.value.code == "E-RETAG-LIBRARY"
    assert "libnowhere.so.1" in caught.value.places[0]


def test_a_library_older_than_the_one_it_was_linked_with(tmp_path: Path, foo: Sysroot) -> None:
    place = foo.directory / "usr/lib/aarch64-linux-gnu/libfoo.so.1.0.9"
    place.write_bytes(elf(soname="libfoo.so.1", defines=("libfoo.so.1", "FOO_1")))
    assert retagged(tmp_path / "in", _needs_foo("FOO_1"), TAG, sysroot=lambda _: foo).grafted
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path / "in", _needs_foo("FOO_9"), TAG, sysroot=lambda _: foo)
    assert caught.value.code == "E-RETAG-LIBRARY"
    assert caught.value.places == (f"demo/m{ARM} needs FOO_9 (foo) of libfoo.so.1",)


def test_libraries_that_are_promised_are_not_taken_in(tmp_path: Path, foo: Sysroot) -> None:
    done = retagged(tmp_path / "in", MODULE, TAG, sysroot=lambda _: foo)
    assert done.grafted == ()


def test_a_directory_needs_no_headers(tmp_path: Path, foo: Sysroot) -> None:
    done = retagged(
        tmp_path / "in", _needs_foo(), TAG, sysroot=lambda place: directory_of_libraries(foo.directory, place)
    )
    assert [one.soname for one in done.grafted] == ["libbar.so.2", "libfoo.so.1"]
    assert {one.code for one in done.findings} == {"E-BUILD-LICENCE"}


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        directory_of_libraries(tmp_path / "none", PLACE)
    assert caught.value.code == "E-SYSROOT-DIRECTORY"


def test_wishes_are_sorted() -> None:
    assert Wish.parse(["win_arm64", "win_amd64"]).tags == ("win_amd64", "win_arm64")
