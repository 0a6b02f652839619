"""The table of runtimes that two packages of AWS give: read, never run."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.wheels import make_wheel

from crossdock.errors import CrossdockError, ShipError
from crossdock.net.pages import ProjectFile
from crossdock.ship.bundle.places import read_table
from crossdock.ship.bundle.refresh import SourceWheel, differences, newest_wheel, refreshed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DAY = date(2027, 1, 2)
DATES = "cfnlint/data/AdditionalSpecs/LmbdRuntimeLifecycle.json"
MODULE = "aws_lambda_builders/workflows/python_pip/packager.py"


def ends(deprecated: str | None = "2028-10-31") -> dict[str, Any]:
    return {"deprecated": deprecated, "create-block": "2028-11-30", "update-block": None, "successor": None}


def sources(
    directory: Path, dates: Mapping[str, Any] | str, module: str, *, member: str = DATES
) -> tuple[SourceWheel, SourceWheel]:
    text = dates if isinstance(dates, str) else json.dumps(dates)
    found = []
    for name, files in (("cfn_lint", {member: text}), ("aws_lambda_builders", {MODULE: module})):
        path = make_wheel(directory, name, "9.1", files=files)
        found.append(
            SourceWheel(package=name.replace("_", "-"), version="9.1", filename=path.name, blob=path)
        )
    return found[0], found[1]


def test_both_packages_make_one_table(tmp_path: Path) -> None:
    module = 'raise SystemExit("run")\nclass Builder:\n    _RUNTIME_GLIBC: dict = {"cp37m": (2, 17), "cp312": (2, 34), "cp315": (2, 39)}\n'
    dates = {"python3.12": ends(), "python3.15": ends(None), "python2.7": ends(), "nodejs24.x": ends()}
    made = refreshed(*sources(tmp_path, dates, module), today=DAY)
    assert made.notes == ()
    assert "on 2027-01-02 from cfn-lint 9.1 and aws-lambda-builders 9.1" in made.text
    path = tmp_path / "runtimes.toml"
    path.write_text(made.text, encoding="utf-8")
    table = read_table(path)
    new = table.place("lambda-python3.15")
    assert new is not None
    # A release of Amazon Linux that nobody named here is not guessed.
    assert (new.os, new.deprecated, new.create_blocked) == ("Linux", None, date(2028, 11, 30))
    assert new.source == "cfn-lint 9.1 (dates), aws-lambda-builders 9.1 (glibc)"
    assert new.read == DAY
    assert list(differences(read_table(), table)) == ["lambda-python3.15 is new"]


def test_what_one_of_them_does_not_know_is_told(tmp_path: Path) -> None:
    made = refreshed(
        *sources(
            tmp_path,
            {"python3.14": ends(), "python3.15": ends()},
            '_RUNTIME_GLIBC = {"cp313": (2, 34), "cp314": (2, 34)}',
        ),
        today=DAY,
    )
    assert made.notes == (
        "python3.13 has no dates: cfn-lint 9.1 does not know it",
        "python3.15 is left out: aws-lambda-builders 9.1 does not say its glibc",
    )
    assert "3.15" not in made.text


def test_a_moved_date_and_another_glibc_are_differences(tmp_path: Path) -> None:
    path = tmp_path / "runtimes.toml"
    module = '_RUNTIME_GLIBC = {"cp312": (2, 38)}'
    path.write_text(refreshed(*sources(tmp_path, {"python3.12": ends("2029-01-01")}, module), today=DAY).text)
    assert list(differences(read_table(), read_table(path))) == [
        "lambda-python3.12: glibc glibc2.34 -> glibc2.38",
        "lambda-python3.12: deprecated 2028-10-31 -> 2029-01-01",
    ]


@pytest.mark.parametrize(
    ("dates", "module", "member"),
    [
        ("[]", '_RUNTIME_GLIBC = {"cp312": (2, 34)}', DATES),
        ("{", '_RUNTIME_GLIBC = {"cp312": (2, 34)}', DATES),
        ('{"python3.12": {"deprecated": "soon"}}', '_RUNTIME_GLIBC = {"cp312": (2, 34)}', DATES),
        ("{}", '_RUNTIME_GLIBC = {"cp312": (2, 34)}', "cfnlint/data/Elsewhere.json"),
        ("{}", "OTHER = 1", DATES),
        ("{}", "_RUNTIME_GLIBC = table()", DATES),
        ("{}", '_RUNTIME_GLIBC = {"cp312": 2}', DATES),
        ("{}", "_RUNTIME_GLIBC = (", DATES),
        ("{}", "_RUNTIME_GLIBC = {}", DATES),
        ("{}", "_RUNTIME_GLIBC = " + "(" * 5000, DATES),
    ],
)
def test_another_form_is_refused_and_not_guessed(
    tmp_path: Path, dates: str, module: str, member: str
) -> None:
    with pytest.raises(ShipError, match=r"^(cfn-lint|aws-lambda-builders) 9.1 ") as caught:
        refreshed(*sources(tmp_path, dates, module, member=member), today=DAY)
    assert caught.value.code == "E-BUNDLE-REFRESH"


def test_a_wheel_whose_content_was_changed_is_refused(tmp_path: Path) -> None:
    dates, glibc = sources(tmp_path, {}, '_RUNTIME_GLIBC = {"cp312": (2, 34)}')
    content = dates.blob.read_bytes()
    at = content.index(b"{}") if b"{}" in content else content.index(DATES.encode()) + len(DATES)
    dates.blob.write_bytes(content[:at] + b"!" + content[at + 1 :])
    with pytest.raises(CrossdockError):
        refreshed(dates, glibc, today=DAY)


def test_the_newest_wheel_is_no_pre_release_and_not_yanked() -> None:
    files = [
        ProjectFile(filename="cfn_lint-1.9-py3-none-any.whl", url="a"),
        ProjectFile(filename="cfn_lint-1.10-py3-none-any.whl", url="b"),
        ProjectFile(filename="cfn_lint-1.11-py3-none-any.whl", url="c", yanked=""),
        ProjectFile(filename="cfn_lint-2.0rc1-py3-none-any.whl", url="d"),
        ProjectFile(filename="cfn_lint-3.0.tar.gz", url="e"),
        ProjectFile(filename="cfn_lint-x.whl", url="f"),
    ]
    assert newest_wheel("cfn-lint", files) == ("1.10", files[1])
    with pytest.raises(ShipError, match="no wheel of `cfn-lint`"):
        newest_wheel("cfn-lint", files[2:])
