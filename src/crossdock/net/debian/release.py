"""InRelease: what an archive's suite holds, signed (wiki.debian.org/DebianRepository/Format)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from crossdock.digest import Digest
from crossdock.errors import FetchError
from crossdock.net.debian.paragraphs import parse_paragraph
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.net.debian.sources import Archive
    from crossdock.net.http import Http

#: Debian's own is 200 KB.
_LARGEST = 8 << 20
#: A mirror's clock, or ours, may be so many seconds off.
_SKEW = 3600.0
_DATE = re.compile(
    r"[A-Z][a-z]{2}, (\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) +(\d{1,2}):(\d{2}):(\d{2}) (?:UTC|GMT|\+0000)"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FILE = re.compile(r"([0-9a-f]{64}) +(\d{1,12}) +(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A file that a release names: its path below the suite's directory, digest, and size in bytes."""

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a signed release says."""

    #: Of the bytes that were signed, signature and all.
    digest: Digest
    suite: str
    codename: str
    by_hash: bool
    architectures: tuple[str, ...]
    files: Mapping[str, IndexFile]

    def packages_file(self, component: str, architecture: str) -> IndexFile:
        """Return the list of packages to fetch; raise `FetchError` (E-DEBIAN-ARCH) where there is none."""
        for ending in (".xz", ".gz", ""):
            found = self.files.get(f"{component}/binary-{architecture}/Packages{ending}")
            if found is not None:
                return found
        raise FetchError(
            f"`{self.codename}` has no packages of `{component}` for {architecture}",
            code="E-DEBIAN-ARCH",
            hint="take another suite or target",
        )


def fetch_release(archive: Archive, http: Http, *, now: float) -> Release:
    """Fetch and verify a suite's InRelease; `now` is in seconds since 1970.

    Raise `FetchError`: what `Http.get` raises, E-DEBIAN-SIGNATURE, E-DEBIAN-EXPIRED, E-DEBIAN-RELEASE.
    """
    url = archive.url(f"dists/{archive.suite}/InRelease")
    raw = http.get(url, limit=_LARGEST).body
    return read_release(raw, archive, now=now)


def read_release(raw: bytes, archive: Archive, *, now: float) -> Release:
    """Verify and read an InRelease, see `fetch_release`."""
    text = _signed_text(raw, archive)
    fields = parse_paragraph(text, f"the release of `{archive.suite}`", code="E-DEBIAN-RELEASE")
    suite, codename = fields.get("suite", ""), fields.get("codename", "")
    if archive.suite not in {suite, codename}:
        # Else a mirror could give an old suite, well signed, in place of the one that was asked for.
        raise FetchError(
            f"the release is of `{show(codename)}` (`{show(suite)}`), `{archive.suite}` was asked for",
            code="E-DEBIAN-RELEASE",
            hint="the mirror is broken: take another one",
        )
    _check_dates(fields, archive.suite, now)
    return Release(
        digest=Digest.of(raw),
        suite=suite,
        codename=codename,
        by_hash=fields.get("acquire-by-hash", "") == "yes",
        architectures=tuple(fields.get("architectures", "").split()),
        files=_files(fields.get("sha256", ""), archive.suite),
    )


def _check_dates(fields: dict[str, str], suite: str, now: float) -> None:
    if "date" not in fields:
        raise _broken(suite, "it has no date")
    if _seconds(fields["date"], suite) > now + _SKEW:
        raise FetchError(
            f"the release of `{suite}` is of {fields['date']}, which is still to come",
            code="E-DEBIAN-EXPIRED",
            hint="set this machine's clock",
        )
    if "valid-until" in fields and _seconds(fields["valid-until"], suite) < now:
        raise FetchError(
            f"the release of `{suite}` was valid until {fields['valid-until']}",
            code="E-DEBIAN-EXPIRED",
            hint="the mirror is stale, or somebody withholds updates: take another one, or set this machine's clock",
        )


def _seconds(text: str, suite: str) -> float:
    """Read RFC 5322's date by hand: what `strptime` takes for a month depends on the locale."""
    found = _DATE.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        raise _broken(suite, f"`{show(text)}` is not a date")
    day, year, hour, minute, second = (int(found[index]) for index in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        raise _broken(suite, f"`{show(text)}` is not a date") from None


def _files(text: str, suite: str) -> dict[str, IndexFile]:
    files: dict[str, IndexFile] = {}
    for line in text.split("\n"):
        if not line:
            continue
        found = _FILE.fullmatch(line)
        if found is None or found[3] in files:
            raise _broken(suite, f"`{show(line)}` is not a file's hash, or there twice")
        files[found[3]] = IndexFile(path=found[3], digest=Digest("sha256", found[1]), size=int(found[2]))
    if not files:
        raise _broken(suite, "it has no SHA256 hashes")
    return files


def _signed_text(raw: bytes, archive: Archive) -> str:
    """Return what was signed and nothing that stands beside it; raise `FetchError` (E-DEBIAN-SIGNATURE)."""
    import pysequoia  # only when a release is read

    certificates = [one for key in archive.keys for one in _certificates(key)] or list(debian_certificates())
    try:
        verified: Any = pysequoia.verify(bytes=raw, store=lambda _ids: certificates)
        signers, content = verified.valid_sigs, verified.bytes
    except Exception as error:  # the binding raises bare ones
        raise _unsigned(archive.suite, str(error).splitlines()[0] if str(error) else "not valid") from error
    if not signers or content is None:
        raise _unsigned(archive.suite, "nobody who may sign it did")
    try:
        return bytes(content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _broken(archive.suite, "it is not UTF-8") from error


def _certificates(keyring: bytes) -> Sequence[Any]:
    import pysequoia  # as above

    try:
        return list(pysequoia.Cert.split_bytes(keyring))
    except Exception as error:
        raise FetchError(
            f"a keyring cannot be read: {str(error).splitlines()[0] if str(error) else 'broken'}",
            code="E-DEBIAN-KEYRING",
            hint="`Signed-By` of apt's sources must name OpenPGP certificates",
        ) from error


@lru_cache(maxsize=1)
def debian_certificates() -> Sequence[Any]:
    """Return the certificates that come with crossdock: Debian's own (`keys/README.md` tells whence)."""
    folder = resources.files("crossdock.net.debian") / "keys"
    return _certificates((folder / "debian-archive-keyring.pgp").read_bytes())


def _unsigned(suite: str, why: str) -> FetchError:
    return FetchError(
        f"the release of `{suite}` is not signed by a key that may: {show(why)}",
        code="E-DEBIAN-SIGNATURE",
        hint="an archive that is not Debian's needs `Signed-By` with its key in apt's sources",
    )


def _broken(suite: str, why: str) -> FetchError:
    return FetchError(f"the release of `{suite}` is broken: {why}", code="E-DEBIAN-RELEASE")
