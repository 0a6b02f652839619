"""A wheel as it lies when installed for a target."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace

import pytest

from crossdock.errors import ShipError
from crossdock.ship.installed import (
    InstalledFile,
    Layout,
    PayloadFile,
    WheelFacts,
    directory_layout,
    installed_files,
)
from crossdock.ship.scripts import EntryPoint, interpreter_name, rewrite_script, shebang
from crossdock.target.model import Arch, Implementation, Libc, LibcKind, Os, Python, Target

LINUX = Target(os=Os.LINUX, arch=Arch.AARCH64, libc=Libc(LibcKind.GLIBC, 2, 28), python=Python(minor=12))
WINDOWS = Target(os=Os.WINDOWS, arch=Arch.X86_64, python=Python(minor=13))

ZERO = "0" * 64
FACTS = WheelFacts(
    name="demo",
    version="1.0",
    dist_info="demo-1.0.dist-info",
    files=(
        PayloadFile("purelib", "demo/__init__.py", ZERO, 3, executable=False),
        PayloadFile("purelib", "demo-1.0.dist-info/METADATA", ZERO, 4, executable=False),
        PayloadFile("scripts", "tool", ZERO, 9, executable=False),
        PayloadFile("data", "share/demo/a,b.txt", ZERO, 1, executable=False),
        PayloadFile("headers", "demo.h", ZERO, 2, executable=False),
    ),
    entry_points=(EntryPoint("demo", "demo.cli", "app.main", gui=False),),
)


def walk(
    target: Target = LINUX,
    facts: WheelFacts = FACTS,
    layout: Layout | None = None,
    script: bytes = b"#!python\nprint()\n",
    direct_url: bytes | None = None,
) -> list[InstalledFile]:
    return installed_files(
        facts, target, layout or directory_layout(target), read=lambda _file: script, direct_url=direct_url
    )


def content_at(files: list[InstalledFile], path: str) -> bytes:
    content = next(file.content for file in files if file.path == path)
    assert content is not None
    return content


def record_of(files: list[InstalledFile]) -> list[list[str]]:
    assert files[-1].path.endswith("RECORD")
    return list(csv.reader(io.StringIO(content_at(files, files[-1].path).decode())))


def test_every_scheme_has_its_place_below_the_directory() -> None:
    assert [file.path for file in walk()] == [
        "bin/demo",
        "bin/tool",
        "demo-1.0.dist-info/INSTALLER",
        "demo-1.0.dist-info/METADATA",
        "demo/__init__.py",
        "include/demo/demo.h",
        "share/demo/a,b.txt",
        "demo-1.0.dist-info/RECORD",
    ]


def test_record_names_every_file_with_hash_and_size_and_itself_without() -> None:
    files = walk()
    rows = record_of(files)
    assert [row[0] for row in rows] == [file.path for file in files]
    assert rows[-1][1:] == ["", ""]
    sizes = {file.path: str(file.size) for file in files}
    assert all(row[1].startswith("sha256=") and row[2] == sizes[row[0]] for row in rows[:-1])


def test_record_is_relative_to_the_packages_when_they_lie_deeper() -> None:
    site = "lib/python3.12/site-packages"
    rows = record_of(walk(layout=Layout(purelib=site, platlib=site, interpreter="/venv/bin/python")))
    paths = [row[0] for row in rows]
    assert "../../../bin/demo" in paths
    assert "demo/__init__.py" in paths
    assert "../../../share/demo/a,b.txt" in paths


def test_the_installer_says_its_name() -> None:
    assert b"crossdock\n" in [file.content for file in walk()]


def test_direct_url_is_written_and_recorded() -> None:
    files = walk(direct_url=b"{}")
    assert "demo-1.0.dist-info/direct_url.json" in [row[0] for row in record_of(files)]


def test_console_script_finds_python_on_the_path_and_the_packages_beside_itself() -> None:
    script = next(file for file in walk() if file.path == "bin/demo")
    assert script.executable
    content = content_at(walk(), "bin/demo")
    assert content.startswith(b"#!/usr/bin/env python3.12\n")
    assert b"from demo.cli import app\n" in content
    assert b"app.main()" in content


def test_a_given_interpreter_stands_in_every_script() -> None:
    files = walk(layout=directory_layout(LINUX, "/opt/python/bin/python3"))
    for path in ("bin/demo", "bin/tool"):
        content = content_at(files, path)
        assert content.startswith(b"#!/opt/python/bin/python3\n")


@pytest.mark.parametrize("path", ["/opt/my python/bin/python3", "/opt/" + "x" * 130 + "/python3"])
def test_an_interpreter_that_no_kernel_takes_goes_through_sh(path: str) -> None:
    line = shebang(LINUX, path)
    assert line.startswith(b"#!/bin/sh\n'''exec' \"" + path.encode())


def test_only_the_placeholder_of_a_script_is_rewritten() -> None:
    assert rewrite_script(b"#!pythonw\nx", LINUX, None) == b"#!/usr/bin/env python3.12\nx"
    assert rewrite_script(b"#!/bin/sh\nx", LINUX, None) == b"#!/bin/sh\nx"
    assert rewrite_script(b"\x7fELF", LINUX, None) == b"\x7fELF"


@pytest.mark.parametrize(
    ("python", "name"),
    [
        (Python(minor=12), "python3.12"),
        (Python(minor=13, free_threaded=True), "python3.13t"),
        (Python(minor=11, implementation=Implementation.PYPY), "pypy3.11"),
    ],
)
def test_interpreter_name_is_the_targets(python: Python, name: str) -> None:
    assert interpreter_name(python) == name


#: The machine field of the launcher's PE header.
MACHINES = {Arch.X86_64: 0x8664, Arch.AARCH64: 0xAA64, Arch.I686: 0x14C}


@pytest.mark.parametrize("arch", list(MACHINES))
def test_windows_gets_a_launcher_of_its_own_cpu_with_the_script_inside(arch: Arch) -> None:
    files = walk(replace(WINDOWS, arch=arch))
    launcher = content_at(files, "Scripts/demo.exe")
    assert launcher[:2] == b"MZ"
    header = int.from_bytes(launcher[0x3C:0x40], "little")
    assert int.from_bytes(launcher[header + 4 : header + 6], "little") == MACHINES[arch]
    with zipfile.ZipFile(io.BytesIO(launcher)) as archive:
        assert b"from demo.cli import app" in archive.read("__main__.py")
    assert b"#!/usr/bin/env python\n" in launcher


def test_no_launcher_for_a_cpu_that_windows_does_not_have() -> None:
    with pytest.raises(ShipError) as caught:
        walk(replace(WINDOWS, arch=Arch.S390X))
    assert caught.value.code == "E-SHIP-LAUNCHER"


def test_a_script_file_and_an_entry_point_of_one_name_are_refused() -> None:
    facts = replace(FACTS, entry_points=(EntryPoint("tool", "demo", "main", gui=False),))
    with pytest.raises(ShipError) as caught:
        walk(facts=facts)
    assert caught.value.code == "E-SHIP-SCRIPT-TWICE"


def test_facts_survive_json() -> None:
    import json

    assert WheelFacts.from_json(json.loads(json.dumps(FACTS.to_json()))) == FACTS


def test_a_windows_path_with_a_space_is_quoted() -> None:
    path = "C:\\Program Files\\Python313\\python.exe"
    assert shebang(WINDOWS, path) == f'#!"{path}"\n'.encode()


@pytest.mark.parametrize(
    "path", ["/opt/$(id)/python", "/opt/`id`/python", '/opt/"x/python', "/opt/a\nb/python"]
)
def test_an_interpreter_that_sh_would_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(ShipError) as caught:
        shebang(LINUX, path)
    assert caught.value.code == "E-SHIP-INTERPRETER"
