"""The packer of layers that is checked in beside a lock: run by Bazel, needs no more than Python's standard library.

`packer.zip` holds this module and all that it imports (crossdock.ship.bazel.packer_zip), so the layers have the bytes of
`crossdock image`. It may import nothing that is not ours.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.archive.names import WheelName
from crossdock.digest import Digest
from crossdock.errors import CrossdockError
from crossdock.ship.entries import FILE_MODE, disk_file
from crossdock.ship.image.entries import merged, write_entries
from crossdock.ship.image.environment import SOURCES, environment_entries
from crossdock.ship.image.layer import LayerWriter
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.wheel_layer import WheelSource, write_wheel_layer
from crossdock.target.model import Arch, Implementation, Os, Python, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.archive.tarwrite import Sink
    from crossdock.ship.entries import Entry

_PYTHON = re.compile(r"(python|pypy)3\.([0-9]+)(t?)")


def main(arguments: Sequence[str]) -> int:
    """Write one layer as a tar compressed by gzip; return the exit status."""
    parser = argparse.ArgumentParser(prog="packer", fromfile_prefix_chars="@")
    parser.add_argument("kind", choices=["wheels", "environment", "files"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--wheel", type=Path, action="append", default=[])
    parser.add_argument("--allow-bad-record", action="append", default=[])
    parser.add_argument("--direct-url", nargs=2, action="append", default=[])
    parser.add_argument("--interpreter", default="")
    parser.add_argument("--sources", action="store_true")
    parser.add_argument("--file", nargs=2, action="append", default=[])
    asked = parser.parse_args(arguments)
    try:
        _write(asked)
    except CrossdockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"`{error.filename}`: {error.strerror}\n")
        return 1
    return 0


def _write(asked: argparse.Namespace) -> None:
    """Write beside the place, and rename when whole."""
    part = asked.out.with_name(f".{asked.out.name}.part")
    try:
        with part.open("wb") as out:
            _KINDS[asked.kind](asked, out)
        part.replace(asked.out)
    finally:
        part.unlink(missing_ok=True)


def _wheels(asked: argparse.Namespace, out: Sink) -> None:
    direct_urls = {name: content.encode() for name, content in asked.direct_url}
    sources = [_source(path, direct_urls, asked.allow_bad_record) for path in asked.wheel]
    with tempfile.TemporaryDirectory(prefix="crossdock-") as scratch:
        layout = Environment(asked.prefix)
        write_wheel_layer(
            sources, target=_target(asked.python), layout=layout, out=out, scratch=Path(scratch)
        )


def _source(path: Path, direct_urls: dict[str, bytes], bad: Iterable[str]) -> WheelSource:
    # Bazel shows files as links; their names are the wheels' all the same.
    return WheelSource(
        name=WheelName.parse(path.name).name,
        filename=path.name,
        digest=_digest(path),
        blob=path,
        direct_url=direct_urls.get(path.name),
        allow_bad_record=path.name in bad,
    )


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest("sha256", hashlib.file_digest(file, "sha256").hexdigest())


def _environment(asked: argparse.Namespace, out: Sink) -> None:
    target = _target(asked.python)
    _write_entries(out, environment_entries(target, asked.prefix, asked.interpreter, sources=asked.sources))


def _files(asked: argparse.Namespace, out: Sink) -> None:
    below = f"{asked.prefix}/{SOURCES}".removeprefix("/")
    entries = [
        disk_file(f"{below}/{place}", Path(os.path.realpath(path)), mode=FILE_MODE)
        for place, path in asked.file
    ]
    _write_entries(out, merged(entries))


def _write_entries(out: Sink, entries: Sequence[Entry]) -> None:
    writer = LayerWriter(out)
    write_entries(writer, entries)
    writer.finish()


def _target(directory: str) -> Target:
    """Return a target with this Python; nothing else of it decides the bytes of a layer."""
    found = _PYTHON.fullmatch(directory)
    if found is None:
        raise CrossdockError(f"not a directory of a Python: `{directory}`", code="E-BAZEL-PYTHON")
    kind = Implementation.PYPY if found[1] == "pypy" else Implementation.CPYTHON
    python = Python(minor=int(found[2]), implementation=kind, free_threaded=bool(found[3]))
    return Target(os=Os.LINUX, arch=Arch.X86_64, python=python)


_KINDS = {"wheels": _wheels, "environment": _environment, "files": _files}
