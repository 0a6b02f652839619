"""Files for users who stay with a rule set's own hub: each adapter writes what that rule set reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.ship.bazel.adapters import gazelle, rules_pycross, rules_python, uv_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crossdock.ship.bazel.adapters.model import Request

#: By the word of `--adapter`.
ADAPTERS: Mapping[str, Callable[[Request], dict[str, bytes]]] = {
    "rules_python": rules_python.files,
    "rules_pycross": rules_pycross.files,
    "rules_py": uv_lock.files,
    "gazelle": gazelle.files,
}


def adapter_files(names: Iterable[str], request: Request) -> dict[str, bytes]:
    """Return the files of some adapters by their paths below the directory; raise `UsageError` for what cannot be."""
    found: dict[str, bytes] = {}
    for name in dict.fromkeys(names):
        found |= ADAPTERS[name](request)
    return found
