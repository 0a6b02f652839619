"""Logins for registries, from where Docker and Podman keep them.

docs.docker.com, "docker login", and containers-auth.json(5): the first file with a login for the registry wins.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.errors import UsageError
from crossdock.net.registry.reference import DEFAULT_REGISTRY, DOCKER_API, DOCKER_INDEX_HOST, host_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Under which Docker keeps the login of its own registry, since before there was a second version of the API.
_DOCKER_KEYS = (f"https://{DOCKER_INDEX_HOST}/v1/", DOCKER_INDEX_HOST, DEFAULT_REGISTRY, DOCKER_API)
_LARGEST_CONFIG = 1 << 20
#: A helper may ask its user to unlock something; it may not hang a build for ever.
_HELPER_SECONDS = 60
_LARGEST_ANSWER = 64 << 10
#: docker-credential-helpers, `credentials/error.go`: said on standard output, with exit status 1.
_NOT_FOUND = "credentials not found"
_IDENTITY = "<token>"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLogin:
    """A user's proof for a registry: name and password, or an identity token; never shown."""

    username: str = ""
    password: str = ""
    #: Exchanged for access tokens (OAuth 2 `refresh_token`); its user name is `<token>`.
    identity_token: str = ""

    def basic(self) -> str:
        """Return the value of `Authorization` for basic authentication (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    def __repr__(self) -> str:
        return "RegistryLogin(****)"


def config_paths(environ: Mapping[str, str], home: Path | None) -> tuple[Path, ...]:
    """Return the files that may hold logins, the first to ask first."""
    if named := environ.get("REGISTRY_AUTH_FILE"):
        return (Path(named),)
    found: list[Path] = []
    if directory := environ.get("DOCKER_CONFIG"):
        found.append(Path(directory, "config.json"))
    elif home is not None:
        found.append(home / ".docker" / "config.json")
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(runtime, "containers", "auth.json"))
    configured = environ.get("XDG_CONFIG_HOME")
    if configured:
        found.append(Path(configured, "containers", "auth.json"))
    elif home is not None:
        found.append(home / ".config" / "containers" / "auth.json")
    return tuple(found)


class RegistryLogins:
    """Looks logins up; files are read and helpers run only when a registry asks for a login."""

    def __init__(self, paths: Sequence[Path] = (), environ: Mapping[str, str] | None = None) -> None:
        self._paths = tuple(paths)
        #: What helper programs are found and run with.
        self._environ = dict(environ or {})
        self._configs: tuple[tuple[Path, dict[str, Any]], ...] | None = None
        self._found: dict[tuple[str, str], RegistryLogin | None] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, environ: Mapping[str, str], home: Path | None) -> RegistryLogins:
        """Return the logins of a user, by his environment and home directory."""
        return cls(config_paths(environ, home), environ)

    def find(self, registry: str, repository: str) -> RegistryLogin | None:
        """Return the login for a repository, or None when nobody is logged in.

        `credHelpers` come before `credsStore` and `auths`, and of `auths` the longest path that holds the
        repository wins. Raise `UsageError` (`E-REGISTRY-CREDENTIALS`) for a file or helper that is broken.
        """
        # Many threads ask for the same login, and a helper may ask its user for each answer.
        with self._lock:
            if (registry, repository) not in self._found:
                self._found[registry, repository] = self._look_up(registry, repository)
            return self._found[registry, repository]

    def _look_up(self, registry: str, repository: str) -> RegistryLogin | None:
        if self._configs is None:
            self._configs = tuple(
                (path, config) for path in self._paths if (config := _read(path)) is not None
            )
        for path, config in self._configs:
            login = self._in_config(path, config, registry, repository)
            if login is not None:
                return login
        return None

    def _in_config(
        self, path: Path, config: dict[str, Any], registry: str, repository: str
    ) -> RegistryLogin | None:
        helpers = _table(path, config, "credHelpers")
        for key in _host_keys(registry):
            if key in helpers:
                return self._ask(path, helpers[key], key)
        auths = _table(path, config, "auths")
        for key in _auth_keys(registry, repository):
            if (entry := _entry(auths, key)) is not None and (login := _login(path, key, entry)) is not None:
                return login
        if store := config.get("credsStore"):
            for key in _host_keys(registry):
                if (login := self._ask(path, store, key)) is not None:
                    return login
        return None

    def _ask(self, path: Path, helper: object, server: str) -> RegistryLogin | None:
        # The name becomes part of a program's name: nothing that could be a path.
        if (
            not isinstance(helper, str)
            or not helper.replace("-", "").replace("_", "").replace(".", "").isalnum()
        ):
            raise _broken(path, "names a credential helper that cannot be one")
        name = f"docker-credential-{helper}"
        answer = _run(name, server, self._environ)
        if answer is None:
            return None
        try:
            said = json.loads(answer)
            username, secret = said["Username"], said["Secret"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _helper_error(name, server, "its answer is not the JSON that a helper gives") from None
        if not isinstance(username, str) or not isinstance(secret, str):
            raise _helper_error(name, server, "its answer is not the JSON that a helper gives")
        return _made(username, secret)


def _host_keys(registry: str) -> tuple[str, ...]:
    return _DOCKER_KEYS if registry == DEFAULT_REGISTRY else (registry,)


def _auth_keys(registry: str, repository: str) -> Iterator[str]:
    """Give the names under which a login may stand, the most precise first (containers-auth.json(5))."""
    parts = repository.split("/")
    for count in range(len(parts), 0, -1):
        yield "/".join((registry, *parts[:count]))
    yield from _host_keys(registry)


def _entry(auths: dict[str, Any], key: str) -> Any:
    if key in auths:
        return auths[key]
    # Old versions of Docker wrote whole URLs: `https://registry.example.com/v1/`.
    host, _, path = key.partition("/")
    for said, entry in auths.items():
        bare = said.removeprefix("https://").removeprefix("http://")
        if bare == said:
            continue
        said_host, _, said_path = bare.rstrip("/").partition("/")
        if said_host.lower() == host and not path and said_path in {"", "v1", "v2"}:
            return entry
    return None


def _login(path: Path, key: str, entry: object) -> RegistryLogin | None:
    if not isinstance(entry, dict):
        raise _broken(path, f"has no table under `{host_of(key)}`")
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return RegistryLogin(identity_token=token)
    packed = entry.get("auth")
    if isinstance(packed, str) and packed:
        username, colon, password = _unpacked(packed).partition(":")
        if not colon:
            raise _broken(path, f"has an `auth` under `{host_of(key)}` that is not base64 of `user:password`")
        return _made(username, password)
    name, word = entry.get("username"), entry.get("password")
    # With a `credsStore`, Docker leaves `{}` behind as a mark.
    return _made(name, word) if isinstance(name, str) and isinstance(word, str) else None


def _unpacked(packed: str) -> str:
    try:
        # Docker pads with NULs in some versions (docker/cli, config/configfile, decodeAuth).
        return base64.b64decode(packed, validate=True).decode().strip("\x00")
    except ValueError:
        return ""


def _made(username: str, secret: str) -> RegistryLogin | None:
    if username == _IDENTITY:
        return RegistryLogin(identity_token=secret)
    return RegistryLogin(username=username, password=secret) if username or secret else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _broken(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(raw) > _LARGEST_CONFIG:
        raise _broken(path, f"is larger than {_LARGEST_CONFIG} bytes")
    try:
        value = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        # Not the parser's own words: they may quote a secret.
        raise _broken(path, "is not JSON") from None
    if not isinstance(value, dict):
        raise _broken(path, "is not a JSON object")
    return value


def _table(path: Path, config: dict[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _broken(path, f"has a `{name}` that is not a table")
    return found


def _run(name: str, server: str, environ: Mapping[str, str]) -> bytes | None:
    import shutil
    import subprocess  # only for those who have a helper

    program = shutil.which(name, path=environ.get("PATH", ""))
    if program is None:
        raise _helper_error(name, server, "the program is not on `PATH`")
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            env=dict(environ),
            timeout=_HELPER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _helper_error(name, server, f"no answer within {_HELPER_SECONDS} s") from None
    except OSError as error:
        raise _helper_error(name, server, (error.strerror or str(error)).lower()) from error
    if done.returncode:
        said = done.stdout[:_LARGEST_ANSWER].decode("utf-8", "replace").strip()
        if _NOT_FOUND in said.lower():
            return None
        # What it prints is not repeated: a helper may print anything, secrets too.
        raise _helper_error(name, server, f"it ended with status {done.returncode}")
    if len(done.stdout) > _LARGEST_ANSWER:
        raise _helper_error(name, server, f"its answer is larger than {_LARGEST_ANSWER} bytes")
    return done.stdout


def _helper_error(name: str, server: str, why: str) -> UsageError:
    return UsageError(
        f"cannot ask `{name}` for the login of `{server}`: {why}",
        code="E-REGISTRY-CREDENTIALS",
        hint=f"try it: `echo {server} | {name} get`; or log in again with `docker login` or `podman login`",
    )


def _broken(path: Path, why: str) -> UsageError:
    return UsageError(
        f"`{path}` {why}",
        code="E-REGISTRY-CREDENTIALS",
        hint="log in again with `docker login` or `podman login`, or name another file in `REGISTRY_AUTH_FILE`",
    )
