"""The sandbox on macOS: a profile for sandbox-exec.

macOS has no mount namespaces: paths inside are the host's, and what is not to be read is denied. Of rules that match,
the last one counts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.model import Limits, Mount, Sandbox
from crossdock.build.sandbox.pythons import python_parts
from crossdock.build.sandbox.unsandboxed import limited, run_limited

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROGRAM = "/usr/bin/sandbox-exec"

#: Homes, other disks, everybody's temporary files, keychains: nothing of it is a build's.
_PRIVATE = ("/Users", "/Volumes", "/private/tmp", "/private/var", "/Network", "/Library/Keychains", "/cores")

#: Where a Mac keeps headers and libraries for programs built on it.
_DEVELOPMENT = (
    "/usr/local",
    "/opt",
    "/Library/Developer",
    "/Library/Frameworks",
    "/Applications",
    "/System/Library/Frameworks/Python.framework",
)

#: Read by nearly every program when it starts.
_NEEDED = ("/private/var/db/timezone", "/private/var/db/dyld", "/private/var/select", "/private/etc")

#: System services that programs ask for names of users, time zones and their log; all others (keychain, pasteboard,
#: launch services, the network's) are denied.
_SERVICES = (
    "com.apple.system.logger",
    "com.apple.system.notification_center",
    "com.apple.system.opendirectoryd.libinfo",
    "com.apple.system.opendirectoryd.membership",
    "com.apple.bsd.dirhelper",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/dtracehelper")


class Seatbelt(Sandbox):
    """macOS' own sandbox by the program `sandbox-exec`."""

    kind: ClassVar[str] = "sandbox-exec"

    def __init__(
        self, mounts: Sequence[Mount], limits: Limits, *, hide: Sequence[str] = (), program: str = PROGRAM
    ) -> None:
        super().__init__(mounts, limits)
        self.mounts = tuple(part for mount in self.mounts for part in _parts(mount))
        self._hide = tuple(hide)
        self._program = program

    def run(
        self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], log: Path, network: bool = False
    ) -> int:
        """Run `command` under a profile; see `Sandbox.run`."""
        return run_limited(
            self,
            self.command(command, network=network),
            cwd=cwd,
            env=env,
            log=log,
            what=Path(command[0]).name,
        )

    def command(self, command: Sequence[str], *, network: bool) -> list[str]:
        """Return the command line of the host for `command`."""
        text = profile(self.mounts, hide=self._hide, network=network)
        return limited([self._program, "-p", text, *command], self.limits.file_size)


def _parts(mount: Mount) -> list[Mount]:
    """Return what is shown of a Python's prefix; a framework's has nothing else in it, and programs at other places."""
    return [mount] if (mount.source / "Resources" / "Python.app").is_dir() else python_parts(mount)


def profile(mounts: Sequence[Mount], *, hide: Sequence[str] = (), network: bool = False) -> str:
    """Return the profile (SBPL, version 1) that shows `mounts` and lets only the writable ones be written."""
    sources = [os.fspath(mount.source) for mount in mounts]
    writable = [os.fspath(mount.source) for mount in mounts if mount.writable]
    sealed = [
        os.fspath(mount.source)
        for mount in mounts
        if not mount.writable and any(mount.source.is_relative_to(path) for path in writable)
    ]
    parents = {os.fspath(parent) for source in sources for parent in Path(source).parents}
    home = os.fspath(Path.home().resolve())
    rules = [
        "(version 1)",
        "(allow default)",
        "; nothing of the user's, nothing to build against but what is mounted",
        _rule("deny", "file-read*", "subpath", [*_PRIVATE, *_DEVELOPMENT, home]),
        _rule("allow", "file-read*", "subpath", [*_NEEDED, *sources]),
        # Programs look at the directories above the one they work in.
        _rule("allow", "file-read-metadata", "literal", sorted(parents)),
        _rule("deny", "file-read*", "subpath", hide),
        "; only the writable mounts are written",
        "(deny file-write*)",
        _rule("allow", "file-write*", "subpath", writable),
        _rule("deny", "file-write*", "subpath", sealed),
        _rule("allow", "file-write-data", "literal", _DEVICES),
        _rule("deny", "file-write*", "subpath", hide),
        # Set-id bits would outlive the sandbox.
        "(deny file-write-setugid)",
        "; no other process, no service",
        "(deny process-info* (target others))",
        "(deny signal (target others))",
        "(allow signal (target same-sandbox))",
        "(deny mach-lookup)",
        _rule("allow", "mach-lookup", "global-name", _SERVICES),
        "(deny appleevent-send)",
        "(deny iokit-open)",
        "(deny system-socket)",
    ]
    if network:
        rules.append('(allow mach-lookup (global-name "com.apple.dnssd.service"))')
        rules.append(
            '(allow mach-lookup (global-name "com.apple.trustd.agent") (global-name "com.apple.trustd"))'
        )
    else:
        rules.append("(deny network*)")
        rules.extend(f"(allow network* (local unix-socket (subpath {_quoted(path)})))" for path in writable)
        rules.extend(f"(allow network* (remote unix-socket (subpath {_quoted(path)})))" for path in writable)
    return "\n".join(rule for rule in rules if rule) + "\n"


def _rule(verb: str, what: str, kind: str, values: Sequence[str]) -> str:
    if not values:
        return ""
    return f"({verb} {what}\n" + "\n".join(f"  ({kind} {_quoted(value)})" for value in values) + ")"


def _quoted(text: str) -> str:
    """Return a string of SBPL, which is Scheme's: a path with a quote must not end it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
