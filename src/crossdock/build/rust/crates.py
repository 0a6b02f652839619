"""Crates fetched before a build: by cargo alone, into a directory of the store, by the project's lock.

cargo runs in a sandbox with the network, on a copy of the project without its settings of cargo: those can name programs
to run. It runs no code of crates, and compares each with the lock's checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.build.rust.settings import cargo_settings, certificates, network_variables, toml
from crossdock.build.sandbox import Limits, Mount, open_sandbox, plain_tools
from crossdock.errors import BuildError, FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.build.model import World
    from crossdock.build.rust.manifests import Crates

#: Raised when the same lock and manifests would be fetched otherwise.
_FORMAT = 2
_SECONDS = 1800
_LINES = 25
_SETTINGS = "sources.toml"
_LOCKS = "locks.json"
_FOLDER = "crates"
#: Settings of cargo and of rustup, which can name programs, compilers and directories.
_LEFT = shutil.ignore_patterns(".cargo", "rust-toolchain", "rust-toolchain.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendored:
    """Fetched crates: their directory, the sources that it stands for (cargo's `[source]`), and the locks' hash.

    `pinned` tells whether the project brought locks for all; else today's newest versions were taken.
    """

    directory: Path
    sources: Mapping[str, Any]
    digest: str
    pinned: bool

    def settings(self, place: str) -> str:
        """Return cargo's settings for crates that lie at `place`."""
        sources = {name: dict(one) for name, one in self.sources.items()}
        for one in sources.values():
            if "directory" in one:
                one["directory"] = place
        return toml({"source": sources, "net": {"offline": True}})


def vendor_crates(
    crates: Crates, project: Path, rust: Path, world: World, *, scratch: Path, log: Path
) -> Vendored:
    """Fetch what the locks name; locks that are missing or stale are made whole, in the project too.

    A workspace that was cut down to one package for a source distribution has a lock that cargo has to change. What it
    changes it to is decided by the manifests, which are the author's: so they are in the key, and a lock that was brought
    by one project never leads to the crates that another had fetched for it.

    `rust` is the compiler's directory, `scratch` an empty place on the disk. Raise `BuildError` (E-BUILD-CRATES) with
    cargo's words.
    """
    fetch = _Fetch(crates, project, rust, world, scratch=scratch, log=log)
    pinned = len(crates.locks) == len(crates.roots)
    if not pinned:
        fetch.lock()
    digest = fetch.digest()

    def make(place: Path) -> None:
        fetch.vendor(place)

    tree = world.store.tree(
        "crates", f"{_FORMAT} {digest} {_manifests_digest(project)}", make, prove=_is_whole
    )
    for name, text in json.loads((tree / _LOCKS).read_text("utf-8")).items():
        (project / name).write_text(text, encoding="utf-8")
    return Vendored(
        directory=tree / _FOLDER,
        sources=tomllib.loads((tree / _SETTINGS).read_text("utf-8")).get("source", {}),
        digest=digest,
        pinned=pinned,
    )


def _manifests_digest(project: Path) -> str:
    """Return the hash of all manifests with their places, and of links, which may lead to further ones."""
    rows = []
    for folder, folders, files in os.walk(project):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink():
                rows.append((path, b"link " + os.fsencode(path.readlink())))
            elif name == "Cargo.toml" and path.is_file():
                rows.append((path, path.read_bytes()))
    hasher = hashlib.sha256()
    for path, content in sorted(rows):
        hasher.update(b"%s %d\n" % (os.fsencode(path.relative_to(project)), len(content)) + content)
    return hasher.hexdigest()


def _is_whole(place: Path) -> bool:
    """Tell whether all is there: cargo itself compares each file with its hash before it compiles it."""
    return (place / _LOCKS).is_file() and (place / _SETTINGS).is_file() and (place / _FOLDER).is_dir()


class _Fetch:
    """cargo on a copy of the project, with the network."""

    def __init__(
        self, crates: Crates, project: Path, rust: Path, world: World, *, scratch: Path, log: Path
    ) -> None:
        self._crates, self._project, self._rust = crates, project, rust
        self._world, self._scratch, self._log = world, scratch, log
        self._copy = scratch / "source"
        self._environ = world.tools.uv_environ

    def digest(self) -> str:
        """Return the hash of the locks with their places."""
        hasher = hashlib.sha256()
        for root in sorted(self._crates.roots):
            lock = root / "Cargo.lock"
            content = lock.read_bytes() if lock.is_file() else b""
            hasher.update(f"{root.relative_to(self._project).as_posix()} {len(content)}\n".encode() + content)
        return hasher.hexdigest()

    def lock(self) -> None:
        """Give each root that has none a lock of the newest versions that the compiler can take."""
        for root in self._crates.roots:
            lock = root / "Cargo.lock"
            if not lock.is_file():
                self._run(["generate-lockfile", "--manifest-path", self._manifest(root)])
                shutil.copyfile(self._copy / lock.relative_to(self._project), lock)

    def vendor(self, place: Path) -> None:
        """Write the crates and the settings that lead to them below `place`."""
        first, *others = self._crates.roots
        output = self._scratch / "out"
        output.mkdir()
        words = [
            "vendor",
            "--versioned-dirs",
            "--respect-source-config",
            "--manifest-path",
            self._manifest(first),
        ]
        for other in others:
            words += ["--sync", self._manifest(other)]
        (place / _FOLDER).mkdir()
        self._run(words, output=output, crates=place / _FOLDER)
        text = (output / _SETTINGS).read_text("utf-8")
        (place / _SETTINGS).write_text(_relevant(text), encoding="utf-8")
        names = [(root / "Cargo.lock").relative_to(self._project) for root in self._crates.roots]
        locks = {name.as_posix(): (self._copy / name).read_text("utf-8") for name in names}
        (place / _LOCKS).write_text(json.dumps(locks, sort_keys=True), encoding="utf-8")

    def _manifest(self, root: Path) -> str:
        relative = (root / "Cargo.toml").relative_to(self._project).as_posix()
        return f"{{source}}/{relative}"

    def _run(self, words: Sequence[str], *, output: Path | None = None, crates: Path | None = None) -> None:
        """Run cargo; with `output` what it prints is kept there, and the crates go to `crates`."""
        try:
            self._world.http()
        except FetchError as error:
            raise BuildError(
                f"the crates of `{self._project.name}` are not in the store, and nothing may be fetched",
                code="E-BUILD-CRATES",
                places=[error.message],
                hint="run once with the network",
            ) from error
        mounts = self._mounts(output, crates)
        sandbox = open_sandbox(
            mounts,
            Limits(seconds=_SECONDS),
            allow_unsandboxed=self._world.allow_unsandboxed,
            warn=self._world.warn,
        )
        inside = sandbox.inside
        said = [word.replace("{source}", inside(self._copy)) for word in words]
        command = [f"{inside(self._rust)}/bin/cargo", *said]
        if output is not None and crates is not None:
            text = 'out=$1; shift; exec "$@" > "$out"'
            command = ["/bin/sh", "-c", text, "sh", f"{inside(output)}/{_SETTINGS}", *command, inside(crates)]
        status = sandbox.run(
            command, cwd=inside(self._copy), env=self._variables(inside), log=self._log, network=True
        )
        if status:
            raise BuildError(
                f"cargo could not fetch the crates of `{self._project.name}`",
                code="E-BUILD-CRATES",
                places=_tail(self._log),
                hint="cargo's own settings say where crates come from (`~/.cargo/config.toml`, registries without tokens)",
            )

    def _mounts(self, output: Path | None, crates: Path | None) -> list[Mount]:
        home = self._scratch / "home"
        if not self._copy.exists():
            shutil.copytree(self._project, self._copy, symlinks=True, ignore=_LEFT)
            home.mkdir()
            (home / "config.toml").write_text(toml(cargo_settings(self._environ, self._world.warn)))
            plain_tools(self._scratch / "tools")
        mounts = [
            Mount(source=self._copy, place="/source", writable=True),
            Mount(source=home, place="/cargo", writable=True),
            Mount(source=self._rust, place="/rust"),
            Mount(source=self._scratch / "tools", place="/tools"),
        ]
        for source, place in ((output, "/out"), (crates, "/crates")):
            if source is not None:
                mounts.append(Mount(source=source, place=place, writable=True))
        authorities = certificates(self._environ)
        if authorities is not None:
            mounts.append(Mount(source=authorities, place="/certificates.pem"))
        return mounts

    def _variables(self, inside: Any) -> dict[str, str]:
        home = inside(self._scratch / "home")
        found = {
            **network_variables(self._environ),
            "PATH": inside(self._scratch / "tools"),
            "HOME": home,
            "CARGO_HOME": home,
            "CARGO": f"{inside(self._rust)}/bin/cargo",
            "RUSTC": f"{inside(self._rust)}/bin/rustc",
            "CARGO_TERM_PROGRESS_WHEN": "never",
            # Without a lock: no crate that is newer than the compiler (resolver 3 does so, RFC 3537).
            "CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS": "fallback",
            "LC_ALL": "C.UTF-8",
        }
        authorities = certificates(self._environ)
        if authorities is not None:
            found["CARGO_HTTP_CAINFO"] = found["SSL_CERT_FILE"] = inside(authorities)
        return found


def _relevant(text: str) -> str:
    """Return cargo's `[source]` tables of what it printed."""
    return toml({"source": tomllib.loads(text).get("source", {})})


def _tail(log: Path) -> list[str]:
    from crossdock.build.backend import log_tail

    return log_tail(log, _LINES)
