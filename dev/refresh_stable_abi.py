"""Rewrites src/crossdock/build/repair/stable_abi.toml from abi3info's data, which is CPython's own stable_abi.toml.

Run it where that is installed: `uv run --no-project --with abi3info python dev/refresh_stable_abi.py`.
"""

# A tool of the developers, not part of the package.

from __future__ import annotations

import datetime as dt
import importlib.metadata
from collections import defaultdict
from pathlib import Path

import abi3info

PLACE = Path(__file__).resolve().parent.parent / "src/crossdock/build/repair/stable_abi.toml"


def main() -> None:
    """Write the file."""
    since = defaultdict(list)
    for symbol, item in {**abi3info.FUNCTIONS, **abi3info.DATAS}.items():
        since[item.added.major, item.added.minor].append(symbol.name)
    lines = [
        "# The symbols of CPython's stable ABI by the version in which each came (PEP 384).",
        "# Written by dev/refresh_stable_abi.py; do not edit.",
        f'source = "abi3info {importlib.metadata.version("abi3info")}, of CPython\'s Misc/stable_abi.toml"',
        f"date = {dt.datetime.now(tz=dt.UTC).date()}",
        "",
        "[since]",
    ]
    for (major, minor), names in sorted(since.items()):
        lines.append(f'"{major}.{minor}" = [')
        lines += [f'    "{name}",' for name in sorted(names)]
        lines.append("]")
    PLACE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
