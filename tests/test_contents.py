"""Things made by anyone: read without unpacking, judged as a whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.inspect.builders import linux, macho, macos, pe, windows
from tests.support.wheels import wheel_files, zip_bytes

from crossdock.contents import collect
from crossdock.contents.collect import Contents
from crossdock.contents.read import read_contents
from crossdock.contents.verify import verify
from crossdock.errors import ArchiveError
from crossdock.inspect.audit import Severity
from crossdock.target.model import Arch, Python

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crossdock.contents.verify import Verdict

#: An extension module for macOS on arm64, signed, for 11.0.
MODULE = macho("aarch64", names=b"\0_PyInit_fast\0", needed=("/usr/lib/libSystem.B.dylib",))
NAME = "demo/fast.cpython-312-darwin.so"
TAG = "cp312-cp312-macosx_11_0_arm64"


def members(tag: str = TAG, **more: bytes) -> dict[str, bytes]:
    return wheel_files(tag=tag, files={"demo/__init__.py": b"", NAME: MODULE, **more})


def write_tree(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def codes(verdict: Verdict) -> list[tuple[str, str]]:
    return [(one.severity.value, one.code) for one in verdict.findings]


def tar_bytes(files: Mapping[str, bytes | None], links: Mapping[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))
        for name, to in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, to
            archive.addfile(info)
    return out.getvalue()


class Layout:
    """An OCI layout being made."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.manifests: list[dict[str, Any]] = []

    def blob(self, data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        media_type = f"application/vnd.oci.image.{kind}"
        return {"digest": f"sha256:{digest}", "size": len(data), "mediaType": media_type}

    def image(self, architecture: str, *layers: bytes) -> None:
        platform = {"os": "linux", "architecture": architecture}
        plain = [gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in layers]
        diff_ids = [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in plain]
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        config = self.blob(json.dumps({**platform, "rootfs": rootfs}).encode(), "config.v1+json")
        described = [
            self.blob(layer, "layer.v1.tar" if layer is one else "layer.v1.tar+gzip")
            for layer, one in zip(layers, plain, strict=True)
        ]
        manifest = {"schemaVersion": 2, "config": config, "layers": described}
        entry = self.blob(json.dumps(manifest).encode(), "manifest.v1+json")
        self.manifests.append({**entry, "platform": platform})

    def done(self) -> dict[str, bytes]:
        index = {"schemaVersion": 2, "manifests": self.manifests}
        return {**self.files, "index.json": json.dumps(index).encode()}


def test_a_wheel_fits_its_own_target(tmp_path: Path) -> None:
    path = tmp_path / f"demo-1.0-{TAG}.whl"
    path.write_bytes(zip_bytes(members()))
    contents = read_contents(path)
    assert contents.kind == "wheel"
    verdict = verify(contents, macos())
    assert verdict.findings == ()
    assert (verdict.fits, verdict.binaries, verdict.distributions) == (True, 1, 1)
    other = verify(contents, linux())
    assert not other.fits
    assert ("error", "E-FIT-MODULE") in codes(other)
    assert json.loads(json.dumps(other.to_json()))["fits"] is False


def test_a_wheel_s_scripts_and_data_are_judged_where_they_will_lie(tmp_path: Path) -> None:
    path = tmp_path / f"demo-1.0-{TAG}.whl"
    program = macho("aarch64", filetype=2)
    path.write_bytes(zip_bytes(wheel_files(tag=TAG, files={"demo-1.0.data/scripts/run": program})))
    assert verify(read_contents(path), macos()).findings == ()
    (first, *_) = verify(read_contents(path), windows()).findings
    assert (first.path, first.code) == ("bin/run", "E-FIT-MACHINE")


def test_a_tree_knows_whose_file_is_whose(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree", members())
    verdict = verify(read_contents(root), macos(version=(10, 15)))
    found = {(one.package, one.path, one.code) for one in verdict.findings}
    assert found == {
        ("demo", NAME, "E-FIT-OS-VERSION"),
        ("demo", "demo-1.0.dist-info/WHEEL", "E-FIT-TAG"),
    }


def test_a_zip_with_a_program_before_it_is_read_as_pex_is(tmp_path: Path) -> None:
    path = tmp_path / "app.pex"
    inner = {f".deps/demo-1.0-{TAG}.whl/{name}": data for name, data in members().items()}
    path.write_bytes(b"#!/usr/bin/env python3\n" + zip_bytes(inner))
    verdict = verify(read_contents(path), linux())
    assert verdict.distributions == 1
    assert ("error", "E-FIT-MODULE") in codes(verdict)
    assert verify(read_contents(path), macos()).findings == ()


def test_a_lone_binary_can_be_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "fast.so"
    path.write_bytes(MODULE)
    assert verify(read_contents(path), macos()).findings == ()
    assert not verify(read_contents(path), macos(Arch.X86_64)).fits


def test_an_image_is_what_its_layers_leave(tmp_path: Path) -> None:
    site = "app/lib/python3.12/site-packages"
    first = tar_bytes({f"{site}/{name}": data for name, data in members().items()})
    whiteout = tar_bytes({f"{site}/demo/.wh.fast.cpython-312-darwin.so": None})
    for layers, modules in (((first,), 1), ((first, gzip.compress(whiteout)), 0)):
        layout = Layout()
        layout.image("arm64", *layers)
        root = write_tree(tmp_path / f"layout{modules}", layout.done())
        contents = read_contents(root)
        assert sum(one.binary is not None for one in contents.files.values()) == modules
        archive = tmp_path / f"image{modules}.tar"
        archive.write_bytes(tar_bytes(layout.done()))
        again = read_contents(archive)
        assert again.files == contents.files
        verdict = verify(again, linux(Arch.AARCH64))
        assert bool([one for one in verdict.findings if one.code == "E-FIT-MODULE"]) is bool(modules)


def test_an_opaque_whiteout_hides_lower_layers_only(tmp_path: Path) -> None:
    layout = Layout()
    lower = tar_bytes({"a/old": b"1", "b/kept": b"1"})
    upper = tar_bytes({"a/new": b"1", "a/.wh..wh..opq": None})
    layout.image("amd64", lower, upper)
    assert set(read_contents(write_tree(tmp_path, layout.done())).files) == {"a/new", "b/kept"}


def test_an_index_of_several_images_wants_a_target(tmp_path: Path) -> None:
    layout = Layout()
    layout.image("amd64", tar_bytes({"x86": b"1"}))
    layout.image("arm64", tar_bytes({"arm": b"1"}))
    root = write_tree(tmp_path, layout.done())
    assert set(read_contents(root, target=linux(Arch.AARCH64)).files) == {"arm"}
    assert set(read_contents(root, target=linux()).files) == {"x86"}
    for target in (None, linux(Arch.S390X)):
        with pytest.raises(ArchiveError) as caught:
            read_contents(root, target=target)
        assert caught.value.code == "E-CONTENTS-PLATFORM"


def test_an_archive_that_docker_saved(tmp_path: Path) -> None:
    layer = tar_bytes({"etc/x": b"1"})
    rootfs = {"diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs}).encode()
    manifest = json.dumps([{"Config": "c.json", "Layers": ["l1/layer.tar"]}]).encode()
    path = tmp_path / "saved.tar"
    path.write_bytes(tar_bytes({"c.json": config, "manifest.json": manifest, "l1/layer.tar": layer}))
    assert set(read_contents(path).files) == {"etc/x"}


def test_an_image_s_own_libraries_are_the_base(tmp_path: Path) -> None:
    site = "usr/lib/python3.12/site-packages"
    files: dict[str, bytes | None] = {f"{site}/{name}": data for name, data in members().items()}
    layout = Layout()
    layout.image("arm64", tar_bytes(files, {"usr/lib/libc.so.6": "libc-2.36.so", "usr/lib/libpq.so.5": "x"}))
    contents = read_contents(write_tree(tmp_path, layout.done()))
    assert contents.image
    assert contents.files["usr/lib/libpq.so.5"].link == "x"
    # Only packages are judged, and the interpreters and scripts of the system are left alone.
    verdict = verify(contents, linux(Arch.AARCH64))
    assert {one.path for one in verdict.findings} <= {f"{site}/{NAME}", f"{site}/demo-1.0.dist-info/WHEEL"}


@pytest.mark.parametrize("name", ["../x.so", "/etc/x.so", "a/../../x.so", "..\\x.so"])
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(ArchiveError) as caught:
        read_contents(path)
    assert caught.value.code == "E-CONTENTS-PATH"


def test_layers_that_lead_out_are_refused(tmp_path: Path) -> None:
    layout = Layout()
    layout.image("amd64", tar_bytes({"a/../../x": b"1"}))
    with pytest.raises(ArchiveError) as caught:
        read_contents(write_tree(tmp_path, layout.done()))
    assert caught.value.code == "E-CONTENTS-IMAGE"


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_broken_zip_is_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    data = bytearray(zip_bytes(members()))
    if damage == "cut":
        data = data[: len(data) // 2]
    else:
        at = data.index(b"\xcf\xfa\xed\xfe") if b"\xcf\xfa\xed\xfe" in data else 80
        data[at : at + 60] = b"\xff" * 60
    path = tmp_path / "bad.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(ArchiveError) as caught:
        read_contents(path)
    assert caught.value.code in {"E-CONTENTS-BROKEN", "E-CONTENTS-KIND"}
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("content", "code"), [(b"hello", "E-CONTENTS-KIND"), (None, "E-CONTENTS-MISSING")])
def test_what_is_nothing_we_know(content: bytes | None, code: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArchiveError) as caught:
        read_contents(path)
    assert caught.value.code == code


def test_a_wheel_built_on_somebody_s_machine_says_so(tmp_path: Path) -> None:
    root = write_tree(tmp_path, wheel_files(tag="cp312-cp312-linux_x86_64", files={"demo/x.py": b""}))
    (finding,) = verify(read_contents(root), linux()).findings
    assert (finding.severity, finding.code) == (Severity.WARNING, "E-FIT-TAG")
    assert "linux_x86_64" in finding.message


def test_a_wheel_for_another_target_says_so(tmp_path: Path) -> None:
    root = write_tree(tmp_path, wheel_files(tag="cp312-cp312-win_amd64", files={"demo/x.py": b""}))
    (finding,) = verify(read_contents(root), linux()).findings
    assert (finding.code, finding.message) == (
        "E-FIT-TAG",
        "is a wheel for cp312-cp312-win_amd64, not for the target",
    )
    assert verify(read_contents(root), windows()).findings == ()


@pytest.mark.parametrize(
    ("shebang", "found"),
    [
        ("#!/usr/bin/env python3", False),
        ("#!/usr/bin/python3", False),
        ("#!/usr/local/bin/python3.12", False),
        ("#!/app/bin/python", False),
        ("#!/bin/sh", False),
        ("#!python", False),
        ("#!/home/me/project/.venv/bin/python", True),
        ("#!/root/build/bin/python3", True),
        ("#!/opt/hostedtoolcache/Python/3.12.1/x64/bin/python", True),
        ("#!/usr/bin/python3.11", True),
        ("#!C:\\Python312\\python.exe", True),
    ],
)
def test_shebangs_of_another_machine(shebang: str, found: bool, tmp_path: Path) -> None:
    write_tree(tmp_path, {"bin/tool": f"{shebang}\nprint()\n".encode(), "demo/data": shebang.encode()})
    verdict = verify(read_contents(tmp_path), linux())
    assert codes(verdict) == ([("warning", "E-FIT-SHEBANG")] if found else [])


def test_scripts_that_windows_cannot_start(tmp_path: Path) -> None:
    write_tree(tmp_path, {"bin/flask": b"#!/usr/bin/env python3\n", "Scripts/flask.exe": pe(dll=False)})
    assert codes(verify(read_contents(tmp_path), windows())) == [("warning", "E-FIT-SCRIPT")]


def test_bytecode_of_another_python_is_told_once_for_a_package(tmp_path: Path) -> None:
    files = {f"demo/__pycache__/{name}.cpython-311.pyc": b"x" for name in "abc"}
    write_tree(
        tmp_path, wheel_files(files={"demo/a.py": b"", **files, "demo/__pycache__/a.cpython-312.pyc": b"x"})
    )
    (finding,) = verify(read_contents(tmp_path), linux(python=Python(minor=12))).findings
    assert (finding.code, finding.package) == ("E-FIT-BYTECODE", "demo")
    assert "(3 files)" in finding.message


def test_sources_are_not_read_at_all() -> None:
    contents = Contents(kind="test", name="x")

    def fail() -> io.BytesIO:
        raise AssertionError("a source file was opened")

    contents.add("pkg/x.py", 10, fail)
    assert contents.files["pkg/x.py"].size == 10


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_a_large_binary_is_read_the_same_way_from_disk(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "_IN_MEMORY", limit)
    path = tmp_path / "fast.so"
    path.write_bytes(MODULE)
    binary = read_contents(path).files["fast.so"].binary
    assert binary is not None
    assert binary.images[0].needed == ("/usr/lib/libSystem.B.dylib",)
    path.write_bytes(MODULE[:40])
    binary = read_contents(path).files["fast.so"].binary
    assert binary is not None
    assert binary.broken
