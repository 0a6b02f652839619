"""The files of a source distribution on the disk: links are copies, modes are 0644 and 0755."""

from __future__ import annotations

import io
import tarfile
import zipfile
from datetime import UTC, datetime
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


def test_files_keep_the_dates_of_the_archive(tmp_path: Path) -> None:
    out = io.BytesIO()
    dates = {"PKG-INFO": 5, "a.pyx": 1_600_000_000, "a.c": 1_600_000_100, "old": -7}
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, date in dates.items():
            content = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n" if name == "PKG-INFO" else b"x"
            info = tarfile.TarInfo(f"demo-1.0/{name}")
            info.mtime, info.size = date, len(content)
            archive.addfile(info, io.BytesIO(content))
    extract(Sdist.open(out.getvalue(), "demo-1.0.tar.gz"), tmp_path)
    found = {path.name: path.stat().st_mtime for path in tmp_path.iterdir()}
    assert found == {**dates, "old": 0}


def test_a_zip_s_dates_are_kept_too(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("demo-1.0/PKG-INFO", (2020, 2, 29, 12, 30, 58))
        archive.writestr(info, "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    extract(Sdist.open(out.getvalue(), "demo-1.0.zip"), tmp_path)
    assert (tmp_path / "PKG-INFO").stat().st_mtime == datetime(
        2020, 2, 29, 12, 30, 58, tzinfo=UTC
    ).timestamp()
