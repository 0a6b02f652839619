"""Bytecode: the same bytes in any order and by any hash seed, loadable without a source's time, nothing run."""

from __future__ import annotations

import importlib.util
import marshal
import os
import subprocess
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.target.pythons import interpreters

from crossdock.errors import ShipError
from crossdock.ship import bytecode as module
from crossdock.ship.bytecode import (
    Bytecode,
    Interpreter,
    Modules,
    bytecode,
    bytecode_key,
    find_interpreter,
)
from crossdock.ship.compile_script import encoded
from crossdock.store import Store
from crossdock.target.model import Implementation, Python

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MINORS = (9, 10, 11, 12, 13, 14, 15)
CODE = """
from typing import Any
class A:
    key: Any = 'shared'
    def f(self, x={names}):
        return x in {{'b', 'a', 'shared', 'c', 1, 2.5}}, x[1:2], self.key, 10**30, b'bytes'
async def g(): return [i async for i in g() if i == 'shared']
""".replace("{names}", "()")
SOURCES = [(f"/app/lib/m{number}.py", (CODE + f"X = {number}\n").encode()) for number in range(20)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "store", warn=pytest.fail)) as found:
        yield found


@cache
def pythons() -> list[str]:
    return [sys.executable, *map(str, interpreters())]


def python_of(minor: int) -> Interpreter:
    named = [path for path in pythons() if path == sys.executable or f"3.{minor}" in path]
    try:
        return find_interpreter(named, Python(minor=minor))
    except ShipError:
        pytest.skip(f"no Python 3.{minor} on this machine")


def compiled(
    store: Store, interpreter: Interpreter, sources: Sequence[tuple[str, bytes]], key: str, jobs: int = 2
) -> Bytecode:
    return bytecode(store, interpreter, [Modules(key=key, read=lambda: sources)], jobs=jobs)


def contents(found: Bytecode) -> dict[str, bytes]:
    return {entry.path: b"".join(entry.content()) for entry in found.entries}


@pytest.mark.parametrize("minor", MINORS)
def test_order_batches_and_processes_do_not_show(
    store: Store, minor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = python_of(minor)
    first = contents(compiled(store, interpreter, SOURCES, "1"))
    monkeypatch.setattr(module, "_BATCH", 3000)
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    assert contents(compiled(store, interpreter, SOURCES[::-1], "2", jobs=1)) == first
    for number in (3, 11):
        alone = contents(compiled(store, interpreter, SOURCES[number : number + 1], f"alone {number}"))
        assert alone.items() <= first.items()
    assert len(first) == len(SOURCES)


@pytest.mark.parametrize("minor", MINORS)
def test_python_takes_the_files_unchecked(store: Store, minor: int, tmp_path: Path) -> None:
    interpreter = python_of(minor)
    source = b"# -*- coding: latin-1 -*-\nimport sys\nx = '\xe4'[0:1]\ndef where(): return where.__code__.co_filename\n"
    place = tmp_path / "app"
    found = compiled(store, interpreter, [(f"{place}/mod.py", source)], "x")
    for path, content in contents(found).items():
        target = Path("/", path)
        target.parent.mkdir(parents=True)
        target.write_bytes(content)
        assert os.fsencode(Path.cwd()) not in content
    # Were the source looked at, this one would be an error.
    (place / "mod.py").write_text("raise SystemExit('the source was compiled')\n")
    asked = "import mod; print(mod.__cached__, mod.where(), ascii(mod.x))"
    done = subprocess.run(
        [interpreter.path, "-B", "-W", "ignore", "-c", asked],
        cwd=place,
        env={"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cached = f"{place}/__pycache__/mod.{interpreter.cache_tag}.pyc"
    assert done.stdout.split() == [cached, f"{place}/mod.py", "'\\xe4'"]


def test_no_code_runs_and_what_does_not_compile_is_left_out(store: Store, tmp_path: Path) -> None:
    interpreter = python_of(sys.version_info[1])
    ran = tmp_path / "ran"
    sources = [
        ("/app/a.py", f"open({str(ran)!r}, 'w')\n".encode()),
        ("/app/bad.py", b"def (:\n"),
        ("/app/cookie.py", b"# coding: nothing\n"),
        ("/app/deep.py", b"x = " + b"(" * 5000 + b")" * 5000),
        ("/app/null.py", b"x = 1\0"),
        ("/app/warns.py", b"x = '\\d'\nassert (1, 'x')\n"),
    ]
    found = compiled(store, interpreter, sources, "x")
    assert [entry.path.rpartition("/")[2].partition(".")[0] for entry in found.entries] == ["a", "warns"]
    assert [note.partition(":")[0] for note in found.notes] == [
        f"no bytecode of /app/{name}.py" for name in ("bad", "cookie", "deep", "null")
    ]
    assert not ran.exists()


def test_a_huge_module_is_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_SOURCE", 10)
    found = compiled(store, python_of(sys.version_info[1]), [("/a/b.py", b"x = 1" + b" " * 10)], "x")
    assert (found.entries, len(found.notes)) == ((), 1)


def test_what_was_compiled_is_not_compiled_again(store: Store) -> None:
    interpreter = python_of(sys.version_info[1])
    first = compiled(store, interpreter, SOURCES[:3], "key")

    def never() -> list[tuple[str, bytes]]:
        pytest.fail("asked for sources that are known")

    again = bytecode(store, interpreter, [Modules(key="key", read=never)], jobs=1)
    assert contents(again) == contents(first)


def test_the_key_follows_the_interpreter_and_the_sources_in_any_order() -> None:
    def key(version: str, *names: str) -> str:
        interpreter = Interpreter(path="/any", version=version, cache_tag="cpython-312", magic="00")
        return str(bytecode_key(interpreter, [Modules(key=name, read=list) for name in names]))

    assert key("3.12.1final0", "a", "b") == key("3.12.1final0", "b", "a")
    assert len({key("3.12.1final0", "a"), key("3.12.2final0", "a"), key("3.12.1final0", "b")}) == 3


def test_slices_are_written_where_marshal_2_has_none() -> None:
    """Python 3.14 makes constants of slices; older ones cannot load them, so only the bytes are looked at."""
    code = compile("x = [1, 'text']", "m.py", "exec")
    nested = code.replace(co_consts=(*code.co_consts, slice(1, None), (slice(None, "z", 2), 5)))
    outer = code.replace(co_consts=(nested, slice(0, 1)))
    data = encoded(outer, b"seed")
    assert data == encoded(outer, b"another"), "what stands in for them does not show"

    def dumped(*values: str | int | None) -> bytes:
        return b":" + b"".join(marshal.dumps(value, 2) for value in values)

    for expected in (dumped(1, None, None), dumped(None, "z", 2), dumped(0, 1, None)):
        assert data.count(expected) == 1
    plain = outer.replace(co_consts=(nested.replace(co_consts=(*code.co_consts, 1.5, (2.5, 5))), 3.5))
    stand_ins = marshal.dumps(plain, 2)
    for number, expected in (
        (1.5, dumped(1, None, None)),
        (2.5, dumped(None, "z", 2)),
        (3.5, dumped(0, 1, None)),
    ):
        stand_ins = stand_ins.replace(marshal.dumps(number, 2), expected)
    assert data == stand_ins


def test_only_a_python_of_the_very_kind_will_do(tmp_path: Path) -> None:
    minor = sys.version_info[1]
    wrong = tmp_path / "python"
    wrong.write_text("#!/bin/sh\nexit 3\n")
    wrong.chmod(0o755)
    found = find_interpreter([str(wrong), str(tmp_path / "none"), sys.executable], Python(minor=minor))
    assert found.path == sys.executable
    assert found.magic == importlib.util.MAGIC_NUMBER.hex()
    for python in (
        Python(minor=minor + 1),
        Python(minor=minor, free_threaded=True),
        Python(minor=minor, implementation=Implementation.PYPY),
    ):
        with pytest.raises(ShipError) as caught:
            find_interpreter([sys.executable], python)
        assert caught.value.code == "E-BYTECODE-PYTHON"
        assert python.short in caught.value.message


def test_an_interpreter_that_dies_is_named_with_the_module(store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho boom >&2\nexit 3\n")
    broken.chmod(0o755)
    interpreter = Interpreter(path=str(broken), version="3.12.1final0", cache_tag="x", magic="00")
    with pytest.raises(ShipError) as caught:
        compiled(store, interpreter, SOURCES[:2], "x")
    assert (caught.value.code, caught.value.places) == ("E-BYTECODE", ("boom",))
    assert "m0.py" in caught.value.message
