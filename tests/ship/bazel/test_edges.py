"""Who needs whom: against the metadata of wheels, with extras, markers and circles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from crossdock.ship.bazel.edges import circles_of, edges_of
from crossdock.target.model import Python, Target
from crossdock.target.names import parse_target

LINUX = parse_target("linux/arm64", default_python=Python(minor=12))
WINDOWS = parse_target("win_amd64", default_python=Python(minor=12))


def roots(*texts: str) -> list[Requirement]:
    return [Requirement(text) for text in texts]


def needs_of(
    requires: dict[str, list[str]], target: Target, asked: list[Requirement] | None = None
) -> dict[str, tuple[str, ...]]:
    """Return what each package needs, those that need nothing included."""
    found = edges_of(requires, target, asked or []).needs
    return {package: found.get(package, ()) for package in requires}


def test_markers_are_those_of_the_target() -> None:
    requires = {"click": ["colorama; sys_platform == 'win32'"], "colorama": []}
    assert needs_of(requires, WINDOWS)["click"] == ("colorama",)
    assert needs_of(requires, LINUX)["click"] == ()


def test_what_is_not_locked_is_no_edge() -> None:
    assert needs_of({"a": ["b", "not a requirement ==", "c>=1"], "c": []}, LINUX) == {"a": ("c",), "c": ()}


def test_extras_are_followed_from_what_was_asked_for() -> None:
    requires = {
        "uvicorn": ["click", 'httptools; extra == "standard"', 'watch[fast]; extra == "standard"'],
        "watch": ['anyio; extra == "Fast"', 'click; extra == "slow"'],
        "click": [],
        "httptools": [],
        "anyio": [],
    }
    asked = needs_of(requires, LINUX, roots("uvicorn[standard]"))
    assert asked["uvicorn"] == ("click", "httptools", "watch")
    # `slow` is there as well, and nobody wants it.
    assert asked["watch"] == ("anyio",)
    extras = edges_of(requires, LINUX, roots("uvicorn[standard]")).extras
    assert extras == {"uvicorn": ("standard",), "watch": ("fast",)}


def test_an_extra_for_tests_makes_no_circle() -> None:
    requires = {
        "core": ["plus"],
        "plus": ['core; extra == "testing"'],
    }
    assert needs_of(requires, LINUX, roots("core"))["plus"] == ()
    # Nor where nobody says what was asked for.
    assert needs_of(requires, LINUX)["plus"] == ()


def test_without_roots_an_extra_explains_what_nothing_else_needs() -> None:
    requires = {
        "requests": ['pysocks; extra == "socks"', 'chardet; extra == "chardet"', "idna"],
        "idna": [],
        "pysocks": [],
    }
    assert needs_of(requires, LINUX)["requests"] == ("idna", "pysocks")


def test_an_extra_of_which_a_part_is_missing_was_not_asked_for() -> None:
    requires = {"a": ['b; extra == "x"', 'c; extra == "x"'], "b": []}
    assert needs_of(requires, LINUX)["a"] == ()


def test_packages_that_only_need_each_other_are_kept() -> None:
    requires = {"a": ["b"], "b": ["a"], "c": ["c"]}
    assert needs_of(requires, LINUX) == {"a": ("b",), "b": ("a",), "c": ()}


def test_a_package_that_needs_an_extra_of_itself() -> None:
    requires = {"a": ['a[y]; extra == "x"', 'b; extra == "y"'], "b": []}
    assert needs_of(requires, LINUX, roots("a[x]"))["a"] == ("b",)


def test_circles() -> None:
    needs = {"a": ("b",), "b": ("c",), "c": ("a", "d"), "d": ("e",), "e": ("d",), "f": ("f2",), "f2": ()}
    assert circles_of(needs) == (("a", "b", "c"), ("d", "e"))


def test_a_chain_of_thousands_needs_no_recursion() -> None:
    needs: dict[str, tuple[str, ...]] = {f"p{n}": (f"p{n + 1}",) for n in range(5000)}
    assert circles_of(needs) == ()
    needs["p5000"] = ("p0",)
    assert len(circles_of(needs)[0]) == 5001


PACKAGES = st.sampled_from("abcdefg")


@given(st.dictionaries(PACKAGES, st.frozensets(PACKAGES), min_size=1))
def test_circles_are_what_reaches_itself(graph: dict[str, frozenset[str]]) -> None:
    needs = {package: tuple(sorted(found & graph.keys() - {package})) for package, found in graph.items()}

    def reach(start: str) -> set[str]:
        seen, todo = set[str](), [*needs[start]]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += needs[one]
        return seen

    reached = {package: reach(package) for package in needs}
    expected = {
        tuple(sorted(other for other in needs if other in reached[package] and package in reached[other]))
        for package in needs
        if package in reached[package]
    }
    assert set(circles_of(needs)) == expected


@given(st.dictionaries(PACKAGES, st.frozensets(PACKAGES), min_size=1))
def test_without_extras_and_markers_edges_are_the_metadata(graph: dict[str, frozenset[str]]) -> None:
    requires = {package: sorted(found) for package, found in graph.items()}
    expected = {package: tuple(sorted(found & graph.keys() - {package})) for package, found in graph.items()}
    assert needs_of(requires, LINUX) == expected
