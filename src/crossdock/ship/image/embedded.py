"""Bills of materials that wheels bring themselves (PEP 770): what they name, taken over field by field.

They are input like everything in a wheel. Nothing is copied as it stands: each field that is taken is checked,
the number of components is bounded, and what is not understood is only referred to.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.digest import ALGORITHMS, Digest
from crossdock.ship.image.components import Component, ComponentKind, clean, json_text
from crossdock.ship.image.licences import Licence, expression_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Documents of one wheel that are read; `ship.read` keeps none that is larger than 1 MiB.
_MOST_DOCUMENTS = 20
#: Components of one wheel that are taken over: the largest honest list seen had some 500 Rust crates.
_MOST_COMPONENTS = 2000
#: Components within components.
_DEEPEST = 8
_PURL = re.compile(r"pkg:[a-z][a-z0-9.+-]*/[!-~]{1,450}")
_MOST_HASHES = 16


class Embedded(NamedTuple):
    """What the documents of one wheel come to: components, what was found (path, digest), and remarks."""

    components: tuple[Component, ...]
    evidence: tuple[tuple[str, Digest], ...]
    notes: tuple[str, ...]


def embedded_components(documents: Mapping[str, str], *, owner: str, prefix: str) -> Embedded:
    """Return what a wheel's own documents name; `owner` is the wheel's package, which is not listed again.

    `documents` are texts by path, `prefix` begins the keys of the components. What is read: CycloneDX and SPDX 2
    in JSON. Equal components of several documents are listed once.
    """
    return _embedded(tuple(sorted(documents.items())), owner, prefix)


# Two formats, provenance and several platforms ask for the same wheels.
@lru_cache(maxsize=1024)
def _embedded(documents: tuple[tuple[str, str], ...], owner: str, prefix: str) -> Embedded:
    found: dict[tuple[str, str, str], Component] = {}
    evidence = []
    notes = []
    for number, (path, text) in enumerate(documents):
        shown = clean(path)
        evidence.append((shown, Digest.of(text.encode("utf-8", "surrogatepass"))))
        if number >= _MOST_DOCUMENTS:
            notes.append(f"{shown}: not read, one document of too many")
            continue
        rows = _rows(text)
        if rows is None:
            notes.append(f"{shown}: not read, neither CycloneDX nor SPDX 2 in JSON")
            continue
        for row in rows:
            if len(found) >= _MOST_COMPONENTS:
                notes.append(f"{shown}: cut off after {_MOST_COMPONENTS} components")
                break
            if not _is_owner(row, owner):
                found.setdefault((row.name, row.version, row.purl), row)
    ordered = sorted(found.items())
    return Embedded(
        components=tuple(
            replace(row, key=f"{prefix}-part-{number}") for number, (_key, row) in enumerate(ordered, 1)
        ),
        evidence=tuple(evidence),
        notes=tuple(notes),
    )


def _rows(text: str) -> list[Component] | None:
    """Return a document's components, None if it is of no format that is read."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    if document.get("bomFormat") == "CycloneDX":
        return list(_cyclonedx(document.get("components"), 0))
    if str(document.get("spdxVersion", "")).startswith("SPDX-2."):
        return list(_spdx(document.get("packages")))
    return None


def _is_owner(row: Component, owner: str) -> bool:
    """Tell whether a component is the wheel itself, which most of these documents begin with."""
    head = f"pkg:pypi/{owner}"
    return row.purl == head or row.purl.startswith((f"{head}@", f"{head}?"))


def _cyclonedx(rows: Any, depth: int) -> Iterator[Component]:
    """CycloneDX 1.x, `components`, those within components too."""
    for row in _tables(rows):
        name = json_text(row.get("name"))
        if name:
            group = json_text(row.get("group"))
            yield _component(
                name=f"{group}/{name}" if group else name,
                version=json_text(row.get("version")),
                purl=json_text(row.get("purl")),
                digest=_digest(_tables(row.get("hashes")), "alg", "content"),
                licence=_cyclonedx_licence(row.get("licenses")),
            )
        if depth < _DEEPEST:
            yield from _cyclonedx(row.get("components"), depth + 1)


def _cyclonedx_licence(rows: Any) -> Licence:
    words = []
    for row in _tables(rows):
        table = row.get("license")
        one: dict[str, Any] = table if isinstance(table, dict) else {}
        text = json_text(row.get("expression")) or json_text(one.get("id")) or json_text(one.get("name"))
        if text:
            words.append(text)
    return _licence(words)


def _spdx(rows: Any) -> Iterator[Component]:
    """SPDX 2.2 and 2.3, `packages`."""
    for row in _tables(rows):
        name = json_text(row.get("name"))
        if not name:
            continue
        locators = [
            json_text(one.get("referenceLocator"))
            for one in _tables(row.get("externalRefs"))
            if one.get("referenceType") == "purl"
        ]
        stated = [json_text(row.get(field)) for field in ("licenseDeclared", "licenseConcluded")]
        yield _component(
            name=name,
            version=json_text(row.get("versionInfo")),
            purl=locators[0] if locators else "",
            digest=_digest(_tables(row.get("checksums")), "algorithm", "checksumValue"),
            licence=_licence([text for text in stated if text not in {"", "NONE", "NOASSERTION"}][:1]),
        )


def _component(*, name: str, version: str, purl: str, digest: Digest | None, licence: Licence) -> Component:
    return Component(
        key="",
        kind=ComponentKind.EMBEDDED,
        name=name,
        version=version,
        purl=purl if _PURL.fullmatch(purl) else "",
        digest=digest,
        licence=licence,
    )


def _licence(words: list[str]) -> Licence:
    """Several licences stay words: the document does not say whether all or any of them apply."""
    expression = expression_of(words[0]) if len(words) == 1 else ""
    if expression and "LicenseRef-" not in expression:
        return Licence(expression=expression)
    return Licence(words=tuple(dict.fromkeys(words)))


def _digest(rows: list[dict[str, Any]], algorithm: str, value: str) -> Digest | None:
    """Return the first digest of an algorithm that counts, spelled `SHA-256` or `SHA256`."""
    for row in rows[:_MOST_HASHES]:
        name = json_text(row.get(algorithm)).lower().replace("-", "")
        content = json_text(row.get(value)).lower()
        if name in ALGORITHMS and len(content) == ALGORITHMS[name] and not content.strip("0123456789abcdef"):
            return Digest(name, content)
    return None


def _tables(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
