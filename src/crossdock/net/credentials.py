"""Credentials: found by origin, sent to that origin and nowhere else."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.net.url import Login, Origin, Url, redact, without_login

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Credential", "Credentials", "credentials_of", "redact", "without_login"]

#: A keyring may ask its user to unlock it; it may not hang a build for ever.
_KEYRING_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A login for an origin, as the URL of an index said it; `path` is that URL's path."""

    origin: Origin
    path: str
    login: Login


def credentials_of(urls: Iterable[str]) -> tuple[Credential, ...]:
    """Return the credentials that stand in URLs (`https://user:password@host/...`)."""
    found = []
    for text in urls:
        if "://" not in text or "@" not in text:
            continue
        url = Url.parse(text)
        if url.login is not None:
            found.append(Credential(origin=url.origin, path=url.path, login=url.login))
    return tuple(found)


class Credentials:
    """Looks logins up: index URLs first, then netrc, then (only when asked for) the keyring."""

    def __init__(
        self,
        known: Iterable[Credential] = (),
        *,
        netrc: Path | None = None,
        keyring: str = "disabled",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._known = tuple(known)
        self._netrc = netrc
        self._keyring = keyring
        self._environ = environ
        self._hosts: dict[str, Login] | None = None
        self._asked: dict[tuple[Origin, str | None], Login | None] = {}

    def find(self, url: Url) -> Login | None:
        """Return the login to send with the first request to `url`, or None."""
        login = url.login or self._configured(url)
        if login is not None and login.password:
            return login
        stored = self._from_netrc(url.origin.host)
        if stored is not None and login is not None and stored.username != login.username:
            stored = None
        # A user name alone is a login too: tokens are written so.
        return stored or login

    def ask(self, url: Url) -> Login | None:
        """Return the keyring's login for a URL that answered 401, or None. Asked once for an origin."""
        if self._keyring == "disabled":
            return None
        known = self.find(url)
        key = (url.origin, known.username if known else None)
        if key not in self._asked:
            self._asked[key] = self._from_keyring(url, key[1])
        return self._asked[key]

    def _configured(self, url: Url) -> Login | None:
        # One host may serve several indexes, each with its own login: the longest common path wins.
        matches = [known for known in self._known if known.origin == url.origin]
        if not matches:
            return None
        return max(matches, key=lambda known: _common(known.path, url.path)).login

    def _from_netrc(self, host: str) -> Login | None:
        if self._hosts is None:
            self._hosts = read_netrc(self._netrc)
        return self._hosts.get(host)

    def _from_keyring(self, url: Url, username: str | None) -> Login | None:
        # As pip: the full URL first, then the host; a keyring's backends differ in what they know.
        services = (url.text, url.origin.host)
        if self._keyring in {"auto", "import"}:
            try:
                # An optional package, slow to load, and not there for the type checker.
                keyring = importlib.import_module("keyring")
            except ImportError:
                if self._keyring == "import":
                    return None
            else:
                return _ask_imported(keyring, services, username)
        return _ask_program(services, username, self._environ)


def read_netrc(path: Path | None) -> dict[str, Login]:
    """Return the logins of a netrc file by host; an unreadable or malformed file has none.

    The `default` entry is left out on purpose: it would go to every host there is.
    """
    if path is None or not path.is_file():
        return {}
    import netrc  # most have none

    try:
        parsed = netrc.netrc(str(path))
    except (OSError, ValueError, netrc.NetrcParseError):
        return {}
    return {
        host.lower(): Login(login or account or "", password or "")
        for host, (login, account, password) in parsed.hosts.items()
        if host != "default"
    }


def _common(one: str, other: str) -> int:
    count = 0
    for left, right in zip(one.strip("/").split("/"), other.strip("/").split("/"), strict=False):
        if left != right:
            break
        count += 1
    return count


def _ask_imported(keyring: Any, services: Iterable[str], username: str | None) -> Login | None:
    for service in services:
        try:
            found = keyring.get_credential(service, username)
        except Exception:  # noqa: BLE001 - backends raise what they like; without a keyring there is a 401
            return None
        if found is not None:
            return Login(found.username, found.password)
    return None


def _ask_program(
    services: Iterable[str], username: str | None, environ: Mapping[str, str] | None
) -> Login | None:
    program = shutil.which("keyring", path=environ.get("PATH") if environ is not None else None)
    # The command can only look a password up for a known name.
    if program is None or username is None:
        return None
    for service in services:
        try:
            done = subprocess.run(
                [program, "get", service, username],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=None if environ is None else dict(environ),
                timeout=_KEYRING_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode == 0 and (password := done.stdout.decode("utf-8", "replace").rstrip("\r\n")):
            return Login(username, password)
    return None
