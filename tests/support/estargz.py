"""A reader of eStargz layers that believes nothing (estargz.md of containerd's stargz-snapshotter)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from typing import Any

FOOTER = 51


def check_layer(blob: bytes) -> dict[str, dict[str, Any]]:
    """Assert that a blob is a valid eStargz layer and return its table's entries by name."""
    footer = blob[-FOOTER:]
    assert footer[:16] == bytes.fromhex("1f8b08040000000000ff1a0053471600")
    assert footer[32:38] == b"STARGZ"
    assert gzip.decompress(footer) == b""
    at = int(footer[16:32], 16)
    assert blob[at : at + 10] == bytes.fromhex("1f8b08000000000000ff")

    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob[at:]))) as tail:
        assert tail.getnames() == ["stargz.index.json"]
        table = json.load(tail.extractfile("stargz.index.json"))  # type: ignore[arg-type]
    assert set(table) == {"version", "entries"}
    assert table["version"] == 1
    entries: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in table["entries"]}
    assert len(entries) == len(table["entries"]), "an entry is there twice"
    _check_tar(gzip.decompress(blob), entries)
    for entry in entries.values():
        if entry.get("size"):
            engine = zlib.decompressobj(31)
            content = engine.decompress(blob[entry["offset"] :])
            assert engine.eof
            assert len(content) == entry["size"]
            assert "sha256:" + hashlib.sha256(content).hexdigest() == entry["chunkDigest"] == entry["digest"]
    return entries


def _check_tar(plain: bytes, entries: dict[str, dict[str, Any]]) -> None:
    """Assert that the table says what the tar says, in its order, and that parents stand before children."""
    kinds = {tarfile.REGTYPE: "reg", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink"}
    assert len(plain) % 512 == 0
    assert plain.endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        items = tar.getmembers()
    assert items[0].name == "."
    names = [item.name + ("/" if item.isdir() else "") for item in items]
    assert names == [*entries, "stargz.index.json"]
    assert ".no.prefetch.landmark" in entries
    known = {"./"}
    for item, name in zip(items[:-1], names, strict=False):
        entry = entries[name]
        parent = name.rstrip("/").rpartition("/")[0]
        assert not parent or f"{parent}/" in known, f"{name} stands before its directory"
        known.add(name)
        assert (entry["type"], entry["mode"] & 0o7777) == (kinds[item.type], item.mode), name
        assert (entry["uid"], entry["gid"]) == (item.uid, item.gid), name
        assert (item.uname, item.gname) == ("", "")
        assert entry.get("size", 0) == item.size, name
        assert entry.get("linkName", "") == item.linkname, name
