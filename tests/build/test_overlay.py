"""The target's headers and static libraries take the place of this machine's, from the target's own wheel."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.build.environments import Place, opened
from tests.support.wheels import make_record, make_wheel, wheel_files, zip_bytes

from crossdock.build.overlay import overlay
from crossdock.errors import ArchiveError, BuildError, FetchError
from crossdock.target.names import parse_target
from crossdock.target.pythons import parse_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.build.environment import Environment
    from crossdock.target.model import Target

SHORT = f"{sys.version_info[0]}{sys.version_info[1]}"
HERE = f"cp{SHORT}-cp{SHORT}-linux_{platform.machine()}"
#: The target is whatever this machine is not.
OTHER = "x86_64" if platform.machine() != "x86_64" else "aarch64"
THERE = f"cp{SHORT}-cp{SHORT}-manylinux_2_28_{OTHER}"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only on Linux: wheels of this machine are named so"
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def target() -> Target:
    name = "linux/amd64" if OTHER == "x86_64" else "linux/arm64"
    return parse_target(name, default_python=parse_python(f"3.{sys.version_info[1]}"))


def members(who: str) -> dict[str, bytes | str]:
    return {
        "vec/__init__.py": f"WHO = {who!r}\n",
        "vec/core.so": f"module of {who}",
        "vec/include/vec.h": f"/* {who} */",
        "vec/lib/libvec.a": f"archive of {who}",
        "vec/pkgconfig/vec.pc": f"# {who}",
        "vec-1.0.data/data/include/vec/top.h": f"/* top {who} */",
        "vec-1.0.data/data/lib/libtop.a": f"top archive of {who}",
    }


def installed(place: Place) -> Environment:
    make_wheel(place.wheels, "vec", tag=HERE, files=members("host"))
    environment = place.environment()
    environment.install(["vec"], what="demo")
    return environment


def texts(environment: Environment) -> dict[str, str]:
    """Return what is told of whom, by name."""
    site, top = environment.site_packages, environment.directory
    places = {
        **{name: site / "vec" / name for name in ("__init__.py", "core.so", "include/vec.h", "lib/libvec.a")},
        **{name: site / "vec" / name for name in ("pkgconfig/vec.pc", "include/new.h")},
        **{name: top / name for name in ("include/vec/top.h", "lib/libtop.a")},
    }
    return {name: path.read_text() for name, path in places.items() if path.exists()}


def test_the_targets_files_are_laid_over(place: Place, target: Target) -> None:
    """Its modules are not: this machine runs them. A newer glibc than the target's is no reason to leave a header."""
    there = make_wheel(
        place.wheels, "vec", tag=THERE, files={**members("target"), "vec/include/new.h": "/* target */"}
    )
    # A better build of another version is another package.
    make_wheel(place.wheels, "vec", "1.1", tag=THERE, files=members("newer"))
    make_wheel(place.wheels, "pure", files={"pure/x.h": "/* pure */"})
    environment = place.environment()
    make_wheel(place.wheels, "vec", tag=HERE, files=members("host"))
    environment.install(["vec==1.0", "pure"], what="demo")
    taken = overlay(environment.site_packages, target, place.world)
    assert [line.partition(" sha256:")[0] for line in taken] == [there.name]
    assert len(taken[0].rpartition("sha256:")[2]) == 64
    assert texts(environment) == {
        "__init__.py": "WHO = 'host'\n",
        "core.so": "module of host",
        "include/vec.h": "/* target */",
        "include/new.h": "/* target */",
        "lib/libvec.a": "archive of target",
        "pkgconfig/vec.pc": "# target",
        "include/vec/top.h": "/* top target */",
        "lib/libtop.a": "top archive of target",
    }
    # The cache of uv has what it had: the same package again is this machine's.
    environment.directory.rename(place.root / "before")
    again = place.environment()
    again.install(["vec==1.0"], what="demo")
    assert texts(again)["include/vec.h"] == "/* host */"


def test_without_a_wheel_headers_stay_and_archives_go(place: Place, target: Target) -> None:
    environment = installed(place)
    warned: list[str] = []
    taken = overlay(environment.site_packages, target, replace(place.world, warn=warned.append))
    assert taken == ["vec 1.0: no wheel for the target, headers of this machine"]
    assert len(warned) == 1
    assert "`vec 1.0`" in warned[0]
    found = texts(environment)
    assert found["include/vec.h"] == "/* host */"
    assert found["include/vec/top.h"] == "/* top host */"
    assert not [name for name in found if name.endswith(".a")]


@pytest.mark.parametrize("name", ["linux-armv7l-glibc2.28", "win_amd64"])
def test_headers_that_tell_sizes_are_refused_for_a_target_with_others(place: Place, name: str) -> None:
    files = {**members("host"), "vec/include/sizes.h": "#define VEC_SIZEOF_LONG 8\n"}
    make_wheel(place.wheels, "vec", tag=HERE, files=files)
    environment = place.environment()
    environment.install(["vec"], what="demo")
    narrow = parse_target(f"cp{SHORT}-{name}")
    with pytest.raises(BuildError) as caught:
        overlay(environment.site_packages, narrow, place.world)
    assert (caught.value.code, list(caught.value.places)) == ("E-BUILD-OVERLAY", ["sizes.h"])


def test_an_index_that_does_not_answer_decides_nothing(place: Place, target: Target) -> None:
    environment = installed(place)

    def broken() -> Any:
        raise FetchError("no answer", code="E-FETCH-STATUS")

    with pytest.raises(FetchError):
        overlay(environment.site_packages, target, replace(place.world, index=broken))


HOSTILE = {
    "a parent directory": "../../../../escape.h",
    "an absolute path": "/tmp/crossdock-escape.h",
    "a backslash and a parent": "vec/..\\..\\escape.h",
    "a NUL byte's like": "vec/\x01.h",
    "the data directory and a parent": "vec-1.0.data/data/../../escape.h",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_wheel_with_a_hostile_name_is_refused(place: Place, target: Target, case: str) -> None:
    environment = installed(place)
    files = wheel_files("vec", "1.0", THERE, files={**members("target"), HOSTILE[case]: "bad"})
    (place.wheels / f"vec-1.0-{THERE}.whl").write_bytes(zip_bytes(files))
    before = texts(environment)
    with pytest.raises(ArchiveError):
        overlay(environment.site_packages, target, place.world)
    assert texts(environment) == before
    assert not list(place.root.rglob("*escape*"))


def test_a_header_that_is_not_as_record_says_is_refused(place: Place, target: Target) -> None:
    environment = installed(place)
    files = wheel_files("vec", "1.0", THERE, files=members("target"))
    record = make_record({**files, "vec/include/vec.h": b"/* TARGET */"}, "vec-1.0.dist-info")
    files["vec-1.0.dist-info/RECORD"] = record
    (place.wheels / f"vec-1.0-{THERE}.whl").write_bytes(zip_bytes(files))
    with pytest.raises(ArchiveError) as caught:
        overlay(environment.site_packages, target, place.world)
    assert caught.value.code.startswith("E-RECORD")


def test_a_record_that_leads_out_of_the_environment_deletes_nothing(place: Place, target: Target) -> None:
    environment = installed(place)
    outside = place.root / "outside.a"
    outside.write_text("kept")
    record = environment.site_packages / "vec-1.0.dist-info" / "RECORD"
    record.write_text(
        record.read_text() + f"{outside},,\n../../../../outside.a,,\n../../../../../x/../outside.a,,\n"
    )
    overlay(environment.site_packages, target, replace(place.world, warn=list[str]().append))
    assert outside.read_text() == "kept"
