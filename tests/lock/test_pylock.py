from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lock.locks import file, package, table

from crossdock.errors import CrossdockError, LockError
from crossdock.lock import pylock
from crossdock.lock.emit import lock_text, write_lock
from crossdock.lock.pylock import read_lock
from crossdock.lock.text import is_lock_name

if TYPE_CHECKING:
    from pathlib import Path

MANYLINUX = "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64"


def read(value: dict[str, Any]) -> Any:
    return read_lock(lock_text(value).encode())


def test_every_candidate_is_read() -> None:
    lock = read(
        table(
            package(
                "numpy", "2.1.0", MANYLINUX, "cp313-cp313t-win_amd64", sdist=True, marker="os_name == 'nt'"
            ),
            package("six", "1.17.0", "py2.py3-none-any", index="https://index.test/simple"),
            **{"requires-python": ">=3.11", "extras": ["web"], "environments": ["sys_platform == 'linux'"]},
        )
    )
    numpy, six = lock.packages
    assert [wheel.tag for wheel in numpy.wheels] == [MANYLINUX, "cp313-cp313t-win_amd64"]
    assert numpy.sdist.filename == "numpy-2.1.0.tar.gz"
    assert str(numpy.marker) == 'os_name == "nt"'
    assert six.wheels[0].pythons == ("py2", "py3")
    assert (six.place, str(six), six.index) == ("packages[1]", "six 1.17.0", "https://index.test/simple")
    assert (str(lock.requires_python), lock.extras) == (">=3.11", ("web",))
    assert len(lock.environments) == 1
    assert lock.named("six") == (six,)


def test_strongest_accepted_hash_is_kept() -> None:
    entry = package("six")
    entry["wheels"] = [file("six-1.0-py3-none-any.whl", hashes={"md5": "0" * 32, "sha256": "AB" * 32})]
    assert str(read(table(entry)).packages[0].wheels[0].digest) == "sha256:" + "ab" * 32


def test_sources_other_than_an_index() -> None:
    archive = {"url": "https://host.test/a.zip", "hashes": {"sha256": "0" * 64}, "subdirectory": "py"}
    wheel = {"path": "dist/d-1.0-cp312-abi3-win_amd64.whl", "hashes": {"sha256": "1" * 64}}
    lock = read(
        table(
            {"name": "a", "archive": archive},
            {"name": "b", "directory": {"path": "lib/b", "editable": True}},
            {"name": "c", "vcs": {"type": "git", "url": "https://host.test/c.git", "commit-id": "f" * 40}},
            {"name": "d", "archive": wheel},
        )
    )
    a, b, c, d = lock.packages
    assert (a.archive.filename, a.archive.subdirectory, a.archive.size) == ("a.zip", "py", None)
    assert (b.directory.path, b.directory.editable) == ("lib/b", True)
    assert (c.vcs.type, c.vcs.commit) == ("git", "f" * 40)
    assert d.archive.tag == "cp312-abi3-win_amd64"


def test_percent_encoded_name_is_decoded_once() -> None:
    entry = package("six")
    url = "https://index.test/six-1.0%2Blocal-py3-none-any.whl#sha256=0"
    entry["version"] = "1.0+local"
    entry["wheels"] = [{"url": url, "hashes": {"sha256": "0" * 64}}]
    assert read(table(entry)).packages[0].wheels[0].filename == "six-1.0+local-py3-none-any.whl"


def test_wheel_variant_is_set_aside_with_a_reason() -> None:
    entry = package("torch", "2.0", "cp312-cp312-linux_x86_64", "cp312-cp312-win_amd64-cu126")
    found = read(table(entry)).packages[0]
    assert [wheel.tag for wheel in found.wheels] == ["cp312-cp312-linux_x86_64"]
    assert "variant" in found.unreadable[0].reason


def test_build_number_is_not_a_variant() -> None:
    found = read(table(package("torch", "2.0", "1a-py3-none-any", "py3-none-any"))).packages[0]
    assert [wheel.build for wheel in found.wheels] == [(1, "a"), (-1, "")]


def broken(**changes: Any) -> dict[str, Any]:
    entry = package("six", "1.0", "py3-none-any")
    wheel = entry["wheels"][0] | changes
    entry["wheels"] = [{key: value for key, value in wheel.items() if value is not None}]
    return table(package("ok", "1.0", "py3-none-any"), entry)


BAD_LOCKS = {
    "no hash": (broken(hashes={}), "E-LOCK-INVALID", "packages[1].wheels[0].hashes"),
    "weak hash only": (broken(hashes={"md5": "0" * 32}), "E-LOCK-HASH", "packages[1].wheels[0].hashes"),
    "short hash": (broken(hashes={"sha256": "00"}), "E-LOCK-HASH", "packages[1].wheels[0].hashes"),
    "path as hash": (
        broken(hashes={"sha256": "../" * 21 + "a"}),
        "E-LOCK-HASH",
        "packages[1].wheels[0].hashes",
    ),
    "negative size": (broken(size=-1), "E-LOCK-INVALID", "packages[1].wheels[0].size"),
    "no place": (broken(url=None), "E-LOCK-INVALID", "packages[1].wheels[0]"),
    "ftp": (broken(url="ftp://h.test/six-1.0-py3-none-any.whl"), "E-LOCK-URL", "packages[1].wheels[0].url"),
    "option as URL": (broken(url="--x/six-1.0-py3-none-any.whl"), "E-LOCK-URL", "packages[1].wheels[0].url"),
    "other package's wheel": (
        broken(url="https://h.test/seven-1.0-py3-none-any.whl"),
        "E-LOCK-INVALID",
        "packages[1].wheels[0]",
    ),
    "other version's wheel": (
        broken(url="https://h.test/six-2.0-py3-none-any.whl"),
        "E-LOCK-INVALID",
        "packages[1].wheels[0]",
    ),
    "name not normalized": (
        table(package("Six", "1.0", "py3-none-any")),
        "E-LOCK-INVALID",
        "packages[0].name",
    ),
    "format 2": (table(**{"lock-version": "2.0"}), "E-LOCK-VERSION", ""),
    "bad marker": (
        table(package("six", "1.0", "py3-none-any", marker="nonsense")),
        "E-LOCK-INVALID",
        "packages[0].marker",
    ),
    "endless marker": (
        table(package("six", "1.0", "py3-none-any", marker=" or ".join(["os_name == 'nt'"] * 5000))),
        "E-LOCK-MARKER",
        "packages[0].marker",
    ),
    "deep marker": (
        table(package("six", marker="(" * 500 + "os_name == 'nt'" + ")" * 500)),
        "E-LOCK-MARKER",
        "packages[0].marker",
    ),
    "deep environment": (
        table(environments=["(" * 500 + "os_name == 'nt'" + ")" * 500]),
        "E-LOCK-MARKER",
        "environments[0]",
    ),
    "variants only": (
        table(package("torch", "2.0", "cp312-cp312-win_amd64-cu126")),
        "E-LOCK-VARIANT",
        "packages[0].wheels[0]: torch-2.0-cp312-cp312-win_amd64-cu126.whl",
    ),
    "no source": (table({"name": "six"}), "E-LOCK-INVALID", "packages[0]"),
    "bad wheel as archive": (
        table({"name": "six", "archive": {"path": "x/six.whl", "hashes": {"sha256": "0" * 64}}}),
        "E-LOCK-INVALID",
        "packages[0].archive",
    ),
}


@pytest.mark.parametrize("name", BAD_LOCKS)
def test_bad_lock_is_refused_where_it_is_bad(name: str) -> None:
    value, code, place = BAD_LOCKS[name]
    with pytest.raises(LockError) as raised:
        read(value)
    assert raised.value.code == code
    assert (place in raised.value.places) if place else True


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"packages = [", b"a = " + b"[" * 5000, b"", b"packages = 3"]
)
def test_what_is_no_lock_is_refused(content: bytes) -> None:
    with pytest.raises(LockError) as raised:
        read_lock(content, filename="pylock.app.toml")
    assert "pylock.app.toml" in raised.value.message


def test_oversized_lock_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pylock, "MAX_BYTES", 10)
    with pytest.raises(LockError, match="larger") as raised:
        read_lock(b"#" * 11)
    assert raised.value.code == "E-LOCK-SIZE"


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="cannot read") as raised:
        read_lock(tmp_path / "pylock.toml")
    assert raised.value.hint is not None


def test_newer_minor_version_is_read_with_a_note() -> None:
    assert read(table(**{"lock-version": "1.3"})).notes


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("pylock.toml", True),
        ("pylock.app.toml", True),
        ("pylock..toml", False),
        ("pylock.a.b.toml", False),
        ("poetry.lock", False),
        ("pylock", False),
    ],
)
def test_names_of_locks(name: str, good: bool) -> None:
    assert is_lock_name(name) is good


def test_written_lock_is_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    one = package("a", "1.0", "py3-none-any", "cp312-cp312-win_amd64", sdist=True)
    two = package("b", "1.0", "py3-none-any", marker='os_name == "nt"')
    shuffled = {**dict(reversed(one.items())), "wheels": one["wheels"][::-1]}
    text = lock_text(table(one, two))
    assert text == lock_text(table(two, shuffled))
    target = tmp_path / "pylock.toml"
    write_lock(target, text)
    assert target.read_bytes() == text.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["pylock.toml"]


def test_write_failure_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(LockError) as raised:
        write_lock(tmp_path / "no" / "pylock.toml", "x")
    assert raised.value.code == "E-LOCK-WRITE"


@given(
    st.dictionaries(
        st.text(max_size=8), st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans(), max_size=4
    )
)
def test_any_value_survives_writing(values: dict[str, Any]) -> None:
    text = lock_text({"packages": [], "tool": {"x": values}})
    assert tomllib.loads(text)["tool"]["x"] == values


@given(st.data())
def test_damaged_lock_is_a_typed_error_or_a_lock(data: st.DataObject) -> None:
    content = bytearray(lock_text(table(package("six", "1.0", "py3-none-any", sdist=True))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        read_lock(bytes(content))
    except CrossdockError:
        return
