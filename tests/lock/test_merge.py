from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from tests.lock.locks import linux, lock, package

from crossdock.lock.merge import Variant, merge
from crossdock.lock.select import select

ANY = "py3-none-any"


def test_what_the_base_needs_has_no_condition() -> None:
    base = [package("six", "1.0", ANY), package("win", "1.0", ANY, marker="os_name == 'nt'")]
    merged = merge(base, [Variant.of_extra("web", [*base, package("flask", "3.0", ANY)])])
    assert {p["name"]: p.get("marker", "") for p in merged} == {
        "six": "",
        "win": "os_name == 'nt'",
        "flask": "'web' in extras",
    }


def test_extra_widens_a_marker() -> None:
    base = [package("dep", "1.0", ANY, marker="os_name == 'nt'")]
    merged = merge(base, [Variant.of_extra("web", [package("dep", "1.0", ANY)])])
    made = lock(*merged, extras=["web"])
    assert select(made, linux()).choices == ()
    assert len(select(made, linux(), extras=["web"]).choices) == 1


def test_conflicting_extra_replaces_the_bases_version() -> None:
    variant = Variant.of_extra("old", [package("numpy", "1.0", ANY)])
    made = lock(*merge([package("numpy", "2.0", ANY)], [variant]), extras=["old"])
    assert [c.version for c in select(made, linux()).choices] == ["2.0"]
    assert [c.version for c in select(made, linux(), extras=["old"]).choices] == ["1.0"]


def test_files_of_one_version_are_joined() -> None:
    one, two = package("six", "1.0", ANY), package("six", "1.0", ANY, "py2-none-any", sdist=True)
    [merged] = merge([{**one, "marker": "os_name == 'nt'"}], [Variant.of_group("test", [two])])
    assert len(merged["wheels"]) == 2
    assert "sdist" in merged


MARKERS = ["", "os_name == 'posix'", "os_name == 'nt'", "os_name == 'nt' or sys_platform == 'linux'"]


@given(
    base=st.dictionaries(st.sampled_from("abc"), st.sampled_from(MARKERS)),
    first=st.dictionaries(st.sampled_from("abcd"), st.sampled_from(MARKERS)),
    second=st.dictionaries(st.sampled_from("abcd"), st.sampled_from(MARKERS)),
)
def test_every_combination_gets_what_its_resolutions_got(
    base: dict[str, str], first: dict[str, str], second: dict[str, str]
) -> None:
    def packages(names: dict[str, str]) -> list[dict[str, Any]]:
        return [package(n, "1.0", ANY) | ({"marker": m} if m else {}) for n, m in names.items()]

    # An extra adds to the base: what the base needs, it needs.
    variants = {"x": {**first, **base}, "y": {**second, **base}}
    merged = merge(packages(base), [Variant.of_extra(n, packages(v)) for n, v in variants.items()])
    made = lock(*merged, extras=["x", "y"])

    def holds(marker: str) -> bool:
        values = {"os_name": "posix", "sys_platform": "linux"}
        return not marker or Marker(marker).evaluate(values)

    for asked in itertools.chain([()], [("x",)], [("y",)], [("x", "y")]):
        wanted = {n for names in (base, *(variants[a] for a in asked)) for n, m in names.items() if holds(m)}
        assert {c.name for c in select(made, linux(), extras=asked).choices} == wanted
