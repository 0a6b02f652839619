"""What of the user's settings of cargo a fetch of crates sees: where crates come from, and nothing secret."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Keys by table (<https://doc.rust-lang.org/cargo/reference/config.html>). No token, and no name of a program.
_KEPT = {
    "source": {"registry", "replace-with", "git", "branch", "tag", "rev"},
    "registries": {"index", "protocol"},
    "registry": {"default", "protocol"},
    "http": {"proxy", "timeout", "ssl-version", "low-speed-limit", "multiplexing", "check-revoke"},
    "net": {"retry"},
}
_NAMED = frozenset({"source", "registries"})
_VARIABLES = re.compile(
    r"CARGO_HTTP_(?:PROXY|TIMEOUT|SSL_VERSION|LOW_SPEED_LIMIT|MULTIPLEXING|CHECK_REVOKE)|CARGO_NET_RETRY"
    r"|CARGO_REGISTRIES_[A-Z0-9_]+_(?:INDEX|PROTOCOL)|CARGO_REGISTRY_DEFAULT|CARGO_REGISTRIES_CRATES_IO_PROTOCOL"
    r"|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY|all_proxy|ALL_PROXY"
)
_CERTIFICATES = ("CARGO_HTTP_CAINFO", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
_CREDENTIALS = re.compile(r"^[a-z+]+://[^/@]*@")


def cargo_settings(environ: Mapping[str, str], warn: Callable[[str], None]) -> dict[str, Any]:
    """Return the user's settings that say where crates come from, as tables; `environ` finds them."""
    home = Path(environ.get("CARGO_HOME") or Path(environ.get("HOME") or "/nonexistent") / ".cargo")
    for name in ("config.toml", "config"):
        path = home / name
        if not path.is_file():
            continue
        try:
            return filtered_settings(tomllib.loads(path.read_text("utf-8")), warn)
        except (OSError, ValueError) as error:
            warn(f"`{path}` cannot be read ({error}): crates are fetched without it")
            return {}
    return {}


def filtered_settings(settings: Mapping[str, Any], warn: Callable[[str], None]) -> dict[str, Any]:
    """Return the tables and keys that a fetch needs; what has a password in its URL is left out with a warning."""
    found: dict[str, Any] = {}
    for table, keys in _KEPT.items():
        value = settings.get(table)
        if not isinstance(value, dict):
            continue
        if table not in _NAMED:
            found[table] = _plain(value, keys, table, warn)
            continue
        found[table] = {
            name: _plain(one, keys, f"{table}.{name}", warn)
            for name, one in value.items()
            if isinstance(one, dict)
        }
    return {table: value for table, value in found.items() if value}


def _plain(
    value: Mapping[str, Any], keys: set[str], where: str, warn: Callable[[str], None]
) -> dict[str, Any]:
    kept = {}
    for key, one in value.items():
        if key not in keys or not isinstance(one, str | int | bool):
            continue
        if isinstance(one, str) and where != "http" and _CREDENTIALS.match(one):
            warn(f"cargo's setting `{where}.{key}` has a password in it and is not used for builds")
            continue
        kept[key] = one
    return kept


def network_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that say how the network is reached."""
    return {name: value for name, value in sorted(environ.items()) if _VARIABLES.fullmatch(name)}


def certificates(environ: Mapping[str, str]) -> Path | None:
    """Return the file of certificates that this machine trusts, None where none is named."""
    for name in _CERTIFICATES:
        if (value := environ.get(name)) and Path(value).is_file():
            return Path(value).resolve()
    return None


def toml(tables: Mapping[str, Any]) -> str:
    """Write tables of strings, numbers and truths, and tables of those, as TOML."""
    lines: list[str] = []
    for table, value in tables.items():
        plain = {key: one for key, one in value.items() if not isinstance(one, dict)}
        for name, one in [("", plain), *((key, one) for key, one in value.items() if isinstance(one, dict))]:
            if one:
                lines.append(f"[{table}.{json.dumps(name)}]" if name else f"[{table}]")
                lines += [f"{json.dumps(key)} = {json.dumps(item)}" for key, item in one.items()]
    return "\n".join(lines) + "\n"
