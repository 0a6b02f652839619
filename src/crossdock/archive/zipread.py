"""The one zip reader: central directory and local headers must tell the same story, byte for byte.

Two parsers that read one archive differently are the attack. What this reader does not understand it
refuses, and it is the only one: trees, zips, image layers and audits are all fed from its list of members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from crossdock.archive.inflate import CHUNK, BadStreamError, check_crc, inflate, inflate_chunks, stored_chunks
from crossdock.archive.limits import DEFAULT_LIMITS, Limits
from crossdock.archive.refusal import refuse, within
from crossdock.archive.zipend import find_directory
from crossdock.archive.zipentries import read_entries
from crossdock.errors import ArchiveError
from crossdock.safepath import MemberPath, PathRules, PathSet, is_portable, parse_member_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from typing import NoReturn, Self

    from crossdock.archive.zipentries import Entry

__all__ = ["DEFAULT_LIMITS", "Limits", "Member", "ZipArchive"]


class Member(NamedTuple):
    """One entry of an archive whose headers were checked; its content is checked when it is read."""

    name: MemberPath
    is_dir: bool
    executable: bool
    method: int  # 0 stored, 8 deflated
    crc32: int
    compressed_size: int
    size: int
    header_offset: int
    data_offset: int
    dos_time: int  # date in the upper 16 bits, time in the lower


class ZipArchive:
    """A zip whose every byte is accounted for. Made by `parse`; safe to read from several threads."""

    __slots__ = ("_view", "filename", "members")

    def __init__(self, view: memoryview, filename: str, members: tuple[Member, ...]) -> None:
        self._view = view
        self.filename = filename
        #: Every entry, in the order of the bytes.
        self.members = members

    @classmethod
    def parse(
        cls,
        buffer: bytes | bytearray | memoryview | mmap,
        *,
        filename: str,
        limits: Limits = DEFAULT_LIMITS,
        rules: PathRules = PathRules.ANY,
    ) -> Self:
        """Check the structure of the zip in `buffer` and return its members; no content is read.

        `filename` is for messages, `rules` are those of the file system that the members are meant for.
        Raises `ArchiveError` with a code `E-ZIP-…` or `E-PATH-…`. The buffer is in use until `close`.
        """
        view = memoryview(buffer)
        try:
            directory = find_directory(view, filename, limits)
            entries = read_entries(view, directory, filename, limits)
            members = _members(entries, filename, rules)
            _check_totals(members, len(view), filename, limits)
        except BaseException:
            # A view that lived on in the traceback would keep the caller from closing its mmap.
            view.release()
            raise
        return cls(view, filename, members)

    def close(self) -> None:
        """Let go of the buffer."""
        self._view.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_bytes(self, member: Member) -> bytes:
        """Return a member's content; raise `ArchiveError` unless stream, size and CRC are as stated."""
        start = member.data_offset
        try:
            with self._view[start : start + member.compressed_size] as raw:
                if member.method:
                    return inflate(raw, member.size, member.crc32)
                content = bytes(raw)
            check_crc(crc32(content), member.crc32)
        except BadStreamError as error:
            self._bad_stream(member, error)
        return content

    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield a member's content in chunks, memory flat; what is wrong is raised at the latest at the end."""
        start = member.data_offset
        try:
            with self._view[start : start + member.compressed_size] as raw:
                if member.method:
                    yield from inflate_chunks(raw, member.size, member.crc32)
                else:
                    yield from stored_chunks(raw, member.crc32)
        except BadStreamError as error:
            self._bad_stream(member, error)

    def raw(self, member: Member) -> bytes:
        """Return a member's bytes as they lie in the archive; nothing about them has been checked."""
        return bytes(self._view[member.data_offset : member.data_offset + member.compressed_size])

    def raw_chunks(self, member: Member) -> Iterator[bytes]:
        """Yield what `raw` returns in pieces, memory flat."""
        end = member.data_offset + member.compressed_size
        for start in range(member.data_offset, end, CHUNK):
            yield bytes(self._view[start : min(start + CHUNK, end)])

    def unportable(self) -> tuple[MemberPath, ...]:
        """Return the names that this archive's rules allow and another target's would refuse."""
        return tuple(member.name for member in self.members if not is_portable(member.name))

    def _bad_stream(self, member: Member, error: BadStreamError) -> NoReturn:
        refuse(
            self.filename,
            f"E-ZIP-{error.rule}",
            str(error),
            member=member.name,
            offset=member.data_offset,
        )


def _members(entries: list[Entry], filename: str, rules: PathRules) -> tuple[Member, ...]:
    """Judge every name by `rules` and against the others, and return the members."""
    paths = PathSet(rules)
    add_file, add_dir = paths.add_file, paths.add_dir
    members = []
    for name, mode, method, crc, compressed, size, header, data, time in entries:
        is_dir = name[-1] == "/"
        try:
            path = parse_member_path(name[:-1] if is_dir else name, rules)
            (add_dir if is_dir else add_file)(path)
        except ArchiveError as error:
            raise within(error, filename, name) from None
        executable = bool(mode & 0o111) and not is_dir
        members.append(Member(path, is_dir, executable, method, crc, compressed, size, header, data, time))
    return tuple(members)


def _check_totals(members: tuple[Member, ...], length: int, filename: str, limits: Limits) -> None:
    """Hold the stated sizes against the caps; what is read later never exceeds what is stated."""
    total = sum(member.size for member in members)
    if total > limits.total_size:
        refuse(filename, "E-ZIP-LIMIT-TOTAL", f"unpacks to {total} bytes, more than {limits.total_size}")
    if total > limits.ratio_floor and total > limits.ratio * length:
        what = f"unpacks to {total} bytes, more than {limits.ratio} times its own size"
        refuse(filename, "E-ZIP-LIMIT-RATIO", what)
