"""Whether the parts of an image fit on each other: what lies above must not break or hide what lies below."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from crossdock.errors import ImageError
from crossdock.ship.image.entries import refuse_below_links
from crossdock.ship.image.records import owner_of, refuse_collisions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.contents.base import BaseFacts
    from crossdock.contents.python import Interpreter
    from crossdock.ship.entries import Entry
    from crossdock.ship.image.application import Application
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.records import WheelRecord
    from crossdock.target.model import Target


def refuse_hiding(
    records: Sequence[WheelRecord],
    environment: Sequence[Entry],
    application: Application,
    added: Sequence[Entry],
) -> None:
    """Refuse two parts of an image that write one path and differ; `ShipError` (E-SHIP-COLLISION) names both.

    A file that the user adds by name may replace one of a package, such as a bundle of certificates, but nothing of
    the environment, and no directory.
    """
    more = [entry for entry in added if all(entry.path not in record.paths for record in records)]
    refuse_collisions(
        [
            *records,
            owner_of("the environment", environment),
            owner_of(application.title or "the application", application.entries),
            owner_of("--add", more),
        ]
    )


def refuse_links_below(
    facts: BaseFacts, prefix: str, records: Sequence[WheelRecord], environment: Sequence[Entry]
) -> None:
    """Refuse files of packages that would fall on a link that the base has below the prefix (E-IMAGE-BELOW-LINK)."""
    if any(link.startswith(f"{prefix}/") for link in facts.links):
        paths = [path for record in records for path in record.paths]
        refuse_below_links([*paths, *(entry.path for entry in environment)], facts.is_link)


def check_place_of_python(facts: BaseFacts, interpreter: Interpreter, prefix: str) -> None:
    """Refuse a prefix in which the base's own Python lies: `bin/python` would become a link to itself."""
    if interpreter.path.startswith(f"{prefix}/"):
        raise ImageError(
            f"the Python of `{facts.name}` lies in `{prefix}` itself: `{interpreter.path}`",
            code="E-IMAGE-PREFIX",
            hint="links of ours would replace it: choose another `--prefix`, for example `/app`",
        )


def check_prefix(facts: BaseFacts, prefix: str) -> None:
    """Refuse a prefix that is, or lies below, a symbolic link of the base (E-IMAGE-BELOW-LINK)."""
    if prefix in facts.environments:
        raise ImageError(
            f"`{facts.name}` has an environment in `{prefix}` already",
            code="E-IMAGE-PREFIX",
            hint="its packages would lie among ours: choose another `--prefix`, or the base that it was made on",
        )
    link = facts.link_on(prefix)
    if link is not None:
        raise ImageError(
            f"`{prefix}` lies on `{link}`, a symbolic link of `{facts.name}`",
            code="E-IMAGE-BELOW-LINK",
            hint="a layer's directory would replace the link: choose another `--prefix`",
        )


def check_start(
    start: Sequence[str],
    target: Target,
    layout: ImageLayout,
    records: Sequence[WheelRecord],
    own: Sequence[Entry],
) -> tuple[str, ...]:
    """Refuse an entry point below the layout's root where nothing lies (E-IMAGE-ENTRYPOINT); return what else seems amiss.

    `own` are the files above the packages. What lies in the base is not known here, and Python brings modules.
    """
    program = start[0] if start else ""
    paths = {path for record in records for path in record.paths} | {entry.path for entry in own}
    schemes = layout.schemes(target)
    if program.startswith(f"{layout.root}/") and program[1:] not in paths:
        scripts = sorted(path for path in paths if path.startswith(f"{schemes.scripts}/"))
        raise ImageError(
            f"nothing lies at `{program}`, which is to start",
            code="E-IMAGE-ENTRYPOINT",
            places=[f"/{path}" for path in difflib.get_close_matches(program[1:], scripts, n=5)],
            hint="name a script that the packages have, or `-m MODULE`",
        )
    if tuple(start[:2]) != (layout.python, "-m") or len(start) < 3:  # noqa: PLR2004  # and a module
        return ()
    top = start[2].partition(".")[0]
    places = (f"{schemes.purelib}/{top}", f"{layout.sources[1:]}/{top}")
    found = any(path.startswith((f"{place}/", f"{place}.")) for place in places for path in paths)
    if found or top in sys.stdlib_module_names:
        return ()
    return (f"no package and no code of yours has the module `{top}`, which is to start",)


def check_user(facts: BaseFacts, user: str) -> None:
    """Refuse names that the base's /etc/passwd and /etc/group do not have; numbers need no entry."""
    name, _colon, group = user.partition(":")
    for word, known, file in ((name, facts.users, "passwd"), (group, facts.groups, "group")):
        if word and not word.isdigit() and word not in known:
            raise ImageError(
                f"`{facts.name}` has no `{word}` in /etc/{file}",
                code="E-IMAGE-USER",
                places=[", ".join(sorted(known)[:30])],
                hint="give numbers, for example `--user 65532:65532`",
            )
