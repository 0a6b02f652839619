"""What is said of a file and repeated on pages for every client: judged here, whoever said it (pure)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from crossdock.ship.wheelhouse.model import Distribution

#: RFC 3339, 5.6, in capitals; PEP 700 has a subset of it.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST_SPECIFIER = 1000


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a text that can be written: JSON's escapes can make halves of characters."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


@lru_cache(maxsize=4096)
def is_requires_python(text: str) -> bool:
    """Tell whether a text is a specifier of Python versions (core metadata, Requires-Python)."""
    from packaging.specifiers import SpecifierSet

    try:
        return len(text) <= _LONGEST_SPECIFIER and SpecifierSet(text) is not None
    except ValueError:  # InvalidSpecifier, and numbers that are too long for an int
        return False


def is_moment(text: str) -> bool:
    """Tell whether a text is a date and time with a zone (RFC 3339)."""
    try:
        return _MOMENT.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def is_url(text: str) -> bool:
    """Tell whether a text is an http(s) URL."""
    return text.startswith(("https://", "http://"))


def sound(one: Distribution) -> Distribution:
    """Return a distribution without what cannot be repeated; an index, or old METADATA, may say anything.

    A wheel's own METADATA lies beside it as it is, and installers go by that.
    """
    python, built_from = one.requires_python, one.built_from
    return replace(
        one,
        requires_python=python if is_text(python) and is_requires_python(python) else "",
        upload_time=one.upload_time if is_moment(one.upload_time) else "",
        yanked=None if one.yanked is None else written(one.yanked),
        provenance=one.provenance if is_text(one.provenance) and is_url(one.provenance) else "",
        built_from=None
        if built_from is None
        else {written(key): written(built_from[key]) for key in built_from},
    )


def written(text: str) -> str:
    """Return a text as it can be written: halves of characters become question marks."""
    return text.encode("utf-8", "replace").decode()
