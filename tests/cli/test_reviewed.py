"""What a careful reader found: each case went wrong once without a word."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import time
from typing import TYPE_CHECKING

import pytest
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


BACKEND = """
import base64, hashlib, os, zipfile
def get_requires_for_build_wheel(settings=None): return []
def build_wheel(directory, settings=None, metadata=None):
    info = "NAME-1.0.dist-info"
    files = {
        "NAME/__init__.py": b"",
        info + "/METADATA": b"Metadata-Version: 2.2\\nName: NAME\\nVersion: 1.0\\n",
        info + "/WHEEL": b"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    row = lambda data: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    files[info + "/RECORD"] = (
        "".join(f"{n},sha256={row(d)},{len(d)}\\n" for n, d in files.items()) + info + "/RECORD,,\\n"
    ).encode()
    with zipfile.ZipFile(os.path.join(directory, "NAME-1.0-py3-none-any.whl"), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return "NAME-1.0-py3-none-any.whl"
"""


def commit_archive(world: World, subdirectory: str, *, locked: str) -> None:
    """An archive of a repository's commit, as a host of repositories gives it, and a lock that pins it."""
    inner = f"{subdirectory}/" if subdirectory else ""
    members = {
        f"repo-0a1b2c/{inner}backend.py": BACKEND.replace("NAME", "proj"),
        f"repo-0a1b2c/{inner}pyproject.toml": (
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        ),
        "repo-0a1b2c/README": "a repository, not a source distribution",
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (world.work / "0a1b2c.tar.gz").write_bytes(content.getvalue())
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    below = f', subdirectory = "{locked}"' if locked else ""
    (world.work / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "tests"\n\n[[packages]]\nname = "proj"\nversion = "1.0"\n'
        f'archive = {{ path = "0a1b2c.tar.gz", hashes = {{ sha256 = "{digest}" }}{below} }}\n'
    )


@pytest.mark.parametrize("subdirectory", ["", "python/proj"])
def test_a_pinned_archive_of_a_commit_is_the_way_out_for_a_repository(
    world: World, subdirectory: str
) -> None:
    commit_archive(world, subdirectory, locked=subdirectory)
    assert '"pure-sdist"' in world.run("plan", "pylock.toml", "--for", ARM, "--json").stdout
    world.run("install", "pylock.toml", "--for", ARM, "-t", "out")
    assert (world.work / "out/proj/__init__.py").is_file()


def test_a_subdirectory_that_is_not_in_the_archive_is_named(world: World) -> None:
    commit_archive(world, "", locked="python/other")
    said = world.refused("install", "pylock.toml", "--for", ARM, "-t", "out", code="E-BUILD-NO-SOURCE")
    assert "python/other" in said
    assert "proj" in said


def test_a_subdirectory_that_leads_out_is_refused(world: World) -> None:
    commit_archive(world, "", locked="../..")
    world.refused("install", "pylock.toml", "--for", ARM, "-t", "out", code="E-PATH-DOTS")
    assert not (world.work / "out").exists()
