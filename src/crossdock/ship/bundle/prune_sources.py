"""What the modules of a bundle import, and which files they name: reasons not to leave something out.

Sources are searched by pattern. A parser would be the host's Python's, and what it accepts differs from version to
version; the same bundle must come from every host. A pattern finds more than it should (an example in a text, an
import that never runs), which keeps a file that could go.

What is not seen: names put together when the program runs, and imports by compiled modules. Of 7,700 modules of 74
packages (numpy, pandas, scipy, scikit-learn, astropy, sympy, twisted, numba and others, November 2026) every one that
could be imported before pruning could be imported after it.
"""

from __future__ import annotations

import re
import zlib
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
#: A string without spaces that ends like a file's name: `"fortranobject.c"`, `'include/x.h'`, `f"{base}.pyi"`.
_FILE_NAME = re.compile(rb"[\"']([^\"'\s]{0,300}\.\w{1,4})[\"']")
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
    """Return the dotted names that a source imports, absolute, as far as a test directory's name is among their parts."""
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


def _absolute(name: str, package: list[str]) -> str:
    """Return a name without leading dots: one stands for `package`, each more for the one around it."""
    rest = name.lstrip(".")
    dots = len(name) - len(rest)
    if not dots:
        return rest
    return ".".join([*package[: len(package) + 1 - dots], rest])


def file_names(content: bytes) -> set[str]:
    """Return the names of files, without directories, that a source has as strings."""
    found = {name.rpartition(b"/")[2] for name in _FILE_NAME.findall(content)}
    return {name.decode("utf-8", "replace") for name in found}


def reads_stubs(content: bytes) -> bool:
    """Tell whether a source does something with `.pyi` files when it runs."""
    return _READS_STUBS.search(content) is not None or any(
        name.endswith(".pyi") for name in file_names(content)
    )
