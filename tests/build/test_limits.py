"""What a build may use is the user's to say, for all packages or one, and decides none of the bytes."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.build.test_hosted import tools
from tests.cli.sdists import pure_sdist

from crossdock.archive.sdist import Sdist
from crossdock.build.model import PackageSettings
from crossdock.build.parts import Parts
from crossdock.build.pure import build_pure_sdist
from crossdock.build.sandbox import Limits, sandbox_kind
from crossdock.errors import BuildError, UsageError
from crossdock.project.build import parse_build_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_a_packages_limits_come_before_those_of_all(tmp_path: Path) -> None:
    table = {"seconds": 7200, "memory": 1024, "demo": {"seconds": 60}}
    settings = parse_build_settings(table, where="pyproject.toml: [tool.crossdock.build]")
    demo, other = settings.of("demo", tmp_path), settings.of("other", tmp_path)
    assert (demo.seconds, demo.memory) == (60, 1024)
    assert (other.seconds, other.memory) == (7200, 1024)
    assert demo.key() == PackageSettings().key()
    assert settings.key() == parse_build_settings({"demo": {}}, where="x").key()


@pytest.mark.parametrize("value", [0, -1, "60", True, 1.5])
@pytest.mark.parametrize("key", ["seconds", "memory"])
def test_a_limit_is_a_whole_number(key: str, value: object) -> None:
    for table in ({key: value}, {"demo": {key: value}}):
        with pytest.raises(UsageError) as caught:
            parse_build_settings(table, where="pyproject.toml: [tool.crossdock.build]")
        assert caught.value.code == "E-SETTINGS-TYPE"


def test_what_is_not_chosen_is_ours() -> None:
    assert Limits().chosen(None, None) == Limits()
    assert Limits().chosen(60, 1024) == Limits(seconds=60, memory=1 << 30)


SLOW = "import time; time.sleep(60)"
LARGE = "held = bytearray(600 << 20); held[::4096] = b'x' * len(held[::4096]); import time; time.sleep(60)"


@pytest.mark.parametrize(
    ("body", "chosen", "code", "key"),
    [
        (SLOW, {"seconds": 1}, "E-BUILD-TIMEOUT", "seconds"),
        (LARGE, {"memory": 200}, "E-BUILD-MEMORY", "memory"),
    ],
)
def test_a_build_is_held_to_what_was_chosen(
    tmp_path: Path, body: str, chosen: dict[str, int], code: str, key: str
) -> None:
    path = pure_sdist(tmp_path, "demo", body=body)
    with pytest.raises(BuildError) as caught:
        build_pure_sdist(
            Sdist.open(path.read_bytes(), path.name),
            replace(tools(tmp_path), **chosen),  # type: ignore[arg-type]
            python=sys.executable,
            log=tmp_path / "log",
        )
    assert caught.value.code == code
    assert f"`{key}` in [tool.crossdock.build]" in (caught.value.hint or "")


def test_a_cross_build_is_held_to_its_packages_limits(tmp_path: Path) -> None:
    if sandbox_kind() == "none":
        pytest.skip("this host can make no sandbox")
    (tmp_path / "work").mkdir()
    world = SimpleNamespace(allow_unsandboxed=False, warn=pytest.fail)
    parts: Any = SimpleNamespace(
        build=SimpleNamespace(world=world, settings=PackageSettings(seconds=60, memory=1024)),
        plan=SimpleNamespace(places=SimpleNamespace(build="/build")),
        sysroot=None,
        mounts=(),
    )
    assert Parts.open(parts, tmp_path / "work").limits == Limits(seconds=60, memory=1 << 30)
