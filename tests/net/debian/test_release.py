from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.debian import NOW, SmallArchive, certificate, release_text, sign

from crossdock.errors import FetchError
from crossdock.net.debian.chosen import PackageSet, Wanted
from crossdock.net.debian.release import debian_certificates, read_release
from crossdock.net.debian.resolve import fetch_packages, resolve
from crossdock.net.debian.sources import Archive
from crossdock.net.http import Http, HttpSettings
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARCHIVE = Archive(mirror="http://127.0.0.1", suite="bookworm", components=("main",), keys=(certificate(),))
FILES = {"main/binary-amd64/Packages.xz": b"x"}
WANTED = Wanted(groups={"all": ["a1"]}, optional={"all": ["maybe"]}, without={}, architecture="amd64")


def refused(raw: bytes, archive: Archive = ARCHIVE, now: float = NOW) -> str:
    with pytest.raises(FetchError) as caught:
        read_release(raw, archive, now=now)
    return caught.value.code


def test_a_signed_release_is_read() -> None:
    release = read_release(sign(release_text(FILES)), ARCHIVE, now=NOW)
    assert (release.codename, release.by_hash) == ("bookworm", True)
    assert release.packages_file("main", "amd64").size == 1
    with pytest.raises(FetchError) as caught:
        release.packages_file("main", "s390x")
    assert caught.value.code == "E-DEBIAN-ARCH"


def test_signatures_that_do_not_count() -> None:
    import pysequoia

    good = sign(release_text(FILES))
    assert refused(good.replace(b"Codename: bookworm", b"Codename: bookwork")) == "E-DEBIAN-SIGNATURE"
    assert refused(release_text(FILES).encode()) == "E-DEBIAN-SIGNATURE"
    assert refused(b"") == "E-DEBIAN-SIGNATURE"
    stranger = pysequoia.Tsk.generate("Somebody <x@example.org>")
    assert refused(sign(release_text(FILES), stranger)) == "E-DEBIAN-SIGNATURE"
    assert refused(good, replace(ARCHIVE, keys=())) == "E-DEBIAN-SIGNATURE", "Debian's keys did not sign it"
    assert refused(good, replace(ARCHIVE, keys=(b"no keyring",))) == "E-DEBIAN-KEYRING"


def test_what_stands_beside_the_signed_text_is_not_read() -> None:
    good = sign(release_text(FILES))
    evil = b"Codename: evil\nSHA256:\n " + b"0" * 64 + b" 1 main/binary-amd64/Packages\n\n"
    for raw in (evil + good, good + evil):
        try:
            release = read_release(raw, ARCHIVE, now=NOW)
        except FetchError as error:
            assert error.code == "E-DEBIAN-SIGNATURE"  # noqa: PT017
        else:
            assert release.codename == "bookworm"
            assert list(release.files) == list(FILES)


def test_dates_are_held_to_the_clock() -> None:
    assert refused(sign(release_text(FILES, until=NOW - 1))) == "E-DEBIAN-EXPIRED"
    assert refused(sign(release_text(FILES, made=NOW + 7200))) == "E-DEBIAN-EXPIRED"
    read_release(sign(release_text(FILES, until=NOW + 1)), ARCHIVE, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        release_text(FILES, "trixie"),
        release_text(FILES).replace("SHA256:", "MD5Sum:"),
        release_text(FILES).replace("Date:", "Day:"),
        release_text(FILES).replace(" Nov ", " Nov. "),
        release_text(FILES, more="Codename: bookworm"),
        release_text(FILES) + " nothing\n",
        "no field at all\n",
    ],
)
def test_releases_that_say_something_else(text: str) -> None:
    assert refused(sign(text)) == "E-DEBIAN-RELEASE"


def test_debian_s_own_certificates_are_those_that_the_readme_names() -> None:
    from importlib import resources

    text = (resources.files("crossdock.net.debian") / "keys" / "README.md").read_text("utf-8")
    found = {certificate.fingerprint for certificate in debian_certificates()}
    assert found
    assert all(f"`{fingerprint}`" in text for fingerprint in found)
    assert text.count("| `") == len(found)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallArchive]:
    with SmallArchive(tmp_path / "archive") as archive:
        archive.add("a1", more="Depends: b1 (= 2)\n")
        archive.add("b1", version="2")
        archive.publish()
        yield archive


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", warn=pytest.fail)


def resolved(small: SmallArchive, store: Store, **more: Any) -> PackageSet:
    http = Http(HttpSettings(backoff=0.01, tries=2))
    found = {"now": NOW, "http": http, "store": store, "warn": pytest.fail, **more}
    return resolve(WANTED, [small.archive], **found)


def test_packages_are_found_and_fetched(small: SmallArchive, store: Store) -> None:
    found = resolved(small, store)
    assert [(one.name, one.version, one.group) for one in found.packages] == [
        ("a1", "1", "all"),
        ("b1", "2", "all"),
    ]
    assert PackageSet.from_json(found.to_json()) == found
    paths = fetch_packages(found.packages, [small.archive], http=Http(), store=store)
    assert set(paths) == {"a1", "b1"}
    assert all("by-hash" in path for path in small.asked if "Packages" in path or "by-hash" in path)
    small.asked.clear()
    assert resolved(small, store) == found
    assert [path.rpartition("/")[2] for path in small.asked] == ["InRelease"]


def test_a_list_or_package_of_other_bytes_is_refused(small: SmallArchive, store: Store) -> None:
    found = resolved(small, store)
    for path in small.root.rglob("*.deb"):
        path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(FetchError) as caught:
        fetch_packages(found.packages, [small.archive], http=Http(HttpSettings(tries=1)), store=store)
    assert caught.value.code == "E-FETCH-HASH"


def test_a_mirror_without_hashes_serves_lists_by_name(small: SmallArchive, store: Store) -> None:
    import shutil

    folder = small.root / "dists/bookworm/main/binary-amd64"
    listed = "\n".join(small.stanzas).encode()
    from tests.support.debian import xz

    shutil.rmtree(folder / "by-hash")
    (folder / "Packages.xz").write_bytes(xz(listed))
    assert len(resolved(small, store).packages) == 2


def test_a_list_that_is_not_the_one_named_is_told(small: SmallArchive, store: Store) -> None:
    import shutil

    folder = small.root / "dists/bookworm/main/binary-amd64"
    shutil.rmtree(folder / "by-hash")
    with pytest.raises(FetchError) as caught:
        resolved(small, store)
    assert caught.value.code == "E-DEBIAN-MIRROR"
    (folder / "Packages.xz").write_bytes(b"older")
    with pytest.raises(FetchError) as caught:
        resolved(small, store)
    assert caught.value.code == "E-DEBIAN-MIRROR"


@pytest.mark.parametrize(
    "value", [None, {}, {"roots": [], "packages": [{"name": "x"}]}, {"roots": 1, "packages": []}]
)
def test_pins_that_cannot_be_read(value: Any) -> None:
    with pytest.raises(FetchError) as caught:
        PackageSet.from_json(value)
    assert caught.value.code == "E-DEBIAN-PINNED"
