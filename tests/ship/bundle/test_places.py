"""The table of runtimes: what is built in, what a file lays over it, which target is which place."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from crossdock.errors import UsageError
from crossdock.ship.bundle.places import Limits, RuntimeTable, deprecation_notes, place_of, read_table
from crossdock.target.files import target_from_table
from crossdock.target.model import Arch, Libc, LibcKind, Python
from crossdock.target.names import parse_python, parse_target
from crossdock.target.presets import presets

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("lambda-", "agentcore-", "gcf-", "azure-functions-")


def written(directory: Path, text: str) -> RuntimeTable:
    path = directory / "runtimes.toml"
    path.write_text(text, encoding="utf-8")
    return read_table(path)


def test_the_table_has_the_presets_runtimes_and_says_the_same_of_them() -> None:
    known = {preset.name: preset for preset in presets() if preset.name.startswith(KINDS)}
    assert {runtime.preset.name: runtime.preset for runtime in read_table().runtimes} == known


def test_every_name_is_the_target_that_install_takes_too() -> None:
    table = read_table()
    assert len(table.names) == 12 + 5 + 6 + 5
    for name, target in table.targets().items():
        assert target == parse_target(name)
        assert place_of(target, table=table).name == target.preset
    assert table.target("lambda-python3.12") == parse_target("lambda-python3.12")
    assert table.target("linux/arm64") is None


def test_a_default_python_adds_the_patch_version() -> None:
    target = read_table().target("lambda-python3.12-arm64", default_python=parse_python("3.12.4"))
    assert target is not None
    assert target.python.full == "3.12.4"


def test_limits_and_layout_of_lambda() -> None:
    place = place_of(parse_target("lambda-python3.11-arm64"), table=read_table())
    assert place.limits == Limits(zipped=52_428_800, unzipped=262_144_000, unzipped_exclusive=True, layers=5)
    assert (place.layout, place.task_root, place.layer_root) == ("root", "/var/task", "/opt")
    assert (place.os, place.deprecated) == ("Amazon Linux 2", date(2027, 6, 30))
    assert {"boto3", "botocore", "urllib3"} <= set(place.provided)


def test_other_clouds_state_what_is_known_and_no_more() -> None:
    table = read_table()
    google = place_of(parse_target("gcf-python3.12"), table=table)
    azure = place_of(parse_target("azure-functions-python3.11"), table=table)
    assert (google.layout, azure.layout) == ("wheels", "site-packages")
    assert google.limits == azure.limits == Limits()
    assert google.deprecated is azure.deprecated is None
    assert google.provided == azure.provided == ()


def test_a_target_of_the_project_is_the_place_it_was_made_from() -> None:
    target = target_from_table(
        {"platform": "lambda-python3.12-arm64", "markers": {"platform_release": "5.10"}}, name="prod"
    )
    assert place_of(target, table=read_table()).name == "lambda-python3.12"


@pytest.mark.parametrize("name", ["linux/arm64", "amazonlinux-2023-arm64", "debian-bookworm"])
def test_a_platform_is_no_place(name: str) -> None:
    target = parse_target(name, default_python=Python(minor=12))
    with pytest.raises(UsageError, match="is no place") as caught:
        place_of(target, table=read_table())
    assert caught.value.code == "E-BUNDLE-PLACE"
    assert "lambda-python3.14" in str(caught.value)


def test_a_file_brings_a_runtime_that_is_not_known(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        """
        [kind.lambda]
        source = "AWS"
        read = 2027-01-02
        [[runtime]]
        kind = "lambda"
        python = "3.15"
        os = "Amazon Linux 2023"
        glibc = "2.34"
        """,
    )
    target = table.target("lambda-python3.15-arm64")
    assert target is not None
    assert (target.arch, target.libc) == (Arch.AARCH64, Libc(LibcKind.GLIBC, 2, 34))
    assert target.base_libraries == frozenset({"libstdc++.so.6", "libgcc_s.so.1"})
    place = place_of(target, table=table)
    assert (place.source, place.read, place.deprecated) == ("AWS", date(2027, 1, 2), None)
    # What the file does not speak of keeps its own source.
    assert table.place("lambda-python3.12") == read_table().place("lambda-python3.12")


def test_a_file_changes_one_date_and_one_limit(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        """
        [kind.lambda.limits]
        layers = 6
        [[runtime]]
        kind = "lambda"
        python = "3.11"
        deprecated = 2028-01-01
        """,
    )
    place = place_of(parse_target("lambda-python3.11-arm64"), table=table)
    assert (place.deprecated, place.create_blocked) == (date(2028, 1, 1), date(2027, 7, 31))
    assert (place.limits.layers, place.limits.zipped) == (6, 52_428_800)
    assert place.source == "runtimes.toml"


def test_what_a_file_says_of_glibc_goes_before_the_preset(tmp_path: Path) -> None:
    table = written(tmp_path, '[[runtime]]\nkind = "lambda"\npython = "3.14"\nglibc = "2.38"\n')
    target = table.target("lambda-python3.14-arm64")
    assert target is not None
    assert target.libc == Libc(LibcKind.GLIBC, 2, 38)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[runtime", "is not TOML"),
        ("[other]", "unknown key `other`"),
        ('[kind.vercel]\ntitle = "Vercel"', r"\[kind.vercel\] is none of lambda"),
        ("kind = 3", "`kind` is of the wrong type"),
        ("[kind]\nlambda = 3", "is no table"),
        ("[kind.lambda]\nsize = 3", "unknown key `size`"),
        ('[kind.lambda]\nlayout = "flat"', "`flat` is none of root"),
        ('[kind.lambda]\nprovided = "boto3"', "`provided` is a list of strings"),
        ("[kind.lambda.limits]\nzipped = 0", "`zipped` is a whole number above zero"),
        ("[kind.lambda.limits]\nlayers = true", "`layers` is a whole number above zero"),
        ("runtime = [3]", "is no table"),
        ('[[runtime]]\npython = "3.15"', "no `kind` or no `python`"),
        ('[[runtime]]\nkind = "vercel"\npython = "3.12"', "kind is `vercel`"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.15"', "lambda-python3.15 needs `glibc`"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.15"\nglibc = "2"', "needs `glibc`"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.8"\nglibc = "2.26"', "Python 3.8 is not supported"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.12.4"', "a minor version"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.12"\ndeprecated = "2027"', "`deprecated` is a date"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.12"\narches = ["sparc"]', "`sparc` is none of"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.12"\narches = []', "`arches` are empty"),
        ('[[runtime]]\nkind = "lambda"\npython = "3.12"\nos = 3', "`os` is of the wrong type"),
        ('runtime = [{kind = "lambda", python = "3.12"}, {kind = "lambda", python = "3.12"}]', "twice"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        written(tmp_path, text)
    assert caught.value.code == "E-BUNDLE-RUNTIMES"
    assert caught.value.message.startswith("`runtimes.toml`: ")


def test_a_file_that_is_not_there_or_far_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_table(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="larger than"):
        written(tmp_path, "#" * (1 << 20) + "\n")


def test_the_end_of_a_runtime_is_told_half_a_year_before_and_after() -> None:
    place = read_table().place("lambda-python3.11")
    assert place is not None
    assert deprecation_notes(place, date(2026, 11, 23)) == ()
    (soon,) = deprecation_notes(place, date(2027, 1, 1))
    assert "lambda-python3.11 will be deprecated on 2027-06-30" in soon
    assert "no new functions from 2027-07-31 on, no updates from 2027-08-31 on" in soon
    (late,) = deprecation_notes(place, date(2027, 8, 1))
    assert "is deprecated since 2027-06-30: no new functions since 2027-07-31, no updates from" in late


def test_nothing_is_told_where_no_date_is_known() -> None:
    place = read_table().place("gcf-python3.9")
    assert place is not None
    assert deprecation_notes(place, date(2040, 1, 1)) == ()
