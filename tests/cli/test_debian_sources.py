"""Which of apt's settings a base of Debian's packages is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crossdock.cli import mirrors
from crossdock.cli.image_session import ImageSession
from crossdock.errors import FetchError, UsageError
from crossdock.net.debian.chosen import PackageSet
from crossdock.net.debian.versions import compare_versions

if TYPE_CHECKING:
    from pathlib import Path

DEBIAN = "deb http://mirror.invalid/debian bookworm main\ndeb http://mirror.invalid/debian-security bookworm-security main\n"
THIRD = {
    "docker.list": "deb [signed-by=/k/docker.asc] http://other.invalid/linux/debian bookworm stable\n",
    "vendor.list": "deb [signed-by=/k/vendor.gpg] http://other.invalid/prod bookworm main\n",
    "old.list": "deb http://other.invalid/repo bookworm main\n",
}


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(mirrors, "_APT", tmp_path)
    monkeypatch.setattr(mirrors, "_keyring", lambda name: name.encode())
    return tmp_path


def found_mirrors(suite: str, **options: Any) -> list[tuple[str, str]]:
    found = mirrors.archives_of_suite(ImageSession(options), suite)
    return [(one.mirror, one.suite) for one in found]


def test_a_third_party_whose_suite_has_the_same_name_is_not_asked(apt: Path) -> None:
    for name, text in THIRD.items():
        (apt / "sources.list.d" / name).write_text(text)
    (apt / "sources.list.d" / "debian.list").write_text(DEBIAN)
    assert found_mirrors("bookworm") == [
        ("http://mirror.invalid/debian", "bookworm"),
        ("http://mirror.invalid/debian-security", "bookworm-security"),
    ]


def test_another_suite_is_looked_for_at_the_same_mirrors(apt: Path) -> None:
    (apt / "sources.list").write_text(DEBIAN)
    (apt / "sources.list.d" / "docker.list").write_text(THIRD["docker.list"])
    found = found_mirrors("trixie")
    assert ("http://mirror.invalid/debian", "trixie") in found
    assert ("http://mirror.invalid/debian-security", "trixie-security") in found
    assert not any("other" in mirror for mirror, _suite in found)


def test_a_mirror_of_ones_own_with_a_key_of_its_own_is_taken_where_there_is_no_other(apt: Path) -> None:
    (apt / "sources.list").write_text("deb [signed-by=/k/us.gpg] http://ours.invalid/deb bookworm main\n")
    (archive,) = mirrors.archives_of_suite(ImageSession({}), "bookworm")
    assert (archive.mirror, archive.keys) == ("http://ours.invalid/deb", (b"/k/us.gpg",))


def test_a_named_mirror_comes_before_apt(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (apt / "sources.list").write_text(DEBIAN)
    named = "http://a.invalid/debian http://a.invalid/debian-security"
    wanted = [
        ("http://a.invalid/debian", "bookworm"),
        ("http://a.invalid/debian", "bookworm-updates"),
        ("http://a.invalid/debian-security", "bookworm-security"),
    ]
    assert found_mirrors("bookworm", debian_mirror=named) == wanted
    monkeypatch.setenv("CROSSDOCK_DEBIAN_MIRROR", named)
    assert found_mirrors("bookworm") == wanted


def test_a_keyring_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.gpg"):
        mirrors._keyring(str(tmp_path / "gone.gpg"))


@pytest.mark.parametrize(
    ("key", "bad"),
    [("name", 5), ("name", ["x"]), ("size", "12"), ("group", []), ("version", 3), ("suite", [])],
)
def test_a_base_lock_edited_by_hand_is_refused(key: str, bad: object) -> None:
    good = {
        "name": "zlib1g",
        "version": "1",
        "architecture": "amd64",
        "sha256": "0" * 64,
        "size": 3,
        "filename": "pool/z.deb",
        "suite": "bookworm",
        "group": "system",
    }
    assert PackageSet.from_json({"roots": [], "packages": [good]}).packages
    with pytest.raises(FetchError) as caught:
        PackageSet.from_json({"roots": [], "packages": [{**good, key: bad}]})
    assert caught.value.code == "E-DEBIAN-PINNED"


def test_a_version_of_thousands_of_digits_is_no_version() -> None:
    with pytest.raises(FetchError) as caught:
        compare_versions("1" * 5000, "2" * 5000)
    assert caught.value.code == "E-DEBIAN-FORMAT"
