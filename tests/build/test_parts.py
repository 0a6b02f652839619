"""The parts of a build that are fetched: what is not the pinned file is not run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.build.environments import opened
from tests.support.wheels import make_wheel

from crossdock.build import parts
from crossdock.digest import Digest
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path


def test_another_pkgconf_than_the_pinned_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as place:
        wheel = make_wheel(place.wheels, "pkgconf", parts._PKGCONF)
        with pytest.raises(BuildError) as caught:
            parts._pkgconf(place.world.store, place.world.tools)
        assert caught.value.code == "E-BUILD-REQUIRES"
        assert any("hash" in line.lower() for line in caught.value.places), caught.value.places
        hashes = tmp_path / "hashes"
        hashes.write_text(Digest.of(wheel.read_bytes()).hex)
        monkeypatch.setattr(parts, "_PKGCONF_HASHES", hashes)
        assert (parts._pkgconf(place.world.store, place.world.tools) / "pkgconf").is_dir()


def test_the_pinned_hashes_are_hashes() -> None:
    hashes = parts._PKGCONF_HASHES.read_text().split()
    assert len(set(hashes)) == len(hashes) > 1
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in hashes)
