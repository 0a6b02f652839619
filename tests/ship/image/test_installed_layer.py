"""Wheel layers beside the environment: what install lays down, and what really runs."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.estargz import check_layer
from tests.support.layers import ARM64, ENTRY_POINTS, FILES, GLIBC, PACKAGES, source, write
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

from crossdock.errors import ArchiveError, CrossdockError, ShipError
from crossdock.safepath import PathRules
from crossdock.ship.image.environment import environment_entries, image_layout
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.wheel_layer import (
    write_wheel_layer,
)
from crossdock.ship.installed import installed_files
from crossdock.ship.unpacked import unpack_wheel
from crossdock.store import Store
from crossdock.target.model import Arch, Os, Python, Target

# Beside the environment


@pytest.mark.parametrize(
    "name",
    [
        "demo-1.0.data/data/pyvenv.cfg",
        "demo-1.0.data/data/pyvenv.cfg/x",
        "demo-1.0.data/data/bin",
        "demo-1.0.data/data/lib",
        "_crossdock_src.pth",
    ],
)
def test_what_makes_the_environment_is_no_wheels_to_write(tmp_path: Path, name: str) -> None:
    path = make_wheel(tmp_path, files={name: "#!python\n", "demo/__init__.py": ""})
    with pytest.raises(ShipError, match=r"`demo` and `the environment`") as caught:
        write([source(path)])
    assert caught.value.code == "E-SHIP-COLLISION"


@pytest.mark.parametrize(
    "name", ["scripts/python", "scripts/python3.12", "data/bin/python3", "data/bin/python"]
)
def test_a_script_named_like_the_interpreter_is_refused(tmp_path: Path, name: str) -> None:
    path = make_wheel(tmp_path, files={f"demo-1.0.data/{name}": "#!python\n"})
    with pytest.raises(CrossdockError) as caught:
        write([source(path)])
    assert caught.value.code == "E-WHEEL-INTERPRETER"


def test_names_like_the_environments_are_free(tmp_path: Path) -> None:
    files = {"demo-1.0.data/scripts/python-demo": "#!python\n", "demo-1.0.data/data/share/pyvenv.cfg": ""}
    entries = check_layer(write([source(make_wheel(tmp_path, files=files))])[0])
    assert {"app/bin/python-demo", "app/share/pyvenv.cfg"} <= entries.keys()


# Held against `crossdock install`


def test_the_layer_is_what_install_lays_down_under_the_same_layout(tmp_path: Path) -> None:
    modes = {"demo/__init__.py": 0o100755, "demo/empty.py": 0o104777}
    path = make_wheel(tmp_path, files=FILES, entry_points=ENTRY_POINTS, modes=modes)
    given_source = source(path, direct_url=b"{}")
    with tarfile.open(fileobj=io.BytesIO(write([given_source])[0]), mode="r:gz") as tar:
        layer = {
            item.name: (hashlib.sha256(tar.extractfile(item).read()).hexdigest(), item.mode)  # type: ignore[union-attr]
            for item in tar
            if item.isfile() and item.name.startswith("app/")
        }
    store = Store.open(tmp_path / "store", warn=pytest.fail)
    unpacked = unpack_wheel(store, given_source.digest, path, path.name, rules=PathRules.POSIX)
    layout = image_layout(ARM64, "/app")
    installed = installed_files(unpacked.facts, ARM64, layout, read=unpacked.read, direct_url=b"{}")
    assert layer == {file.path: (file.sha256, 0o755 if file.executable else 0o644) for file in installed}
    assert layer[f"{PACKAGES}/demo/empty.py"][1] == 0o755, "never setuid"
    store.close()


def test_a_program_among_the_scripts_is_copied_as_it_is(tmp_path: Path) -> None:
    program = b"\x7fELF" + bytes(range(256)) * 300
    name = "demo-1.0.data/scripts/program"
    path = make_wheel(tmp_path, files={name: program}, modes={name: 0o100755})
    blob, _ = write([source(path)])
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:gz") as tar:
        assert tar.extractfile("app/bin/program").read() == program  # type: ignore[union-attr]
        assert tar.getmember("app/bin/program").mode == 0o755


def test_the_layer_and_the_environment_run(tmp_path: Path) -> None:
    prefix = str(tmp_path / "app")
    target = Target(os=Os.LINUX, arch=Arch.X86_64, libc=GLIBC, python=Python(minor=sys.version_info.minor))
    files = {"demo/__init__.py": "def main():\n    import sys\n    print('ran below', sys.prefix)\n"}
    wheel = make_wheel(tmp_path, files=files, entry_points=ENTRY_POINTS)
    out = io.BytesIO()
    write_wheel_layer([source(wheel)], target=target, layout=Environment(prefix), out=out)
    interpreter = Path(sys.executable).resolve()
    with tarfile.open(fileobj=io.BytesIO(out.getvalue()), mode="r:gz") as tar:
        below = [item for item in tar if item.name.startswith(f"{prefix[1:]}/")]
        tar.extractall("/", members=below, filter="data")
    for entry in environment_entries(target, prefix, str(interpreter), sources=False):
        place = Path("/", entry.path)
        if entry.link:
            place.symlink_to(entry.link)
        else:
            place.write_bytes(b"".join(entry.content()))
    done = subprocess.run(
        [f"{prefix}/bin/demo"], capture_output=True, text=True, check=False, timeout=60, env={}
    )
    assert (done.returncode, done.stdout) == (0, f"ran below {prefix}\n"), done.stderr


# What else is in wheels


def test_a_wheel_with_a_bad_record_is_taken_if_it_is_named(tmp_path: Path) -> None:
    members = wheel_files(files={"demo/__init__.py": "x = 1\n", "demo/other.py": ""})
    members["demo/__init__.py"] = b"x = 2\n"
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(zip_bytes(members))
    blob, made = write([replace(source(path), allow_bad_record=True)])
    check_layer(blob)  # Its hashes are those of the content, not those of RECORD.
    assert made.records[0].problems
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:gz") as tar:
        assert tar.extractfile(f"{PACKAGES}/demo/__init__.py").read() == b"x = 2\n"  # type: ignore[union-attr]


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_refused(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(zip_bytes(wheel_files(), compression=compression))
    with pytest.raises(ArchiveError):
        write([source(path)])


@pytest.mark.parametrize("length", [40, 62, 63, 64, 65, 100, 101, 155, 156, 200])
def test_names_of_any_length_come_back(tmp_path: Path, length: int) -> None:
    names = {"demo/" + "d" * length + "/" + letter * length + ".py": "x = 1\n" for letter in ("f", "\u00e9")}
    names = {name: text for name, text in names.items() if len(name.rpartition("/")[2].encode()) <= 255}
    entries = check_layer(write([source(make_wheel(tmp_path, files=names))])[0])
    assert {f"{PACKAGES}/{name}" for name in names} <= entries.keys()
