"""The layer of compiled modules: made by an interpreter of the target's minor version, the same whoever makes it."""

from __future__ import annotations

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossdock.digest import Digest
from crossdock.errors import ShipError
from crossdock.oci.blob import FileSource
from crossdock.ship.entries import FILE_MODE, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from crossdock.store import Store
    from crossdock.target.model import Python

#: Raised when a change of ours makes other bytes of the same sources.
_FORM = 1
#: Bytes of sources that one interpreter compiles; it takes some 20 ms to start.
_BATCH = 2 << 20
#: Larger modules are tables; compiling one takes gigabytes.
_LARGEST_SOURCE = 8 << 20
#: Seconds for one batch, which takes a few.
_TIMEOUT = 600
_COMPILED, _SKIPPED = 0, 1

_ASK = (
    "import sys; from importlib.util import MAGIC_NUMBER as m; v = sys.version_info; "
    "print(sys.implementation.name, '%d.%d.%d%s%d' % (v[0], v[1], v[2], v[3], v[4]), "
    "sys.implementation.cache_tag, m.hex(), int('t' in getattr(sys, 'abiflags', '')))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python of this machine that compiles for a target: its path, full version, and the tag and magic of its files."""

    path: str
    version: str
    cache_tag: str
    magic: str

    @property
    def key(self) -> str:
        """What its bytecode depends on. A patch release may compile otherwise, though others can run it."""
        return f"{self.version} {self.cache_tag} {self.magic}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """The modules of one wheel, or of the application: `key` stands for their places and contents.

    `read` gives each module's absolute path in the image and its source; it is asked only for what is not known.
    """

    key: str
    read: Callable[[], Iterable[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytecode:
    """The files of the layer, sorted by path, and what was left out, one line each."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def find_interpreter(candidates: Iterable[str], python: Python) -> Interpreter:
    """Return the first of `candidates` (paths) that is of the target's minor version and kind.

    Raise `ShipError` (E-BYTECODE-PYTHON) if none is: bytecode of another minor version is of no use.
    """
    for path in dict.fromkeys(candidates):
        words = _ask(path)
        if words is None:
            continue
        name, version, cache_tag, magic, free_threaded = words
        stable = "final" in version or python.prerelease
        if (
            name == python.implementation
            and version.startswith(f"{python.short}.")
            and stable
            and free_threaded == str(int(python.free_threaded))
        ):
            return Interpreter(path=path, version=version, cache_tag=cache_tag, magic=magic)
    kind = ", free-threaded" if python.free_threaded else ""
    raise ShipError(
        f"no {python.implementation} {python.short}{kind} on this machine to compile modules with",
        code="E-BYTECODE-PYTHON",
        hint=f"put a `python{python.short}` on the PATH, or leave `--bytecode` out",
    )


def _ask(path: str) -> list[str] | None:
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=20,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    return words if done.returncode == 0 and len(words) == 5 else None  # noqa: PLR2004  # as _ASK prints


def bytecode_key(interpreter: Interpreter, groups: Iterable[Modules]) -> Digest:
    """Return what the layer's bytes are a function of; nothing is compiled."""
    keys = "\n".join(sorted(group.key for group in groups))
    return Digest.of(f"{_FORM} {interpreter.key}\n{keys}".encode())


def bytecode(store: Store, interpreter: Interpreter, groups: Sequence[Modules], *, jobs: int) -> Bytecode:
    """Return the compiled modules of all `groups`, of each from the store if it was compiled before.

    The files are unchecked-hash `.pyc` (PEP 552): no time, no host's path in them. What does not compile is
    left out: Python says why, should it be imported. `jobs` interpreters run at once.
    """
    entries: dict[str, Entry] = {}
    notes: list[str] = []
    # Two wheels may hold one file; which of them counts must not depend on the order they came in.
    for group in sorted(groups, key=lambda one: one.key):
        blob = _pack(store, interpreter, group, jobs)
        for frame in _frames(blob):
            if frame.status == _SKIPPED:
                reason = _read(blob, frame).decode(errors="replace")
                notes.append(f"no bytecode of {frame.path}: {reason}")
                continue
            place = _cached_path(frame.path, interpreter)
            entries[place] = Entry(
                path=place,
                mode=FILE_MODE,
                sha256=sha256(_read(blob, frame)).hexdigest(),
                size=frame.size,
                source=FileSource(blob, frame.offset, frame.size),
            )
    return Bytecode(entries=tuple(entries[path] for path in sorted(entries)), notes=tuple(sorted(notes)))


def _cached_path(path: str, interpreter: Interpreter) -> str:
    directory, _slash, name = path.removeprefix("/").rpartition("/")
    return f"{directory}/__pycache__/{name.removesuffix('.py')}.{interpreter.cache_tag}.pyc"


# What is kept of a group: one file of frames, each a path, a status and the bytes


class _Frame(NamedTuple):
    path: str
    status: int
    offset: int
    size: int


def _pack(store: Store, interpreter: Interpreter, group: Modules, jobs: int) -> Path:
    key = f"{_FORM} {interpreter.key} {group.key}"
    known = store.get_fact("bytecode", key)
    blob = store.blob(Digest("sha256", known)) if isinstance(known, str) else None
    if blob is not None:
        return blob
    content = b"".join(
        _number(len(path.encode())) + path.encode() + bytes([status]) + _number(len(answer)) + answer
        for path, status, answer in _compile(interpreter, sorted(group.read()), jobs)
    )
    digest = Digest.of(content)
    blob = store.ingest(digest, (content,), len(content))
    store.put_fact("bytecode", key, digest.hex)
    return blob


def _frames(blob: Path) -> Iterator[_Frame]:
    with blob.open("rb") as file:
        while length := file.read(4):
            path = file.read(int.from_bytes(length, "little")).decode()
            status = file.read(1)[0]
            size = int.from_bytes(file.read(4), "little")
            yield _Frame(path, status, file.tell(), size)
            file.seek(size, 1)


def _read(blob: Path, frame: _Frame) -> bytes:
    return b"".join(FileSource(blob, frame.offset, frame.size).chunks())


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


# Compiling


class _Answer(NamedTuple):
    path: str
    status: int
    content: bytes


def _compile(interpreter: Interpreter, modules: Sequence[tuple[str, bytes]], jobs: int) -> list[_Answer]:
    small = [module for module in modules if len(module[1]) <= _LARGEST_SOURCE]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        answers = [
            answer
            for answers in pool.map(lambda batch: _run(interpreter, batch), _batches(small))
            for answer in answers
        ]
    huge = [
        _Answer(path, _SKIPPED, b"it is too large")
        for path, source in modules
        if len(source) > _LARGEST_SOURCE
    ]
    return sorted([*answers, *huge])


def _batches(modules: Sequence[tuple[str, bytes]]) -> list[list[tuple[str, bytes]]]:
    batches: list[list[tuple[str, bytes]]] = []
    room = 0
    for module in modules:
        if not batches or len(module[1]) > room:
            batches.append([])
            room = _BATCH
        batches[-1].append(module)
        room -= len(module[1])
    return batches


def _run(interpreter: Interpreter, batch: Sequence[tuple[str, bytes]]) -> list[_Answer]:
    """Compile in a fresh interpreter: without site, without the caller's variables, with a fixed hash seed.

    Before 3.11 the seed decides the order of a frozenset in marshal data (CPython issue 81777).
    """
    words = b"".join(
        _number(len(path.encode())) + path.encode() + _number(len(source)) + source for path, source in batch
    )
    script = Path(__file__).with_name("compile_script.py").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="crossdock-compile-") as empty:
        try:
            done = subprocess.run(
                [interpreter.path, "-S", "-s", "-B", "-W", "ignore", "-c", script],
                input=words,
                capture_output=True,
                check=False,
                cwd=empty,
                env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
                timeout=_TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ShipError(
                f"`{interpreter.path}` could not compile modules: {error}",
                code="E-BYTECODE",
                hint="leave `--bytecode` out",
            ) from error
    answers = list(_answers(batch, done.stdout))
    if done.returncode or len(answers) != len(batch):
        at = batch[len(answers)][0] if len(answers) < len(batch) else batch[-1][0]
        raise ShipError(
            f"the interpreter that compiles modules ended at `{at}`",
            code="E-BYTECODE",
            places=done.stderr.decode(errors="replace").strip().splitlines()[-5:],
            hint="leave `--bytecode` out",
        )
    return answers


def _answers(batch: Sequence[tuple[str, bytes]], output: bytes) -> Iterator[_Answer]:
    offset = 0
    for path, _source in batch:
        size = int.from_bytes(output[offset + 1 : offset + 5], "little")
        content = output[offset + 5 : offset + 5 + size]
        if offset + 5 > len(output) or len(content) != size:
            return
        yield _Answer(path, output[offset], content)
        offset += 5 + size
