"""Lists of packages, and what one package says of itself."""

from __future__ import annotations

import lzma
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError
from crossdock.net.debian.paragraphs import parse_paragraph
from crossdock.net.debian.relations import Relation, parse_groups, parse_relations
from crossdock.net.debian.versions import compare_versions, split_version
from crossdock.safepath import PathRules, parse_member_path, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Debian's largest has 60 MB; so much of memory may one cost.
LARGEST_LIST = 512 << 20
#: xz's preset 9 needs 65 MiB to decode; a stream may not ask for more than this.
XZ_MEMORY = 256 << 20
_NAME = re.compile(rb"^Package: ?([^\n]*)$", re.MULTILINE)
_PROVIDES = re.compile(rb"^Provides:((?:[^\n]|\n[ \t])*)", re.MULTILINE)
_PROVIDED = re.compile(rb"(?:^|,)\s*([a-z0-9][a-z0-9+.-]+)")
_LEGAL = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of a list. `suite` names the archive that has it; `filename` is below the mirror."""

    name: str
    version: str
    architecture: str
    filename: str
    size: int
    sha256: str
    suite: str
    multi_arch: str = ""
    depends: tuple[tuple[Relation, ...], ...] = ()
    provides: tuple[Relation, ...] = ()
    conflicts: tuple[Relation, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class PackageList:
    """One `Packages` file: names are found at once, a package is read when it is asked for."""

    def __init__(self, content: bytes, *, suite: str, architecture: str) -> None:
        self._suite = suite
        self._architecture = architecture
        self._named: dict[str, list[bytes]] = {}
        self._provided: dict[str, list[bytes]] = {}
        for stanza in content.split(b"\n\n"):
            found = _NAME.search(stanza)
            if found is None:
                if stanza.strip():
                    raise _broken("a paragraph has no `Package`")
                continue
            self._named.setdefault(found[1].strip().decode("ascii", "replace"), []).append(stanza)
            provides = _PROVIDES.search(stanza)
            for name in _PROVIDED.findall(provides[1]) if provides else ():
                self._provided.setdefault(name.decode(), []).append(stanza)

    def named(self, name: str) -> Iterator[Package]:
        """Give the packages of a name, as many as there are versions."""
        return self._read(self._named.get(name, ()))

    def providing(self, name: str) -> Iterator[Package]:
        """Give the packages that provide a name."""
        return self._read(self._provided.get(name, ()))

    def _read(self, stanzas: Iterable[bytes]) -> Iterator[Package]:
        for stanza in stanzas:
            package = parse_package(stanza, suite=self._suite)
            if package.architecture in {self._architecture, "all"}:
                yield package


class Universe:
    """All lists of one architecture together: of each name the newest version counts."""

    def __init__(self, lists: Iterable[PackageList]) -> None:
        self._lists = tuple(lists)
        self._newest: dict[str, Package | None] = {}

    def newest(self, name: str) -> Package | None:
        """Return the newest package of a name, of the first list that has it."""
        if name not in self._newest:
            best: Package | None = None
            for package in (one for packages in self._lists for one in packages.named(name)):
                if best is None or compare_versions(package.version, best.version) > 0:
                    best = package
            self._newest[name] = best
        return self._newest[name]

    def providers(self, name: str) -> list[Package]:
        """Return the packages, the newest of each, that provide a name, by their own names."""
        names = sorted({one.name for packages in self._lists for one in packages.providing(name)})
        found = filter(None, map(self.newest, names))
        return [package for package in found if any(one.name == name for one in package.provides)]


def parse_package(stanza: bytes, *, suite: str) -> Package:
    """Read a paragraph of a `Packages` file; raise `FetchError` (E-DEBIAN-FORMAT) for one that lacks something."""
    try:
        text = stanza.decode("utf-8")
    except UnicodeDecodeError:
        raise _broken("a paragraph is not UTF-8") from None
    fields = parse_paragraph(text, "a list of packages")
    name = fields.get("package", "")
    try:
        if not _LEGAL.fullmatch(name) or not fields["size"].isascii() or not fields["size"].isdigit():
            raise ValueError(name)  # noqa: TRY301  # one text for all that can be wrong
        split_version(fields["version"])
        parse_member_path(fields["filename"], PathRules.POSIX)
        if not fields["filename"].endswith(".deb"):
            raise ValueError(fields["filename"])  # noqa: TRY301
        return Package(
            name=name,
            version=fields["version"],
            architecture=fields["architecture"],
            filename=fields["filename"],
            size=int(fields["size"]),
            sha256=Digest("sha256", fields["sha256"]).hex,
            suite=suite,
            multi_arch=fields.get("multi-arch", ""),
            depends=(
                *parse_groups(fields.get("pre-depends", "")),
                *parse_groups(fields.get("depends", "")),
            ),
            provides=parse_relations(fields.get("provides", "")),
            conflicts=(
                *parse_relations(fields.get("conflicts", "")),
                *parse_relations(fields.get("breaks", "")),
            ),
        )
    except (ValueError, LookupError, CrossdockError) as error:
        raise _broken(f"`{show(name)}` has a field that is missing or wrong ({show(str(error))})") from error


def unpack_list(content: bytes, path: str, *, limit: int = LARGEST_LIST) -> bytes:
    """Return a list as it was before compression (`.xz`, `.gz`); raise `FetchError` for what is broken or too much."""
    try:
        if path.endswith(".xz"):
            engine = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
            plain = engine.decompress(content, limit + 1)
            done, rest = engine.eof, engine.unused_data
        elif path.endswith(".gz"):
            inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            plain = inflater.decompress(content, limit + 1)
            done, rest = inflater.eof, inflater.unused_data
        else:
            plain, done, rest = content, True, b""
    except (lzma.LZMAError, zlib.error) as error:
        raise _broken(f"it cannot be unpacked ({error})") from error
    if len(plain) > limit:
        raise _broken(f"it unpacks to more than {limit} bytes")
    if not done or rest:
        raise _broken("something follows it" if rest else "it is cut short")
    return plain


def _broken(what: str) -> FetchError:
    return FetchError(f"a list of packages is broken: {what}", code="E-DEBIAN-FORMAT")
