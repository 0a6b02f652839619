"""Wheels as layers: what installing them writes, the same bytes everywhere, and no broken wheel gets through."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.support.estargz import check_layer
from tests.support.layers import AMD64, ARM64, ENTRY_POINTS, FILES, GLIBC, PACKAGES, demo, source, write
from tests.support.rawzip import RawEntry, raw_zip
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

from crossdock.archive import inflate
from crossdock.digest import Digest
from crossdock.errors import ArchiveError, CrossdockError, ShipError
from crossdock.ship.image import wheel_layer
from crossdock.ship.image.layouts import Environment, TaskRoot
from crossdock.ship.image.records import refuse_collisions
from crossdock.ship.image.wheel_layer import (
    KeyPart,
    wheel_layer_key,
)
from crossdock.target.model import Arch, Os, Python, Target


def test_a_layer_holds_all_that_installing_writes(tmp_path: Path) -> None:
    blob, made = write([source(demo(tmp_path), direct_url=b'{"url": "x"}')])
    check_layer(blob)
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:gz") as tar:
        files = {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]
        modes = {item.name: item.mode for item in tar}
    assert files[f"{PACKAGES}/demo/__init__.py"] == b"x = 1\n" * 300
    assert files[f"{PACKAGES}/demo-1.0.dist-info/INSTALLER"].strip() == b"crossdock"
    assert files[f"{PACKAGES}/demo-1.0.dist-info/direct_url.json"] == b'{"url": "x"}'
    assert files["app/bin/tool"].startswith(b"#!/app/bin/python\n")
    assert files["app/bin/demo"].startswith(b"#!/app/bin/python\n")
    assert modes["app/bin/demo"] == modes["app/bin/tool"] == 0o755
    assert files["app/share/demo.txt"] == b"data"
    assert files["app/include/site/python3.12/demo/demo.h"] == b"// h\n"
    assert all(
        name.startswith("app/") for name in files.keys() - {".no.prefetch.landmark", "stargz.index.json"}
    )
    (part,) = made.slices
    assert (part.name, part.version) == ("demo", "1.0")
    assert 0 < part.compressed < made.written.size
    assert part.files == made.written.files


def test_what_was_read_is_given_for_audit_and_bill_of_materials(tmp_path: Path) -> None:
    _, made = write([source(demo(tmp_path))])
    (record,) = made.records
    assert record.metadata["License-Expression"] == ("MIT",)
    assert record.metadata["Classifier"] == ("License :: OSI Approved",)
    assert record.sboms == {"demo-1.0.dist-info/sboms/demo.cdx.json": '{"bomFormat": "CycloneDX"}'}
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


def test_the_bytes_are_what_they_were(tmp_path: Path) -> None:
    # Stored members: a fixture that a compressor made would be another wheel under another zlib.
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    members = wheel_files(files=FILES, entry_points=ENTRY_POINTS)
    path.write_bytes(zip_bytes(members, compression=zipfile.ZIP_STORED))
    _, made = write([source(path)])
    assert made.written.digest.hex == "bc8f598ef1ba0491c4586a59e749b3465da53f5af7b410145452c05975920fe2", (
        "raise FORMAT and say so in the changelog"
    )


def test_streams_are_copied_as_they_are(tmp_path: Path) -> None:
    path = demo(tmp_path)
    blob, _ = write([source(path)])
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("demo/__init__.py")
        start = info.header_offset + 30 + len(info.filename.encode())
        raw = path.read_bytes()[start : start + info.compress_size]
    assert zlib.decompress(raw, -15) == b"x = 1\n" * 300
    assert raw in blob


def test_a_pure_wheel_is_the_same_layer_on_each_architecture(tmp_path: Path) -> None:
    path = demo(tmp_path)
    assert write([source(path)], AMD64)[0] == write([source(path)], ARM64)[0]
    part = KeyPart(source(path).digest, path.name)
    assert wheel_layer_key([part], target=AMD64, layout=Environment("/app")) == wheel_layer_key(
        [part], target=ARM64, layout=Environment("/app")
    )


def test_the_key_is_decided_by_all_that_decides_a_byte() -> None:
    one, two = KeyPart(Digest.of(b"1"), "a.whl"), KeyPart(Digest.of(b"2"), "b.whl")
    free = Target(os=Os.LINUX, arch=Arch.AARCH64, libc=GLIBC, python=Python(minor=13, free_threaded=True))
    bound = Target(os=Os.LINUX, arch=Arch.AARCH64, libc=GLIBC, python=Python(minor=13))

    def key(*parts: KeyPart, target: Target = ARM64, prefix: str = "/app") -> str:
        return wheel_layer_key(parts, target=target, layout=Environment(prefix))

    assert key(one, two) == key(two, one)
    different = [
        key(one),
        key(two),
        key(one, two),
        key(one._replace(filename="c.whl")),
        key(one._replace(direct_url=b"{}")),
        key(one, prefix="/opt"),
        key(one, target=free),
        key(one, target=bound),
    ]
    assert len(set(different)) == len(different)


def test_the_order_of_members_and_of_wheels_does_not_matter(tmp_path: Path) -> None:
    # RECORD keeps its order in both: it is a file of the wheel like any other.
    members = wheel_files(files=FILES, entry_points=ENTRY_POINTS)
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    layers = set()
    for folder, order in (("1", list(members)), ("2", sorted(members, reverse=True))):
        path = tmp_path / folder / "demo-1.0-py3-none-any.whl"
        path.write_bytes(zip_bytes({name: members[name] for name in order}))
        other = make_wheel(tmp_path / folder, "other")
        both = [source(path), source(other, "other")]
        layers |= {write(both)[0], write(both[::-1])[0]}
    assert len(layers) == 1


def test_either_inflater_gives_the_same_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = demo(tmp_path)
    layers = set()
    for engine in (zlib, pytest.importorskip("zlib_ng.zlib_ng", reason="the extra `fast` is not installed")):
        monkeypatch.setattr(inflate, "_ENGINE", engine)
        layers.add(write([source(path)])[0])
    assert len(layers) == 1


def test_where_a_layers_files_lie_is_part_of_its_key() -> None:
    parts = [KeyPart(Digest.of(b"x"), "demo-1.0-py3-none-any.whl")]
    keys = {
        wheel_layer_key(parts, target=ARM64, layout=layout)
        for layout in (Environment("/app"), Environment("/var/task"), TaskRoot("/var/task"), TaskRoot("/app"))
    }
    assert len(keys) == 4


PROGRAM = """
import hashlib, io, sys, time
from pathlib import Path
from crossdock.digest import Digest
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.wheel_layer import WheelSource, write_wheel_layer
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target
path = Path(sys.argv[1])
target = Target(os=Os.LINUX, arch=Arch.AARCH64, libc=Libc(LibcKind.GLIBC, 2, 28), python=Python(minor=12))
source = WheelSource(name="demo", filename=path.name, digest=Digest.of(path.read_bytes()), blob=path)
made = write_wheel_layer([source], target=target, layout=Environment("/app"), out=io.BytesIO())
print(made.written.digest.hex)
"""


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_another_python_clock_and_locale_give_the_same_layer(tmp_path: Path, minor: int) -> None:
    python = _working_python(minor)
    if python is None:
        pytest.skip(f"no Python 3.{minor} on this machine")
    path = demo(tmp_path)
    # What crossdock imports of others is pure, so this Python's copies serve any other.
    import packaging

    libraries = Path(packaging.__file__).parent.parent
    root = Path(wheel_layer.__file__).parents[3]
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{root}{os.pathsep}{libraries}",
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C",
        "PYTHONHASHSEED": str(minor),
        "SOURCE_DATE_EPOCH": "1700000000",
    }
    done = subprocess.run(
        [python, "-c", PROGRAM, path],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        umask=0o077,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == write([source(path)])[1].written.digest.hex


def _working_python(minor: int) -> str | None:
    if sys.version_info[:2] == (3, minor):
        return sys.executable
    found = shutil.which(f"python3.{minor}")
    # pyenv's shims are there for versions that are not.
    works = (
        found
        and subprocess.run([found, "-c", ""], check=False, capture_output=True, timeout=60).returncode == 0
    )
    return found if works else None


# What does not fit together


def test_two_wheels_that_write_one_path_differently_are_refused(tmp_path: Path) -> None:
    one = make_wheel(tmp_path, "one", files={"shared.py": "1"})
    two = make_wheel(tmp_path, "two", files={"shared.py": "2"})
    sources = [source(one, "one"), source(two, "two")]
    with pytest.raises(ShipError) as caught:
        write(sources)
    assert caught.value.code == "E-SHIP-COLLISION"
    assert "one" in str(caught.value)
    assert "two" in str(caught.value)
    records = [write([one_source])[1].records[0] for one_source in sources]
    with pytest.raises(ShipError) as between:
        refuse_collisions(records)
    assert between.value.code == "E-SHIP-COLLISION"


def test_two_wheels_that_write_one_path_alike_share_it(tmp_path: Path) -> None:
    one = make_wheel(tmp_path, "one", files={"shared/__init__.py": ""})
    two = make_wheel(tmp_path, "two", files={"shared/__init__.py": ""})
    blob, made = write([source(one, "one"), source(two, "two")])
    assert f"{PACKAGES}/shared/__init__.py" in check_layer(blob)
    refuse_collisions(made.records)


@pytest.mark.parametrize("names", [("one", "two"), ("two", "one")])
def test_a_file_where_another_wheel_needs_a_directory_is_refused(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    flat = make_wheel(tmp_path, names[0], files={"shared": "a file"})
    deep = make_wheel(tmp_path, names[1], files={"shared/mod.py": ""})
    sources = [source(flat, names[0]), source(deep, names[1])]
    with pytest.raises(CrossdockError):
        write(sources)
    # In layers of their own the upper would hide the lower.
    with pytest.raises(ShipError) as caught:
        refuse_collisions([write([one])[1].records[0] for one in sources])
    assert caught.value.code == "E-SHIP-COLLISION"


# What is hostile


def test_bytes_behind_a_stream_are_refused(tmp_path: Path) -> None:
    members = wheel_files(files={"demo/__init__.py": "x = 1\n" * 50})
    entries = [RawEntry(name=name.encode(), content=content) for name, content in members.items()]
    entries[0].raw = entries[0].stream() + b"\0\0"
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(raw_zip(entries))
    with pytest.raises(ArchiveError) as caught:
        write([source(path)])
    assert caught.value.code == "E-ZIP-DEFLATE"


def _damaged(directory: Path, find: bytes, replacement: bytes, compression: int) -> Path:
    path = directory / "demo-1.0-py3-none-any.whl"
    data = zip_bytes(wheel_files(files={"demo/__init__.py": "x = 1234567\n"}), compression=compression)
    assert find in data
    path.write_bytes(data.replace(find, replacement, 1))
    return path


def test_a_wrong_crc_is_refused(tmp_path: Path) -> None:
    path = _damaged(tmp_path, b"x = 1234567", b"x = 7654321", zipfile.ZIP_STORED)
    with pytest.raises(ArchiveError) as caught:
        write([source(path)])
    assert caught.value.code == "E-ZIP-CRC"


def test_a_file_that_is_not_what_record_says_is_refused(tmp_path: Path) -> None:
    members = wheel_files(files={"demo/__init__.py": "x = 1\n"})
    members["demo/__init__.py"] = b"x = 2\n"
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(zip_bytes(members))
    with pytest.raises(ArchiveError) as caught:
        write([source(path)])
    assert "RECORD" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["demo/.wh.__init__.py", "demo/.wh..wh..opq", ".wh.d/x.py", "demo-1.0.data/data/.wh.bin"]
)
def test_names_that_runtimes_take_for_removals_are_refused(tmp_path: Path, name: str) -> None:
    path = make_wheel(tmp_path, files={name: "", "demo/__init__.py": ""})
    with pytest.raises(CrossdockError) as caught:
        write([source(path)])
    assert caught.value.code == "E-IMAGE-PATH"


# Large files


@pytest.mark.slow
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_memory_stays_flat_for_a_large_wheel(tmp_path: Path, compression: int) -> None:
    size = 300 << 20
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    _write_large(path, size, compression)
    program = PROGRAM.replace("path.read_bytes()", "b''").replace("io.BytesIO()", "open('/dev/null', 'wb')")
    # Not getrusage: that counts what this process held when it started the other.
    program += "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) < 200 * 1024  # KiB


def _write_large(path: Path, size: int, compression: int) -> None:
    chunk = random.Random(1).randbytes(1 << 20)
    members = wheel_files(files={})
    info = "demo-1.0.dist-info/RECORD"
    digest = hashlib.sha256()
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        member = zipfile.ZipInfo("demo/weights.bin")
        member.compress_type = compression
        with archive.open(member, "w") as file:
            for _ in range(size // len(chunk)):
                file.write(chunk)
                digest.update(chunk)
        text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        members[info] = f"demo/weights.bin,sha256={text},{size}\n".encode() + members[info]
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_file_read_in_pieces_gives_the_same_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    files: dict[str, bytes | str] = {
        "demo/__init__.py": random.Random(1).randbytes(3_000_000),
        "demo/b.py": "x = 1\n" * 90_000,
    }
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(zip_bytes(wheel_files(files=files), compression=compression))
    whole, _ = write([source(path)])
    monkeypatch.setattr(wheel_layer, "_STREAM_ABOVE", 100_000)
    pieces, _ = write([source(path)])
    assert pieces == whole
    check_layer(pieces)
    assert gzip.decompress(pieces) == gzip.decompress(whole)
