"""Debian's packages laid out as a sysroot in the store: what a compiler and a linker look for, and nothing else."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import TYPE_CHECKING, Any

from crossdock.archive.deb import read_deb
from crossdock.archive.tarread import Kind
from crossdock.build.sysroot.archives import fit
from crossdock.build.sysroot.lowered import lowered, newest_glibc
from crossdock.build.sysroot.scripts import is_config_program, scripts_of
from crossdock.build.sysroot.static import is_static, newest_wanted, static_parts
from crossdock.build.sysroot.table import table, triplet_of
from crossdock.store.sealed import read_sealed, seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from crossdock.archive.deb import DebEntry
    from crossdock.net.debian.chosen import PinnedPackage

#: Raised when the same packages would be laid out otherwise.
FORMAT = 6
#: Beside `usr`: whose each file is, and what it holds.
MANIFEST = "crossdock-sysroot.json"
#: Beside headers and the architecture's libraries. A whole directory of documents may be a link to another package's.
_KEPT = re.compile(
    r"usr/lib/[^/]+\.(a|so|so\.[^/]+)|usr/lib/(cmake|pkgconfig)/.*|usr/share/(pkgconfig|cmake[^/]*)/.*"
    r"|usr/share/doc/[^/]+(/copyright)?|usr/bin/[^/]+"
)
_SHELL = re.compile(rb"#![ \t]*/(?:usr/)?bin/(?:env[ \t]+)?(?:ba|da)?sh\b")
#: What programs load while they run.
_PLUGINS = ("dri", "gconv", "gio", "perl", "perl5", "perl-base", "sasl2")
#: All suites have these as links into /usr, or their files may be read so (wiki.debian.org/UsrMerge).
_MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")


def unpack(
    packages: Sequence[PinnedPackage], files: Mapping[str, Path], architecture: str, directory: Path
) -> None:
    """Lay packages out below an empty directory and write the manifest; raise `ArchiveError` for a broken one."""
    layout = _Layout(directory, architecture)
    for package in sorted(packages):
        with files[package.name].open("rb") as file:
            deb = read_deb(file, f"{package.name}_{package.version}_{package.architecture}.deb")
        layout.source(package.name, deb.control)
        for entry in deb.entries:
            layout.add(entry, package.name)
    layout.finish({package.name: package.version for package in packages})


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest: `owners` (path to package), `files` (path to hash), `sources`, or nothing if damaged."""
    found = read_sealed(directory / MANIFEST)
    return found if isinstance(found, dict) else {}


def prove(directory: Path) -> bool:
    """Tell whether every file is as it was written."""
    manifest = read_manifest(directory)
    try:
        return bool(manifest) and all(
            _hash((directory / path).read_bytes()) == digest for path, digest in manifest["files"].items()
        )
    except (OSError, LookupError):
        return False


class _Layout:
    """What is written where, and by whom; links are made last, when it is known what there is."""

    def __init__(self, directory: Path, architecture: str) -> None:
        self._directory = directory
        self._architecture = architecture
        self._triplet = triplet_of(architecture)
        self._owners: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._programs: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._lowered: list[str] = []
        self._static: dict[str, str] = {}
        self._asks = (0, 0)

    def source(self, name: str, control: bytes) -> None:
        for line in control.decode("utf-8", "replace").splitlines():
            if line.startswith("Source:"):
                self._sources[name] = line.removeprefix("Source:").partition("(")[0].strip()

    def add(self, entry: DebEntry, owner: str) -> None:
        path = merged(entry.path)
        if entry.kind is Kind.DIRECTORY or not is_kept(path, self._triplet):
            return
        if posixpath.dirname(path) == "usr/bin":
            if not is_config_program(posixpath.basename(path)):
                return
            self._programs[posixpath.basename(path)] = owner
            if entry.kind is Kind.FILE and not _is_shell(entry.content):
                return
        if entry.kind is Kind.SYMLINK:
            self._link(path, entry.link, owner)
        elif entry.kind is Kind.FILE and path not in self._owners:
            self._write(path, self._fitted_content(path, entry.content), owner, executable=entry.executable)

    def _fitted_content(self, path: str, content: bytes) -> bytes:
        """Return a library's bytes as they serve a module that runs on older systems."""
        if is_static(path, self._architecture, self._triplet):
            fitted = fit(content)
            if fitted is not None:
                self._static[path] = newest_wanted(fitted.needs)
                return bytes(fitted.data)
        changed = lowered(content, self._architecture)
        if changed is not None:
            self._lowered.append(path)
        self._asks = max(self._asks, newest_glibc(changed or content))
        return changed or content

    def _link(self, path: str, target: str, owner: str) -> None:
        """Note a link; its target is read from where the package has it, as from the root of a merged system."""
        absolute = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target))
        if path not in self._owners:
            self._links[path] = merged(absolute.lstrip("/"))
            self._owners[path] = owner

    def _write(self, path: str, content: bytes, owner: str, *, executable: bool = False) -> None:
        place = self._directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(0o755 if executable else 0o644)
        self._owners[path] = owner
        self._files[path] = _hash(content)

    def finish(self, versions: Mapping[str, str]) -> None:
        for path, target in self._alternatives():
            if path not in self._owners and target in self._owners:
                self._links[path] = target
                self._owners[path] = self._owners[target]
        for name, (text, owner) in scripts_of(self._programs, versions, self._triplet).items():
            path = f"usr/bin/{name}"
            self._links.pop(path, None)
            self._write(path, text.encode(), owner, executable=True)
        for path in self._standing():
            place = self._directory / path
            if place.is_dir():
                continue  # One package has a link where another has a directory: both bring the same names.
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(posixpath.relpath(self._links[path], posixpath.dirname(path)))
        manifest = {
            "owners": self._owners,
            "files": self._files,
            "sources": self._sources,
            "lowered": self._lowered,
            "asks": self._asks,
            "static": static_parts(self._directory, self._triplet, self._static),
        }
        (self._directory / MANIFEST).write_bytes(seal(manifest))

    def _alternatives(self) -> Iterator[tuple[str, str]]:
        """Yield links that installation scripts would make by `update-alternatives`."""
        for path, target in table()["alternatives"].items():
            yield path.format(triplet=self._triplet), target.format(triplet=self._triplet)
        for folder in table()["folders"]["above"]:
            inner = folder.format(triplet=self._triplet)
            for path in sorted(one for one in self._owners if one.startswith(f"{inner}/")):
                yield posixpath.join(posixpath.dirname(inner), path.removeprefix(f"{inner}/")), path

    def _standing(self) -> list[str]:
        """Return the links that lead to something of this sysroot; the others are forgotten."""
        folders = {parent for path in self._files for parent in _parents(path)}
        standing: set[str] = set()
        # A link may lead to a link: so many rounds as there are links in the longest chain.
        while True:
            more = {
                path
                for path, target in self._links.items()
                if path not in standing and (target in self._files or target in folders or target in standing)
            }
            if not more:
                break
            standing |= more
            folders |= {parent for path in more for parent in _parents(path)}
        for path in self._links.keys() - standing:
            self._owners.pop(path, None)
        return sorted(standing)


def merged(path: str) -> str:
    """Return a path as it is once /bin, /lib and /sbin are links into /usr."""
    top, slash, _rest = path.partition("/")
    return f"usr/{path}" if slash and top in _MERGED else path


def is_kept(path: str, triplet: str) -> bool:
    """Tell whether a file belongs into a sysroot: headers, libraries, what finds them, and copyright."""
    # libtool's files name places of a system that is not this one, and the linker does without them.
    if path.endswith(".la") or path.startswith(tuple(f"usr/lib/{triplet}/{name}/" for name in _PLUGINS)):
        return False
    return bool(_KEPT.fullmatch(path)) or path.startswith((f"usr/lib/{triplet}/", "usr/include/"))


def _parents(path: str) -> Iterator[str]:
    parent = posixpath.dirname(path)
    while parent:
        yield parent
        parent = posixpath.dirname(parent)


def _is_shell(content: bytes) -> bool:
    return bool(_SHELL.match(content))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
