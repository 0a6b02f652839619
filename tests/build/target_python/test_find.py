"""Headers for a target are found where there are some, made where there are none, and stay what they were."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uv
from tests.build.target_python.support import (
    HERE,
    LINUX,
    MACOS,
    MUSL,
    NOW,
    has_python,
    host_python,
    needs_headers,
    offline,
    other_python,
    target,
    world,
)
from tests.support.debian import Member, SmallArchive

from crossdock.build.target_python import find_target_python
from crossdock.build.target_python.layout import prove
from crossdock.build.target_python.names import multiarch
from crossdock.build.target_python.pyconfig import read_pyconfig, with_changes
from crossdock.build.target_python.standalone import uv_key
from crossdock.build.target_python.table import debian_suites
from crossdock.errors import BuildError
from crossdock.net.debian.sources import Archive
from crossdock.net.http import Http

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.build.model import TargetPython
    from crossdock.target.model import Target

#: CPython's own sizes, by the bits of the CPU.
PATCHLEVEL = (
    f'#define PY_MAJOR_VERSION 3\n#define PY_MINOR_VERSION {HERE[2:]}\n#define PY_VERSION "{HERE}.9"\n'
)


def pyconfig(python: TargetPython) -> dict[str, str | None]:
    return read_pyconfig((python.include / "pyconfig.h").read_text("utf-8"))


def own_pyconfig_for(value: Target) -> str:
    """Return a pyconfig.h as a target of Linux has it, of a few lines."""
    small = "arm" in multiarch(value) or "i386" in multiarch(value)
    size = 4 if small else 8
    return (
        "#ifndef Py_PYCONFIG_H\n#define Py_PYCONFIG_H\n"
        + "".join(f"#define SIZEOF_{name} {size}\n" for name in ("LONG", "VOID_P", "SIZE_T"))
        + f"#define SIZEOF_LONG_DOUBLE {8 if small else 16}\n/* #undef Py_GIL_DISABLED */\n#endif\n"
    )


# The host's headers


@pytest.mark.parametrize("place", [*LINUX, *MUSL, *MACOS])
def test_headers_of_the_host_become_those_of_any_target(tmp_path: Path, place: str) -> None:
    needs_headers()
    value = target(place)
    found = find_target_python(value, world(tmp_path))
    assert found.provider == "host-headers"
    assert found.include.name == f"python{HERE}"
    assert (found.include / "cpython").is_dir()
    names = pyconfig(found)
    size = "4" if value.arch in {"armv7l", "i686"} else "8"
    assert {names[f"SIZEOF_{one}"] for one in ("LONG", "VOID_P", "SIZE_T", "UINTPTR_T")} == {size}
    assert names["WORDS_BIGENDIAN"] == ("1" if value.arch == "s390x" else None)
    assert (names["HAVE_EPOLL"] is None) == (names["HAVE_KQUEUE"] == "1") == (place in MACOS)
    assert names["HAVE_DECL_RTLD_DEEPBIND"] == ("1" if place in LINUX else "0")
    assert names["SIZEOF_TIME_T"] == ("4" if size == "4" and place in LINUX else "8")
    assert found.variables["SIZEOF_LONG"] == int(size)


def test_nothing_of_this_machine_is_in_it(tmp_path: Path) -> None:
    needs_headers()
    found = find_target_python(target("linux/arm64"), world(tmp_path))
    told = json.dumps([dict(found.variables), found.detail])
    for place in (sys.prefix, sys.base_prefix, str(Path.home()), str(tmp_path), "gcc", "x86_64-linux"):
        assert place not in told
    files = [path for path in found.directory.rglob("*") if path.is_file()]
    assert not [path for path in files if sys.base_prefix.encode() in path.read_bytes()]


def test_it_is_made_once_and_the_same_elsewhere(tmp_path: Path) -> None:
    needs_headers()
    first = world(tmp_path / "one")
    made = find_target_python(target("linux/s390x"), first)
    again = find_target_python(
        target("linux/s390x"), replace(first, python_for=lambda *_: pytest.fail("asked"))
    )
    other = find_target_python(target("linux/s390x"), world(tmp_path / "two"))
    assert again == made
    assert (other.digest, other.detail, other.variables) == (made.digest, made.detail, made.variables)
    assert prove(made.directory)
    (made.include / "Python.h").write_text("")
    assert not prove(made.directory)


def test_what_was_made_for_want_of_better_is_not_for_ever(tmp_path: Path) -> None:
    needs_headers()
    here = world(tmp_path)
    find_target_python(target("linux/arm64"), here)
    asked: list[str] = []

    def archives(suite: str) -> tuple[()]:
        asked.append(suite)
        return ()

    soon, later = (replace(here, now=NOW + seconds, archives=archives) for seconds in (600, 90_000))
    assert find_target_python(target("linux/arm64"), soon).provider == "host-headers"
    assert not asked
    assert find_target_python(target("linux/arm64"), later).provider == "host-headers"
    assert asked == list(debian_suites((3, int(HERE[2:]))))


def test_a_host_without_that_python_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        find_target_python(target("linux/arm64", "3.9" if HERE != "3.9" else "3.10"), world(tmp_path))
    assert caught.value.code == "E-BUILD-PYTHON"


def plain_python(version: tuple[int, int], free_threaded: bool) -> str:
    return other_python(version, False) if not free_threaded else host_python(version, True)


def test_free_threaded_headers_are_made_of_plain_ones(tmp_path: Path) -> None:
    if not has_python((3, 13)):
        pytest.skip("no Python 3.13 on this machine")
    found = find_target_python(target("linux/arm64", "3.13t"), world(tmp_path, python_for=plain_python))
    assert found.include.name == "python3.13t"
    assert pyconfig(found)["Py_GIL_DISABLED"] == "1"


# A directory that is given


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An installation of CPython for linux/arm64, as far as a build looks at it."""
    folder = tmp_path / "prefix"
    headers = folder / "include" / f"python{HERE}"
    (headers / "cpython").mkdir(parents=True)
    (headers / "greenlet").mkdir()
    for name in ("Python.h", "cpython/object.h", "greenlet/greenlet.h"):
        (headers / name).write_text(f"/* {name} */\n")
    (headers / "patchlevel.h").write_text(PATCHLEVEL)
    (headers / "pyconfig.h").write_text(own_pyconfig_for(target("linux/arm64")))
    (folder / "lib" / f"python{HERE}").mkdir(parents=True)
    (folder / "lib" / f"python{HERE}" / "_sysconfigdata__linux_aarch64-linux-gnu.py").write_text(
        "# system configuration generated and used by the sysconfig module\n"
        f"build_time_vars = {{'SOABI': 'cpython-3{HERE[2:]}-aarch64-linux-gnu', 'MULTIARCH': 'aarch64-linux-gnu',\n"
        "    'prefix': '/opt/python', 'CC': 'some-gcc', 'MACHDEP': 'linux'}\n"
    )
    return folder


def test_a_directory_that_is_given_is_used_before_all_else(tmp_path: Path, prefix: Path) -> None:
    found = find_target_python(target("linux/arm64"), world(tmp_path, target_python=prefix))
    assert found.provider == "given"
    files = {path.relative_to(found.include).as_posix() for path in found.include.rglob("*.h")}
    assert files == {"Python.h", "patchlevel.h", "pyconfig.h", "cpython/object.h"}
    assert found.variables["SIZEOF_LONG"] == 8
    assert "some-gcc" not in found.variables.values()
    assert str(prefix) not in found.detail


def test_a_given_directory_is_read_anew(tmp_path: Path, prefix: Path) -> None:
    here = world(tmp_path, target_python=prefix)
    before = find_target_python(target("linux/arm64"), here)
    (prefix / "include" / f"python{HERE}" / "Python.h").write_text("/* another */\n")
    after = find_target_python(target("linux/arm64"), here)
    assert before.digest != after.digest
    assert before.directory != after.directory


def test_a_root_as_debian_lays_it_out(tmp_path: Path, prefix: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    prefix.rename(root / "usr")
    headers = root / "usr" / "include"
    own = headers / "aarch64-linux-gnu" / f"python{HERE}" / "pyconfig.h"
    own.parent.mkdir(parents=True)
    shutil.move(headers / f"python{HERE}" / "pyconfig.h", own)
    (headers / f"python{HERE}" / "pyconfig.h").write_text(
        f"#if defined(__aarch64__)\n# include <aarch64-linux-gnu/python{HERE}/pyconfig.h>\n#endif\n"
    )
    found = find_target_python(target("linux/arm64"), world(tmp_path, target_python=root))
    assert pyconfig(found)["SIZEOF_LONG"] == "8"
    with pytest.raises(BuildError, match="has no `include/arm-linux-gnueabihf/"):
        find_target_python(target("linux/arm/v7"), world(tmp_path, target_python=root))


@pytest.mark.parametrize(
    ("place", "python", "expected"),
    [
        ("linux/amd64", HERE, "SOABI is cpython-"),
        ("musllinux_1_2_aarch64", "3.11", "the target's is cpython-311-aarch64-linux-musl"),
        ("linux/arm/v7", HERE, "SIZEOF_LONG is 8, the target has 4"),
        ("linux/arm64", "3.9", "has no `include/python3.9/Python.h`"),
    ],
)
def test_another_python_than_the_targets_is_refused(
    tmp_path: Path, prefix: Path, place: str, python: str, expected: str
) -> None:
    if python not in {HERE, "3.9"}:
        pytest.skip(f"no Python {python} on this machine")
    with pytest.raises(BuildError) as caught:
        find_target_python(target(place, python), world(tmp_path, target_python=prefix))
    assert caught.value.code == "E-BUILD-TARGET-PYTHON"
    assert expected in str(caught.value)


@pytest.mark.parametrize("change", [("patchlevel.h", "MINOR_VERSION 1"), ("pyconfig.h", "Py_GIL_DISABLED 1")])
def test_headers_of_another_version_or_abi_are_refused(
    tmp_path: Path, prefix: Path, change: tuple[str, str]
) -> None:
    name, line = change
    path = prefix / "include" / f"python{HERE}" / name
    key = line.split()[0] if name == "pyconfig.h" else f"PY_{line.split()[0]}"
    path.write_text(with_changes(path.read_text(), {key: line.split()[1]}))
    with pytest.raises(BuildError, match="is not the Python of the target"):
        find_target_python(target("linux/arm64"), world(tmp_path, target_python=prefix))


def test_variables_that_are_a_program_are_not_run(tmp_path: Path, prefix: Path) -> None:
    module = next(prefix.rglob("_sysconfigdata_*.py"))
    canary = tmp_path / "canary"
    module.write_text(
        f"open({str(canary)!r}, 'w')\nbuild_time_vars = dict(open({str(canary)!r}, 'w') or ())\n"
    )
    with pytest.raises(BuildError, match="not a list of Python's variables"):
        find_target_python(target("linux/arm64"), world(tmp_path, target_python=prefix))
    assert not canary.exists()


# Debian


@pytest.mark.skipif(
    HERE not in {"3.9", "3.11", "3.13", "3.14", "3.15"},
    reason=f"no Python {HERE} in Debian: no Python 3.11 on this machine",
)
@pytest.mark.parametrize("place", ["linux/arm64", "linux/arm/v7"])
def test_debians_packages_of_the_architecture(tmp_path: Path, place: str) -> None:
    value = target(place)
    triplet, debian = multiarch(value), {"linux/arm64": "arm64", "linux/arm/v7": "armhf"}[place]
    own = own_pyconfig_for(value).replace("#endif", "#define SIZEOF_TIME_T 8\n#endif")
    folder = f"usr/include/python{HERE}"
    pointer = f"# include <{triplet}/python{HERE}/pyconfig.h>\n"
    members = [
        Member(f"{folder}/Python.h", b"/* Debian's */\n"),
        Member(f"{folder}/patchlevel.h", PATCHLEVEL.encode()),
        Member(f"{folder}/pyconfig.h", pointer.encode()),
        Member(f"usr/include/{triplet}/python{HERE}/pyconfig.h", own.encode()),
    ]
    variables = (
        f"build_time_vars = {{'SOABI': 'cpython-3{HERE[2:]}-{triplet}', 'CONFIG_ARGS': '--with-lto'}}\n"
    )
    path = f"usr/lib/python{HERE}/_sysconfigdata__{triplet}.py"
    suite = debian_suites((3, int(HERE[2:])))[0]
    with SmallArchive(tmp_path / "mirror", suite=suite, architecture=debian) as mirror:
        mirror.add(f"libpython{HERE}-dev", *members)
        mirror.add(f"libpython{HERE}-minimal", Member(path, variables.encode()))
        mirror.publish()
        client = Http()
        # Of the updates there is nothing: the suite itself will do.
        archives = {suite: (mirror.archive, replace(mirror.archive, suite=f"{suite}-updates"))}
        found = find_target_python(
            value, world(tmp_path, http=lambda: client, archives=lambda name: archives.get(name, ()))
        )
        assert found.provider == "debian"
        assert found.detail == f"libpython{HERE}-dev 1 {debian}"
        assert (found.include / "Python.h").read_bytes() == b"/* Debian's */\n"
        # Debian's 32-bit ARM has a time_t that a compiler has only when told so.
        assert pyconfig(found)["SIZEOF_TIME_T"] == ("4" if debian == "armhf" else "8")
        assert "CONFIG_ARGS" not in found.variables
        # musl is another libc: Debian is not asked.
        musl = target(
            place.replace("linux/arm64", "musllinux_1_2_aarch64").replace(
                "linux/arm/v7", "musllinux_1_2_armv7l"
            )
        )
        needs_headers()
        assert find_target_python(musl, world(tmp_path, archives=pytest.fail)).provider == "host-headers"
    # What was found stays, without a mirror too.
    assert find_target_python(value, world(tmp_path)).digest == found.digest


def test_a_mirror_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    needs_headers()
    gone = Archive(mirror="http://127.0.0.1:9/debian", suite="bookworm", components=("main",))
    client = Http()
    found = find_target_python(
        target("linux/arm64"), world(tmp_path, http=lambda: client, archives=lambda _suite: (gone, gone))
    )
    assert found.provider == "host-headers"


# python-build-standalone


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def catalogue(folder: Path, prefix: Path, url: str) -> str:
    """Write an archive as uv unpacks it, and the list in which uv finds it; return that list's URL."""
    (prefix / "bin").mkdir(exist_ok=True)
    for name in ("python3", f"python{HERE}"):
        (prefix / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (prefix / "bin" / name).chmod(0o755)
    with tarfile.open(folder / "python.tar.gz", "w:gz") as archive:
        archive.add(prefix, "python")
    digest = hashlib.sha256((folder / "python.tar.gz").read_bytes()).hexdigest()
    entry: dict[str, Any] = {
        "name": "cpython", "arch": {"family": "aarch64", "variant": None}, "os": "linux", "libc": "gnu", "major": 3,
        "minor": int(HERE[2:]), "patch": 9, "prerelease": "", "url": f"{url}/python.tar.gz", "sha256": digest,
        "variant": None, "build": "20261110",
    }  # fmt: skip
    (folder / "list.json").write_text(json.dumps({f"cpython-{HERE}.9-linux-aarch64-gnu": entry}))
    return f"{url}/list.json"


def test_uv_brings_a_python_that_does_not_run_here(tmp_path: Path, prefix: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    here = world(tmp_path)
    with served(folder) as url:
        tools = replace(
            here.tools,
            uv_environ={
                **{
                    name: value
                    for name, value in here.tools.uv_environ.items()
                    if name != "UV_PYTHON_DOWNLOADS"
                },
                "UV_PYTHON_DOWNLOADS_JSON_URL": catalogue(folder, prefix, url),
            },
        )
        client = Http()
        found = find_target_python(target("linux/arm64"), replace(here, tools=tools, http=lambda: client))
    assert (found.provider, found.detail) == (
        "python-build-standalone",
        f"cpython-{HERE}.9-linux-aarch64-gnu",
    )
    assert (found.include / "Python.h").read_text() == "/* Python.h */\n"
    assert not list(here.store.scratch.glob("standalone-*"))


def test_where_uv_reaches_nothing_it_is_not_asked_again(tmp_path: Path) -> None:
    needs_headers()
    log = tmp_path / "asked"
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\necho $UV_HTTP_RETRIES $* >> {log}\necho 'error: connect' >&2\nexit 1\n")
    program.chmod(0o755)
    here = world(tmp_path)
    tools = replace(here.tools, uv=str(program), uv_environ={"PATH": "/usr/bin:/bin"})
    client = Http()
    here = replace(here, tools=tools, http=lambda: client)
    for place in ("linux/arm64", "linux/s390x"):
        assert find_target_python(target(place), here).provider == "host-headers"
    assert log.read_text().count("\n") == 1
    assert log.read_text().startswith("0 python install ")
    later = replace(here, now=NOW + 7 * 3600)
    find_target_python(target("linux/riscv64"), later)
    assert log.read_text().count("\n") == 2


@pytest.mark.parametrize("forbidden", [{"UV_PYTHON_DOWNLOADS": "never"}, {"UV_OFFLINE": "1"}, {}])
def test_uv_is_left_alone_where_it_may_not_download(tmp_path: Path, forbidden: dict[str, str]) -> None:
    needs_headers()
    here = world(tmp_path)
    tools = replace(here.tools, uv="/nowhere/uv", uv_environ=forbidden)
    client = Http()
    here = replace(here, tools=tools, http=(lambda: client) if forbidden else offline)
    assert find_target_python(target("linux/arm64"), here).provider == "host-headers"
    assert here.store.get_fact("target-python-unreachable", " ") is None


@pytest.mark.parametrize(
    ("place", "python", "key"),
    [
        ("linux/arm64", "3.12", "cpython-3.12-linux-aarch64-gnu"),
        ("musllinux_1_2_x86_64", "3.13t", "cpython-3.13+freethreaded-linux-x86_64-musl"),
        ("linux/arm/v7", "3.11", "cpython-3.11-linux-armv7-gnueabihf"),
        ("linux/ppc64le", "3.11", "cpython-3.11-linux-powerpc64le-gnu"),
        ("linux/riscv64", "3.13", "cpython-3.13-linux-riscv64gc-gnu"),
        ("macosx_11_0_arm64", "3.14", "cpython-3.14-macos-aarch64-none"),
        ("win_amd64", "3.14", "cpython-3.14-windows-x86_64-none"),
    ],
)
def test_uvs_names(place: str, python: str, key: str) -> None:
    assert uv_key(target(place, python)) == key


def test_uv_knows_these_names() -> None:
    listed = subprocess.run(
        [uv.find_uv_bin(), "python", "list", "--offline", "--no-config", "--only-downloads", "--all-platforms", "--all-arches", "3.13"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for place in (
        *(one for one in LINUX if one != "linux/386"),
        "musllinux_1_2_aarch64",
        *MACOS,
        "win_amd64",
        "win_arm64",
    ):
        version, _dash, rest = uv_key(target(place, "3.13")).removeprefix("cpython-").partition("-")
        assert any(
            line.startswith(f"cpython-{version}.") and f"-{rest} " in line for line in listed.splitlines()
        ), place
