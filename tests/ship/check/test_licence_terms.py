"""Which declared licences a policy takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.ship.check.licence_terms import refusal, unmatched
from crossdock.ship.check.model import Declared
from crossdock.ship.image.licences import expression_of

LEAVES = ["MIT", "Apache-2.0", "GPL-3.0-only", "BSD-3-Clause"]


def refused(expression: str, *, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> str:
    assert expression_of(expression) == expression
    return refusal(Declared(expression=expression), allow, deny)


@pytest.mark.parametrize(
    ("expression", "allow", "deny", "why"),
    [
        ("MIT", (), (), ""),
        ("MIT", ("MIT",), (), ""),
        ("MIT", ("mit",), (), ""),
        ("MIT-0", ("MIT",), (), "MIT-0 is not among the allowed"),
        ("MIT-0", ("MIT*",), (), ""),
        ("AGPL-3.0-only", (), ("AGPL-*",), "AGPL-3.0-only is denied"),
        ("LGPL-3.0-only", (), ("GPL-*",), ""),
        ("GPL-3.0-or-later", (), ("GPL-3.0",), "GPL-3.0-or-later is denied"),
        ("GPL-3.0-or-later", (), ("GPL-3.0-only",), ""),
        ("GPL-2.0+", (), ("GPL-2.0",), "GPL-2.0+ is denied"),
        ("MIT OR GPL-3.0-only", (), ("GPL-*",), ""),
        ("MIT AND GPL-3.0-only", (), ("GPL-*",), "GPL-3.0-only is denied"),
        ("MIT AND (GPL-3.0-only OR Zlib)", (), ("GPL-*",), ""),
        ("MIT AND (GPL-3.0-only OR Zlib)", ("MIT",), ("GPL-*",), "GPL-3.0-only is denied; Zlib is not among the allowed"),
        ("MIT OR Zlib AND GPL-3.0-only", ("Zlib",), (), "MIT is not among the allowed; GPL-3.0-only is not among the allowed"),
        ("MIT AND Zlib", ("Zlib AND MIT",), (), "MIT is not among the allowed; Zlib is not among the allowed"),
        ("MIT AND Zlib", ("mit and zlib",), (), ""),
        ("MIT OR Zlib", (), ("MIT OR Zlib",), "MIT OR Zlib is denied"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ("GPL-2.0-only",), (), ""),
        ("GPL-2.0-only", ("GPL-2.0-only WITH Classpath-exception-2.0",), (), "GPL-2.0-only is not among the allowed"),
        ("MIT", ("MIT",), ("MIT",), "MIT is denied"),
        ("LicenseRef-Own", ("LicenseRef-*",), (), ""),
    ],
)  # fmt: skip
def test_expressions(expression: str, allow: tuple[str, ...], deny: tuple[str, ...], why: str) -> None:
    assert refused(expression, allow=allow, deny=deny) == why


@pytest.mark.parametrize(
    ("words", "allow", "deny", "why"),
    [
        (("BSD License",), (), (), ""),
        (("BSD License",), ("bsd  license",), (), ""),
        (("BSD License",), ("BSD-3-Clause",), (), "“BSD License” is not among the allowed (no SPDX expression is declared)"),
        (("Dual License", "BSD License"), ("BSD*",), (), "“Dual License” is not among the allowed (no SPDX expression is declared)"),
        (("GNU GPL",), (), ("*GPL*",), "“GNU GPL” is denied"),
        ((), ("MIT",), (), "no licence is declared, so none that is allowed"),
        ((), (), ("GPL-*",), ""),
    ],
)  # fmt: skip
def test_words(words: tuple[str, ...], allow: tuple[str, ...], deny: tuple[str, ...], why: str) -> None:
    assert refusal(Declared(words=words), allow, deny) == why


def test_a_misspelt_item_is_noticed() -> None:
    licences = [Declared(words=("BSD License",)), Declared(expression="MIT")]
    assert unmatched("GPL-3.0-onyl", licences)
    assert not unmatched("GPL-3.0-only", licences)
    assert not unmatched("GPL-*", licences)
    assert not unmatched("bsd license", licences)


expressions = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(
        lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
    ),
    max_leaves=8,
)


@given(expressions, st.sets(st.sampled_from(LEAVES), min_size=1))
def test_an_expression_holds_as_python_reads_it(text: str, allowed: set[str]) -> None:
    """The same expression as a formula of Python's own."""
    expression = expression_of(text)
    formula = expression
    for leaf in LEAVES:
        formula = formula.replace(leaf, str(leaf in allowed))
    expected = eval(formula.replace("AND", "and").replace("OR", "or"))
    assert (refusal(Declared(expression=expression), tuple(allowed), ()) == "") is expected


@given(st.text(max_size=200))
def test_no_item_of_a_list_breaks_it(item: str) -> None:
    refusal(Declared(expression="MIT OR (Zlib AND Apache-2.0)"), (item,), (item,))
    refusal(Declared(words=("BSD License",)), (item,), (item,))


def test_deep_brackets_are_read() -> None:
    text = "(" * 30 + "MIT" + ")" * 30
    assert refusal(Declared(expression=expression_of(text)), ("MIT",), ()) == ""
