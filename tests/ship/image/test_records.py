"""Records of wheels: they come back as they were, the same bytes everywhere, and nothing hostile gets further."""

from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, ImageError
from crossdock.oci import media
from crossdock.oci.model import Descriptor, Manifest, parse_manifest
from crossdock.ship.image.annotations import KEY
from crossdock.ship.image.records import (
    ARTIFACT_TYPE,
    WheelRecord,
    decode_records,
    encode_records,
    records_attachment,
    records_blob,
    refuse_collisions,
)

RECORD = WheelRecord(
    name="demo",
    version="1.0",
    filename="demo-1.0-py3-none-any.whl",
    digest=Digest.of(b"demo"),
    tags=("py3-none-any",),
    binaries=(("demo/x.so", {"machine": 183, "needed": ["libc.so.6"]}),),
    problems=("dropped: demo/x.pyc",),
    start_up_hooks=("demo.pth",),
    metadata={"License": ("MIT", "é")},
    sboms={"demo-1.0.dist-info/sboms/a.json": "{}"},
    paths={"app/demo/__init__.py": "0123456789abcdef", 'app/demo/q"\\é': "fedcba9876543210"},
)

TEXT = st.text(max_size=12)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
RECORDS = st.lists(
    st.builds(
        WheelRecord,
        name=TEXT,
        version=TEXT,
        filename=TEXT,
        digest=st.binary(max_size=4).map(Digest.of),
        tags=TEXTS,
        binaries=st.lists(st.tuples(TEXT, st.dictionaries(TEXT, st.integers(), max_size=3)), max_size=2).map(
            tuple
        ),
        problems=TEXTS,
        start_up_hooks=TEXTS,
        metadata=st.dictionaries(TEXT, TEXTS, max_size=3),
        sboms=st.dictionaries(TEXT, TEXT, max_size=2),
        paths=st.dictionaries(TEXT, st.text("0123456789abcdef", min_size=16, max_size=16), max_size=9),
    ),
    max_size=3,
)


@given(RECORDS)
def test_records_come_back(records: list[WheelRecord]) -> None:
    assert decode_records(encode_records(records)) == tuple(records)


def test_the_bytes_are_what_they_were() -> None:
    packed = encode_records([RECORD, RECORD])
    assert (
        hashlib.sha256(packed).hexdigest()
        == "ad090fe5bfcdafd7c4c59732092ba35269e2c01e6f454d3de9bd2721d1fa4e9f"
    )
    assert json.loads(gzip.decompress(packed))["wheels"][0] == json.loads(json.dumps(RECORD.to_json()))


def test_the_order_of_paths_does_not_matter() -> None:
    turned = WheelRecord.from_json({**RECORD.to_json(), "paths": dict(reversed(list(RECORD.paths.items())))})
    assert encode_records([turned]) == encode_records([RECORD])


GOOD = json.loads(json.dumps(RECORD.to_json()))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"wheels": None},
        {"wheels": [1]},
        {"wheels": [{}]},
        {"wheels": [{**GOOD, "digest": "../../etc"}]},
        {"wheels": [{**GOOD, "digest": 5}]},
        {"wheels": [{**GOOD, "binaries": [1]}]},
        {"wheels": [{**GOOD, "binaries": [["a", "b"]]}]},
        {"wheels": [{**GOOD, "paths": ["a"]}]},
        {"wheels": [{**GOOD, "metadata": {"a": 1}}]},
        {"wheels": [{key: value for key, value in GOOD.items() if key != "sboms"}]},
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ImageError) as caught:
        decode_records(gzip.compress(json.dumps(value).encode()))
    assert caught.value.code == "E-IMAGE-RECORDS"


@pytest.mark.parametrize(
    "packed",
    [b"", b"{}", encode_records([RECORD])[:-9], gzip.compress(b"[" * 200_000), gzip.compress(b"\xff")],
    ids=["empty", "not packed", "cut off", "deep", "no text"],
)
def test_bytes_that_are_no_records_are_refused(packed: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        decode_records(packed)
    assert caught.value.code == "E-IMAGE-RECORDS"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(packed: bytes) -> None:
    for blob in (packed, gzip.compress(packed)):
        with pytest.raises(ImageError):
            decode_records(blob)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossdock.ship.image import records

    monkeypatch.setattr(records, "_LARGEST", 1 << 20)
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    with pytest.raises(ImageError, match="too large"):
        decode_records(bomb)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_the_artifact_names_its_subject_and_each_layers_records_by_key() -> None:
    subject = Descriptor.of(b"{}", media.MANIFEST, annotations={"not": "copied"})
    blobs = [records_blob(encode_records([RECORD]), "aa" * 32), records_blob(encode_records([]), "bb" * 32)]
    made = records_attachment(subject, blobs)
    assert made.descriptor.digest == Digest.of(made.manifest)
    manifest = parse_manifest(made.manifest)
    assert isinstance(manifest, Manifest)
    assert manifest.artifact_type == made.descriptor.artifact_type == ARTIFACT_TYPE
    assert manifest.subject is not None
    assert (manifest.subject.digest, dict(manifest.subject.annotations)) == (subject.digest, {})
    assert [layer.annotations[KEY] for layer in manifest.layers] == ["aa" * 32, "bb" * 32]
    assert {blob.descriptor.digest for blob in made.blobs} == {
        manifest.config.digest,
        *(layer.digest for layer in manifest.layers),
    }


def record(name: str, **paths: str) -> WheelRecord:
    return WheelRecord(
        name=name,
        version="1",
        filename=f"{name}.whl",
        digest=Digest.of(name.encode()),
        tags=(),
        paths={path.replace("__", "/"): short for path, short in paths.items()},
    )


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ({"a": "1"}, {"a": "1"}, False),
        ({"a": "1"}, {"b": "1"}, False),
        ({"a": "1"}, {"a": "2"}, True),
        ({"a": "1"}, {"a__b": "1"}, True),
        ({"a__b__c": "1"}, {"a": "1"}, True),
        ({"a__b": "1"}, {"a__c": "1"}, False),
        ({"ab": "1"}, {"a__b": "1"}, False),
    ],
)
def test_collisions_are_found_between_layers(one: dict[str, str], other: dict[str, str], clash: bool) -> None:
    records = [record("one", **one), record("two", **other)]
    if not clash:
        refuse_collisions(records)
        return
    for order in (records, records[::-1]):
        with pytest.raises(CrossdockError, match=r"`one 1` and `two 1`|`two 1` and `one 1`") as caught:
            refuse_collisions(order)
        assert caught.value.code == "E-SHIP-COLLISION"
