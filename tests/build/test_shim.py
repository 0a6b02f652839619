"""A Python of a build environment that answers as the target: asked in a process of its own."""

from __future__ import annotations

import json
import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import packaging
import pytest
from tests.build.environments import opened
from tests.build.targeted import describe, target

from crossdock.build.shim import VARIABLE, install_shim
from crossdock.build.target_python.names import ext_suffix, platform_tag, soabi, sys_platform
from crossdock.target.markers import environment as marker_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossdock.build.environment import Environment

ASKED = """
import json, os, platform, struct, sys, sysconfig
from packaging.markers import default_environment
print(json.dumps({
    "get_platform": sysconfig.get_platform(),
    "variables": {name: sysconfig.get_config_var(name) for name in (
        "EXT_SUFFIX", "SOABI", "CC", "CXX", "LDSHARED", "INCLUDEPY", "HOST_GNU_TYPE", "MULTIARCH", "SIZEOF_VOID_P",
        "py_version_nodot")},
    "vars": sysconfig.get_config_vars("EXT_SUFFIX", "CC"),
    "include": [sysconfig.get_path("include"), sysconfig.get_path("platinclude"),
                sysconfig.get_paths(scheme="posix_prefix")["include"]],
    "purelib": sysconfig.get_path("purelib"),
    "machine": platform.machine(), "system": platform.system(), "node": platform.node(),
    "uname": list(platform.uname()), "architecture": platform.architecture()[0], "platform": platform.platform(),
    "libc": platform.libc_ver(), "mac_ver": platform.mac_ver(), "processor": platform.processor(),
    "os.uname": list(os.uname()), "sys.platform": sys.platform, "maxsize": sys.maxsize, "os.name": os.name,
    "pointer": struct.calcsize("P"), "byteorder": sys.byteorder, "implementation": sys.implementation.name,
    "version": list(sys.version_info[:3]), "markers": default_environment(),
}))
"""

#: Name, machine, bits, byte order, libc.
TARGETS = {
    "linux/arm64": ("aarch64", 64, "little"),
    "linux/amd64": ("x86_64", 64, "little"),
    "musllinux_1_2_aarch64": ("aarch64", 64, "little"),
    "linux/arm/v7": ("armv7l", 32, "little"),
    "linux/386": ("i686", 32, "little"),
    "linux/s390x": ("s390x", 64, "big"),
    "linux/ppc64le": ("ppc64le", 64, "little"),
    "macosx_11_0_arm64": ("arm64", 64, "little"),
    "win_amd64": ("AMD64", 64, "little"),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A real environment with the shim and `packaging` in it."""
    with opened(tmp_path_factory.mktemp("shim")) as place:
        made = place.environment()
        install_shim(made.site_packages)
        own = Path(packaging.__file__).parent
        shutil.copytree(own, made.site_packages / "packaging", ignore=shutil.ignore_patterns("__pycache__"))
        yield made


def run(environment: Environment, variables: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        [environment.python, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(environment: Environment, variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(environment, variables, "-c", ASKED))
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_answers(environment: Environment, tmp_path: Path, name: str) -> None:
    machine, bits, order = TARGETS[name]
    what = target(name)
    described = describe(what, tmp_path)
    said = answers(environment, described.variables)
    assert said["get_platform"] == platform_tag(what)
    variables = said["variables"]
    assert variables["EXT_SUFFIX"] == said["vars"][0] == ext_suffix(what)
    assert variables["SOABI"] == soabi(what)
    assert said["vars"][1].split()[0] == variables["CC"].split()[0] == "/toolchain/bin/cc"
    assert variables["CXX"].split()[0] == "/toolchain/bin/c++"
    assert variables["LDSHARED"].split()[0] == "/toolchain/bin/cc"
    assert {variables["INCLUDEPY"], *said["include"]} == {described.plan.include}
    # What is installed goes into the environment as ever.
    assert said["purelib"] == str(environment.site_packages)
    assert said["machine"] == said["os.uname"][4] == said["uname"][4] == machine
    assert said["node"] == said["os.uname"][1] == said["uname"][1] == "build"
    assert said["system"] == said["os.uname"][0] == said["uname"][0]
    assert said["architecture"] == f"{bits}bit"
    assert said["pointer"] == bits // 8
    assert said["maxsize"] == 2 ** (bits - 1) - 1
    assert said["byteorder"] == order
    assert said["sys.platform"] == sys_platform(what)
    assert said["platform"].startswith(f"{said['system']}-")
    assert machine in said["platform"]
    assert said["version"] == list(sys.version_info[:3])
    glibc = what.libc is not None and "glibc" in str(what.libc)
    assert said["libc"] == (["glibc", f"2.{what.libc.minor}"] if glibc and what.libc else ["", ""])
    assert said["mac_ver"][0] == ("11.0" if what.name.startswith("macosx") else "")
    if platform.machine() not in (machine, str(what.arch)):
        assert platform.machine() not in json.dumps(said)


@pytest.mark.parametrize("name", TARGETS)
def test_markers_are_those_that_we_resolve_by(environment: Environment, tmp_path: Path, name: str) -> None:
    """What a setup.py computes its requirements by, and what the lock was resolved for, are one environment."""
    what = target(name)
    said = answers(environment, describe(what, tmp_path).variables)["markers"]
    known = marker_environment(what)
    assert set(known) <= set(said)
    differs = {
        key: (value, said[key]) for key, value in known.items() if value is not None and said[key] != value
    }
    # Windows' own `os` is not to be had here: the backend uses this machine's, and `os.name` is how it knows.
    assert differs == ({"os_name": ("nt", "posix")} if name.startswith("win") else {})
    # Those that the target leaves open say something, and nothing of this machine.
    for name_ in ("platform_release", "platform_version"):
        assert said[name_]
        assert (
            said[name_]
            != {"platform_release": platform.release(), "platform_version": platform.version()}[name_]
        )


def test_nothing_changes_without_the_variable(environment: Environment, tmp_path: Path) -> None:
    described = describe(target("linux/s390x"), tmp_path)
    said = answers(environment, {})
    assert said["machine"] == platform.machine()
    assert said["sys.platform"] == sys.platform
    assert said["pointer"] == struct.calcsize("P")
    assert said["byteorder"] == sys.byteorder
    assert said["get_platform"] != "linux-s390x"
    # Empty is not there.
    assert answers(environment, {VARIABLE: ""}) == said
    assert answers(environment, described.variables) != said


WORKS = """
import asyncio, concurrent.futures, ctypes, getpass, hashlib, http.client, importlib, json, locale, multiprocessing, os
import pathlib, pickle, platform, random, shutil, signal, socket, ssl, struct, subprocess, sys, tarfile, tempfile
import threading, time, urllib.request, uuid, zipfile, array

async def main():
    made = await asyncio.create_subprocess_exec("/bin/echo", "hello", stdout=subprocess.PIPE)
    return (await made.communicate())[0].decode().strip()
print(asyncio.run(main()))
print(subprocess.run(["sh", "-c", "echo out"], capture_output=True, text=True, check=True).stdout.strip())
print(subprocess.check_output("echo shell", shell=True, text=True).strip())
with tempfile.TemporaryDirectory() as place:
    path = pathlib.Path(place, "a", "b.txt")
    path.parent.mkdir()
    path.write_text("x")
    with zipfile.ZipFile(os.path.join(place, "z.zip"), "w") as archive:
        archive.write(path, "b.txt")
    with tarfile.open(os.path.join(place, "t.tar.gz"), "w:gz") as archive:
        archive.add(path, "b.txt")
    shutil.copytree(os.path.join(place, "a"), os.path.join(place, "c"))
    print(sorted(os.listdir(place)), os.path.sep, os.path.join("a", "b"))
print(shutil.which("sh") is not None, pathlib.Path("a/b").name)
print(urllib.request.getproxies(), urllib.request.url2pathname("/a%20b"))
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    print(list(pool.map(abs, [-1, 2])))
print(pickle.loads(pickle.dumps({"a": 2**40})), struct.pack("<I", 1), array.array("i", [1])[0])
print(int.from_bytes(b"\\x01\\x00", "little"), json.loads("[1]"), uuid.uuid4().version, hashlib.sha256(b"").hexdigest()[:4])
print(len(random.sample(range(10**6), 3)), socket.gethostbyname("127.0.0.1"))
"""


@pytest.mark.parametrize("name", ["linux/arm/v7", "linux/s390x", "macosx_11_0_arm64", "win_amd64"])
def test_the_standard_library_still_works(environment: Environment, tmp_path: Path, name: str) -> None:
    """What a build system does with files, processes and threads is done on this machine, whatever it is called."""
    described = describe(target(name), tmp_path)
    plain = run(environment, {}, "-c", WORKS).splitlines()
    assert run(environment, described.variables, "-c", WORKS).splitlines() == plain
    assert plain[0] == "hello"


@pytest.mark.parametrize("name", ["linux/s390x", "macosx_11_0_arm64", "win_amd64"])
def test_a_child_answers_the_same_and_meson_for_this_machine(
    environment: Environment, tmp_path: Path, name: str
) -> None:
    described = describe(target(name), tmp_path)
    asked = "import platform, sys, struct; print(platform.machine(), sys.platform, sys.byteorder)"
    child = f"import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', {asked!r}], text=True))"
    machine, _bits, order = TARGETS[name]
    assert run(environment, described.variables, "-c", child).split() == [
        machine, sys_platform(target(name)), order
    ]  # fmt: skip
    # Meson is told of the target by its cross file, and asks Python for the machine that builds.
    for program in ("meson", "meson.py"):
        script = tmp_path / program
        script.write_text(asked + "; import sysconfig; print(sysconfig.get_platform())")
        said = run(environment, described.variables, str(script), "setup").split()
        assert said[:3] == [platform.machine(), sys.platform, sys.byteorder]
        assert said[3] == platform_tag(target(name))


def test_the_description_tells_nothing_of_this_machine(tmp_path: Path) -> None:
    """It is mounted into builds, and a build may write it into what it makes."""
    described = describe(target("linux/arm64"), tmp_path)
    text = "".join(path.read_text() for path in described.directory.rglob("*") if path.is_file())
    text = text.replace(str(tmp_path), "")
    for own in (
        platform.node(),
        platform.release(),
        platform.version(),
        str(Path.home()),
        sys.prefix,
        sys.base_prefix,
    ):
        assert len(own) < 4 or own not in text
