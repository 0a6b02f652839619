"""manifest.json as somebody else wrote it: it is a manifest whose pages can be made, or it is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ship.wheelhouse.test_values import distributions, manifests

from crossdock.errors import ShipError
from crossdock.ship.wheelhouse.directory import by_project
from crossdock.ship.wheelhouse.facts import sound
from crossdock.ship.wheelhouse.manifest import manifest_bytes, parse_manifest
from crossdock.ship.wheelhouse.model import Distribution, Manifest
from crossdock.ship.wheelhouse.pages import project_html, project_json, root_html, root_json

if TYPE_CHECKING:
    from collections.abc import Callable

ONE: dict[str, Any] = {
    "name": "demo",
    "version": "1.0",
    "filename": "demo-1.0-py3-none-any.whl",
    "sha256": "0" * 64,
    "size": 1,
    "metadata-sha256": "1" * 64,
    "requires-python": ">=3.9",
    "upload-time": "2026-01-02T03:04:05.000006Z",
    "provenance": "https://index.example.com/x",
    "yanked": "broken",
    "built-from": {"filename": "demo-1.0.tar.gz"},
}
PATH = "files/demo/demo-1.0-py3-none-any.whl"
LOCK: dict[str, Any] = {"targets": ["linux/arm64"], "files": [PATH], "sha256": "2" * 64}
GOOD: dict[str, Any] = {"form": 1, "distributions": [ONE], "locks": {"": LOCK}}


def parsed(content: bytes) -> Manifest | ShipError:
    try:
        return parse_manifest(content)
    except ShipError as error:
        return error


def taken(content: bytes) -> Manifest | None:
    """Parse; None for a refusal. What is taken can be written and told on pages."""
    manifest = parsed(content)
    if isinstance(manifest, ShipError):
        assert manifest.code == "E-WHEELHOUSE-MANIFEST"
        return None
    projects = by_project(manifest)
    for name, files in projects.items():
        assert project_html(name, files) and project_json(name, files)  # noqa: PT018 - that they come
    assert root_html(projects) and root_json(projects)  # noqa: PT018
    again = manifest_bytes(manifest)
    assert manifest_bytes(parse_manifest(again)) == again
    return manifest


def test_the_nearest_good_one_is_taken() -> None:
    assert taken(json.dumps(GOOD).encode()) is not None


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(1 << 60, 1 << 2000)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["\ud800", "", "=>3", "2026-13-01T00:00:00Z", "1" * 5000, PATH, "a" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = changed(copy[place[0]], place[1:], new)
    return copy


@given(st.data(), manifests() | st.none(), st.booleans())
def test_whatever_is_changed_in_a_manifest_it_is_one_or_it_is_refused(
    data: st.DataObject, manifest: Manifest | None, escaped: bool
) -> None:
    table = GOOD if manifest is None else json.loads(manifest_bytes(manifest))
    for _ in range(data.draw(st.integers(1, 3))):
        table = changed(table, data.draw(st.sampled_from(places(table))), data.draw(ANY))
    text = json.dumps(table, ensure_ascii=escaped)
    taken(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=64))
def test_bytes_that_are_no_manifest_are_refused(content: bytes) -> None:
    assert taken(content) is None


@pytest.mark.parametrize(
    "content",
    [
        b"NaN",
        b"-Infinity",
        b"[" * 1_000_000,
        b'{"form": ' * 100_000,
        b'{"form": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD)[:-1].encode() + b', "more": NaN}',
        json.dumps(GOOD).replace('"broken"', '"\xff"').encode("latin-1"),
        json.dumps(GOOD).replace('"size": 1', '"size": 1e3').encode(),
    ],
)
def test_json_that_is_none_is_refused(content: bytes) -> None:
    assert taken(content) is None


def with_one(**said: Any) -> dict[str, Any]:
    return {
        **GOOD,
        "distributions": [{**ONE, **{key.replace("_", "-"): value for key, value in said.items()}}],
    }


def with_lock(**said: Any) -> dict[str, Any]:
    return {**GOOD, "locks": {"": {**LOCK, **said}}}


@pytest.mark.parametrize(
    "table",
    [
        {**GOOD, "form": True},
        {**GOOD, "form": 0},
        {**GOOD, "form": 1.0},
        with_lock(files=[[]]),
        with_lock(files=[{}]),
        with_lock(files=[None]),
        with_lock(targets=[[]]),
        with_lock(targets=["\ud800"]),
        with_lock(targets=[1]),
        with_lock(sha256="0"),
        with_lock(sha256=0),
        with_one(yanked="\udfff"),
        with_one(built_from={"\ud800": "x"}),
        with_one(built_from={"x": "\ud800"}),
        with_one(provenance="https://\ud800"),
        with_one(requires_python="=>3.9"),
        with_one(requires_python="three"),
        with_one(requires_python="===\ud800"),
        with_one(requires_python=">=3" + ",>=3" * 300),
        with_one(upload_time="yesterday"),
        with_one(upload_time="2026-01-02"),
        with_one(upload_time="2026-01-02T03:04:05"),
        with_one(upload_time="2026-02-30T03:04:05Z"),
        with_one(upload_time="2026-01-02T03:04:05Z\n"),
        with_one(size=True),
        with_one(size=1 << 60),
        with_one(filename=f"demo-{'1' * 250}.tar.gz"),
        with_one(version="1" * 5000),
    ],
)
def test_what_cannot_be_repeated_is_refused(table: dict[str, Any]) -> None:
    assert taken(json.dumps(table).encode()) is None


@pytest.mark.parametrize(
    "moment", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05+05:30"]
)
def test_each_spelling_of_a_moment_is_taken(moment: str) -> None:
    assert taken(json.dumps(with_one(upload_time=moment)).encode()) is not None


@given(
    distributions(),
    st.text(st.characters(), max_size=9),
    st.sampled_from(["requires_python", "upload_time", "provenance", "yanked"]),
)
def test_whatever_an_index_says_what_is_written_can_be_read(one: Distribution, said: str, field: str) -> None:
    change: Callable[..., Distribution] = replace
    told = sound(change(one, **{field: said}, built_from={said: said}))
    manifest = Manifest(distributions={told.path: told})
    assert parse_manifest(manifest_bytes(manifest)) == manifest
    assert sound(told) == told
