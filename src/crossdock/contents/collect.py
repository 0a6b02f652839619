"""Takes files one after the other, in one pass, and keeps of each only what a verification needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from crossdock.errors import ArchiveError
from crossdock.inspect.binary import examine, is_binary
from crossdock.inspect.facts import Binary

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.inspect.policy import BaseLibraries

#: First bytes of a file that are looked at: the longest shebang line that Linux reads, and any magic number.
HEAD = 256
#: A file that must be read whole is not read beyond this; the largest real library (CUDA's) has 1 GB.
LARGEST_FILE = 4 << 30
#: Binaries beyond this are not held in memory: CUDA's would take as much as the machine has.
_IN_MEMORY, _PIECE = 64 << 20, 1 << 20
#: dist-info files that are kept whole.
_KEPT = ("WHEEL", "RECORD", "METADATA", "top_level.txt")
_LARGEST_KEPT = 64 << 20


class Stream(Protocol):
    """A file's content, read from its beginning."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to `size` bytes, all of the rest without it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file: its size and mode, and of its content what matters.

    `head` are its first bytes where it may be a script; `text` is the whole of a dist-info file;
    `link` is the target of a symbolic link.
    """

    size: int
    executable: bool = False
    binary: Binary | None = None
    head: bytes = b""
    text: bytes | None = None
    link: str | None = None

    def to_json(self) -> list[Any]:
        """Return a JSON-ready row; bytes as Latin-1, which has a character for each."""
        return [
            self.size,
            self.executable,
            None if self.binary is None else self.binary.to_json(),
            self.head.decode("latin-1"),
            None if self.text is None else self.text.decode("latin-1"),
        ]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote; raise ValueError, TypeError or `InspectError` for anything else."""
        size, executable, binary, head, text = value
        return cls(
            size=size,
            executable=executable,
            binary=None if binary is None else Binary.from_json(binary),
            head=head.encode("latin-1"),
            text=None if text is None else text.encode("latin-1"),
        )


@dataclass(slots=True, kw_only=True)
class Contents:
    """The files of one thing by their paths (relative, forward slashes), in the order they were met.

    `kind` says in words what the thing is; `root` is the directory inside it where imports start if that is
    known beforehand; `image` says that there is a root file system around the packages.
    """

    kind: str
    name: str
    files: dict[str, FileFacts] = field(default_factory=dict)
    #: The name of the wheel file, where the thing is one.
    wheel: str | None = None
    image: bool = False
    #: The libraries that an image's loader finds.
    base: BaseLibraries | None = None

    def add(
        self, path: str, size: int, open_stream: Callable[[], Stream], *, executable: bool = False
    ) -> None:
        """Take one file; its content is read only as far as it matters."""
        self.files[path] = examine_file(path, size, open_stream, executable=executable)


def examine_file(
    path: str, size: int, open_stream: Callable[[], Stream], *, executable: bool = False
) -> FileFacts:
    """Return what matters of one file; raise `ArchiveError` (E-CONTENTS-SIZE) for one too large to read."""
    name = path.rpartition("/")[2]
    if name in _KEPT and ".dist-info/" in path:
        stream = open_stream()
        return FileFacts(size=size, executable=executable, text=stream.read(_LARGEST_KEPT))
    if size == 0 or _is_source(name):
        return FileFacts(size=size, executable=executable)
    stream = open_stream()
    head = stream.read(HEAD)
    if is_binary(head[:8]):
        if size > LARGEST_FILE:
            raise ArchiveError(
                f"a binary of {size} bytes is too large to read", code="E-CONTENTS-SIZE", places=[path]
            )
        return FileFacts(size=size, executable=executable, binary=_examine(path, head, stream, size))
    return FileFacts(size=size, executable=executable, head=head if head[:2] == b"#!" else b"")


def _examine(path: str, head: bytes, stream: Stream, size: int) -> Binary | None:
    """Return the facts of a binary; a large one is read from a mapped temporary file, so that memory stays flat."""
    if size <= _IN_MEMORY:
        return examine(head + stream.read(max(0, size - len(head))), path)
    import mmap
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(head)
        while piece := stream.read(_PIECE):
            file.write(piece)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return examine(mapped, path)


def _is_source(name: str) -> bool:
    """Whether a name alone says that there is nothing in it for us: most files of a package are Python."""
    return name.endswith(
        (".py", ".pyi", ".pyc", ".txt", ".json", ".typed", ".html", ".js", ".h", ".hpp", ".md")
    )
