"""Where the bytes of an image are: areas tell the truth, names are anybody's, equal images give equal pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.support.images import make_image, make_layer

from crossdock.ship.image.model import Layer, LayerKind, Origin
from crossdock.ship.image.report import report_html, report_text
from crossdock.ship.image.report_compare import Change, compare, totals
from crossdock.ship.image.report_map import regions
from crossdock.ship.report.treemap import Rect, squarify
from crossdock.ship.report.words import human_size

BASE = make_layer("", 30_000_000, kind=LayerKind.BASE, origin=Origin.BASE)
NUMPY = make_layer("numpy 2.4.2", 15_000_000, ("numpy", "2.4.2", 14_900_000))
NEWER = make_layer("numpy 2.4.3", 15_100_000, ("numpy", "2.4.3", 15_000_000))
SMALL = make_layer("bucket 1", 60_000, ("idna", "3.12", 40_000), ("six", "1.17", 10_000))
APP = make_layer("application", 5_000, ("app", "1", 4_000), kind=LayerKind.APPLICATION)
VOID_ELEMENTS = {"meta", "rect", "br"}

values = st.lists(st.integers(min_value=0, max_value=10**9), max_size=40)
sides = st.floats(min_value=10, max_value=2000)


@given(values, sides, sides)
def test_areas_are_to_each_other_as_the_values_are(numbers: list[int], width: float, height: float) -> None:
    rects = squarify([float(number) for number in numbers], Rect(3.0, 7.0, width, height))
    assert len(rects) == len(numbers)
    total = sum(numbers)
    for number, rect in zip(numbers, rects, strict=True):
        expected = width * height * number / total if total else 0
        assert abs(rect.area - expected) <= 1e-6 * width * height


@given(values, sides, sides)
def test_rectangles_stay_inside_and_do_not_overlap(numbers: list[int], width: float, height: float) -> None:
    slack = 1e-6 * max(width, height)
    rects = [
        rect for rect in squarify([float(n) for n in numbers], Rect(0.0, 0.0, width, height)) if rect.area > 0
    ]
    for rect in rects:
        assert rect.x >= -slack
        assert rect.y >= -slack
        assert rect.x + rect.width <= width + slack
        assert rect.y + rect.height <= height + slack
    for at, one in enumerate(rects):
        for other in rects[at + 1 :]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert across <= slack or down <= slack


def test_equal_values_come_out_as_squares() -> None:
    rects = squarify([1.0] * 4, Rect(0.0, 0.0, 100.0, 100.0))
    assert {(round(rect.width), round(rect.height)) for rect in rects} == {(50, 50)}


@given(st.integers(min_value=10**6, max_value=10**9), st.integers(min_value=10**6, max_value=10**9))
def test_base_and_ours_are_drawn_to_one_scale(base: int, ours: int) -> None:
    layers = [make_layer("", base, kind=LayerKind.BASE), make_layer("one", ours)]
    found = {region.name: region.rect for region in regions(layers, Rect(0.0, 0.0, 1000.0, 460.0))}
    drawn = sum(rect.area for rect in found.values())
    assert abs(found["one"].area / drawn - ours / (base + ours)) < 1e-6


def test_packages_lie_within_their_layer() -> None:
    (region,) = regions([SMALL], Rect(0.0, 0.0, 300.0, 200.0))
    assert [part.label for part in region.parts] == ["idna 3.12", "six 1.17"]
    assert abs(sum(part.rect.area for part in region.parts) - region.rect.area) < 1e-6
    assert abs(region.parts[0].rect.area / region.parts[1].rect.area - 4) < 1e-9


def test_a_bump_is_one_changed_layer_and_its_bytes_are_what_is_pulled() -> None:
    image = make_image({"linux/amd64": [BASE, NEWER, SMALL, APP]}).platforms[0]
    found = compare(image, [BASE, NUMPY, SMALL, APP])
    assert [(one.change, one.name) for one in found.layers if one.change is not Change.SAME] == [
        (Change.CHANGED, "numpy 2.4.3")
    ]
    assert [(one.name, one.before, one.now) for one in found.packages] == [("numpy", "2.4.2", "2.4.3")]
    assert found.pull == 15_100_000 + len(image.manifest) + len(image.config)


def test_layers_of_small_packages_are_told_apart_by_what_is_in_them() -> None:
    one = make_layer("2 small packages", 50_000, ("idna", "3.12", 40_000), ("six", "1.17", 9_000))
    other = make_layer("2 small packages", 30_000, ("click", "8.4", 20_000), ("h11", "0.16", 9_000))
    bumped = make_layer("2 small packages", 31_000, ("click", "8.5", 21_000), ("h11", "0.16", 9_000))
    grown = make_layer("3 small packages", 60_000, *((part.name, part.version, part.compressed) for part in one.slices), ("anyio", "4", 9_000))  # fmt: skip
    found = compare(make_image({"linux/amd64": [bumped, grown]}).platforms[0], [one, other])
    assert [(change.before, change.change) for change in found.layers] == [
        (other, Change.CHANGED),
        (one, Change.CHANGED),
    ]


def test_what_is_new_and_what_is_gone_is_said() -> None:
    image = make_image({"linux/amd64": [BASE, NUMPY, APP]}).platforms[0]
    found = compare(image, [BASE, SMALL, APP])
    assert {one.name: one.change for one in found.layers} == {
        "base layer 1": Change.SAME,
        "numpy 2.4.2": Change.ADDED,
        "application": Change.SAME,
        "bucket 1": Change.REMOVED,
    }
    assert [(one.name, one.before, one.now) for one in found.packages] == [
        ("idna", "3.12", ""),
        ("numpy", "", "2.4.2"),
        ("six", "1.17", ""),
    ]


def test_a_layer_that_platforms_share_is_stored_once() -> None:
    found = totals(make_image({"linux/amd64": [NUMPY, SMALL], "linux/arm64/v8": [NEWER, SMALL]}))
    assert found.shared == 60_000
    assert found.stored == 15_000_000 + 15_100_000 + 60_000


class _Page(HTMLParser):
    """What a browser would make of the page, as far as it concerns us."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _read(html: str) -> _Page:
    page = _Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


names = st.text(min_size=1, max_size=30)


@given(names, names, names)
def test_no_name_becomes_markup(package: str, version: str, title: str) -> None:
    hostile = f"<script>alert(1)</script>\"'&{package}"
    layer = make_layer(title + hostile, 1_000_000, (hostile, version, 900_000))
    page = _read(report_html(make_image({"linux/amd64": [layer]}, title=hostile), {"linux/amd64": [APP]}))
    assert "script" not in page.seen
    assert not any(name.startswith("on") for name, _ in page.attributes)
    for line in report_text(make_image({"linux/amd64": [layer]}), {"linux/amd64": [APP]}).splitlines():
        assert line.isprintable()


def test_the_page_needs_nothing_but_itself() -> None:
    html = report_html(make_image({"linux/amd64": [BASE, NUMPY]}), None)
    page = _read(html)
    assert not page.seen & {"script", "link", "img", "iframe", "object"}
    assert not {name for name, _ in page.attributes} & {"src", "href", "style"}
    assert not re.search(r"url\(|@import|https?:", html)
    assert "default-src 'none'" in dict(page.attributes)["content"]


def test_equal_images_give_equal_reports() -> None:
    def once() -> tuple[str, str]:
        image = make_image({"linux/amd64": [BASE, NEWER, SMALL]}, title="orders", version="2")
        previous: dict[str, list[Layer]] = {"linux/amd64": [BASE, NUMPY, SMALL]}
        return report_html(image, previous), report_text(image, previous)

    assert once() == once()


def test_the_page_says_what_the_picture_shows() -> None:
    image = make_image({"linux/amd64": [BASE, NEWER, SMALL, APP]}, title="orders", version="2.0")
    text = _read(report_html(image, {"linux/amd64": [BASE, NUMPY, SMALL, APP]})).text
    for said in (
        "orders 2.0",
        "numpy",
        "2.4.2",
        "2.4.3",
        "base layer 1",
        "not in the previous image",
        "idna",
    ):
        assert said in text
    assert f"A client that has it pulls {human_size(15_100_000 + 2 + len('linux/amd64'))}" in text


@given(st.integers(min_value=40, max_value=200))
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    image = make_image({"linux/amd64": [BASE, NEWER, SMALL, APP], "linux/arm64/v8": [BASE, NUMPY]})
    said = report_text(image, {"linux/amd64": [BASE, NUMPY, SMALL]}, width=width)
    assert max(map(len, said.splitlines())) <= width


def test_the_terminal_form_names_the_change() -> None:
    image = make_image({"linux/amd64": [BASE, NEWER]})
    said = report_text(image, {"linux/amd64": [BASE, NUMPY]})
    assert "numpy 2.4.2 -> 2.4.3" in said
    assert "layers: 1 same, 1 changed" in said


def test_sizes_are_said_as_people_say_them() -> None:
    said = [human_size(size) for size in (0, 1023, 1024, 1_048_575, 1_048_576, 3 * 2**30, 5 * 2**40)]
    assert said == ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "3.0 GiB", "5120.0 GiB"]
