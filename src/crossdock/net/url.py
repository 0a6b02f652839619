"""URLs taken apart once: origin, credentials apart from the rest, and a form that is safe to show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from crossdock.errors import FetchError

_PORTS = {"http": 80, "https": 443}
_WITH_USER = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/?#\s@]*(?:@[^/?#\s@]*)*@", re.IGNORECASE)
_BAD = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Scheme, host and port: what credentials belong to (RFC 6454)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if _PORTS.get(self.scheme) == self.port else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password; never shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Login(****)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An `http`, `https` or `file` URL. `text` has neither credentials nor fragment."""

    text: str
    scheme: str
    origin: Origin
    path: str
    login: Login | None

    @classmethod
    def parse(cls, text: str) -> Url:
        """Take a URL apart; raise `FetchError` (`E-FETCH-URL`) for other schemes and malformed ones."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise _malformed(text) from None
        scheme = parts.scheme.lower()
        if scheme not in {"http", "https", "file"} or (scheme != "file" and not parts.hostname):
            raise _malformed(text)
        # A line break in a URL would end up in the request (header injection).
        if _BAD.search(text):
            raise _malformed(text)
        host = (parts.hostname or "").lower()
        login = _login(parts)
        netloc = parts.netloc.rpartition("@")[2]
        return cls(
            text=urlunsplit((scheme, netloc, parts.path or "/", parts.query, "")),
            scheme=scheme,
            origin=Origin(scheme, host, port or _PORTS.get(scheme, 0)),
            path=parts.path or "/",
            login=login,
        )

    def follow(self, location: str) -> Url:
        """Return where a redirect leads. Credentials in it are dropped: they belong to whoever wrote it."""
        joined = Url.parse(urljoin(self.text, location.strip()))
        return Url(text=joined.text, scheme=joined.scheme, origin=joined.origin, path=joined.path, login=None)

    def __str__(self) -> str:
        return redact(self.text)


def _login(parts: SplitResult) -> Login | None:
    if not parts.username and not parts.password:
        return None
    return Login(unquote(parts.username or ""), unquote(parts.password or ""))


def _malformed(text: str) -> FetchError:
    return FetchError(
        f"not a URL that can be fetched: `{redact(text)[:300]!s}`",
        code="E-FETCH-URL",
        hint="`https://`, `http://` and `file://` are understood",
    )


def redact(text: str) -> str:
    """Return a text with the user info of every URL in it replaced, and a lone URL's query dropped.

    Queries carry signatures and tokens (pre-signed object stores).
    """
    shown = _WITH_USER.sub(r"\g<scheme>****@", text)
    if "://" in shown and not re.search(r"\s", shown):
        head, mark, _ = shown.partition("?")
        return head + ("?…" if mark else "")
    return shown


def without_login(text: str) -> str:
    """Return a URL as it may be written to a file: user info removed."""
    return _WITH_USER.sub(r"\g<scheme>", text)
