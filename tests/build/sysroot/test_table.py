"""`libraries.toml` and `headers.toml` are what the code takes them for."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from crossdock.build.sysroot.headers import _owners
from crossdock.build.sysroot.table import left_out, needs_of, suites, table, triplet_of

DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def test_at_least_120_packages_are_known_by_their_normalized_names() -> None:
    names = list(table()["packages"])
    assert len(names) >= 120
    assert [name for name in names if canonicalize_name(name) != name] == []


def test_each_package_needs_something_that_may_be_had() -> None:
    for name in table()["packages"]:
        needs = needs_of(name)
        assert needs is not None
        assert needs.libraries, name
        assert list(needs.libraries) == sorted(set(needs.libraries)), name
        assert all(DEBIAN.fullmatch(one) for one in needs.libraries), name
        assert not left_out() & set(needs.libraries), name


def test_names_are_taken_in_any_spelling() -> None:
    assert needs_of("Psycopg2") == needs_of("psycopg2")
    assert needs_of("Python_LDAP") == needs_of("python-ldap")


def test_what_an_environment_asks_the_version_of_is_among_the_libraries() -> None:
    for name in table()["packages"]:
        needs = needs_of(name)
        assert needs is not None
        for value in needs.environment.values():
            assert set(re.findall(r"\{version:([^}]+)\}", value)) <= set(needs.libraries), name
            assert re.fullmatch(r"(?:[^{}]|\{triplet\}|\{version:[^}]+\})*", value), name


def test_the_oldest_suite_comes_first_and_every_architecture_has_a_triplet() -> None:
    floors = [one.glibc for one in suites()]
    assert floors == sorted(floors)
    for suite in suites():
        for architecture in suite.architectures:
            assert triplet_of(architecture)


def test_programs_and_names_of_cmake_lead_to_packages() -> None:
    for kind in ("programs", "cmake"):
        assert all(DEBIAN.fullmatch(one) for one in table()[kind].values())
    assert all(name == name.lower() for name in table()["cmake"])


def test_no_name_belongs_to_two_packages() -> None:
    from importlib import resources

    text = (resources.files("crossdock.build.sysroot") / "headers.toml").read_text("utf-8")
    for kind, owners in _owners().items():
        words = [one for line in re.findall(rf'{kind} = "([^"]+)"', text) for one in line.split()]
        assert len(words) == len(set(words)) == len(owners), kind


def test_a_package_that_wants_newer_libraries_gets_the_first_suite_with_them() -> None:
    needs = needs_of("cryptography")
    assert needs is not None
    assert needs.release("arm64") == "bookworm"
    assert needs.release("riscv64") == "trixie"
    other = needs_of("psycopg2")
    assert other is not None
    assert other.release("arm64") is None
