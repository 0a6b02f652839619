"""From a wheel's files to the facts that are kept of them."""

from __future__ import annotations

import re

#: Part of the key under which facts are kept: raised when a reader learns to see more.
FACTS_VERSION = 2

_WHEEL_DATA = re.compile(r"[^/]+\.data/(?P<scheme>[a-z]+)/(?P<rest>.+)")


def installed_path(member: str) -> str:
    """Return where a wheel's member lies once installed, relative to the directory imports start from.

    Binary distribution format, "The .data directory": purelib and platlib are that directory itself;
    scripts go to `bin`, headers to `include`, data to the prefix.
    """
    match = _WHEEL_DATA.fullmatch(member)
    if match is None:
        return member
    match match["scheme"]:
        case "scripts":
            return f"bin/{match['rest']}"
        case "headers":
            return f"include/{match['rest']}"
        case _:
            return match["rest"]
