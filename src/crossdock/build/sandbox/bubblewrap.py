"""The sandbox on Linux: bubblewrap with namespaces of its own for everything, and only what is named is there."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.model import Limits, Mount, Sandbox, place_of
from crossdock.build.sandbox.supervise import Job, supervise
from crossdock.build.sandbox.view import host_view
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Who a build is: never 0, and the same on every host.
UID = GID = 1000
_FILES = {
    "/etc/passwd": f"build:x:{UID}:{GID}:build:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": f"build:x:{GID}:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1 localhost build\n::1 localhost build\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hostname": "build\n",
}
#: What a download needs of the host: names of the network, and certificates.
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
_NETWORK_DIRECTORIES = (
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/lib/ssl",
)


class Bubblewrap(Sandbox):
    """Namespaces made by the program `bwrap`."""

    kind: ClassVar[str] = "bubblewrap"

    def __init__(
        self,
        program: str,
        mounts: Sequence[Mount],
        limits: Limits,
        *,
        hide: Sequence[str] = (),
        sysroot: tuple[Path, str] | None = None,
    ) -> None:
        super().__init__(mounts, limits)
        self._program = program
        self._hide = tuple(hide)
        self._sysroot = sysroot

    def inside(self, path: Path | str) -> str:
        """Return where the host's `path` lies inside; raises ValueError if no mount shows it there."""
        try:
            return place_of(path, self.mounts)
        except ValueError:
            text = os.fspath(path)
            view = host_view()
            if text in view.links or any(text == at or text.startswith(f"{at}/") for at in view.shown):
                return text
            raise

    def run(
        self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], log: Path, network: bool = False
    ) -> int:
        """Run `command` in namespaces made for it; see `Sandbox.run`."""
        check_places(self.mounts)
        with ExitStack() as stack:
            scratch = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="crossdock-", ignore_cleanup_errors=True)
                )
            )
            arguments, descriptors = self._arguments(stack, scratch, cwd, env, network=network)
            given = _memory("\0".join(arguments).encode("utf-8", "surrogateescape") + b"\0", stack)
            job = Job(
                command=[self._program, "--args", str(given), "--", *command],
                environ={},
                log=log,
                limits=self.limits,
                what=Path(command[0]).name,
                descriptors=[given, *descriptors],
            )
            return supervise(job)

    def _arguments(
        self, stack: ExitStack, scratch: Path, cwd: str, env: Mapping[str, str], *, network: bool
    ) -> tuple[list[str], list[int]]:
        arguments = [*_namespaces(network=network), *_scratch(scratch)]
        view = host_view()
        for place, source in sorted(view.shown.items()):
            arguments += ["--ro-bind", source, place]
        for place, target in view.links.items():
            arguments += ["--symlink", target, place]
        for place in view.covered:
            arguments += ["--tmpfs", place, "--remount-ro", place]
        descriptors = []
        for place, text in _FILES.items():
            if not (network and place in _NETWORK_FILES):
                descriptors.append(_memory(text.encode(), stack))
                arguments += ["--perms", "0444", "--ro-bind-data", str(descriptors[-1]), place]
        if network:
            arguments += _network()
        arguments += self._sysroot_arguments()
        for mount in sorted(self.mounts, key=lambda mount: mount.place.count("/")):
            arguments += [
                "--bind" if mount.writable else "--ro-bind",
                os.fspath(mount.source.resolve()),
                mount.place,
            ]
        for place in self._hide:
            arguments += ["--tmpfs", place, "--remount-ro", place]
        for name, value in env.items():
            arguments += ["--setenv", name, value]
        arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", cwd]
        return arguments, descriptors

    def _sysroot_arguments(self) -> list[str]:
        if self._sysroot is None:
            return []
        root, triplet = self._sysroot
        arguments = []
        for place in ("usr/include", f"usr/lib/{triplet}", "usr/share/pkgconfig", "usr/lib/pkgconfig"):
            held = any(shown.startswith(f"/{place}/") for shown in host_view().shown)
            if (root / place).is_dir() and not held:
                arguments += ["--ro-bind", os.fspath((root / place).resolve()), f"/{place}"]
        return arguments


def _namespaces(*, network: bool) -> list[str]:
    arguments = ["--unshare-all", "--unshare-user", "--uid", str(UID), "--gid", str(GID)]
    if network:
        arguments.append("--share-net")
    return [
        *arguments,
        *("--hostname", "build"),
        *("--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
        *("--proc", "/proc", "--dev", "/dev"),
    ]


def _scratch(scratch: Path) -> list[str]:
    """Give /tmp and shared memory on the disk: what is written there would else count for nobody."""
    arguments = []
    for name, place in (("tmp", "/tmp"), ("shm", "/dev/shm"), ("var", "/var/tmp")):  # noqa: S108  inside, and its own
        (scratch / name).mkdir()
        arguments += ["--bind", os.fspath(scratch / name), place]
    return arguments


def _network() -> list[str]:
    arguments = []
    for place in _NETWORK_FILES:
        if Path(place).exists():
            arguments += ["--ro-bind", os.fspath(Path(place).resolve()), place]
    for place in _NETWORK_DIRECTORIES:
        if Path(place).is_dir():
            arguments += ["--ro-bind", os.fspath(Path(place).resolve()), place]
    return arguments


def _memory(data: bytes, stack: ExitStack) -> int:
    """Return a descriptor from which `data` is read."""
    descriptor = os.memfd_create("crossdock")
    stack.callback(os.close, descriptor)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def check_places(mounts: Sequence[Mount]) -> None:
    """Refuse a place below a writable mount that leads elsewhere: a build may have left a link there.

    bubblewrap makes missing mount points, and would follow a link while it does.
    """
    for mount in mounts:
        for outer in mounts:
            below = mount.place.removeprefix(outer.place.rstrip("/") + "/")
            if outer is mount or below == mount.place or not outer.writable:
                continue
            at = outer.source.resolve()
            for part in below.split("/"):
                at = at / part
                try:
                    mode = at.lstat().st_mode
                except FileNotFoundError:
                    break
                if not (stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and mount.source.is_file())):
                    raise BuildError(
                        f"`{mount.place}` is no directory any more: a build has put something else there",
                        code="E-BUILD-SANDBOX",
                        places=[str(at)],
                    )


@cache
def find() -> tuple[str, tuple[int, ...]] | None:
    """Return the program bwrap and its version, or None where there is none."""
    program = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin")
    if program is None:
        return None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"(\d+(?:\.\d+)+)", done.stdout)
    return program, tuple(int(part) for part in match[1].split(".")) if match else ()
