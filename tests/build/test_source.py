"""The files of a source distribution on the disk: links are copies, modes are 0644 and 0755."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from crossdock.archive.sdist import Sdist
from crossdock.build.source import extract

if TYPE_CHECKING:
    from pathlib import Path


def test_links_become_copies_of_what_they_lead_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content, link in (
            ("PKG-INFO", b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", ""),
            ("a/link", b"", "../tool"),
            ("tool", b"#!/bin/sh\n", ""),
            ("b", b"", "a"),
            ("a/file", b"text", ""),
        ):
            info = tarfile.TarInfo(f"demo-1.0/{name}")
            info.mode = 0o755 if name == "tool" else 0o600
            info.size = len(content)
            if link:
                info.type, info.linkname = tarfile.SYMTYPE, link
            archive.addfile(info, io.BytesIO(content))
    sdist = Sdist.open(out.getvalue(), "demo-1.0.tar.gz")
    # Nothing of a link's content is held in memory.
    real = sdist.contents
    monkeypatch.setattr(
        sdist, "contents", lambda *, links=True: real(links=False) if not links else pytest.fail("held")
    )
    extract(sdist, tmp_path)
    found = {
        path.relative_to(tmp_path).as_posix(): (
            path.read_bytes(),
            path.stat().st_mode & 0o777,
            path.is_symlink(),
        )
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file() and path.name != "PKG-INFO"
    }
    script, text = (b"#!/bin/sh\n", 0o755, False), (b"text", 0o644, False)
    assert found == {"tool": script, "a/link": script, "a/file": text, "b/file": text}
