"""Plans and descriptions of targets, as a cross build makes them, without anything that must be fetched."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.build.target_python.support import offline, target, world

from crossdock.build.cross import CrossBuild, Source
from crossdock.build.model import PackageSettings, TargetPython
from crossdock.build.parts import _describe
from crossdock.build.shim import VARIABLE
from crossdock.build.target_python.names import platform_tag, python_name, soabi
from crossdock.build.toolchain.made import Places, Plan, build_variables
from crossdock.build.toolchain.targets import build_floor, zig_target

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.target.model import Target

__all__ = ["Described", "build_of", "describe", "offline", "plan_of", "target"]


def plan_of(what: Target, places: Places | None = None, **changes: Any) -> Plan:
    """Return a plan for a target; keywords in place of its own."""
    places = places or Places()
    made = Plan(
        target=what,
        zig_target=zig_target(what, build_floor(what)),
        host_target="x86_64-linux-gnu.2.17",
        interpreter=sys.executable,
        places=places,
        soabi=soabi(what),
        include=f"{places.headers}/include/{python_name(what)}",
    )
    return replace(made, **changes)


def build_of(what: Target, place: Path, name: str = "demo", **changes: Any) -> CrossBuild:
    """Return a build whose world reaches nothing; its log is `place`/build.log."""
    source = Source(
        what=f"{name}-1.0.tar.gz", name=name, version="1.0", digest="sha256:0", unpack=lambda where: where
    )
    made = CrossBuild(
        source=source, target=what, settings=PackageSettings(), world=world(place), log=place / "build.log"
    )
    return replace(made, **changes)


@dataclass(frozen=True)
class Described:
    """A description in `directory`, and the variables that make a Python read it."""

    directory: Path
    plan: Plan
    variables: dict[str, str]


def describe(what: Target, place: Path) -> Described:
    """Write what tells a Python that it is the target's."""
    headers = place / "headers"
    (headers / "include" / python_name(what)).mkdir(parents=True)
    python = TargetPython(
        directory=headers,
        variables={"CFLAGS": "-O3", "Py_GIL_DISABLED": 0, "SIZEOF_VOID_P": 8},
        provider="given",
        detail="made by a test",
        digest="0",
    )
    plan = plan_of(what, Places(target=str(place / "target"), headers=str(headers)))
    module = _describe(place / "target", build_of(what, place), plan, python)
    told = build_variables(plan, sysconfigdata=module, platform=platform_tag(what))
    variables = {**told, VARIABLE: str(place / "target" / "target.json")}
    return Described(place / "target", plan, variables)
