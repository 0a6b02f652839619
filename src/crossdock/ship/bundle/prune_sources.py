"""What the modules of a bundle import, and which files they name: reasons not to leave something out.

Sources are searched by pattern. A parser would be the host's Python's, and what it accepts differs from version to
version; the same bundle must come from every host. A pattern finds more than it should (an example in a text, an
import that never runs), which keeps a file that could go.

What is not seen: names put together out of several strings, and imports by compiled modules. Of 7,700 modules of 74
packages (numpy, pandas, scipy, scikit-learn, astropy, sympy, twisted, numba and others, November 2026) every one that
could be imported before pruning could be imported after it.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from crossdock.errors import ShipError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from crossdock.ship.bundle.model import BundledPackage, BundleFile, Raw

#: Names of directories that tests lie in.
TEST_DIRECTORIES = frozenset({"tests", "test", "_tests", "testsuite", "SelfTest"})

_TEST_WORD = re.compile(rb"\b(?:tests?|_tests|testsuite|SelfTest)\b")
_COMMENT = re.compile(rb"#[^\n]*")
_FROM = re.compile(
    rb"(?:^|[;:])[ \t]*from[ \t]*([.\w]+)[ \t\\\n]*\bimport\b[ \t]*(\([^)]*\)|(?:[^\n\\;]|\\\r?\n)*)",
    re.MULTILINE,
)
_IMPORT = re.compile(rb"(?:^|[;:])[ \t]*import[ \t]+((?:[^\n\\;]|\\\r?\n)*)", re.MULTILINE)
#: `import_module(".tests", __name__)`, `import_module(f"{__name__}.tests")`, `import_module(__name__ + ".tests")`.
_BY_STRING = re.compile(
    rb"(?:import_module|__import__|find_spec)\(\s*(?:__(?:name|package)__\s*\+\s*)?f?[\"']"
    rb"(?:\{__(?:name|package)__\})?([.\w]+)[\"']"
)
_ENTRY_POINT = re.compile(rb"^[^=\n]*=[ \t]*([.\w]+)", re.MULTILINE)
_NAME = re.compile(rb"\s*([.\w]+)")
#: A string that is a dotted name, also one of an object in it: `"demo.tests"`, `"demo.tests.util:main"`.
_DOTTED = re.compile(rb"[\"']([A-Za-z_]\w*(?:\.\w+)+)(?::[\w.]+)?[\"']")
#: A string without spaces: `"fortranobject.c"`, `'include/x.h'`, `f"{base}.pyi"`, `"data"`.
_STRING = re.compile(rb"[\"']([^\"'\s]{1,300})[\"']")
#: The end of a file's name, alone or behind what is filled in when the program runs: `.txt`, `*.tar.gz`, `{base}.h`, `%s.c`.
_ENDING = re.compile(r"(?:.*(?:[*?\]}]|%[-.\d]*[a-z]))?((?:\.\w{1,10})+)")
_FILE_NAME = re.compile(r".*\.\w{1,10}")
#: scikit-image and others read their stubs when they are imported (the package lazy-loader).
_READS_STUBS = re.compile(rb"\battach_stub\b")


class Source(NamedTuple):
    """A file of a package that can import something; `path` is relative to where packages lie."""

    package: BundledPackage
    path: str
    file: BundleFile


def inner_path(package: BundledPackage, path: str) -> str:
    """Return a file's path as its wheel has it; of one that lies beside the packages the whole path."""
    return path.removeprefix(package.record_base)


def is_metadata(inner: str) -> bool:
    """Tell whether a file belongs to a package's own description (.dist-info), which is never left out."""
    return any(part.endswith((".dist-info", ".egg-info")) for part in inner.split("/")[:-1])


def sources(package: BundledPackage) -> Iterator[Source]:
    """Give the files of a package that can import something: modules, `.pth` files and entry points."""
    for file in package.files:
        inner = inner_path(package, file.path)
        name = inner.rpartition("/")[2]
        # pytest alone loads conftest.py.
        if (name.endswith((".py", ".pth")) and name != "conftest.py") or inner.endswith(
            ".dist-info/entry_points.txt"
        ):
            yield Source(package, inner, file)


class Contents:
    """Reads the plain bytes of files of a bundle; each wheel is mapped once."""

    def __init__(self) -> None:
        self._mapped: dict[Path, mmap | bytes] = {}

    def read(self, file: BundleFile) -> bytes:
        """Return a file's plain bytes.

        Raise `StoreError` if the store lost them, `ShipError` (E-APP-CHANGED) if a file of the user's is gone.
        """
        if file.raw is not None:
            return self._inflated(file.raw, file.size)
        if file.source is None:
            return file.content or b""
        try:
            return b"".join(file.source.chunks())
        except OSError as error:
            raise ShipError(
                f"`{file.path}` changed while it was read",
                code="E-APP-CHANGED",
                hint="run again when nothing else writes there",
            ) from error

    def let_go(self) -> None:
        """Drop the pages that were read."""
        from crossdock.store.mapped import let_go

        for buffer in self._mapped.values():
            let_go(buffer)

    def _inflated(self, raw: Raw, size: int) -> bytes:
        from crossdock.ship.bundle.layout import damaged
        from crossdock.store.mapped import mapped

        try:
            buffer = self._mapped.get(raw.blob)
            if buffer is None:
                buffer = self._mapped[raw.blob] = mapped(raw.blob)
            packed = buffer[raw.offset : raw.offset + raw.compressed]
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size) if raw.method else packed
        except (OSError, zlib.error) as error:
            raise damaged(raw.blob) from error


def test_imports(source: Source, content: bytes) -> set[str]:
    """Return the dotted names that a source imports or has as strings, as far as a part is a test directory's name.

    They are absolute.
    """
    if not _TEST_WORD.search(content):
        return set()
    if source.path.endswith(".txt"):
        found = {name.decode() for name in _ENTRY_POINT.findall(content)}
    else:
        package = source.path.split("/")[:-1]
        found = {_absolute(name.decode(), package) for name in _imported(_COMMENT.sub(b"", content))}
    return {name for name in found if not TEST_DIRECTORIES.isdisjoint(name.split("."))}


def _imported(content: bytes) -> Iterator[bytes]:
    for module, names in _FROM.findall(content):
        yield module
        for part in names.strip(b"()").replace(b"\\", b" ").split(b","):
            name = _NAME.match(part)
            if name:
                yield module + (b"" if module.endswith(b".") else b".") + name[1]
    for names in _IMPORT.findall(content):
        for part in names.replace(b"\\", b" ").split(b","):
            name = _NAME.match(part)
            if name:
                yield name[1]
    yield from _BY_STRING.findall(content)
    yield from _DOTTED.findall(content)


def _absolute(name: str, package: list[str]) -> str:
    """Return a name without leading dots: one stands for `package`, each more for the one around it."""
    rest = name.lstrip(".")
    dots = len(name) - len(rest)
    if not dots:
        return rest
    return ".".join([*package[: len(package) + 1 - dots], rest])


@dataclass(slots=True)
class Strings:
    """What strings of modules may say of files.

    `files` are names of files without directories, `words` whole strings and the parts of paths: a directory may be
    among them. `endings` are those of files: `.txt`, `*.txt`.
    """

    files: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    endings: set[str] = field(default_factory=set)

    def add(self, content: bytes) -> None:
        """Take in the strings of a source."""
        for raw in set(_STRING.findall(content)):
            parts = raw.decode("utf-8", "replace").split("/")
            self.words.update(parts)
            if _FILE_NAME.fullmatch(parts[-1]):
                self.files.add(parts[-1])
                ending = _ENDING.fullmatch(parts[-1])
                if ending:
                    self.endings.add(ending[1])


def reads_stubs(content: bytes) -> bool:
    """Tell whether a source has its package read stubs when it is imported."""
    return _READS_STUBS.search(content) is not None
