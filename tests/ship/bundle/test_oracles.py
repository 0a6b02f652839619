"""Zips of ours, read by readers that are not: Info-ZIP, libarchive, 7-Zip, Python, Java, and a parser without mercy."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.bundled import application, bundled
from tests.support.strictzip import parse
from tests.support.wheels import make_wheel, wheel_files

from crossdock.errors import ArchiveError
from crossdock.oci.blob import FileSource
from crossdock.safepath import PathRules, parse_member_path
from crossdock.ship.bundle.layout import made_file, together, zip_files
from crossdock.ship.bundle.model import BundleFile, Raw
from crossdock.ship.bundle.write import write_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FILE, PROGRAM = 0o100644, 0o100755
DEEP = "/".join(f"d{number}" for number in range(60)) + "/deep.txt"
PREFIX = "python/"


class Shipped(NamedTuple):
    """A zip, and what every reader must find in it: content and st_mode by name."""

    path: Path
    expected: dict[str, tuple[bytes, int]]


def _wheels(directory: Path) -> list[Path]:
    noise = random.Random(5).randbytes(70_000)
    text = b"line of text\n" * 9_000
    plain = make_wheel(
        directory,
        "plain",
        files={
            "plain/__init__.py": text,
            "plain/empty.py": b"",
            "plain/noise.bin": noise,
            f"plain/{DEEP}": b"deep",
            "plain/naïve/Ωmega 雪.txt": b"snow\n",
            "plain/with blank & [odd] 'name'$.txt": b"odd",
            "plain-1.0.data/scripts/tool": b"#!python\nprint(1)\n",
            "plain/run.sh": b"#!/bin/sh\n",
        },
        modes={"plain/run.sh": PROGRAM, "plain-1.0.data/scripts/tool": PROGRAM},
    )
    stored = directory / "stored-1.0-py3-none-any.whl"
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as archive:
        for name, content in wheel_files("stored", files={"stored/data.txt": text, "stored/e": b""}).items():
            archive.writestr(name, content)
    many = make_wheel(
        directory,
        "many",
        files={f"many/m{n % 7}/f{n}.py": f"N = {n}\n".encode() * (n % 40) for n in range(600)},
    )
    return [plain, stored, many]


def _expected(files: Sequence[BundleFile], wheels: Sequence[Path]) -> dict[str, tuple[bytes, int]]:
    """Return what the zip must hold: wheels' content as Python reads it from them, not as ours does."""
    plain: dict[str, bytes] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                inside = re.sub(r"^[^/]*\.data/scripts/", "bin/", name)
                plain[f"{PREFIX}{inside}"] = archive.read(name)
    programs = {f"{PREFIX}plain/run.sh", f"{PREFIX}bin/tool"}
    return {
        file.path: (
            # RECORD and the user's own files are made anew.
            plain[file.path] if file.content is None else file.content,
            PROGRAM if file.path in programs else FILE,
        )
        for file in files
    }


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    directory = tmp_path_factory.mktemp("oracles")
    wheels = _wheels(directory)
    code = {
        "app.py": b"def main(event, context):\n    return event\n" * 500,
        "short.py": b"1",
        "nothing/__init__.py": b"",
        "größe.txt": b"x",
    }
    packages = [*(bundled(wheel, PREFIX) for wheel in wheels), application(code)]
    files = zip_files(together(packages))
    path = directory / "function.zip"
    write_zip(path, files)
    expected = _expected(files, wheels)
    assert len(expected) > 600
    assert {code["app.py"], b"", b"deep"} <= {content for content, _mode in expected.values()}
    return Shipped(path, expected)


def _run(package: str, *command: str | Path, piped: bytes = b"", cwd: Path | None = None) -> str:
    """Run a program of Debian's `package`, in a UTF-8 locale and with nothing kept from others; return what it printed."""
    program = shutil.which(str(command[0]))
    if program is None:
        pytest.skip(f"{command[0]} is not installed: apt-get install {package}")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=cwd,
        env={"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        input=piped,
        capture_output=True,
        check=False,
        umask=0o022,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout!r}\n{done.stderr!r}"
    return done.stdout.decode()


def _found(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.lstat().st_mode)
        for path in root.rglob("*")
        if not path.is_dir()
    }


def _contents(members: Mapping[str, tuple[bytes, int]]) -> dict[str, bytes]:
    return {name: content for name, (content, _mode) in members.items()}


def test_both_methods_and_odd_names_are_among_them(shipped: Shipped) -> None:
    with zipfile.ZipFile(shipped.path) as archive:
        methods = {info.filename: info.compress_type for info in archive.infolist()}
    assert methods[f"{PREFIX}stored/data.txt"] == zipfile.ZIP_STORED
    assert methods[f"{PREFIX}plain/__init__.py"] == zipfile.ZIP_DEFLATED
    assert methods["app.py"] == zipfile.ZIP_DEFLATED, "the user's own code"
    assert methods["short.py"] == zipfile.ZIP_STORED
    assert f"{PREFIX}plain/naïve/Ωmega 雪.txt" in methods
    assert {mode for _content, mode in shipped.expected.values()} == {FILE, PROGRAM}


def test_a_parser_that_believes_nothing(shipped: Shipped) -> None:
    members = parse(shipped.path.read_bytes())
    assert {one.name: (one.content, one.mode) for one in members} == shipped.expected
    assert [one.name for one in members] == sorted(shipped.expected, key=str.encode)


def test_python(shipped: Shipped) -> None:
    with zipfile.ZipFile(shipped.path) as archive:
        assert archive.testzip() is None
        found = {info.filename: (archive.read(info), info.external_attr >> 16) for info in archive.infolist()}
    assert found == shipped.expected


def test_info_zip_finds_no_error(shipped: Shipped) -> None:
    said = _run("unzip", "unzip", "-t", shipped.path)
    assert f"No errors detected in compressed data of {shipped.path}." in said


def test_info_zip_lists_modes_and_makers(shipped: Shipped) -> None:
    lines = _run("unzip", "zipinfo", "-s", shipped.path).splitlines()[2:-1]
    found = {}
    for line in lines:
        mode, version, system, _size, kind, _method, _date, _time, name = line.split(maxsplit=8)
        # `t` or `b` is text or binary; a small letter is: neither extra field nor data descriptor.
        assert (version, system, kind in ("t-", "b-")) == ("2.0", "unx", True), line
        found[name] = mode
    letters = {FILE: "-rw-r--r--", PROGRAM: "-rwxr-xr-x"}
    assert found == {name: letters[mode] for name, (_content, mode) in shipped.expected.items()}


def test_info_zip_extracts(shipped: Shipped, tmp_path: Path) -> None:
    _run("unzip", "unzip", "-q", shipped.path, "-d", tmp_path / "out")
    assert _found(tmp_path / "out") == shipped.expected


def test_libarchive_extracts(shipped: Shipped, tmp_path: Path) -> None:
    _run("libarchive-tools", "bsdtar", "-xpf", shipped.path, cwd=tmp_path)
    assert _found(tmp_path) == shipped.expected
    assert {path.lstat().st_mtime for path in tmp_path.rglob("*.py")} == {315532800}, "1980-01-01"


def test_libarchive_extracts_what_comes_through_a_pipe(shipped: Shipped, tmp_path: Path) -> None:
    # It sees a member's local header before its bytes, and the directory, which has the modes, too late.
    _run("libarchive-tools", "bsdtar", "-xf", "-", piped=shipped.path.read_bytes(), cwd=tmp_path)
    assert _contents(_found(tmp_path)) == _contents(shipped.expected)


def test_seven_zip_finds_no_error(shipped: Shipped) -> None:
    said = _run("p7zip-full", "7z", "t", shipped.path)
    assert "Everything is Ok" in said
    assert not re.search(r"(?i)warning|headers error", said), said
    listed = _run("p7zip-full", "7z", "l", "-slt", "-ba", shipped.path)
    assert listed.count("Path = ") == len(shipped.expected)
    assert set(re.findall(r"(?m)^Host OS = (.*)$", listed)) == {"Unix"}
    assert set(re.findall(r"(?m)^Method = (.*)$", listed)) == {"Store", "Deflate"}
    assert not re.search(r"(?m)^(Comment|Encrypted|Characteristics) = (?!-?$|UTF8$)", listed)


def test_seven_zip_extracts(shipped: Shipped, tmp_path: Path) -> None:
    _run("p7zip-full", "7z", "x", f"-o{tmp_path / 'out'}", shipped.path)
    assert _found(tmp_path / "out") == shipped.expected


def test_java_reads_by_the_directory_and_as_a_stream(shipped: Shipped) -> None:
    source = Path(__file__).with_name("ReadZip.java")
    java = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", source, shipped.path)
    found: dict[str, dict[str, tuple[int, str]]] = {"directory": {}, "stream": {}}
    for line in _run("default-jre-headless", *java).splitlines():
        how, name, size, digest = line.split()
        found[how][bytes.fromhex(name).decode()] = (int(size), digest)
    wanted = {
        name: (len(content), hashlib.sha256(content).hexdigest())
        for name, (content, _mode) in shipped.expected.items()
    }
    assert found["directory"] == wanted
    assert found["stream"] == wanted


# Whatever the members are


def _is_safe(name: str) -> bool:
    try:
        parse_member_path(name, PathRules.POSIX)
    except ArchiveError:
        return False
    return True


class Given(NamedTuple):
    """A file to put into a zip, and where its bytes lie before."""

    content: bytes
    executable: bool
    where: str


PARTS = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["a", "A", "python", "é", "e\u0301", ".x", "-o", "雪"]
)
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("/".join).filter(_is_safe)
CONTENTS = st.binary(max_size=200) | st.builds(
    lambda unit, times: unit * times, st.binary(max_size=9), st.integers(0, 3000)
)
FILES = st.builds(
    Given, CONTENTS, st.booleans(), st.sampled_from(["made", "source", "stored in a wheel", "deflated in a wheel"])
)  # fmt: skip


def _without_files_as_directories(files: dict[str, Given]) -> dict[str, Given]:
    parents = {"/".join(name.split("/")[:n]) for name in files for n in range(1, name.count("/") + 1)}
    return {name: file for name, file in files.items() if name not in parents}


def _placed(name: str, file: Given, blob: Path) -> BundleFile:
    """Return the file with its bytes in the middle of `blob`, or not in a file at all."""
    if file.where == "made":
        return made_file(name, file.content, executable=file.executable)
    packed, method = file.content, 0
    if file.where.startswith("deflated"):
        engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed, method = engine.compress(file.content) + engine.flush(), 8
    with blob.open("ab") as out:
        out.write(b"PK\x03\x04 before")
        start = out.tell()
        out.write(packed)
        out.write(b"after")
    one = BundleFile(name, hashlib.sha256(file.content).hexdigest(), len(file.content), file.executable)
    if file.where == "source":
        return one._replace(source=FileSource(blob, start, len(packed)))
    raw = Raw(blob, start, len(packed), method, zlib.crc32(file.content), zlib.crc32(packed))
    return one._replace(raw=raw)


@settings(deadline=None)
@given(st.dictionaries(NAMES, FILES, max_size=12).map(_without_files_as_directories), st.randoms())
def test_what_is_read_back_is_what_went_in(files: dict[str, Given], chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as directory:
        blob, path = Path(directory, "blob"), Path(directory, "a.zip")
        placed = [_placed(name, file, blob) for name, file in files.items()]
        chance.shuffle(placed)
        written = write_zip(path, placed)
        data = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            infos = archive.infolist()
            read = {info.filename: (archive.read(info), info.external_attr) for info in infos}
    modes = {name: PROGRAM if file.executable else FILE for name, file in files.items()}
    assert read == {name: (file.content, modes[name] << 16) for name, file in files.items()}
    assert all(info.extra == b"" and info.comment == b"" for info in infos)
    members = parse(data)
    assert [one.name for one in members] == sorted(files, key=str.encode)
    assert {one.name: (one.content, one.mode) for one in members} == {
        name: (file.content, modes[name]) for name, file in files.items()
    }
    assert (written.sha256, written.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (written.files, written.unzipped) == (
        len(files),
        sum(len(file.content) for file in files.values()),
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"x" + data,
        lambda data: data + b"x",
        lambda data: data[:-2] + b"\x01\x00c",
        lambda data: data.replace(b"PK\x05\x06", b"?PK\x05\x06"),
        lambda data: data.replace(b"PK\x01\x02", b"?PK\x01\x02", 1),
        lambda data: data.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x08", 1),
        lambda data: data.replace(b"\x00\x00\x21\x00", b"\x01\x00\x21\x00", 1),
    ],
)  # fmt: skip
def test_the_parser_refuses(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, [made_file("a.py", b"a"), made_file("b.py", b"b" * 99)])
    parse(path.read_bytes())
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        parse(spoil(path.read_bytes()))
