"""A small crate with PyO3, built for arm64 and imported there: the compiler, the crates and the linker for real."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.emulation import cache_directory, require_foreign_python

from crossdock.build.cross import CrossBuild, Source, build_cross
from crossdock.build.model import PackageSettings
from crossdock.cli.building import world_of
from crossdock.cli.session import Session
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.build.canonical import BuiltWheel
    from crossdock.build.model import World

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["maturin>=1.7,<2"]
build-backend = "maturin"
[project]
name = "crossed"
version = "1.0"
""",
    # No lock: the newest crates that fit are taken. The build script runs here, its answer is for the target.
    "Cargo.toml": """
[package]
name = "crossed"
version = "1.0.0"
edition = "2021"
[lib]
crate-type = ["cdylib"]
[dependencies]
pyo3 = { version = "0.26", features = ["extension-module"] }
""",
    "build.rs": """
fn main() {
    println!("cargo:rustc-env=SEEN_TARGET={}", std::env::var("TARGET").unwrap());
    println!("cargo:rustc-env=SEEN_HOST={}", std::env::consts::ARCH);
}
""",
    "src/lib.rs": """
use pyo3::prelude::*;

#[pyfunction]
fn answer(x: u64) -> PyResult<(u64, String)> {
    if x == 0 {
        return Err(pyo3::exceptions::PyValueError::new_err("zero"));
    }
    Ok((x + 1, format!("{} {} {}", env!("SEEN_TARGET"), std::env::consts::ARCH, env!("SEEN_HOST"))))
}

#[pyfunction]
fn unwinds() {
    panic!("on purpose");
}

#[pymodule]
fn crossed(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(answer, module)?)?;
    module.add_function(wrap_pyfunction!(unwinds, module)?)
}
""",
}
CHECK = """
import crossed
print(*crossed.answer(41))
try:
    crossed.answer(0)
except ValueError as error:
    print(error)
try:
    crossed.unwinds()
except BaseException as error:
    print(type(error).__name__, error)
"""


def write(place: Path) -> Path:
    project = place / "crossed-1.0"
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    return project


def built(tmp_path: Path, world: World, python: str) -> BuiltWheel:
    source = Source(
        what="crossed-1.0.tar.gz",
        name="crossed",
        version="1.0",
        digest="sha256:0",
        unpack=write,
        evidence=("Cargo.toml",),
    )
    target = parse_target(f"cp{python.replace('.', '')}-linux-aarch64-glibc2.17")
    log = tmp_path / "build.log"
    return build_cross(
        CrossBuild(source=source, target=target, settings=PackageSettings(), world=world, log=log)
    ).wheel


@pytest.mark.index
@pytest.mark.emulation
@pytest.mark.slow
def test_a_crate_is_built_for_arm64_and_its_bytes_do_not_tell_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = require_foreign_python("arm64")
    if shutil.which("bwrap") is None:
        pytest.skip("no bubblewrap: builds lie at other places, and their bytes may differ")
    monkeypatch.setenv("CROSSDOCK_STORE", str(cache_directory() / "rust-store"))
    world = world_of(Session({"quiet": True}))
    # Without this machine's own Rust: Debian's is the harder way, and the same everywhere.
    plain = {**world.tools.uv_environ, "PATH": os.defpath}
    world = replace(world, tools=replace(world.tools, uv_environ=plain))

    first = built(tmp_path, world, foreign.minor)
    assert first.filename.endswith("-manylinux_2_17_aarch64.whl")
    with zipfile.ZipFile(os.fspath(_written(tmp_path, first))) as archive:
        archive.extractall(tmp_path / "tree")
        names = archive.namelist()
        modules = b"".join(archive.read(name) for name in names if name.endswith(".so"))
    done = foreign.run("-c", CHECK, path=tmp_path / "tree")
    assert done.stdout.splitlines() == [
        "42 aarch64-unknown-linux-gnu aarch64 x86_64" if os.uname().machine == "x86_64" else done.stdout,
        "zero",
        "PanicException on purpose",
    ]
    assert b"crates/pyo3-" in modules
    # `/rust/deps` is what the standard library itself says.
    for leak in (b"/build", b"/crates", os.fsencode(tmp_path), b"index.crates"):
        assert leak not in modules

    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere" / "deep"))
    second = built(tmp_path, world, foreign.minor)
    assert _members(second) == _members(first)
    assert second.sha256 == first.sha256


def _members(wheel: BuiltWheel) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def _written(place: Path, wheel: BuiltWheel) -> Path:
    path = place / wheel.filename
    path.write_bytes(wheel.content)
    return path
