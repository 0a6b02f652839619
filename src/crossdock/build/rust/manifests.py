"""The Rust in an unpacked project: which manifests are built, where they are locked, what compiler they need."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.build.backend import BuildSystem

#: Tools of Python that call cargo.
_TOOLS = re.compile(
    r"(?:maturin|setuptools[-_.]rust|puccinialin|hatch[-_.]rust|hatch-cargo|py[-_.]?rust)\b", re.IGNORECASE
)
#: What a setup.py says that compiles Rust by itself or by setuptools-rust.
_SETUP = re.compile(rb"setuptools_rust|RustExtension|RustBin|\bcargo\b")
#: Directories with manifests that no build of a wheel compiles.
_ASIDE = frozenset(
    {"tests", "test", "examples", "example", "benches", "bench", "fuzz", "vendor", "target", "node_modules"}
)
_DEPTH = 4
_LARGEST = 4 << 20
_NUMBER = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?")
#: The first compilers of each edition (<https://doc.rust-lang.org/edition-guide/editions/>).
_EDITIONS = {"2018": (1, 31, 0), "2021": (1, 56, 0), "2024": (1, 85, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crates:
    """The manifests that a project builds: `roots` are the directories of their workspaces, where the lock lies.

    `at_least` is the compiler that they ask for. `own_sources` says that the project brings its crates itself.
    """

    roots: tuple[Path, ...]
    at_least: tuple[int, ...]
    own_sources: bool

    @property
    def locks(self) -> list[Path]:
        """The lock of each root that has one."""
        return [root / "Cargo.lock" for root in self.roots if (root / "Cargo.lock").is_file()]


def find_crates(project: Path, system: BuildSystem) -> Crates | None:
    """Return what a project builds of Rust, None if nothing; raise `BuildError` (E-BUILD-RUST) for a broken manifest."""
    manifests = list(dict.fromkeys(_named(project) or _found(project)))
    if not manifests or not _calls_cargo(project, system):
        return None
    roots = tuple(dict.fromkeys(_root(path.parent, project) for path in manifests))
    tables = [_read(path) for path in dict.fromkeys([*manifests, *(root / "Cargo.toml" for root in roots)])]
    locked = [_read(lock) for lock in (root / "Cargo.lock" for root in roots) if lock.is_file()]
    return Crates(
        roots=roots,
        at_least=max((_wanted(table) for table in [*tables, *locked]), default=()),
        own_sources=_brings_sources(project, roots),
    )


def _calls_cargo(project: Path, system: BuildSystem) -> bool:
    if any(_TOOLS.match(item.strip()) for item in (*system.requires, system.backend)):
        return True
    setup = project / "setup.py"
    if setup.is_file() and _SETUP.search(setup.read_bytes()[:_LARGEST]):
        return True
    # A backend in the project's own tree, or one that only says later what it needs.
    return system.backend_path is not None and (project / "Cargo.toml").is_file()


def _named(project: Path) -> list[Path]:
    """Return the manifests that pyproject.toml names."""
    try:
        tool = tomllib.loads((project / "pyproject.toml").read_text("utf-8")).get("tool", {})
        names = [tool.get("maturin", {}).get("manifest-path")]
        ours = tool.get("setuptools-rust", {})
        names += [
            one.get("path", "Cargo.toml") for kind in ("ext-modules", "bins") for one in ours.get(kind, [])
        ]
        found = [project / name for name in names if isinstance(name, str)]
        root = project.resolve()
        return [path for path in found if path.is_file() and path.resolve().is_relative_to(root)]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return []  # no project says so; the build says it better


def _found(project: Path) -> list[Path]:
    """Return the manifests that are nearest to the top, in the tree's order."""
    level = [project]
    for _step in range(_DEPTH):
        here = [folder / "Cargo.toml" for folder in level if (folder / "Cargo.toml").is_file()]
        if here:
            return here
        level = [
            inner
            for folder in level
            for inner in sorted(folder.iterdir())
            if inner.is_dir()
            and not inner.is_symlink()
            and inner.name not in _ASIDE
            and inner.name[:1] != "."
        ]
    return []


def _root(folder: Path, project: Path) -> Path:
    """Return the workspace of a manifest as cargo finds it: the nearest directory above with `[workspace]`."""
    for above in _upwards(folder, project):
        manifest = above / "Cargo.toml"
        if manifest.is_file() and "workspace" in _read(manifest):
            return above
    return folder


def _upwards(folder: Path, project: Path) -> Iterator[Path]:
    while folder.is_relative_to(project):
        yield folder
        folder = folder.parent


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(_LARGEST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BuildError(
            f"`{path.name}` of `{path.parent.name}` cannot be read: {error}", code="E-BUILD-RUST"
        ) from error


def _wanted(table: dict[str, Any]) -> tuple[int, ...]:
    """Return the compiler that a manifest asks for by `rust-version` or its edition, or a lock by its version."""
    package, workspace = table.get("package"), table.get("workspace")
    shared = workspace.get("package") if isinstance(workspace, dict) else None
    found: list[tuple[int, ...]] = [()]
    for one in (package, shared):
        if not isinstance(one, dict):
            continue
        number = _NUMBER.match(one["rust-version"]) if isinstance(one.get("rust-version"), str) else None
        if number:
            found.append(tuple(int(part or 0) for part in number.groups()))
        edition = one.get("edition")
        found.append(_EDITIONS.get(edition, ()) if isinstance(edition, str) else ())
    if table.get("version") == 4:  # noqa: PLR2004 - of a lock: cargo 1.78 reads it
        found.append((1, 78, 0))
    return max(found)


def _brings_sources(project: Path, roots: tuple[Path, ...]) -> bool:
    """Tell whether the project's own settings of cargo take the crates from a directory in it."""
    folders = dict.fromkeys(above for root in roots for above in _upwards(root, project))
    for folder in folders:
        for name in ("config.toml", "config"):
            path = folder / ".cargo" / name
            if not path.is_file():
                continue
            source = _read(path).get("source")
            if isinstance(source, dict) and any(
                isinstance(one, dict) and isinstance(one.get("directory"), str) for one in source.values()
            ):
                return True
    return False
