"""Wheels: names, metadata, RECORD, schemes and scripts must agree; each class refused with its code."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.wheels import make_record, record_hash, wheel_files, zip_bytes

from crossdock.archive.entrypoints import ScriptEntryPoint
from crossdock.archive.limits import Limits
from crossdock.archive.names import WheelName, canonical
from crossdock.archive.wheel import Wheel
from crossdock.errors import ArchiveError
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "demo-1.0-py3-none-any.whl"
INFO = "demo-1.0.dist-info"


def build(
    change: Callable[[dict[str, bytes]], object] | None = None,
    *,
    files: dict[str, bytes | str] | None = None,
    record: Callable[[bytes], bytes] | None = None,
    entry_points: str | None = None,
) -> bytes:
    """Return a wheel; `change` edits its members before RECORD is made, `record` edits RECORD."""
    members = wheel_files(files=files, entry_points=entry_points)
    if change:
        change(members)
    if f"{INFO}/RECORD" in members:
        del members[f"{INFO}/RECORD"]
        members[f"{INFO}/RECORD"] = make_record(members, INFO)
    if record:
        members[f"{INFO}/RECORD"] = record(members[f"{INFO}/RECORD"])
    return zip_bytes(members)


def open_wheel(
    data: bytes, name: str = NAME, rules: PathRules = PathRules.POSIX, *, escape: bool = False
) -> Wheel:
    return Wheel.open(data, name, rules=rules, allow_bad_record=escape)


def swap(file: str, old: str, new: str) -> Callable[[dict[str, bytes]], object]:
    def change(members: dict[str, bytes]) -> None:
        path = f"{INFO}/{file}"
        assert old.encode() in members[path]
        members[path] = members[path].replace(old.encode(), new.encode())

    return change


def with_files(**files: str) -> Callable[[dict[str, bytes]], object]:
    return lambda members: members.update(
        {path.replace("|", "/"): text.encode() for path, text in files.items()}
    )


def placed(path: str, content: str = "x") -> Callable[[dict[str, bytes]], object]:
    return lambda members: members.update({path: content.encode()})


def removed(file: str) -> Callable[[dict[str, bytes]], object]:
    return lambda members: members.pop(f"{INFO}/{file}")


def scripts(line: str) -> bytes:
    return build(entry_points=f"[console_scripts]\n{line}\n")


def test_a_good_wheel_tells_what_it_holds() -> None:
    data = build(
        files={"demo/__init__.py": "", "demo/x.so": b"\x7fELF", "demo-1.0.data/scripts/tool": "#!python\n"},
        entry_points="[console_scripts]\ndemo = demo.cli:main.run [extra]\n[gui_scripts]\nw = demo:w\n[other]\na b=c\n",
    )
    with open_wheel(data) as wheel:
        assert (wheel.name, wheel.version, wheel.dist_info) == ("demo", "1.0", INFO)
        assert wheel.root_is_purelib
        assert {str(tag) for tag in wheel.tags} == {"py3-none-any"}
        assert wheel.script_entry_points() == (
            ScriptEntryPoint("demo", "demo.cli", "main.run", gui=False),
            ScriptEntryPoint("w", "demo", "w", gui=True),
        )
        places = {(file.scheme, file.path) for file in wheel.files}
        assert ("scripts", "tool") in places
        assert ("purelib", "demo/x.so") in places
        for file in wheel.files:
            content = wheel.read(file)
            assert hashlib.sha256(content).hexdigest() == file.sha256
            assert b"".join(wheel.stream(file)) == content
            assert len(content) == file.size
        assert wheel.start_up_hooks == wheel.dropped == wheel.record_problems == ()


def test_metadata_is_read_as_it_stands() -> None:
    text = "Requires-Dist: a>=1\nRequires-Dist: b; python_version<'3'\nRequires-Python: >=3.9\nX: 1\n\nName: body"
    with open_wheel(
        build(lambda m: m.update({f"{INFO}/METADATA": m[f"{INFO}/METADATA"] + text.encode()}))
    ) as wheel:
        assert wheel.requires_dist == ("a>=1", "b; python_version<'3'")
        assert wheel.requires_python == ">=3.9"
        assert wheel.metadata.endswith(b"Name: body")


BAD: dict[str, tuple[bytes, str]] = {
    "no METADATA": (build(removed("METADATA")), "E-WHEEL-METADATA"),
    "no WHEEL": (build(removed("WHEEL")), "E-WHEEL-WHEEL"),
    "no RECORD": (build(removed("RECORD")), "E-RECORD-MISSING"),
    "two dist-infos": (build(placed("other-1.0.dist-info/METADATA")), "E-WHEEL-DIST-INFO"),
    "two dist-infos by case": (build(placed("x-1.0.DIST-INFO/METADATA")), "E-WHEEL-DIST-INFO"),
    "no dist-info": (zip_bytes({"demo.py": b""}), "E-WHEEL-DIST-INFO"),
    "a dist-info of another name": (zip_bytes({"other-1.0.dist-info/METADATA": b""}), "E-WHEEL-DIST-INFO"),
    "a dist-info of another version": (zip_bytes({"demo-2.0.dist-info/METADATA": b""}), "E-WHEEL-DIST-INFO"),
    "METADATA of another name": (build(swap("METADATA", "Name: demo", "Name: evil")), "E-WHEEL-NAME"),
    "METADATA of another version": (
        build(swap("METADATA", "Version: 1.0", "Version: 1.1")),
        "E-WHEEL-VERSION",
    ),
    "METADATA with two names": (
        build(swap("METADATA", "Name: demo", "Name: demo\nname: evil")),
        "E-WHEEL-METADATA",
    ),
    "METADATA without a version": (build(swap("METADATA", "\nVersion: 1.0", "")), "E-WHEEL-METADATA"),
    "METADATA that is not UTF-8": (
        build(lambda m: m.update({f"{INFO}/METADATA": b"Name: d\xff\n"})),
        "E-WHEEL-METADATA",
    ),
    "another tag in WHEEL": (build(swap("WHEEL", "py3-none-any", "py2-none-any")), "E-WHEEL-TAGS"),
    "one more tag in WHEEL": (build(swap("WHEEL", "Tag: ", "Tag: cp313-none-any\nTag: ")), "E-WHEEL-TAGS"),
    "a tag that multiplies out": (
        build(swap("WHEEL", "py3-none-any", "-".join([".".join(f"p{n}" for n in range(40))] * 3))),
        "E-WHEEL-TAG-LIMIT",
    ),
    "Wheel-Version 2.0": (build(swap("WHEEL", "Wheel-Version: 1.0", "Wheel-Version: 2.0")), "E-WHEEL-FORMAT"),
    "Wheel-Version odd": (build(swap("WHEEL", "Wheel-Version: 1.0", "Wheel-Version: one")), "E-WHEEL-FORMAT"),
    "Root-Is-Purelib odd": (build(swap("WHEEL", "Purelib: true", "Purelib: maybe")), "E-WHEEL-WHEEL"),
    "an unknown scheme": (build(placed("demo-1.0.data/stdlib/os.py")), "E-WHEEL-DATA"),
    "a file right in the data directory": (build(placed("demo-1.0.data/x")), "E-WHEEL-DATA"),
    "a foreign data directory": (build(placed("other-1.0.data/scripts/x")), "E-WHEEL-DATA"),
    "a script that climbs": (build(placed("demo-1.0.data/scripts/../../x")), "E-PATH-DOTS"),
    "data that climbs": (build(placed("demo-1.0.data/data/../../../x")), "E-PATH-DOTS"),
    "a script python3": (build(placed("demo-1.0.data/scripts/python3")), "E-WHEEL-INTERPRETER"),
    "a script Python.EXE": (build(placed("demo-1.0.data/scripts/Python.EXE")), "E-WHEEL-INTERPRETER"),
    "a script pypy3.11": (build(placed("demo-1.0.data/scripts/pypy3.11")), "E-WHEEL-INTERPRETER"),
    "python by the data scheme": (build(placed("demo-1.0.data/data/bin/python3.13t")), "E-WHEEL-INTERPRETER"),
    "two files in one place": (build(placed("demo-1.0.data/purelib/demo/__init__.py")), "E-PATH-DUPLICATE"),
    "an entry point named python": (scripts("python = demo:main"), "E-WHEEL-INTERPRETER"),
    "an entry point that climbs": (scripts("../x = demo:main"), "E-WHEEL-ENTRY-POINT"),
    "an entry point `..`": (scripts(".. = demo:main"), "E-PATH-DOTS"),
    "an entry point with code": (scripts("x = demo:main() or __import__('os')"), "E-WHEEL-ENTRY-POINT"),
    "an entry point with a line break": (scripts("x = demo:main\n  import os"), "E-WHEEL-ENTRY-POINT"),
    "an entry point without attribute": (scripts("x = demo"), "E-WHEEL-ENTRY-POINT"),
    "an entry point with a blank": (scripts("a b = demo:main"), "E-WHEEL-ENTRY-POINT"),
    "an entry point twice": (scripts("x = demo:a\nx = demo:b"), "E-WHEEL-ENTRY-POINT"),
    "an entry point in no group": (build(entry_points="x = demo:main\n"), "E-WHEEL-ENTRY-POINT"),
    "a member that RECORD does not list": (
        build(record=lambda r: r.replace(b"demo/__init__.py", b"demo/other.py")),
        "E-RECORD-MISMATCH",
    ),
    "a file only in the wheel": (
        build(record=lambda r: b"".join(row for row in r.splitlines(True) if b"__init__" not in row)),
        "E-RECORD-UNLISTED",
    ),
    "a file only in RECORD": (
        build(record=lambda r: r + f"demo/gone.py,{record_hash(b'')},0\n".encode()),
        "E-RECORD-ABSENT",
    ),
    "a path out of the root in RECORD": (
        build(record=lambda r: r + f"../../x,{record_hash(b'')},0\n".encode()),
        "E-RECORD-ABSENT",
    ),
    "a wrong size in RECORD": (build(record=lambda r: r.replace(b",20\n", b",22\n", 1)), "E-RECORD-SIZE"),
    "one file twice": (build(record=lambda r: r + r.splitlines(True)[0]), "E-RECORD-DUPLICATE"),
    "one file twice, other hashes": (
        build(record=lambda r: r + f"demo/__init__.py,{record_hash(b'')},20\n".encode()),
        "E-RECORD-DUPLICATE",
    ),
    "no hash in RECORD": (
        build(record=lambda r: r.replace(r.split(b",")[1], b"", 1)),
        "E-RECORD-NO-HASH",
    ),
    "a weak hash in RECORD": (
        build(record=lambda r: r.replace(r.split(b",")[1], b"md5=1B2M2Y8AsgTpgAmY7PhCfg", 1)),
        "E-RECORD-WEAK-HASH",
    ),
    "a malformed row": (build(record=lambda r: r + b"one,two\n"), "E-RECORD-FORMAT"),
    "RECORD that is not UTF-8": (build(record=lambda r: b"\xff" + r), "E-RECORD-FORMAT"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_wheels_are_refused_with_their_code(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(ArchiveError) as caught:
        open_wheel(data)
    assert caught.value.code == code
    assert NAME in str(caught.value)
    assert caught.value.hint


GOOD: dict[str, bytes] = {
    "a quoted row": build(files={'demo/a,"b".py': "x"}, record=lambda r: r.replace(
        b'demo/a,"b".py', b'"demo/a,""b"".py"')),
    "rows that end in CRLF": build(record=lambda r: r.replace(b"\n", b"\r\n")),
    "sha512 in RECORD": build(
        record=lambda r: r.replace(r.split(b",")[1], b"sha512=" + base64.urlsafe_b64encode(
            hashlib.sha512(b"__version__ = '1.0'\n").digest()).rstrip(b"="), 1)),
    "a signature beside RECORD": build(placed(f"{INFO}/RECORD.jws"), record=lambda r: b"".join(
        row for row in r.splitlines(True) if b".jws" not in row)),
    "a script python-argcomplete-check": build(placed("demo-1.0.data/scripts/python-argcomplete-check")),
    "METADATA spelled otherwise": build(swap("METADATA", "Name: demo", "Name: DeMo")),
    "an equal version": build(swap("METADATA", "Version: 1.0", "Version: 1.0.0")),
    "no Root-Is-Purelib": build(swap("WHEEL", "Root-Is-Purelib: true\n", "")),
    "an indented entry point file": build(entry_points="\n    [console_scripts]\n    a = demo:main\n    b = demo:x\n"),
    "a compressed tag": build(swap("WHEEL", "Tag: py3-none-any", "Tag: py3-none-any\nTag: PY3-none-any")),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_neighbours_are_accepted(name: str) -> None:
    with open_wheel(GOOD[name]) as wheel:
        for file in wheel.files:
            wheel.read(file)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (build(files={"demo/con.py": ""}), "E-PATH-DEVICE"),
        (build(files={"demo/A.py": "", "demo/a.py": ""}), "E-PATH-TWIN"),
        (scripts("nul = demo:main"), "E-PATH-DEVICE"),
        (scripts("X = demo:main\nx = demo:main"), "E-PATH-TWIN"),
    ],
)
def test_the_target_decides_about_names(data: bytes, code: str) -> None:
    open_wheel(data).close()
    with pytest.raises(ArchiveError) as caught:
        open_wheel(data, rules=PathRules.WINDOWS)
    assert caught.value.code == code


@pytest.mark.parametrize("way", ["read", "stream"])
def test_a_wrong_hash_in_record_shows_when_the_file_is_read(way: str) -> None:
    data = build(record=lambda r: r.replace(r.split(b",")[1], record_hash(b"other").encode(), 1))
    wheel = open_wheel(data)
    file = next(file for file in wheel.files if file.path == "demo/__init__.py")
    with pytest.raises(ArchiveError) as caught:
        wheel.read(file) if way == "read" else list(wheel.stream(file))
    assert caught.value.code == "E-RECORD-HASH"
    assert "--allow-bad-record demo" in str(caught.value)


@pytest.mark.parametrize("name", [name for name, (_, code) in BAD.items() if code.startswith("E-RECORD")])
def test_a_bad_record_can_be_accepted_by_name(name: str) -> None:
    with open_wheel(BAD[name][0], escape=True) as wheel:
        assert wheel.record_problems
        for file in wheel.files:
            assert hashlib.sha256(wheel.read(file)).hexdigest() == file.sha256


def test_the_escape_names_a_wrong_hash_too() -> None:
    data = build(record=lambda r: r.replace(r.split(b",")[1], record_hash(b"other").encode(), 1))
    with open_wheel(data, escape=True) as wheel:
        assert len(wheel.record_problems) == 1
        assert "demo/__init__.py" in wheel.record_problems[0]


def test_every_problem_of_record_is_in_one_error() -> None:
    data = build(
        files={"demo/a": "", "demo/b": ""},
        record=lambda r: r.replace(b"demo/a", b"x").replace(b"demo/b", b"y"),
    )
    with pytest.raises(ArchiveError) as caught:
        open_wheel(data)
    assert caught.value.code == "E-RECORD-MISMATCH"
    assert len(caught.value.places) == 4


def test_bytecode_is_dropped_and_start_up_hooks_are_listed() -> None:
    files: dict[str, bytes | str] = {
        "demo/__pycache__/x.cpython-312.pyc": b"",
        "demo/data/not.pth": "import os\n",
        "paths.pth": "lib\n",
        "evil.pth": "lib\nimport os; os.system('true')\n",
        "early.start": "demo:main\n",
        "sitecustomize.py": "",
        "usercustomize/__init__.py": "",
        "demo-1.0.data/data/lib/python3.12/site-packages/late.pth": "import os\n",
    }
    with open_wheel(build(files=files)) as wheel:
        assert wheel.dropped == ("demo/__pycache__/x.cpython-312.pyc",)
        assert not {file.member.name for file in wheel.files} & set(wheel.dropped)
        assert set(wheel.start_up_hooks) == set(files) - {*wheel.dropped, "demo/data/not.pth", "paths.pth"}


@pytest.mark.parametrize(
    "name",
    ["demo.whl", "demo-1.0.whl", "demo-1.0-py3-none.whl", "demo-1.0-py3-none-any.zip", "-1.0-py3-none-any.whl",
     "de/mo-1.0-py3-none-any.whl", "demo-1.0-x-py3-none-any.whl", "demo-1.0-py3..py2-none-any.whl", "é-1-py3-none-any.whl",
     "d" * 600 + "-1.0-py3-none-any.whl", "demo-1.0-py3-none-any.whl\n", "demo-" + "1." * 100 + "0-py3-none-any.whl"],
)  # fmt: skip
def test_file_names_that_are_none(name: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        WheelName.parse(name)
    assert caught.value.code in {"E-WHEEL-FILENAME", "E-WHEEL-TAG"}


def test_a_file_name_is_taken_apart_as_packaging_does() -> None:
    from packaging.utils import parse_wheel_filename

    for name in (
        NAME,
        "Foo.Bar_baz-1!2.0+l.1-2b-cp312.py3-abi3.none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    ):
        found = WheelName.parse(name)
        theirs = parse_wheel_filename(name)
        assert found.canonical_name == theirs[0]
        assert found.tags == theirs[3]
        assert found.build == "".join(map(str, theirs[2]))


def test_tags_in_a_file_name_are_capped() -> None:
    many = ".".join(f"p{n}" for n in range(30))
    with pytest.raises(ArchiveError) as caught:
        WheelName.parse(f"d-1-{many}-{many}-{many}.whl", limit=1000)
    assert caught.value.code == "E-WHEEL-TAG-LIMIT"


def test_metadata_files_are_capped() -> None:
    with pytest.raises(ArchiveError) as caught:
        Wheel.open(build(), NAME, limits=Limits(metadata_size=10))
    assert caught.value.code == "E-WHEEL-LIMIT-METADATA"
    with pytest.raises(ArchiveError) as caught:
        Wheel.open(build(), NAME, limits=Limits(record_size=10))
    assert caught.value.code == "E-WHEEL-LIMIT-METADATA"


@given(st.text(alphabet="aB1-_.", min_size=1, max_size=20))
def test_names_are_normalised_as_packaging_does(name: str) -> None:
    from packaging.utils import canonicalize_name

    assert canonical(name) == canonicalize_name(name)


def test_threads_may_share_a_wheel() -> None:
    files: dict[str, bytes | str] = {f"demo/m{n}.py": f"x = {n}\n" * 500 for n in range(60)}
    wheel = open_wheel(build(files=files))
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            for file in wheel.files:
                wheel.read(file)
        except BaseException as error:  # noqa: BLE001  # a thread's error must reach the test
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


VALID = build(entry_points="[console_scripts]\ndemo = demo:main\n")
VALID_CONTENT = {str(file.path): open_wheel(VALID).read(file) for file in open_wheel(VALID).files}


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_any_mutation_is_refused_or_changes_nothing(flips: list[tuple[int, int]]) -> None:
    data = bytearray(VALID)
    for place, mask in flips:
        data[place] ^= mask
    try:
        wheel = open_wheel(bytes(data))
        found = {str(file.path): wheel.read(file) for file in wheel.files}
    except ArchiveError:
        return
    assert found == VALID_CONTENT


TEXTS = ("METADATA", "WHEEL", "RECORD", "entry_points.txt")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), st.binary(max_size=200))
def test_any_metadata_file_gives_a_typed_answer(file: str, content: bytes) -> None:
    members = wheel_files(entry_points="[console_scripts]\ndemo = demo:main\n")
    members[f"{INFO}/{file}"] = content
    if file != "RECORD":
        del members[f"{INFO}/RECORD"]
        members[f"{INFO}/RECORD"] = make_record(members, INFO)
    try:
        open_wheel(zip_bytes(members)).close()
    except ArchiveError as error:
        refused = error.code
        assert refused.startswith(("E-WHEEL-", "E-RECORD-", "E-PATH-"))  # either answer is right


def test_a_flood_of_tags_is_refused_at_once() -> None:
    many = "-".join([".".join(f"p{n}" for n in range(10))] * 3)
    data = build(swap("WHEEL", "Tag: py3-none-any\n", f"Tag: {many}\n" * 100_000))
    start = time.perf_counter()
    with pytest.raises(ArchiveError) as caught:
        open_wheel(data)
    assert caught.value.code == "E-WHEEL-TAG-LIMIT"
    assert time.perf_counter() - start < 60  # a hang, not a speed
