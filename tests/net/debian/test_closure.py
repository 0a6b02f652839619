from __future__ import annotations

import lzma

import pytest

from crossdock.errors import FetchError
from crossdock.net.debian.closure import closure
from crossdock.net.debian.packages import PackageList, Universe, parse_package, unpack_list

BASE = "Architecture: amd64\nFilename: pool/x.deb\nSize: 1\nSHA256: " + "0" * 64 + "\n"


def universe(*packages: str) -> Universe:
    stanzas = [f"Package: {text.strip()}\n{BASE}" for text in packages]
    return Universe([PackageList("\n".join(stanzas).encode(), suite="s", architecture="amd64")])


def names(*roots: str, among: Universe, without: dict[str, frozenset[str]] | None = None) -> list[str]:
    found = closure({"all": roots}, among, architecture="amd64", without=without or {})
    return [str(package) for package in found["all"]]


def refused(*roots: str, among: Universe) -> FetchError:
    with pytest.raises(FetchError) as caught:
        names(*roots, among=among)
    return caught.value


def test_depends_and_pre_depends_come_along() -> None:
    among = universe(
        "a1\nVersion: 1\nDepends: b1\nPre-Depends: c1 (>= 1)", "b1\nVersion: 1\nDepends: a1", "c1\nVersion: 1"
    )
    assert names("a1", among=among) == ["a1 1", "b1 1", "c1 1"]


def test_the_newest_version_counts() -> None:
    among = universe("a1\nVersion: 1.9", "a1\nVersion: 1.10", "a1\nVersion: 1.10~rc1")
    assert names("a1", among=among) == ["a1 1.10"]


def test_of_alternatives_the_chosen_one_then_the_first_that_fits() -> None:
    among = universe(
        "a1\nVersion: 1\nDepends: x1 | y1", "b1\nVersion: 1\nDepends: y1", "x1\nVersion: 1", "y1\nVersion: 1",
        "c1\nVersion: 1\nDepends: gone | x1 (>= 2) | y1",
    )  # fmt: skip
    assert names("a1", "b1", among=among) == ["a1 1", "b1 1", "y1 1"]
    assert names("a1", among=among) == ["a1 1", "x1 1"]
    assert names("c1", among=among) == ["c1 1", "y1 1"]


def test_virtual_packages_need_a_version_if_one_is_asked_for() -> None:
    among = universe(
        "a1\nVersion: 1\nDepends: mail", "v1\nVersion: 1\nDepends: mail (>= 2)",
        "p1\nVersion: 9\nProvides: mail", "q1\nVersion: 1\nProvides: other,\n mail (= 3)",
    )  # fmt: skip
    assert names("a1", among=among) == ["a1 1", "p1 9"]
    assert names("v1", among=among) == ["q1 1", "v1 1"]


def test_qualifiers_of_this_architecture_only() -> None:
    among = universe("a1\nVersion: 1\nDepends: b1:any", "b1\nVersion: 1", "c1\nVersion: 1\nDepends: b1:armhf")
    assert names("a1", among=among) == ["a1 1", "b1 1"]
    assert refused("c1", among=among).code == "E-DEBIAN-UNMET"


def test_groups_see_what_those_before_came_to() -> None:
    among = universe(
        "a1\nVersion: 1\nDepends: c1", "b1\nVersion: 1\nDepends: c1, d1", "c1\nVersion: 1", "d1\nVersion: 1"
    )
    found = closure({"low": ["a1"], "high": ["b1"]}, among, architecture="amd64", without={})
    assert {group: [one.name for one in packages] for group, packages in found.items()} == {
        "low": ["a1", "c1"],
        "high": ["b1", "d1"],
    }


def test_what_only_scripts_need_is_left_out() -> None:
    among = universe(
        "a1\nVersion: 1\nDepends: debconf | debconf-2.0, tool", "tool\nVersion: 1\nDepends: debconf"
    )
    assert names("a1", among=among, without={"*": frozenset({"debconf"}), "a1": frozenset({"tool"})}) == [
        "a1 1"
    ]


def test_conflicts_name_both() -> None:
    among = universe(
        "a1\nVersion: 1\nBreaks: b1 (<< 2)",
        "b1\nVersion: 1",
        "c1\nVersion: 1\nConflicts: mail\nProvides: mail",
        "d1\nVersion: 1\nProvides: mail",
    )
    error = refused("a1", "b1", among=among)
    assert error.code == "E-DEBIAN-CONFLICT"
    assert "`a1 1`" in error.message
    assert "`b1 1`" in error.message
    assert names("c1", among=among) == ["c1 1"], "a package does not conflict with what it provides itself"
    assert refused("c1", "d1", among=among).code == "E-DEBIAN-CONFLICT"


def test_what_is_not_there() -> None:
    among = universe("a1\nVersion: 1\nDepends: b1 (>= 2)", "b1\nVersion: 1")
    assert refused("zz", among=among).code == "E-DEBIAN-PACKAGE"
    error = refused("a1", among=among)
    assert (error.code, error.places) == ("E-DEBIAN-UNMET", ("there is `b1 1`",))


@pytest.mark.parametrize(
    "stanza",
    [
        f"Package: a1\n{BASE}",
        f"Package: A!\nVersion: 1\n{BASE}",
        f"Package: a1\nVersion: 1\nVersion: 2\n{BASE}",
        f"Package: a1\nVersion: 1\n{BASE}".replace("pool/x.deb", "../../x.deb"),
        f"Package: a1\nVersion: 1\n{BASE}".replace("Size: 1", "Size: -1"),
        f"Package: a1\nVersion: 1\n{BASE}".replace("0" * 64, "0" * 63),
        f"Package: a1\nVersion: 1\nDepends: (\n{BASE}",
    ],
)
def test_broken_paragraphs_are_refused(stanza: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse_package(stanza.encode(), suite="s")
    assert caught.value.code == "E-DEBIAN-FORMAT"


def test_lists_are_bounded_and_whole() -> None:
    packed = lzma.compress(bytes(1 << 20))
    assert unpack_list(packed, "Packages.xz") == bytes(1 << 20)
    for content, path, limit in (
        (packed, "P.xz", 1 << 19),
        (packed[:-30], "P.xz", 1 << 21),
        (packed + packed, "P.xz", 1 << 22),
        (b"x", "P.gz", 9),
    ):
        with pytest.raises(FetchError):
            unpack_list(content, path, limit=limit)
