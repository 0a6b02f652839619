"""The one tar reader: a walk over a stream, strict about every header, never touching a disk."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from crossdock.archive.inflate import CHUNK
from crossdock.archive.limits import DEFAULT_LIMITS, Limits
from crossdock.archive.pax import parse_pax
from crossdock.archive.refusal import refuse, within
from crossdock.archive.tarheader import BLOCK, BadHeaderError, Header, parse_header
from crossdock.errors import ArchiveError
from crossdock.safepath import MemberPath, PathRules, parse_member_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn


class Kind(StrEnum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    DEVICE = "device"
    FIFO = "fifo"


#: What a source distribution may hold.
PLAIN_KINDS = frozenset({Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK})
#: What an image's layer may hold.
ALL_KINDS = frozenset(Kind)

_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.DEVICE,
    b"4": Kind.DEVICE,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
_SPARSE = b"S"
_ZEROS = bytes(BLOCK)
_MAX_HEADER_CONTENT = 1 << 20
#: What ustar's eleven octal digits cannot say.
_USTAR_SIZE = 8**11


class ByteSource(Protocol):
    """What is read from, in order."""

    def read(self, size: int, /) -> bytes: ...  # noqa: D102


class TarMember(NamedTuple):
    """One entry; `link` is the target of a symlink or hardlink as it stands in the archive."""

    name: MemberPath
    kind: Kind
    size: int
    executable: bool
    link: str
    mtime: int


class _Overrides:
    """What headers before an entry say of it: pax records, GNU long names; each at most once."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def add(self, key: str, value: str) -> None:
        if key in self.values:
            raise BadHeaderError("OVERRIDE-TWICE", f"two headers say the `{key}` of one member")
        self.values[key] = value


class TarReader:
    """Iterate to get each `TarMember`; before the next one, `chunks` gives the content of a file.

    Every error is an `ArchiveError` with a code `E-TAR-…` or `E-PATH-…`. A leading `./` of names is dropped
    and the entry of the root itself skipped. Whether names may repeat is the caller's to say: they must not in
    a source distribution, and the last wins in a layer. `parse` is another rule for names than the one that is
    safe to unpack by: for who keeps them as words only. Content that nobody asks for is passed over by the
    source's `skip`, where it has one. `open_end` lets the stream end where an entry or its padding would begin,
    as some writers of layers leave it (umoci): for streams whose length is known to be whole by other means.
    """

    def __init__(
        self,
        source: ByteSource,
        *,
        filename: str,
        limits: Limits = DEFAULT_LIMITS,
        rules: PathRules = PathRules.ANY,
        kinds: frozenset[Kind] = PLAIN_KINDS,
        parse: Callable[[str, PathRules], MemberPath] = parse_member_path,
        open_end: bool = False,
    ) -> None:
        self._parse = parse
        self._open_end = open_end
        self._source = source
        self._filename = filename
        self._limits = limits
        self._rules = rules
        self._kinds = kinds
        self._offset = 0
        self._left = 0
        self._padding = 0
        self._total = 0
        self._names = 0

    def __iter__(self) -> Iterator[TarMember]:
        """Yield the entries in order; the end must be two blocks of zeros and nothing but zeros behind."""
        count = 0
        while True:
            self._skip()
            at = self._offset
            try:
                member = self._next()
            except BadHeaderError as error:
                refuse(self._filename, f"E-TAR-{error.rule}", str(error), offset=at)
            if member is None:
                return
            count += 1
            if count > self._limits.members:
                refuse(self._filename, "E-TAR-LIMIT-MEMBERS", f"more than {self._limits.members} entries")
            if member.name:
                yield member

    def chunks(self) -> Iterator[bytes]:
        """Yield the content of the file that iteration gave last, once."""
        while self._left:
            piece = self._take(min(self._left, CHUNK))
            self._left -= len(piece)
            yield piece

    def read(self) -> bytes:
        """Return the content of the file that iteration gave last; mind its size."""
        return b"".join(self.chunks())

    @property
    def offset(self) -> int:
        """Where in the stream the reader stands: behind the header of the entry that iteration gave last."""
        return self._offset

    def _skip(self) -> None:
        skip = getattr(self._source, "skip", None)
        if skip is not None and self._left:
            skip(self._left)
            self._offset += self._left
            self._left = 0
        for _ in self.chunks():
            pass
        if self._open_end:
            self._block(self._padding)
        else:
            self._exactly(self._padding)
        self._padding = 0

    def _take(self, size: int) -> bytes:
        piece = self._source.read(size)
        if not piece:
            refuse(self._filename, "E-TAR-TRUNCATED", "the archive ends within a member", offset=self._offset)
        self._offset += len(piece)
        return piece

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            pieces.append(self._take(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def _block(self, size: int = BLOCK) -> bytes:
        """Return the next block; shorter only at the end of the stream."""
        block = b""
        while len(block) < size and (piece := self._source.read(size - len(block))):
            block += piece
        self._offset += len(block)
        return block

    def _next(self) -> TarMember | None:
        """Return the next entry, None at the proper end; the entry of the root has an empty name."""
        overrides = _Overrides()
        while True:
            block = self._block()
            if block == _ZEROS:
                if overrides.values:
                    raise BadHeaderError("PAX", "a header that is about no member")
                self._end()
                return None
            if not block:
                if self._open_end and not overrides.values:
                    return None
                raise BadHeaderError("TRUNCATED", "the archive ends without its two blocks of zeros")
            header = parse_header(block)
            if header.kind in {b"x", b"g", b"L", b"K"}:
                self._extend(header, overrides)
            else:
                return self._member(header, overrides.values)

    def _extend(self, header: Header, overrides: _Overrides) -> None:
        """Take in a header that is about the next entry, or about all."""
        if header.size > _MAX_HEADER_CONTENT:
            raise BadHeaderError("LIMIT-HEADER", f"a header of {header.size} bytes")
        content = self._exactly(header.size)
        self._exactly(-header.size % BLOCK)
        if header.kind in {b"x", b"g"}:
            for key, value in parse_pax(content, everywhere=header.kind == b"g").items():
                overrides.add(key, value)
            return
        # GNU long name or link: NUL-terminated text. Real sdists have them.
        text, nul, rest = content.partition(b"\0")
        if not nul or rest.strip(b"\0"):
            raise BadHeaderError("LONG-NAME", "a GNU long name does not end with one NUL")
        overrides.add("path" if header.kind == b"L" else "linkpath", _decode(text))

    def _member(self, header: Header, overrides: dict[str, str]) -> TarMember:
        kind = _KINDS.get(header.kind)
        if kind is None:
            rule = "SPARSE" if header.kind == _SPARSE else "TYPE"
            raise BadHeaderError(rule, f"an entry of type {header.kind!r}")
        raw = overrides["path"] if "path" in overrides else _decode(header.name)
        size = self._size(header, overrides, kind)
        link = overrides["linkpath"] if "linkpath" in overrides else _decode(header.link)
        if kind not in self._kinds:
            self._refuse("TYPE", f"a {kind} where files, directories and symlinks are expected", raw)
        if bool(link) != (kind in {Kind.SYMLINK, Kind.HARDLINK}) and kind is not Kind.DIRECTORY:
            self._refuse("TYPE", f"a {kind} {'with' if link else 'without'} a link's target", raw)
        self._names += len(raw) + len(link)
        if self._names > self._limits.name_bytes:
            self._refuse("LIMIT-NAMES", f"more than {self._limits.name_bytes} bytes of names", raw)
        name = self._name(raw, kind)
        self._begin(size, raw)
        executable = kind is Kind.FILE and bool(header.mode & 0o111)
        return TarMember(name, kind, size, executable, link, header.mtime)

    def _size(self, header: Header, overrides: dict[str, str], kind: Kind) -> int:
        size = header.size
        if "size" in overrides:
            size = int(overrides["size"])
            # By the book pax wins. A reader that skips pax goes on elsewhere, and sees other members
            # (CVE-2025-62518), so the two may differ only where ustar cannot say it.
            if header.size != size and size < _USTAR_SIZE:
                raise BadHeaderError("PAX-SIZE", f"pax says {size} bytes, the header {header.size}")
        if size and kind is not Kind.FILE:
            raise BadHeaderError("SIZE", f"a {kind} with {size} bytes of content")
        return size

    def _name(self, raw: str, kind: Kind) -> MemberPath:
        """Return the entry's path; empty for the root itself."""
        name = raw.removeprefix("./")
        if kind is Kind.DIRECTORY:
            name = name.removesuffix("/")
            if name in {"", "."}:
                return MemberPath("")
        try:
            return self._parse(name, self._rules)
        except ArchiveError as error:
            raise within(error, self._filename, raw) from None

    def _begin(self, size: int, raw: str) -> None:
        self._total += size
        if size > self._limits.member_size:
            self._refuse("LIMIT-SIZE", f"{size} bytes, more than {self._limits.member_size}", raw)
        if self._total > self._limits.total_size:
            self._refuse("LIMIT-TOTAL", f"unpacks to more than {self._limits.total_size} bytes", raw)
        self._left, self._padding = size, -size % BLOCK

    def _end(self) -> None:
        """Check what follows the first block of zeros: a second, and zeros up to the end of the stream."""
        at = self._offset
        block = self._block()
        if block != _ZEROS and (block or not self._open_end):
            raise BadHeaderError("END", "one block of zeros where the archive should end with two")
        while piece := self._source.read(CHUNK):
            if piece.strip(b"\0"):
                # Concatenated archives, or data that only some readers see.
                refuse(
                    self._filename, "E-TAR-TRAILING", "something follows the end of the archive", offset=at
                )

    def _refuse(self, rule: str, what: str, member: str) -> NoReturn:
        refuse(self._filename, f"E-TAR-{rule}", what, member=member, offset=self._offset - BLOCK)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        shown = raw[:140].decode("utf-8", "backslashreplace")
        raise BadHeaderError("NAME", f"a name is not UTF-8: `{shown}`") from None
