"""The report as Markdown and as a page: names are anybody's words, and nothing is loaded from anywhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.ship.check.reports import make_report

from crossdock.ship.check.markdown import markdown
from crossdock.ship.check.model import Declared, FileFacts, Kind, Policy
from crossdock.ship.check.page import page

EVERYTHING = Policy(
    fail_on=frozenset(Kind), newer_than=datetime(2026, 6, 1, tzinfo=UTC), allow=("MIT",), deny=("GPL-*",)
)
VOID_ELEMENTS = {"meta", "rect", "br", "input", "wbr"}


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


def read(html: str) -> _Page:
    result = _Page()
    result.feed(html)
    result.close()
    assert result.open == []
    return result


def hostile(text: str) -> dict[str, FileFacts]:
    said = f"<script>alert(1)</script>\"'&|{text}"
    return {
        "pure": FileFacts(licence=Declared(words=(said,)), yanked=said, upload_time=said),
        "native": FileFacts(licence=Declared(unknown=said, source=said), index_unknown=said),
    }


@given(st.text(max_size=30))
def test_no_word_becomes_markup(text: str) -> None:
    found = read(page(make_report(EVERYTHING, hostile(text))))
    assert not found.seen & {"script", "link", "img", "iframe", "object"}
    assert not any(name.startswith("on") or name in {"src", "style"} for name, _ in found.attributes)


def test_the_page_needs_nothing_but_itself() -> None:
    html = page(make_report(EVERYTHING))
    found = read(html)
    assert not re.search(r"url\(|@import|https?:", html)
    assert "default-src 'none'" in dict(found.attributes)["content"]
    assert {value[0] for name, value in found.attributes if name == "href"} == {"#"}


def test_every_reason_that_a_cell_leads_to_is_there() -> None:
    found = read(
        page(make_report(EVERYTHING, {"pure": FileFacts(yanked="broken", upload_time="2026-07-01")}))
    )
    ids = {value for name, value in found.attributes if name == "id"}
    leads = {value[1:] for name, value in found.attributes if name == "href"}
    assert leads
    assert leads <= ids
    for said in (
        "native",
        "2.0",
        "broken",
        "2026-07-01",
        "box",
        "not needed",
        "compiled",
        "impossible",
        "MIT",
    ):
        assert said in found.text
    titles = [value for name, value in found.attributes if name == "title"]
    assert any("none of 2 wheels fits" in title for title in titles)


def test_the_filter_has_a_rule_in_the_style_sheet_for_each_word() -> None:
    html = page(make_report(EVERYTHING, hostile("")))
    style = html.partition("<style>")[2].partition("</style>")[0]
    words = ["found", "fails", *(str(kind) for kind in Kind)]
    for word in words:
        assert f"#show-{word}:checked ~ .scroll tbody tr:not(.{word})" in style
        assert f'#show-{word}:checked ~ .filters label[for="show-{word}"]' in style


def test_markdown_is_tables_whatever_the_words_are() -> None:
    text = markdown(make_report(EVERYTHING, hostile("a\nb | `c` <b> @someone [x](y)")))
    assert "<script>" not in text
    assert "@someone" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            assert cells in {3, 5}, line
    assert text.startswith("### ❌ crossdock check: 5 packages for 3 targets: failed ")
    assert text.count("<details>") == text.count("</details>") == 2


@given(st.text(max_size=40))
def test_no_word_ends_a_row_of_markdown(text: str) -> None:
    plain = markdown(make_report(EVERYTHING, hostile("")))
    assert len(markdown(make_report(EVERYTHING, hostile(text))).splitlines()) == len(plain.splitlines())


def test_equal_reports_are_equal_bytes() -> None:
    def once() -> tuple[str, str]:
        report = make_report(EVERYTHING, hostile("x"))
        return page(report), markdown(report)

    assert once() == once()


def test_a_lock_without_findings_says_so() -> None:
    from tests.lock.locks import linux, package

    report = make_report(entries=[package("pure", "1.0", "py3-none-any")], targets=(linux(),))
    assert report.passed
    assert "1 package for 1 target: passed" in read(page(report)).text
    assert markdown(report).startswith("### ✅ crossdock check: 1 package for 1 target: passed\n")
