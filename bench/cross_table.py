"""The results of bench.cross_matrix as the page docs/cross-build.md."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.cross_matrix import Result

PAGE = Path(__file__).parent.parent / "docs" / "cross-build.md"
#: Around the tables of each file of results, by its name.
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


def write(results: Sequence[Result], name: str) -> None:
    """Put the tables between the page's marks; the words around them are a person's."""
    text = PAGE.read_text(encoding="utf-8")
    before, _mark, rest = text.partition(BEGIN.format(name))
    _old, _mark, after = rest.partition(END.format(name))
    made = f"{BEGIN.format(name)}\n{tables(results)}\n{END.format(name)}"
    PAGE.write_text(f"{before}{made}{after}", encoding="utf-8")


def tables(results: Sequence[Result]) -> str:
    """Return the rates by target and Python, every package with its outcome, and the causes of failures.

    `results` are in the order in which they came: the first of a build is its first pass, the last is what counts.
    """
    places = sorted({(one.target, one.python) for one in results}, key=_order)
    last = list({_key(one): one for one in results}.values())
    parts = [_rates(results, last, places), _packages(last, places), _failures(last)]
    return "\n".join(part for part in parts if part)


def _key(result: Result) -> tuple[str, str, str]:
    return result.package, result.target, result.python


def _order(place: tuple[str, str]) -> tuple[bool, str, str]:
    return (place[0] != "linux/arm64", *place)


def passed(result: Result) -> bool:
    """Tell whether a wheel was built and did what it was asked; where nothing runs it, whether it was proven to fit."""
    return result.outcome == "built" and result.check in {"passed", "audited"}


def _rates(results: Sequence[Result], last: Sequence[Result], places: Iterable[tuple[str, str]]) -> str:
    rows = [
        "| target | Python | packages | first pass | now | rate now |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    first = {_key(one): one for one in reversed(results)}
    for target, python in places:
        own = [one for one in last if (one.target, one.python) == (target, python)]
        at_first, good = sum(passed(first[_key(one)]) for one in own), sum(map(passed, own))
        rows.append(
            f"| {target} | {python} | {len(own)} | {at_first} | {good} | {100 * good // len(own)} % |"
        )
    return "\n".join([*rows, ""])


def _packages(results: Sequence[Result], places: Sequence[tuple[str, str]]) -> str:
    heads = [f"{target} {python}" for target, python in places]
    rows = [f"| package | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"]
    found = {_key(one): one for one in results}
    for name in sorted({one.package for one in results}):
        cells = [_cell(found.get((name, *place))) for place in places]
        rows.append(f"| {_version(name, results)} | {' | '.join(cells)} |")
    return "\n".join([*rows, ""])


def _version(name: str, results: Sequence[Result]) -> str:
    versions = Counter(one.wheel.split("-")[1] for one in results if one.package == name and one.wheel)
    return " ".join([name, *(version for version, _count in versions.most_common(1))])


def _cell(result: Result | None) -> str:
    if result is None:
        return ""
    if not passed(result):
        return "**no**"
    tag = result.wheel.removesuffix(".whl").rpartition("-")[2]
    floor = "_".join(tag.split("_")[:3]) if tag.startswith(("many", "musl", "macos")) else tag
    grafted = f", {len(result.grafted)} grafted" if result.grafted else ""
    return f"{floor}{grafted}"


def _failures(results: Iterable[Result]) -> str:
    bad = sorted((one for one in results if not passed(one)), key=_key)
    if not bad:
        return ""
    rows = ["| package | target | Python | cause |", "| --- | --- | --- | --- |"]
    for one in bad:
        cause = one.cause.replace("|", "/").replace("\n", " ")
        rows.append(f"| {one.package} | {one.target} | {one.python} | {cause[:300]} |")
    return "\n".join(rows)
