"""What a careful reader found: each case went wrong once without a word."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from tests.cli.world import ARM, native, tree_of
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

if TYPE_CHECKING:
    from tests.cli.world import World

AMD = "cp312-linux-x86_64-glibc2.28"


def test_two_targets_of_one_name_are_refused_before_anything_is_written(world: World) -> None:
    for name, platform in (("a", "linux/arm64"), ("b", "linux/amd64")):
        (world.work / name).mkdir()
        (world.work / name / "prod.toml").write_text(f'platform = "{platform}"\npython = "3.12"\n')
    words = ("install", "app", "--for", "a/prod.toml", "--for", "b/prod.toml", "-t", "out")
    world.refused(*words, code="E-USAGE-SAME-NAME", status=2)
    assert not (world.work / "out").exists()


def test_a_target_file_of_the_settings_that_changes_is_seen_by_the_same_command(world: World) -> None:
    make_wheel(
        world.files, "pick", files={"pick/__init__.py": "arm = True\n"}, tag="py3-none-manylinux_2_17_aarch64"
    )
    make_wheel(
        world.files, "pick", files={"pick/__init__.py": "arm = False\n"}, tag="py3-none-manylinux_2_17_x86_64"
    )
    (world.work / "targets").mkdir()
    place = world.work / "targets/prod.toml"
    (world.work / "pyproject.toml").write_text('[tool.crossdock]\ntargets = ["targets/prod.toml"]\n')
    place.write_text('platform = "linux/arm64"\npython = "3.12"\n')
    world.run("lock", "pick", "--for", ARM, "--for", AMD)
    words = ("install", "pylock.toml", "-t", "out")
    for _time in range(2):
        world.run(*words)
        assert (world.work / "out/pick/__init__.py").read_text() == "arm = True\n"
    place.write_text('platform = "linux/amd64"\npython = "3.12"\n')
    world.run(*words)
    assert (world.work / "out/pick/__init__.py").read_text() == "arm = False\n"


def test_a_wheel_known_under_one_name_is_not_taken_under_another(world: World) -> None:
    content = zip_bytes(wheel_files("demo", "1.0"))
    (world.work / "demo-1.0-py3-none-any.whl").write_bytes(content)
    (world.work / "evil-2.0-py3-none-any.whl").write_bytes(content)
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    for name, version in (("demo", "1.0"), ("evil", "2.0")):
        wheel = f'{{ path = "{name}-{version}-py3-none-any.whl", hashes = {{ sha256 = "{digest}" }} }}'
        (world.work / f"pylock.{name}.toml").write_text(
            'lock-version = "1.0"\ncreated-by = "tests"\n\n'
            f'[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = [{wheel}]\n'
        )
    world.run("install", "pylock.demo.toml", "--for", ARM, "-t", "one")
    world.refused("install", "pylock.evil.toml", "--for", ARM, "-t", "two", code="E-WHEEL-DIST-INFO")


def test_what_was_accepted_by_name_is_in_the_receipt_and_not_called_fitting(world: World) -> None:
    native(world.files, "wrong", machine="x86_64")
    world.run("lock", "wrong", "--for", ARM)
    world.refused("install", ".", "--for", ARM, "-t", "out", code="E-FINDINGS")
    done = world.run("install", ".", "--for", ARM, "-t", "out", "--accept", "wrong")
    assert "fit" not in done.stderr.splitlines()[-1]
    receipt = json.loads((world.work / "out/.crossdock.json").read_bytes())
    assert any(note.startswith("accepted: ") for note in receipt["packages"][0]["notes"])
    world.refused("install", ".", "--for", ARM, "-t", "again", code="E-FINDINGS")


def test_an_option_without_effect_on_a_lock_is_said(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    done = world.run("install", "pylock.toml", "--for", ARM, "-t", "out", "--no-deps")
    assert "--no-deps has no effect" in done.stderr


def test_what_a_warm_install_uses_is_not_pruned_as_forgotten(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    world.run("install", "pylock.toml", "--for", ARM, "-t", "one")
    old = time.time() - 40 * 86_400
    for path in world.store.rglob("*"):
        if path.is_file() and "trees" in path.parts and path.suffix == ".json":
            os.utime(path, (old, old))
    world.run("install", "pylock.toml", "--for", ARM, "-t", "two")
    world.run("cache", "prune", "--older-than", "30")
    world.run("install", "pylock.toml", "--for", ARM, "-t", "three", "--offline")
    assert tree_of(world.work / "three") == tree_of(world.work / "one")


def test_the_working_directory_can_be_the_target(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    place = world.work / "place"
    place.mkdir()
    world.run("install", "../pylock.toml", "--for", ARM, "-t", ".", cwd=place)
    assert (place / "app/__init__.py").is_file()
