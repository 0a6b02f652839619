"""A declared licence against lists of what is allowed and denied (pure).

SPDX expressions as in SPDX 2.3, annex D: `WITH` binds before `AND`, `AND` before `OR`, and brackets before all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.ship.image.licences import expression_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.ship.check.model import Declared

_TOKEN = re.compile(r"[()]|[^\s()]+")
#: What a licence may end with beyond the family that it belongs to.
_ENDS = ("-only", "-or-later", "+")


def refusal(licence: Declared, allow: Sequence[str], deny: Sequence[str]) -> str:
    """Say why a known licence is not accepted, empty if it is.

    An item of the lists is an SPDX licence, with or without an exception, a pattern with `*`, a whole expression, or
    the words that a package uses. An item without exception means the licence with any exception too, since those only
    permit more; `GPL-3.0` means `GPL-3.0-only` and `GPL-3.0-or-later`. Of `A OR B` one that is accepted is enough, of
    `A AND B` both must be. With `allow` all that is not on it is refused; what is on both lists is refused.
    """
    if licence.expression:
        return _of_expression(licence.expression, allow, deny)
    if licence.words:
        return _of_words(licence.words, allow, deny)
    return "no licence is declared, so none that is allowed" if allow else ""


def _of_expression(expression: str, allow: Sequence[str], deny: Sequence[str]) -> str:
    if _is_item(expression, deny):
        return f"{expression} is denied"
    if _is_item(expression, allow):
        return ""
    return "; ".join(_Reader(_TOKEN.findall(expression), allow, deny).either())


def _of_words(words: Sequence[str], allow: Sequence[str], deny: Sequence[str]) -> str:
    for word in words:
        if _matches_word(word, deny):
            return f"“{word}” is denied"
    for word in words:
        if allow and not _matches_word(word, allow):
            return f"“{word}” is not among the allowed (no SPDX expression is declared)"
    return ""


def unmatched(item: str, licences: Sequence[Declared]) -> bool:
    """Tell whether an item names no SPDX licence and is no pattern, and no package uses such words: a typo, likely."""
    if "*" in item or expression_of(item):
        return False
    return not any(_matches_word(word, [item]) for licence in licences for word in licence.words)


def _is_item(expression: str, items: Sequence[str]) -> bool:
    """Tell whether an expression stands on a list as it is; a lone licence is looked at by its parts."""
    compound = [one for one in items if " " in one.strip()]
    return any(expression_of(one) == expression for one in compound)


class _Reader:
    """Reads a valid expression, and gives what of it is not accepted; nothing if all is well."""

    def __init__(self, tokens: Sequence[str], allow: Sequence[str], deny: Sequence[str]) -> None:
        self._tokens = list(tokens)
        self._allow = allow
        self._deny = deny
        self._at = 0

    def either(self) -> tuple[str, ...]:
        """Read parts joined by OR: one that is accepted is enough."""
        parts = [self._both()]
        while self._taken("OR"):
            parts.append(self._both())
        return () if () in parts else _united(parts)

    def _both(self) -> tuple[str, ...]:
        parts = [self._one()]
        while self._taken("AND"):
            parts.append(self._one())
        return _united(parts)

    def _one(self) -> tuple[str, ...]:
        if self._taken("("):
            found = self.either()
            self._taken(")")
            return found
        licence = self._next()
        exception = self._next() if self._taken("WITH") else ""
        whole = f"{licence} WITH {exception}" if exception else licence
        if _matches(whole, licence, self._deny):
            return (f"{whole} is denied",)
        if self._allow and not _matches(whole, licence, self._allow):
            return (f"{whole} is not among the allowed",)
        return ()

    def _taken(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _next(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        return token


def _united(parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for part in parts for text in part))


def _matches(whole: str, licence: str, items: Sequence[str]) -> bool:
    families = [licence.removesuffix(end) for end in _ENDS if licence.endswith(end)]
    return any(_fits(text, item) for item in items for text in (whole, licence, *families))


def _matches_word(word: str, items: Sequence[str]) -> bool:
    return any(_fits(word, item) for item in items)


def _fits(text: str, item: str) -> bool:
    """Tell whether an item is this text, in any case; `*` in it stands for any characters."""
    pattern = ".*".join(map(re.escape, " ".join(item.split()).casefold().split("*")))
    return re.fullmatch(pattern, text.casefold(), re.DOTALL) is not None
