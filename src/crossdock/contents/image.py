"""Reads OCI layouts, OCI archives and `docker save` archives: layers in order, whiteouts applied.

OCI image layout and image specification 1.1; for the archive that docker writes, `manifest.json`
(moby, image/spec). Layers are streamed: nothing is unpacked to disk.
"""

from __future__ import annotations

import contextlib
import json
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Any

from crossdock.contents.collect import Contents, FileFacts, examine_file
from crossdock.errors import ArchiveError
from crossdock.target.model import Arch, Os

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crossdock.target.model import Target

#: A manifest, index or configuration is small; a larger one is not read.
_LARGEST_JSON = 8 << 20
_INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
#: OCI's (GOOS and GOARCH) words.
_ARCHITECTURES = {
    Arch.X86_64: ("amd64", ""),
    Arch.AARCH64: ("arm64", ""),
    Arch.ARMV7L: ("arm", "v7"),
    Arch.ARMV6L: ("arm", "v6"),
    Arch.I686: ("386", ""),
    Arch.PPC64LE: ("ppc64le", ""),
    Arch.S390X: ("s390x", ""),
    Arch.RISCV64: ("riscv64", ""),
    Arch.LOONGARCH64: ("loong64", ""),
}
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


def is_image_directory(path: Path) -> bool:
    """Whether a directory is an OCI image layout."""
    return (path / "oci-layout").is_file() and (path / "index.json").is_file()


def is_image(path: Path) -> bool:
    """Whether a file is a tar, compressed or not, with an OCI layout or docker's manifest in it."""
    try:
        with tarfile.open(path) as archive:
            return any(_plain(member.name) in {"oci-layout", "manifest.json"} for member in archive)
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        return False


def read_image(path: Path, *, target: Target | None = None) -> Contents:
    """Return the files of an image as a container sees them.

    An index with several images needs `target` to choose one. Raises `ArchiveError` (E-CONTENTS-IMAGE)
    where parts are missing or broken, or where no image is for the target.
    """
    with contextlib.ExitStack() as stack:
        blobs = _Blobs(path, stack)
        contents = Contents(kind="image", name=path.name, image=True)
        try:
            for layer in _layers(blobs, target):
                _apply(contents, layer, blobs)
        except (tarfile.TarError, EOFError, zlib.error, KeyError, TypeError, ValueError, OSError) as error:
            raise ArchiveError(
                f"broken image: {error}",
                code="E-CONTENTS-IMAGE",
                places=[path.name],
                hint="make or fetch it anew",
            ) from error
    return contents


class _Blobs:
    """The named parts of a layout: files of a directory, or members of a tar."""

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        self.path = path
        self.stack = stack
        self.members: dict[str, tarfile.TarInfo] = {}
        self.archive: tarfile.TarFile | None = None
        if not path.is_dir():
            self.archive = archive = stack.enter_context(tarfile.open(path))  # noqa: SIM115  (the stack closes it)
            self.members = {_plain(member.name): member for member in archive}

    def has(self, name: str) -> bool:
        return name in self.members if self.archive else (self.path / name).is_file()

    def open(self, name: str) -> IO[bytes]:
        if self.archive is None:
            return self.stack.enter_context((self.path / name).open("rb"))
        # `docker save` writes a layer that two images share as a symbolic link to the first.
        opened = self.archive.extractfile(self.members[name])
        if opened is None:
            raise ValueError(f"`{name}` is not a file")
        return opened

    def json(self, name: str) -> Any:
        return json.loads(self.open(name).read(_LARGEST_JSON))


def _plain(name: str) -> str:
    return name.removeprefix("./").rstrip("/")


def _blob_path(descriptor: dict[str, Any]) -> str:
    algorithm, _, value = str(descriptor["digest"]).partition(":")
    if not (algorithm.isalnum() and value.isalnum()):
        raise ValueError(f"not a digest: {descriptor['digest']!r}")
    return f"blobs/{algorithm}/{value}"


def _layers(blobs: _Blobs, target: Target | None) -> list[str]:
    """Return the names of the chosen image's layers, the lowest first."""
    if blobs.has("index.json"):
        manifest = _choose(blobs, blobs.json("index.json"), target, depth=0)
        return [_blob_path(layer) for layer in manifest["layers"]]
    images = blobs.json("manifest.json")
    fitting = [one for one in images if _config_fits(blobs.json(one["Config"]), target)]
    if len(fitting) != 1:
        raise _no_choice(blobs, len(fitting))
    return [_plain(layer) for layer in fitting[0]["Layers"]]


def _choose(blobs: _Blobs, index: dict[str, Any], target: Target | None, depth: int) -> dict[str, Any]:
    """Follow an index to the manifest for the target (OCI image index: `platform`)."""
    if depth > 4:  # noqa: PLR2004  indexes of indexes end somewhere
        raise ValueError("indexes are nested too deeply")
    found: list[dict[str, Any]] = []
    for descriptor in index["manifests"]:
        if "vnd.docker.reference.type" in descriptor.get("annotations", {}):
            continue  # BuildKit's attestations look like images of an unknown platform
        if descriptor.get("mediaType") in _INDEX_TYPES:
            found.append(_choose(blobs, blobs.json(_blob_path(descriptor)), target, depth + 1))
        elif _platform_fits(descriptor.get("platform"), target):
            manifest = blobs.json(_blob_path(descriptor))
            if "platform" in descriptor or _config_fits(blobs.json(_blob_path(manifest["config"])), target):
                found.append(manifest)
    if len(found) != 1:
        raise _no_choice(blobs, len(found))
    return found[0]


def _no_choice(blobs: _Blobs, count: int) -> ArchiveError:
    return ArchiveError(
        "no image for the target" if count == 0 else f"{count} images, and the target chooses none",
        code="E-CONTENTS-PLATFORM",
        places=[blobs.path.name],
        hint="name the target of the image with `--for`",
    )


def _config_fits(config: dict[str, Any], target: Target | None) -> bool:
    return _platform_fits({key: config.get(key, "") for key in ("os", "architecture", "variant")}, target)


def _platform_fits(platform: dict[str, Any] | None, target: Target | None) -> bool:
    if platform is None or target is None:
        return True
    if target.os not in {Os.LINUX, Os.WINDOWS} or target.arch not in _ARCHITECTURES:
        return False
    architecture, variant = _ARCHITECTURES[target.arch]
    given = platform.get("variant") or ""
    return (
        platform.get("os") == target.os.value
        and platform.get("architecture") == architecture
        and (not variant or not given or given == variant)
    )


def _apply(contents: Contents, layer: str, blobs: _Blobs) -> None:
    """Lay one layer over what is there (OCI layer specification, "Whiteouts")."""
    files: dict[str, FileFacts] = {}
    with blobs.open(layer) as blob, tarfile.open(fileobj=blob, mode="r|*") as archive:
        for path, member in _named(archive):
            directory, _, name = path.rpartition("/")
            if name == _OPAQUE:
                _remove(contents, directory, itself=False)
            elif name.startswith(_WHITEOUT):
                _remove(contents, f"{directory}/{name[len(_WHITEOUT) :]}".lstrip("/"), itself=True)
            elif member.issym():
                files[path] = FileFacts(size=0, link=member.linkname)
            elif member.islnk():
                linked = files.get(_plain(member.linkname)) or contents.files.get(_plain(member.linkname))
                files[path] = linked or FileFacts(size=0, link="/" + _plain(member.linkname))
            elif member.isreg():
                files[path] = examine_file(
                    path, member.size, _opener(archive, member), executable=bool(member.mode & 0o111)
                )
    contents.files.update(files)


def _named(archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for member in archive:
        parts = [part for part in member.name.split("/") if part not in {"", "."}]
        if ".." in parts:
            raise ValueError(f"a layer's member leads out of it: {member.name!r}")
        if parts:
            yield "/".join(parts), member


def _opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        file = archive.extractfile(member)
        if file is None:
            raise ValueError(f"`{member.name}` cannot be read")
        return file

    return opened


def _remove(contents: Contents, path: str, *, itself: bool) -> None:
    below = f"{path}/" if path else ""
    for name in [one for one in contents.files if one.startswith(below) or (itself and one == path)]:
        del contents.files[name]
