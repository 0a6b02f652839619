"""Requests to registries: scheme, authorization, redirects, tries and error texts in one place."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.errors import FetchError
from crossdock.net.attempts import TRANSIENT, Attempts, Transient, retry_after
from crossdock.net.proxies import proxy_for
from crossdock.net.registry.addresses import is_loopback
from crossdock.net.registry.answers import MIB, refusal
from crossdock.net.registry.auth import LARGEST_TOKEN_ANSWER, Authorizer, repository_scope
from crossdock.net.registry.realm import check_reach, refused
from crossdock.net.registry.reference import host_of
from crossdock.net.url import Url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from crossdock.net.http import Exchange, Http, Streamed
    from crossdock.net.registry.docker_config import RegistryLogins
    from crossdock.net.registry.reference import ImageReference

_ANY = frozenset(range(100, 600))
_UNAUTHORIZED = 401
_HINT = "run the same command again: what the registry has by now is not sent twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """How registries are reached, beyond what `HttpSettings` says.

    `insecure` are hosts (`host` or `host:port`) that the user allows plain HTTP to; this machine needs no leave.
    `realms` are hosts of token servers that may see logins of registries elsewhere.
    """

    logins: RegistryLogins
    insecure: frozenset[str] = frozenset()
    realms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; header names in lower case, `url` without its query's secrets in `str()`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: Url


@dataclass(frozen=True, slots=True)
class _Ask:
    """A request before its authorization."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes | Streamed | None


def never() -> bool:
    """Say that nobody cancelled."""
    return False


class Transport:
    """Sends requests to any registry; safe for many threads."""

    def __init__(self, http: Http, settings: RegistrySettings) -> None:
        self.http = http
        self._insecure = settings.insecure
        self._authorizer = Authorizer(
            self._ask_token_server, settings.logins, realms=settings.realms, proxied=self._proxied
        )
        self._bases: dict[str, Url] = {}
        self._probing = threading.Lock()
        self._count = 0
        self._counting = threading.Lock()

    @property
    def requests(self) -> int:
        """How many requests were sent so far, those to token servers among them."""
        return self._count

    def url(self, reference: ImageReference, path: str) -> Url:
        """Return the URL of a path below the reference's repository."""
        return self.base(reference).follow(f"/v2/{reference.repository}/{path}")

    def attempts(self, url: Url, cancelled: Callable[[], bool] = never) -> Attempts:
        """Return the counter of tries for one piece of work."""
        return Attempts(self.http.settings, url, cancelled=cancelled, hint=_HINT)

    def call(
        self,
        method: str,
        reference: ImageReference,
        url: Url,
        *,
        scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = MIB,
        cancelled: Callable[[], bool] = never,
    ) -> Answer:
        """Send a request that may be repeated, and return the answer whatever its status, at most `limit` bytes.

        Raise `FetchError`: `E-FETCH-TRIES`, `E-FETCH-TLS`, `E-FETCH-SIZE` and what the authorization raises.
        """
        attempts = self.attempts(url, cancelled)
        while True:
            try:
                return self.once(
                    method, reference, url, scopes=scopes, headers=headers, body=body, limit=limit
                )
            except Transient as failure:
                attempts.failed(failure)

    def once(
        self,
        method: str,
        reference: ImageReference,
        url: Url,
        *,
        scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        body: bytes | Streamed | None = None,
        limit: int = MIB,
    ) -> Answer:
        """Do as `call`, with one try: a failure that another one may mend comes out as `Transient`."""
        with self.open(method, reference, url, scopes=scopes, headers=headers, body=body) as answer:
            content = b"" if method == "HEAD" else answer.read(limit)
            return Answer(status=answer.status, headers=answer.headers, body=content, url=answer.url)

    @contextmanager
    def open(
        self,
        method: str,
        reference: ImageReference,
        url: Url,
        *,
        scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        body: bytes | Streamed | None = None,
    ) -> Iterator[Exchange]:
        """Send a request once, authorized, and yield the answer being read."""
        base = self.base(reference)
        ours = url.origin == base.origin
        used = self._authorizer.header(base, reference, scopes) if ours else None
        ask = _Ask(method, url, headers or {}, body)
        with self._send(base, ask, used) as answer:
            # Only the registry itself may ask for a login, not a place that it redirects to.
            asks = answer.status == _UNAUTHORIZED and ours and answer.url.origin == base.origin
            challenge = answer.headers.get("www-authenticate", "")
            if not (asks and self._authorizer.challenged(reference, challenge, used)):
                yield _lasting(answer)
                return
        used = self._authorizer.header(base, reference, scopes)
        if used is None:
            raise refusal(reference, "wants a login", _UNAUTHORIZED, b"")
        with self._send(base, ask, used) as answer:
            yield _lasting(answer)

    @contextmanager
    def _send(self, base: Url, ask: _Ask, authorization: str | None) -> Iterator[Exchange]:
        wanted = {"Accept-Encoding": "identity", **ask.headers}
        if authorization is not None:
            wanted["Authorization"] = authorization
        self._counted()

        def admit(_before: Url, after: Url) -> None:
            self._counted()
            self.check_place(base, after, "redirects to")

        with (
            _tls_hint(base),
            self.http.open(
                ask.method,
                ask.url,
                headers=wanted,
                body=ask.body,
                ok=_ANY,
                logins=False,
                admit=admit,
                # A proxy's own loopback is not ours; Go's tools never ask one for it (httpproxy.Config).
                direct=is_loopback(ask.url.origin.host),
            ) as answer,
        ):
            yield answer

    def check_place(self, base: Url, place: Url, what: str) -> None:
        """Refuse a place that a registry sends us to (`E-REGISTRY-LOCATION`): plain, or inside our network."""
        check_reach(
            base, place, proxied=self._proxied(place), code="E-REGISTRY-LOCATION", what=what, strict=False
        )

    def base(self, reference: ImageReference) -> Url:
        """Return the registry's URL; https, except where plain HTTP is allowed and nothing else is spoken."""
        host = reference.api_host
        with self._probing:
            if host not in self._bases:
                plain = reference.may_be_plain(self._insecure)
                self._bases[host] = self._probe(reference) if plain else Url.parse(f"https://{host}/")
            return self._bases[host]

    def _probe(self, reference: ImageReference) -> Url:
        """Ask `/v2/` ("Determining Support") by both schemes and take the one that is answered."""
        host = reference.api_host
        # What is far is asked with protection first; on this machine TLS is the exception, and costs more.
        order = ("http", "https") if is_loopback(host_of(host)) else ("https", "http")
        attempts = self.attempts(Url.parse(f"{order[0]}://{host}/v2/"))
        while True:
            passing: list[Transient] = []
            lasting: list[FetchError] = []
            for scheme in order:
                base = Url.parse(f"{scheme}://{host}/")
                try:
                    if self._answers(reference, base):
                        return base
                except Transient as failure:
                    passing.append(failure)
                except FetchError as error:
                    lasting.append(error)
            if lasting:
                raise lasting[0]
            attempts.failed(passing[0])

    def _answers(self, reference: ImageReference, base: Url) -> bool:
        with self._send(base, _Ask("GET", base.follow("/v2/"), {}, None), None) as answer:
            if base.scheme == "http" and answer.status == 400 and b"HTTPS" in answer.read(MIB).upper():  # noqa: PLR2004
                # Go's and nginx's way of saying that TLS is spoken here.
                raise Transient("it speaks https")
            if answer.status in TRANSIENT:
                raise _busy(answer)
            if answer.status == _UNAUTHORIZED and answer.url.origin == base.origin:
                self._authorizer.challenged(reference, answer.headers.get("www-authenticate", ""), None)
            return True

    def _ask_token_server(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        def admit(before: Url, after: Url) -> None:
            why = "token servers' redirects are not followed"
            raise refused(before, after, "E-REGISTRY-REALM", "redirects a request for a token to", why)

        attempts = self.attempts(url)
        while True:
            self._counted()
            try:
                with self.http.open(
                    method,
                    url,
                    headers=headers,
                    body=body,
                    ok=_ANY,
                    logins=False,
                    admit=admit,
                    direct=is_loopback(url.origin.host),
                ) as answer:
                    if answer.status in TRANSIENT:
                        raise _busy(answer)
                    return answer.status, answer.read(LARGEST_TOKEN_ANSWER)
            except Transient as failure:
                attempts.failed(failure)

    def _proxied(self, url: Url) -> bool:
        return proxy_for(url.origin, self.http.settings.proxies) is not None

    def _counted(self) -> None:
        with self._counting:
            self._count += 1


def all_scopes(
    reference: ImageReference, *, push: bool = False, also: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the scopes for a repository, its own first, and for reading others of the same registry."""
    own = repository_scope(reference.repository, push=push)
    return (own, *(repository_scope(name) for name in sorted(also) if name != reference.repository))


@contextmanager
def _tls_hint(base: Url) -> Iterator[None]:
    try:
        yield
    except FetchError as error:
        if error.code == "E-FETCH-TLS":
            error.hint = (
                f"if the registry has a CA of its own, point `SSL_CERT_FILE` at its bundle; if it speaks plain "
                f"HTTP, say so with `--insecure {base.origin.host}:{base.origin.port}`"
            )
        raise


def _lasting(answer: Exchange) -> Exchange:
    if answer.status in TRANSIENT:
        raise _busy(answer)
    return answer


def _busy(answer: Any) -> Transient:
    pause = retry_after(answer.headers.get("retry-after"))
    return Transient(f"the server says {answer.status}", pause=pause)
