"""Starting the program, and planning for many packages and targets at once."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.installs import MINOR
from bench.measure import Contestant
from bench.plan import Plan
from bench.synthetic import TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.installs import Setting
    from bench.measure import Series

PACKAGES = 500


def _start(setting: Setting, rounds: int) -> Plan:
    bare = Contestant(name="python", argv=[sys.executable, "-c", "pass"], note="a bare interpreter")
    contestants = [bare] + [
        Contestant(name=" ".join(words), argv=[setting.tool(words[0]), *words[1:]])
        for words in (
            ("crossdock", "--version"),
            ("crossdock", "--help"),
            ("uv", "--version"),
            ("pip", "--version"),
            ("pex", "--version"),
        )
    ]
    return Plan(
        title="Starting",
        text="From the shell to the prompt, beside a Python that does nothing (the aim: under twice that).",
        contestants=contestants,
        base="python",
        rounds=rounds,
    )


def _synthetic(work: Path) -> Path:
    path = work / "big" / "pylock.toml"
    path.parent.mkdir(parents=True)
    # In a process of its own: what this process holds in memory would show in what it starts.
    subprocess.run([sys.executable, "-m", "bench.synthetic", str(PACKAGES), str(path)], check=True)
    return path


def _grid(setting: Setting, rounds: int) -> Plan:
    lock = _synthetic(setting.work)
    targets = [word for target in TARGETS for word in ("--for", target)]
    start = [setting.tool("crossdock"), "plan", str(lock), *targets, "--python", MINOR, "--offline"]
    environ = {"CROSSDOCK_STORE": str(setting.work / "store")}
    name = "crossdock plan"
    return Plan(
        title=f"Planning {PACKAGES} packages for {len(TARGETS)} targets",
        text=f"A synthetic lock with 40 wheels and a source distribution a package, "
        f"{lock.stat().st_size / 2**20:.1f} MiB, every fifth package with a marker (the aim: under 2 s and 200 MB). "
        "`read only` parses the file with `tomllib` and does nothing else.",
        contestants=[
            Contestant(name=name, argv=start, environ=environ),
            Contestant(name="crossdock plan --json", argv=[*start, "--json"], environ=environ),
            Contestant(
                name="read only",
                argv=[sys.executable, "-c", f"import tomllib; tomllib.load(open({str(lock)!r}, 'rb'))"],
            ),
        ],
        base=name,
        rounds=rounds,
        conclude=functools.partial(_in_words, name=name),
    )


def _in_words(series: Sequence[Series], *, name: str) -> list[str]:
    plan = next(one for one in series if one.contestant.name == name)
    return [f"{plan.median:.2f} s and {plan.peak / 1e6:.0f} MB."]


def plans(setting: Setting, *, rounds: int) -> list[Plan]:
    """Return the cases about anything but installing."""
    return [_start(setting, max(rounds, 15)), _grid(setting, rounds)]
