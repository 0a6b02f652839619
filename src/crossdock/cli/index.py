"""The index options of the command line, as the variables that uv and pip have for them; and host programs."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crossdock.cli.session import Session
    from crossdock.net.index import Index
    from crossdock.net.pages import ProjectFile
    from crossdock.net.settings import IndexSettings


def with_options(environ: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment with the index options in it, so that one place reads all settings.

    An option replaces the variable of its meaning; options that may repeat come before what the variable says.
    """
    result = dict(environ)
    for name, variable in _SINGLE.items():
        value = options.get(name)
        if value not in (None, ""):
            result[variable] = f"{value:g}" if isinstance(value, float) else str(value)
    for name, variable, separator in _REPEATED:
        values = options.get(name) or ()
        if values:
            result[variable] = separator.join([*values, *filter(None, [environ.get(variable)])])
    if options.get("no_index"):
        result["PIP_NO_INDEX"] = "1"
    return result


_SINGLE = {
    "index_url": "UV_DEFAULT_INDEX",
    "cert": "SSL_CERT_FILE",
    "client_cert": "SSL_CLIENT_CERT",
    "proxy": "PIP_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "keyring_provider": "PIP_KEYRING_PROVIDER",
}
_REPEATED = (
    ("extra_index_url", "UV_INDEX", " "),
    ("find_links", "UV_FIND_LINKS", ","),
    ("trusted_host", "UV_INSECURE_HOST", " "),
)


def uv_program() -> str:
    """Return the path of the `uv` package's program; `LockError` if it is missing."""
    from crossdock.lock.uv import uv_executable

    return uv_executable()


def default_index_of(settings: IndexSettings) -> str:
    """Return the URL of the default index in effect: the user's, else the one that uv would use."""
    from pathlib import Path

    from crossdock.net.settings import default_index

    return default_index(Path(uv_program()), python=Path(sys.executable), settings=settings)


def index_of(session: Session) -> Index:
    """Return the package index that uv's and pip's settings and the options name."""
    from crossdock.net.families import IndexSource
    from crossdock.net.index import Index

    settings = session.index
    indexes = list(settings.indexes)
    if settings.index_url is None and not settings.no_index:
        # Nobody configured a default: it is uv's own, as for the resolution.
        indexes.append(IndexSource(url=default_index_of(settings)))
    return Index(session.http, indexes, settings.find_links)


def project_files(session: Session) -> Callable[[str], tuple[ProjectFile, ...]]:
    """Return a function that lists an index's files of a package, each package asked for once."""
    index: list[Index] = []

    @functools.cache
    def files_of(name: str) -> tuple[ProjectFile, ...]:
        if not index:
            index.append(index_of(session))
        return index[0].files(name)

    return files_of


def host_python_of(version: tuple[int, int]) -> str:
    """Return an interpreter of this host that runs build backends: of `version` if there is one, else our own.

    What it builds is pure, and proven to be; the same minor version only makes it likelier that a setup.py
    which asks for the version answers as the target would.
    """
    if sys.version_info[:2] == version:
        return sys.executable
    name = f"python{version[0]}.{version[1]}"
    found = shutil.which(name)
    if found is not None and _runs(found):
        return found
    return sys.executable


def _runs(python: str) -> bool:
    """Tell whether an interpreter starts: version managers put shims on the PATH that do not."""
    try:
        done = subprocess.run([python, "-I", "-c", "pass"], capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
