"""The tree that a build sees, step by step: what bubblewrap, or whoever mounts, does in this order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crossdock.build.sandbox.places import check_places, followed, outer_mount
from crossdock.build.sandbox.view import PROGRAMS, host_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossdock.build.sandbox.model import Mount

#: Who a build is: never 0, and the same on every host.
UID = GID = 1000
HOSTNAME = "build"

_FILES = {
    "/etc/passwd": f"build:x:{UID}:{GID}:build:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": f"build:x:{GID}:\nnogroup:x:65534:\n",
    "/etc/hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost {HOSTNAME}\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hostname": f"{HOSTNAME}\n",
}
#: What a download needs of the host: names of the network, and certificates (not /etc/ssl/private).
_NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
    "/usr/share/ca-certificates",
    "/usr/lib/ssl",
)
#: Directories that hold mounts: made first, so that their modes are ours.
_DIRECTORIES = ("/etc", "/usr", "/usr/bin", "/usr/lib", "/usr/libexec", "/usr/share", "/var")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do at `place`.

    `show` mounts the host's `what` read-only, `give` writable; `link` makes a link to `what`; `text` a read-only file
    that says `what`; `empty` a directory with nothing in it; `directory` one to hold other places; `close` lets nobody
    list a directory of ours; `seal` makes the file system there read-only.
    """

    do: Literal["show", "give", "link", "text", "empty", "directory", "close", "seal"]
    place: str
    what: str = ""


def steps(
    mounts: Sequence[Mount],
    scratch: Path,
    *,
    hide: Sequence[str],
    sysroot: tuple[Path, str] | None,
    network: bool,
) -> list[Step]:
    """Return how the tree is made. `scratch` is an empty directory for /tmp and shared memory.

    Raises `BuildError` (E-BUILD-SANDBOX) if a build has put a link where something is to be mounted.
    """
    check_places(mounts)
    return [
        *(Step("directory", place) for place in _DIRECTORIES),
        *_host(),
        *_etc(network=network),
        *_sysroot(sysroot),
        *_scratch(scratch),
        *_mounted(mounts),
        *_hidden(hide, mounts),
        # A search of the whole tree does not come upon the host's programs that are not plain tools.
        Step("close", PROGRAMS),
        # Root outside is root to /proc/sys in there too, whatever namespace it is in.
        Step("seal", "/proc"),
        Step("seal", "/dev"),
        Step("seal", "/"),
    ]


def _host() -> Iterator[Step]:
    view = host_view()
    for place, source in sorted(view.shown.items()):
        yield Step("show", place, source)
    for place, target in view.links.items():
        yield Step("link", place, target)
    for place in view.covered:
        yield Step("empty", place)


def _etc(*, network: bool) -> Iterator[Step]:
    for place, text in _FILES.items():
        if not (network and place in _NETWORK):
            yield Step("text", place, text)
    if network:
        for place in _NETWORK:
            if Path(place).exists():
                yield Step("show", place, os.fspath(Path(place).resolve()))


def _sysroot(sysroot: tuple[Path, str] | None) -> Iterator[Step]:
    """Show the target's headers and libraries where setup.py files look by themselves."""
    if sysroot is None:
        return
    root, triplet = sysroot
    shown = host_view().shown
    for place in ("usr/include", f"usr/lib/{triplet}", "usr/lib/pkgconfig", "usr/share/pkgconfig"):
        # Where the target is of the host's own kind, /usr/lib/TRIPLET holds what the host's programs need.
        held = any(at.startswith(f"/{place}/") for at in shown)
        if (root / place).is_dir() and not held:
            yield Step("show", f"/{place}", os.fspath((root / place).resolve()))


def _scratch(scratch: Path) -> Iterator[Step]:
    """Give /tmp and shared memory on the disk: what is written to a file system in memory would count for nobody."""
    for name, place in (("tmp", "/tmp"), ("vartmp", "/var/tmp"), ("shm", "/dev/shm")):  # noqa: S108  inside, its own
        (scratch / name).mkdir()
        yield Step("give", place, os.fspath(scratch / name))


def _mounted(mounts: Sequence[Mount]) -> Iterator[Step]:
    for mount in sorted(mounts, key=lambda mount: mount.place.count("/")):
        yield Step("give" if mount.writable else "show", mount.place, os.fspath(mount.source))


def _hidden(hide: Sequence[str], mounts: Sequence[Mount]) -> Iterator[Step]:
    for place in hide:
        outer = outer_mount(place, mounts)
        if outer is None:
            continue
        path = followed(outer, place)
        if path.is_dir():
            yield Step("empty", place)
        elif path.exists():
            yield Step("text", place)
