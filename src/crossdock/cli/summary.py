"""What `install` says when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.cli.console import human_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crossdock.ship.tree import TreeChange


def summary_lines(facts: Mapping[str, Any], target: str, directory: Path, change: TreeChange) -> list[str]:
    """Return the lines about one tree: what is in it, what changed, and what runs at Python's start."""
    kept = f", {change.kept} unchanged, {change.removed} removed" if change.kept or change.removed else ""
    done = (
        f"{target}: {len(facts['packages'])} packages, {facts['files']} files, {human_size(facts['bytes'])}"
        f" in {directory} ({change.written} written{kept}); {facts['binaries']} binaries fit"
    )
    return [done, *(f"runs at every start of Python: {hook}" for hook in facts["start_up_hooks"])]
