"""What a registry asks for: the `WWW-Authenticate` header (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Longer ones are not parsed: no honest challenge comes near.
_LONGEST = 16 << 10
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's name for a word
_PARAMETER = re.compile(rf'\s*,?\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?=\s|,|$)(?!\s*=)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A way to prove who we are: `basic`, or `bearer` with the parameters of the token specification."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read all challenges of a header; what is malformed ends the list."""
    found: list[Challenge] = []
    position = 0
    header = header[:_LONGEST]
    while match := _SCHEME.match(header, position):
        position = match.end()
        named: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, position):
            position = parameter.end()
            quoted = parameter[2]
            value = parameter[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            named.setdefault(parameter[1].lower(), value)
        found.append(
            Challenge(
                scheme=match[1].lower(),
                realm=named.get("realm", ""),
                service=named.get("service", ""),
                scope=named.get("scope", ""),
            )
        )
    return tuple(found)


def choose(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """Return the challenge to answer: bearer before basic, as containers/image does; None if we know neither."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme and (scheme == "basic" or challenge.realm):
                return challenge
    return None
