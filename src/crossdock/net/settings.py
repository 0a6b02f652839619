"""The user's index and connection settings: pip's and uv's own, brought together.

A machine that is set up for pip or for uv is set up for crossdock, which has no settings of its own for these
and no default index.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import FetchError, UsageError
from crossdock.net.families import Family, IndexSource
from crossdock.net.http import HttpSettings
from crossdock.net.pip_settings import pip_paths, read_pip
from crossdock.net.proxies import environment_proxies
from crossdock.net.uv_settings import read_uv, uv_paths, uv_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "Family",
    "IndexSettings",
    "IndexSource",
    "combine",
    "default_index",
    "http_settings",
    "load_settings",
    "uv_arguments",
]

#: How long uv may take to say which index it uses, in seconds; it needs 10 ms.
_UV_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """Both families, what they say together, and the connection's environment.

    Where both say a single value, uv's wins, since uv resolves; lists are joined, uv's first.
    """

    pip: Family = field(default_factory=Family)
    uv: Family = field(default_factory=Family)
    proxies: Mapping[str, str] = field(default_factory=dict)
    #: CA bundles of `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE`, which pip's transport reads.
    requests_authorities: tuple[str, ...] = ()
    netrc: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def index_url(self) -> str | None:
        """The default index, with its credentials; None when nobody configured one, or with `no-index`."""
        said = self.uv.default_index or self.pip.default_index
        return None if self.no_index or said is None else said.url

    @property
    def indexes(self) -> tuple[IndexSource, ...]:
        """All indexes to look a package up in, in order; the first that has it wins. No `explicit` ones."""
        if self.no_index:
            return ()
        default = self.uv.default_index or self.pip.default_index
        extra = [index for index in (*self.uv.indexes, *self.pip.indexes) if not index.explicit]
        return tuple(_unique([*extra, *([default] if default else [])]))

    @property
    def extra_index_urls(self) -> tuple[str, ...]:
        """The URLs of `indexes` without the default one."""
        return tuple(index.url for index in self.indexes if index.url != self.index_url)

    @property
    def find_links(self) -> tuple[str, ...]:
        """Directories, pages and files to look for packages beside the indexes."""
        return tuple(dict.fromkeys((*self.uv.find_links, *self.pip.find_links)))

    @property
    def no_index(self) -> bool:
        """Whether indexes are switched off."""
        return self.uv.no_index or self.pip.no_index

    @property
    def trusted_hosts(self) -> tuple[str, ...]:
        """Hosts whose certificates the user does not want checked."""
        return tuple(dict.fromkeys((*self.uv.trusted_hosts, *self.pip.trusted_hosts)))

    @property
    def authorities(self) -> tuple[str, ...]:
        """CA files and directories; empty for the system's own."""
        # All that any of them names: a machine works here if it works for one of them.
        return tuple(dict.fromkeys((*self.pip.authorities, *self.requests_authorities, *self.uv.authorities)))

    @property
    def index_strategy(self) -> str:
        """The `index-strategy` of uv; the first index that has a name wins unless the user says otherwise."""
        return self.uv.index_strategy or "first-index"

    @property
    def keyring(self) -> str:
        """The `keyring-provider` of uv or pip; off unless asked for."""
        return self.uv.keyring or self.pip.keyring or "disabled"


def _unique(indexes: Iterable[IndexSource]) -> list[IndexSource]:
    found: dict[str, IndexSource] = {}
    for index in indexes:
        found.setdefault(index.url.rstrip("/"), index)
    return list(found.values())


def combine(pip: Family, uv: Family, environ: Mapping[str, str], *, netrc: Path | None) -> IndexSettings:
    """Bring both families and the environment's connection variables together."""
    proxies = environment_proxies(environ)
    if proxy := pip.proxy or uv.proxy:
        proxies.update({"http": proxy, "https": proxy})
    bundles = [environ[key] for key in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(key)]
    return IndexSettings(
        pip=pip,
        uv=uv,
        proxies=proxies,
        # requests takes the first of the two that is set.
        requests_authorities=tuple(bundles[:1]),
        netrc=netrc,
        environ=dict(environ),
    )


def load_settings(
    environ: Mapping[str, str],
    *,
    project: Path | None,
    platform: str = sys.platform,
    prefix: Path | None = None,
) -> IndexSettings:
    """Read the user's settings from all places that pip and uv read.

    `project` is where uv's search for a configuration begins, `prefix` the environment that may hold a
    `pip.conf`. Raise `UsageError` (`E-SETTINGS`) naming the file that cannot be read.
    """
    files = [
        (str(path), text)
        for path in pip_paths(environ, platform=platform, prefix=prefix)
        if (text := _read(path)) is not None
    ]
    pip = read_pip(files, environ, exists=lambda place: Path(place).exists())
    uv = read_uv(_uv_tables(uv_paths(environ, platform=platform, project=project)), _existing(environ))
    return combine(pip, uv, environ, netrc=_netrc(environ))


def _existing(environ: Mapping[str, str]) -> dict[str, str]:
    # OpenSSL and uv both pass over certificate places that do not exist.
    cleaned = dict(environ)
    for key in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if key in cleaned and not Path(cleaned[key]).exists():
            del cleaned[key]
    return cleaned


def _uv_tables(paths: Sequence[Path]) -> list[tuple[Path, Mapping[str, object]]]:
    """Read the nearest project's table, and those of the user and the system behind it."""
    tables: list[tuple[Path, Mapping[str, object]]] = []
    project_found = False
    # Only the search upwards names a pyproject.toml, after the uv.toml of the same directory.
    folders = {path.parent for path in paths if path.name == "pyproject.toml"}
    for path in paths:
        if path.parent in folders and project_found:
            continue
        text = _read(path)
        table = None if text is None else uv_table(path, text)
        if table is not None:
            tables.append((path, table))
            project_found = project_found or path.parent in folders
    return tables


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError):
        # pip passes over what it may not read; so does a file in a directory above the project.
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read `{path}`: {error}", code="E-SETTINGS") from error


def _netrc(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get("NETRC"):
        return Path(named)
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if not home:
        return None
    return next((path for name in (".netrc", "_netrc") if (path := Path(home, name)).is_file()), None)


def http_settings(settings: IndexSettings, **overrides: object) -> HttpSettings:
    """Return the transport's settings; `overrides` are fields of `HttpSettings`."""
    chosen: dict[str, object] = {
        "authorities": settings.authorities,
        "client_cert": settings.uv.client_cert or settings.pip.client_cert,
        "proxies": settings.proxies,
        "trusted_hosts": settings.trusted_hosts,
        "credentials": (*settings.uv.credentials, *settings.pip.credentials),
        "netrc": settings.netrc,
        "keyring": settings.keyring,
        "environ": settings.environ,
    }
    timeout = settings.uv.timeout if settings.uv.timeout is not None else settings.pip.timeout
    retries = settings.uv.retries if settings.uv.retries is not None else settings.pip.retries
    if timeout:
        chosen["timeout"] = timeout
    if retries is not None:
        chosen["tries"] = retries + 1
    return HttpSettings(**{**chosen, **overrides})  # type: ignore[arg-type]


def uv_arguments(settings: IndexSettings) -> tuple[list[str], dict[str, str]]:
    """Return what to add to a uv command line and to its environment so that pip's settings hold there too.

    What uv reads by itself is not repeated. URLs go through the environment: they may hold passwords, and
    other users can read command lines.
    """
    pip, uv, environ = settings.pip, settings.uv, settings.environ
    arguments: list[str] = []
    added: dict[str, str] = {}
    if pip.default_index is not None and uv.default_index is None:
        added["UV_DEFAULT_INDEX"] = pip.default_index.url
    if urls := _new(pip.indexes, uv.indexes):
        added["UV_INDEX"] = " ".join([*environ.get("UV_INDEX", "").split(), *urls])
    if links := [item for item in pip.find_links if item not in uv.find_links]:
        # The variable is split at commas.
        safe = [item for item in links if "," not in item]
        arguments += [part for item in links if "," in item for part in ("--find-links", item)]
        existing = [item for item in environ.get("UV_FIND_LINKS", "").split(",") if item]
        if safe:
            added["UV_FIND_LINKS"] = ",".join([*existing, *safe])
    if pip.no_index and not uv.no_index:
        arguments.append("--no-index")
    if hosts := [host for host in pip.trusted_hosts if host not in uv.trusted_hosts]:
        added["UV_INSECURE_HOST"] = " ".join([*environ.get("UV_INSECURE_HOST", "").split(), *hosts])
    if pip.keyring not in {None, "disabled"} and uv.keyring is None:
        added["UV_KEYRING_PROVIDER"] = "subprocess"
    added.update(_uv_connection(settings))
    return arguments, added


def _new(pip: Iterable[IndexSource], uv: Iterable[IndexSource]) -> list[str]:
    known = {index.url.rstrip("/") for index in uv}
    return [index.url for index in pip if index.url.rstrip("/") not in known]


def _uv_connection(settings: IndexSettings) -> dict[str, str]:
    """Return the variables for certificates, proxy, time and tries that only pip's settings have."""
    pip, uv = settings.pip, settings.uv
    added: dict[str, str] = {}
    if not uv.authorities:
        for place in (*pip.authorities, *settings.requests_authorities)[:1]:
            added["SSL_CERT_DIR" if Path(place).is_dir() else "SSL_CERT_FILE"] = place
    if pip.client_cert and not uv.client_cert:
        added["SSL_CLIENT_CERT"] = pip.client_cert
    if pip.proxy:
        proxy = pip.proxy if "://" in pip.proxy else f"http://{pip.proxy}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            # Both spellings: a lower-case one that is set would win.
            added.update({name: proxy, name.lower(): proxy})
    if pip.timeout is not None and uv.timeout is None:
        added["UV_HTTP_TIMEOUT"] = str(max(1, round(pip.timeout)))
    if pip.retries is not None and uv.retries is None:
        added["UV_HTTP_RETRIES"] = str(pip.retries)
    return added


def default_index(uv: Path, *, python: Path, settings: IndexSettings, cwd: Path | None = None) -> str:
    """Return the default index in effect: the configured one, else the one that uv itself would use.

    crossdock has none of its own, so it asks uv, whose `pip compile --emit-index-url` prints it, offline, for
    no requirements at all. `python` is any interpreter (uv wants to know one). The URL may hold credentials.
    Raise `FetchError` (`E-INDEX-NONE`) when uv names none.
    """
    if settings.index_url is not None:
        return settings.index_url
    import subprocess  # only where nothing is configured

    arguments, added = uv_arguments(settings)
    command = [str(uv), "pip", "compile", "--offline", "--quiet", "--no-header", "--emit-index-url"]
    try:
        done = subprocess.run(
            [*command, *arguments, "--python", str(python), "-"],
            input="",
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**settings.environ, **added},
            cwd=cwd,
            timeout=_UV_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"cannot ask `{uv}` for the default index: {error}", code="E-INDEX-NONE") from error
    for line in done.stdout.splitlines():
        option, _, url = line.partition(" ")
        if option == "--index-url" and url.strip():
            return url.strip()
    raise FetchError(
        "no package index is in effect",
        code="E-INDEX-NONE",
        hint="`--no-index` or a settings file switches it off; `pip config list` shows pip's settings",
    )
