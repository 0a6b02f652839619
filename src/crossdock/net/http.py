"""One HTTP transport for everything: pools, redirects, credentials by origin, proxies, bounded retries."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.errors import FetchError
from crossdock.net.attempts import TRANSIENT, Attempts, Transient, judge, retry_after, status_error
from crossdock.net.credentials import Credential, Credentials
from crossdock.net.exchange import Exchange, Response, Streamed, expected
from crossdock.net.proxies import proxy_for
from crossdock.net.url import Login, Origin, Url

__all__ = ["Exchange", "Http", "HttpSettings", "Response", "Streamed"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from crossdock.digest import Digest
    from crossdock.store import Store

#: RFC 9110 leaves the number open; ten is curl's and pip's neighbourhood.
MAX_REDIRECTS = 10

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = frozenset({200})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How to reach servers; made from the user's settings by `crossdock.net.settings`."""

    #: Seconds to wait for a connection, and for the next byte.
    timeout: float = 30.0
    #: Failures in a row (without progress between them) after which a fetch is given up.
    tries: int = 5
    #: Seconds before the second try; doubled each time up to the cap.
    backoff: float = 0.5
    backoff_cap: float = 10.0
    #: The most that a server's Retry-After is honoured for, in seconds.
    retry_after_cap: float = 60.0
    #: CA bundles (files or directories); empty: the system's own.
    authorities: tuple[str, ...] = ()
    client_cert: str | None = None
    #: Proxy URLs by scheme (`http`, `https`, `all`), and `no` for the exempt hosts.
    proxies: Mapping[str, str] = field(default_factory=dict)
    #: `host` or `host:port` whose certificate is not checked (pip's `trusted-host`).
    trusted_hosts: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()
    netrc: Path | None = None
    #: `disabled`, `auto`, `import` or `subprocess`, as pip's `keyring-provider`.
    keyring: str = "disabled"
    #: For the keyring program.
    environ: Mapping[str, str] | None = None
    #: Kept-alive connections to one host.
    connections: int = 16
    user_agent: str = f"crossdock/{__version__}"


@dataclass(slots=True)
class _Request:
    """What is sent next; redirects change it."""

    method: str
    url: Url
    headers: dict[str, str]
    body: bytes | Streamed | None
    logins: bool
    direct: bool


class Http:
    """A client with one pool of connections; safe for many threads."""

    def __init__(self, settings: HttpSettings | None = None) -> None:
        self.settings = settings or HttpSettings()
        self._credentials = Credentials(
            self.settings.credentials,
            netrc=self.settings.netrc,
            keyring=self.settings.keyring,
            environ=self.settings.environ,
        )
        self._pools: dict[tuple[str | None, bool, bool], Any] = {}
        self._contexts: dict[bool, Any] = {}
        self._lock = threading.Lock()

    def get(
        self,
        url: str,
        *,
        limit: int,
        accept: str | None = None,
        headers: Mapping[str, str] | None = None,
        ok: frozenset[int] = _OK,
    ) -> Response:
        """Return a small document; see `request`."""
        wanted = dict(headers or {})
        if accept is not None:
            wanted["Accept"] = accept
        return self.request("GET", url, limit=limit, headers=wanted, ok=ok)

    def request(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ok: frozenset[int] = _OK,
    ) -> Response:
        """Send a request and return the whole answer, at most `limit` bytes of it, retried when that may help.

        `file://` works for GET. Raise `FetchError`: `E-FETCH-<status>` for an answer not in `ok`,
        `E-FETCH-TRIES`, `E-FETCH-TLS`, `E-FETCH-REDIRECT`, `E-FETCH-SIZE`, `E-FETCH-URL`.
        """
        target = Url.parse(url)
        if target.scheme == "file":
            from crossdock.net.local import read_local  # rare

            return Response(status=200, headers={}, body=read_local(target, limit), url=target.text)
        attempts = Attempts(self.settings, target, cancelled=_never)
        wanted = {"Accept-Encoding": "gzip, deflate", **(headers or {})}
        while True:
            try:
                with self.open(method, target, headers=wanted, body=body, ok=ok) as answer:
                    return Response(
                        status=answer.status,
                        headers=answer.headers,
                        body=answer.read(limit),
                        url=answer.url.text,
                    )
            except Transient as failure:
                attempts.failed(failure)

    def download(
        self,
        url: str,
        *,
        digest: Digest,
        size: int | None,
        store: Store,
        progress: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Path:
        """Bring a file into the store and return its path; at once when it is there already.

        `url` may be `http(s)://`, `file://` or a plain path. Hash and size are checked while streaming and
        what does not match is deleted. A cut download is resumed, also by another process. `progress` gets
        byte counts from the calling thread, negative ones when bytes had to be thrown away. Raise
        `FetchError` as `request` does, and `E-FETCH-HASH`, or `StoreError` for the disk.
        """
        from crossdock.net.transfer import download  # it imports this module

        return download(
            self,
            url,
            digest=digest,
            size=size,
            store=store,
            progress=progress or _ignore,
            cancelled=cancelled or _never,
        )

    @contextmanager
    def open(
        self,
        method: str,
        url: Url,
        *,
        headers: Mapping[str, str],
        body: bytes | Streamed | None = None,
        ok: frozenset[int] = _OK,
        logins: bool = True,
        admit: Callable[[Url, Url], None] | None = None,
        direct: bool = False,
    ) -> Iterator[Exchange]:
        """Send one request, follow redirects, and yield the answer whose status is in `ok`.

        One try only: failures come out as `Transient` or `FetchError`. Without `logins` only what `headers`
        say goes out, none of the settings' own. `admit` gets both ends of each redirect and raises to refuse.
        `direct` goes past any proxy, until a redirect to another origin.
        """
        answer = self._follow(_Request(method, url, dict(headers), body, logins, direct), admit)
        try:
            if answer.status in TRANSIENT and answer.status not in ok:
                pause = retry_after(answer.headers.get("retry-after"))
                raise Transient(f"the server says {answer.status}", pause=pause)
            if answer.status not in ok:
                raise status_error(answer.status, answer.url)
            yield answer
        finally:
            answer.close()

    def _follow(self, request: _Request, admit: Callable[[Url, Url], None] | None) -> Exchange:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._authenticated(request)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            answer.close()
            after = _redirected(request.url, location)
            if admit is not None:
                admit(request.url, after)
            if after.origin != request.url.origin:
                # Credentials go to the origin they belong to and nowhere else (CVE-2018-18074 in requests).
                request.headers.pop("Authorization", None)
                request.direct = False
            # RFC 9110, 15.4.4: 303 means "look there"; 301 and 302 have meant it for everyone since 1996.
            if request.method != "HEAD" and (
                answer.status == 303 or (request.method == "POST" and answer.status in {301, 302})  # noqa: PLR2004
            ):
                request.method, request.body = "GET", None
            request.url = after
        raise FetchError(
            f"more than {MAX_REDIRECTS} redirects, last to `{request.url}`", code="E-FETCH-REDIRECT"
        )

    def _authenticated(self, request: _Request) -> Exchange:
        given = "Authorization" in request.headers or not request.logins
        login = None if given else self._credentials.find(request.url)
        answer = self._send(request, login)
        if answer.status != 401 or given:  # noqa: PLR2004 - Unauthorized
            return answer
        asked = self._credentials.ask(request.url)
        if asked is None or asked == login:
            return answer
        answer.close()
        return self._send(request, asked)

    def _send(self, request: _Request, login: Login | None) -> Exchange:
        wanted = {"User-Agent": self.settings.user_agent, **request.headers}
        if login is not None:
            wanted["Authorization"] = _basic(login)
        body: Any = request.body
        if isinstance(body, Streamed):
            # With a length, urllib3 does not fall back to chunked coding, which some servers refuse.
            wanted["Content-Length"] = str(body.length)
            body = body.chunks()
        try:
            raw = self._pool(request.url.origin, direct=request.direct).request(
                request.method,
                request.url.text,
                headers=wanted,
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except (FetchError, MemoryError):
            raise
        except Exception as error:
            raise judge(expected(error), request.url) from error
        return Exchange(raw, request.url)

    def _pool(self, origin: Origin, *, direct: bool) -> Any:
        proxy = None if direct else proxy_for(origin, self.settings.proxies)
        verify = not self._is_trusted(origin)
        # Reading the authorities takes 35 ms, which a server without TLS need not cost.
        plain = proxy is None and origin.scheme == "http"
        key = (proxy, verify, plain)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._make_pool(proxy, verify=verify, plain=plain)
            return self._pools[key]

    def _make_pool(self, proxy: str | None, *, verify: bool, plain: bool) -> Any:
        # 65 ms to import: only when something is really sent.
        import urllib3

        from crossdock.net.tls import make_context

        if not verify:
            # The user named the host as trusted; saying so again at each request helps nobody.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        common: dict[str, Any] = {
            "num_pools": 32,
            "maxsize": self.settings.connections,
            "timeout": urllib3.Timeout(connect=self.settings.timeout, read=self.settings.timeout),
        }
        if plain:
            return urllib3.PoolManager(**common)
        common["ssl_context"] = make_context(self.settings, verify=verify)
        if not verify:
            common["cert_reqs"] = "CERT_NONE"
            common["assert_hostname"] = False
        if proxy is None:
            return urllib3.PoolManager(**common)
        through = Url.parse(proxy) if proxy.partition(":")[0].lower() in {"http", "https"} else None
        if through is None:
            raise FetchError(
                f"proxy of a kind that is not supported: `{proxy.partition(':')[0]}`",
                code="E-FETCH-PROXY",
                hint="`http://` and `https://` proxies are",
            )
        login = {"Proxy-Authorization": _basic(through.login)} if through.login else None
        return urllib3.ProxyManager(
            str(through.origin), proxy_headers=login, proxy_ssl_context=make_context(self.settings), **common
        )

    def _is_trusted(self, origin: Origin) -> bool:
        return any(
            name.lower() in {origin.host, f"{origin.host}:{origin.port}"}
            for name in self.settings.trusted_hosts
        )


def _redirected(url: Url, location: str) -> Url:
    after = url.follow(location)
    if after.scheme == "file" or (url.scheme == "https" and after.scheme != "https"):
        raise FetchError(
            f"refused a redirect from `{url}` down to `{after}`",
            code="E-FETCH-REDIRECT",
            hint="the server sends you from a protected connection to an unprotected one: ask who runs it",
        )
    return after


def _basic(login: Login) -> str:
    import base64  # few need it

    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode("ascii")


def _never() -> bool:
    return False


def _ignore(_count: int) -> None:
    return None
