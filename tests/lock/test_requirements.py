from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.lock.locks import file, package

from crossdock.errors import LockError
from crossdock.lock.requirements import demanded_hashes, included_files, keep_demanded

if TYPE_CHECKING:
    from pathlib import Path


def test_includes_are_followed_once_even_in_circles(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    one, two, three = tmp_path / "one.txt", tmp_path / "sub" / "two.txt", tmp_path / "sub" / "three.txt"
    one.write_text("-r sub/two.txt  # comment\n--requirement=missing.txt\n-r https://host.test/x.txt\n")
    two.write_text("-rthree.txt\n-c ../one.txt\n")
    three.write_text("six\n")
    assert included_files([one]) == [one, two, three]


def test_hashes_are_collected_by_normalized_name(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text(
        f"Foo_Bar==1 \\\n    --hash=sha256:{'A' * 64} \\\n    --hash=sha512:{'b' * 128}\n"
        "# six --hash=sha256:0\nplain==1\nsix ; os_name == 'nt' --hash sha256:cc\n"
    )
    assert demanded_hashes([path]) == {
        "foo-bar": {"sha256:" + "a" * 64, "sha512:" + "b" * 128},
        "six": {"sha256:cc"},
    }


def test_only_listed_files_stay() -> None:
    entry = package("six", "1.0", "py3-none-any", "py2-none-any", sdist=True)
    wanted = f"sha256:{file('six-1.0-py3-none-any.whl')['hashes']['sha256']}"
    [kept] = keep_demanded([entry], {"six": frozenset({wanted})})
    assert len(kept["wheels"]) == 1
    assert "sdist" not in kept
    assert keep_demanded([entry], {}) == [entry]
    with pytest.raises(LockError) as raised:
        keep_demanded([entry], {"six": frozenset({"sha256:00"})})
    assert raised.value.code == "E-LOCK-HASH"
