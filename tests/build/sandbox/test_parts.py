"""Parts of the sandbox by themselves: the filter of system calls, the host's libraries, removing what is left."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from crossdock.build.sandbox import tools
from crossdock.build.sandbox.elf_needs import needs_of
from crossdock.build.sandbox.libraries import closure, search_directories
from crossdock.build.sandbox.scratch import remove_tree
from crossdock.build.sandbox.seccomp import filter_program

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at a Linux host")

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def _judge(program: bytes, arch: int, number: int, first: int = 0, second: int = 0) -> int:
    """Run a filter as the kernel does: an interpreter for the few instructions that it has."""
    data = struct.pack("<IIQ6Q", number, arch, 0, first, second, 0, 0, 0, 0)
    instructions = list(struct.iter_unpack("<HBBI", program))
    at, held = 0, 0
    while True:
        code, true, false, value = instructions[at]
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += true if holds else false


@pytest.mark.parametrize(
    ("machine", "numbers"),
    [
        (
            "x86_64",
            {"read": 0, "socket": 41, "ioctl": 16, "clone": 56, "keyctl": 250, "mount": 165, "ptrace": 101},
        ),
        (
            "aarch64",
            {"read": 63, "socket": 198, "ioctl": 29, "clone": 220, "keyctl": 219, "mount": 40, "ptrace": 117},
        ),
    ],
)
def test_the_filter(machine: str, numbers: dict[str, int]) -> None:
    program = filter_program(machine)
    assert program is not None

    def judge(name: str, first: int = 0, second: int = 0) -> int:
        return _judge(program, _ARCH[machine], numbers[name], first, second)

    assert judge("read") == judge("ptrace") == _ALLOW
    assert [judge("socket", family) == _ALLOW for family in (1, 2, 10, 16, 17, 38, 40)] == [True] * 4 + [
        False
    ] * 3
    assert judge("socket", 40) == _ERRNO | 97
    assert judge("ioctl", 0, 0x5401) == _ALLOW
    assert judge("ioctl", 0, 0x5412) == judge("ioctl", 0, 0x541C) == _ERRNO | 1
    # The upper half of the argument is nothing to the kernel (CVE-2019-10063).
    assert judge("ioctl", 0, 0xDEADBEEF00005412) == _ERRNO | 1
    assert judge("clone", 0x01200011) == _ALLOW
    assert judge("clone", 0x10000011) == _ERRNO | 1
    assert judge("keyctl") == judge("mount") == _ERRNO | 1
    assert _judge(program, _ARCH[machine], 435) == _ERRNO | 38
    # Another architecture's calls, and those of x32.
    assert _judge(program, 0x40000003, numbers["read"]) == _ERRNO | 38
    assert _judge(program, _ARCH[machine], 0x40000000 | numbers["read"]) == _ERRNO | 38


def test_no_filter_for_machines_whose_numbers_are_not_listed() -> None:
    assert filter_program("riscv64") is None


@linux
def test_libraries_are_those_that_the_dynamic_linker_takes() -> None:
    """The oracle is the dynamic linker itself: it lists what a program is linked to."""
    program = Path("/bin/bash") if Path("/bin/bash").exists() else Path("/bin/sh")
    interpreter = needs_of(program.resolve()).interpreter
    if interpreter is None or "ld-linux" not in interpreter:
        pytest.skip("this host's shell is not linked to glibc")
    listed = subprocess.check_output([interpreter, "--list", program], text=True)
    wanted = {line.split()[0] for line in listed.splitlines() if "=>" in line}
    places = closure([program])
    assert wanted <= {Path(place).name for place in places}
    assert all(place.startswith("/usr/") and path.is_file() for place, path in places.items())


@linux
def test_what_is_no_elf_file_needs_nothing(tmp_path: Path) -> None:
    for data in (b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + bytes(60), b"\x7fELF\x02\x01" + b"\xff" * 200):
        (tmp_path / "file").write_bytes(data)
        needs_of.cache_clear()
        assert needs_of(tmp_path / "file").libraries == ()
    assert needs_of(tmp_path / "not-there").libraries == ()
    assert closure([tmp_path / "file"]) == {}


@linux
def test_the_dynamic_linkers_directories() -> None:
    found = search_directories()
    assert found
    assert all(path.is_dir() and path == path.resolve() for path in found)


def test_tools_do_not_answer_for_the_host() -> None:
    assert len(set(tools.NAMES)) == len(tools.NAMES)
    assert not {
        name for name in tools.NAMES if name.endswith("-config") or "python" in name or name.startswith("ld")
    }


def test_what_hostile_code_leaves_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "file").write_text("kept")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "link").symlink_to(outside)
    closed = scratch / "closed"
    closed.mkdir()
    (closed / "link").symlink_to(outside / "file")
    closed.chmod(0)
    handle = os.open(scratch, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=handle)
        deeper = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = deeper
    os.close(handle)
    remove_tree(scratch)
    assert not scratch.exists()
    assert (outside / "file").read_text() == "kept"
    assert outside.stat().st_mode & 0o777 == 0o700
