"""Where uploads go and by which login: .pypirc, and the variables of twine and uv."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.net.url import Login, Url, without_login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: The section of .pypirc that is the public index's (packaging.python.org, "The .pypirc file").
_PUBLIC = "pypi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """An index that takes uploads: the URL of its upload API without a login, and the login where one is known."""

    url: str
    login: Login | None


def find_repository(asked: str, environ: Mapping[str, str], *, public: Callable[[], str]) -> Repository:
    """Return what `asked` names: a URL, or a section of .pypirc.

    The login is the URL's own, else that of the variables, else that of .pypirc's section with this URL; netrc and
    keyrings are the transport's. `public` gives the URL of the public index's simple API, for the section `pypi`, which
    need not name its own. Raise `UsageError` (E-UPLOAD-REPOSITORY, E-UPLOAD-PYPIRC).
    """
    sections = {name: (url, login) for name, url, login in _sections(environ)}
    if "://" in asked:
        known = [login for url, login in sections.values() if login is not None and _same(url, asked)]
        # Of several sections with this URL one with a password: the others only give it another name.
        known.sort(key=lambda login: not login.password)
        return _repository(asked, known[0] if known else None, environ)
    if asked not in sections:
        raise UsageError(
            f"`{asked}` is no URL, and no section of .pypirc",
            code="E-UPLOAD-REPOSITORY",
            hint=f".pypirc has {', '.join(f'`{name}`' for name in sections)}" if sections else "give the URL",
        )
    url, login = sections[asked]
    return _repository(url or _unnamed(asked, public), login, environ)


def _unnamed(section: str, public: Callable[[], str]) -> str:
    """Return where a section without `repository` uploads to: twine knows that of `pypi`."""
    found = upload_url(public()) if section == _PUBLIC else None
    if found is None:
        raise UsageError(
            f"the section `{section}` of .pypirc has no `repository`, and the address of its upload API is not known",
            code="E-UPLOAD-REPOSITORY",
            hint="add `repository = URL` to it, or give the URL to --to",
        )
    return found


def upload_url(simple: str) -> str | None:
    """Return the upload API of a warehouse whose simple API is at `https://HOST/simple`, None for another address."""
    scheme, _, rest = simple.rstrip("/").partition("://")
    host, _, path = rest.partition("/")
    if scheme != "https" or path != "simple" or "@" in host:
        return None
    return f"https://upload.{host}/legacy/"


def _repository(url: str, stored: Login | None, environ: Mapping[str, str]) -> Repository:
    parsed = Url.parse(url)
    if parsed.scheme == "file":
        raise UsageError(
            "an index that takes uploads is a server",
            code="E-UPLOAD-REPOSITORY",
            hint="a directory: `-o DIR`",
        )
    return Repository(url=without_login(url), login=parsed.login or _said(environ) or stored)


def _said(environ: Mapping[str, str]) -> Login | None:
    """Return the login that variables say, uv's before twine's; a token's user is `__token__`."""
    if token := environ.get("UV_PUBLISH_TOKEN"):
        return Login("__token__", token)
    for tool in ("UV_PUBLISH", "TWINE"):
        password = environ.get(f"{tool}_PASSWORD", "")
        if password:
            return Login(environ.get(f"{tool}_USERNAME") or "__token__", password)
    return None


def _sections(environ: Mapping[str, str]) -> Iterator[tuple[str, str, Login | None]]:
    path = Path(environ.get("HOME") or environ.get("USERPROFILE") or ".") / ".pypirc"
    try:
        text = path.read_text("utf-8")
    except OSError:
        return
    except UnicodeDecodeError as error:
        raise UsageError(f"`{path}` is not UTF-8", code="E-UPLOAD-PYPIRC") from error
    # No interpolation: passwords have per cent signs.
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        # Its message quotes the line, which may be a password.
        raise UsageError(
            f"`{path}` is not well-formed ({type(error).__name__})", code="E-UPLOAD-PYPIRC"
        ) from None
    for name in parser.sections():
        url = parser.get(name, "repository", fallback="").strip()
        if name == "distutils":
            continue
        user, password = (parser.get(name, key, fallback="").strip() for key in ("username", "password"))
        yield name, url, Login(user or "__token__", password) if user or password else None


def _same(one: str, other: str) -> bool:
    return bool(one) and without_login(one).rstrip("/") == without_login(other).rstrip("/")


def simple_urls(upload: str) -> tuple[str, ...]:
    """Return where the simple index of an upload API may be, the likelier first.

    `/legacy/` becomes `/simple/`, on a host that is not called `upload.` (warehouse); else it lies below: `simple/`
    (pypiserver, Artifactory, Nexus, GitLab, CodeArtifact, Google) or `+simple/` (devpi).
    """
    base = upload.rstrip("/")
    if base.endswith("/legacy"):
        scheme, _, rest = base.removesuffix("/legacy").partition("://")
        return (f"{scheme}://{rest.removeprefix('upload.')}/simple/",)
    if base.endswith("/simple"):
        return (f"{base}/",)
    return (f"{base}/simple/", f"{base}/+simple/")
