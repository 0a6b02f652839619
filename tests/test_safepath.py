"""Paths out of archives: what each target's file system makes of them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.errors import ArchiveError
from crossdock.safepath import PathRules, PathSet, fold, is_portable, parse_member_path

EVERYWHERE = {
    "": "E-PATH-EMPTY",
    "/": "E-PATH-ABSOLUTE",
    "/etc/passwd": "E-PATH-ABSOLUTE",
    "//server/share": "E-PATH-ABSOLUTE",
    "a//b": "E-PATH-EMPTY",
    "a/": "E-PATH-EMPTY",
    ".": "E-PATH-DOTS",
    "..": "E-PATH-DOTS",
    "../x": "E-PATH-DOTS",
    "a/../b": "E-PATH-DOTS",
    "a/./b": "E-PATH-DOTS",
    "a/..": "E-PATH-DOTS",
    "..\\x": "E-PATH-BACKSLASH",
    "\\\\server\\share": "E-PATH-BACKSLASH",
    "C:/x": "E-PATH-DRIVE",
    "c:": "E-PATH-DRIVE",
    "a\0b": "E-PATH-CONTROL",
    "a\nb": "E-PATH-CONTROL",
    "a\x7f": "E-PATH-CONTROL",
    "a\u202eb": "E-PATH-CONTROL",
    "a\u200db": "E-PATH-CONTROL",
    "a\ue000": "E-PATH-CONTROL",
    "a\ud800": "E-PATH-CONTROL",
    "a\uffff": "E-PATH-CONTROL",
    "a\u2028b": "E-PATH-CONTROL",
    "x" * 256: "E-PATH-LONG",
    "é" * 128: "E-PATH-LONG",
    "x/" * 2048 + "x": "E-PATH-LONG",
}

WINDOWS = {
    **dict.fromkeys(
        ["a:b", "c:x", "a<b", "a>b", 'a"b', "a|b", "a?b", "a*b", "d:/../x"[0:2] + "x"], "E-PATH-WINDOWS"
    ),
    **dict.fromkeys(["a.", "a ", "d./b", "d /b", "...", "a.. "], "E-PATH-WINDOWS"),
    **dict.fromkeys(
        [
            "CON",
            "con",
            "con.py",
            "pkg/PRN",
            "aux.tar.gz",
            "NUL.txt",
            "nul/x",
            "COM0",
            "com9.x",
            "LPT5",
            "lpt0.c",
        ],
        "E-PATH-DEVICE",
    ),
    **dict.fromkeys(
        ["COM\u00b9", "lpt\u00b3.txt", "CONIN$", "conout$.x", "con .txt", "CoN.c"], "E-PATH-DEVICE"
    ),
}

GOOD = [
    "a",
    "a/b.py",
    ".hidden",
    "..data",
    "a..b",
    "pkg/__init__.py",
    "numpy.libs/libgfortran-040039e1-0352e75f.so.5.0.0",
    "setuptools/script (dev).tmpl",
    "console.py",
    "com10.txt",
    "comma/auxiliary.py",
    "é/日本語.txt",
    "x" * 255,
    "a b/c d",
    "tests/[x]~$%&'{}@#,;=!+^-",
]


@pytest.mark.parametrize("rules", PathRules)
@pytest.mark.parametrize("raw", EVERYWHERE)
def test_what_is_unsafe_everywhere_is_refused_everywhere(raw: str, rules: PathRules) -> None:
    with pytest.raises(ArchiveError) as caught:
        parse_member_path(raw, rules)
    assert caught.value.code == EVERYWHERE[raw]
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("raw", WINDOWS)
def test_what_windows_takes_otherwise_is_refused_for_windows_only(raw: str) -> None:
    assert parse_member_path(raw, PathRules.POSIX) == raw
    assert not is_portable(raw)
    for rules in (PathRules.WINDOWS, PathRules.ANY):
        with pytest.raises(ArchiveError) as caught:
            parse_member_path(raw, rules)
        assert caught.value.code == WINDOWS[raw]


@pytest.mark.parametrize("rules", PathRules)
@pytest.mark.parametrize("raw", GOOD)
def test_ordinary_paths_are_taken_as_they_are(raw: str, rules: PathRules) -> None:
    assert parse_member_path(raw, rules) == raw


@given(st.text(max_size=40))
def test_what_is_taken_stays_below_its_root(raw: str) -> None:
    for rules in PathRules:
        try:
            path = parse_member_path(raw, rules)
        except ArchiveError:
            continue
        parts = path.split("/")
        assert path == raw
        assert not {"", ".", ".."} & set(parts)
        assert "\\" not in path
        assert not any(unicodedata.category(character).startswith("C") for character in path)


@given(st.text(alphabet="abCON.uxAé/ :1", max_size=12))
def test_the_strictest_rules_are_the_strictest(raw: str) -> None:
    try:
        parse_member_path(raw, PathRules.ANY)
    except ArchiveError:
        return
    for rules in PathRules:
        assert parse_member_path(raw, rules) == raw


def add(rules: PathRules, *paths: str) -> None:
    found = PathSet(rules)
    for path in paths:
        if path.endswith("/"):
            found.add_dir(parse_member_path(path[:-1], rules))
        else:
            found.add_file(parse_member_path(path, rules))


@pytest.mark.parametrize("rules", PathRules)
@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (["a", "a"], "E-PATH-DUPLICATE"),
        (["a", "a/b"], "E-PATH-FILE-AND-DIRECTORY"),
        (["a/b", "a"], "E-PATH-FILE-AND-DIRECTORY"),
        (["a/b/c", "a/b"], "E-PATH-FILE-AND-DIRECTORY"),
        (["a/", "a"], "E-PATH-FILE-AND-DIRECTORY"),
        (["a", "a/"], "E-PATH-FILE-AND-DIRECTORY"),
    ],
)
def test_paths_that_collide_everywhere(paths: list[str], code: str, rules: PathRules) -> None:
    with pytest.raises(ArchiveError) as caught:
        add(rules, *paths)
    assert caught.value.code == code


TWINS = [
    ["A", "a"],
    ["d/A.py", "d/a.PY"],
    ["D/a", "d/b"],
    ["é", "e\u0301"],
    ["É", "é"],
    ["A/x", "a"],
    ["ﬁ/", "FI/"],
]


@pytest.mark.parametrize("paths", TWINS)
def test_twins_collide_where_names_fold(paths: list[str]) -> None:
    add(PathRules.POSIX, *paths)
    for rules in (PathRules.MACOS, PathRules.WINDOWS, PathRules.ANY):
        with pytest.raises(ArchiveError) as caught:
            add(rules, *paths)
        assert caught.value.code in {"E-PATH-TWIN", "E-PATH-FILE-AND-DIRECTORY"}


def test_neighbours_do_not_collide() -> None:
    for rules in PathRules:
        add(rules, "a/", "a/b", "a/", "a/c/d", "ab", "b/a")


@given(st.text(max_size=20))
def test_folding_is_the_same_for_all_spellings(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(fold(text)) == fold(text)
