"""uv's settings: `uv.toml`, `[tool.uv]`, and `UV_*` variables, merged as uv merges them.

Source: uv 0.13's documentation (configuration files, indexes, environment), and its behaviour as tested with
`uv pip compile --emit-index-url`, 2026-11.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crossdock.errors import UsageError
from crossdock.net.credentials import Credential, credentials_of
from crossdock.net.families import Family, IndexSource, read_bool, read_number
from crossdock.net.url import Login, Url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

#: `name=url`, as `UV_INDEX` and `UV_DEFAULT_INDEX` may say it.
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)=(?P<url>.+)", re.DOTALL)


def uv_paths(environ: Mapping[str, str], *, platform: str, project: Path | None) -> tuple[Path, ...]:
    """Return where uv looks for configuration, most important first; `project` is where the search starts.

    A `pyproject.toml` counts only when it has `[tool.uv]`, and a `uv.toml` beside it hides it; the reader of
    the files sees to that.
    """
    if environ.get("UV_NO_CONFIG", "").lower() in {"1", "true", "yes", "y", "t", "on"}:
        return ()
    if named := environ.get("UV_CONFIG_FILE"):
        return (Path(named),)
    paths = []
    for folder in (project, *project.parents) if project is not None else ():
        paths += [folder / "uv.toml", folder / "pyproject.toml"]
    return (*paths, *_user_and_system(environ, platform))


def _user_and_system(environ: Mapping[str, str], platform: str) -> list[Path]:
    if platform == "win32":
        user, system = environ.get("APPDATA"), environ.get("PROGRAMDATA") or environ.get("SYSTEMDRIVE")
        return [Path(item, "uv", "uv.toml") for item in (user, system) if item]
    paths = []
    if config := environ.get("XDG_CONFIG_HOME") or (
        f"{environ['HOME']}/.config" if environ.get("HOME") else ""
    ):
        paths.append(Path(config, "uv", "uv.toml"))
    folders = [item for item in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if item]
    return [*paths, *(Path(folder, "uv", "uv.toml") for folder in folders), Path("/etc/uv/uv.toml")]


def uv_table(path: Path, text: str) -> Mapping[str, Any] | None:
    """Return uv's table in a file's text, None when a `pyproject.toml` has none.

    Raise `UsageError` (`E-SETTINGS`) for a file that is not TOML.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"cannot read `{path}`: {error}", code="E-SETTINGS") from error
    if path.name != "pyproject.toml":
        return document
    tool = document.get("tool")
    table = tool.get("uv") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def read_uv(tables: Iterable[tuple[Path, Mapping[str, Any]]], environ: Mapping[str, str]) -> Family:
    """Return what uv's tables (with the file each is from, most important first) and variables say."""
    families = [_from_environ(environ), *(_from_table(path, table) for path, table in tables)]
    merged = families[0]
    for family in families[1:]:
        merged = _merged(merged, family)
    return _with_credentials(merged, environ)


def _merged(first: Family, second: Family) -> Family:
    """Single values: the first that says one. Lists: all, the more important ones in front."""
    return Family(
        default_index=first.default_index or second.default_index,
        indexes=_indexes(first.indexes, second.indexes),
        find_links=(*first.find_links, *second.find_links),
        no_index=first.no_index or second.no_index,
        trusted_hosts=(*first.trusted_hosts, *second.trusted_hosts),
        authorities=first.authorities or second.authorities,
        client_cert=first.client_cert or second.client_cert,
        proxy=first.proxy or second.proxy,
        timeout=first.timeout if first.timeout is not None else second.timeout,
        retries=first.retries if first.retries is not None else second.retries,
        keyring=first.keyring or second.keyring,
        index_strategy=first.index_strategy or second.index_strategy,
    )


def _indexes(first: tuple[IndexSource, ...], second: tuple[IndexSource, ...]) -> tuple[IndexSource, ...]:
    # uv: "if an index with the same name is defined twice, the first wins".
    names = {index.name for index in first if index.name}
    return (*first, *(index for index in second if index.name is None or index.name not in names))


def _from_environ(environ: Mapping[str, str]) -> Family:
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL")
    extra = [*environ.get("UV_INDEX", "").split(), *environ.get("UV_EXTRA_INDEX_URL", "").split()]
    timeout = next(
        (
            environ[key]
            for key in ("UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT")
            if environ.get(key)
        ),
        None,
    )
    retries = environ.get("UV_HTTP_RETRIES")
    no_index = environ.get("UV_NO_INDEX")
    authorities = [environ[key] for key in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(key)]
    return Family(
        default_index=_named(default) if default else None,
        indexes=tuple(_named(item) for item in extra),
        find_links=tuple(item for item in environ.get("UV_FIND_LINKS", "").split(",") if item),
        no_index=read_bool(no_index, "`UV_NO_INDEX`") if no_index else False,
        trusted_hosts=tuple(environ.get("UV_INSECURE_HOST", "").split()),
        authorities=tuple(authorities),
        client_cert=environ.get("SSL_CLIENT_CERT") or None,
        timeout=read_number(timeout, "uv's timeout") if timeout else None,
        retries=int(read_number(retries, "`UV_HTTP_RETRIES`")) if retries else None,
        keyring=environ.get("UV_KEYRING_PROVIDER") or None,
        index_strategy=environ.get("UV_INDEX_STRATEGY") or None,
    )


def _named(text: str) -> IndexSource:
    found = _NAMED.fullmatch(text)
    # A URL has `=` in its query, but never before its colon.
    if found is None:
        return IndexSource(url=text)
    return IndexSource(url=found["url"], name=found["name"])


def _from_table(path: Path, table: Mapping[str, Any]) -> Family:
    section = table.get("pip")
    # `uv pip` commands, which is what we run, prefer their own section.
    merged = {**table, **(section if isinstance(section, dict) else {})}

    def text(key: str) -> str | None:
        return _typed(merged, key, str, path)

    def texts(key: str) -> tuple[str, ...]:
        values = merged.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise _wrong(path, key, "a list of strings")
        return tuple(values)

    indexes = _table_indexes(path, merged)
    default = next((index for index, is_default in indexes if is_default), None)
    listed = [index for index, is_default in indexes if not is_default]
    extra = [IndexSource(url=_resolved(url, path)) for url in texts("extra-index-url")]
    index_url = text("index-url")
    return Family(
        default_index=default or (IndexSource(url=_resolved(index_url, path)) if index_url else None),
        indexes=(*listed, *extra),
        find_links=tuple(_resolved(item, path) for item in texts("find-links")),
        no_index=_typed(merged, "no-index", bool, path) or False,
        trusted_hosts=texts("allow-insecure-host"),
        proxy=text("https-proxy") or text("http-proxy"),
        keyring=text("keyring-provider"),
        index_strategy=text("index-strategy"),
    )


def _table_indexes(path: Path, table: Mapping[str, Any]) -> list[tuple[IndexSource, bool]]:
    entries = table.get("index", [])
    if not isinstance(entries, list):
        raise _wrong(path, "index", "an array of tables")
    found = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
            raise _wrong(path, "index", "tables with a `url`")
        index = IndexSource(
            url=_resolved(entry["url"], path),
            name=_typed(entry, "name", str, path),
            explicit=_typed(entry, "explicit", bool, path) or False,
            flat=entry.get("format") == "flat",
        )
        found.append((index, _typed(entry, "default", bool, path) or False))
    return found


def _typed(table: Mapping[str, Any], key: str, kind: type[T], path: Path) -> T | None:
    value = table.get(key)
    if value is not None and not isinstance(value, kind):
        raise _wrong(path, key, f"a {kind.__name__}")
    return value


def _wrong(path: Path, key: str, want: str) -> UsageError:
    return UsageError(f"`{path}`: `{key}` must be {want}", code="E-SETTINGS")


def _resolved(place: str, path: Path) -> str:
    """Make a relative directory absolute: it is relative to the file that names it."""
    if "://" in place or place.startswith("file:") or Path(place).is_absolute():
        return place
    return str(path.parent / place)


def _with_credentials(family: Family, environ: Mapping[str, str]) -> Family:
    indexes = [*([family.default_index] if family.default_index else []), *family.indexes]
    found = list(credentials_of([*(index.url for index in indexes), *family.find_links]))
    for index in indexes:
        if index.name is None or "://" not in index.url:
            continue
        # uv: upper case, everything else than letters and digits as an underscore.
        stem = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", index.name.upper())
        username, password = environ.get(f"{stem}_USERNAME"), environ.get(f"{stem}_PASSWORD")
        if username or password:
            url = Url.parse(index.url)
            login = Login(username or "", password or "")
            found.insert(0, Credential(origin=url.origin, path=url.path, login=login))
    return replace(family, credentials=tuple(found))
