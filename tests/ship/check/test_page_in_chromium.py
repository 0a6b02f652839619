"""The page of `crossdock check` in a real browser: the filter works without a script, nothing is loaded, it can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.ship.check.reports import make_report
from tests.support.chromium import Chromium

from crossdock.ship.check.model import Declared, FileFacts, Kind, Policy
from crossdock.ship.check.page import page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VISIBLE = (
    "[...document.querySelectorAll('.grid tbody tr')].filter(row => row.getClientRects().length)"
    ".map(row => row.querySelector('th').firstChild.textContent)"
)
_FINDINGS = (
    "[...document.querySelectorAll('tr[id]')].filter(row => row.getClientRects().length)"
    ".map(row => row.querySelector('td.word').textContent)"
)
#: The contrast of text and ground (WCAG 2.2, 1.4.3) of every cell of the grid, the least of them.
_CONTRAST = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = text => { const [r, g, b] = rgb(text).slice(0, 3).map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = element => { for (let one = element; one; one = one.parentElement) { const found = getComputedStyle(one).backgroundColor;
    if (rgb(found).length === 3 || rgb(found)[3] > 0) return found; } return 'rgb(255, 255, 255)'; };
  return Math.min(...[...document.querySelectorAll('.grid th, .grid td, .grid small, .grid i, .grid a, .grid b, .word, .outcome')].map(one => {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); }));
})()
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "check.html"
    said = "<img src=http://127.0.0.1:9/x onerror=alert(1)>"
    report = make_report(
        Policy(fail_on=frozenset({Kind.IMPOSSIBLE, Kind.LICENCE}), deny=("GPL-*",)),
        {
            "pure": FileFacts(licence=Declared(expression="GPL-3.0-only"), yanked=said),
            "winonly": FileFacts(licence=Declared(words=(said,)), index_unknown=said),
        },
    )
    path.write_text(page(report))
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


def test_the_filter_works_without_a_script(browser: Chromium, shown: Path) -> None:
    browser.show(shown, width=1200, height=900, scripts=False)
    assert browser.evaluate(_VISIBLE) == ["native", "nowhere", "pure", "source", "winonly"]
    browser.click("label[for='show-native']")
    assert browser.evaluate(_VISIBLE) == ["native"]
    assert browser.evaluate(_FINDINGS) == ["native"]
    browser.click("label[for='show-fails']")
    assert browser.evaluate(_VISIBLE) == ["nowhere", "pure"]
    browser.key("ArrowLeft", 37)
    assert browser.evaluate("document.querySelector('.pick:checked').id") == "show-found"
    assert len(browser.evaluate(_VISIBLE)) == 5


def test_a_cell_leads_to_its_reason(browser: Chromium, shown: Path) -> None:
    browser.show(shown, width=1200, height=400)
    browser.click(".grid .s-impossible a")
    assert browser.evaluate("document.querySelector(':target td.word').textContent") == "impossible"
    assert browser.evaluate("document.querySelector('.grid .s-impossible').title").startswith(
        "its wheel does not fit"
    )


def test_nothing_is_asked_for_and_nothing_runs(browser: Chromium, shown: Path) -> None:
    browser.show(shown, width=1200, height=900)
    assert browser.asked_for() == [shown.as_uri()]
    assert browser.complaints() == []
    assert browser.evaluate("document.querySelectorAll('img, script').length") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_word_can_be_read(browser: Chromium, shown: Path, dark: bool) -> None:
    browser.show(shown, width=1200, height=900, dark=dark)
    assert browser.evaluate(_CONTRAST) >= 4.5
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_is_no_wider_than_the_window(browser: Chromium, shown: Path, width: int) -> None:
    browser.show(shown, width=width, height=800)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_names_stay_in_sight_while_the_grid_is_scrolled(browser: Chromium, shown: Path) -> None:
    browser.show(shown, width=360, height=500)
    browser.evaluate("document.querySelector('.grid').scrollLeft = 400")
    left = "document.querySelector('.grid tbody th').getBoundingClientRect().left"
    assert browser.evaluate("document.querySelector('.grid').scrollLeft") > 0
    assert 0 <= browser.evaluate(left) < 40
