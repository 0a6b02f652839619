"""Manifests, pages and merged wheelhouses as values: any of them goes out and comes back, and says the same in each form."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from crossdock.net.pages import parse_page
from crossdock.ship.wheelhouse.delta import new_since
from crossdock.ship.wheelhouse.manifest import manifest_bytes, parse_manifest
from crossdock.ship.wheelhouse.merged import (
    conflicts,
    dropped_targets,
    forgotten,
    merged,
    other_origins,
    pruned,
)
from crossdock.ship.wheelhouse.model import Distribution, Manifest, Needed
from crossdock.ship.wheelhouse.pages import in_order, project_html, project_json, root_html, root_json

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
#: Whatever an index may say: quotes, angle brackets, ampersands, other scripts.
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    name = draw(st.sampled_from(["demo", "demo-two", "x"]))
    version = draw(st.sampled_from(["1.0", "1.0.post1", "2.0rc1", "1!0.1", "1.10", "1.9", "1.0+cu12.1"]))
    stem = f"{name.replace('-', '_')}-{version}"
    filename = draw(
        st.sampled_from([f"{stem}-py3-none-any.whl", f"{stem}-cp312-cp312-win_amd64.whl", f"{stem}.tar.gz"])
    )
    return Distribution(
        name=name,
        version=version,
        filename=filename,
        sha256=draw(HEX),
        size=draw(st.integers(0, 1 << 40)),
        requires_python=draw(st.sampled_from(["", ">=3.9", "<4,>=3.10", "!=3.12.*"])),
        upload_time=draw(st.sampled_from(["", "2026-01-02T03:04:05.000006Z"])),
        yanked=draw(st.none() | WORDS),
        metadata=draw(HEX) if filename.endswith(".whl") else "",
        provenance=draw(st.sampled_from(["", "https://index.example.com/a?b=<c>&d=\\"])),
        built_from=draw(st.none() | st.dictionaries(WORDS, WORDS, max_size=2)),
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    held = {one.path: one for one in draw(st.lists(distributions(), max_size=6))}
    paths = st.lists(st.sampled_from(sorted(held)), unique=True) if held else st.just([])
    locks = draw(st.dictionaries(st.sampled_from(["", "orders", "a_b-C"]), paths))
    return Manifest(
        distributions=held,
        locks={
            name: Needed(targets=("linux/arm64",), paths=tuple(sorted(found)), sha256=draw(st.just("") | HEX))
            for name, found in locks.items()
        },
    )


@given(manifests())
def test_a_manifest_comes_back_as_it_went(manifest: Manifest) -> None:
    content = manifest_bytes(manifest)
    assert parse_manifest(content) == manifest
    assert manifest_bytes(parse_manifest(content)) == content


@given(st.lists(distributions(), max_size=6))
def test_both_forms_of_a_page_say_what_our_reader_and_the_distributions_say(
    files: list[Distribution],
) -> None:
    unique = list({one.filename: one for one in files if one.name == "demo"}.values())
    url = "https://wheels.example.com/w/simple/demo/"
    html = parse_page(project_html("demo", unique), content_type="text/html", url=url).files
    listed = parse_page(project_json("demo", unique), content_type="application/json", url=url).files
    assert (
        [one.filename for one in html]
        == [one.filename for one in listed]
        == [one.filename for one in in_order(unique)]
    )
    for said, page, one in zip(html, listed, in_order(unique), strict=True):
        assert unquote(said.url) == unquote(page.url) == f"https://wheels.example.com/w/{one.path}"
        assert said.hashes == page.hashes == {"sha256": one.sha256}
        assert page.size == one.size
        assert (said.requires_python or "") == (page.requires_python or "") == one.requires_python
        assert said.yanked == one.yanked
        # JSON has true for a file that is yanked without a reason.
        assert page.yanked == one.yanked
        assert (page.upload_time or "") == one.upload_time
        assert (page.provenance or "") == (said.provenance or "") == one.provenance
        wanted = {"sha256": one.metadata} if one.metadata else None
        assert said.core_metadata == page.core_metadata == wanted


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


@given(st.lists(distributions(), max_size=6))
def test_nothing_that_an_index_says_becomes_a_tag(files: list[Distribution]) -> None:
    reader = _Tags()
    reader.feed(project_html("demo", {one.filename: one for one in files}.values()).decode())
    assert reader.tags <= {"html", "head", "meta", "title", "body", "h1", "a", "br"}


def test_the_root_names_each_project() -> None:
    names = ["b", "a"]
    assert [one["name"] for one in json.loads(root_json(names))["projects"]] == ["a", "b"]
    assert root_html(names).decode().index('href="a/"') < root_html(names).decode().index('href="b/"')


@given(manifests(), manifests())
def test_merging_and_pruning(old: Manifest, new: Manifest) -> None:
    both = merged(old, new)
    assert set(both.distributions) == set(old.distributions) | set(new.distributions)
    assert all(both.distributions[path].sha256 == one.sha256 for path, one in new.distributions.items())
    assert both.locks == {**old.locks, **new.locks}
    assert merged(both, new) == both
    for one in conflicts(old, new):
        assert old.distributions[one.path].sha256 != one.sha256
    assert not conflicts(old, old)
    kept = pruned(both)
    assert pruned(kept) == kept
    assert set(kept.distributions) == {path for lock in both.locks.values() for path in lock.paths}
    assert not pruned(forgotten(both, both.locks)).distributions


@given(manifests(), manifests())
def test_a_delta_has_what_the_other_lacks(manifest: Manifest, since: Manifest) -> None:
    new = {one.path for one in new_since(manifest, since)}
    for path, one in manifest.distributions.items():
        there = since.distributions.get(path)
        assert (path in new) == (there is None or there.sha256 != one.sha256)
    assert not new_since(manifest, manifest)


@given(distributions(), WORDS)
def test_what_an_index_said_stays_known(one: Distribution, reason: str) -> None:
    told = replace(one, yanked=reason, upload_time="2026-01-02T03:04:05.000006Z")
    silent = replace(one, yanked=None, upload_time="")
    manifest = merged(Manifest(distributions={one.path: told}), Manifest(distributions={one.path: silent}))
    assert manifest.distributions[one.path].yanked == reason
    assert manifest.distributions[one.path].upload_time == told.upload_time


@given(manifests(), manifests())
def test_what_a_lock_loses(old: Manifest, new: Manifest) -> None:
    assert not other_origins(old, old)
    assert not dropped_targets(old, old)
    for name in other_origins(old, new):
        assert "" != old.locks[name].origin != new.locks[name].origin
    none = replace(old, locks={name: replace(lock, targets=()) for name, lock in old.locks.items()})
    assert dropped_targets(old, none) == dict.fromkeys(old.locks, ("linux/arm64",))
    assert not dropped_targets(none, old)
