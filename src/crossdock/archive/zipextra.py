"""Extra fields of zip entries: well-formed, and of those that change an entry each once (APPNOTE 4.5)."""

from __future__ import annotations

import zlib
from struct import Struct
from typing import NamedTuple

from crossdock.archive.zipformat import EXTRA_UNICODE_PATH, EXTRA_ZIP64, ONES32

_FIELD = Struct("<2H")
_UNICODE_PATH = Struct("<BL")
#: Each of size, compressed size and offset takes 8 bytes, the disk 4.
_ZIP64_LENGTHS = {0, 8, 16, 24, 28}


class BadExtraError(Exception):
    """An extra field that is malformed, comes twice, or contradicts the entry."""


class Extra(NamedTuple):
    """What the extra fields say: the zip64 field's bytes, None where there is none."""

    zip64: bytes | None = None

    def numbers(self, *wanted: bool) -> list[int]:
        """Return one number for each of `wanted`, for those that are true from the zip64 field.

        The field holds exactly the values whose 32 bits are all ones, in a fixed order (4.5.3). More or fewer
        could be read in two ways, so that is refused.
        """
        found = self.zip64 or b""
        if len(found) != 8 * sum(wanted):
            raise BadExtraError("a zip64 field does not hold exactly the values left out of the header")
        numbers = iter(int.from_bytes(found[at : at + 8], "little") for at in range(0, len(found), 8))
        return [next(numbers) if one else 0 for one in wanted]

    def local_sizes(self, size: int, compressed: int) -> tuple[int, int]:
        """Return size and compressed size of a local header whose own fields hold the given numbers.

        A local zip64 field holds both (4.5.3, "MUST include BOTH"). Bazel's zipper writes it although both fit
        into the header (protobuf's wheels): fine where they are equal.
        """
        if not self.zip64:
            return size, compressed
        if len(self.zip64) != 16:  # noqa: PLR2004  # two numbers of 8 bytes
            raise BadExtraError("a zip64 field of a local header does not hold exactly the two sizes")
        wide = int.from_bytes(self.zip64[:8], "little"), int.from_bytes(self.zip64[8:], "little")
        if size not in {ONES32, wide[0]} or compressed not in {ONES32, wide[1]}:
            raise BadExtraError("a zip64 field contradicts its local header")
        return wide


def parse_extra(extra: bytes, name: bytes) -> Extra:
    """Return what `extra` says of the entry `name`; raise `BadExtraError` where it could be read in two ways."""
    seen: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        if at + _FIELD.size > len(extra):
            raise BadExtraError("an extra field is cut short")
        kind, length = _FIELD.unpack_from(extra, at)
        at += _FIELD.size
        if at + length > len(extra):
            raise BadExtraError(f"the extra field 0x{kind:04x} runs past its end")
        if kind in seen and kind in {EXTRA_ZIP64, EXTRA_UNICODE_PATH}:
            raise BadExtraError(f"the extra field 0x{kind:04x} comes twice")
        seen[kind] = extra[at : at + length]
        at += length
    if EXTRA_UNICODE_PATH in seen:
        _check_unicode_path(seen[EXTRA_UNICODE_PATH], name)
    zip64 = seen.get(EXTRA_ZIP64)
    if zip64 is not None and len(zip64) not in _ZIP64_LENGTHS:
        raise BadExtraError(f"a zip64 field of {len(zip64)} bytes")
    return Extra(zip64)


def _check_unicode_path(field: bytes, name: bytes) -> None:
    # 4.6.9; readers that know it use this name instead of the header's, others do not.
    if len(field) < _UNICODE_PATH.size:
        raise BadExtraError("a Unicode path field is cut short")
    version, crc = _UNICODE_PATH.unpack_from(field)
    if version != 1 or crc != zlib.crc32(name) or field[_UNICODE_PATH.size :] != name:
        raise BadExtraError("a Unicode path field names another file than the header")
