from __future__ import annotations

from dataclasses import dataclass

from tests.lock.locks import linux, windows

from crossdock.lock.newest import newest_with_wheel, versions_with_wheel

LINUX = "cp312-cp312-manylinux_2_17_aarch64"


@dataclass(frozen=True)
class Listed:
    filename: str
    requires_python: str | None = None
    yanked: bool | str = False


def test_newest_version_with_a_fitting_wheel() -> None:
    files = [
        Listed(f"demo-1.9-{LINUX}.whl"),
        Listed(f"demo-1.10-{LINUX}.whl"),
        Listed("demo-1.10-py3-none-any.whl"),
        Listed("demo-2.0-cp312-cp312-manylinux_2_39_aarch64.whl"),
        Listed("demo-3.0.tar.gz"),
    ]
    found = newest_with_wheel(files, linux())
    assert found is not None
    assert (found.version, found.filename, found.tag) == ("1.10", f"demo-1.10-{LINUX}.whl", LINUX)
    assert [item.version for item in versions_with_wheel(files, linux(glibc=(2, 40)))] == [
        "2.0",
        "1.10",
        "1.9",
    ]


def test_what_does_not_count() -> None:
    files = [
        Listed("demo-6.0-py3-none-any.whl", yanked="broken"),
        Listed("demo-5.0-py3-none-any.whl", yanked=True),
        Listed("demo-4.0-py3-none-any.whl", requires_python=">=3.13"),
        Listed("demo-bad-name.whl"),
        Listed("demo-3.0-cp312-cp312-win_amd64-cu12.whl"),
        Listed("demo-2.0rc1-py3-none-any.whl"),
        Listed("demo-1.0-py3-none-any.whl", requires_python="nonsense", yanked=False),
    ]
    found = newest_with_wheel(files, linux())
    assert found is not None
    assert found.version == "1.0"
    assert [item.version for item in versions_with_wheel(files, linux())] == ["1.0", "2.0rc1"]


def test_none_where_nothing_fits() -> None:
    assert newest_with_wheel([Listed(f"demo-1.0-{LINUX}.whl")], windows()) is None
    assert newest_with_wheel([], windows()) is None
