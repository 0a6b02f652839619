"""The reference pages say what the source says."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossdock.project import BundleSettings, CheckSettings, ImageSettings, Settings

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
_CODE = re.compile(r"`(E(?:-[A-Z0-9]+)+)`")


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "dev" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _documented() -> list[str]:
    """The codes in the first column of the page's tables."""
    rows = [line for line in (REFERENCE / "codes.md").read_text("utf-8").splitlines() if line.startswith("|")]
    return [code for row in rows for code in _CODE.findall(row.split("|")[1])]


def test_command_line_page_is_up_to_date() -> None:
    module = _script("refresh_cli_reference")
    assert module.PAGE.read_text("utf-8") == module.page(), "run: python dev/refresh_cli_reference.py"


def test_every_code_in_the_source_is_documented() -> None:
    missing = _script("list_codes").codes().keys() - set(_documented())
    assert not missing, f"describe these in docs/reference/codes.md: {', '.join(sorted(missing))}"


def test_every_documented_code_exists_and_stands_once() -> None:
    documented = _documented()
    gone = set(documented) - _script("list_codes").codes().keys()
    assert not gone, f"no longer in the source: {', '.join(sorted(gone))}"
    assert len(documented) == len(set(documented))


@pytest.mark.parametrize(
    "source",
    ['x = f"E-NEW-{kind}"', "E-TAR-"],
    ids=["an unknown prefix", "a known one"],
)
def test_codes_that_are_put_together_must_be_known(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _script("list_codes")
    monkeypatch.setattr(module, "SOURCE", tmp_path)
    (tmp_path / "archive").mkdir()
    if source.startswith("x"):
        (tmp_path / "new.py").write_text(source)
        with pytest.raises(SystemExit, match="E-NEW-"):
            module.codes()
    else:
        (tmp_path / "archive" / "pax.py").write_text('raise BadHeaderError("PAX", "text")')
        assert module.codes() == {"E-TAR-PAX": {"archive/pax.py"}}


def test_every_setting_is_documented() -> None:
    page = (REFERENCE / "configuration.md").read_text("utf-8")
    rows = set(re.findall(r"(?m)^\| `([a-z-]+)", page))
    # `lambda` is no name in Python.
    assert rows == {field.name.replace("_", "-").replace("bundle", "lambda") for field in fields(Settings)}
    image = set(re.findall(r"(?m)^\| `image\.([a-z-]+)`", page))
    assert image == {field.name.replace("_", "-") for field in fields(ImageSettings)}
    bundle = set(re.findall(r"(?m)^\| `lambda\.([a-z-]+)`", page))
    assert bundle == {field.name.replace("_", "-") for field in fields(BundleSettings)}
    check = set(re.findall(r"(?m)^\| `check\.([a-z-]+)`", page))
    assert check == {field.name.replace("_", "-") for field in fields(CheckSettings)}


def test_every_variable_of_our_own_is_documented() -> None:
    page = (REFERENCE / "environment.md").read_text("utf-8")
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    for name in sorted(set(re.findall(r"\"(CROSSDOCK_[A-Z]+)\"", source))):
        assert f"`{name}`" in page, name


def test_every_dependency_is_justified() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [*table["project"]["optional-dependencies"].values(), *table["dependency-groups"].values()]
    asked = [*table["project"]["dependencies"], *(item for group in groups for item in group)]
    names = {re.split(r"[<>=~! \[]", item)[0] for item in asked if isinstance(item, str)}
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    missing = {name for name in names if not re.search(rf"\b{re.escape(name)}\b", page)}
    assert not missing, f"say in docs/dependencies.md what these are for: {', '.join(sorted(missing))}"
