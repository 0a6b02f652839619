"""Builders of wheels and sdists for the tests: the bytes are made, not stored."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def record_hash(data: bytes) -> str:
    """Return a RECORD hash field (`sha256=` and unpadded urlsafe base64)."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def wheel_files(
    name: str = "demo",
    version: str = "1.0",
    tag: str = "py3-none-any",
    *,
    files: Mapping[str, bytes | str] | None = None,
    requires: tuple[str, ...] = (),
    requires_python: str | None = None,
    entry_points: str | None = None,
    extra_metadata: str = "",
) -> dict[str, bytes]:
    """Return the members of a good wheel by name, RECORD last; change them to make a bad one."""
    files = files if files is not None else {f"{name}/__init__.py": f"__version__ = {version!r}\n"}
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {item}\n" for item in requires)
    if requires_python:
        metadata += f"Requires-Python: {requires_python}\n"
    metadata += extra_metadata
    python, abi, platform = tag.split("-")
    tags = [
        f"Tag: {one}-{two}-{three}\n"
        for one in python.split(".")
        for two in abi.split(".")
        for three in platform.split(".")
    ]
    pure = "true" if platform == "any" else "false"
    members = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
    members[f"{info}/METADATA"] = metadata.encode()
    members[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\n{''.join(tags)}".encode()
    )
    if entry_points:
        members[f"{info}/entry_points.txt"] = entry_points.encode()
    members[f"{info}/RECORD"] = make_record(members, info)
    return members


def make_record(members: Mapping[str, bytes], info: str) -> bytes:
    """Return a RECORD over `members`."""
    rows = [
        f"{path},{record_hash(data)},{len(data)}"
        for path, data in members.items()
        if path != f"{info}/RECORD"
    ]
    return "".join(f"{row}\n" for row in [*rows, f"{info}/RECORD,,"]).encode()


def zip_bytes(
    members: Mapping[str, bytes],
    *,
    modes: Mapping[str, int] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """Return a plain, well-formed zip of `members` in their order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for path, data in members.items():
            info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            info.compress_type = compression
            info.external_attr = (modes or {}).get(path, 0o100644) << 16
            archive.writestr(info, data)
    return out.getvalue()


def make_wheel(
    directory: Path,
    name: str = "demo",
    version: str = "1.0",
    tag: str = "py3-none-any",
    *,
    modes: Mapping[str, int] | None = None,
    **members: object,
) -> Path:
    """Write a good wheel into `directory` and return its path; keywords as `wheel_files` takes them."""
    path = directory / f"{name}-{version}-{tag}.whl"
    path.write_bytes(zip_bytes(wheel_files(name, version, tag, **members), modes=modes))  # type: ignore[arg-type]
    return path


def make_sdist(
    directory: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    files: Mapping[str, bytes | str],
    requires: tuple[str, ...] = (),
) -> Path:
    """Write a gzipped source distribution with PKG-INFO and `files` and return its path."""
    top = f"{name}-{version}"
    info = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    info += "".join(f"Requires-Dist: {item}\n" for item in requires)
    path = directory / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for inner, data in {"PKG-INFO": info, **files}.items():
            content = data.encode() if isinstance(data, str) else data
            member = tarfile.TarInfo(f"{top}/{inner}")
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return path
