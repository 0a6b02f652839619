"""apt's settings, sources.list(5): which archives there are, and whose signatures they need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.net.debian.paragraphs import parse_paragraph, split_paragraphs
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WORD = re.compile(r"[a-z0-9][A-Za-z0-9+./_-]*")
_LINE = re.compile(r"deb[ \t]+(?:\[(?P<options>[^\]]*)\][ \t]+)?(?P<rest>[^\[].*)")
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """One entry of apt's settings.

    `signed_by` are paths of keyrings, `key` is a certificate written out. `trusted` is what the entry says of
    itself; it is told and not followed: nothing is taken without a signature here.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: tuple[str, ...] = ()
    key: str = ""
    trusted: bool = False
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A suite of an archive: where, which components, and the keyrings that may sign it (empty: Debian's own)."""

    mirror: str
    suite: str
    components: tuple[str, ...]
    keys: tuple[bytes, ...] = ()

    def url(self, path: str) -> str:
        """Return the URL of a path below the mirror."""
        return f"{self.mirror.rstrip('/')}/{path}"


def parse_sources_list(text: str) -> list[SourceEntry]:
    """Read the one-line style; lines of source packages and what cannot be used (`cdrom:`, flat ones) are left out.

    Raise `UsageError` (E-DEBIAN-SOURCES) for a line that is none.
    """
    entries = []
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        if not line or line.startswith("deb-src"):
            continue
        found = _LINE.fullmatch(line)
        words = found["rest"].split() if found else []
        if found is None or len(words) < 2:  # noqa: PLR2004 - a URI and a suite
            raise _bad(raw)
        options = dict(option.partition("=")[::2] for option in (found["options"] or "").split())
        entries += _entry(
            uris=[words[0]],
            suites=[words[1]],
            components=words[2:],
            signed_by=options.get("signed-by", ""),
            trusted=options.get("trusted", ""),
            architectures=options.get("arch", "").replace(",", " "),
        )
    return entries


def parse_deb822_sources(text: str) -> list[SourceEntry]:
    """Read the style of `.sources` files; disabled entries and source packages are left out.

    Raise `UsageError` (E-DEBIAN-SOURCES) for an entry that lacks what it needs, `FetchError` for no fields.
    """
    entries = []
    for paragraph in split_paragraphs(text, comments=True):
        fields = parse_paragraph(paragraph, "a file of apt's sources", code="E-DEBIAN-SOURCES")
        if fields.get("enabled", "yes").lower() in {"no", "false", "off", "0", "without", "disable"}:
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        if not fields.get("uris") or not fields.get("suites"):
            raise _bad(paragraph)
        entries += _entry(
            uris=fields["uris"].split(),
            suites=fields["suites"].split(),
            components=fields.get("components", "").split(),
            signed_by=fields.get("signed-by", ""),
            trusted=fields.get("trusted", ""),
            architectures=fields.get("architectures", ""),
        )
    return entries


def archives_of(entries: Iterable[SourceEntry], read_keyring: Callable[[str], bytes]) -> list[Archive]:
    """Return the archives of entries, one a suite and mirror; `read_keyring` gives a keyring's bytes."""
    archives = []
    for entry in entries:
        keys = tuple(map(read_keyring, entry.signed_by))
        if entry.key:
            keys = (*keys, entry.key.encode())
        archives += [
            Archive(mirror=uri, suite=suite, components=entry.components, keys=keys)
            for uri in entry.uris
            for suite in entry.suites
        ]
    return archives


def archives_for(suite: str, archives: Iterable[Archive]) -> list[Archive]:
    """Return the archives of a suite and of its updates and security fixes, the suite itself first."""
    wanted = [suite, f"{suite}-updates", f"{suite}-security"]
    found = [archive for archive in archives if archive.suite in wanted]
    return sorted(found, key=lambda archive: wanted.index(archive.suite))


def _entry(
    *,
    uris: list[str],
    suites: list[str],
    components: list[str],
    signed_by: str,
    trusted: str,
    architectures: str,
) -> list[SourceEntry]:
    uris = [uri for uri in uris if uri.startswith(("http://", "https://", "file:"))]
    suites = [suite for suite in suites if not suite.endswith("/")]
    if any(not _WORD.fullmatch(word) or ".." in word for word in (*suites, *components)):
        raise _bad(" ".join((*suites, *components)))
    if not uris or not suites or not components:
        return []
    inline = _ARMOUR in signed_by
    return [
        SourceEntry(
            uris=tuple(uris),
            suites=tuple(suites),
            components=tuple(components),
            signed_by=() if inline else tuple(p for p in re.split(r"[,\s]+", signed_by) if p.startswith("/")),
            key=_unfolded(signed_by) if inline else "",
            trusted=trusted.lower() in {"yes", "true"},
            architectures=tuple(architectures.split()),
        )
    ]


def _unfolded(key: str) -> str:
    """Return an armoured key as it was: an empty line is written as one dot."""
    return "\n".join("" if line.strip() == "." else line.strip() for line in key.splitlines()) + "\n"


def _bad(line: str) -> UsageError:
    return UsageError(
        f"apt's sources have an entry that cannot be read: `{show(line)}`",
        code="E-DEBIAN-SOURCES",
        hint="sources.list(5) tells how one is written; or name an archive by `--debian-mirror`",
    )
