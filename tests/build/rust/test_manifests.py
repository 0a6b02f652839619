"""What a project builds of Rust, and which compiler it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossdock.build.backend import BuildSystem
from crossdock.build.rust.manifests import find_crates
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

MATURIN = BuildSystem(requires=("maturin>=1.2,<2.0",), backend="maturin")
SETUPTOOLS = BuildSystem(requires=("setuptools>=42.0.0", "wheel"), backend="setuptools.build_meta")
RUST = BuildSystem(requires=("setuptools", "setuptools-rust>=1.7"), backend="setuptools.build_meta")


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


PACKAGE = '[package]\nname = "x"\nversion = "1.0.0"\n'


def test_a_project_without_manifests_has_no_rust(tmp_path: Path) -> None:
    assert find_crates(write(tmp_path, {"setup.py": ""}), RUST) is None


@pytest.mark.parametrize(
    "named",
    [
        "[tool.setuptools-rust]\next-modules = 5\n",
        "[tool.setuptools-rust]\next-modules = [5]\n",
        "[tool]\nsetuptools-rust = 5\n",
        "[tool.maturin]\nmanifest-path = 5\n",
        f"[tool.maturin]\nmanifest-path = '{'x' * 5000}'\n",
        '[tool.maturin]\nmanifest-path = "x\\u0000"\n',
        f"x = {'9' * 5000}\n",
        f"x = {'[' * 100_000}\n",
    ],
)
def test_what_pyproject_says_of_rust_may_be_anything(tmp_path: Path, named: str) -> None:
    found = find_crates(write(tmp_path, {"pyproject.toml": named, "Cargo.toml": PACKAGE}), MATURIN)
    assert found is not None
    assert found.roots == (tmp_path,)


def test_a_version_without_end_is_a_very_new_one(tmp_path: Path) -> None:
    manifest = PACKAGE + f'rust-version = "{"9" * 5000}.1"\n'
    found = find_crates(write(tmp_path, {"Cargo.toml": manifest}), MATURIN)
    assert found is not None
    assert found.at_least[0] > 1000


@pytest.mark.parametrize("name", ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"])
@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "9" * 5000, "x = "])
def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, {"Cargo.toml": PACKAGE, name: text})
    with pytest.raises(BuildError) as caught:
        find_crates(tmp_path, MATURIN)
    assert caught.value.code == "E-BUILD-RUST"


def test_manifests_that_nothing_compiles_are_no_reason(tmp_path: Path) -> None:
    project = write(tmp_path, {"setup.py": "import setuptools", "rust/Cargo.toml": PACKAGE})
    assert find_crates(project, SETUPTOOLS) is None
    write(tmp_path, {"setup.py": "from setuptools_rust import RustExtension"})
    found = find_crates(project, SETUPTOOLS)
    assert found is not None
    assert found.roots == (tmp_path / "rust",)


def test_the_manifest_that_pyproject_names_counts_and_its_workspace_is_the_root(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        {
            "pyproject.toml": '[tool.maturin]\nmanifest-path = "src/rust/Cargo.toml"\n',
            "Cargo.toml": '[workspace]\nmembers = ["src/rust"]\n[workspace.package]\nrust-version = "1.83"\n',
            "Cargo.lock": "version = 4\n",
            "src/rust/Cargo.toml": PACKAGE + 'edition = "2021"\nrust-version.workspace = true\n',
        },
    )
    found = find_crates(project, MATURIN)
    assert found is not None
    assert found.roots == (tmp_path,)
    assert found.locks == [tmp_path / "Cargo.lock"]
    assert found.at_least == (1, 83, 0)


def test_a_manifest_outside_of_the_project_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"Cargo.toml": PACKAGE})
    project = write(
        tmp_path / "project", {"pyproject.toml": '[tool.maturin]\nmanifest-path = "../Cargo.toml"\n'}
    )
    assert find_crates(project, MATURIN) is None


def test_the_nearest_manifests_are_found_and_none_of_tests(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        {
            "src/_one/Cargo.toml": PACKAGE,
            "src/_two/Cargo.toml": PACKAGE,
            "src/_two/deep/Cargo.toml": PACKAGE,
            "tests/crate/Cargo.toml": PACKAGE,
            "examples/Cargo.toml": PACKAGE,
        },
    )
    found = find_crates(project, RUST)
    assert found is not None
    assert found.roots == (tmp_path / "src/_one", tmp_path / "src/_two")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ()),
        ('edition = "2021"\n', (1, 56, 0)),
        ('edition = "2024"\nrust-version = "1.70"\n', (1, 85, 0)),
        ('edition = "2021"\nrust-version = "1.88.1"\n', (1, 88, 1)),
    ],
)
def test_the_compiler_that_is_asked_for(tmp_path: Path, text: str, wanted: tuple[int, ...]) -> None:
    found = find_crates(write(tmp_path, {"Cargo.toml": PACKAGE + text}), MATURIN)
    assert found is not None
    assert found.at_least == wanted


def test_a_lock_of_the_fourth_form_needs_a_cargo_that_reads_it(tmp_path: Path) -> None:
    found = find_crates(
        write(tmp_path, {"Cargo.toml": PACKAGE, "Cargo.lock": "# of cargo\nversion = 4\n"}), MATURIN
    )
    assert found is not None
    assert found.at_least == (1, 78, 0)


def test_crates_that_the_project_brings_are_seen(tmp_path: Path) -> None:
    settings = '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "vendor"\n'
    found = find_crates(
        write(
            tmp_path, {"Cargo.toml": PACKAGE, ".cargo/config.toml": settings, "vendor/a/Cargo.toml": PACKAGE}
        ),
        MATURIN,
    )
    assert found is not None
    assert found.own_sources
    write(tmp_path, {".cargo/config.toml": '[build]\nrustflags = ["-Ctarget-cpu=native"]\n'})
    again = find_crates(tmp_path, MATURIN)
    assert again is not None
    assert not again.own_sources


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"Cargo\.toml.*cannot be read") as caught:
        find_crates(write(tmp_path, {"Cargo.toml": "[package\n"}), MATURIN)
    assert caught.value.code == "E-BUILD-RUST"
