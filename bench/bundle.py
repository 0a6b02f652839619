"""Making a function's zip for AWS Lambda: crossdock beside uv with zip, pex, and AWS's own builder."""

from __future__ import annotations

import functools
import hashlib
import shutil
import zipfile
from typing import TYPE_CHECKING

from bench import bundle_peers
from bench.bundle_setting import MINOR, TARGET, prepare
from bench.image import large_wheel
from bench.measure import Contestant
from bench.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.bundle_setting import Functions
    from bench.measure import Series

OURS, FIRST, COLD = "crossdock", "crossdock, the first time", "crossdock, nothing downloaded"
UV, PEX, BUILDERS = "uv, zip -r", "pex, flat-zipped", "aws-lambda-builders"

#: A function and its layers must be smaller than this, unzipped (AWS Lambda's quotas).
LIMIT = 262_144_000
#: What a wheel holds besides its one file, at most.
_AROUND = 4096


def plans(work: Path, left_out: list[str], *, rounds: int, slow_rounds: int) -> list[Plan]:
    """Return the cases about functions; why a tool is not measured goes to `left_out`."""
    functions = prepare(work / "lambda")
    if functions.builders is None:
        left_out.append(f"{BUILDERS}: it needs Python {MINOR}, the runtime's")
    result = [_made(functions, rounds)]
    if functions.unzipped + _AROUND < LIMIT:
        result.append(_near_the_limit(functions, slow_rounds))
    else:
        left_out.append(f"a function of 250 MB: the packages alone have {functions.unzipped} bytes")
    return result


def _made(functions: Functions, rounds: int) -> Plan:
    hashes: dict[str, set[str]] = {}
    return Plan(
        title="Lambda: function zip, everything downloaded before",
        text=f"{functions.packages} packages and an application of one module for `{TARGET}`, from downloaded wheels to a "
        f"zip of {functions.zipped / 1e6:.0f} MB: {functions.files} files, {functions.unzipped / 1e6:.0f} MB unzipped. crossdock's "
        "store has what was learnt of the wheels when they were first read; the first time it has the downloaded files "
        "alone. uv and pex have warm caches of their own, and uv makes hard links; pip, which aws-lambda-builders runs, "
        f"gets the same wheels as files. {functions.versions}.",
        contestants=[
            *(_ours(functions, functions.lock, name, hashes) for name in (OURS, FIRST)),
            *_peers(functions, hashes),
        ],
        base=OURS,
        rounds=rounds,
        conclude=functools.partial(_conclude_made, hashes=hashes, turns=rounds + 1),
    )


def _ours(
    functions: Functions, lock: Path, name: str, hashes: dict[str, set[str]], *, least: int = 0
) -> Contestant:
    word = {OURS: "crossdock", FIRST: "first", COLD: "cold"}[name]
    store, output = functions.store(word), lock.parent / f"{word}.zip"

    def start() -> None:
        output.unlink(missing_ok=True)
        if name == COLD:
            shutil.rmtree(store, ignore_errors=True)
        if name == FIRST:
            # The files stay downloaded; what was learnt of them goes.
            for path in store.iterdir():
                if path.name != "blobs":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    return Contestant(
        name=name,
        argv=functions.command(lock, output, "-q", *([] if name == COLD else ["--offline"])),
        environ={"CROSSDOCK_STORE": str(store)},
        prepare=start,
        check=_whole(functions, output, hashes.setdefault(OURS, set()), least=least),
    )


def _peers(functions: Functions, hashes: dict[str, set[str]]) -> list[Contestant]:
    work = functions.work

    def peer(
        name: str, argv: Sequence[str], output: Path, environ: Mapping[str, str], *trees: Path
    ) -> Contestant:
        def start() -> None:
            output.unlink(missing_ok=True)
            for tree in trees:
                shutil.rmtree(tree, ignore_errors=True)

        check = _whole(functions, output, hashes.setdefault(name, set()))
        return Contestant(name=name, argv=argv, environ=environ, prepare=start, check=check)

    tree, output = work / "tree-uv", work / "uv.zip"
    caches = {"UV_CACHE_DIR": str(functions.uv_cache)}
    peers = [peer(UV, bundle_peers.uv_and_zip(functions, tree, output), output, caches, tree)]
    tree, output = work / "tree-pex", work / "tree-pex.zip"
    peers.append(peer(PEX, bundle_peers.pex(functions, tree, output), output, {}, tree))
    if functions.builders is not None:
        tree, output = work / "tree-builders", work / "builders.zip"
        argv = bundle_peers.builders(functions, functions.builders, tree, output)
        wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(functions.wheels)}
        peers.append(
            peer(BUILDERS, argv, output, wheels, tree, tree.with_name(bundle_peers.scratch(tree.name)))
        )
    return peers


def _near_the_limit(functions: Functions, rounds: int) -> Plan:
    """Return the case of a function that is just small enough, which a wheel of one file fills up."""
    filler = LIMIT - functions.unzipped - _AROUND
    large = large_wheel(functions.work / "large", filler)
    # The wheel's name in its lock is relative to the lock, which so lies beside it.
    entry = large.read_text(encoding="utf-8").partition("[[packages]]")
    lock = large.with_name("pylock.full.toml")
    lock.write_text(f"{functions.lock.read_text(encoding='utf-8')}\n{''.join(entry[1:])}", encoding="utf-8")
    unused: dict[str, set[str]] = {}
    return Plan(
        title="Lambda: a function of 250 MB",
        text=f"The same packages, and one with a file of {filler / 1e6:.0f} MB that does not compress, so that all is just under "
        f"the {LIMIT:,} bytes that a function has to be smaller than, unzipped. With nothing downloaded, the network is "
        "included.",
        contestants=[
            _ours(functions, lock, name, unused, least=LIMIT - 2 * _AROUND) for name in (OURS, FIRST, COLD)
        ],
        base=OURS,
        rounds=rounds,
        conclude=_conclude_large,
    )


def _whole(functions: Functions, output: Path, hashes: set[str], *, least: int = 0) -> Callable[[], None]:
    """Return the check that a zip has all packages, the application and `least` bytes, which notes its hash."""

    def check() -> None:
        with zipfile.ZipFile(output) as archive:
            names, size = archive.namelist(), sum(info.file_size for info in archive.infolist())
        found = sum(name.count("/") == 1 and name.endswith(".dist-info/METADATA") for name in names)
        if found < functions.packages or "app.py" not in names:
            raise RuntimeError(f"{output.name} has {found} packages of {functions.packages}, or no app.py")
        if size < least:
            raise RuntimeError(f"{output.name} has {size} bytes unzipped, and should have {least}")
        with output.open("rb") as file:
            hashes.add(hashlib.file_digest(file, "sha256").hexdigest())

    return check


def _conclude_made(series: Sequence[Series], *, hashes: Mapping[str, set[str]], turns: int) -> list[str]:
    ours = next(one.median for one in series if one.contestant.name == OURS)
    first = next(one.median for one in series if one.contestant.name == FIRST)
    aims = {UV: " (the aim: 5)"}
    remarks = [
        f"crossdock is {one.median / ours:.1f} times as fast as {one.contestant.name}{aims.get(one.contestant.name, '')}, "
        f"and {one.median / first:.1f} times the first time."
        for one in series
        if one.contestant.name not in {OURS, FIRST}
    ]
    counts = ", ".join(f"{name} {len(found)}" for name, found in hashes.items() if name != OURS)
    return [
        *remarks,
        f"How many different zips {turns} turns of one command gave: crossdock {len(hashes[OURS])}, both ways together; {counts}.",
    ]


def _conclude_large(series: Sequence[Series]) -> list[str]:
    peak = max(sample.peak for one in series for sample in one.samples)
    return [f"{peak / 1e6:.0f} MB of memory at most (the aim: under 150 MB)."]
