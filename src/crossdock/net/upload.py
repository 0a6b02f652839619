"""Uploads to a package index by the legacy upload API: one multipart form for each file, streamed from the disk.

Source: warehouse's API reference, "Upload API", and what twine sends, which every server was made for.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import FetchError
from crossdock.net.attempts import Attempts, Transient
from crossdock.net.exchange import Streamed
from crossdock.net.url import Url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from crossdock.net.http import Http

_CHUNK = 256 * 1024
_ANSWER_LIMIT = 1 << 20
#: What servers answer when they have it: 200 (most), 201 (Nexus, GitLab), 202, 204.
_DONE = frozenset({200, 201, 202, 204})
#: Answers that are read: they may say that the file is there already, and why else it is refused.
_TELLING = frozenset({400, 403, 409, 422})
#: How servers say that a file is there: PyPI's warehouse, Artifactory, Nexus, GitLab, Google.
_EXISTS = re.compile(
    rb"already (?:been )?(?:exists?|uploaded|taken|present)|file name has already|cannot be (?:updated|overwritten|redeploy)"
    rb"|not allowed to (?:overwrite|redeploy)|does not allow updating|repository does not allow|already_exists",
    re.IGNORECASE,
)
_HINTS = {
    401: "give credentials: in the URL, in .pypirc, in netrc, by a keyring, or TWINE_USERNAME and TWINE_PASSWORD",
    403: "the index knows who you are and refuses: check what this login or token may upload",
    404: "that is no address of an upload API: is a slash missing at its end, or `/legacy/`?",
    405: "that is no address of an upload API: it may be that of the simple index",
    413: "the index, or a proxy before it, takes no file of this size",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file to upload: its name, where its bytes are, and its METADATA or PKG-INFO."""

    filename: str
    blob: Path
    sha256: str
    metadata: bytes


class ExistsError(FetchError):
    """The index seems to say that it has a file of this name: no more than a reason to look."""


def upload(http: Http, url: str, what: Upload) -> None:
    """Upload one file; tried again where that may help. Redirects are refused: the login would go where they lead.

    Raise `ExistsError` (E-UPLOAD-EXISTS), `FetchError` (E-UPLOAD-<status>, and those of the transport).
    """
    target = Url.parse(url)
    body = _form(what)
    headers = {"Content-Type": f"multipart/form-data; boundary={_boundary(what)}", "Accept": "*/*"}
    attempts = Attempts(
        http.settings,
        target,
        cancelled=lambda: False,
        hint="run the same command again: what arrived is skipped",
    )
    while True:
        try:
            with http.open(
                "POST",
                target,
                headers=headers,
                body=body,
                ok=_DONE | _TELLING | _HINTS.keys(),
                admit=_refuse_redirect,
            ) as answer:
                said = answer.read(_ANSWER_LIMIT)
                if answer.status in _DONE:
                    return
                raise _refused(answer.status, said, target, what)
        except Transient as failure:
            attempts.failed(failure)


def _refuse_redirect(before: Url, after: Url) -> None:
    raise FetchError(
        f"the upload to `{before}` is sent on to `{after}`",
        code="E-UPLOAD-REDIRECT",
        hint="a form that is redirected arrives without its file: give that address itself if it is the right one",
    )


def _refused(status: int, said: bytes, url: Url, what: Upload) -> FetchError:
    words = _words(said)
    if status == 409 or (status in _TELLING and _EXISTS.search(said)):  # noqa: PLR2004 - Conflict
        return ExistsError(
            f"`{url}` answers {status}" + (f": {words}" if words else ""), code="E-UPLOAD-EXISTS"
        )
    return FetchError(
        f"`{url}` refuses `{what.filename}` with {status}" + (f": {words}" if words else ""),
        code=f"E-UPLOAD-{status}",
        hint=_HINTS.get(status),
    )


def _words(said: bytes) -> str:
    """Return the first words of an answer without its tags and control characters."""
    text = re.sub(
        r"<(?:style|script).*?</(?:style|script)>|<[^>]*>",
        " ",
        said.decode("utf-8", "replace"),
        flags=re.DOTALL,
    )
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


# The form (RFC 7578)


def _boundary(what: Upload) -> str:
    # Of the file's hash: the same upload is the same bytes, and no file holds a text made of its own hash.
    return f"crossdock-{what.sha256[:48]}"


def _form(what: Upload) -> Streamed:
    boundary = _boundary(what)
    fields = "".join(_field(boundary, name, value) for name, value in form_fields(what)).encode()
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{what.filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    end = f"\r\n--{boundary}--\r\n".encode()

    def chunks() -> Iterator[bytes]:
        yield fields + head
        with what.blob.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
        yield end

    return Streamed(length=len(fields) + len(head) + what.blob.stat().st_size + len(end), chunks=chunks)


def _field(boundary: str, name: str, value: str) -> str:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def form_fields(what: Upload) -> list[tuple[str, str]]:
    """Return the fields of the form beside the file: what it is, its hashes, all its metadata."""
    is_wheel = what.filename.endswith(".whl")
    sha256, blake2, md5 = _hashes(what.blob)
    if sha256 != what.sha256:
        raise FetchError(
            f"the bytes of `{what.filename}` are not those that its hash names",
            code="E-UPLOAD-DAMAGED",
            hint="run `crossdock cache verify --heal`, then this again",
        )
    fields = [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("filetype", "bdist_wheel" if is_wheel else "sdist"),
        ("pyversion", what.filename.split("-")[-3] if is_wheel else "source"),
        ("sha256_digest", sha256),
        ("blake2_256_digest", blake2),
        # Nobody trusts it, and some servers want it.
        ("md5_digest", md5),
    ]
    return [*fields, *_metadata_fields(what.metadata)]


def _hashes(blob: Path) -> tuple[str, str, str]:
    found = (hashlib.sha256(), hashlib.blake2b(digest_size=32), hashlib.md5(usedforsecurity=False))
    with blob.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for hasher in found:
                hasher.update(chunk)
    return found[0].hexdigest(), found[1].hexdigest(), found[2].hexdigest()


#: Fields of the form that are not called as `packaging` calls them.
_SINGULAR = {"platforms": "platform", "supported_platforms": "supported_platform"}


def _metadata_fields(metadata: bytes) -> Iterator[tuple[str, str]]:
    from packaging.metadata import parse_email

    raw, _unknown = parse_email(metadata)
    known: Mapping[str, object] = {**raw}
    for name, value in known.items():
        field = _SINGULAR.get(name, name)
        if name == "keywords" and isinstance(value, list):
            yield field, ",".join(map(str, value))
        elif isinstance(value, dict):
            yield from ((field, f"{label}, {url}") for label, url in value.items())
        else:
            values: Sequence[object] = value if isinstance(value, list) else [value]
            yield from ((field, str(one)) for one in values)
