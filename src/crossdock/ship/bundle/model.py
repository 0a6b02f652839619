"""What a bundle is made of: files by package, each with the place where its compressed bytes lie already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.oci.blob import BlobSource
    from crossdock.ship.receipt import ShippedPackage

#: Bytes of a member's local and central header without its name (APPNOTE 4.3.7, 4.3.12), extra fields there are none.
_HEADERS = 30 + 46

#: What the user's own code is called where packages have names.
APPLICATION = ""


class Raw(NamedTuple):
    """A member of a wheel, as its bytes lie in the store: nothing of it is inflated to ship it."""

    blob: Path
    offset: int  # of its first byte in the blob
    compressed: int  # bytes in the blob
    method: int  # 0 stored, 8 deflated
    crc32: int
    #: CRC-32 of the bytes in the blob, taken when the content had been verified; None: nobody did.
    check: int | None = None


class BundleFile(NamedTuple):
    """One file of a bundle. Exactly one of `raw`, `content` and `source` says where its bytes are.

    `path` is the whole path in the zip, its layout's prefix included. `sha256` (hex) and `size` (bytes) are those of
    the plain content. `executable` is the mode 0755; shared libraries have 0644.
    """

    path: str
    sha256: str
    size: int
    executable: bool
    raw: Raw | None = None
    content: bytes | None = None
    source: BlobSource | None = None

    @property
    def compressed(self) -> int:
        """Bytes that it takes in the zip, without headers; of what is compressed here an upper bound."""
        return self.raw.compressed if self.raw is not None else self.size

    @property
    def zipped(self) -> int:
        """What it takes in the zip with its two headers, which both have its name."""
        return self.compressed + _HEADERS + 2 * len(self.path.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledPackage:
    """A package, or the user's own code (`package` None), with its files sorted by path.

    RECORD is not among `files`: it is written last, of what is left then, to `record_path` (empty: there is none).
    `record_base` is the directory, with its slash, that RECORD's paths are relative to. `binaries` are the path in the
    zip of each binary and what was read of it (`crossdock.inspect.binary.Binary.to_json`).
    """

    package: ShippedPackage | None
    files: tuple[BundleFile, ...]
    record_path: str = ""
    record_base: str = ""
    binaries: tuple[tuple[str, dict[str, Any]], ...] = ()
    tags: tuple[str, ...] = ()
    #: Requires-Dist as METADATA has it.
    requires: frozenset[str] = field(default_factory=frozenset)
    #: Files of this package that another one ships alike at the same place: they count there, RECORD names them here too.
    shared: tuple[BundleFile, ...] = ()

    @property
    def name(self) -> str:
        """The normalized name; `APPLICATION` for the user's own code."""
        return APPLICATION if self.package is None else self.package.name

    @property
    def size(self) -> int:
        """Bytes of all files, unzipped."""
        return sum(file.size for file in self.files)

    @property
    def compressed(self) -> int:
        """Bytes of all files in the zip."""
        return sum(file.compressed for file in self.files)
