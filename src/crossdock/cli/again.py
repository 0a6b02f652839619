"""The same install again: answered from the store before anything else is imported (docs/adr/0006).

Only what came from a lock file is remembered, under everything that the command could read: its words, the
working directory, and the contents of every file named and of every settings file beside them.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossdock.store import Store

#: Files beside a source that may decide: settings, locks, requirements, scripts, target files.
_DECIDING = (".toml", ".lock", ".txt", ".in", ".cfg", ".json", ".py", ".python-version")

#: More files or bytes than these are not read for this: the usual way is then the faster one.
_MOST_FILES = 500
_MOST_BYTES = 32 << 20


def again_key(arguments: Sequence[str]) -> str | None:
    """Return the key of a command's words and of all that it could read; None if that is too much.

    The directory that is written does not count: the same may be asked for in another place.
    """
    found = hashlib.sha256()
    words, _root = _without_root(arguments)
    try:
        directory = os.getcwd()
        found.update(repr((1, __version__, sys.version_info[:2], directory, words)).encode())
        budget = [_MOST_FILES, _MOST_BYTES]
        for place in dict.fromkeys([directory, *_places(words)]):
            for path in _deciding(place):
                content = Path(path).read_bytes()
                budget = [budget[0] - 1, budget[1] - len(content)]
                if min(budget) < 0:
                    return None
                found.update(f"\0{path}\0{len(content)}\0".encode())
                found.update(content)
    except (OSError, UnicodeEncodeError):
        return None
    return found.hexdigest()


def _without_root(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Take the directory that is written out of the words."""
    words: list[str] = []
    root: str | None = None
    wanted = False
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if wanted:
            root, wanted = argument, False
        elif equals and option == "--target":
            root = value
        elif argument in {"-t", "--target"}:
            wanted = True
        else:
            words.append(argument)
    return words, root


def _places(words: Sequence[str]) -> Iterator[str]:
    """Give every file and directory that the words name."""
    for argument in words:
        _option, equals, value = argument.partition("=")
        for word in {argument, value if equals else argument}:
            if os.path.isdir(word):
                yield os.path.abspath(word)
            elif os.path.isfile(word):
                yield os.path.abspath(word)
                yield os.path.dirname(os.path.abspath(word))


def _deciding(place: str) -> Iterator[str]:
    if os.path.isfile(place):
        yield place
        return
    for name in sorted(os.listdir(place)):
        path = os.path.join(place, name)
        if name.endswith(_DECIDING) and os.path.isfile(path):
            yield path


def remember_command(
    store: Store, key: str | None, parts: Sequence[Mapping[str, Any]], said: Sequence[str]
) -> None:
    """Keep what a command wrote and said.

    A part is a tree: the shipment's `key`, the `directory` below the command's (`.` for that itself), the
    `target` by name, the `mode`, and whether the command was `quiet`.
    """
    if key is not None:
        rebuilt = store.get_fact("cross-rebuilt", "")
        store.put_fact("again", key, {"parts": list(parts), "said": list(said), "rebuilt": rebuilt})


def replay(arguments: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Do again what the same command did, and return its exit status; None if that is not known for sure.

    Whatever goes wrong is left to the usual way, which does it over and says what is wrong.
    """
    key, root = again_key(arguments), _without_root(arguments)[1]
    if key is None or root is None:
        return None
    from crossdock.errors import CrossdockError
    from crossdock.store import Store, default_root

    silent: list[str] = []
    store = Store.open(default_root(environ, platform=sys.platform), warn=silent.append)
    known = store.get_fact("again", key)
    if silent or not isinstance(known, dict) or known.get("rebuilt") != store.get_fact("cross-rebuilt", ""):
        return None
    try:
        lines = _write_parts(store, known, Path(root))
    except CrossdockError:
        return None
    if lines is None:
        return None
    sys.stderr.write("".join(f"{line}\n" for line in [*known["said"], *lines]))
    return 0


def output_lock(directory: Path) -> str:
    """Return the name of the lock that one process holds while it writes a directory."""
    return f"output-{hashlib.sha256(os.path.realpath(directory).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


def _write_parts(store: Store, known: Mapping[str, Any], root: Path) -> list[str] | None:
    from crossdock.cli.summary import summary_lines
    from crossdock.ship.prepared import find_prepared
    from crossdock.ship.tree import DamagedSourceError, LinkMode, remove_stale_work, write_tree

    os.umask(0o022)  # The user's umask must not show in what is shipped.
    lines: list[str] = []
    for part in known["parts"]:
        prepared = find_prepared(store, part["key"])
        if prepared is None:
            return None
        directory = root / part["directory"]
        remove_stale_work(directory)
        try:
            with store.locked(output_lock(directory)):
                change = write_tree(directory, prepared.files, prepared.receipt, mode=LinkMode(part["mode"]))
        except DamagedSourceError:
            return None
        if not part["quiet"]:
            lines += summary_lines(prepared.facts, part["target"], directory, change)
    return lines
