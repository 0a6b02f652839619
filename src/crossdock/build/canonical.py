"""What a wheel made here looks like: its members sorted and dated 1980, its RECORD written anew."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from crossdock.archive.record import quoted, record_row
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.archive.wheel import Wheel

#: The binary distribution format: "Generator is the name and optionally the version of the software".
_GENERATOR = re.compile(rb"(?m)^(Generator:[ \t]*[^\s(]+)[^\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """A wheel made here: its file name and its bytes, the same for the same source whoever builds it."""

    filename: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The hex SHA-256 of the content."""
        return sha256(self.content).hexdigest()


class WheelMember(NamedTuple):
    """A file of a wheel that is being written."""

    name: str
    content: bytes
    executable: bool = False


def write_wheel(members: Iterable[WheelMember], dist_info: str, *, compress: bool = False) -> bytes:
    """Return the wheel: its members sorted, dated 1980, RECORD written anew.

    Stored, no compressor shows in it; compressed, it is by libdeflate at one pinned version (ADR 8), whose bytes
    are the same on every host.
    """
    from crossdock.archive.zipwrite import ZipWriter

    record = f"{dist_info}/RECORD"
    kept = sorted(one for one in members if one.name != record)
    rows = sorted(record_row(one.name, sha256(one.content).hexdigest(), len(one.content)) for one in kept)
    content = "".join([*rows, f"{quoted(record)},,\n"]).encode()
    out = io.BytesIO()
    with ZipWriter(out) as archive:
        for one in sorted([*kept, WheelMember(record, content)]):
            if compress:
                archive.add_deflated(one.name, one.content, executable=one.executable)
            else:
                archive.add(one.name, one.content, executable=one.executable, compress=False)
    return out.getvalue()


def members_of(wheel: Wheel) -> Iterable[WheelMember]:
    """Yield what installing the wheel would write, RECORD and its signatures left out.

    Those speak of the wheel as the backend wrote it. Bytecode is not among a wheel's files.
    """
    old = {f"{wheel.dist_info}/RECORD{ending}" for ending in ("", ".jws", ".p7s")}
    for file in wheel.files:
        name = str(file.member.name)
        if name not in old:
            yield WheelMember(name, wheel.read(file), file.executable)


def without_release(content: bytes) -> bytes:
    """Return WHEEL without the release of the backend: the same source would be another wheel after each of them."""
    return _GENERATOR.sub(rb"\1", content)


def prove_same_project(wheel: Wheel, what: str, name: str, version: str | None) -> None:
    """Refuse a wheel of another name or version than was asked for: it would be shipped under the lock's name."""
    from packaging.utils import canonicalize_name, canonicalize_version

    same = canonicalize_name(wheel.name) == canonicalize_name(name)
    if version is not None:
        same = same and canonicalize_version(wheel.version) == canonicalize_version(version)
    if not same:
        raise BuildError(
            f"`{what}` builds a wheel of `{wheel.name} {wheel.version}`, which is not what it says it is",
            code="E-BUILD-OTHER-PROJECT",
        )
