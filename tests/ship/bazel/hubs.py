"""Small hubs for Bazel, made by hand, and what the adapters write for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import starlark

from crossdock.ship.bazel.adapters import adapter_files
from crossdock.ship.bazel.adapters.model import Request
from crossdock.ship.bazel.model import BazelWheel, ForPlatform, Hub, Inside
from crossdock.ship.bazel.platforms import bazel_platforms
from crossdock.target.model import Python
from crossdock.target.names import parse_target

TARGETS = ("linux/arm64", "musllinux_1_2_x86_64", "win_amd64", "macosx_11_0_arm64")
INDEX = "https://index.example.com/files"
WHEELHOUSE = "https://wheels.example.com/files"


def wheel(
    package: str,
    sha: str,
    tag: str = "py3-none-any",
    *modules: str,
    built: bool = False,
    version: str = "1.0",
) -> BazelWheel:
    name = package.replace("-", "_")
    filename = f"{name}-{version}-{tag}.whl"
    return BazelWheel(
        repository=f"pypi__{name}__{sha * 8}",
        package=package,
        version=version,
        filename=filename,
        sha256=sha * 64,
        size=100,
        urls=() if built else (f"{INDEX}/{filename}",),
        inside=Inside(modules=modules or (name,)),
        built_from={"filename": f"{name}-1.0.tar.gz", "sha256": "0" * 64} if built else None,
    )


PURE = wheel("web-app", "a")
NATIVE = wheel("numlib", "b", "cp312-cp312-manylinux_2_17_aarch64")
MUSL = wheel("numlib", "c", "cp312-cp312-musllinux_1_2_x86_64", built=True)
COLOUR = wheel("colour", "d", "py3-none-any", "colour", "on")
OTHER = wheel("also", "e", "py3-none-any", "numlib")


def hub() -> Hub:
    platforms = bazel_platforms([parse_target(name, default_python=Python(minor=12)) for name in TARGETS])
    taken = [
        {"web-app": PURE, "numlib": NATIVE},
        {"web-app": PURE, "numlib": MUSL},
        {"web-app": PURE, "colour": COLOUR, "also": OTHER},
        {"web-app": PURE},
    ]
    rows = [
        ForPlatform(
            platform=platform,
            wheels={name: one.repository for name, one in sorted(wheels.items())},
            needs={"web-app": tuple(sorted(wheels.keys() - {"web-app"}))},
            extras={"web-app": ("fast", "slow")},
            circles=(),
            layers=(),
        )
        for platform, wheels in zip(platforms, taken, strict=True)
    ]
    wheels = {one.repository: one for one in (PURE, NATIVE, MUSL, COLOUR, OTHER)}
    return Hub(name="pypi", prefix="/app", wheels=wheels, platforms=rows)


def served() -> Hub:
    """The hub with `--base-url`: what was built has a URL too."""
    found = hub()
    urls = (f"{WHEELHOUSE}/{MUSL.filename}",)
    return replace(found, wheels={**found.wheels, MUSL.repository: replace(MUSL, urls=urls)})


def hub_of(*rows: tuple[str, int, dict[str, BazelWheel]], circles: tuple[tuple[str, ...], ...] = ()) -> Hub:
    """A hub of targets, with the minor version of their Python, and what they take."""
    platforms = bazel_platforms(
        [parse_target(name, default_python=Python(minor=minor)) for name, minor, _ in rows]
    )
    taken = [
        ForPlatform(
            platform=platform,
            wheels={name: one.repository for name, one in sorted(wheels.items())},
            needs={},
            extras={},
            circles=circles if at == 0 else (),
            layers=(),
        )
        for at, (platform, (_, _, wheels)) in enumerate(zip(platforms, rows, strict=True))
    ]
    wheels = {one.repository: one for _, _, row in rows for one in row.values()}
    return Hub(name="pypi", prefix="/app", wheels=wheels, platforms=taken)


def files(
    name: str,
    *,
    of: Hub | None = None,
    package: str = "third_party/py",
    offline: bool = True,
    uv_lock: bytes | None = None,
) -> dict[str, str]:
    request = Request(hub=of or hub(), package=package, offline=offline, uv_lock=uv_lock)
    return {path: content.decode() for path, content in adapter_files([name], request).items()}


def calls(fragment: str) -> str:
    starlark.parse("MODULE.bazel", fragment)
    return fragment


def tags_of(fragment: str) -> list[tuple[str, dict[str, Any]]]:
    """Run a fragment of MODULE.bazel: the tags that it gives, in order."""
    found: list[tuple[str, dict[str, Any]]] = []
    module = starlark.Module()
    module.add_callable("use_extension", lambda *_: None)
    module.add_callable("use_repo", lambda *_: None)
    for name in ("default", "parse"):
        module.add_callable(f"pip_{name}", lambda name=name, **given: found.append((name, given)))
    dialect = starlark.Dialect.standard()
    dialect.enable_keyword_only_arguments = True
    text = fragment.replace("pip.default(", "pip_default(").replace("pip.parse(", "pip_parse(")
    starlark.eval(module, starlark.parse("MODULE.bazel", text, dialect), starlark.Globals.standard())
    return found
