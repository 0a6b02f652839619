"""Markers in a target's environment: true, false, or open, and then what would decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker, default_environment
from packaging.specifiers import SpecifierSet

from crossdock.errors import TargetError
from crossdock.target.kleene import Atom, parse
from crossdock.target.markers import VARIABLES, environment, evaluate, satisfies
from crossdock.target.names import parse_python, parse_target

if TYPE_CHECKING:
    from crossdock.target.model import Target


def target(name: str = "linux/arm64", python: str = "3.12", **overrides: str) -> Target:
    from dataclasses import replace

    found = parse_target(name, default_python=parse_python(python))
    return replace(found, marker_overrides=tuple(sorted(overrides.items())))


def truth(marker: str, where: Target | None = None, **more: Any) -> bool | None:
    return evaluate(Marker(marker), where or target(), **more).truth


def test_the_eleven_variables_are_packagings() -> None:
    assert set(VARIABLES) == set(default_environment())


@pytest.mark.parametrize(
    ("name", "python", "os_name", "sys_platform", "system", "machine"),
    [
        ("linux/amd64", "3.12", "posix", "linux", "Linux", "x86_64"),
        ("linux/arm64", "3.12", "posix", "linux", "Linux", "aarch64"),
        ("linux/arm/v7", "3.12", "posix", "linux", "Linux", "armv7l"),
        ("linux/arm/v6", "3.12", "posix", "linux", "Linux", "armv6l"),
        ("linux/386", "3.12", "posix", "linux", "Linux", "i686"),
        ("linux/ppc64le", "3.12", "posix", "linux", "Linux", "ppc64le"),
        ("linux/s390x", "3.12", "posix", "linux", "Linux", "s390x"),
        ("linux/riscv64", "3.12", "posix", "linux", "Linux", "riscv64"),
        ("linux/loong64", "3.12", "posix", "linux", "Linux", "loongarch64"),
        ("musllinux_1_2_aarch64", "3.12", "posix", "linux", "Linux", "aarch64"),
        ("darwin/arm64", "3.12", "posix", "darwin", "Darwin", "arm64"),
        ("darwin/amd64", "3.12", "posix", "darwin", "Darwin", "x86_64"),
        ("windows/amd64", "3.12", "nt", "win32", "Windows", "AMD64"),
        ("windows/arm64", "3.12", "nt", "win32", "Windows", "ARM64"),
        ("windows/386", "3.12", "nt", "win32", "Windows", "x86"),
        ("arm64-apple-ios", "3.13", "posix", "ios", None, None),
        ("x86_64-apple-ios-simulator", "3.13", "posix", "ios", None, "x86_64"),
        ("aarch64-linux-android", "3.13", "posix", "android", "Android", "aarch64"),
        ("aarch64-linux-android", "3.12", "posix", "linux", "Linux", "aarch64"),
        ("wasm32-pyodide2025", "3.13", "posix", "emscripten", "Emscripten", "wasm32"),
    ],
)
def test_the_environment_of_each_platform(
    name: str, python: str, *, os_name: str, sys_platform: str, system: str | None, machine: str
) -> None:
    found = environment(target(name, python))
    assert set(found) == set(VARIABLES)
    assert (found["os_name"], found["sys_platform"], found["platform_system"], found["platform_machine"]) == (
        os_name,
        sys_platform,
        system,
        machine,
    )
    # What no name says: the kernel, and the patch version.
    assert found["platform_release"] is found["platform_version"] is found["python_full_version"] is None
    assert found["python_version"] == python


def test_the_environment_of_each_python() -> None:
    assert environment(target(python="3.12.4"))["implementation_version"] == "3.12.4"
    assert environment(target(python="3.15.0rc1"))["python_full_version"] == "3.15.0rc1"
    pypy = environment(target(python="pypy3.11.4"))
    assert pypy["implementation_name"] == "pypy"
    assert pypy["platform_python_implementation"] == "PyPy"
    assert pypy["python_full_version"] == "3.11.4"
    assert pypy["implementation_version"] is None  # 7.3.x: PyPy's own, not the language's


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        # Known whatever the patch version is.
        ("python_version >= '3.12'", True),
        ("python_version < '3.12'", False),
        ("python_full_version >= '3.12'", True),
        ("python_full_version < '3.12.0'", False),
        ("python_full_version >= '3.13.1'", False),
        ("python_full_version < '3.13'", True),
        ("python_full_version == '3.12.*'", True),
        ("python_full_version != '3.11.4'", True),
        ("python_full_version ~= '3.12.0'", True),
        ("implementation_version >= '3.12'", True),
        # Correlated atoms: the whole marker is evaluated for each slice.
        ("python_full_version < '3.12.4' or python_full_version >= '3.12.4'", True),
        ("python_full_version < '3.12.4' and python_full_version >= '3.12.4'", False),
        ("python_full_version <= '3.12.4' and implementation_version > '3.12.4'", False),
        ("python_full_version == '3.12.4' and python_full_version != '3.12.4'", False),
        ("'2.1' in python_full_version or '2.1' not in python_full_version", True),
        # The patch version decides.
        ("python_full_version >= '3.12.1'", None),
        ("python_full_version > '3.12.0'", None),
        ("python_full_version == '3.12.4'", None),
        ("python_full_version === '3.12.4'", None),
        ("python_full_version ~= '3.12.4'", None),
        ("'3.12.4' <= python_full_version", None),
        ("python_full_version in '3.12.3 3.12.4'", None),
        ("python_full_version not in '3.12.3, 3.12.4'", None),
        ("'2.1' in python_full_version", None),  # 3.12.1, 3.12.10 and on
        ("implementation_version >= '3.12.3'", None),
        # The kernel decides: by order, equality and substring.
        ("platform_release >= '5.4'", None),
        ("platform_release == ''", None),
        ("'tegra' in platform_release", None),
        ("'Ubuntu' in platform_version", None),
        # Kleene: unknown and false, unknown or true.
        ("platform_release >= '5.4' and sys_platform == 'win32'", False),
        ("sys_platform == 'win32' and platform_release >= '5.4'", False),
        ("platform_release >= '5.4' or sys_platform == 'linux'", True),
        ("sys_platform == 'linux' or platform_release >= '5.4'", True),
        ("platform_release >= '5.4' and sys_platform == 'linux'", None),
        ("platform_release >= '5.4' or sys_platform == 'win32'", None),
        ("(platform_release >= '5' or os_name == 'nt') and python_version < '3'", False),
        ("python_full_version >= '3.12.1' and platform_release == 'x' and os_name == 'nt'", False),
        # `and` binds tighter than `or`.
        ("os_name == 'posix' or os_name == 'posix' and os_name == 'nt'", True),
        ("(os_name == 'posix' or os_name == 'posix') and os_name == 'nt'", False),
        # What markers of real packages get wrong is not repaired.
        ("platform_machine == 'arm64'", False),
        ("'linux' == sys_platform", True),
        ("platform_machine in 'x86_64 aarch64'", True),
        ("os_name == sys_platform", False),
    ],
)
def test_a_marker_for_cp312_on_arm64(marker: str, expected: bool | None) -> None:
    answer = evaluate(Marker(marker), target())
    assert answer.truth is expected
    assert bool(answer.variable) is bool(answer.explanation) is (expected is None)


def test_an_open_answer_says_where_it_turns() -> None:
    def said(marker: str) -> str:
        answer = evaluate(Marker(marker), target())
        assert answer.variable == "python_full_version"
        return answer.explanation.partition(" is true for ")[2]

    assert said("python_full_version >= '3.12.1'") == (
        "3.12.1 and newer; give the patch version, for example --python 3.12.1"
    )
    assert said("python_full_version > '3.12'").startswith("3.12.1 and newer;")
    assert said("python_full_version <= '3.12'").startswith("3.12.0;")
    assert said("python_full_version < '3.12.4'").startswith("3.12.0 to 3.12.3;")
    assert said("python_full_version == '3.12.4'").startswith("3.12.4;")
    assert said("python_full_version != '3.12.4'").startswith("3.12.0 to 3.12.3, 3.12.5 and newer;")
    assert said("python_full_version in '3.12.3 3.12.20'").startswith("3.12.2 to 3.12.3, 3.12.20;")
    answer = evaluate(Marker("'tegra' in platform_release"), target())
    assert answer.variable == "platform_release"
    assert "[markers]" in answer.explanation


def test_a_given_patch_version_settles_it() -> None:
    where = target(python="3.12.4")
    assert truth("python_full_version >= '3.12.4'", where) is True
    assert truth("python_full_version > '3.12.4'", where) is False
    assert truth("python_full_version >= '3.15.0'", target(python="3.15.0rc1")) is False


def test_overrides_settle_what_is_open() -> None:
    jetson = target(platform_release="5.10.104-tegra")
    assert truth("'tegra' in platform_release", jetson) is True
    assert (
        truth("platform_release >= '5.4'", jetson) is False
    )  # no version of PEP 440, so packaging finds no order
    assert truth("platform_release >= '5.4'", target(platform_release="5.10.0")) is True
    assert truth("python_full_version > '3.12.3'", target(python_full_version="3.12.4")) is True
    assert truth("implementation_version > '3.12.3'", target(python_full_version="3.12.4")) is True
    assert satisfies(SpecifierSet(">3.12.4"), target(python_full_version="3.12.4")).truth is False
    assert truth("platform_machine == 'armv8l'", target("linux/arm/v7", platform_machine="armv8l")) is True
    with pytest.raises(TargetError) as caught:
        environment(target(kernel="5"))
    assert caught.value.code == "E-TARGET-MARKER"


@pytest.mark.parametrize(
    ("marker", "device", "simulator", "variable"),
    [
        ("platform_system == 'Windows'", False, False, None),
        ("platform_system != 'Windows'", True, True, None),
        ("platform_system in 'iOS iPadOS'", True, True, None),
        ("platform_system == 'iOS' or platform_system == 'iPadOS'", True, True, None),
        ("platform_system == 'iOS'", None, None, "platform_system"),
        ("platform_machine == 's390x'", False, False, None),
        ("platform_machine == 'arm64'", None, True, "platform_machine"),
        ("platform_system == 'Linux' and platform_machine == 'arm64'", False, False, None),
        ("platform_system != 'Linux' and platform_machine == 'arm64'", None, True, "platform_machine"),
        ("platform_system == 'iOS' and python_full_version >= '3.13.2'", None, None, "python_full_version"),
        ("platform_system == 'Linux' and python_full_version >= '3.13.2'", False, False, None),
        ("sys_platform == 'ios'", True, True, None),
    ],
)
def test_what_is_one_of_a_few_on_ios(
    marker: str, *, device: bool | None, simulator: bool | None, variable: str | None
) -> None:
    found = evaluate(Marker(marker), target("arm64-apple-ios", "3.13"))
    assert (found.truth, found.variable) == (device, variable)
    assert truth(marker, target("arm64-apple-ios-simulator", "3.13")) is simulator
    if device is None and "full" not in marker:
        assert "[markers]" in found.explanation


def test_an_ipad_can_be_declared() -> None:
    ipad = target("arm64-apple-ios", "3.13", platform_system="iPadOS", platform_machine="iPad16,3")
    assert truth("platform_system == 'iPadOS' and platform_machine != 'arm64'", ipad) is True


@pytest.mark.parametrize(
    ("python", "overrides"),
    [
        ("3.12", {"python_version": "3.11"}),
        ("3.12", {"python_full_version": "3.11.9"}),
        ("3.12", {"python_full_version": "3.1"}),
        ("3.12.4", {"python_full_version": "3.12.5"}),
    ],
)
def test_markers_of_another_python_are_refused(python: str, overrides: dict[str, str]) -> None:
    with pytest.raises(TargetError) as caught:
        environment(target(python=python, **overrides))
    assert caught.value.code == "E-TARGET-MARKER"
    assert "3.12" in str(caught.value)


def test_pypys_own_version_stays_open_whatever_the_patch() -> None:
    where = target(python="pypy3.11")
    assert truth("implementation_version >= '7.3'", where) is None
    assert truth("implementation_version >= '7.3' or python_full_version >= '3.11'", where) is True
    assert (
        truth("implementation_version >= '7.3'", target(python="pypy3.11", implementation_version="7.3.19"))
        is True
    )


def test_a_patch_version_of_four_digits_is_a_slice_too() -> None:
    answer = evaluate(Marker("python_full_version < '3.12.1000'"), target())
    assert "3.12.0 to 3.12.999;" in answer.explanation


def test_extras_and_groups() -> None:
    assert truth("extra == 'Foo.Bar'", extra="foo-bar") is True
    assert truth("extra == 'foo'", extra="bar") is False
    assert truth("extra == 'foo'", context="metadata") is False
    assert truth("'Foo_Bar' in extras", extras={"foo-bar"}) is True
    assert truth("'foo' in extras", context="lock_file") is False
    assert truth("'foo' not in extras and 'dev' in dependency_groups", dependency_groups={"dev"}) is True
    assert truth("'foo' in extras or platform_release == 'x'", extras={"foo"}) is True
    assert truth("'bar' in extras or platform_release == 'x'", extras={"foo"}) is None
    for marker in ("extra == 'foo'", "'foo' in extras"):
        with pytest.raises(TargetError) as caught:
            truth(marker)
        assert caught.value.code == "E-TARGET-MARKER"


@pytest.mark.parametrize(
    "marker",
    ["'a' == 'a'", "os_name ~= 'posix'", "extras == 'foo'"],
)
def test_what_cannot_be_compared_is_refused(marker: str) -> None:
    with pytest.raises(TargetError) as caught:
        evaluate(Marker(marker), target(), context="lock_file")
    assert caught.value.code == "E-TARGET-MARKER"


@pytest.mark.parametrize(
    ("specifier", "python", "expected"),
    [
        (">=3.9", "3.12", True),
        (">=3.13", "3.12", False),
        ("", "3.12", True),
        (">=3.12.2", "3.12", None),
        (">=3.9,!=3.12.3", "3.12", None),
        (">=3.9,!=3.11.3", "3.12", True),
        ("<3.12.4", "3.12", None),
        ("<3.12.4", "3.12.4", False),
        (">=3.15", "3.15.0rc1", False),
        (">=3.15.0a1", "3.15.0rc1", True),
        ("==3.12.*", "3.12", True),
        ("~=3.12.4", "3.12", None),
    ],
)
def test_requires_python(specifier: str, python: str, expected: bool | None) -> None:
    answer = satisfies(SpecifierSet(specifier), target(python=python))
    assert answer.truth is expected
    assert bool(answer.explanation) is (expected is None)


def test_the_private_tree_has_the_shape_that_is_relied_on() -> None:
    parsed = parse("os_name == 'nt' and ('a' in extras or 'b' not in extras) or python_version >= '3'")
    windows = Atom("os_name", "==", "nt", 'os_name == "nt"')
    a, b = Atom("extras", "in", "a", '"a" in extras'), Atom("extras", "not in", "b", '"b" not in extras')
    python = Atom("python_version", ">=", "3", 'python_version >= "3"')
    assert parsed.tree == (windows, "and", (a, "or", b), "or", python)
    assert parsed.atoms == (windows, a, b, python)
    assert parsed.variables == {"os_name", "extras", "python_version"}


def test_packagings_private_tree() -> None:
    """What `kleene` reads of `Marker._markers`: lists, words, and triples of nodes with `value` and `serialize`."""
    tree: Any = Marker("os_name == 'nt' and (python_version < '3' or 'a' in extras)")._markers
    assert isinstance(tree, list)
    (variable, operator, value), word, inner = tree
    assert word == "and"
    assert type(tree[0]) is tuple
    assert [type(node).__name__ for node in (variable, operator, value)] == ["Variable", "Op", "Value"]
    assert (variable.value, operator.value, value.value) == ("os_name", "==", "nt")
    assert [node.serialize() for node in (variable, operator, value)] == ["os_name", "==", '"nt"']
    assert type(inner) is list
    assert inner[1] == "or"
    assert [type(node).__name__ for node in inner[2]] == ["Value", "Op", "Variable"]


# Against packaging itself.

versions = st.sampled_from(["3.11", "3.12", "3.12.0", "3.12.1", "3.12.5", "3.12.10", "3.13", "3.13.1", "3"])
ordered = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])
releases = ["", "5", "5.4", "6.1.0-13-cloud-arm64", "5.10.104-tegra"]
atoms = st.one_of(
    st.builds(
        "{} {} '{}'".format,
        st.sampled_from(["python_version", "python_full_version", "implementation_version"]),
        ordered,
        versions,
    ),
    st.builds("'{1}' {0} python_full_version".format, ordered, versions),
    st.builds(
        "python_full_version {} '{}'".format,
        st.sampled_from(["in", "not in"]),
        st.lists(versions, max_size=3).map(" ".join),
    ),
    st.builds("platform_release {} '{}'".format, ordered, st.sampled_from(releases)),
    st.builds("'{}' in platform_release".format, st.sampled_from(["tegra", "5"])),
    st.sampled_from(["os_name == 'posix'", "sys_platform == 'win32'", "platform_machine in 'aarch64 arm64'"]),
    st.sampled_from(["extra == 'one'", "extra != 'two'"]),
)


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=2, max_size=3).flatmap(
        lambda parts: st.sampled_from([f"({' and '.join(parts)})", f"({' or '.join(parts)})"])
    )


trees = st.recursive(atoms, _joined, max_leaves=6)


@given(trees)
def test_a_target_that_says_all_gets_packagings_answer(text: str) -> None:
    where = target(python="3.12.5", platform_release="5.10.104-tegra", platform_version="#1")
    known: dict[str, Any] = dict(environment(where))
    assert None not in known.values()
    expected = Marker(text).evaluate({**known, "extra": "one"})
    assert evaluate(Marker(text), where, extra="one").truth is expected


@given(trees)
def test_an_answer_holds_for_every_way_to_fill_what_is_open(text: str) -> None:
    where = target()
    answer = evaluate(Marker(text), where, extra="one")
    known = {name: value for name, value in environment(where).items() if value is not None}
    filled = {
        Marker(text).evaluate(
            {
                **known,
                "python_full_version": f"3.12.{patch}",
                "implementation_version": f"3.12.{patch}",
                "platform_release": release,
                "platform_version": "#1",
                "extra": "one",
            }
        )
        for patch in range(13)
        for release in releases
    }
    if answer.truth is not None:
        assert filled == {answer.truth}
    elif "platform_release" not in text:
        # Where only the patch version is open, an open answer is open indeed.
        assert filled == {True, False}


@given(st.lists(st.builds("{}{}".format, ordered, versions), max_size=3).map(",".join))
def test_requires_python_holds_for_every_patch(text: str) -> None:
    specifier = SpecifierSet(text)
    answer = satisfies(specifier, target())
    found = {specifier.contains(f"3.12.{patch}") for patch in range(40)}
    assert found == ({True, False} if answer.truth is None else {answer.truth})
