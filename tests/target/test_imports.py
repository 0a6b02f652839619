"""What start-up time depends on: the target's floor is light until tags or markers are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import crossdock

#: Each takes 2 to 10 ms to import: a command that installs from a warm store has 150 in all.
HEAVY = "packaging", "tomllib", "json", "hashlib", "importlib.resources", "difflib", "pathlib", "urllib"


def loaded_after(code: str) -> list[str]:
    ask = f"import sys; {code}; print(*sys.modules, sep='\\n')"
    # Not `site`: what an installation's .pth files import is none of ours.
    asked = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {ask}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.split()


@pytest.mark.parametrize(
    "name",
    [
        "linux/arm64",
        "manylinux_2_28_aarch64",
        "cp312-linux-aarch64-glibc2.34",
        "win_amd64",
        "aarch64-apple-darwin",
    ],
)
def test_a_place_is_read_with_nothing_heavy(name: str) -> None:
    loaded = loaded_after(
        "from crossdock.target.names import parse_python, parse_target;"
        f"parse_target({name!r}, default_python=parse_python('3.12'))"
    )
    assert [module for module in loaded if module in HEAVY] == []
    assert "crossdock.target.presets" not in loaded


def test_a_preset_is_read_without_importlib_resources() -> None:
    loaded = loaded_after(
        "from crossdock.target.names import parse_target; parse_target('lambda-python3.12-arm64')"
    )
    assert "importlib.resources" not in loaded
    assert "packaging" not in loaded


@pytest.mark.parametrize(
    "module", ["model", "names", "pythons", "files", "describe", "markers", "tags", "presets"]
)
def test_importing_it_does_not_import_packaging(module: str) -> None:
    code = (
        f"import sys, crossdock.target.{module}; print([n for n in sys.modules if n.startswith('packaging')])"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


def test_a_name_is_read_without_packaging() -> None:
    code = (
        "import sys; from crossdock.target.names import canonical_name, parse_target;"
        "canonical_name(parse_target('lambda-python3.12-arm64'));"
        "print([n for n in sys.modules if n.startswith('packaging')])"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


def test_presets_are_read_from_a_zip_file(tmp_path: Path) -> None:
    """An application that is shipped as one file may hold crossdock."""
    home = Path(crossdock.__file__).parent
    with ZipFile(tmp_path / "app.zip", "w") as archive:
        for path in [home / "__init__.py", home / "errors.py", *(home / "target").glob("*.*")]:
            archive.write(path, f"crossdock/{path.relative_to(home)}")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'app.zip')!r}); from crossdock.target import names;"
        "assert 'app.zip' in names.__file__; print(names.canonical_name(names.parse_target('lambda-python3.12-arm64')))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "cp312-linux-aarch64-glibc2.34"
