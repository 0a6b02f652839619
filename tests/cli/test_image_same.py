"""The same inputs give the same image on every machine, and nothing of the machine is in it."""

from __future__ import annotations

import getpass
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.images import BOTH, make_modules, make_project
from tests.cli.world import CROSSDOCK
from tests.target.pythons import interpreters, version_of

import crossdock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.images import Shop

ROOT = Path(__file__).parents[2]


def digest_of_run(shop: Shop, name: str, environ: Mapping[str, str] | None = None) -> str:
    """Build everything anew, with a store of its own, into the layout `name`."""
    own = {"CROSSDOCK_STORE": str(shop.root / f"store-{name}"), **(environ or {})}
    return str(shop.image("--app", "app", "-o", name, environ=own)["image"]["digest"])


def words(name: str, shop: Shop) -> list[str]:
    """The command that makes it, into the layout `name`."""
    return ["image", "pylock.toml", *BOTH, "--base", str(shop.base), "--app", "app", "-o", name, "--json"]


def blobs(shop: Shop, name: str) -> list[str]:
    return sorted(path.name for path in (shop.work / name / "blobs/sha256").iterdir())


def without_zlib_ng(shop: Shop) -> dict[str, str]:
    """The variables under which the extra `fast` is not installed."""
    folder = shop.root / "shadow"
    folder.mkdir(exist_ok=True)
    (folder / "zlib_ng.py").write_text("raise ImportError('hidden by a test')\n")
    return {"PYTHONPATH": str(folder)}


def test_the_same_digest_whoever_builds_it_where_and_when(shop: Shop) -> None:
    first = digest_of_run(shop, "first")
    everything = blobs(shop, "first")
    stranger = {
        **without_zlib_ng(shop),
        "TZ": "Pacific/Kiritimati",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "77",
        "HOME": str(shop.root / "elsewhere"),
        "USER": "stranger",
        "LOGNAME": "stranger",
        "HOSTNAME": "strange.example",
        "UV_CACHE_DIR": str(shop.root / "other-cache"),
    }
    assert digest_of_run(shop, "other", environ=stranger) == first
    assert blobs(shop, "other") == everything
    # Another directory, another umask, and files of another time and with other bits for their owner.
    moved = shop.root / "a far away place"
    moved.mkdir()
    make_modules(moved / "app")
    for path in (moved / "app").iterdir():
        path.chmod(0o600)
        os.utime(path, (1, 1))
    shutil.copy(shop.work / "pylock.toml", moved)
    assert digest_below_umask(shop, moved) == first
    assert sorted(path.name for path in (moved / "out/blobs/sha256").iterdir()) == everything
    # The order of the packages in a lock says nothing.
    head, *packages = (moved / "pylock.toml").read_text().split("[[packages]]")
    random.Random(4).shuffle(packages)
    packages = [f"{part.rstrip()}\n\n" for part in packages]
    (moved / "pylock.toml").write_text("[[packages]]".join([head, *packages]))
    assert digest_below_umask(shop, moved) == first


def digest_below_umask(shop: Shop, directory: Path) -> str:
    """Build in a directory below the strictest usual umask, with a fresh store."""
    shutil.rmtree(shop.root / "third", ignore_errors=True)
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh", str(CROSSDOCK), *words("out", shop)],
        cwd=directory,
        env=shop.variables({"CROSSDOCK_STORE": str(shop.root / "third")}),
        capture_output=True,
        text=True,
        check=True,
    )
    return str(json.loads(done.stdout)["image"]["digest"])


def test_a_project_is_the_same_wherever_it_is_built(shop: Shop) -> None:
    digests = set()
    for number, (mask, name) in enumerate(((0o022, "one"), (0o077, "two"))):
        before = os.umask(mask)
        try:
            place = make_project(shop.root / name / "shop")
        finally:
            os.umask(before)
        shutil.copy(shop.work / "pylock.toml", place)
        environ = {"CROSSDOCK_STORE": str(shop.root / f"store{number}"), "TZ": ("UTC", "Asia/Tokyo")[number]}
        asked = ("pylock.toml", *BOTH, "--base", shop.base, "--app", ".", "-o", shop.root / name / "out")
        done = shop.run("image", *asked, "--json", cwd=place, environ=environ)
        digests.add(json.loads(done.stdout)["image"]["digest"])
    assert len(digests) == 1


def test_another_python_makes_the_same_image(shop: Shop) -> None:
    other = next(
        (one for one in interpreters() if (3, 11) <= version_of((str(one),)) != sys.version_info[:2]), None
    )
    if other is None:
        pytest.skip("no Python 3.12 on this machine")
    packages = Path(crossdock.__file__).parents[1]
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    environ = {
        **without_zlib_ng(shop),
        "CROSSDOCK_STORE": str(shop.root / "other-python"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environ["PYTHONPATH"] = os.pathsep.join([environ["PYTHONPATH"], str(packages), *libraries])
    done = subprocess.run(
        [str(other), "-m", "crossdock", *words("other", shop)],
        cwd=shop.work,
        env=shop.variables(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["image"]["digest"] == digest_of_run(shop, "own")
    assert blobs(shop, "other") == blobs(shop, "own")


def test_nothing_of_this_machine_is_in_any_blob(shop: Shop) -> None:
    place = make_project(shop.work)
    (place / "added").write_text("x")
    environ = {"USER": "some-user-of-this", "HOSTNAME": "some-host-of-this"}
    shop.image("-o", "out", "--add", "added:/etc/added", source=".", environ=environ)
    names = [
        *(str(shop.root), shop.root.name, str(ROOT), sys.executable, sys.prefix, str(shop.base)),
        *("some-user-of-this", "some-host-of-this"),
    ]
    # Short names are names of other things too.
    names += [word for word in (getpass.getuser(), socket.gethostname()) if len(word) > 5]
    found = re.compile("|".join(re.escape(word) for word in names if len(word) > 1).encode())
    contents = shop.layout()
    for digest, data in contents.everything():
        hit = found.search(data)
        assert hit is None, (digest, data[max(0, hit.start() - 200) : hit.end() + 200])
    assert not found.search((shop.work / "out/index.json").read_bytes())
