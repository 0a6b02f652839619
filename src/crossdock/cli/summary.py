"""What `install` says when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.cli.console import human_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossdock.ship.tree import TreeChange


def summary_lines(facts: Mapping[str, Any], target: str, directory: Path, change: TreeChange) -> list[str]:
    """Return the lines about one tree: what is in it, what changed, and what runs at Python's start."""
    kept = f", {change.kept} unchanged, {change.removed} removed" if change.kept or change.removed else ""
    done = (
        f"{target}: {_count(facts['packages'])}, {facts['files']} files, {human_size(facts['bytes'])}"
        f" in {directory} ({change.written} written{kept}); {_verdict(facts)}"
    )
    edited = [f"left alone, edited since it was installed: {path}" for path in change.edited]
    return [done, *edited, *(f"runs at every start of Python: {hook}" for hook in facts["start_up_hooks"])]


def _verdict(facts: Mapping[str, Any]) -> str:
    count = facts["binaries"]
    errors = sum(finding["severity"] == "error" for finding in facts["findings"])
    if errors:
        return f"{count} binaries read, {errors} findings accepted by name"
    if not count:
        return "no binaries in it"
    return "its binary fits" if count == 1 else f"{count} binaries fit"


def _count(packages: Sequence[object]) -> str:
    return "1 package" if len(packages) == 1 else f"{len(packages)} packages"
