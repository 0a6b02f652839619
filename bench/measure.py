"""Runs commands in turns and keeps what each took: wall time, processor time and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SPAWN = Path(__file__).with_name("spawn.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One command of a case.

    `prepare` runs before every turn, outside the measured time. `check` gets nothing and raises if the
    command did not do its work: a fast failure is no result.
    """

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None
    check: Callable[[], None] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One turn: seconds of wall time, of the processors' time in programs and in the kernel, and the peak of memory.

    `peak` is the largest resident set of any process of the turn, in bytes.
    """

    seconds: float
    user: float
    system: float
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All turns of one contestant."""

    contestant: Contestant
    samples: tuple[Sample, ...]

    @property
    def median(self) -> float:
        """Median wall time in seconds."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def fastest(self) -> float:
        """Shortest wall time in seconds."""
        return min(sample.seconds for sample in self.samples)

    @property
    def slowest(self) -> float:
        """Longest wall time in seconds."""
        return max(sample.seconds for sample in self.samples)

    @property
    def user(self) -> float:
        """Median processor time in the programs themselves, in seconds, all cores together."""
        return statistics.median(sample.user for sample in self.samples)

    @property
    def system(self) -> float:
        """Median processor time in the kernel on their behalf, in seconds."""
        return statistics.median(sample.system for sample in self.samples)

    @property
    def peak(self) -> float:
        """Median of the peak memory in bytes."""
        return statistics.median(sample.peak for sample in self.samples)


def run_once(contestant: Contestant, *, directory: Path) -> Sample:
    """Run a command and measure it; raise `RuntimeError` with its output when it fails."""
    if contestant.prepare is not None:
        contestant.prepare()
    # What the turn before wrote must not be written back during this one.
    os.sync()
    log = directory / "output.log"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_SPAWN), str(log), *contestant.argv],
        env={**os.environ, **contestant.environ},
        stdout=subprocess.PIPE,
        check=True,
    )
    status, *numbers = done.stdout.split()
    if status != b"0":
        raise RuntimeError(f"{contestant.name} failed:\n{log.read_text(errors='replace')[-4000:]}")
    if contestant.check is not None:
        contestant.check()
    seconds, user, system, peak = map(float, numbers)
    # Linux counts ru_maxrss in KiB.
    return Sample(seconds=seconds, user=user, system=system, peak=int(peak) * 1024)


def take_turns(contestants: Sequence[Contestant], *, rounds: int, directory: Path) -> list[Series]:
    """Measure the contestants A B C, A B C, ..: what slows the machine down for a while slows all of them.

    One round more than asked for is run, and the first is thrown away: it fills the page cache.
    """
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds + 1):
        for contestant in contestants:
            sample = run_once(contestant, directory=directory)
            if turn:
                samples[contestant.name].append(sample)
            said = "warm-up" if turn == 0 else f"{turn}/{rounds}"
            sys.stderr.write(f"  {said:>7}  {sample.seconds:8.3f} s  {contestant.name}\n")
    return [
        Series(contestant=contestant, samples=tuple(samples[contestant.name])) for contestant in contestants
    ]
