"""How often and after what pause something is tried again, and which failures are worth it."""

from __future__ import annotations

import random
import re
import ssl
import time
from typing import TYPE_CHECKING

from crossdock.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.net.http import HttpSettings
    from crossdock.net.url import Url

#: Answers that another try may change. 425, 429 and 503 by RFC 9110 and 6585; 520 to 527 are a large CDN's own.
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 528)})

#: However much progress is made between failures, there is an end: tries times this.
_PATIENCE = 10

_HINTS = {
    401: "give credentials in the index URL, in netrc, or by a keyring (`--keyring-provider`, as for pip and uv)",
    403: "the server knows who you are (or does not care) and refuses: check the credentials and the proxy",
    404: "the file is gone or the index moved it: lock again",
    407: "give the proxy's credentials in its URL: `http://user:password@proxy:port`",
    410: "the file is gone: lock again",
}


class Transient(Exception):  # noqa: N818 - never leaves this package: it is a reason to try again
    """A failure that another try may mend; `pause` is what the server asked for, in seconds."""

    def __init__(self, reason: str, *, pause: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause = pause


class Attempts:
    """Counts failures, sleeps between them, and says when it is enough."""

    def __init__(
        self,
        settings: HttpSettings,
        url: Url,
        *,
        cancelled: Callable[[], bool],
        hint: str = "run the same command again: what was downloaded is kept and resumed",
    ) -> None:
        self._hint = hint
        self._settings = settings
        self._url = url
        self._cancelled = cancelled
        self._in_a_row = 0
        self._total = 0

    def failed(self, failure: Transient, *, progressed: bool = False) -> None:
        """Sleep before the next try, or raise `FetchError` (`E-FETCH-TRIES`) when there is none.

        Progress begins the count anew: a large file over a bad line gets through in pieces.
        """
        self._total += 1
        self._in_a_row = 1 if progressed else self._in_a_row + 1
        tries = self._settings.tries
        if self._in_a_row >= tries or self._total >= tries * _PATIENCE:
            raise FetchError(
                f"cannot fetch `{self._url}`: {failure.reason} (gave up after {self._total} "
                f"{'try' if self._total == 1 else 'tries'})",
                code="E-FETCH-TRIES",
                hint=self._hint,
            )
        pause = failure.pause
        if pause is None:
            ceiling = min(self._settings.backoff * 2 ** (self._in_a_row - 1), self._settings.backoff_cap)
            # Half fixed, half random, so that parallel downloads do not come back in step.
            pause = ceiling * (0.5 + random.random() / 2)  # noqa: S311 - not a secret
        self._sleep(min(pause, self._settings.retry_after_cap))

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            check_cancelled(self._cancelled)
            time.sleep(min(left, 0.1))


def check_cancelled(cancelled: Callable[[], bool]) -> None:
    """Raise `FetchError` (`E-FETCH-CANCELLED`) once `cancelled` says so."""
    if cancelled():
        raise FetchError("cancelled", code="E-FETCH-CANCELLED")


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), or None."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    from email.utils import parsedate_to_datetime  # rare

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None


def status_error(status: int, url: Url) -> FetchError:
    """Return the error for an answer that no other try will change."""
    return FetchError(
        f"cannot fetch `{url}`: the server says {status}", code=f"E-FETCH-{status}", hint=_HINTS.get(status)
    )


def judge(error: Exception, url: Url) -> Transient | FetchError:
    """Turn what urllib3 raised into a reason to try again, or into the error to report."""
    cause: BaseException | None = error
    chain: list[BaseException] = []
    while cause is not None and len(chain) < 10:  # noqa: PLR2004 - causes may be circular
        chain.append(cause)
        inner = next((item for item in cause.args if isinstance(item, BaseException)), None)
        cause = cause.__cause__ or inner or cause.__context__
    tls = next((item for item in chain if isinstance(item, ssl.SSLError)), None)
    if tls is not None and not isinstance(tls, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _tls_error(tls, url)
    refused = next((item for item in chain if "Tunnel connection failed: 407" in str(item)), None)
    if refused is not None:
        return FetchError(
            f"cannot fetch `{url}`: the proxy wants credentials", code="E-FETCH-407", hint=_HINTS[407]
        )
    return Transient(_reason(chain))


def _reason(chain: list[BaseException]) -> str:
    via = "the proxy: " if any(type(item).__name__ == "ProxyError" for item in chain) else ""
    texts = {
        "NameResolutionError": "host name not found",
        "ConnectTimeoutError": "no connection in time",
        "ReadTimeoutError": "nothing received in time",
        "ConnectionRefusedError": "connection refused",
        "ConnectionResetError": "connection reset",
        "RemoteDisconnected": "connection closed without an answer",
        "IncompleteRead": "connection cut",
        "TimeoutError": "nothing received in time",
        "SSLEOFError": "connection cut",
        "BadStatusLine": "not an HTTP answer",
    }
    for item in reversed(chain):
        if text := texts.get(type(item).__name__):
            return via + text
    tunnel = next((re.search(r"Tunnel connection failed: (\d{3})", str(item)) for item in chain), None)
    if tunnel is not None:
        return f"{via}it answers {tunnel.group(1)}"
    inner = next((item for item in reversed(chain) if isinstance(item, OSError) and item.strerror), None)
    if isinstance(inner, OSError) and inner.strerror:
        return via + inner.strerror.lower()
    return f"{via}connection failed ({type(chain[0]).__name__})"


def _tls_error(error: ssl.SSLError, url: Url) -> FetchError:
    reason = getattr(error, "verify_message", None) or error.reason or "handshake failed"
    return FetchError(
        f"cannot fetch `{url}`: TLS: {str(reason).lower().replace('_', ' ')}",
        code="E-FETCH-TLS",
        hint="if a proxy or index has a CA of its own, point `SSL_CERT_FILE` (or `PIP_CERT`) at its bundle; "
        "check the clock, too",
    )
