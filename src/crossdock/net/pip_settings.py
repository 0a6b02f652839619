"""pip's settings: its configuration files and `PIP_*` variables, merged as pip merges them.

Source: pip 26.3, `_internal/configuration.py` and `cli/parser.py`, read 2026-11.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.net.credentials import credentials_of
from crossdock.net.families import Family, IndexSource, read_bool, read_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Later sections override earlier ones. We download and install, so both commands' sections count.
_SECTIONS = ("global", "install", "download")

#: `PIP_CONFIG_FILE` and friends are not options.
_NOT_OPTIONS = frozenset({"config-file", "version", "help"})


def pip_paths(environ: Mapping[str, str], *, platform: str, prefix: Path | None) -> tuple[Path, ...]:
    """Return where pip looks for configuration, in the order of increasing precedence.

    `prefix` is the environment's (`sys.prefix`, or `VIRTUAL_ENV`); `platform` as in `sys.platform`.
    `PIP_CONFIG_FILE` replaces the user's files when it exists, and comes last; the null device turns all off.
    """
    named = environ.get("PIP_CONFIG_FILE")
    if named in {"/dev/null", "nul", "NUL"}:
        return ()
    basename = "pip.ini" if platform == "win32" else "pip.conf"
    paths = [*_global_paths(environ, platform, basename)]
    if not (named and Path(named).exists()):
        paths += _user_paths(environ, platform, basename)
    if prefix is not None:
        paths.append(prefix / basename)
    if named:
        paths.append(Path(named))
    return tuple(paths)


def _global_paths(environ: Mapping[str, str], platform: str, basename: str) -> list[Path]:
    if platform == "win32":
        return [Path(environ.get("PROGRAMDATA", "C:\\ProgramData"), "pip", basename)]
    if platform == "darwin":
        return [Path("/Library/Application Support/pip", basename)]
    folders = [item for item in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if item]
    return [*(Path(folder, "pip", basename) for folder in folders), Path("/etc", basename)]


def _user_paths(environ: Mapping[str, str], platform: str, basename: str) -> list[Path]:
    if platform == "win32":
        found = [Path(environ["USERPROFILE"], "pip", basename)] if environ.get("USERPROFILE") else []
        return found + ([Path(environ["APPDATA"], "pip", basename)] if environ.get("APPDATA") else [])
    if not environ.get("HOME"):
        return []
    home = Path(environ["HOME"])
    support = home / "Library/Application Support/pip"
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
    current = support if platform == "darwin" and support.is_dir() else config
    return [home / ".pip" / basename, current / basename]


def read_pip(
    files: Iterable[tuple[str, str]],
    environ: Mapping[str, str],
    *,
    exists: Callable[[str], bool],
) -> Family:
    """Return what pip's files (name and text, least important first) and `PIP_*` variables say.

    `exists` tells whether a local `find-links` place is there: pip passes over a missing one. Raise
    `UsageError` (`E-SETTINGS`) naming the file or variable that cannot be understood.
    """
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for filename, text in files:
        for section, options in _parse(filename, text).items():
            if section in sections:
                sections[section].update(options)
    merged: dict[str, str] = {}
    for name in _SECTIONS:
        merged.update({key: value for key, value in sections[name].items() if value})
    merged.update(_from_environ(environ))
    return _family(merged, exists, environ.get("HOME"))


def _parse(filename: str, text: str) -> dict[str, dict[str, str]]:
    import configparser  # only where there is a pip.conf

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        first = str(error).splitlines()[0]
        raise UsageError(f"cannot read `{filename}`: {first}", code="E-SETTINGS") from error
    return {
        section: {_normal(key): value for key, value in parser.items(section)}
        for section in parser.sections()
    }


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    found = {_normal(name[4:]): value for name, value in environ.items() if name.startswith("PIP_") and value}
    return {key: value for key, value in found.items() if key not in _NOT_OPTIONS}


def _family(options: Mapping[str, str], exists: Callable[[str], bool], home: str | None) -> Family:
    def words(key: str) -> tuple[str, ...]:
        return tuple(options.get(key, "").split())

    timeout = options.get("timeout") or options.get("default-timeout")
    retries = options.get("retries")
    index_url = options.get("index-url") or options.get("pypi-url")
    links = [_expanded(item, home) for item in words("find-links")]
    return Family(
        default_index=IndexSource(url=index_url) if index_url else None,
        indexes=tuple(IndexSource(url=url) for url in words("extra-index-url")),
        find_links=tuple(item for item in links if "://" in item or item[:5] == "file:" or exists(item)),
        no_index=read_bool(options["no-index"], "pip's `no-index`") if "no-index" in options else False,
        trusted_hosts=words("trusted-host"),
        authorities=(_expanded(options["cert"], home),) if options.get("cert") else (),
        client_cert=_expanded(options["client-cert"], home) if options.get("client-cert") else None,
        proxy=options.get("proxy"),
        timeout=read_number(timeout, "pip's `timeout`") if timeout else None,
        retries=int(read_number(retries, "pip's `retries`")) if retries else None,
        keyring=options.get("keyring-provider"),
        credentials=credentials_of([index_url or "", *words("extra-index-url"), *links]),
    )


def _expanded(path: str, home: str | None) -> str:
    return f"{home}{path[1:]}" if home and path.startswith("~/") else path
