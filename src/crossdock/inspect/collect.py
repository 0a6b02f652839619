"""From a wheel's files to the facts that are kept of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.inspect.binary import HEAD_SIZE, examine, is_binary
from crossdock.inspect.finding import AuditFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.inspect.reader import Buffer

#: Part of the key under which facts are kept: raised when a reader learns to see more.
FACTS_VERSION = 1

_WHEEL_DATA = re.compile(r"[^/]+\.data/(?P<scheme>[a-z]+)/(?P<rest>.+)")


def binaries_of(
    files: Iterable[tuple[str, Buffer]],
    *,
    package: str = "",
    wheel: str | None = None,
    tags: tuple[str, ...] = (),
) -> list[AuditFile]:
    """Return the binaries among `files`, pairs of an installed path (see `installed_path`) and the content.

    Files that are no binaries cost a look at their first bytes; who reads from an archive can ask
    `is_binary` about these before it inflates the rest. A broken binary is returned as one that says so.
    """
    found = []
    for path, data in files:
        if not is_binary(bytes(data[:HEAD_SIZE])):
            continue
        binary = examine(data, path)
        if binary is not None:
            found.append(AuditFile(path=path, binary=binary, package=package, wheel=wheel, tags=tags))
    return found


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
