"""For aspect's rules_py, which reads uv.lock: the project's own, with the wheels that were built here in it.

Lines are put in, none is changed: who compares the two sees what crossdock added. uv and crossdock read it too where it
takes the place of the project's own, and know no distdir: what was built needs a URL that leads somewhere.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from crossdock.ship.bazel.adapters.model import Request
    from crossdock.ship.bazel.model import BazelWheel

_PACKAGE = "[[package]]"
_WHEELS = re.compile(r"(?m)^wheels = \[\n((?:    .*\n)*)\]$")
#: What stands before the wheels of a package: its source distribution, else its source.
_BEFORE = re.compile(r"(?m)^(?:sdist|source) = .*\n")


def files(request: Request) -> dict[str, bytes]:
    """Return uv.lock; raise `UsageError`: E-BAZEL-UV-LOCK without one that can be added to, E-BAZEL-NO-URL."""
    if request.uv_lock is None:
        raise UsageError(
            "there is no uv.lock, which rules_py reads",
            code="E-BAZEL-UV-LOCK",
            hint="run `uv lock` in the project, and give the project as SOURCE",
        )
    text = _text(request.uv_lock)
    for wheel in sorted(request.hub.wheels.values(), key=lambda one: one.filename):
        if wheel.built_from is not None:
            text = _with_wheel(text, wheel, request.url_of(wheel, "rules_py", beyond_bazel=True))
    return {"uv.lock": text.encode()}


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"uv.lock is no UTF-8: byte {error.start}", code="E-BAZEL-UV-LOCK", hint="run `uv lock`"
        ) from error


def _with_wheel(text: str, wheel: BazelWheel, url: str) -> str:
    """Return the lock with one wheel more, told by reading it again."""
    row = f'    {{ url = {json.dumps(url)}, hash = "sha256:{wheel.sha256}", size = {wheel.size} }},\n'
    head, *blocks = text.split(_PACKAGE)
    for at, block in enumerate(blocks):
        if _is(block, wheel):
            blocks[at] = _put(block, row)
    found = _PACKAGE.join([head, *blocks])
    if _read(found) != _expected(_read(text), wheel, url):
        raise UsageError(
            f"uv.lock cannot be added to: `{wheel.package} {wheel.version}` is not in it as uv writes it",
            code="E-BAZEL-UV-LOCK",
            hint="run `uv lock`, and then this again",
        )
    return found


def _is(block: str, wheel: BazelWheel) -> bool:
    try:
        table = tomllib.loads(_PACKAGE + block)["package"][0]
    except (tomllib.TOMLDecodeError, LookupError):
        return False
    return (table.get("name"), table.get("version")) == (wheel.package, wheel.version)


def _put(block: str, row: str) -> str:
    found = _WHEELS.search(block)
    if found is not None:
        return f"{block[: found.end(1)]}{row}{block[found.end(1) :]}"
    places = list(_BEFORE.finditer(block))
    at = places[-1].end() if places else len(block)
    return f"{block[:at]}wheels = [\n{row}]\n{block[at:]}"


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _expected(lock: dict[str, Any], wheel: BazelWheel, url: str) -> dict[str, Any]:
    row = {"url": url, "hash": f"sha256:{wheel.sha256}", "size": wheel.size}
    packages = [
        {**one, "wheels": [*one.get("wheels", []), row]}
        if (one.get("name"), one.get("version")) == (wheel.package, wheel.version)
        else one
        for one in lock.get("package", [])
    ]
    changed = packages != lock.get("package", [])
    return {**lock, "package": packages} if changed else {"nothing": "was added"}
