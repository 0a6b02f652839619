"""`crossdock runtimes` end to end: the table, and a newer one from the package index."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import CROSSDOCK
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World

DATES = (
    '{"python3.12": {"deprecated": "2028-10-31", "create-block": "2028-11-30", "update-block": "2029-01-10"}}'
)


def stock_sources(world: World, glibc: str = '{"cp312": (2, 34), "cp315": (2, 34)}') -> None:
    make_wheel(
        world.files,
        "cfn_lint",
        "2.0",
        files={"cfnlint/data/AdditionalSpecs/LmbdRuntimeLifecycle.json": DATES},
    )
    make_wheel(
        world.files,
        "aws_lambda_builders",
        "3.0",
        files={"aws_lambda_builders/workflows/python_pip/packager.py": f"_RUNTIME_GLIBC = {glibc}\n"},
    )


def test_the_table_needs_no_network(bare: World) -> None:
    text = bare.run("runtimes").stdout
    (line,) = [line for line in text.splitlines() if line.startswith("lambda-python3.11 ")]
    cells = "Amazon Linux 2 2.26 x86_64, arm64 2027-06-30 2027-07-31 2027-08-31 50 MiB < 250 MiB 5"
    assert line.split()[1:] == cells.split()
    assert "cfn-lint" in text
    assert bare.index.requests == []
    rows = {row["name"]: row for row in bare.json("runtimes")}
    assert rows["lambda-python3.12"]["targets"] == ["lambda-python3.12-x86_64", "lambda-python3.12-arm64"]
    assert rows["lambda-python3.12"]["limits"]["unzipped_exclusive"] is True
    assert rows["gcf-python3.12"]["limits"]["zipped"] is None


def test_a_newer_table_is_written_and_read_again(bare: World) -> None:
    stock_sources(bare)
    done = bare.run("runtimes", "--refresh", "-o", "own.toml")
    assert done.stdout == ""
    assert "lambda-python3.15 is new" in done.stderr
    assert "python3.15 has no dates: cfn-lint 2.0 does not know it" in done.stderr
    text = (bare.work / "own.toml").read_text()
    assert "from cfn-lint 2.0 and aws-lambda-builders 3.0" in text
    assert bare.run("runtimes", "--refresh", "-q").stdout == text
    assert bare.json("runtimes", "--refresh", "-o", "own.toml")["differences"] == ["lambda-python3.15 is new"]
    shown = bare.run("runtimes", "--runtimes", "own.toml").stdout
    assert "lambda-python3.15 " in shown
    assert sorted(bare.fetched()) == [
        "aws_lambda_builders-3.0-py3-none-any.whl",
        "cfn_lint-2.0-py3-none-any.whl",
    ]


def test_a_form_that_is_not_known_writes_nothing(bare: World) -> None:
    stock_sources(bare, glibc="table()")
    assert "aws-lambda-builders 3.0" in bare.refused(
        "runtimes", "--refresh", "-o", "own.toml", code="E-BUNDLE-REFRESH"
    )
    assert not (bare.work / "own.toml").exists()


def test_what_cannot_be_is_refused(bare: World) -> None:
    bare.refused("runtimes", "--refresh", "--offline", code="E-FETCH-OFFLINE")
    bare.refused("runtimes", "-o", "x.toml", code="E-USAGE", status=2)
    bare.refused("runtimes", "--runtimes", "none.toml", code="E-BUNDLE-RUNTIMES", status=2)
    bare.refused("runtimes", "--refresh", code="E-INDEX-UNKNOWN")


@pytest.mark.index
def test_the_packages_of_the_index_have_the_form_that_is_read(tmp_path: Path) -> None:
    """What AWS ships today: the runtimes that the table has are in it, whatever dates were moved since."""
    done = subprocess.run(
        [CROSSDOCK, "runtimes", "--refresh"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CROSSDOCK_STORE": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    for minor in range(9, 15):
        assert f'python = "3.{minor}"' in done.stdout
    assert done.stdout.count("deprecated = ") >= 6
