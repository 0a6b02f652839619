"""What a runtime brings itself: left out together, kept for whoever else needs it, told to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.lock.locks import linux, lock, package

from crossdock.lock.select import select
from crossdock.ship.bundle.model import BundledPackage
from crossdock.ship.bundle.provided import ProvidedClosure, half_sdk_note, provided_closure
from crossdock.ship.receipt import ShippedPackage
from crossdock.target.model import Arch, Python

if TYPE_CHECKING:
    from crossdock.target.model import Target

LAMBDA = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
#: Requires-Dist of the releases of 2026, as their METADATA has them.
SDK = {
    "boto3": [
        "botocore<1.45.0,>=1.44.5",
        "jmespath<2.0.0,>=0.7.1",
        "s3transfer<0.20.0,>=0.19.0",
        'botocore[crt]<2.0a0,>=1.21.0; extra == "crt"',
    ],
    "botocore": [
        "jmespath<2.0.0,>=0.7.1",
        "python-dateutil<5.0.0,>=2.1",
        'urllib3<1.27,>=1.25.4; python_version < "3.10"',
        'urllib3!=2.2.0,<3,>=1.25.4; python_version >= "3.10"',
        'awscrt==0.32.0; extra == "crt"',
    ],
    "s3transfer": ["botocore<2.0a.0,>=1.37.4", 'botocore[crt]<2.0a.0,>=1.37.4; extra == "crt"'],
    "jmespath": [],
    "python-dateutil": ["six>=1.5"],
    "six": [],
    "urllib3": ['brotli>=1.2.0; platform_python_implementation == "CPython" and extra == "brotli"'],
}
REQUESTS = {
    "requests": ["urllib3<3,>=1.26", "idna<4,>=2.5", 'PySocks!=1.5.7,>=1.5.6; extra == "socks"'],
    "idna": [],
}


def closure(
    requires: dict[str, list[str]],
    *asked: str,
    provided: tuple[str, ...] = LAMBDA,
    target: Target | None = None,
    markers: dict[str, str] | None = None,
    own: tuple[str, ...] = (),
) -> ProvidedClosure:
    stated: dict[str, dict[str, Any]] = {name: {"marker": text} for name, text in (markers or {}).items()}
    packages = [package(name, "1.2", "py3-none-any", **stated.get(name, {})) for name in requires]
    target = target or linux()
    chosen = select(lock(*packages), target).choices
    bundle = [
        BundledPackage(
            package=ShippedPackage(name=one.name, version=one.version or "", wheel="", sha256=""),
            files=(),
            requires=frozenset(requires[one.name]),
        )
        for one in chosen
    ]
    code = BundledPackage(package=None, files=())
    return provided_closure(
        [*bundle, code], provided, target=target, asked=asked, own=own, runtime="lambda-python3.12"
    )


def test_boto3_goes_with_all_that_only_it_needs_and_the_note_says_which_versions_run_then() -> None:
    found = closure(SDK)
    assert found.left_out == frozenset(LAMBDA)
    [note] = found.notes
    assert "boto3 1.2, botocore 1.2, jmespath 1.2" in note
    assert "versions of lambda-python3.12" in note
    assert "older" in note


def test_requests_keeps_urllib3_and_the_note_says_that_the_runtime_uses_it() -> None:
    found = closure({**SDK, **REQUESTS})
    assert found.left_out == frozenset(LAMBDA) - {"urllib3"}
    [_, kept] = found.notes
    assert kept == (
        "stays: urllib3 1.2, since requests 1.2 needs it; lambda-python3.12's own boto3 uses it too"
    )


def test_botocore_alone_goes() -> None:
    requires = {name: lines for name, lines in SDK.items() if name not in ("boto3", "s3transfer")}
    assert closure(requires).left_out == requires.keys()


def test_a_package_that_pins_botocore_keeps_it_and_boto3_with_it() -> None:
    found = closure({**SDK, "aiobotocore": ["botocore<1.44.6,>=1.44.5", "aiohttp<4"], "aiohttp": []})
    assert found.left_out == frozenset()
    assert "stays: botocore 1.2, since aiobotocore 1.2 needs it" in found.notes
    assert "stays: boto3 1.2, since botocore stays, and the two fit only together" in found.notes


def test_boto3_that_another_package_brought_along_stays_with_its_own() -> None:
    found = closure({**SDK, "watchtower": ["boto3<2,>=1.9.253"]})
    assert found.left_out == frozenset()
    assert "stays: boto3 1.2, since watchtower 1.2 needs it" in found.notes


def test_a_shared_package_stays_through_several_steps() -> None:
    # pandas needs dateutil, which needs six.
    found = closure({**SDK, "pandas": ["python-dateutil>=2.8.2", "numpy>=1.26"], "numpy": []})
    assert found.left_out == frozenset(LAMBDA) - {"python-dateutil", "six"}
    assert any(note.startswith("stays: six 1.2, since python-dateutil 1.2 needs it") for note in found.notes)


def test_s3transfer_in_its_own_right_keeps_the_sdk() -> None:
    found = closure({**SDK, "tool": ["s3transfer>=0.10"]})
    assert not found.left_out


def test_what_the_project_asks_for_itself_stays_but_for_the_sdk() -> None:
    assert closure(SDK, "boto3", "botocore>=1").left_out == frozenset(LAMBDA)
    assert closure(SDK, "boto3", "urllib3>=2").left_out == frozenset(LAMBDA) - {"urllib3"}
    assert closure(SDK, "boto3", "python-dateutil").left_out == frozenset(LAMBDA) - {"python-dateutil", "six"}
    # Written another way, and for another target only.
    assert closure(SDK, "boto3", "Python_DateUtil").left_out == frozenset(LAMBDA) - {"python-dateutil", "six"}
    assert closure(SDK, "boto3", 'urllib3; sys_platform == "win32"').left_out == frozenset(LAMBDA)


@pytest.mark.parametrize(
    "pin", ["boto3==1.2", "boto3===1.2", "boto3[crt]==1.2", "Boto3 @ https://x.test/boto3-1.2.zip"]
)
def test_a_version_that_the_user_pins_stays_and_the_note_says_how_it_would_go(pin: str) -> None:
    found = closure(SDK, pin)
    assert found.left_out == frozenset()
    assert (
        "stays: boto3 1.2, since you pin its version, and the runtime's is another; without the pin it is left out"
        in found.notes
    )
    assert closure(SDK, 'boto3==1.2; sys_platform == "win32"').left_out == frozenset(LAMBDA)


@pytest.mark.parametrize("wish", ["boto3>=1.2", "boto3==1.*", "boto3~=1.2", "boto3<2"])
def test_a_wish_that_several_versions_meet_keeps_nothing(wish: str) -> None:
    assert closure(SDK, wish).left_out == frozenset(LAMBDA)


def test_other_packages_of_the_user_are_asked_like_the_project() -> None:
    requires = {**SDK, "mine": ["boto3>=1.40", "urllib3", 'six; extra == "more"']}
    assert closure(requires, own=("mine",)).left_out == frozenset(LAMBDA) - {"urllib3"}
    # An extra that somebody asks for counts here too.
    assert closure(requires, "mine[more]", own=("mine",)).left_out == frozenset(LAMBDA) - {"urllib3", "six"}
    assert not closure(requires).left_out


def test_what_nothing_needs_was_asked_for_even_if_nobody_says_so() -> None:
    found = closure({"urllib3": [], "six": []})
    assert not found.left_out
    assert "stays: six 1.2, since it is required for its own sake" in found.notes


@pytest.mark.parametrize(
    ("marker", "arch", "stays"),
    [
        ('urllib3; platform_machine == "x86_64"', Arch.X86_64, True),
        ('urllib3; platform_machine == "x86_64"', Arch.AARCH64, False),
        ('urllib3; sys_platform == "win32"', Arch.AARCH64, False),
        ('urllib3; python_version >= "3.10"', Arch.AARCH64, True),
        # The target does not say its patch version: what may be needed stays.
        ('urllib3; python_full_version < "3.12.4"', Arch.AARCH64, True),
    ],
)
def test_a_requirement_counts_where_its_marker_holds(marker: str, arch: Arch, stays: bool) -> None:
    found = closure({**SDK, "tool": [marker]}, target=linux(arch))
    assert ("urllib3" not in found.left_out) == stays
    assert "boto3" in found.left_out


def test_a_dependent_that_this_target_does_not_get_keeps_nothing() -> None:
    markers = {"requests": 'sys_platform == "win32"'}
    assert closure({**SDK, **REQUESTS}, markers=markers).left_out == frozenset(LAMBDA)


def test_markers_of_the_sdk_itself_follow_the_target() -> None:
    old = linux(python=Python(minor=9))
    assert closure(SDK, target=old).left_out == frozenset(LAMBDA)


def test_an_extra_counts_where_it_is_asked_for() -> None:
    requires = {**SDK, "storage": ["packaging", 'boto3>=1.4.4; extra == "s3"'], "packaging": []}
    assert "boto3" in closure(requires).left_out
    assert not closure(requires, "storage[s3]").left_out
    assert not closure({**requires, "site": ["storage[S3]>=1"]}).left_out


def test_what_the_runtime_does_not_have_stays_whoever_needs_it() -> None:
    found = closure({**SDK, "awscrt": []}, "boto3[crt]")
    assert found.left_out == frozenset(LAMBDA)


def test_circles_end() -> None:
    found = closure({**SDK, "six": ["python-dateutil"]})
    assert found.left_out == frozenset(LAMBDA)


def test_a_requirement_of_long_ago_counts_by_its_name() -> None:
    assert "urllib3" not in closure({**SDK, "old": ["urllib3 (>=1.*,broken"]}).left_out


def test_nothing_to_leave_out_is_said() -> None:
    assert closure(REQUESTS).notes == (
        "nothing is left out: the lock has none of what lambda-python3.12 brings",
    )
    assert closure(SDK, provided=()).notes == ("nothing is left out: lambda-python3.12 brings no packages",)
    assert not closure(SDK, provided=()).left_out


def test_half_an_sdk_is_warned_of() -> None:
    note = half_sdk_note({"botocore", "aiobotocore"}, LAMBDA, "lambda-python3.12")
    assert note.startswith("botocore is shipped without boto3")
    assert not half_sdk_note({"botocore", "boto3"}, LAMBDA, "lambda-python3.12")
    assert not half_sdk_note({"numpy"}, LAMBDA, "lambda-python3.12")
    assert not half_sdk_note({"botocore"}, (), "agentcore-python3.12")
