"""zstd layers: decoded where Python can, refused with a way out where it cannot."""

from __future__ import annotations

import bz2
import io
import sys
from types import SimpleNamespace

import pytest
from tests.support.layouts import tar_of

from crossdock.archive import zstd
from crossdock.archive.limits import Limits
from crossdock.contents.layer import read_layer
from crossdock.digest import Digest
from crossdock.errors import ArchiveError, ImageError
from crossdock.oci import media
from crossdock.oci.blob import BytesSource
from crossdock.oci.model import Descriptor

# bz2's decompressor has the methods of 3.14's `compression.zstd` (PEP 784 took them over), so the reading around
# the decoder can be held on every Python.
BZ2 = SimpleNamespace(ZstdDecompressor=bz2.BZ2Decompressor, ZstdError=OSError)
CONTENT = b"".join(b"%d " % number for number in range(300_000))


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd, "_module", lambda: BZ2)


def unpacked(data: bytes, **limits: int) -> bytes:
    reader = zstd.Unzstd(io.BytesIO(data), "layer", Limits(**limits))
    pieces = []
    while piece := reader.read(70_000):
        assert len(piece) <= 70_000
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.usefixtures("decoder")
def test_frames_follow_each_other() -> None:
    one = bz2.compress(CONTENT)
    assert unpacked(one) == CONTENT
    assert unpacked(one + bz2.compress(b"") + one) == CONTENT * 2
    raw = tar_of([("etc/x", CONTENT)])
    packed = bz2.compress(raw)
    facts = read_layer(Descriptor.of(packed, media.LAYER_ZSTD), Digest.of(raw), BytesSource(packed))
    assert [one.path for one in facts.entries] == ["etc/x"]


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bz2.compress(CONTENT)[:-5], "E-GZIP-TRUNCATED"),
        (b"", "E-GZIP-TRUNCATED"),
        (b"nothing of the kind", "E-GZIP-FORMAT"),
        (bz2.compress(CONTENT) + b"more", "E-GZIP-"),
        (bz2.compress(bytes(20 << 20)), "E-GZIP-LIMIT-TOTAL"),
    ],
)
def test_broken_streams_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpacked(data, total_size=10 << 20)
    assert caught.value.code.startswith(code)


def test_without_a_decoder_there_is_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # What an import of a module that is not there meets, also on a Python that has it.
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    layer = Descriptor.of(b"x", media.LAYER_ZSTD)
    with pytest.raises(ImageError) as caught:
        read_layer(layer, Digest.of(b"x"), BytesSource(b"x"))
    assert caught.value.code == "E-IMAGE-ZSTD"
    assert "skopeo copy" in (caught.value.hint or "")
