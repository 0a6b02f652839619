"""Files that installation scripts would make, written here: users, certificates, the state of packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.archive.deb import DebEntry
from crossdock.archive.tarread import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crossdock.archive.deb import Deb

#: Who runs in the image, as in distroless images.
NONROOT = 65532
HOME = "home/nonroot"

_PASSWD = f"""\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:{NONROOT}:{NONROOT}:nonroot:/{HOME}:/usr/sbin/nologin
"""
# The groups that Debian's packages name in devices and files (base-passwd), as far as a base without logins has them.
_GROUP = f"""\
root:x:0:
tty:x:5:
staff:x:50:
nogroup:x:65534:
nonroot:x:{NONROOT}:
"""
_NSSWITCH = """\
passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
"""
_CERTIFICATES = "usr/share/ca-certificates/"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def made_entries(entries: Iterable[DebEntry]) -> list[DebEntry]:
    """Return what a system needs beside its packages' files; `entries` are those."""
    there = {entry.path: entry for entry in entries}
    made = [
        _file("etc/passwd", _PASSWD),
        _file("etc/group", _GROUP),
        _file("etc/nsswitch.conf", _NSSWITCH),
        DebEntry("root", Kind.DIRECTORY),
        DebEntry("tmp", Kind.DIRECTORY),
        DebEntry("var/tmp", Kind.DIRECTORY),
        DebEntry(HOME, Kind.DIRECTORY),
        _link("var/run", "/run"),
        DebEntry("run", Kind.DIRECTORY),
        _link("etc/os-release", "../usr/lib/os-release"),
    ]
    if "usr/share/zoneinfo/Etc/UTC" in there:
        made += [_link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"), _file("etc/timezone", "Etc/UTC\n")]
    bundle = certificate_bundle(there)
    if bundle:
        # OpenSSL looks for this name by itself; Debian's certificates' directory would need hashed names.
        made += [
            DebEntry(BUNDLE, Kind.FILE, content=bundle),
            _link("usr/lib/ssl/cert.pem", f"/{BUNDLE}"),
        ]
    return [entry for entry in made if not _is_there(entry, there.get(entry.path))]


def _is_there(made: DebEntry, found: DebEntry | None) -> bool:
    """Tell whether a package brings it: base-files has /var/run as a directory, and makes it a link later."""
    return found is not None and (found.kind is made.kind or found.kind is Kind.FILE)


def certificate_bundle(entries: Mapping[str, DebEntry]) -> bytes:
    """Return all certificates in one file, by their paths, as `update-ca-certificates` writes it."""
    parts = []
    for path in sorted(entries):
        if path.startswith(_CERTIFICATES) and path.endswith(".crt"):
            content = entries[path].content
            parts.append(content if content.endswith(b"\n") else content + b"\n")
    return b"".join(parts)


def status_entries(name: str, deb: Deb) -> list[DebEntry]:
    """Return what tells scanners that a package is there, where distroless images have it."""
    place = f"var/lib/dpkg/status.d/{name}"
    return [
        DebEntry(place, Kind.FILE, content=deb.control),
        DebEntry(f"{place}.md5sums", Kind.FILE, content=deb.md5sums),
    ]


def _file(path: str, content: str) -> DebEntry:
    return DebEntry(path, Kind.FILE, content=content.encode())


def _link(path: str, target: str) -> DebEntry:
    return DebEntry(path, Kind.SYMLINK, link=target)
