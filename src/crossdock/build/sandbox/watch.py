"""What a tree of processes uses: seen through /proc, or `ps` where there is none."""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
from pathlib import Path

_PROC = Path("/proc")


def tree(root: int) -> list[int]:
    """Return `root` and all processes that descend from it."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def memory(pids: list[int], limit: int) -> int:
    """Return the bytes that `pids` hold: pages that many of them share count once where the sum is over `limit`."""
    if not _has_proc():
        return _ps_memory(set(pids))
    used = sum(_resident(pid) for pid in pids)
    return used if used <= limit else sum(_proportional(pid) for pid in pids)


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _parents() -> list[tuple[int, int]]:
    """Return each process of the machine with its parent."""
    if not _has_proc():
        return [(pid, parent) for pid, parent, _ in _ps()]
    found = []
    for name in os.listdir(_PROC):  # noqa: PTH208  hundreds of names, twice a second
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name in brackets may hold anything, brackets too.
                fields = (_PROC / name / "stat").read_bytes().rpartition(b")")[2].split()
                found.append((int(name), int(fields[1])))
    return found


def _resident(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError, ValueError):
        return 0


def _proportional(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    except (OSError, IndexError, ValueError):
        return _resident(pid)
    return 0


def _ps() -> list[tuple[int, int, int]]:
    done = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=False, env={}
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(int(row[0]), int(row[1]), int(row[2])) for row in rows if len(row) == 3]  # noqa: PLR2004  as asked for


def _ps_memory(pids: set[int]) -> int:
    return sum(resident << 10 for pid, _, resident in _ps() if pid in pids)
