"""The licence of a package as its metadata tells it: an SPDX expression where that is sure, else a name.

Nothing is guessed: `BSD License` is one of several licences, and two classifiers may mean "and" or "or".
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A licence's name above this length is its text.
_LONGEST_NAME = 100
_LONGEST_EXPRESSION = 400
_OSI = "License :: OSI Approved :: "
#: Classifiers that name one SPDX licence and no other. PEP 639, "Mapping license classifiers to SPDX
#: identifiers", lists those that are left out: they stand for several.
_CLASSIFIERS = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
}
#: What the `License` field says in the place of an identifier, where only one licence is meant.
_SAID = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd-3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mozilla public license 2.0": "MPL-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
}


class Licence(NamedTuple):
    """An SPDX `expression`, or the licence's `name` as it was written; both empty if nothing is said."""

    expression: str = ""
    name: str = ""


UNKNOWN = Licence()


def licence_of(metadata: Mapping[str, tuple[str, ...]]) -> Licence:
    """Return what core metadata says: License-Expression (PEP 639), else License, else the classifiers."""
    for text in metadata.get("License-Expression", ()):
        expression = spdx_expression(text)
        if expression:
            return Licence(expression=expression)
    said = _said(metadata.get("License", ()))
    if said.expression:
        return said
    classifiers = metadata.get("Classifier", ())
    if len(classifiers) == 1:
        known = _CLASSIFIERS.get(classifiers[0].removeprefix(_OSI))
        if known:
            return Licence(expression=known)
    names = sorted({text.rpartition(" :: ")[2] for text in classifiers} - {"OSI Approved"})
    return said if said.name else Licence(name=_line(", ".join(names)))


def _said(values: tuple[str, ...]) -> Licence:
    for text in values:
        line = _line(text)
        if line and line.upper() not in {"UNKNOWN", "NONE"}:
            expression = spdx_expression(line) or _SAID.get(line.lower(), "")
            return Licence(expression=expression) if expression else Licence(name=line)
    return Licence()


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_NAME and line.isprintable() else ""


@lru_cache(maxsize=4096)
def spdx_expression(text: str) -> str:
    """Return `text` as SPDX writes it, empty if it is no expression of known licences."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not text or len(text) > _LONGEST_EXPRESSION or not text.isascii():
        return ""
    try:
        return str(canonicalize_license_expression(text))
    except (InvalidLicenseExpression, ValueError, RecursionError):
        return ""
