"""Writes a target as pex wants it, a "complete platform": `python -m bench.complete_platform TARGET X.Y FILE`.

A process of its own, because what the harness holds in memory shows in what it starts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from crossdock.target.names import parse_python, parse_target
from crossdock.target.tags import wheel_tags


def complete_platform(name: str, minor: str) -> dict[str, object]:
    """Return the tags and the markers of a Linux target, best tag first."""
    target = parse_target(name, default_python=parse_python(minor))
    return {
        "compatible_tags": [str(tag) for tag in wheel_tags(target)],
        "marker_environment": {
            "implementation_name": "cpython",
            "implementation_version": f"{minor}.0",
            "os_name": "posix",
            "platform_machine": str(target.arch),
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{minor}.0",
            "python_version": minor,
            "sys_platform": "linux",
        },
    }


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(complete_platform(sys.argv[1], sys.argv[2])), encoding="utf-8")
