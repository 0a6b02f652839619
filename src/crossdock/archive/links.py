"""Symbolic links of a source distribution, resolved among its own names and never through a disk."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from crossdock.errors import ArchiveError
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import NoReturn

#: MAXSYMLINKS of Linux.
_MAX_HOPS = 40
_HINT = "links in a source distribution may lead to files of its own; report it to the project"


def resolve_links(links: Mapping[str, str], files: Collection[str], *, limit: int) -> dict[str, str]:
    """Return for each path that exists through a link the file it leads to; raise `ArchiveError` (`E-TAR-LINK`).

    `links` are path and target as it stands, `files` the regular files, all below the top directory. A link to
    a directory gives every file below that. Refused are targets that are absolute or leave the top directory,
    by themselves or through a chain (CVE-2025-8869, CVE-2025-4517, GHSA-3wgq-wrwc-vqmv), lead nowhere or in
    circles, or multiply to more than `limit` files.
    """
    if not links:
        return {}
    ordered = sorted(files)
    known = set(ordered)
    found: dict[str, str] = {}
    for path, target in links.items():
        place = _follow(path, target, links)
        if place in known:
            found[path] = place
            continue
        prefix = f"{place}/" if place else ""
        below = (
            [file for file in ordered[bisect_left(ordered, prefix) :] if file.startswith(prefix)]
            if prefix
            else []
        )
        if not below or path.startswith(prefix):
            _refuse(
                path,
                target,
                "leads to nothing in the archive" if not below else "leads to a directory around it",
            )
        found.update((f"{path}/{file[len(prefix) :]}", file) for file in below)
        if len(found) > limit:
            _refuse(path, target, f"multiplies to more than {limit} files")
    return found


def _follow(path: str, target: str, links: Mapping[str, str]) -> str:
    """Return where a link leads when every link on the way is followed."""
    parts = _step(path, path.split("/")[:-1], target)
    for _ in range(_MAX_HOPS):
        for end in range(1, len(parts) + 1):
            through = "/".join(parts[:end])
            if through in links:
                parts = _step(path, parts[: end - 1], links[through]) + parts[end:]
                break
        else:
            return "/".join(parts)
    raise ArchiveError(
        f"the link `{show(path)}` to `{show(target)}` leads in circles", code="E-TAR-LINK", hint=_HINT
    )


def _step(path: str, parent: list[str], target: str) -> list[str]:
    """Return the parts of `target` seen from the directory `parent`; it must not leave the top directory."""
    if target.startswith("/") or "\\" in target or "\0" in target or ":" in target.partition("/")[0]:
        _refuse(path, target, "leads out of the archive")
    parts = list(parent)
    for part in target.split("/"):
        if part == "..":
            if not parts:
                _refuse(path, target, "leads out of the archive")
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return parts


def _refuse(path: str, target: str, what: str) -> NoReturn:
    raise ArchiveError(f"the link `{show(path)}` to `{show(target)}` {what}", code="E-TAR-LINK", hint=_HINT)
