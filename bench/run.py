"""Measures crossdock beside uv, pip and pex on the same lock and writes docs/benchmarks.md: `python -m bench.run`."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import bundle, cross, image, installs, layers, mirror, others
from bench.image_setting import Unavailable
from bench.measure import Contestant, run_once, take_turns
from bench.report import Case, report

if TYPE_CHECKING:
    from bench.plan import Plan

ROOT = Path(__file__).parents[1]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each case (default 7)")
    parser.add_argument(
        "--cold-rounds", type=int, default=3, help="turns of what downloads everything (default 3)"
    )
    parser.add_argument(
        "--lock", type=Path, help="a pylock.toml to measure with instead of a new one of the demonstration"
    )
    parser.add_argument("--only", metavar="WORDS", help="only the cases with one of these words in the title")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "bench", help="where everything is written"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs" / "benchmarks.md", help="`-`: standard output"
    )
    return parser.parse_args()


def _layer_plans(options: argparse.Namespace, work: Path, left_out: list[str]) -> list[Plan]:
    """Return the cases about single layers if any of them is wanted, and the wheels can be had."""
    if options.only and not re.search(options.only.replace(",", "|"), "layer", re.IGNORECASE):
        return []
    try:
        return layers.plans(work, rounds=options.rounds)
    except subprocess.CalledProcessError as reason:
        left_out.append(f"Layers: {reason}")
        return []


def _mirror_plans(options: argparse.Namespace, work: Path, left_out: list[str]) -> list[Plan]:
    """Return the cases about wheelhouses if any of them is wanted."""
    if options.only and not re.search(options.only.replace(",", "|"), "wheelhouse", re.IGNORECASE):
        return []
    try:
        demo = ROOT / "examples" / "demo" / "requirements.txt"
        return mirror.plans(work / "mirror", demo, rounds=options.rounds, slow_rounds=options.cold_rounds)
    except subprocess.CalledProcessError as reason:
        left_out.append(f"Wheelhouses: {reason}")
        return []


def _bundle_plans(options: argparse.Namespace, work: Path, left_out: list[str]) -> list[Plan]:
    """Return the cases about functions' zips if any of them is wanted: four tools get their caches filled."""
    if options.only and not re.search(options.only.replace(",", "|"), "lambda", re.IGNORECASE):
        return []
    try:
        return bundle.plans(work, left_out, rounds=options.rounds, slow_rounds=options.cold_rounds)
    except (Unavailable, subprocess.CalledProcessError) as reason:
        left_out.append(f"Lambda: {reason}")
        return []


def _cross_plans(options: argparse.Namespace, work: Path, left_out: list[str]) -> list[Plan]:
    """Return the cases about cross builds if any of them is wanted: they need an arm64 system with gcc."""
    if options.only and not re.search(options.only.replace(",", "|"), "cross", re.IGNORECASE):
        return []
    try:
        return cross.plans(work, rounds=options.rounds, slow_rounds=options.cold_rounds)
    except subprocess.CalledProcessError as reason:
        left_out.append(f"Cross builds: {reason}")
        return []


def _image_plans(
    options: argparse.Namespace, work: Path, exits: ExitStack, left_out: list[str]
) -> list[Plan]:
    """Return the cases about images, which take a while to prepare, if any of them is wanted."""
    if options.only and not re.search(options.only.replace(",", "|"), "image", re.IGNORECASE):
        return []
    try:
        return image.plans(work, exits, rounds=options.rounds, slow_rounds=options.cold_rounds)
    except (Unavailable, subprocess.CalledProcessError) as reason:
        left_out.append(f"Images: {reason}")
        return []


def _version(*argv: str) -> str:
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    return found.group() if found else said.strip()


def main() -> int:
    """Measure every case and write the page."""
    with ExitStack() as exits:
        return _measure(_arguments(), exits)


def _measure(options: argparse.Namespace, exits: ExitStack) -> int:
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    setting = installs.prepare(work, options.lock or ROOT / "examples" / "demo" / "requirements.txt")
    left_out: list[str] = list(setting.left_out)
    plans = [
        *installs.plans(setting, rounds=options.rounds, cold_rounds=options.cold_rounds),
        *others.plans(setting, rounds=options.rounds),
        *_layer_plans(options, work, left_out),
        *_bundle_plans(options, work, left_out),
        *_mirror_plans(options, work, left_out),
        *_cross_plans(options, work, left_out),
        *_image_plans(options, work, exits, left_out),
    ]
    cases = []
    for plan in plans:
        if options.only and not re.search(options.only.replace(",", "|"), plan.title, re.IGNORECASE):
            continue
        sys.stderr.write(f"{plan.title}\n")
        try:
            series = take_turns(plan.contestants, rounds=plan.rounds, directory=work)
        except RuntimeError as error:
            sys.stderr.write(f"{error}\n")
            left_out.append(f"{plan.title}: {' '.join(str(error).splitlines()[:2])}")
            continue
        cases.append(
            Case(
                title=plan.title,
                text=plan.text,
                series=series,
                base=plan.base,
                rounds=plan.rounds,
                remarks=plan.conclude(series),
            )
        )
    page = report(
        cases,
        rounds=options.rounds,
        facts={
            "floor": f"{run_once(Contestant(name='nothing', argv=['/bin/true']), directory=work).peak / 2**20:.0f}",
            "python": sys.version.split()[0],
            "tools": ", ".join(
                f"{name} {_version(setting.tool(name), '--version')}"
                for name in ("crossdock", "uv", "pip", "pex")
            ),
            "lock": f"{len(setting.pins)} packages of {'the lock given' if options.lock else '`examples/demo`'} for `{setting.target}`, {setting.size_text}",
        },
        shown={f"{work}/": "", str(ROOT / ".venv" / "bin") + "/": "", f"{ROOT}/": ""},
        left_out=left_out,
    )
    if str(options.output) == "-":
        sys.stdout.write(page)
    else:
        options.output.write_text(page, encoding="utf-8")
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
