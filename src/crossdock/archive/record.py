"""RECORD: what a wheel says of its own files, read into a table and compared as a set."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import TYPE_CHECKING, NamedTuple

from crossdock.digest import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: One row without quotes and with the hash that every tool writes: nearly all rows of real wheels.
_PLAIN = re.compile(r"([^,\"]+),sha256=([A-Za-z0-9_-]{43}),(\d{1,19})", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"]|"")*)",([^,"]*),([^,"]*)')
_URLSAFE = str.maketrans("-_", "+/")


class RecordRow(NamedTuple):
    """One row: the hash as algorithm and lower-case hex, both empty where RECORD gives none; size None likewise."""

    algorithm: str
    hex: str
    size: int | None


class Problem(NamedTuple):
    """One way in which RECORD does not fit; `code` is the error's."""

    code: str
    text: str


def parse_record(content: bytes) -> tuple[dict[str, RecordRow], list[Problem]]:
    """Return RECORD's rows by path, and what is wrong with it by itself (recording installed projects, RECORD)."""
    problems: list[Problem] = []
    rows: dict[str, RecordRow] = {}
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return {}, [Problem("E-RECORD-FORMAT", f"RECORD is not UTF-8 at byte {error.start}")]
    for number, line in enumerate(text.split("\n"), start=1):
        found = _PLAIN.fullmatch(line.removesuffix("\r"))
        if found is not None:
            path, encoded, size = found.groups()
            row: RecordRow | None = RecordRow("sha256", _hex(encoded), int(size))
        elif line.strip():
            path, row = _careful_row(line.removesuffix("\r"))
        else:
            continue
        if row is None:
            problems.append(
                Problem("E-RECORD-FORMAT", f"line {number} of RECORD is malformed: `{line[:140]!a}`")
            )
        elif path in rows:
            # Also with the same hash: two rows are two answers (GHSA-pjjw-68hj-v9mw began with odd rows).
            problems.append(Problem("E-RECORD-DUPLICATE", f"`{path}` comes twice in RECORD"))
        else:
            rows[path] = row
    return rows, problems


def _hex(encoded: str) -> str:
    return a2b_base64(encoded.translate(_URLSAFE) + "=").hex()


def _careful_row(line: str) -> tuple[str, RecordRow | None]:
    """Return path and row of a line that is not plain; None where it does not follow the format."""
    quoted = _QUOTED.fullmatch(line)
    fields = [quoted[1].replace('""', '"'), quoted[2], quoted[3]] if quoted else line.split(",")
    if len(fields) != 3 or not fields[0] or (not quoted and '"' in line):  # noqa: PLR2004  # path, hash, size
        return "", None
    path, stated, size = fields
    if size and not (size.isascii() and size.isdigit() and len(size) < 20):  # noqa: PLR2004  # 64 bits
        return path, None
    length = int(size) if size else None
    if not stated:
        return path, RecordRow("", "", length)
    algorithm, equals, encoded = stated.partition("=")
    encoded = encoded.rstrip("=")
    try:
        digest = a2b_base64(encoded.translate(_URLSAFE) + "=" * (-len(encoded) % 4), strict_mode=True).hex()
    except (Base64Error, ValueError):
        return path, None
    if not equals or not re.fullmatch(r"[A-Za-z0-9_-]+", encoded):
        return path, None
    return path, RecordRow(algorithm, digest, length)


def compare(
    rows: dict[str, RecordRow],
    members: Iterable[tuple[str, int]],
    *,
    directories: set[str],
    unhashed: set[str],
) -> Iterator[Problem]:
    """Yield how RECORD and the files of the wheel, as (name, size), differ; hashes are compared when read.

    `unhashed` are the files that RECORD cannot or need not hash: itself and its signatures.
    """
    seen = set()
    for name, size in members:
        seen.add(name)
        row = rows.get(name)
        if row is None:
            if name not in unhashed:
                yield Problem("E-RECORD-UNLISTED", f"`{name}` is in the wheel and not in RECORD")
            continue
        if row.size is not None and row.size != size and name not in unhashed:
            yield Problem("E-RECORD-SIZE", f"`{name}` has {size} bytes, RECORD says {row.size}")
        if name not in unhashed:
            yield from _check_hash(name, row)
    for path in rows.keys() - seen:
        if path.removesuffix("/") not in directories:
            yield Problem("E-RECORD-ABSENT", f"`{path}` is in RECORD and not in the wheel")


def _check_hash(name: str, row: RecordRow) -> Iterator[Problem]:
    if not row.algorithm:
        yield Problem("E-RECORD-NO-HASH", f"`{name}` has no hash in RECORD")
    elif row.algorithm not in ALGORITHMS:
        # Binary distribution format: "the hash algorithm must be sha256 or better; md5, sha1 … are not permitted".
        yield Problem(
            "E-RECORD-WEAK-HASH", f"`{name}` has a hash in RECORD that is not accepted: {row.algorithm}"
        )
    elif len(row.hex) != ALGORITHMS[row.algorithm]:
        yield Problem("E-RECORD-FORMAT", f"`{name}` has a {row.algorithm} of a wrong length in RECORD")


def record_row(path: str, sha256: str, size: int) -> str:
    """Return the line of RECORD for a file, its hash given in hex (recording installed projects, "The RECORD file")."""
    value = urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
    return f"{quoted(path)},sha256={value},{size}\n"


def quoted(path: str) -> str:
    """Quote a field of RECORD where CSV asks for it (RFC 4180)."""
    if "," in path or '"' in path:
        return '"' + path.replace('"', '""') + '"'
    return path
