"""What a base brings: its libraries as its loader finds them, its Pythons, its users, its links."""

from __future__ import annotations

import platform as host
import re
import shutil
import struct
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.inspect.builders import facts as binary_facts
from tests.inspect.builders import file, linux
from tests.support.layouts import MadeLayout, layer, shared_library, tar_of
from tests.support.wheels import wheel_files

from crossdock.contents.base import BaseFacts, base_facts, facts_from_json, facts_to_json, python_for
from crossdock.contents.image import read_image_from
from crossdock.contents.python import Interpreter
from crossdock.contents.read import read_contents
from crossdock.contents.verify import verify
from crossdock.errors import ImageError
from crossdock.inspect.audit import audit
from crossdock.inspect.facts import Format, VersionNeed
from crossdock.inspect.policy import BaseLibraries
from crossdock.inspect.shipment import machines_for
from crossdock.store import Store
from crossdock.target.model import Arch, Libc, LibcKind, Python
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.layouts import Content

ARCH = Arch(host.machine())
OCI = WORDS[ARCH].oci
HERE = {"os": "linux", "architecture": OCI}
MULTIARCH = f"{ARCH.value}-linux-gnu"


@cache
def library(soname: str, *versions: str, strings: tuple[str, ...] = ()) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return shared_library(Path(folder), soname, versions=versions, strings=strings)


@cache
def real(name: str) -> Path:
    """A library or program of this machine, links followed."""
    said = subprocess.run(
        ["cc", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    ).stdout
    return Path(said.strip()).resolve()


LIBC = ("libc.so.6", "GLIBC_2.17", "GLIBC_2.31", "GLIBC_PRIVATE")
STDCXX = ("libstdc++.so.6", "GLIBCXX_3.4.29", "CXXABI_1.3.13")


def base(*layers: Mapping[str, Content], env: tuple[str, ...] = (), **config: Any) -> BaseFacts:
    value = {**HERE, "config": {"Env": list(env)}, **config}
    return base_facts([layer(one) for one in layers], value, name="debian:bookworm")


def glibc(where: str = f"usr/lib/{MULTIARCH}") -> dict[str, Content]:
    return {
        "lib": "-> usr/lib",
        f"{where}/libc.so.6": library(*LIBC),
        f"{where}/libstdc++.so.6": library(*STDCXX),
    }


def test_libraries_come_with_the_versions_they_define() -> None:
    found = base(glibc(), {"etc/os-release": b'NAME="x"\nID=debian\nVERSION_ID="12"\n'})
    assert found.libraries.sonames == {"libc.so.6", "libstdc++.so.6"}
    assert found.libraries.versions["libstdc++.so.6"] == {"libstdc++.so.6", "GLIBCXX_3.4.29", "CXXABI_1.3.13"}
    assert (found.libc, found.distribution) == (Libc(LibcKind.GLIBC, 2, 31), "debian")
    assert found.libraries.exact
    assert found.libraries.read


def test_a_loader_s_own_list_of_directories_counts() -> None:
    loader = library("ld-linux.so.2", strings=("/lib64/\0/usr/lib64/\0", "rest"))
    parts: dict[str, Content] = {**glibc("usr/lib64"), "usr/lib64/ld-linux.so.2": loader}
    assert base(parts).libraries.sonames == {"libc.so.6", "libstdc++.so.6", "ld-linux.so.2"}
    # What lies in Debian's places is found by Debian's loader only.
    assert base({**glibc(), "usr/lib64/ld-linux.so.2": loader}).libraries.sonames == {"ld-linux.so.2"}


def test_the_real_loader_and_libraries_of_this_machine_are_understood() -> None:
    loader, libc, stdcxx = map(real, ("ld-linux-x86-64.so.2", "libc.so.6", "libstdc++.so.6"))
    if ARCH is Arch.AARCH64:
        loader = real("ld-linux-aarch64.so.1")
    where = f"usr/lib/{MULTIARCH}" if MULTIARCH in str(libc) else "usr/lib64"
    found = base(
        {
            f"usr/lib/{loader.name}": loader.read_bytes(),
            f"{where}/libc.so.6": libc.read_bytes(),
            f"{where}/{stdcxx.name}": stdcxx.read_bytes(),
            f"{where}/libstdc++.so.6": f"-> {stdcxx.name}",
            "lib": "-> usr/lib",
            "usr/lib/ld-linux.so.2": f"-> {loader.name}",
        }
    )
    assert str(found.libc) == "glibc" + host.libc_ver()[1]
    strings = set(re.findall(rb"GLIBCXX_[0-9.]+(?=\0)", stdcxx.read_bytes()))
    assert {name.encode() for name in found.libraries.versions["libstdc++.so.6"]} >= strings


def cache_of(*rows: tuple[str, str, int]) -> bytes:
    """An ld.so.cache as glibc since 2.32 writes it (sysdeps/generic/dl-cache.h)."""
    names, entries = b"", b""
    at = 48 + 24 * len(rows)
    for name, path, hwcap in rows:
        key, value = at + len(names), at + len(names) + len(name) + 1
        names += f"{name}\0{path}\0".encode()
        entries += struct.pack("<IIIIQ", 0x303, key, value, 0, hwcap)
    head = b"glibc-ld.so.cache1.1" + struct.pack("<IIB", len(rows), len(names), 2)
    return head.ljust(48, b"\0") + entries + names


def test_the_cache_leads_to_other_directories_and_ld_so_conf_does_not() -> None:
    extra: dict[str, Content] = {
        "opt/x/libx.so.1": library("libx.so.1"), "opt/fast/libf.so.1": library("libf.so.1"),
        "opt/y/liby.so.1": library("liby.so.1"), "etc/ld.so.conf": b"/opt/y\n",
    }  # fmt: skip
    assert "libx.so.1" not in base(glibc(), extra).libraries.sonames
    cached = cache_of(
        ("libx.so.1", "/opt/x/libx.so.1", 0),
        ("libf.so.1", "/opt/fast/libf.so.1", 1 << 62),
        ("libgone.so.1", "/opt/gone.so", 0),
        ("libtext.so.1", "/etc/ld.so.conf", 0),
    )
    found = base(glibc(), extra, {"etc/ld.so.cache": cached}).libraries.sonames
    assert found == {"libc.so.6", "libstdc++.so.6", "libx.so.1"}
    old = b"ld.so-1.7.0\0\0\0\0\0" + cached
    assert "libx.so.1" in base(glibc(), extra, {"etc/ld.so.cache": old}).libraries.sonames
    for broken in (cached[:60], cached[:30], cached[:20] + b"\xff" * 8 + cached[28:], b""):
        assert base(glibc(), extra, {"etc/ld.so.cache": broken}).libc == Libc(LibcKind.GLIBC, 2, 31)


def test_the_real_ldconfig_is_understood(tmp_path: Path) -> None:
    parts = {"opt/x/libx.so.1": library("libx.so.1")}
    (tmp_path / "opt/x").mkdir(parents=True)
    (tmp_path / "opt/x/libx.so.1").write_bytes(parts["opt/x/libx.so.1"])
    ldconfig = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert ldconfig
    subprocess.run(
        [ldconfig, "-C", tmp_path / "cache", "-f", "/dev/null", "-X", tmp_path / "opt/x"],
        check=True, capture_output=True,
    )  # fmt: skip
    where = str(tmp_path / "opt/x/libx.so.1").lstrip("/")
    found = base(
        glibc(), {where: parts["opt/x/libx.so.1"], "etc/ld.so.cache": (tmp_path / "cache").read_bytes()}
    )
    assert "libx.so.1" in found.libraries.sonames


def test_ld_library_path_comes_first_and_other_machines_libraries_do_not_count() -> None:
    foreign = bytearray(library("libz.so.1"))
    foreign[18:20] = (0x15).to_bytes(2, "little")  # ppc64
    parts: dict[str, Content] = {
        "opt/libc.so.6": library("libc.so.6", "GLIBC_2.40"),
        f"usr/lib/{MULTIARCH}/libz.so.1": bytes(foreign),
        f"usr/lib/{MULTIARCH}/libtext.so": b"INPUT(libtext.so.1)",
        f"usr/lib/{MULTIARCH}/libdead.so.1": "-> gone",
    }
    found = base(glibc(), parts, env=("LD_LIBRARY_PATH=/opt:relative:",))
    assert found.libraries.sonames == {"libc.so.6", "libstdc++.so.6"}
    assert found.libc == Libc(LibcKind.GLIBC, 2, 40)


def musl() -> dict[str, Content]:
    loader = library("libc.musl.so.1", strings=("musl libc (x)\nVersion", "\x001.2.5"))
    return {f"lib/ld-musl-{ARCH.value}.so.1": loader, "usr/lib/libz.so.1": library("libz.so.1")}


def test_musl_looks_in_its_own_places() -> None:
    found = base(musl(), {"opt/libx.so": library("libx.so")})
    assert found.libc == Libc(LibcKind.MUSL, 1, 2)
    assert found.libraries.sonames == {f"ld-musl-{ARCH.value}.so.1", "libz.so.1"}
    listed = {f"etc/ld-musl-{ARCH.value}.path": b"/opt:/lib\n/usr/x\n"}
    assert "libx.so" in base(musl(), {"opt/libx.so": library("libx.so")}, listed).libraries.sonames


def test_an_image_with_nothing_in_it_has_nothing() -> None:
    found = base()
    assert (found.libc, found.interpreters, found.libraries.sonames) == (None, (), frozenset())
    with pytest.raises(ImageError) as caught:
        python_for(found, linux(ARCH))
    assert caught.value.code == "E-IMAGE-NO-PYTHON"


@cache
def python_program() -> bytes:
    """A small program of this machine."""
    return Path(shutil.which("true") or "/bin/true").read_bytes()


def test_pythons_are_found_along_the_path_through_links() -> None:
    found = base(
        {
            "bin": "-> usr/bin",
            "usr/bin/python3": "-> python3.11",
            "usr/bin/python3.11": python_program(),
            "usr/bin/python3-config": b"#!/bin/sh\n",
            "usr/local/bin/python3": "-> ../../../opt/py/bin/python",
            "opt/py/bin/python": python_program(),
            "opt/py/lib/python3.13t/os.py": b"",
            "usr/local/bin/python": b"#!/bin/sh\n",
            "srv/python3.9": python_program(),
        },
        env=("PATH=/usr/local/bin:relative:/bin:/usr/bin:/nowhere",),
    )
    assert [(one.path, one.home, one.minor, one.free_threaded) for one in found.interpreters] == [
        ("/opt/py/bin/python", "/opt/py/bin", 13, True),
        ("/usr/bin/python3.11", "/usr/bin", 11, False),
    ]
    assert python_for(found, linux(ARCH, python=Python(minor=11))).path == "/usr/bin/python3.11"
    assert python_for(found, linux(ARCH, python=Python(minor=13, free_threaded=True))).home == "/opt/py/bin"
    for wanted in (Python(minor=13), Python(minor=12), Python(minor=11, free_threaded=True)):
        with pytest.raises(ImageError) as caught:
            python_for(found, linux(ARCH, python=wanted))
        assert caught.value.code == "E-IMAGE-PYTHON-MINOR"
        assert "3.13t, 3.11" in caught.value.message
        assert caught.value.hint is not None
        assert "--python 3.13" in caught.value.hint
    with pytest.raises(ImageError) as caught:
        python_for(found, linux(Arch.S390X, python=Python(minor=11)))
    assert caught.value.code == "E-IMAGE-PYTHON-MACHINE"


def test_a_python_without_a_version_anywhere_is_none() -> None:
    two = {"usr/lib/python3.11/os.py": b"", "usr/lib/python3.12/os.py": b""}
    assert base({"usr/bin/python3": python_program(), **two}).interpreters == ()
    assert base({"usr/bin/python3": python_program()}).interpreters == ()
    assert base({"usr/bin/python3": "-> python3"}).interpreters == ()


def test_links_to_directories_are_in_the_way_of_files_below_them() -> None:
    found = base({"usr/lib/x": b"", "lib": "-> usr/lib", "opt": "-> gone", "etc/f": "-> ../usr/lib/x"})
    assert found.links == {"/lib": "/usr/lib", "/opt": ""}
    assert found.link_on("/opt/app") == "/opt"
    assert found.link_on("/lib") == "/lib"
    assert found.link_on("/app/lib") is found.link_on("/etc/f") is None


def test_users_and_groups_are_read() -> None:
    users = (
        b"root:x:0:0:root:/root:/bin/bash\nbroken\napp:x:1000:1001::/home/app:\nodd:x:"
        + b"9" * 5000
        + b":0:::\n"
    )
    found = base({"etc/passwd": users, "etc/group": b"root:x:0:\nstaff:x:50:app\nbad:x:\xff:\n"})
    assert {name: (one.uid, one.gid, one.home) for name, one in found.users.items()} == {
        "root": (0, 0, "/root"),
        "app": (1000, 1001, "/home/app"),
    }
    assert found.groups == {"root": 0, "staff": 50}


def test_the_second_run_reads_no_layer(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", warn=pytest.fail)
    layers = [
        layer({**glibc(), "etc/passwd": b"root:x:0:0::/root:\n", "usr/bin/python3.11": python_program()})
    ]
    first = base_facts(layers, HERE, name="a", store=store)

    class Never:
        def chunks(self, start: int = 0) -> Any:
            raise AssertionError(f"a layer was read again from {start}")

    again = [(descriptor, diff_id, Never()) for descriptor, diff_id, _ in layers]
    assert base_facts(again, HERE, name="a", store=store) == first
    # Another environment is another question, whose answer needs no layer either.
    other = base_facts(again, {**HERE, "config": {"Env": ["PATH=/nowhere"]}}, name="b", store=store)
    assert (other.interpreters, other.libraries.name) == ((), "b")


# The audit against a base


def needs(library_name: str, version: str, symbol: str = "f") -> Any:
    return module_needing(
        (library_name,), (VersionNeed(library=library_name, version=version, symbol=symbol),)
    )


def module_needing(names: tuple[str, ...], versions: tuple[VersionNeed, ...] = ()) -> Any:
    binary = binary_facts(
        Format.ELF, "x86_64", needed=names, versions=versions, python_modules=("m",), uses_python=True
    )
    return file("p/m.so", binary)


BOOKWORM = BaseLibraries(
    name="debian:bookworm",
    sonames=frozenset({"libc.so.6", "libz.so.1", "libplain.so.1"}),
    exact=True,
    read=True,
    versions={
        "libc.so.6": frozenset({"GLIBC_2.17", "GLIBC_2.36", "GLIBC_ABI_DT_RELR"}),
        "libz.so.1": frozenset({"ZLIB_1.2.9"}),
    },
    distribution="debian",
)


@pytest.mark.parametrize(
    ("library_name", "version"),
    [("libc.so.6", "GLIBC_2.36"), ("libc.so.6", "GLIBC_ABI_DT_RELR"), ("libplain.so.1", "ANY_9.9")],
)
def test_what_the_base_defines_is_there_whatever_the_target_s_floor_says(
    library_name: str, version: str
) -> None:
    assert audit([needs(library_name, version)], linux(), base=BOOKWORM) == ()


def test_a_base_that_is_too_old_is_named() -> None:
    (finding,) = audit([needs("libc.so.6", "GLIBC_2.38")], linux(), base=BOOKWORM)
    assert (finding.code, finding.message) == (
        "E-FIT-VERSION",
        "needs GLIBC_2.38 (f) of libc.so.6, debian:bookworm has 2.36",
    )
    (finding,) = audit([needs("libz.so.1", "ZLIB_1.3", "")], linux(), base=BOOKWORM)
    assert finding.message == "needs ZLIB_1.3 of libz.so.1, debian:bookworm has 1.2.9"
    (finding,) = audit([needs("libc.so.6", "GLIBC_ABI_GNU2_TLS", "")], linux(), base=BOOKWORM)
    assert finding.message.endswith("debian:bookworm has none such")


def test_a_library_that_the_base_lacks_is_named_with_its_package() -> None:
    (finding,) = audit([needs("libstdc++.so.6", "GLIBCXX_3.4.20")], linux(), base=BOOKWORM)
    assert finding.message == "needs libstdc++.so.6, which is neither shipped nor in debian:bookworm"
    assert "libstdc++6" in finding.hint
    (finding,) = audit([module_needing(("libodd.so.1",))], linux(), base=BOOKWORM)
    assert finding.hint == "take a base that has the library"


def test_a_base_of_musl_has_no_libc_of_glibc() -> None:
    alpine = BaseLibraries(name="alpine", sonames=frozenset({"libz.so.1"}), exact=True, read=True)
    (finding,) = audit([module_needing(("libc.so.6",))], linux(), base=alpine)
    assert finding.message == "needs libc.so.6, which is neither shipped nor in alpine"


def test_a_base_of_glibc_has_no_musl() -> None:
    """Wheels of musl were once said to fit a base of Debian's."""
    debian = BaseLibraries(
        name="debian", sonames=frozenset({"libc.so.6", "libz.so.1"}), exact=True, read=True
    )
    alpine = BaseLibraries(
        name="alpine", sonames=frozenset({f"ld-musl-{ARCH.value}.so.1"}), exact=True, read=True
    )
    needing = [module_needing((f"libc.musl-{ARCH.value}.so.1",))]
    target = replace(linux(), libc=Libc(LibcKind.MUSL, 1, 2))
    (finding,) = audit(needing, target, base=debian)
    assert finding.code == "E-FIT-LIBRARY"
    assert audit(needing, target, base=alpine) == ()
    assert audit(needing, target, base=None) == ()


@pytest.mark.parametrize(("libc", "told"), [("musl", "glibc"), ("glibc", "musl")])
def test_a_python_of_another_c_library_is_refused(libc: str, told: str) -> None:
    python = Interpreter(
        path="/usr/bin/python3.12",
        home="/usr/bin",
        minor=12,
        free_threaded=False,
        machine=next(iter(machines_for(linux()))),
        libc=told,
    )
    facts = replace(base({}), interpreters=(python,))
    target = replace(linux(), libc=Libc(LibcKind(libc), 1, 2), python=replace(linux().python, minor=12))
    with pytest.raises(ImageError, match=f"built for {told}") as caught:
        python_for(facts, target)
    assert caught.value.code == "E-IMAGE-PYTHON-LIBC"
    assert python_for(replace(facts, interpreters=(replace(python, libc=libc),)), target).libc == libc


def test_without_a_base_the_target_s_floor_decides_as_before() -> None:
    (finding,) = audit([needs("libc.so.6", "GLIBC_2.99")], linux(), base=None)
    assert finding.message.startswith("needs GLIBC_2.99 (f), the target has ")


# Whole images


def image_with_package(directory: Path, *, extension: bytes, libraries: Mapping[str, Content]) -> MadeLayout:
    site = "usr/lib/python3/dist-packages"
    files = wheel_files(tag="py3-none-any", files={"demo/_x.so": extension})
    made = MadeLayout()
    raw = tar_of({**{f"{site}/{name}": data for name, data in files.items()}, **libraries}.items())
    made.listed(made.image(f"linux/{OCI}", raw, tag="v1"))
    made.write(directory)
    return made


def test_an_image_is_judged_by_what_its_own_loader_finds(tmp_path: Path) -> None:
    folder = tmp_path / "cc"
    shared_library(folder, "libx.so.1", versions=("X_1.0", "X_2.0"))
    extension = shared_library(folder, "_x.so", needs=(folder / "libx.so.1",), calls=("libx_X_2_0",))
    older = library("libx.so.1", "X_1.0")
    places = {
        f"usr/lib/{MULTIARCH}/libx.so.1": ((folder / "libx.so.1").read_bytes(), []),
        f"usr/lib/{MULTIARCH}/libx.so.1 ": (b"", ["E-FIT-LIBRARY"]),
        "opt/lib/libx.so.1": ((folder / "libx.so.1").read_bytes(), ["E-FIT-LIBRARY"]),
        f"lib/{MULTIARCH}/libx.so.1": (older, ["E-FIT-VERSION"]),
    }
    for number, (place, (content, codes)) in enumerate(places.items()):
        root = tmp_path / str(number)
        image_with_package(root, extension=extension, libraries={**glibc(), place: content})
        contents = read_contents(root, target=linux(ARCH))
        assert contents.base is not None
        verdict = verify(contents, linux(ARCH))
        assert [one.code for one in verdict.findings] == codes, place


def test_an_image_of_a_registry_is_read_like_a_layout_and_once(tmp_path: Path) -> None:
    made = image_with_package(tmp_path / "x", extension=library("_x.so"), libraries=glibc())
    store = Store.open(tmp_path / "store", warn=pytest.fail)
    first = read_image_from(made, made.entries, "registry/app:1", target=linux(ARCH), store=store)
    (big,) = [digest for digest, data in made.blobs.items() if data[:2] == b"\x1f\x8b"]
    made.blobs[big] = b""
    again = read_image_from(made, made.entries, "registry/app:1", target=linux(ARCH), store=store)
    assert again.files == first.files
    assert again.base == first.base
    assert first.name == "registry/app:1"
    assert verify(first, linux(ARCH)).distributions == 1


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        (
            "interpreters",
            [{"path": 1, "home": "/", "minor": 12, "free_threaded": False, "machine": "x86_64"}],
        ),
        (
            "interpreters",
            [{"path": "x", "home": "/", "minor": 12, "free_threaded": False, "machine": "x86_64"}],
        ),
        ("interpreters", [{"path": "/x", "home": "/", "minor": "12", "free_threaded": False, "machine": ""}]),
        ("interpreters", {"path": 1}),
        ("links", []),
        ("links", {"/a": 1}),
        ("users", {"root": [0]}),
        ("users", {"root": 1}),
        ("users", {"root": ["0", 0, "/"]}),
        ("groups", None),
        ("os_release", {"ID": 1}),
        ("libraries", "libc.so.6"),
        ("versions", {"libc.so.6": "GLIBC_2.2"}),
        ("versions", {"libc.so.6": [1]}),
        ("libc", ["glibc"]),
    ],
)
def test_facts_that_somebody_else_wrote_are_read_strictly(name: str, wrong: Any) -> None:
    """They travel beside a previous image; what is no facts must not fail somewhere behind."""
    facts = base({"etc/passwd": b"root:x:0:0::/root:/bin/sh\n"})
    told = facts_to_json(facts)
    assert facts_from_json(told, facts.name, facts.platform) == facts
    assert facts_from_json({**told, name: wrong}, facts.name, facts.platform) is None
    assert (
        facts_from_json({key: told[key] for key in told if key != name}, facts.name, facts.platform) is None
    )
