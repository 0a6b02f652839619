"""What start-up time depends on: the target's floor is light until tags or markers are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
