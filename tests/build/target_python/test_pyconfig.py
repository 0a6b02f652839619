"""pyconfig.h is read and changed line by line."""

from __future__ import annotations

import sysconfig
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.build.target_python.pyconfig import as_variables, read_pyconfig, with_changes

TEXT = """\
/* pyconfig.h.  Generated from pyconfig.h.in by configure.  */
#ifndef Py_PYCONFIG_H
#define Py_PYCONFIG_H

/* The size of `long'. */
#define SIZEOF_LONG 8
/* #undef HAVE_X */
#define HAVE_Y 1 /* always */
#define EMPTY
#if defined AC_APPLE_UNIVERSAL_BUILD
# if defined __BIG_ENDIAN__
#  define WORDS_BIGENDIAN 1
# endif
#else
# ifndef WORDS_BIGENDIAN
/* #  undef WORDS_BIGENDIAN */
# endif
#endif
#define TEXT "a b"

#endif /*Py_PYCONFIG_H*/
"""


def test_names_and_values() -> None:
    assert read_pyconfig(TEXT) == {
        "SIZEOF_LONG": "8",
        "HAVE_X": None,
        "HAVE_Y": "1",
        "EMPTY": "",
        "WORDS_BIGENDIAN": None,
        "TEXT": '"a b"',
    }


def test_changes_keep_everything_else() -> None:
    changed = with_changes(
        TEXT, {"SIZEOF_LONG": "4", "HAVE_X": "1", "HAVE_Y": None, "WORDS_BIGENDIAN": "1", "UNKNOWN": "1"}
    )
    lines = zip(TEXT.splitlines(), changed.splitlines(), strict=True)
    assert [new for old, new in lines if old != new] == [
        "#define SIZEOF_LONG 4",
        "#define HAVE_X 1",
        "/* #undef HAVE_Y */",
        "#define WORDS_BIGENDIAN 1",
    ]


def test_a_name_of_the_future_is_added_only_on_demand() -> None:
    assert with_changes(TEXT, {"NEW": None}, add=True) == TEXT
    added = with_changes(TEXT, {"NEW": "1"}, add=True)
    assert read_pyconfig(added)["NEW"] == "1"
    assert added.index("#define NEW 1") < added.rindex("#endif")


def test_changes_back_and_forth_are_none() -> None:
    there = with_changes(TEXT, {"SIZEOF_LONG": "4", "WORDS_BIGENDIAN": "1"})
    back = with_changes(there, {"SIZEOF_LONG": "8", "WORDS_BIGENDIAN": None})
    assert read_pyconfig(back) == read_pyconfig(TEXT)


@given(
    st.dictionaries(
        st.sampled_from(["SIZEOF_LONG", "HAVE_X", "HAVE_Y", "TEXT", "NEW"]),
        st.none() | st.integers().map(str),
    )
)
def test_what_was_changed_is_read_back(changes: dict[str, str | None]) -> None:
    read = read_pyconfig(with_changes(TEXT, changes, add=True))
    expected = {**read_pyconfig(TEXT), **changes}
    assert {name: read.get(name) for name in expected} == expected


@given(st.text())
def test_any_text_can_be_read_and_changed(text: str) -> None:
    names = read_pyconfig(text)
    assert all(read_pyconfig(with_changes(text, dict.fromkeys(names, "7")))[name] == "7" for name in names)


def test_as_sysconfig_reads_this_machines_own() -> None:
    text = Path(sysconfig.get_config_h_filename()).read_text("utf-8")
    theirs = sysconfig.parse_config_h(StringIO(text))
    ours = as_variables(read_pyconfig(text))
    if "SIZEOF_LONG" not in theirs:
        pytest.skip("not on this machine: pyconfig.h is Debian's, which only says where others are")
    # sysconfig takes the comment behind a name for its value.
    differing = {name for name, value in theirs.items() if ours.get(name) != value}
    assert differing <= {"Py_PYCONFIG_H", "STRICT_SYSV_CURSES"}
