"""A small archive of Debian packages, signed by a key of its own and served on loopback."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from crossdock.net.debian.sources import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

#: 2026-11-22 12:00 UTC.
NOW = 1_795_348_800.0
ROOTS = (
    "base-files",
    "ca-certificates",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "netbase",
    "tzdata",
    "zlib1g",
    "libpython3.11-stdlib",
    "libpython3-stdlib",
    "python3.11",
    "python3",
    "python3-minimal",
)


@dataclass
class Member:
    """A tar entry of a package; `kind` is tar's letter."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    kind: bytes = tarfile.REGTYPE
    link: str = ""


def directory(path: str) -> Member:
    return Member(path, mode=0o755, kind=tarfile.DIRTYPE)


def link(path: str, target: str) -> Member:
    return Member(path, kind=tarfile.SYMTYPE, link=target)


def hard_link(path: str, target: str) -> Member:
    return Member(path, kind=tarfile.LNKTYPE, link=target)


def tar(members: Sequence[Member]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(f"./{member.path}")
            info.mode, info.type, info.linkname = member.mode, member.kind, member.link
            info.size = len(member.content)
            archive.addfile(info, io.BytesIO(member.content))
    return out.getvalue()


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    out = [b"!<arch>\n"]
    for name, content in members:
        out.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
        out.append(content + b"\n" * (len(content) % 2))
    return b"".join(out)


def xz(content: bytes) -> bytes:
    return lzma.compress(content, preset=0)


def deb(
    control: str, members: Sequence[Member], *, pack: Callable[[bytes], bytes] = xz, ending: str = ".xz"
) -> bytes:
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{ending}", pack(tar([Member("control", control.encode())]))),
            (f"data.tar{ending}", pack(tar(members))),
        ]
    )


@cache
def signing_key() -> Any:
    """A key that only tests know."""
    import pysequoia

    return pysequoia.Tsk.generate("Test archive <archive@example.org>")


def certificate() -> bytes:
    return bytes(signing_key().extract_certificate())


def sign(text: str, key: Any = None) -> bytes:
    import pysequoia

    signer = (key or signing_key()).signer()
    return bytes(pysequoia.sign(signer, text.encode(), mode=pysequoia.SignatureMode.CLEAR))


def date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")


def release_text(
    files: Mapping[str, bytes],
    suite: str = "bookworm",
    *,
    made: float = NOW - 3600,
    until: float | None = None,
    more: str = "",
) -> str:
    lines = [f"Suite: old{suite}", f"Codename: {suite}", f"Date: {date(made)}"]
    if until is not None:
        lines.append(f"Valid-Until: {date(until)}")
    lines += ["Architectures: amd64 arm64", "Acquire-By-Hash: yes"]
    if more:
        lines.append(more)
    lines.append("SHA256:")
    lines += [f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}" for path, data in files.items()]
    return "\n".join(lines) + "\n"


@dataclass
class SmallArchive:
    """Packages to add, `publish`ed for one suite and architecture below `root`, and served at `url`."""

    root: Path
    suite: str = "bookworm"
    architecture: str = "amd64"
    stanzas: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def add(
        self, name: str, *members: Member, version: str = "1", more: str = "", content: bytes | None = None
    ) -> None:
        control = f"Package: {name}\nVersion: {version}\nArchitecture: {self.architecture}\n{more}"
        data = deb(control, members) if content is None else content
        path = f"pool/main/{name}_{version.replace(':', '%3a')}_{self.architecture}.deb"
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.stanzas.append(
            f"{control}Filename: {path}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        )

    def add_system(self) -> None:
        """Add the packages that every base has, tiny."""
        for name in ROOTS:
            own = Member(f"usr/share/doc/{name}/copyright", f"of {name}\n".encode())
            self.add(name, own, Member(f"usr/share/man/man1/{name}.1.gz", b"x"), *_FILES.get(name, ()))

    def publish(self, *, until: float | None = None) -> None:
        packages = "\n".join(self.stanzas).encode()
        place = self.root / "dists" / self.suite / "main" / f"binary-{self.architecture}"
        hashed = place / "by-hash" / "SHA256"
        hashed.mkdir(parents=True, exist_ok=True)
        files = {}
        for ending, data in ((".xz", xz(packages)), ("", packages)):
            files[f"main/binary-{self.architecture}/Packages{ending}"] = data
            (hashed / hashlib.sha256(data).hexdigest()).write_bytes(data)
        release = sign(release_text(files, self.suite, until=until))
        (self.root / "dists" / self.suite / "InRelease").write_bytes(release)

    @property
    def archive(self) -> Archive:
        return Archive(mirror=self.url, suite=self.suite, components=("main",), keys=(certificate(),))

    def __enter__(self) -> Self:
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            # Else the second of two small writes waits 40 ms for the first one's acknowledgement.
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                asked.append(self.path)

        root = str(self.root)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Handler(*args, directory=root))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


_FILES: dict[str, tuple[Member, ...]] = {
    "base-files": (
        directory("bin"),
        directory("tmp"),
        directory("var/run"),
        Member("usr/lib/os-release", b"ID=debian\n"),
    ),
    "libc6": (
        Member("lib/x86_64-linux-gnu/libc.so.6", b"\x7fELF" * 50, mode=0o755),
        link("lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld.so"),
    ),
    "ca-certificates": (
        Member("usr/share/ca-certificates/mozilla/B.crt", b"B without an end"),
        Member("usr/share/ca-certificates/mozilla/A.crt", b"A\n"),
    ),
    "tzdata": (
        Member("usr/share/zoneinfo/Etc/UTC", b"TZif"),
        hard_link("usr/share/zoneinfo/UTC", "./usr/share/zoneinfo/Etc/UTC"),
    ),
    "python3.11": (
        Member("usr/bin/python3.11", b"\x7fELF", mode=0o4755),
        Member("usr/share/locale/de/x.mo", b"x"),
    ),
    "python3-minimal": (link("usr/bin/python3", "python3.11"),),
}
