"""Libraries taken into a wheel: which, from where, under which names, with what beside them; and that they load."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import replace
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.build.repair.elves import elf, extension
from tests.build.repair.made import SUFFIX, job, members, repaired, sysroot, target
from tests.support.emulation import require_foreign_python
from tests.support.wheels import make_wheel

from crossdock.build.model import Sysroot, SystemPackage
from crossdock.build.repair import repair
from crossdock.errors import BuildError
from crossdock.inspect.binary import read_binary

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build.repair.elves import Versions

    from crossdock.build.repair import Repaired
    from crossdock.inspect.facts import Image

_MODULE = f"demo/m{SUFFIX}"
_GLIBC: Versions = {"libc.so.6": {"GLIBC_2.17": ("printf",)}}


def _facts(content: bytes) -> Image:
    binary = read_binary(content, "x")
    assert binary is not None
    return binary.images[0]


def _libs(done: Repaired) -> list[str]:
    return sorted(name for name in members(done) if ".libs/" in name)


@pytest.fixture
def foo(tmp_path: Path) -> Sysroot:
    """A sysroot with libfoo, which needs libbar, and a libz that is newer than the policy of 2.28 promises."""
    return sysroot(
        tmp_path / "sysroot",
        {
            "libfoo.so.1": elf(
                soname="libfoo.so.1",
                needed=("libbar.so.2",),
                versions={**_GLIBC, "libbar.so.2": {"BAR_1": ("bar",)}},
            ),
            "libbar.so.2": elf(soname="libbar.so.2", versions=_GLIBC),
            "libz.so.1": elf(soname="libz.so.1"),
            "libnew.so.1": elf(soname="libnew.so.1", versions={"libc.so.6": {"GLIBC_2.31": ("pthread_x",)}}),
            "libalone.so.1": elf(soname="libalone.so.1", needed=("libnowhere.so.1",)),
            "libstdc++.so.6": elf(soname="libstdc++.so.6"),
            "libc.so.6": elf(soname="libc.so.6"),
            "ld-linux-aarch64.so.1": elf(soname="ld-linux-aarch64.so.1"),
            "libother.so.1": elf("x86_64", soname="libother.so.1"),
        },
    )


def test_a_library_comes_with_what_it_needs_under_names_of_its_own(tmp_path: Path, foo: Sysroot) -> None:
    done = repaired(
        tmp_path, {_MODULE: extension(versions={**_GLIBC, "libfoo.so.1": {"FOO_1": ("foo",)}})}, sysroot=foo
    )
    found = members(done)
    bar, made = _libs(done)
    assert made.startswith("demo.libs/libfoo-")
    assert made.endswith(".so.1")
    module = _facts(found[_MODULE])
    assert module.needed == ("libc.so.6", made.removeprefix("demo.libs/"))
    assert module.rpath == ("$ORIGIN/../demo.libs",)
    assert {need.library for need in module.versions} == set(module.needed)
    library = _facts(found[made])
    assert library.soname == made.removeprefix("demo.libs/")
    assert bar.removeprefix("demo.libs/") in library.needed
    assert library.rpath == ("$ORIGIN",)
    assert _facts(found[bar]).rpath == ()
    assert [(one.soname, one.path) for one in done.report.grafted] == [
        ("libbar.so.2", bar),
        ("libfoo.so.1", made),
    ]
    assert done.report.grafted[1].package == foo.owners["usr/lib/aarch64-linux-gnu/libfoo.so.1"]


def test_the_tag_counts_what_was_grafted(tmp_path: Path, foo: Sysroot) -> None:
    done = repaired(
        tmp_path, {_MODULE: extension(needed=("libnew.so.1",))}, "manylinux_2_31_aarch64", sysroot=foo
    )
    assert done.report.tags == ("cp311-cp311-manylinux_2_31_aarch64",)
    assert done.report.floor is not None
    assert done.report.floor.path.startswith("demo.libs/libnew-")


def test_a_graft_that_is_newer_than_the_target_says_whose_it_is(tmp_path: Path, foo: Sysroot) -> None:
    newer = replace(foo, floor=(2, 36), detail="Debian bookworm arm64: libnew-dev 0.9")
    with pytest.raises(BuildError) as caught:
        repaired(tmp_path, {_MODULE: extension(needed=("libnew.so.1",))}, sysroot=newer)
    error = caught.value
    assert error.code == "E-BUILD-FLOOR"
    assert "needs GLIBC_2.31 (pthread_x) of libc.so.6" in error.places[0]
    assert error.places[1] == (
        "that is libnew.so.1 of libnew1 1:0.9-2+deb11u1 (Debian bookworm arm64: libnew-dev 0.9, built on glibc 2.36)"
    )
    assert '`release = "bullseye"`' in (error.hint or "")


@pytest.mark.parametrize(
    "needed", ["libz.so.1", "libc.so.6", "ld-linux-aarch64.so.1", "libstdc++.so.6", "libcuda.so.1"]
)
def test_what_the_target_promises_stays_outside(tmp_path: Path, foo: Sysroot, needed: str) -> None:
    done = repaired(tmp_path, {_MODULE: extension(needed=(needed,))}, sysroot=foo)
    assert _libs(done) == []
    assert _facts(members(done)[_MODULE]).needed == (needed,)


def test_a_promised_library_in_too_new_a_version_comes_along(tmp_path: Path, foo: Sysroot) -> None:
    content = extension(versions={"libz.so.1": {"ZLIB_1.2.12": ("crc32_combine_gen",)}})
    done = repaired(tmp_path, {_MODULE: content}, sysroot=foo)
    assert done.report.tags == ("cp311-cp311-manylinux_2_17_aarch64",)
    assert [one.soname for one in done.report.grafted] == ["libz.so.1"]


@pytest.mark.parametrize(
    ("needed", "place"),
    [
        ("libgomp.so.1", f"{_MODULE} needs libgomp.so.1 (Debian's libgomp1)"),
        ("libalone.so.1", "libalone.so.1 of libalone1 1:0.9-2+deb11u1 needs libnowhere.so.1"),
        ("libother.so.1", f"{_MODULE} needs libother.so.1"),
    ],
)
def test_a_library_that_is_nowhere_is_named(tmp_path: Path, foo: Sysroot, needed: str, place: str) -> None:
    with pytest.raises(BuildError) as caught:
        repaired(tmp_path, {_MODULE: extension(needed=(needed,))}, sysroot=foo)
    assert caught.value.code == "E-BUILD-LIBRARY"
    assert caught.value.places == (place,)
    assert "Debian bullseye" in caught.value.message


def test_without_a_sysroot_nothing_of_the_host_is_taken(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        repaired(tmp_path, {_MODULE: extension(needed=("libffi.so.8",))})
    assert caught.value.code == "E-BUILD-LIBRARY"
    assert '`libraries = ["libffi8"]`' in (caught.value.hint or "")


def test_a_link_that_leads_out_of_the_sysroot_is_no_library(tmp_path: Path, foo: Sysroot) -> None:
    outside = tmp_path / "libout.so.1"
    outside.write_bytes(elf(soname="libout.so.1"))
    (foo.directory / "usr/lib/libout.so.1").symlink_to(outside)
    (foo.directory / "usr/lib/libup.so.1").symlink_to("../../../libout.so.1")
    for name in ("libout.so.1", "libup.so.1"):
        with pytest.raises(BuildError, match="not promised"):
            repaired(tmp_path, {_MODULE: extension(needed=(name,))}, sysroot=foo)


def test_absolute_links_start_at_the_sysroot_and_deep_directories_are_searched(
    tmp_path: Path, foo: Sysroot
) -> None:
    deep = foo.directory / "usr/lib/aarch64-linux-gnu/blas"
    deep.mkdir()
    (deep / "libblas.so.3").symlink_to("/usr/lib/aarch64-linux-gnu/libbar.so.2")
    done = repaired(tmp_path, {_MODULE: extension(needed=("libblas.so.3",))}, sysroot=foo)
    assert [one.soname for one in done.report.grafted] == ["libblas.so.3"]


# Where libraries are looked for


def test_the_wheels_own_library_is_found_though_its_search_path_named_the_build(tmp_path: Path) -> None:
    files = {
        "demo/_ext/x.so": extension(name="x", needed=("libown.so.1",), runpath="/build/work/lib"),
        "demo/lib/libown.so.1": elf(soname="libown.so.1"),
    }
    done = repaired(tmp_path, files, forbidden=("/build/work",))
    assert _facts(members(done)["demo/_ext/x.so"]).rpath == ("$ORIGIN/../lib",)
    assert done.report.grafted == ()


def test_a_library_needed_by_its_path_is_needed_by_its_name(tmp_path: Path, foo: Sysroot) -> None:
    files = {
        _MODULE: extension(needed=("/build/work/libfoo.so.1", "build/libown.so")),
        "demo/libown.so": elf(),
    }
    done = repaired(tmp_path, files, sysroot=foo, forbidden=("/build/work/nothing",))
    image = _facts(members(done)[_MODULE])
    assert image.needed == (done.report.grafted[1].path.removeprefix("demo.libs/"), "libown.so")
    assert image.rpath == ("$ORIGIN", "$ORIGIN/../demo.libs")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("$ORIGIN", ("$ORIGIN",)),
        ("$ORIGIN/../other/lib", ("$ORIGIN/../other/lib",)),
        ("${ORIGIN}/lib:/usr/lib:.:lib:$ORIGIN/../../outside", ("${ORIGIN}/lib",)),
        ("/sysroot/usr/lib", ()),
    ],
)
def test_search_paths_begin_at_the_file_and_stay_in_the_installation(
    tmp_path: Path, before: str, after: tuple[str, ...]
) -> None:
    done = repaired(tmp_path, {_MODULE: extension(runpath=before)})
    assert _facts(members(done)[_MODULE]).rpath == after


def test_a_file_that_needs_no_change_keeps_its_bytes(tmp_path: Path) -> None:
    content = extension(versions=_GLIBC, runpath="$ORIGIN/lib")
    assert members(repaired(tmp_path, {_MODULE: content}))[_MODULE] == content


def test_a_library_of_another_package_stays_its_own(tmp_path: Path, foo: Sysroot) -> None:
    content = extension(needed=("libtorch.so", "libpart.so"), runpath="$ORIGIN/../other/lib")
    done = repaired(tmp_path, {_MODULE: content}, sysroot=foo)
    assert members(done)[_MODULE] == content
    assert {one.code for one in done.report.findings} == {"E-FIT-BESIDE"}


def test_libpython_is_taken_out_of_a_module(tmp_path: Path) -> None:
    content = extension(needed=("libpython3.11.so.1.0",), versions=_GLIBC)
    done = repaired(tmp_path, {_MODULE: content})
    assert _facts(members(done)[_MODULE]).needed == ("libc.so.6",)
    assert [one.code for one in done.report.findings] == ["E-FIT-LIBPYTHON"]


def test_programs_among_the_scripts_are_started_from_beside_their_libraries(
    tmp_path: Path, foo: Sysroot
) -> None:
    tool = "demo-1.0.data/scripts/tool"
    done = repaired(tmp_path, {_MODULE: extension(), tool: elf(needed=("libbar.so.2",))}, sysroot=foo)
    found = members(done)
    assert found[tool].startswith(b"#!python\n")
    compile(found[tool], "tool", "exec")
    assert b"'demo.scripts/tool'" in found[tool]
    assert _facts(found["demo.scripts/tool"]).rpath == ("$ORIGIN/../demo.libs",)


def test_files_below_the_prefix_have_their_own_copies(tmp_path: Path, foo: Sysroot) -> None:
    place = "demo-1.0.data/data/lib/plugin.so"
    done = repaired(tmp_path, {_MODULE: extension(), place: elf(needed=("libbar.so.2",))}, sysroot=foo)
    assert _facts(members(done)[place]).rpath == ("$ORIGIN/../demo.libs",)
    assert [one.path.rpartition("/")[0] for one in done.report.grafted] == ["demo-1.0.data/data/demo.libs"]


def test_platlib_in_the_data_directory_lies_beside_the_rest(tmp_path: Path, foo: Sysroot) -> None:
    place = "demo-1.0.data/platlib/demo/n.so"
    done = repaired(tmp_path, {place: extension(name="n", needed=("libbar.so.2",))}, sysroot=foo)
    assert [one.path.rpartition("/")[0] for one in done.report.grafted] == ["demo.libs"]
    assert _facts(members(done)[place]).rpath == ("$ORIGIN/../demo.libs",)


# Licences and bills


@pytest.mark.parametrize(("version", "named"), [("2.1", False), ("2.4", True)])
def test_licences_come_along_and_are_named_where_metadata_can(
    tmp_path: Path, foo: Sysroot, version: str, named: bool
) -> None:
    files = {_MODULE: extension(needed=("libfoo.so.1",))}
    wheel = make_wheel(
        tmp_path,
        tag="cp311-cp311-linux_aarch64",
        files=files,
        extra_metadata="License-File: LICENSE\n\nbody\n\nmore\n",
    )
    with zipfile.ZipFile(wheel) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    name = "demo-1.0.dist-info/METADATA"
    old[name] = old[name].replace(b"Metadata-Version: 2.1", f"Metadata-Version: {version}".encode())
    from tests.support.wheels import make_record, zip_bytes

    old["demo-1.0.dist-info/licenses/LICENSE"] = b"free"
    old["demo-1.0.dist-info/RECORD"] = make_record(old, "demo-1.0.dist-info")
    wheel.write_bytes(zip_bytes(old))
    found = members(repair(wheel, job(sysroot=foo)))
    for package in ("libfoo1", "libbar2"):
        place = f"demo-1.0.dist-info/licenses/grafted/{package}/copyright"
        assert found[place] == f"{package} is free.\n".encode()
    message = message_from_bytes(found[name])
    extra = ["grafted/libbar2/copyright", "grafted/libfoo1/copyright"] if named else []
    assert message.get_all("License-File") == ["LICENSE", *extra]
    assert message.get_payload() == "body\n\nmore\n"


def test_licences_that_a_copyright_file_only_refers_to_come_along(tmp_path: Path, foo: Sysroot) -> None:
    text = (
        b"See `/usr/share/common-licenses/LGPL-2.1'.\nAlso /usr/share/common-licenses/GPL.\n"
        b"And /usr/share/common-licenses/Unheard-1.\n"
    )
    (foo.directory / "usr/share/doc/libbar2/copyright").write_bytes(text)
    done = repaired(tmp_path / "w", {_MODULE: extension(needed=("libbar.so.2",))}, sysroot=foo)
    place = "demo-1.0.dist-info/licenses/grafted/common-licenses/"
    found = {name.removeprefix(place): text for name, text in members(done).items() if name.startswith(place)}
    assert set(found) == {"LGPL-2.1", "GPL-3"}
    assert b"GNU LESSER GENERAL PUBLIC LICENSE" in found["LGPL-2.1"]
    assert [(one.code, "Unheard-1" in one.message) for one in done.report.findings] == [
        ("E-BUILD-LICENCE", True)
    ]


def test_the_bill_of_what_was_grafted_follows_the_schema(tmp_path: Path, foo: Sysroot) -> None:
    done = repaired(tmp_path, {_MODULE: extension(needed=("libfoo.so.1",))}, sysroot=foo)
    text = members(done)["demo-1.0.dist-info/sboms/crossdock.cdx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert [one["purl"] for one in bill["components"]] == [
        f"pkg:deb/debian/{name}@1%3A0.9-2%2Bdeb11u1?arch=arm64&distro=bullseye"
        for name in ("libbar2", "libfoo1")
    ]
    files = [one["properties"][0]["value"] for one in bill["components"]]
    assert files == [one.path for one in done.report.grafted]


def test_a_directory_that_somebody_gave_has_no_packages(tmp_path: Path, foo: Sysroot) -> None:
    given = replace(foo, packages=(), owners={}, detail="a directory given", floor=None)
    done = repaired(tmp_path, {_MODULE: extension(needed=("libbar.so.2",))}, sysroot=given)
    text = members(done)["demo-1.0.dist-info/sboms/crossdock.cdx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert json.loads(text)["components"][0]["name"] == "libbar.so.2"
    assert [one.code for one in done.report.findings] == ["E-BUILD-LICENCE"]


# All CPUs


@pytest.mark.parametrize("cpu", ["x86_64", "i686", "armv7l", "ppc64le", "s390x", "riscv64"])
def test_other_cpus_are_written_in_their_own_order(tmp_path: Path, cpu: str) -> None:
    place = tmp_path / "sysroot" / "usr" / "lib"
    place.mkdir(parents=True)
    (place / "libfoo.so.1").write_bytes(elf(cpu, soname="libfoo.so.1"))
    given = Sysroot(directory=tmp_path / "sysroot", triplet="none", detail="a directory given", digest="0")
    content = extension(cpu, versions={"libfoo.so.1": {"FOO_1": ("foo",)}})
    done = repaired(
        tmp_path,
        {"demo/m.so": content},
        f"manylinux_2_31_{cpu}",
        tag=f"cp311-cp311-linux_{cpu}",
        sysroot=given,
    )
    made = done.report.grafted[0].path
    image = _facts(members(done)["demo/m.so"])
    assert image.machine == cpu
    assert (image.needed, image.rpath) == ((made.removeprefix("demo.libs/"),), ("$ORIGIN/../demo.libs",))
    assert [need.library for need in image.versions] == list(image.needed)
    assert _facts(members(done)[made]).soname == made.removeprefix("demo.libs/")


# The real thing

_SOURCE = """
#include <Python.h>
int foo(void);
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(foo()); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "m", 0, -1, methods};
PyMODINIT_FUNC PyInit_m(void) { return PyModule_Create(&module); }
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only on Linux: it loads what was built for it"
)
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed (dev/setup installs it)")
def test_what_was_grafted_loads_where_the_sysroot_is_gone(tmp_path: Path) -> None:
    place = tmp_path / "sysroot" / "usr" / "lib"
    place.mkdir(parents=True)

    def build(name: str, text: str, *arguments: str) -> None:
        (tmp_path / "x.c").write_text(text)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", name, "x.c", *arguments], cwd=tmp_path, check=True)

    build("sysroot/usr/lib/libbar.so.2", "int bar(void) { return 41; }", "-Wl,-soname,libbar.so.2")
    needs_bar = ("-Wl,-soname,libfoo.so.1", "sysroot/usr/lib/libbar.so.2")
    build("sysroot/usr/lib/libfoo.so.1", "int bar(void); int foo(void) { return bar() + 1; }", *needs_bar)
    rpath = f"-Wl,-rpath,{place}"
    build("m.so", _SOURCE, f"-I{sysconfig.get_path('include')}", "sysroot/usr/lib/libfoo.so.1", rpath)
    given = Sysroot(directory=tmp_path / "sysroot", triplet="none", detail="a directory given", digest="0")
    cpu = platform.machine()
    done = repaired(
        tmp_path / "wheel",
        {"demo/m.so": (tmp_path / "m.so").read_bytes(), "demo/__init__.py": ""},
        target(f"manylinux_2_45_{cpu}", minor=sys.version_info.minor),
        tag=f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}-linux_{cpu}",
        sysroot=given,
        forbidden=(str(tmp_path),),
    )
    shutil.rmtree(tmp_path / "sysroot")
    installed = tmp_path / "installed"
    for name, content in members(done).items():
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_bytes(content)
    code = "import demo.m; print(demo.m.answer())"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=installed, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "42\n"


@pytest.mark.emulation
@pytest.mark.parametrize("module", ["_sqlite3", "_ssl", "_lzma"])
def test_debians_own_libraries_load_from_the_wheel_on_the_targets_cpu(tmp_path: Path, module: str) -> None:
    foreign = require_foreign_python("arm64")
    minor = foreign.version[1]
    suffix = f".cpython-3{minor}-aarch64-linux-gnu.so"
    content = (foreign.root / f"usr/lib/python3.{minor}/lib-dynload/{module}{suffix}").read_bytes()
    package = SystemPackage(name="libother1", version="1", architecture="arm64")
    given = Sysroot(
        directory=foreign.root,
        triplet="aarch64-linux-gnu",
        detail="Debian",
        digest="0",
        owners=dict.fromkeys(("usr/lib/aarch64-linux-gnu/liblzma.so.5",), package),
    )
    done = repaired(
        tmp_path / "wheel",
        {f"demo/{module}{suffix}": content, "demo/__init__.py": ""},
        target("manylinux_2_45_aarch64", minor=minor),
        tag=f"cp3{minor}-cp3{minor}-linux_aarch64",
        sysroot=given,
    )
    assert done.report.grafted
    installed = tmp_path / "installed"
    for name, data in members(done).items():
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_bytes(data)
    code = (
        f"import demo.{module}\n"
        "print(*sorted({line.split()[-1].rpartition('/')[2] for line in open('/proc/self/maps') if 'demo.libs' in line}))"
    )
    ran = foreign.run("-c", code, path=installed)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == sorted(one.path.rpartition("/")[2] for one in done.report.grafted)
