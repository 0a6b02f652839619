"""`crossdock lock` and `crossdock plan` end to end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.sdists import native_sdist, pure_sdist, sources
from tests.cli.world import ARM, MUSL, WINDOWS, names_below, tree_of
from tests.support.wheels import make_sdist, make_wheel

if TYPE_CHECKING:
    from tests.cli.world import World


def test_a_lock_holds_for_all_targets_and_is_the_same_again(world: World) -> None:
    done = world.run("lock", "app", "--for", ARM, "--for", WINDOWS)
    assert done.stdout == ""
    lock = world.work / "pylock.toml"
    text = lock.read_text()
    assert str(world.root) not in text
    assert "wincolor" in text
    value = world.json("lock", "app", "--for", ARM, "--for", WINDOWS)
    assert value == {"lock": str(lock), "packages": 3, "changed": False, "notes": []}
    assert lock.read_text() == text


def test_check_writes_nothing(world: World) -> None:
    world.run("lock", "app", "--for", ARM, "--check", status=1)
    assert names_below(world.work) == []
    world.run("lock", "app", "--for", ARM)
    world.run("lock", "app", "--for", ARM, "--check")


def test_a_lock_may_go_to_standard_output_or_another_name(world: World) -> None:
    printed = world.run("lock", "app", "--for", ARM, "-o", "-").stdout
    assert printed.startswith("lock-version") or 'lock-version = "1.0"' in printed
    world.run("lock", "app", "--for", ARM, "-o", "pylock.arm.toml")
    assert (world.work / "pylock.arm.toml").read_text() == printed
    world.run("install", "pylock.arm.toml", "--for", ARM, "-t", "out")
    world.refused("lock", "app", "--for", ARM, "-o", "other.toml", code="E-USAGE-LOCK-NAME", status=2)


def test_what_was_locked_is_installed_though_newer_versions_came(world: World) -> None:
    world.run("lock", "app", "lib<1.1", "--for", ARM)
    make_wheel(world.files, "app", "2.0", files={"app/__init__.py": "new"})
    world.run("install", ".", "--for", ARM, "-t", "out")
    assert (world.work / "out/lib/__init__.py").read_text() == "VERSION = '1.0'\n"
    assert (world.work / "out/app-1.0.dist-info").is_dir()


def test_a_stale_lock_is_refused_in_its_project(world: World) -> None:
    project = world.work / "pyproject.toml"
    project.write_text('[project]\nname = "mine"\nversion = "1"\ndependencies = ["app"]\n')
    world.run("lock", ".", "--for", ARM)
    project.write_text('[project]\nname = "mine"\nversion = "1"\ndependencies = ["app", "fancy"]\n')
    assert "crossdock lock" in world.refused("install", ".", "--for", ARM, "-t", "out", code="E-LOCK-STALE")
    world.run("install", "pylock.toml", "--for", ARM, "-t", "out")


def test_a_file_other_than_the_locked_one_is_refused(world: World) -> None:
    world.run("lock", "fancy", "--for", ARM)
    make_wheel(world.files, "fancy", files={"fancy.py": "evil = 1\n"})
    done = world.run("install", ".", "--for", ARM, "-t", "out", status=1)
    assert "fancy-1.0-py3-none-any.whl" in done.stderr
    assert not (world.work / "out").exists()


def test_plan_tells_what_each_target_gets(world: World) -> None:
    pure_sdist(world.files, "pure")
    words = ["app", "pure", "--allow-build", "pure"]
    world.run("lock", *words, "--for", ARM, "--for", WINDOWS)
    value = world.json(
        "plan", ".", "--for", ARM, "--for", WINDOWS, "--for", "cp312-linux-x86_64-musl1.2", status=1
    )
    text = world.run(
        "plan", ".", "--for", ARM, "--for", WINDOWS, "--for", "cp312-linux-x86_64-musl1.2", status=1
    )
    assert "impossible" in text.stdout
    assert "pure sdist" in text.stdout
    assert "cp312-cp312-manylinux2014_aarch64" in text.stdout
    assert json.dumps(value)
    # `plan` fetches no wheel.
    assert not [name for name in world.fetched() if name.endswith(".whl")]


def test_a_native_sdist_is_named_in_the_plan_and_refused_with_the_way_out(world: World) -> None:
    native_sdist(world.files, "lib", "2.0")
    world.run("lock", "lib==2.0", "--for", ARM, "--for", MUSL)
    done = world.run("plan", ".", "--for", ARM)
    assert "cross-build" in done.stdout
    assert "newest with a wheel: 1.1" in done.stdout
    assert "native-sdist" in json.dumps(world.json("plan", ".", "--for", ARM))
    words = ["install", ".", "--for", ARM, "-t", "out", "--no-cross-build"]
    text = world.refused(*words, code="E-LOCK-NATIVE")
    assert "lib 2.0" in text
    assert "cross-built" in text
    assert "hint:" in text
    assert not (world.work / "out").exists()


def test_a_package_with_wheels_for_others_only_is_refused_before_anything_is_fetched(world: World) -> None:
    make_sdist(world.files, "lib", "1.1", files=sources("lib"))
    world.run("lock", "app", "--for", ARM)
    world.index.requests.clear()
    words = ["install", ".", "--for", "cp312-macos-arm64", "-t", "out", "--no-cross-build"]
    text = world.refused(*words, code="E-LOCK-NATIVE")
    assert "lib 1.1" in text
    assert "cross-built" in text
    assert world.fetched() == []


def test_nothing_is_fetched_for_a_target_that_nothing_is_compiled_for(world: World) -> None:
    make_sdist(world.files, "lib", "1.1", files=sources("lib"))
    world.run("lock", "app", "--for", ARM)
    world.index.requests.clear()
    text = world.refused(
        "install",
        ".",
        "--for",
        "android_21_arm64_v8a",
        "--python",
        "3.13",
        "-t",
        "out",
        code="E-BUILD-TARGET",
    )
    assert "nothing can be cross-built" in text
    assert world.fetched() == []


def test_a_setting_switches_compiling_off(world: World) -> None:
    native_sdist(world.files, "lib", "2.0")
    world.run("lock", "lib==2.0", "--for", ARM)
    (world.work / "pyproject.toml").write_text("[tool.crossdock.build]\ncross = false\n")
    text = world.refused("install", "pylock.toml", "--for", ARM, "-t", "out", code="E-LOCK-NATIVE")
    assert "switched off" in text


def test_prefer_wheels_locks_the_newest_version_with_one(world: World) -> None:
    native_sdist(world.files, "lib", "2.0")
    world.run("lock", "app", "--for", ARM, "--for", MUSL, "--prefer-wheels")
    world.run("install", ".", "--for", MUSL, "-t", "out")
    assert (world.work / "out/lib/__init__.py").read_text() == "VERSION = '1.1'\n"


def test_the_second_install_from_a_lock_asks_nobody(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    world.run("install", ".", "--for", ARM, "-t", "one")
    asked = len(world.index.requests)
    world.run("install", ".", "--for", ARM, "-t", "two")
    assert len(world.index.requests) == asked
    assert tree_of(world.work / "one") == tree_of(world.work / "two")


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_no_wheel_for_this_python_is_impossible_and_says_why(world: World, python: str) -> None:
    world.run(
        "lock",
        "app",
        "--for",
        ARM,
        "--for",
        f"cp{python.replace('.', '')}-linux-aarch64-glibc2.28",
        status=None,
    )
    target = f"cp{python.replace('.', '')}-linux-aarch64-glibc2.28"
    done = world.run("install", "app", "--for", target, "-t", "out", status=1)
    assert "lib" in done.stderr
    assert not (world.work / "out").exists()
