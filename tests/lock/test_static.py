from __future__ import annotations

from dataclasses import dataclass

import pytest

from crossdock.lock.static import is_static, newest_static_version


@dataclass(frozen=True)
class Listed:
    filename: str
    yanked: bool | str = False


@pytest.mark.parametrize(
    ("metadata", "static"),
    [
        ("Metadata-Version: 2.2\nName: a\nVersion: 1\n", True),
        ("Metadata-Version: 2.10\nName: a\nVersion: 1\nDynamic: License\n", True),
        ("Metadata-Version: 2.4\nName: a\nVersion: 1\nDynamic: Requires-Dist\n", False),
        ("Metadata-Version: 2.4\nName: a\nVersion: 1\nDynamic: provides-extra\n", False),
        ("Metadata-Version: 2.1\nName: a\nVersion: 1\n", False),
        ("Metadata-Version: two\n", False),
        ("", False),
    ],
)
def test_what_is_fixed_by_pep_643(metadata: str, static: bool) -> None:
    assert is_static(metadata.encode()) is static


def test_only_the_newest_release_is_asked_for() -> None:
    files = [
        Listed("a-1.9.tar.gz"),
        Listed("a-1.10.tar.gz"),
        Listed("a-2.0rc1.tar.gz"),
        Listed("a-3.0.zip", yanked="bad"),
        Listed("a-1.11-py3-none-any.whl"),
    ]
    asked: list[str] = []

    def pkg_info(file: Listed) -> bytes | None:
        asked.append(file.filename)
        return b"Metadata-Version: 2.2\n"

    assert newest_static_version(files, pkg_info) == "1.10"
    assert asked == ["a-1.10.tar.gz"]
    assert newest_static_version(files, lambda _: None) is None
    assert newest_static_version([], pkg_info) is None
