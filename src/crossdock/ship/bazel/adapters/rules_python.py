"""For rules_python: requirements of each platform with the URL and hash of every wheel, and the `pip.parse` that reads them.

With a URL for each, rules_python looks nothing up, and takes the wheel that was chosen and proven. Needs rules_python 2.
Source: rules_python, docs/howto/multi-platform-pypi-deps.md and its own MODULE.bazel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.target.model import Arch, Implementation, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.ship.bazel.adapters.model import Request
    from crossdock.ship.bazel.model import ForPlatform, Hub
    from crossdock.target.model import Target

_HEAD = """\
# For MODULE.bazel, with rules_python 2 or newer. Written by `crossdock bazel`.
# There has to be a `python.toolchain` for every `python_version` here: without, rules_python says nothing and leaves its
# packages out.
pip = use_extension("@rules_python//python/extensions:pip.bzl", "pip")
"""

_PLATFORM = """\
pip.default(
    arch_name = "{arch}",
    config_settings = [
{settings}    ],
{env}    os_name = "{os}",
    platform = "{name}",
{tags})
"""

_ENV = """\
    env = {{
        "implementation_name": "{}",
    }},
"""

_PARSE = """\
pip.parse(
{cycles}    hub_name = "{hub}",
    python_version = "{python}",
    requirements_by_platform = {{
{files}    }},
    target_platforms = [
{names}    ],
)
"""


def files(request: Request) -> dict[str, bytes]:
    """Return requirements for each platform, and the fragment for MODULE.bazel; raise `UsageError` (E-BAZEL-NO-URL)."""
    found = {_filename(one): _requirements(request, one) for one in request.hub.platforms}
    return {**found, "rules_python.MODULE.bazel": _fragment(request).encode()}


def _filename(one: ForPlatform) -> str:
    return f"requirements.{one.platform.name}.txt"


def _requirements(request: Request, one: ForPlatform) -> bytes:
    lines = ["# Written by `crossdock bazel`; changes are lost when it is run again."]
    for package, repository in sorted(one.wheels.items()):
        wheel = request.hub.wheels[repository]
        extras = ",".join(one.extras.get(package, ()))
        name = f"{package}[{extras}]" if extras else package
        lines.append(f"{name} @ {request.url_of(wheel, 'rules_python')} --hash=sha256:{wheel.sha256}")
    return ("\n".join(lines) + "\n").encode()


def _fragment(request: Request) -> str:
    hub = request.hub
    # A `pip.parse` has one Python; those of one hub are joined by its name.
    by_python: dict[str, list[ForPlatform]] = {}
    for one in hub.platforms:
        by_python.setdefault(one.platform.target.python.short, []).append(one)
    return "".join(
        [
            _HEAD,
            *(_default(request.package, one) for one in hub.platforms),
            *(_parse(request, python, platforms) for python, platforms in sorted(by_python.items())),
            f'use_repo(pip, "{hub.name}")\n',
        ]
    )


def _default(package: str, one: ForPlatform) -> str:
    """Return what tells rules_python of a platform."""
    target = one.platform.target
    settings = [_label(label, package) for label in one.platform.constraints]
    # Else rules_python takes it for CPython, in markers as in the Python that a wheel is for.
    implementation = target.python.implementation
    env = "" if implementation is Implementation.CPYTHON else _ENV.format(implementation)
    return _PLATFORM.format(
        arch=one.platform.constraints[1].rpartition(":")[2],
        env=env,
        os=one.platform.constraints[0].rpartition(":")[2],
        name=_name(one),
        settings="".join(f'        "{label}",\n' for label in settings),
        tags=_list("whl_platform_tags", _tags(target)),
    )


def _parse(request: Request, python: str, platforms: Sequence[ForPlatform]) -> str:
    """Return the call that reads the requirements of the platforms of one Python."""
    names = sorted(_name(one) for one in platforms)
    rows = sorted((_filename(one), _name(one)) for one in platforms)
    return _PARSE.format(
        cycles=_cycles(request.hub),
        hub=request.hub.name,
        python=python,
        files="".join(f'        "//{request.package}:{file}": "{name}",\n' for file, name in rows),
        names="".join(f'        "{name}",\n' for name in names),
    )


def _cycles(hub: Hub) -> str:
    """Return the groups of packages that need each other, on whatever platform: to Bazel a circle is an error.

    Each `pip.parse` of a hub replaces those of the one before (python/private/pypi/hub_builder.bzl), so all have all.
    """
    groups: list[set[str]] = []
    for circle in (circle for one in hub.platforms for circle in one.circles):
        touched = [group for group in groups if group & set(circle)]
        groups = [group for group in groups if group not in touched]
        groups.append(set(circle).union(*touched))
    rows = "".join(
        f'        "{names[0]}": [\n' + "".join(f'            "{name}",\n' for name in names) + "        ],\n"
        for names in sorted(sorted(group) for group in groups)
    )
    return f"    experimental_requirement_cycles = {{\n{rows}    }},\n" if rows else ""


def _list(attribute: str, values: Sequence[str]) -> str:
    rows = "".join(f'        "{value}",\n' for value in values)
    return f"    {attribute} = [\n{rows}    ],\n" if rows else ""


def _label(label: str, package: str) -> str:
    """Return a constraint value's label as it reads in MODULE.bazel: ours, of another hub of the workspace, or of a module."""
    if label.startswith(":"):
        return f"@//{package}/platforms{label}" if package else f"@//platforms{label}"
    return f"@{label}" if label.startswith("//") else label


def _name(one: ForPlatform) -> str:
    """Return a platform's name as rules_python has it: the OS, the CPU, and what else there is."""
    return "_".join(label.rpartition(":")[2] for label in one.platform.constraints)


def _tags(target: Target) -> list[str]:
    """Return the patterns of platform tags of systems that rules_python has patterns for.

    Which wheel is taken says the URL, so they matter to what users add by themselves alone.
    """
    arch = target.arch
    if target.os is Os.WINDOWS:
        return [{Arch.X86_64: "win_amd64", Arch.I686: "win32"}.get(arch, "win_arm64")]
    if target.os is Os.MACOS:
        cpu = "arm64" if arch is Arch.AARCH64 else str(arch)
        return [f"macosx_*_{cpu}", "macosx_*_universal2"]
    if target.libc is None:
        return []
    policy = "musllinux" if target.libc.kind is LibcKind.MUSL else "manylinux"
    return [f"linux_{arch}", f"{policy}_*_{arch}"]
