"""Makes the Python of a build environment answer as the target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.build.target_python.names import multiarch, sys_platform
from crossdock.build.toolchain.targets import MACHINES
from crossdock.target.markers import environment
from crossdock.target.model import Arch, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.target.model import Target

_MODULE = Path(__file__).with_name("crossdock_target.py")
_PTH = "crossdock_target.pth"
#: The variable that the shim looks at; without it nothing changes.
VARIABLE = "CROSSDOCK_BUILD_TARGET"

_SYSTEMS = {Os.LINUX: "Linux", Os.MACOS: "Darwin", Os.WINDOWS: "Windows"}
_32_BITS = frozenset({Arch.ARMV7L, Arch.ARMV6L, Arch.I686})
#: What `platform.release()` and `version()` say where the target does not: no build should ask, and none learns the host's.
_RELEASES = {
    Os.LINUX: ("5.10.0", "#1 SMP"),
    Os.MACOS: ("20.6.0", "Darwin Kernel Version 20.6.0"),
    Os.WINDOWS: ("10", "10.0.17763"),
}


def install_shim(site_packages: Path) -> None:
    """Put the shim into an environment; it sleeps until `VARIABLE` is set."""
    (site_packages / _MODULE.name).write_bytes(_MODULE.read_bytes())
    (site_packages / _PTH).write_text("import crossdock_target\n")


def shim_text(target: Target, *, include: str, variables: Mapping[str, Any]) -> str:
    """Return the description that the shim reads: the target as its own interpreter would tell it (JSON)."""
    markers = environment(target)
    release, version = _RELEASES[target.os]
    machine = markers["platform_machine"] or target.arch.value
    libc = ["", ""]
    if target.libc is not None and target.libc.kind is LibcKind.GLIBC:
        libc = ["glibc", f"{target.libc.major}.{target.libc.minor}"]
    major, minor = target.os_version or (0, 0)
    release = markers.get("platform_release") or release
    value = {
        "include": include,
        "variables": dict(variables),
        "uname": {
            "system": _SYSTEMS[target.os],
            "release": release,
            "version": markers.get("platform_version") or version,
            "machine": machine,
            "processor": "" if target.os is Os.LINUX else machine,
        },
        "platform_platform": f"{_SYSTEMS[target.os]}-{release}-{machine}",
        "libc": libc,
        "bits": "32bit" if target.arch in _32_BITS else "64bit",
        "linkage": "WindowsPE" if target.os is Os.WINDOWS else "" if target.os is Os.MACOS else "ELF",
        "endian": MACHINES[target.arch].endian,
        "mac_ver": f"{major}.{minor}" if target.os is Os.MACOS else "",
        "multiarch": multiarch(target),
        "sys_platform": sys_platform(target),
    }
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
