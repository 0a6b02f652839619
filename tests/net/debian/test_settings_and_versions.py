from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.errors import CrossdockError, FetchError, UsageError
from crossdock.net.debian.relations import Relation, parse_groups
from crossdock.net.debian.sources import (
    archives_for,
    archives_of,
    parse_deb822_sources,
    parse_sources_list,
)
from crossdock.net.debian.versions import compare_versions, satisfies


def test_the_one_line_style() -> None:
    entries = parse_sources_list(
        "# a comment\n"
        "deb [arch=amd64,arm64 signed-by=/k/a.gpg trusted=yes] https://mirror.example/debian bookworm main contrib # why\n"
        "deb-src https://mirror.example/debian bookworm main\n"
        "deb cdrom:[disc]/ bookworm main\n"
        "deb https://flat.example/repo ./\n"
    )
    (entry,) = entries
    assert entry.uris == ("https://mirror.example/debian",)
    assert entry.components == ("main", "contrib")
    assert entry.signed_by == ("/k/a.gpg",)
    assert entry.architectures == ("amd64", "arm64")
    assert entry.trusted


def test_the_style_of_sources_files() -> None:
    text = """\
Types: deb deb-src
# not this one
URIs: https://one.example/debian https://two.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k/a.gpg

Types: deb
URIs: https://security.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://off.example
Suites: bookworm
Components: main
Enabled: no
"""
    archives = archives_of(parse_deb822_sources(text), lambda path: path.encode())
    assert [(one.mirror, one.suite) for one in archives_for("bookworm", archives)] == [
        ("https://one.example/debian", "bookworm"),
        ("https://two.example/debian", "bookworm"),
        ("https://one.example/debian", "bookworm-updates"),
        ("https://two.example/debian", "bookworm-updates"),
        ("https://security.example/debian-security", "bookworm-security"),
    ]
    assert archives[0].keys == (b"/k/a.gpg",)
    assert archives[-1].keys[0].startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n")


@pytest.mark.parametrize(
    "line", ["deb", "deb https://x", "rpm https://x y z", "deb https://x ../../etc main"]
)
def test_lines_that_are_none(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sources_list(line)
    assert caught.value.code == "E-DEBIAN-SOURCES"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_sources_list, parse_deb822_sources):
        try:
            parse(text)
        except CrossdockError as error:
            assert error.code == "E-DEBIAN-SOURCES"  # noqa: PT017


ORDERED = [
    "0~~",
    "0~",
    "0",
    "1.0~rc1-1",
    "1.0-0.1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-10",
    "1.0a",
    "1.0+1",
    "1.0.1",
    "1:0.1",
]


def test_the_order_of_versions() -> None:
    for first, second in itertools.pairwise(ORDERED):
        assert compare_versions(first, second) < 0, (first, second)
        assert compare_versions(second, first) > 0, (first, second)
    assert compare_versions("0:01.0-0", "1.00") == 0
    assert satisfies("1.2-1", ">=", "1.2")
    assert not satisfies("1.2~rc1", ">=", "1.2")


_UPSTREAM = st.text("019abz.+~-", max_size=6).map(lambda text: f"1{text}")
_VERSIONS = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:"]),
    _UPSTREAM,
    st.sampled_from(["", "-0", "-1", "-1~a"]),
).filter(lambda text: not text.endswith("-"))


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="SKIPPED: dpkg is not installed")
@settings(max_examples=60, deadline=None)
@given(_VERSIONS, _VERSIONS)
def test_versions_compare_as_dpkg_says(first: str, second: str) -> None:
    order = compare_versions(first, second)
    word = "lt" if order < 0 else "gt" if order > 0 else "eq"
    subprocess.run(["dpkg", "--compare-versions", first, word, second], check=True)


def test_dependencies_are_read() -> None:
    assert parse_groups("libc6 (>= 2.14), python3:any | mawk(<<1)") == (
        (Relation("libc6", "", ">=", "2.14"),),
        (Relation("python3", "any"), Relation("mawk", "", "<<", "1")),
    )
    assert parse_groups("") == ()


@pytest.mark.parametrize(
    "text", ["a b", "libc6 (> 1)", "libc6 (>= )", "a1,,b1", "|", "libc6 (>= 1-)", "x" * 9 + "!"]
)
def test_dependencies_that_are_none(text: str) -> None:
    with pytest.raises(FetchError):
        parse_groups(text)
