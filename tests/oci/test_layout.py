"""Layouts and archives are read where they lie, whoever wrote them; broken ones are refused in one line."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.layouts import MadeLayout, tar_of

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, ImageError
from crossdock.oci import media
from crossdock.oci.blob import BytesSource, FileSource, verified
from crossdock.oci.choose import choose
from crossdock.oci.layout import Layout, find_layout, open_layout
from crossdock.oci.model import Descriptor, Platform

AMD64 = Platform.parse("linux/amd64")
FILES = [("etc/", None), ("etc/hello", b"hello\n"), ("etc/link", "-> hello")]


def made(tag: str = "v1") -> MadeLayout:
    layout = MadeLayout()
    return layout.listed(
        layout.image("linux/amd64", tar_of(FILES), tar_of([("srv/x", bytes(3_000_000))]), tag=tag)
    )


def contents(layout: Layout) -> list[bytes]:
    """The unpacked layers of the one image, every byte verified."""
    image = choose(layout, layout.entries(), AMD64, name=layout.name)
    found = [b"".join(verified(one, layout.blob(one))) for one in image.manifest.layers]
    plain = [gzip.decompress(one) if one[:2] == b"\x1f\x8b" else one for one in found]
    assert tuple(map(Digest.of, plain)) == image.diff_ids
    return plain


@pytest.mark.parametrize(
    "form", ["directory", "oci-archive", "oci-archive.gz", "docker-archive", "docker-archive.gz"]
)
def test_what_skopeo_writes_is_read(form: str, tmp_path: Path) -> None:
    made().write(tmp_path / "made")
    kind, _, packed = form.partition(".")
    to = {
        "directory": "oci:{}:v1",
        "oci-archive": "oci-archive:{}:v1",
        "docker-archive": "docker-archive:{}:team/app:v1",
    }
    path = tmp_path / "copied"
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{tmp_path / 'made'}:v1", to[kind].format(path)],
        check=True,
    )
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert contents(open_layout(path)) == [tar_of(FILES), tar_of([("srv/x", bytes(3_000_000))])]
    assert open_layout(path).entries("v1")


def test_what_umoci_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/hello").write_text("hello")
    layout = tmp_path / "layout"
    for command in (
        ["init", "--layout", layout],
        ["new", "--image", f"{layout}:a"],
        ["config", "--image", f"{layout}:a", "--os", "linux", "--architecture", "amd64"],
        ["insert", "--rootless", "--image", f"{layout}:a", tmp_path / "files", "/srv"],
    ):
        subprocess.run(["umoci", *command], check=True, capture_output=True)
    (raw,) = contents(open_layout(layout))
    assert b"hello" in raw


def test_an_archive_of_old_dockers_has_links_for_shared_layers(tmp_path: Path) -> None:
    raw = tar_of(FILES)
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [str(Digest.of(raw))] * 2}}
    listed = [
        {"Config": "c.json", "RepoTags": ["team/app:1", "other:2"], "Layers": ["a/layer.tar", "b/layer.tar"]}
    ]
    path = tmp_path / "saved.tar"
    path.write_bytes(
        tar_of(
            [
                ("c.json", json.dumps(config).encode()),
                ("manifest.json", json.dumps(listed).encode()),
                ("a/layer.tar", raw),
                ("b/layer.tar", "-> ../a/layer.tar"),
            ]
        )
    )
    layout = open_layout(path)
    assert contents(layout) == [raw, raw]
    assert len(layout.entries("team/app:1")) == len(layout.entries("2")) == 1
    # Nothing but manifest and config was read for that: the layer's digest is its diff ID.
    image = choose(layout, layout.entries(), AMD64, name="x")
    source = layout.blob(image.manifest.layers[1])
    assert isinstance(source, FileSource)
    assert source.path == path


def test_a_saved_layer_that_is_not_its_diff_id_is_refused_when_read(tmp_path: Path) -> None:
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [str(Digest.of(b"other"))]}}
    listed = [{"Config": "c.json", "Layers": ["a.tar"]}]
    path = tmp_path / "saved.tar"
    parts = [("c.json", json.dumps(config)), ("manifest.json", json.dumps(listed))]
    path.write_bytes(tar_of([*((name, text.encode()) for name, text in parts), ("a.tar", tar_of(FILES))]))
    with pytest.raises(ImageError) as caught:
        contents(open_layout(path))
    assert caught.value.code == "E-IMAGE-DIGEST"


def test_an_archive_that_is_both_is_taken_for_the_layout(tmp_path: Path) -> None:
    path = tmp_path / "both.tar"
    path.write_bytes(tar_of([*made().files().items(), ("manifest.json", b"[]")]))
    assert len(contents(open_layout(path))) == 2


def test_names_choose_and_are_told(tmp_path: Path) -> None:
    layout = MadeLayout()
    for tag in ("v1", "v2"):
        layout.listed(layout.image("linux/amd64", tar_of([(tag, b"1")]), tag=tag))
    found = open_layout(layout.write(tmp_path / "two"))
    assert [one.digest for one in found.entries("v2")] == [layout.entries[1].digest]
    assert found.entries(str(layout.entries[0].digest)) == (layout.entries[0],)
    with pytest.raises(ImageError) as caught:
        found.entries("v3")
    assert caught.value.code == "E-IMAGE-TAG"
    assert "v1" in caught.value.places[0]


def test_a_blob_that_is_named_and_missing_is_told_when_it_is_read(tmp_path: Path) -> None:
    root = made().write(tmp_path / "x")
    image = choose(open_layout(root), open_layout(root).entries(), AMD64, name="x")
    gone = image.manifest.layers[0]
    (root / "blobs/sha256" / gone.digest.hex).unlink()
    layout = open_layout(root)
    assert choose(layout, layout.entries(), AMD64, name="x").manifest.layers[0] == gone
    with pytest.raises(ImageError) as caught:
        list(verified(gone, layout.blob(gone)))
    assert caught.value.code == "E-IMAGE-BLOB"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("oci-layout", b'{"imageLayoutVersion": "2.0.0"}'),
        ("oci-layout", b"[]"),
        ("oci-layout", b"\xff"),
        ("index.json", b"{}"),
        ("index.json", b'{"schemaVersion": 2, "manifests": [], "layers": []}'),
        ("index.json", b'{"schemaVersion": 2, "config": {}, "layers": []}'),
        ("index.json", b'{"schemaVersion": 2, "manifests": [], "manifests": []}'),
        ("index.json", b"[" * 100_000),
        ("index.json", b" " * (5 << 20)),
        (
            "index.json",
            b'{"schemaVersion": 2, "manifests": [{"digest": "sha256:../../x", "size": 1, "mediaType": "x"}]}',
        ),
    ],
)
def test_broken_layouts_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    root = made().write(tmp_path / "x")
    (root / name).write_bytes(content)
    with pytest.raises(ImageError) as caught:
        open_layout(root)
    assert caught.value.code in {"E-IMAGE-LAYOUT", "E-IMAGE-BROKEN"}
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "listed",
    [
        b"{}", b"[1]", b"[{}]", b"nonsense", b'[{"Config": "gone.json", "Layers": []}]',
        b'[{"Config": "c.json", "Layers": ["gone.tar"]}]', b'[{"Config": "c.json", "Layers": "abc"}]',
        b'[{"Config": "../c.json", "Layers": []}]', b'[{"Config": "loop", "Layers": []}]',
    ],
)  # fmt: skip
def test_broken_saved_archives_are_refused(listed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "saved.tar"
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}).encode()
    path.write_bytes(tar_of([("c.json", config), ("manifest.json", listed), ("loop", "-> loop")]))
    with pytest.raises(ImageError) as caught:
        open_layout(path)
    assert caught.value.code in {"E-IMAGE-LAYOUT", "E-IMAGE-BROKEN"}


def test_a_config_whose_name_lies_is_refused(tmp_path: Path) -> None:
    name = f"{'0' * 64}.json"
    path = tmp_path / "saved.tar"
    listed = json.dumps([{"Config": name, "Layers": []}]).encode()
    path.write_bytes(tar_of([(name, b"{}"), ("manifest.json", listed)]))
    with pytest.raises(ImageError, match="not what its name says"):
        open_layout(path)


def test_a_member_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of([*made().files().items(), ("index.json", b"{}")]))
    with pytest.raises(ImageError, match="twice"):
        open_layout(path)


@pytest.mark.parametrize("cut", [300, 2000, -1500, -1024])
def test_cut_archives_are_refused(cut: int, tmp_path: Path) -> None:
    data = made().archive().rstrip(b"\0")
    path = tmp_path / "x.tar"
    path.write_bytes(data[:cut])
    with pytest.raises(ImageError) as caught:
        open_layout(path)
    assert caught.value.code == "E-IMAGE-LAYOUT"


def zstd_frame(data: bytes) -> bytes:
    """Return `data` in raw blocks of one zstd frame (RFC 8878, 3.1.1), which no program is needed for."""
    frame = [b"\x28\xb5\x2f\xfd\xa0", len(data).to_bytes(4, "little")]
    for start in range(0, len(data), 1 << 16):
        block = data[start : start + (1 << 16)]
        last = start + (1 << 16) >= len(data)
        frame += [(last | len(block) << 3).to_bytes(3, "little"), block]
    return b"".join(frame)


def test_zstd_archives_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(made().archive())
    (tmp_path / "x.tar.zst").write_bytes(zstd_frame(path.read_bytes()))
    with pytest.raises(ImageError) as caught:
        open_layout(tmp_path / "x.tar.zst")
    assert caught.value.code == "E-IMAGE-ZSTD"


def test_other_things_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "plain.tar").write_bytes(tar_of(FILES))
    assert all(find_layout(tmp_path / name) is None for name in ("text", "plain.tar", "."))
    for name in ("text", "plain.tar", "missing"):
        with pytest.raises(ImageError) as caught:
            open_layout(tmp_path / name)
        assert caught.value.code == "E-IMAGE-LAYOUT"


SMALL = MadeLayout()
SMALL.listed(SMALL.image("linux/amd64", tar_of([("a", b"1")])))
ARCHIVE = SMALL.archive()[:8192]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(ARCHIVE) - 1), st.binary(min_size=1, max_size=30)), max_size=3))
def test_damage_is_an_error_of_ours_or_harmless(changes: list[tuple[int, bytes]]) -> None:
    import tempfile

    data = bytearray(ARCHIVE)
    for at, new in changes:
        data[at : at + len(new)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.tar")
        path.write_bytes(bytes(data))
        try:
            layout = open_layout(path)
            assert contents(layout) == [tar_of([("a", b"1")])]
        except CrossdockError:
            pass


def test_verified_bytes_come_whole_or_with_an_error() -> None:
    content = b"x" * 5000
    right = Descriptor.of(content, media.LAYER)
    assert b"".join(verified(right, BytesSource(content))) == content
    assert b"".join(verified(right, BytesSource(content), 4000)) == content[4000:]

    class Pieces:
        def __init__(self, *pieces: bytes) -> None:
            self.pieces = pieces

        def chunks(self, start: int = 0) -> object:
            assert start == 0
            yield from self.pieces

    for pieces in (
        (content[:-1],),
        (content, b"y"),
        (content[:-1] + b"y",),
        (content[:100], b"y" * 4900),
        (),
    ):
        got = b""
        with pytest.raises(ImageError) as caught:  # noqa: PT012  # what came before the error counts
            for piece in verified(right, Pieces(*pieces)):  # type: ignore[arg-type]
                got += piece
        assert caught.value.code == "E-IMAGE-DIGEST"
        # Whoever wrote what came has less than the whole: the last piece is kept back.
        assert len(got) < len(content)
    empty = Descriptor.of(b"", media.LAYER)
    assert list(verified(empty, BytesSource(b""))) == []


def test_tarfile_agrees_on_where_members_lie(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(made().archive())
    layout = open_layout(path)
    with tarfile.open(path) as archive:
        for digest in made().blobs:
            member = archive.extractfile(f"blobs/{digest.algorithm}/{digest.hex}")
            assert member is not None
            source = layout.blob(Descriptor(media_type="x", digest=digest, size=0))
            assert b"".join(source.chunks()) == member.read()
    assert io.BytesIO(path.read_bytes()).read(6) == b"blobs/"
