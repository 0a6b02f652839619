"""What SOURCE on the command line is: a lock, a project, requirements, a script, or names."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crossdock.errors import LockError, UsageError
from crossdock.lock.requirements import included_files
from crossdock.lock.text import is_lock_name, parse_toml, read_tail, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_SCRIPT_BLOCK = re.compile(r"(?m)^# /// script[ \t]*\n(?P<content>(?:^#(?:| .*)\n)+?)^# ///[ \t]*$")
_ARCHIVES = (".whl", ".tar.gz", ".zip")
_URLS = ("https://", "http://", "file://", "git+", "hg+", "svn+", "bzr+")
#: More than our record at the end of a lock takes.
_RECORD_BYTES = 64 * 1024
_FILE_SUFFIXES = (".toml", ".txt", ".in", ".py", ".lock", ".whl", ".tar.gz", ".zip", ".cfg")


class SourceKind(StrEnum):
    """The forms that a set of requirements comes in."""

    LOCK = "lock"
    UV_LOCK = "uv.lock"
    PROJECT = "pyproject.toml"
    REQUIREMENTS = "requirements"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where requirements come from.

    `directory` is what relative paths in it start from and where uv looks for its settings; `path` is the
    main file, None for names on the command line. `requirements` are those names, `files` requirements files
    and `constraints` constraints files.
    """

    kind: SourceKind
    directory: Path
    path: Path | None = None
    requirements: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """What to call it in a message."""
        if self.path is not None:
            return str(self.path)
        return ", ".join([*self.requirements, *map(str, self.files)])


def find_source(
    arguments: Sequence[str],
    *,
    directory: Path,
    files: Iterable[Path] = (),
    constraints: Iterable[Path] = (),
    relock: bool = False,
) -> Source:
    """Tell what the words on the command line mean, seen from `directory`.

    One path is a source by its name: `pylock.toml` (or `pylock.NAME.toml`), a directory, `pyproject.toml`,
    `uv.lock`, a `.py` script with inline metadata (PEP 723), a `.txt` or `.in` requirements file. All else is
    requirements, as pip takes them; a plain word is a package even where a directory has that name, write
    `./word` for the directory. Without words and `files` it is the project in `directory`. With `relock` a
    project's own `pylock.toml` is not taken as its source, since it is about to be written.

    In a project the order is: `pylock.toml`, unless it is out of date by its own record (E-LOCK-STALE);
    `uv.lock`; `pyproject.toml`; `requirements.txt`.
    """
    files = tuple(directory / path for path in files)
    constraints = tuple(directory / path for path in constraints)
    source = _found(arguments, directory, files, constraints, relock=relock)
    # uv would wait for a pipe for ever.
    included_files((*source.files, *source.constraints))
    return source


def _found(
    arguments: Sequence[str],
    directory: Path,
    files: tuple[Path, ...],
    constraints: tuple[Path, ...],
    *,
    relock: bool,
) -> Source:
    if not arguments and not files:
        return _in_directory(directory, relock=relock)
    if len(arguments) == 1 and not files:
        source = _by_path(arguments[0], directory, constraints=constraints, relock=relock)
        if source is not None:
            return source
    requirements, more_files = _sort_words(arguments, directory)
    return Source(
        kind=SourceKind.REQUIREMENTS,
        directory=directory,
        path=(*files, *more_files)[0] if len((*files, *more_files)) == 1 and not requirements else None,
        requirements=requirements,
        files=(*files, *more_files),
        constraints=constraints,
    )


def _by_path(word: str, directory: Path, *, constraints: tuple[Path, ...], relock: bool) -> Source | None:
    if "://" in word:
        return None  # A URL is no path, and may be longer than one.
    path = directory / word
    if _is_pathlike(word) and path.is_dir():
        return _in_directory(path, relock=relock)
    if not word.endswith(_FILE_SUFFIXES) or not path.is_file():
        return None
    kind = _kind_of(path)
    if kind is None:
        return None
    if kind is SourceKind.SCRIPT:
        script_metadata(path)
    return Source(kind=kind, directory=path.parent, path=path, constraints=constraints)


def _kind_of(path: Path) -> SourceKind | None:
    if is_lock_name(path.name):
        return SourceKind.LOCK
    known = {"uv.lock": SourceKind.UV_LOCK, "pyproject.toml": SourceKind.PROJECT}
    return known.get(path.name) or (SourceKind.SCRIPT if path.suffix == ".py" else None)


def _is_pathlike(word: str) -> bool:
    return word in (".", "..") or "/" in word or "\\" in word


def _in_directory(directory: Path, *, relock: bool) -> Source:
    lock = directory / "pylock.toml"
    if not relock and lock.is_file():
        _refuse_stale(lock)
        return Source(kind=SourceKind.LOCK, directory=directory, path=lock)
    for name, kind in (("uv.lock", SourceKind.UV_LOCK), ("pyproject.toml", SourceKind.PROJECT)):
        if (directory / name).is_file():
            return Source(kind=kind, directory=directory, path=directory / name)
    requirements = directory / "requirements.txt"
    if requirements.is_file():
        return Source(
            kind=SourceKind.REQUIREMENTS, directory=directory, path=requirements, files=(requirements,)
        )
    raise UsageError(
        f"nothing to lock in `{directory}`",
        code="E-SOURCE-NONE",
        places=["looked for pylock.toml, uv.lock, pyproject.toml and requirements.txt"],
        hint="name a requirements file, a script or packages",
    )


def _sort_words(words: Sequence[str], directory: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    requirements: list[str] = []
    files: list[Path] = []
    for word in words:
        if word.endswith((".txt", ".in")):
            path = directory / word
            if not path.is_file():
                raise UsageError(f"no such requirements file: `{word}`", code="E-SOURCE-NONE")
            files.append(path)
        elif word.endswith((".toml", ".lock", ".py", ".cfg")):
            raise UsageError(
                f"no such file, or not together with other sources: `{word}`", code="E-SOURCE-NONE"
            )
        else:
            requirements.append(_requirement(word, directory))
    return tuple(requirements), tuple(files)


def _requirement(word: str, directory: Path) -> str:
    """Check one requirement (PEP 508, or a path or URL as pip takes it) before uv sees it."""
    from packaging.requirements import InvalidRequirement, Requirement

    if word.startswith("-"):
        raise UsageError(f"not a requirement: `{word}`", code="E-SOURCE-REQUIREMENT")
    if "\n" in word or "\r" in word:
        raise UsageError("a requirement must be one line", code="E-SOURCE-REQUIREMENT")
    plain = word.partition("[")[0]
    if "@" not in word and "://" not in word and (_is_pathlike(plain) or plain.endswith(_ARCHIVES)):
        path = directory / plain
        if not (path.is_file() or path.is_dir()):
            # A pipe is none either: uv would wait for it.
            raise UsageError(f"no such file or directory: `{plain}`", code="E-SOURCE-NONE")
        # With its `./` it is a path to everyone: `demo-1.0-py3-none-any.whl` would also do for a name.
        return word if _is_pathlike(plain) else f"./{word}"
    if word.startswith(_URLS):
        return word
    try:
        Requirement(word)
    except InvalidRequirement as error:
        raise UsageError(
            f"not a requirement: `{word}`: {str(error).splitlines()[0]}",
            code="E-SOURCE-REQUIREMENT",
            hint="write `name`, `name==1.2`, `name[extra]` or `name @ URL`",
        ) from error
    return word


def script_metadata(path: Path) -> dict[str, Any]:
    """Return the inline metadata of a script (PEP 723); `LockError` if it has none or two."""
    found = list(_SCRIPT_BLOCK.finditer(read_text(path)))
    if len(found) != 1:
        what = "more than one block" if found else "no block"
        raise LockError(
            f"`{path.name}` has {what} of inline metadata",
            code="E-SOURCE-SCRIPT",
            hint="begin it with `# /// script`, `# dependencies = [...]`, `# ///` (PEP 723)",
        )
    lines = found[0]["content"].splitlines()
    return parse_toml("\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines), path.name)


def inputs_digest(source: Source) -> dict[str, str]:
    """Return what a lock of this source was made from, as file name and hash, to tell later if it is stale.

    Of `pyproject.toml` only the tables that a resolution reads count, so that a changed description or linter
    setting does not ask for a new lock.
    """
    paths = [path for path in (source.path, *source.files, *source.constraints) if path is not None]
    if source.kind is SourceKind.UV_LOCK:
        paths.append(source.directory / "pyproject.toml")
    if source.kind is SourceKind.REQUIREMENTS:
        paths = included_files(paths)
    return {
        path.relative_to(source.directory).as_posix(): _digest_of(path)
        for path in dict.fromkeys(paths)
        if path.is_relative_to(source.directory) and ".." not in path.parts and path.is_file()
    }


def _digest_of(path: Path) -> str:
    text = read_text(path)
    if path.name == "pyproject.toml":
        text = json.dumps(_dependency_tables(parse_toml(text, path.name)), sort_keys=True, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _dependency_tables(table: Mapping[str, Any]) -> dict[str, Any]:
    project = table.get("project", {})
    keys = ("name", "requires-python", "dependencies", "optional-dependencies", "dynamic")
    return {
        "project": {key: project[key] for key in keys if key in project},
        "groups": table.get("dependency-groups", {}),
        "uv": table.get("tool", {}).get("uv", {}),
    }


def recorded_inputs(lock: Path) -> dict[str, object]:
    """Return what a lock says it was made from, as `inputs_digest` has it; empty for one of another tool.

    Only the end of the file is read, where our record stands: a large lock takes longer to parse than to install from.
    """
    _, found, record = read_tail(lock, _RECORD_BYTES).rpartition("\n[tool.crossdock]\n")
    inputs = parse_toml(record, lock.name).get("inputs", {}) if found else {}
    return inputs if isinstance(inputs, dict) else {}


def _refuse_stale(lock: Path) -> None:
    """Refuse a project's lock whose record says that it was made from other inputs.

    A lock without our record (another tool made it) is taken as it is: whoever put it there meant it.
    """
    inputs = recorded_inputs(lock)
    changed = [name for name, digest in inputs.items() if _changed(lock.parent, name, digest)]
    if changed:
        raise LockError(
            f"`{lock.name}` is out of date: {', '.join(f'`{name}`' for name in changed)} changed since",
            code="E-LOCK-STALE",
            places=[str(lock)],
            hint="lock again with `crossdock lock`, or name the lock file itself to use it as it is",
        )


def _changed(directory: Path, name: str, digest: object) -> bool:
    path = directory / name
    if ".." in path.parts or not path.is_relative_to(directory):
        return False
    return not path.is_file() or _digest_of(path) != digest
