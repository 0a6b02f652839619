"""Writes what was measured as Markdown."""

from __future__ import annotations

import datetime as dt
import os
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.measure import Series

_HEAD = """# Benchmarks

Written by `make bench` ({date}); run it again to compare on your machine. Every figure is the median of {rounds}
turns unless the case says otherwise, with the fastest and the slowest beside it. Within a case the commands take
turns (A B C, A B C, ..), after a round that is thrown away, and what a run writes is removed before the next one
outside the measured time. User and system time are the processors' in the programs and in the kernel, all cores
together. Memory is the largest resident set of any process of the command (`wait4`), as the median of the turns; Linux
counts what the small program holds that starts a command too, so that {floor} MiB is the least it can show. Ratios compare medians. Each run's exit status is checked, and each tree's packages are counted.

| | |
| --- | --- |
| machine | {machine} |
| Python | {python} |
| tools | {tools} |
| the lock | {lock} |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question, its answer in figures, and what to know when reading them."""

    title: str
    text: str
    series: Sequence[Series]
    base: str
    """The contestant that the others are compared with."""
    rounds: int
    remarks: Sequence[str] = ()


def machine() -> str:
    """Return the CPU, memory and system of this machine in a line."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release().partition('-')[0]}"


def _table(case: Case) -> list[str]:
    base = next(series.median for series in case.series if series.contestant.name == case.base)
    return [
        f"| | median | fastest to slowest | ratio to {case.base} | user + system time | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {series.contestant.name} | {series.median:.3f} s | {series.fastest:.3f} to {series.slowest:.3f} s "
            f"| {series.median / base:.2f} | {series.user:.2f} + {series.system:.2f} s | {series.peak / 2**20:.0f} MiB |"
            for series in case.series
        ),
    ]


def _command(series: Series, shown: Mapping[str, str]) -> str:
    contestant = series.contestant
    words = [f"{name}={value}" for name, value in contestant.environ.items()] + [
        shlex.quote(word) for word in contestant.argv
    ]
    line = " ".join(words)
    for path, name in shown.items():
        line = line.replace(path, name)
    return f"{line}   # {contestant.name}" + (f": {contestant.note}" if contestant.note else "")


def report(
    cases: Sequence[Case],
    *,
    rounds: int,
    facts: Mapping[str, str],
    shown: Mapping[str, str],
    left_out: Sequence[str],
) -> str:
    """Return the page. `shown` maps this machine's paths to what stands for them in the commands."""
    date = dt.datetime.now(tz=dt.UTC).date().isoformat()
    lines = _HEAD.format(date=date, rounds=rounds, machine=machine(), **facts).splitlines()
    for case in cases:
        lines += ["", f"## {case.title}", case.text]
        if case.rounds != rounds:
            lines[-1] += f" {case.rounds} turns."
        lines += ["", *_table(case)]
        if case.remarks:
            lines += ["", *(f"- {remark}" for remark in case.remarks)]
        lines += ["", "```sh", *(_command(series, shown) for series in case.series), "```"]
    if left_out:
        lines += ["", "## Left out", *(f"- {reason}" for reason in left_out)]
    return "\n".join(lines) + "\n"
