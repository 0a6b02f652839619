"""Rewrites src/crossdock/inspect/policies.toml and windows_dlls.txt from auditwheel's and delvewheel's data.

Run it where both are installed: `uv run --no-project --with auditwheel --with delvewheel
--with tomli-w python dev/refresh_policies.py`. What people wrote by hand (`[drivers]`, `[providers]`, ...)
lives in known_libraries.toml and is not touched.
"""

# A tool of the developers, not part of the package.

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import re
from importlib import resources
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent / "src" / "crossdock" / "inspect"
NUMBER = re.compile(r"\d+(\.\d+)*")


def newest(versions: list[str]) -> str:
    """Return the newest plain version; named ones (TM_1, FLOAT128) are no floor."""
    plain = [version for version in versions if NUMBER.fullmatch(version)]
    return max(plain, key=lambda text: [int(part) for part in text.split(".")], default="")


def policies(kind: str) -> list[dict[str, object]]:
    """Return auditwheel's policies of one libc, without its catch-all `linux`."""
    data = json.loads(resources.files("auditwheel.policy").joinpath(f"{kind}-policy.json").read_bytes())
    return [item for item in data if item["name"] != "linux"]


def table(kind: str, item: dict) -> list[str]:
    major, minor = item["name"].rsplit("_", 2)[1:]
    lines = [f"[[{kind}]]", f"libc = [{major}, {minor}]"]
    lines.append(f"libraries = {json.dumps(sorted(item['lib_whitelist']))}")
    for arch, symbols in sorted(item["symbol_versions"].items()):
        limits = {name: newest(versions) for name, versions in sorted(symbols.items())}
        words = ", ".join(f'{name} = "{version}"' for name, version in limits.items() if version)
        if words:
            lines.append(f"newest.{arch} = {{ {words} }}")
    return [*lines, ""]


def write_policies(today: str) -> None:
    version = importlib.metadata.version("auditwheel")
    lines = [
        "# What a manylinux or musllinux policy allows: libraries from outside the wheel, and the newest symbol",
        "# versions of each, by architecture. Written by dev/refresh_policies.py; do not edit.",
        f'source = "auditwheel {version}, auditwheel/policy/*.json"',
        f"date = {today}",
        "",
    ]
    for kind in ("manylinux", "musllinux"):
        for item in sorted(policies(kind), key=lambda one: [int(n) for n in one["name"].split("_")[1:]]):
            lines += table(kind, item)
    (HOME / "policies.toml").write_text("\n".join(lines), encoding="utf-8")


def write_windows(today: str) -> None:
    from delvewheel import _dll_list

    version = importlib.metadata.version("delvewheel")
    # One list for all CPUs: the longer one, arm64's, was only read from a newer Windows.
    names = sorted({name.lower() for group in _dll_list.ignore_names.values() for name in group})
    head = [
        "# DLLs that every supported Windows has in its system directory, one a line.",
        "# Written by dev/refresh_policies.py; do not edit.",
        f"# source: delvewheel {version}, _dll_list.ignore_names; date: {today}",
    ]
    (HOME / "windows_dlls.txt").write_text("\n".join([*head, *names, ""]), encoding="utf-8")


if __name__ == "__main__":
    day = dt.datetime.now(tz=dt.UTC).date().isoformat()
    write_policies(day)
    write_windows(day)
