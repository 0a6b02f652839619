"""An image into podman or docker on this machine, through their own `load`: no registry, nothing on the disk."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, cast

from crossdock.errors import ShipError
from crossdock.ship.image.outputs import bundle, docker_manifest, stream_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crossdock.oci.model import Platform
    from crossdock.ship.image.model import Image

#: In this order: who has podman installed mostly means it, and docker's client may be there without a daemon.
PROGRAMS = ("podman", "docker")
_SHOWN = 4000


def find_program(wanted: str, which: Callable[[str], str | None]) -> str:
    """Return the path of `podman` or `docker`, or of the first that is there for `auto`; raise `ShipError`.

    `which` finds a program by name, as `shutil.which` does.
    """
    names = PROGRAMS if wanted == "auto" else (wanted,)
    found = next((path for name in names if (path := which(name))), None)
    if found is None:
        raise ShipError(
            f"no {' or '.join(names)} on the PATH to load the image into",
            code="E-SHIP-LOAD-PROGRAM",
            hint="write an archive instead (`-o app.tar`) and load it where one is",
        )
    return found


def load(
    image: Image,
    *,
    program: str,
    names: Sequence[str],
    platform: Platform | None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Stream an image to `PROGRAM load` and return what it said.

    `names` are full names with tags. `platform` is the one image to load, None for all: what takes several under one
    name is docker with the containerd image store only. Raise `ShipError`: E-SHIP-LOAD-PLATFORM if the image has
    none for it, E-SHIP-LOAD if the program refuses.
    """
    if platform is not None and all(one.platform != platform for one in image.platforms):
        raise ShipError(
            f"the image has none for {platform}, which this machine runs",
            code="E-SHIP-LOAD-PLATFORM",
            places=[str(one.platform) for one in image.platforms],
            hint=f"add `--for {platform.os}/{platform.architecture}`",
        )
    # Podman takes one entry, and keeps the manifest's digest only of an OCI archive; docker's classic loader reads
    # only its own list, which may have several names.
    is_docker = "docker" in program.replace("\\", "/").rpartition("/")[2]
    parts = bundle(image, names if is_docker else names[:1], platform=platform, attachments=False)
    docker = docker_manifest(image, platform, names) if is_docker else None
    said = _run([program, "load"], environment, lambda out: stream_archive(parts, out, docker=docker))
    for name in () if is_docker else names[1:]:
        _run([program, "tag", names[0], name], environment)
    return said


def _run(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    write: Callable[[IO[bytes]], None] = lambda _: None,
) -> str:
    """Run a command with what `write` gives it and return its words; an error in writing kills it first."""
    with tempfile.TemporaryFile() as said:
        status = _fed(command, environment, said, write)
        said.seek(0)
        text = said.read(_SHOWN).decode("utf-8", "replace").strip()
    if status:
        raise ShipError(
            f"`{' '.join(command[:2])}` failed (exit status {status})",
            code="E-SHIP-LOAD",
            places=text.splitlines()[-10:],
            hint="see that it works at all (`podman info`, `docker info`), or write an archive (`-o app.tar`)",
        )
    return text


def _fed(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    said: IO[bytes],
    write: Callable[[IO[bytes]], None],
) -> int:
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment)
    except OSError as error:
        raise ShipError(
            f"cannot start `{command[0]}`: {(error.strerror or str(error)).lower()}", code="E-SHIP-LOAD"
        ) from error
    fed = cast("IO[bytes]", process.stdin)
    try:
        with suppress(BrokenPipeError):  # it stopped reading: its status and words say why
            try:
                write(fed)
            except BaseException:
                process.kill()  # before its input ends, which it could take for the end of the archive
                raise
            finally:
                fed.close()
    finally:
        status = process.wait()
    return status
