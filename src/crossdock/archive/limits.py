"""What an archive may cost at most; each cap is an option with its default stated here."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on one archive. The largest wheels of 2026 (torch, CUDA) hold 12,627 files and 2 GiB."""

    #: Entries, directories included.
    members: int = 200_000
    #: Bytes of all names together.
    name_bytes: int = 32 * _MIB
    #: Bytes of one file, unpacked.
    member_size: int = 8 * _GIB
    #: Bytes of all files, unpacked.
    total_size: int = 32 * _GIB
    #: Unpacked size over archive size, counted only for archives that unpack to more than `ratio_floor`.
    #: PyPI refuses uploads beyond the same two numbers.
    ratio: int = 50
    ratio_floor: int = 64 * _MIB
    #: Bytes of a metadata file: METADATA, WHEEL, entry_points.txt, PKG-INFO, pyproject.toml.
    metadata_size: int = 16 * _MIB
    #: Bytes of the build scripts of a source distribution that are looked into, together.
    script_size: int = 32 * _MIB
    #: Bytes of RECORD, which grows with the members.
    record_size: int = 64 * _MIB
    #: What a file name's compressed tags may multiply out to.
    tags: int = 1024


DEFAULT_LIMITS = Limits()
