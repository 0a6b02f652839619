"""Wheels that glibc alone keeps off a target, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.lock.locks import linux, lock, package, windows

from crossdock.lock.demands import Demand, advise, demands_of
from crossdock.lock.formats import FormatPolicy
from crossdock.lock.newest import Newest
from crossdock.lock.select import select
from crossdock.lock.too_new import Looked, SymbolNeed, TooNew, explain_too_new, too_new

if TYPE_CHECKING:
    from crossdock.target.model import Target

OLD = linux(glibc=(2, 26))
TAG = "cp312-cp312-manylinux_2_27_aarch64.manylinux_2_28_aarch64"
ASKS = "pandas 2.3.1 asks for demo"
NAMED = f"demo-2.0-{TAG}.whl needs glibc 2.27, the target has 2.26"


def found(*tags: str, target: Target = OLD, formats: FormatPolicy | None = None) -> TooNew | None:
    (choice,) = select(lock(package("demo", "2.0", *tags, sdist=True)), target, formats=formats).choices
    return too_new(choice)


def need(files: int = 1, symbol: str = "fcntl64") -> SymbolNeed:
    return SymbolNeed(
        version="GLIBC_2.28", library="libc.so.6", symbol=symbol, path="demo/core.so", files=files
    )


def test_the_smallest_step_is_told() -> None:
    one = found("cp312-cp312-manylinux_2_34_aarch64", TAG, "cp312-cp312-manylinux_2_28_x86_64")
    assert one is not None
    assert (one.wheel.filename, one.glibc) == (f"demo-2.0-{TAG}.whl", (2, 27))


def test_a_tag_for_another_cpu_does_not_lower_the_floor() -> None:
    one = found("cp312-cp312-manylinux_2_34_aarch64.manylinux_2_17_x86_64")
    assert one is not None
    assert one.glibc == (2, 34)


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp313-cp313-manylinux_2_28_aarch64",
        "cp312-cp312-musllinux_1_2_aarch64",
        "cp312-cp312-linux_aarch64",
        "cp312-cp312-win_arm64",
    ],
)
def test_what_is_kept_off_by_more_or_other_things_is_not_too_new(tag: str) -> None:
    assert found(tag) is None


def test_only_targets_with_glibc_have_such_wheels() -> None:
    assert found(TAG, target=linux(musl=(1, 2))) is None
    assert found(TAG, target=windows()) is None


def test_wheels_that_the_user_refuses_are_not_looked_at() -> None:
    assert found(TAG, formats=FormatPolicy.parse(only_binary=[], no_binary=["demo"])) is None


@pytest.mark.parametrize(
    ("looked", "line"),
    [
        (
            Looked(need=need(), fits=False),
            "demo/core.so needs GLIBC_2.28 of libc.so.6 (fcntl64)",
        ),
        (
            Looked(need=need(2, ""), fits=False),
            "demo/core.so needs GLIBC_2.28 of libc.so.6; so does 1 more file",
        ),
        (
            Looked(need=need(4), fits=False),
            "demo/core.so needs GLIBC_2.28 of libc.so.6 (fcntl64); so do 3 more files",
        ),
        (
            Looked(need=need(), fits=True),
            "its binaries ask for nothing newer than GLIBC_2.28 and would run on 2.26: only its tag is too new",
        ),
        (
            Looked(need=None, fits=True),
            "its binaries ask for no version of glibc and would run on 2.26: only its tag is too new",
        ),
        (Looked(need=need(), fits=False, problem="a.so: needs libx.so"), "a.so: needs libx.so"),
    ],
)
def test_what_is_in_the_wheel_is_said(looked: Looked, line: str) -> None:
    one = found(TAG)
    assert one is not None
    named, said = explain_too_new(one, looked, None)
    assert named == NAMED
    assert said == line


def demand(line: str, who: str = "pandas 2.3.1") -> Demand:
    (one,) = demands_of(who, [line], OLD)
    return one


def versions(*texts: str) -> list[Newest]:
    return [Newest(version=text, filename=f"demo-{text}-any.whl", tag="py3-none-any") for text in texts]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "newest version with a wheel that fits: 1.9 (demo-1.9-any.whl)"),
        (("demo>=1",), "newest version with a wheel that fits: 1.9 (demo-1.9-any.whl)"),
        (
            ("demo>=1", "demo<1.9"),
            f"newest version with a wheel that fits and that the lock allows: 1.8 (demo-1.8-any.whl); {ASKS}<1.9",
        ),
        (
            ("demo>=1.9.1",),
            f"newest version with a wheel that fits: 1.9 (demo-1.9-any.whl), but {ASKS}>=1.9.1",
        ),
    ],
)
def test_the_newest_version_that_fits_is_said_with_what_the_lock_asks_of_it(
    lines: tuple[str, ...], said: str
) -> None:
    one = found(TAG)
    assert one is not None
    advice = advise(versions("1.9", "1.8"), list(map(demand, lines)))
    assert explain_too_new(one, None, advice) == (NAMED, said)


def test_no_version_that_fits_is_said_too_and_nothing_where_nobody_asked() -> None:
    one = found(TAG)
    assert one is not None
    none = "no version of demo on the index has a wheel that fits"
    assert explain_too_new(one, None, advise([], [demand("demo>1")])) == (NAMED, none)
    assert explain_too_new(one, None, None) == (NAMED,)


def test_only_what_holds_on_the_target_is_asked() -> None:
    lines = [
        "demo>=1",
        "Other.Name<2; sys_platform == 'linux'",
        "demo<1; sys_platform == 'win32'",
        "demo<1; extra == 'old'",
        "demo<1; platform_release >= '5'",
        "demo",
        "not a requirement!",
    ]
    found = [str(one) for one in demands_of("pandas 2.3.1", lines, OLD)]
    assert found == ["pandas 2.3.1 asks for demo>=1", "pandas 2.3.1 asks for other-name<2"]


def test_a_wheel_that_the_reason_names_is_not_named_again() -> None:
    one = found("cp312-cp312-manylinux_2_34_aarch64", TAG)
    assert one is not None
    assert TAG in one.choice.reason
    assert explain_too_new(one, None, None, after=one.choice.reason) == ()
