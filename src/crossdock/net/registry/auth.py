"""Authorization for a registry: challenges answered, tokens kept as long as they hold.

CNCF distribution: "Token Authentication Specification" and "Oauth2 Token Authentication".
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from crossdock.errors import FetchError
from crossdock.net.registry.challenge import Challenge, choose, parse_challenges
from crossdock.net.registry.realm import foreign_realm, may_see_login, parse_realm
from crossdock.net.url import Url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from crossdock.net.registry.docker_config import RegistryLogin, RegistryLogins
    from crossdock.net.registry.reference import ImageReference

#: go-containerregistry's limit; real answers have 2 to 6 KiB.
LARGEST_TOKEN_ANSWER = 64 << 10
#: Token specification: a token without `expires_in` holds for 60 seconds, and none for less.
_LEAST_SECONDS = 60
_MOST_SECONDS = 3600
#: So long before its end a token is not used any more: a request takes time to arrive.
_MARGIN_SECONDS = 10
#: Token specification, RFC 6750 `b64token`; anything else could break out of the header.
_TOKEN = re.compile(r"[\x21-\x7e]{1,60000}")
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    value: str
    scopes: frozenset[str]
    expires: float


class Authorizer:
    """Knows what each registry wants; safe for many threads.

    `ask` sends one request to a token server (no redirects, no credentials of its own) and gives status and
    body. `realms` are hosts that may see logins of registries that do not belong to them.
    """

    def __init__(
        self,
        ask: Callable[[str, Url, Mapping[str, str], bytes | None], tuple[int, bytes]],
        logins: RegistryLogins,
        *,
        realms: Collection[str] = (),
        proxied: Callable[[Url], bool] = lambda _url: False,
    ) -> None:
        self._ask = ask
        self._logins = logins
        self._realms = frozenset(realms)
        self._proxied = proxied
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[str, list[_Token]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def header(self, base: Url, reference: ImageReference, scopes: tuple[str, ...]) -> str | None:
        """Return the value of `Authorization` for a request, None as long as the registry wants none.

        `base` is the registry's URL. The first of `scopes` matters most: some token servers grant only that
        one. Raise `FetchError` (`E-REGISTRY-REALM`, `E-REGISTRY-TOKEN`, `E-REGISTRY-DENIED`).
        """
        challenge = self._challenges.get(reference.api_host)
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            login = self._logins.find(reference.registry, reference.repository)
            return login.basic() if login is not None and not login.identity_token else None
        with self._lock_of(reference.api_host):
            token = self._kept(reference.api_host, scopes)
            if token is None:
                token = self._fetch(base, reference, challenge, scopes)
            return f"Bearer {token}"

    def challenged(self, reference: ImageReference, header: str, used: str | None) -> bool:
        """Learn from a 401 to a request that carried `used`; tell whether another try makes sense."""
        challenge = choose(parse_challenges(header))
        if challenge is None:
            return False
        host = reference.api_host
        with self._lock:
            before = self._challenges.get(host)
            self._challenges[host] = challenge
            if used is not None and used.startswith("Bearer "):
                # It expired, or was for too little: it is not to be had from here again.
                kept = self._tokens.get(host, [])
                self._tokens[host] = [token for token in kept if token.value != used[7:]]
                return True
        # A password that was refused once will be refused twice.
        return used is None or before is None or before.scheme != challenge.scheme

    def _kept(self, host: str, scopes: tuple[str, ...]) -> str | None:
        now = time.monotonic()
        for token in self._tokens.get(host, ()):
            if token.expires > now and all(_granted(scope, token.scopes) for scope in scopes):
                return token.value
        return None

    def _lock_of(self, host: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(host, threading.Lock())

    def _fetch(
        self, base: Url, reference: ImageReference, challenge: Challenge, scopes: tuple[str, ...]
    ) -> str:
        realm = parse_realm(base, challenge.realm, proxied=self._proxied)
        login = self._logins.find(reference.registry, reference.repository)
        if login is not None and not may_see_login(base, realm, self._realms):
            raise foreign_realm(base, realm)
        wanted = tuple(dict.fromkeys((*scopes, *(challenge.scope.split() if not scopes else ()))))
        try:
            status, body = self._request(realm, challenge.service, wanted, login)
        except FetchError as error:
            if error.code != "E-FETCH-SIZE":
                raise
            raise _bad_token(realm, f"its answer is larger than {LARGEST_TOKEN_ANSWER} bytes") from error
        if status != 200:  # noqa: PLR2004 - OK
            raise _denied(reference, realm, status, login)
        value, seconds = _read_answer(realm, body)
        expires = time.monotonic() + max(seconds - _MARGIN_SECONDS, seconds / 2)
        token = _Token(value=value, scopes=frozenset(wanted), expires=expires)
        with self._lock:
            self._tokens.setdefault(reference.api_host, []).append(token)
        return value

    def _request(
        self, realm: Url, service: str, scopes: tuple[str, ...], login: RegistryLogin | None
    ) -> tuple[int, bytes]:
        if login is not None and login.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "scope": " ".join(scopes),
                "client_id": "crossdock",
                "refresh_token": login.identity_token,
            }
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._ask("POST", realm, kind, urlencode(form).encode())
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        if login is not None and login.username:
            query.append(("account", login.username))
        parts = urlsplit(realm.text)
        text = urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(query))))))
        headers = {} if login is None else {"Authorization": login.basic()}
        return self._ask("GET", Url.parse(text), headers, None)


def repository_scope(repository: str, *, push: bool = False) -> str:
    """Return the scope of a repository ("Token Scope Documentation")."""
    return f"repository:{repository}:pull{',push' if push else ''}"


def _granted(scope: str, scopes: frozenset[str]) -> bool:
    return scope in scopes or (scope.endswith(":pull") and f"{scope},push" in scopes)


def _read_answer(realm: Url, body: bytes) -> tuple[str, float]:
    """Return the token and how long it holds, in seconds."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise _bad_token(realm, "its answer is not a JSON object")
    value = said.get("token") or said.get("access_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _bad_token(realm, "its answer has no usable token")
    seconds = said.get("expires_in", _LEAST_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < _LEAST_SECONDS:
        seconds = _LEAST_SECONDS
    return value, float(min(seconds, _MOST_SECONDS))


def _bad_token(realm: Url, why: str) -> FetchError:
    return FetchError(
        f"no token from `{realm.origin}`: {why}",
        code="E-REGISTRY-TOKEN",
        hint="is the registry's address right, and is there a proxy in between?",
    )


def _denied(reference: ImageReference, realm: Url, status: int, login: RegistryLogin | None) -> FetchError:
    who = "without a login" if login is None else "with the login that is stored"
    hint = (
        f"log in first: `docker login {reference.registry}` or `podman login {reference.registry}`"
        if login is None
        else f"check it with `docker login {reference.registry}`, and that it may use `{reference.repository}`"
    )
    if status == _NOT_FOUND and login is not None and login.identity_token:
        hint = "the token server takes no identity tokens: log in with user name and password"
    return FetchError(
        f"no access to `{reference.place}` {who}: `{realm.origin}` says {status}",
        code="E-REGISTRY-DENIED",
        hint=hint,
    )
