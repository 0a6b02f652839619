"""For rules_python: requirements of each platform with the URL and hash of every wheel, and the `pip.parse` that reads them.

With a URL for each, rules_python looks nothing up, and takes the wheel that was chosen and proven. Needs rules_python 2.
Source: rules_python, docs/howto/multi-platform-pypi-deps.md and its own MODULE.bazel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.target.model import Arch, LibcKind, Os

if TYPE_CHECKING:
    from crossdock.ship.bazel.adapters.model import Request
    from crossdock.ship.bazel.model import ForPlatform

_HEAD = """\
# For MODULE.bazel, with rules_python 2 or newer. Written by `crossdock bazel`.
pip = use_extension("@rules_python//python/extensions:pip.bzl", "pip")
"""

_PLATFORM = """\
pip.default(
    arch_name = "{arch}",
    config_settings = [
{settings}    ],
    os_name = "{os}",
    platform = "{name}",
    whl_platform_tags = [
{tags}    ],
)
"""

_PARSE = """\
pip.parse(
    hub_name = "{hub}",
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
    text = _HEAD
    for one in hub.platforms:
        target = one.platform.target
        settings = [
            label if label.startswith("@") else f"@//{request.package}/platforms{label}"
            for label in one.platform.constraints
        ]
        text += _PLATFORM.format(
            arch=one.platform.constraints[1].rpartition(":")[2],
            os=one.platform.constraints[0].rpartition(":")[2],
            name=_name(one),
            settings="".join(f'        "{label}",\n' for label in settings),
            tags="".join(f'        "{tag}",\n' for tag in _tags(target.os, target.arch, one)),
        )
    names = sorted(_name(one) for one in hub.platforms)
    rows = sorted((_filename(one), _name(one)) for one in hub.platforms)
    text += _PARSE.format(
        hub=hub.name,
        python=hub.platforms[0].platform.target.python.short,
        files="".join(f'        "//{request.package}:{file}": "{name}",\n' for file, name in rows),
        names="".join(f'        "{name}",\n' for name in names),
    )
    return text + f'use_repo(pip, "{hub.name}")\n'


def _name(one: ForPlatform) -> str:
    """Return a platform's name as rules_python has it: the OS, the CPU, and what else there is."""
    return "_".join(label.rpartition(":")[2] for label in one.platform.constraints)


def _tags(system: Os, arch: Arch, one: ForPlatform) -> list[str]:
    """Return the patterns of platform tags; which wheel of them is taken says the URL."""
    libc = one.platform.target.libc
    if system is Os.WINDOWS:
        return [{Arch.X86_64: "win_amd64", Arch.I686: "win32"}.get(arch, "win_arm64")]
    if system is Os.MACOS:
        cpu = "arm64" if arch is Arch.AARCH64 else str(arch)
        return [f"macosx_*_{cpu}", "macosx_*_universal2"]
    if libc is not None and libc.kind is LibcKind.MUSL:
        return [f"linux_{arch}", f"musllinux_*_{arch}"]
    return [f"linux_{arch}", f"manylinux_*_{arch}"]
