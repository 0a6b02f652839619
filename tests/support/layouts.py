"""Layers, images and layouts for tests, byte by byte where no tool would write them; tiny libraries by `cc`."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

from crossdock.digest import Digest
from crossdock.oci import media
from crossdock.oci.blob import BytesSource
from crossdock.oci.model import Descriptor, Index, Manifest, Platform, canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from crossdock.oci.blob import BlobSource

#: Content of a file, `-> target` a link, `=> target` a hard link, None a directory.
Content = bytes | str | None


def tar_of(entries: Iterable[tuple[str, Content]], *, mode: int = 0o755) -> bytes:
    """Return a tar of the entries in their order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            data = content if isinstance(content, bytes) else b""
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                kind, _, info.linkname = content.partition(" ")
                info.type = tarfile.SYMTYPE if kind == "->" else tarfile.LNKTYPE
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def layer(entries: Mapping[str, Content] | bytes) -> tuple[Descriptor, Digest, BlobSource]:
    """Return a gzip'd layer as `base_facts` takes it: descriptor, diff ID, source."""
    raw = entries if isinstance(entries, bytes) else tar_of(entries.items())
    packed = gzip.compress(raw, mtime=0)
    return Descriptor.of(packed, media.LAYER_GZIP), Digest.of(raw), BytesSource(packed)


class MadeLayout:
    """An OCI layout being made: a `ManifestReader` in memory, and files to write."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.entries: list[Descriptor] = []

    def add(self, content: bytes, media_type: str, **fields: Any) -> Descriptor:
        descriptor = Descriptor.of(content, media_type, **fields)
        self.blobs[descriptor.digest] = content
        return descriptor

    def image(
        self,
        platform: str,
        *layers: bytes,
        announced: bool = True,
        tag: str = "",
        env: Sequence[str] = (),
        **config: Any,
    ) -> Descriptor:
        """Add the blobs of an image of gzip'd tars and return its descriptor; `listed` makes it an entry."""
        where = Platform.parse(platform)
        value = {
            **where.to_json(),
            "config": {"Env": list(env)},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(one)) for one in layers]},
            **config,
        }
        made = Manifest(
            config=self.add(canonical_json(value), media.CONFIG),
            layers=tuple(self.add(gzip.compress(one, mtime=0), media.LAYER_GZIP) for one in layers),
        ).to_bytes()
        annotations = {media.REF_NAME: tag} if tag else {}
        return self.add(made, media.MANIFEST, platform=where if announced else None, annotations=annotations)

    def listed(self, *entries: Descriptor) -> MadeLayout:
        self.entries += entries
        return self

    def index(self, *entries: Descriptor, **fields: Any) -> Descriptor:
        return self.add(Index(manifests=entries).to_bytes(), media.INDEX, **fields)

    def manifest(self, digest: Digest) -> bytes:
        return self.blobs[digest]

    def blob(self, descriptor: Descriptor) -> BlobSource:
        return BytesSource(self.blobs[descriptor.digest])

    def files(self) -> dict[str, bytes]:
        found = {f"blobs/{one.algorithm}/{one.hex}": data for one, data in self.blobs.items()}
        index = Index(manifests=tuple(self.entries)).to_bytes()
        return {
            **found,
            "index.json": index,
            "oci-layout": json.dumps({"imageLayoutVersion": "1.0.0"}).encode(),
        }

    def write(self, root: Path) -> Path:
        for name, data in self.files().items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return root

    def archive(self) -> bytes:
        return tar_of(self.files().items())


def shared_library(
    directory: Path,
    soname: str,
    *,
    versions: Sequence[str] = (),
    strings: Sequence[str] = (),
    needs: Sequence[Path] = (),
    calls: Sequence[str] = (),
) -> bytes:
    """Return a shared library of this machine: its soname, the versions it defines, and strings in it.

    Each version gets a function `NAME_version`, dots as underscores; `calls` are functions that it imports from
    the libraries `needs`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names = [re.sub(r"\W", "_", f"{soname.partition('.')[0]}_{one}") for one in versions]
    source = directory / f"{soname}.c"
    lines = [f"int {name}(void) {{ return 0; }}" for name in names]
    lines += [f"extern int {name}(void); int call_{name}(void) {{ return {name}(); }}" for name in calls]
    for number, text in enumerate(strings):
        octal = "".join(f"\\{byte:03o}" for byte in text.encode())
        lines.append(f'__attribute__((used)) static const char text{number}[] = "{octal}";')
    source.write_text("\n".join([*lines, "int nothing;"]))
    script = directory / f"{soname}.map"
    script.write_text(
        "\n".join(f"{version} {{ global: {name}; }};" for version, name in zip(versions, names, strict=True))
    )
    out = directory / soname
    flags = [f"-Wl,--version-script={script}"] if versions else []
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-nostdlib", "-o", out, source, f"-Wl,-soname,{soname}", *flags, *needs],
        check=True,
        capture_output=True,
    )
    return out.read_bytes()
