from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.debian import NOW, Member, SmallArchive, directory, link

from crossdock.errors import CrossdockError
from crossdock.net.debian.chosen import PackageSet
from crossdock.net.http import Http, HttpSettings
from crossdock.oci.model import Platform
from crossdock.ship.image.debian.base import debian_base
from crossdock.ship.image.debian.suites import known_suites, python_of_suite, roots_of
from crossdock.store import Store
from crossdock.target.names import parse_target
from crossdock.target.pythons import parse_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.ship.image.model import BaseImage, Layer
    from crossdock.target.model import Target

AMD64 = Platform.parse("linux/amd64")


def target(name: str = "linux/amd64") -> Target:
    return parse_target(name, default_python=parse_python("3.11"))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallArchive]:
    with SmallArchive(tmp_path / "archive") as archive:
        archive.add_system()
        yield archive


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", warn=pytest.fail)


def base_of(
    small: SmallArchive, store: Store, spec: str = "debian:bookworm", **more: Any
) -> tuple[BaseImage, PackageSet]:
    means: dict[str, Any] = {
        "archives": [small.archive],
        "http": Http(HttpSettings(tries=1)),
        "store": store,
        "now": NOW,
        "pinned": None,
        "warn": lambda _text: None,
        **more,
    }
    return debian_base(spec, target(), AMD64, **means)


def members(layer: Layer) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    plain = gzip.decompress(b"".join(layer.source.chunks()))
    assert hashlib.sha256(plain).hexdigest() == layer.diff_id.hex
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        found = {}
        for info in archive:
            file = archive.extractfile(info) if info.isfile() else None
            found[info.name] = (info, file.read() if file else b"")
        return found


def refusal(small: SmallArchive, store: Store, spec: str = "debian:bookworm", **more: Any) -> str:
    with pytest.raises(CrossdockError) as caught:
        base_of(small, store, spec, **more)
    return caught.value.code


def test_a_base_has_what_a_system_needs(small: SmallArchive, store: Store) -> None:
    small.publish()
    base, found = base_of(small, store)
    assert [layer.title for layer in base.layers] == ["debian bookworm system", "debian bookworm python"]
    assert base.name == "debian:bookworm"
    assert base.digest is not None
    system, python = map(members, base.layers)

    assert {name: system[name][0].linkname for name in ("bin", "lib", "lib64", "sbin", "var/run")} == {
        "bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin", "var/run": "/run",
    }  # fmt: skip
    assert system["usr/lib/x86_64-linux-gnu/libc.so.6"][1] == b"\x7fELF" * 50
    assert system["usr/lib64/ld-linux-x86-64.so.2"][0].issym()
    assert system["etc/ssl/certs/ca-certificates.crt"][1] == b"A\nB without an end\n"
    assert system["usr/share/zoneinfo/UTC"][1] == b"TZif", "a hard link is a copy"
    assert system["tmp"][0].mode == 0o1777
    assert (system["home/nonroot"][0].uid, system["home/nonroot"][0].gid) == (65532, 65532)
    assert b"nonroot:x:65532:65532:" in system["etc/passwd"][1]
    assert system["usr/share/doc/libc6/copyright"][1] == b"of libc6\n"
    assert system["var/lib/dpkg/status.d/libc6"][1].startswith(b"Package: libc6\nVersion: 1\n")

    assert python["usr/bin/python3.11"][0].mode == 0o755, "set-user-ID bits are not kept"
    assert python["usr/bin/python3"][0].linkname == "python3.11"
    assert not [name for name in (*system, *python) if "/man" in name or "/locale" in name]
    assert {info.mtime for info, _ in (*system.values(), *python.values())} == {315_532_800}
    assert {one.group for one in found.packages} == {"system", "python"}
    assert base.config["rootfs"]["diff_ids"] == [str(layer.diff_id) for layer in base.layers]
    assert base.config["architecture"] == "amd64"


def test_a_pinned_base_needs_neither_lists_nor_a_network(small: SmallArchive, store: Store) -> None:
    small.publish()
    base, found = base_of(small, store)
    again = PackageSet.from_json(json.loads(json.dumps(found.to_json())))
    small.asked.clear()
    offline, kept = base_of(small, store, pinned=again, http=None, archives=[])
    assert (offline.digest, kept) == (base.digest, found)
    assert not small.asked
    assert refusal(small, store, http=None) == "E-IMAGE-BASE-OFFLINE"
    assert refusal(small, store, "debian:bookworm+libpq5", http=None, pinned=again) == "E-IMAGE-BASE-OFFLINE"


def test_pinned_packages_are_made_again_where_the_store_is_new(
    small: SmallArchive, store: Store, tmp_path: Path
) -> None:
    small.publish()
    base, found = base_of(small, store)
    (small.root / "dists/bookworm/InRelease").unlink()
    other = Store.open(tmp_path / "other", warn=pytest.fail)
    assert base_of(small, other, pinned=found)[0].digest == base.digest


def test_pins_that_do_not_fit_are_refused(small: SmallArchive, store: Store, tmp_path: Path) -> None:
    small.publish()
    _base, found = base_of(small, store)
    changes: list[dict[str, Any]] = [{"group": "nowhere"}, {"architecture": "s390x"}]
    for change in changes:
        odd = replace(found, packages=(replace(found.packages[0], **change), *found.packages[1:]))
        assert refusal(small, store, pinned=odd) == "E-DEBIAN-PINNED"
    for path in small.root.rglob("libc6_*.deb"):
        path.unlink()
    empty = Store.open(tmp_path / "empty", warn=pytest.fail)
    assert refusal(small, empty, pinned=found) == "E-DEBIAN-GONE"
    assert refusal(small, empty, pinned=found, http=None) == "E-FETCH-OFFLINE"


def test_further_packages_lie_in_a_layer_of_their_own(small: SmallArchive, store: Store) -> None:
    small.add("libpq5", Member("usr/lib/libpq.so.5", b"\x7fELF"), more="Depends: libkrb5-3, libc6\n")
    small.add("libkrb5-3", Member("usr/lib/libkrb5.so.3", b"\x7fELF"))
    small.add("openssl", link("usr/lib/ssl/cert.pem", "/somewhere/else"))
    small.publish()
    plain, _ = base_of(small, store)
    base, found = base_of(small, store, "debian:bookworm+openssl+libpq5+python3")
    assert base.layers[:2] == tuple(plain.layers) or [one.descriptor for one in base.layers[:2]] == [
        one.descriptor for one in plain.layers
    ]
    assert [one.name for one in base.layers[2].slices] == ["libkrb5-3", "libpq5", "openssl"]
    assert found.roots == tuple(sorted({*found.roots, "libpq5", "openssl"}))


def test_an_update_of_a_package_changes_its_layer(small: SmallArchive, store: Store) -> None:
    small.publish()
    before, _ = base_of(small, store)
    small.add("python3.11", Member("usr/bin/python3.11", b"\x7fELF2", mode=0o755), version="1+deb12u1")
    small.publish()
    after, found = base_of(small, store)
    assert before.layers[0].descriptor == after.layers[0].descriptor
    assert before.layers[1].descriptor != after.layers[1].descriptor
    assert before.digest != after.digest
    assert "1+deb12u1" in {one.version for one in found.packages}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([Member("usr/x", b"1")], [Member("usr/x", b"2")]),
        ([Member("lib/x", b"1")], [Member("usr/lib/x", b"2")]),
        ([link("usr/dir", "/etc")], [Member("usr/dir/passwd", b"evil")]),
        ([Member("usr/dir/file", b"1")], [link("usr/dir", "/etc")]),
        ([Member("usr/x", b"1")], [Member("usr/x/y", b"2")]),
        ([directory("usr/x")], [Member("usr/x", b"2")]),
        ([], [link("usr", "/etc")]),
        ([], [link("usr/lib", "/etc")]),
        ([], [link("tmp", "/etc"), Member("tmp/x", b"")]),
    ],
)
def test_no_package_writes_through_or_over_another(
    small: SmallArchive, store: Store, first: list[Member], second: list[Member]
) -> None:
    small.add("one1", *first)
    small.add("two2", *second)
    small.publish()
    assert refusal(small, store, "debian:bookworm+one1+two2") == "E-DEBIAN-CLASH"


def test_names_of_packages_and_files_are_held_to_the_list(small: SmallArchive, store: Store) -> None:
    from tests.support.debian import deb

    small.add("liar", content=deb("Package: other\nVersion: 1\nArchitecture: amd64\n", []))
    small.add("alien", content=deb("Package: alien\nVersion: 1\nArchitecture: arm64\n", []))
    small.publish()
    assert refusal(small, store, "debian:bookworm+liar") == "E-DEB-FORMAT"
    assert refusal(small, store, "debian:bookworm+alien") == "E-DEB-FORMAT"
    assert refusal(small, store, "debian:bookworm+nobody") == "E-DEBIAN-PACKAGE"
    assert refusal(small, store, "debian:potato") == "E-IMAGE-BASE"
    assert refusal(small, store, archives=[]) == "E-DEBIAN-ARCHIVE"


@pytest.mark.parametrize("name", ["musllinux_1_2_x86_64", "macos-arm64", "linux/arm/v6"])
def test_targets_that_debian_has_nothing_for(small: SmallArchive, store: Store, name: str) -> None:
    other = target(name)
    with pytest.raises(CrossdockError) as caught:
        debian_base(
            "debian:bookworm",
            other,
            AMD64,
            archives=[],
            http=None,
            store=store,
            now=NOW,
            pinned=None,
            warn=pytest.fail,
        )
    assert caught.value.code == "E-IMAGE-BASE"


def test_fixes_that_are_not_known_of_are_told(small: SmallArchive, store: Store) -> None:
    small.publish()
    told: list[str] = []
    base_of(small, store, warn=told.append)
    assert told == ["no archive of `bookworm-security` is known: the base lacks security fixes"]


_PROGRAM = """
import os, sys, json
from pathlib import Path
os.umask(int(sys.argv[3], 8))
from crossdock.net.debian.chosen import PackageSet
from crossdock.net.debian.sources import Archive
from crossdock.net.http import Http
from crossdock.oci.model import Platform
from crossdock.ship.image.debian.base import debian_base
from crossdock.store import Store
from crossdock.target.names import parse_target
from crossdock.target.pythons import parse_python
base, _ = debian_base(
    "debian:bookworm", parse_target("linux/amd64", default_python=parse_python("3.11")), Platform.parse("linux/amd64"),
    archives=[Archive(mirror=sys.argv[1], suite="bookworm", components=("main",))], http=Http(),
    store=Store.open(Path(sys.argv[2]), warn=print), now=0, pinned=PackageSet.from_json(json.load(sys.stdin)),
    warn=lambda text: None,
)
print(base.digest)
"""


def test_the_same_packages_give_the_same_image_whatever_the_host_says(
    small: SmallArchive, store: Store, tmp_path: Path
) -> None:
    small.publish()
    base, found = base_of(small, store)
    for umask, zone, seed in (("077", "Asia/Kolkata", "1"), ("000", "UTC", "2")):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, small.url, str(tmp_path / umask), umask],
            input=json.dumps(found.to_json()),
            env={**os.environ, "TZ": zone, "LC_ALL": "C", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == str(base.digest)


def test_libdeflate_gives_the_bytes_that_layers_were_made_of() -> None:
    """If this fails, `deflate` is of another version than the one pinned: see ADR 8."""
    from crossdock.ship.image.debian.contents import packed

    inputs = (b"a" * 100_000, bytes(range(256)) * 300, b"".join(b"%d " % (n * n) for n in range(20_000)))
    assert [hashlib.sha256(packed(data)).hexdigest()[:16] for data in inputs] == [
        "00cd171cb444a240",
        "6b458560585b6fe2",
        "d0294ff39473e198",
    ]


def test_suites() -> None:
    assert python_of_suite("bookworm") == (3, 11)
    assert python_of_suite("trixie") == (3, 13)
    assert python_of_suite("potato") is None
    assert all("python3" in roots_of(suite)["python"] for suite in known_suites())
