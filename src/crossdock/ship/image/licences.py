"""What a package says of its licence -> an SPDX expression where that is certain, its own words where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLASSIFIER = "License :: "
_APPROVED = "OSI Approved"
#: A `License` field that is longer is the licence's text, which the wheel's own files hold.
_LONGEST = 120

#: Classifiers that mean one licence. PEP 639's appendix names those that do not ("BSD License", "Apache Software
#: License", "GNU General Public License (GPL)" and others): they are left out, and so stay words.
_CERTAIN = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.0 (MPL)": "MPL-1.0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Zero-Clause BSD (0BSD)": "0BSD",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """`expression` is a valid SPDX expression or empty; then `words` is what the package says, if anything."""

    expression: str = ""
    words: tuple[str, ...] = ()


def licence_of(metadata: Mapping[str, Sequence[str]]) -> Licence:
    """Return the licence that core metadata declares; nothing is guessed.

    In this order: `License-Expression` (PEP 639); `License`, if it is an SPDX expression as it stands; the
    classifiers, if all of them together mean one licence, since two of them may mean "and" as well as "or".
    """
    stated = [*metadata.get("License-Expression", ()), *metadata.get("License", ())]
    for text in stated:
        found = expression_of(text)
        if found:
            return Licence(expression=found)
    leaves = _leaves(metadata.get("Classifier", ()))
    certain = {_CERTAIN.get(leaf, "") for leaf in leaves}
    if len(certain) == 1 and "" not in certain:
        return Licence(expression=certain.pop())
    words = [line for text in stated if (line := " ".join(text.split())) and len(line) <= _LONGEST]
    return Licence(words=tuple(dict.fromkeys([*words, *leaves])))


def expression_of(text: str) -> str:
    """Return a text as a canonical SPDX expression, empty if it is none."""
    if not text or len(text) > _LONGEST * 4:
        return ""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(" ".join(text.split()))
    except (InvalidLicenseExpression, RecursionError, MemoryError):
        # Deep brackets: the expression is read by Python's own parser.
        return ""


def _leaves(classifiers: Sequence[str]) -> list[str]:
    """Return the last parts of the licence classifiers, `OSI Approved` alone left out."""
    found = [one.removeprefix(_CLASSIFIER).rpartition(" :: ")[2] for one in classifiers]
    return sorted({leaf.strip() for leaf in found if leaf.strip() and leaf.strip() != _APPROVED})
