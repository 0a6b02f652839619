"""The bills of materials that wheels bring themselves (PEP 770), as far as they are merged into an image's.

Whoever made a wheel wrote them: they are read as hostile. What cannot be read is named by its path and left where it
is, in the image.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.ship.image.licences import spdx_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: More components than this in one document are not listed, nor more than this in all documents of a wheel.
MOST_COMPONENTS = 2000
_LONGEST_TEXT = 200
_LONGEST_PURL = 400
#: purl specification: scheme, type, then path; no blank and nothing that is not printable ASCII.
_PURL = re.compile(r"pkg:[a-z][a-z0-9.+-]*/[!-~]+")
#: component types of CycloneDX 1.6 that a part of a wheel can be.
_TYPES = frozenset(
    {
        "application",
        "data",
        "file",
        "firmware",
        "framework",
        "library",
        "machine-learning-model",
        "operating-system",
    }
)


class Part(NamedTuple):
    """A component that somebody else's bill of materials lists."""

    name: str
    version: str = ""
    purl: str = ""
    licence: str = ""
    kind: str = "library"


class Embedded(NamedTuple):
    """What a wheel's own documents list, sorted, each once; `unread` are the paths of those that were not understood."""

    parts: tuple[Part, ...] = ()
    unread: tuple[str, ...] = ()


NOTHING = Embedded()


def embedded_parts(sboms: Mapping[str, str], own_purl: str) -> Embedded:
    """Read a wheel's documents by path: CycloneDX JSON and SPDX 2 JSON. The wheel itself (`own_purl`) is left out.

    Relations between the parts are not taken over, nor their identifiers, which may be paths of the machine that
    built the wheel.
    """
    parts: set[Part] = set()
    unread: list[str] = []
    for path in sorted(sboms):
        try:
            found = set(_read(sboms[path]))
        except (ValueError, RecursionError):
            unread.append(path)
            continue
        if len(parts | found) > MOST_COMPONENTS:
            unread.append(path)
        else:
            parts |= found
    kept = {part for part in parts if _without_qualifiers(part.purl) != own_purl}
    return Embedded(parts=tuple(sorted(kept)), unread=tuple(unread))


def _read(text: str) -> Iterator[Part]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004  # one kind of error for all that is wrong with it
    if document.get("bomFormat") == "CycloneDX":
        return _cyclonedx(document)
    if str(document.get("spdxVersion", "")).startswith("SPDX-2."):
        return _spdx(document)
    raise ValueError("neither CycloneDX nor SPDX 2")


def _cyclonedx(document: dict[str, Any]) -> Iterator[Part]:
    waiting = [*_tables(document.get("components"))]
    for count, table in enumerate(_flat(waiting)):
        if count > MOST_COMPONENTS:
            raise ValueError("too many components")
        kind = table.get("type")
        licences = [_cyclonedx_licence(item) for item in _tables(table.get("licenses"))]
        part = _part(
            table.get("name"),
            table.get("version"),
            table.get("purl"),
            licences[0] if len(licences) == 1 else "",
            kind if isinstance(kind, str) and kind in _TYPES else "library",
        )
        if part is not None:
            yield part


def _flat(waiting: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give components and those nested in them; a list and not recursion: nesting is the writer's choice."""
    while waiting:
        table = waiting.pop()
        yield table
        waiting += _tables(table.get("components"))


def _cyclonedx_licence(item: dict[str, Any]) -> str:
    inner = item.get("license")
    said = inner.get("id") if isinstance(inner, dict) else item.get("expression")
    return said if isinstance(said, str) else ""


def _spdx(document: dict[str, Any]) -> Iterator[Part]:
    packages = _tables(document.get("packages"))
    if len(packages) > MOST_COMPONENTS:
        raise ValueError("too many packages")
    for table in packages:
        purls = [
            reference.get("referenceLocator")
            for reference in _tables(table.get("externalRefs"))
            if reference.get("referenceType") == "purl"
        ]
        part = _part(
            table.get("name"),
            table.get("versionInfo"),
            purls[0] if purls else None,
            table.get("licenseDeclared"),
            "library",
        )
        if part is not None:
            yield part


def _part(name: object, version: object, purl: object, licence: object, kind: str) -> Part | None:
    told = _text(name)
    if not told:
        return None
    return Part(
        name=told,
        version=_text(version),
        purl=_purl(purl),
        licence=spdx_expression(licence) if isinstance(licence, str) else "",
        kind=kind,
    )


def _purl(value: object) -> str:
    """Return a purl; one that points into a file system loses what follows its version."""
    if not isinstance(value, str) or len(value) > _LONGEST_PURL or not _PURL.fullmatch(value):
        return ""
    return _without_qualifiers(value) if "file:" in value or "file%3a" in value.lower() else value


def _without_qualifiers(purl: str) -> str:
    return re.split(r"[?#]", purl, maxsplit=1)[0]


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        return ""
    return value


def _tables(value: object) -> list[dict[str, Any]]:
    items: Iterable[object] = value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict)]
