"""Killed, raced, damaged: what a run leaves behind, and what the next one makes of it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import ARM, MUSL, names_below, tree_of
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from tests.cli.world import World


def big(world: World) -> None:
    """A package of many files, so that there is time to be killed."""
    files: dict[str, bytes | str] = {f"big/m{number}.py": f"N = {number}\n" * 50 for number in range(1500)}
    files["big/blob.bin"] = os.urandom(3 << 20)
    make_wheel(world.files, "big", files=files, requires=("app",))


def test_killed_at_any_moment_the_next_run_gives_the_same_tree(world: World) -> None:
    big(world)
    world.run("lock", "big", "--for", ARM)
    world.run(
        "install", ".", "--for", ARM, "-t", "good", environ={"CROSSDOCK_STORE": str(world.root / "other")}
    )
    good = tree_of(world.work / "good")
    killed = 0
    for number in range(12):
        process = world.popen("install", ".", "--for", ARM, "-t", "out")
        time.sleep(0.1 + number * 0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        if (world.work / "out").exists():
            # A new directory appears whole or not at all.
            assert tree_of(world.work / "out") == good
    assert killed
    world.run("install", ".", "--for", ARM, "-t", "out")
    assert tree_of(world.work / "out") == good
    assert sorted(path.name for path in world.work.iterdir()) == ["good", "out", "pylock.toml"]
    assert world.json("cache", "verify")["damaged"] == []


def test_killed_in_a_sync_the_next_run_finishes_it(world: World) -> None:
    big(world)
    world.run("lock", "big", "--for", ARM)
    world.run("install", ".", "--for", ARM, "-t", "good")
    good = tree_of(world.work / "good")
    world.run("install", "fancy", "--for", ARM, "-t", "out")
    killed = 0
    for number in range(8):
        process = world.popen("install", ".", "--for", ARM, "-t", "out")
        time.sleep(0.12 + number * 0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed
    world.run("install", ".", "--for", ARM, "-t", "out")
    assert tree_of(world.work / "out") == good


def test_interrupted_it_says_so_and_leaves_nothing_or_the_whole(world: World) -> None:
    big(world)
    world.run("lock", "big", "--for", ARM)
    other = {"CROSSDOCK_STORE": str(world.root / "other")}
    world.run("install", ".", "--for", ARM, "-t", "good", environ=other)
    good = tree_of(world.work / "good")
    shutil.rmtree(world.work / "good")
    interrupted = 0
    for delay in (0.6, 0.5, 0.4, 0.35, 0.3, 0.25):
        # A store of its own each time, so that there is something to do.
        store = {"CROSSDOCK_STORE": str(world.work.parent / f"store-{delay}")}
        process = world.popen("install", ".", "--for", ARM, "-t", "out", environ=store)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _stdout, stderr = process.communicate()
        assert "Traceback" not in stderr
        if process.returncode:
            interrupted += 1
            assert process.returncode in (130, -signal.SIGINT)
        # The signal may come after the rename that makes the directory appear: then it is there, and whole.
        if (world.work / "out").exists():
            assert tree_of(world.work / "out") == good
            shutil.rmtree(world.work / "out")
        assert names_below(world.work) == ["pylock.toml"]
    assert interrupted


def test_eight_at_once_on_one_store_fetch_each_file_once(world: World) -> None:
    big(world)
    world.run("lock", "big", "--for", ARM, "--for", MUSL)
    world.index.requests.clear()
    processes = [world.popen("install", ".", "--for", ARM, "-t", f"out{number}") for number in range(8)]
    for process in processes:
        stdout, stderr = process.communicate(timeout=100)
        assert (process.returncode, stdout) == (0, ""), stderr
    first = tree_of(world.work / "out0")
    assert all(tree_of(world.work / f"out{number}") == first for number in range(1, 8))
    assert sorted(world.fetched()) == [
        "app-1.0-py3-none-any.whl",
        "big-1.0-py3-none-any.whl",
        "lib-1.1-cp312-cp312-manylinux2014_aarch64.whl",
    ]


def test_an_edit_through_a_hard_link_does_not_reach_the_next_tree(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    world.run("install", ".", "--for", ARM, "-t", "one", "--link-mode", "hardlink")
    good = tree_of(world.work / "one")
    victim = world.work / "one/app/cli.py"
    for content in ("x" * victim.stat().st_size, "longer than before\n" * 10, ""):
        victim.write_text(content)
        assert victim.read_text() == content
        world.run("install", ".", "--for", ARM, "-t", f"two{len(content)}")
        assert tree_of(world.work / f"two{len(content)}") == good
        world.run("install", ".", "--for", ARM, "-t", "one", "--link-mode", "hardlink")
        assert tree_of(world.work / "one") == good


def test_an_edit_of_the_mode_through_a_hard_link_is_healed(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    world.run("install", ".", "--for", ARM, "-t", "one", "--link-mode", "hardlink")
    good = tree_of(world.work / "one")
    (world.work / "one/app/cli.py").chmod(0o600)
    world.run("install", ".", "--for", ARM, "-t", "two")
    assert tree_of(world.work / "two") == good


@pytest.mark.parametrize("how", ["truncate", "flip", "remove"])
def test_a_damaged_download_in_the_store_is_healed(world: World, how: str) -> None:
    world.run("lock", "app", "--for", ARM)
    world.run("download", ".", "--for", ARM, "-d", "one")
    wanted = {path.name: path.read_bytes() for path in (world.work / "one").iterdir()}
    for path in world.store.rglob("*"):
        if path.is_file() and path.read_bytes() in wanted.values():
            path.chmod(0o644)
            data = path.read_bytes()
            if how == "remove":
                path.unlink()
            else:
                path.write_bytes(data[:-5] if how == "truncate" else data[:-1] + bytes([data[-1] ^ 1]))
    world.run("download", ".", "--for", ARM, "-d", "two")
    assert {path.name: path.read_bytes() for path in (world.work / "two").iterdir()} == wanted


def test_facts_of_the_store_that_are_garbage_are_passed_over(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    world.run("install", ".", "--for", ARM, "-t", "one")
    facts = [
        path
        for path in world.store.rglob("*")
        if path.is_file() and "fact" in path.relative_to(world.store).as_posix()
    ]
    assert facts
    for number, path in enumerate(facts):
        path.write_bytes((b"", b"\0" * 40, b"[1, 2", b"{}")[number % 4])
    world.run("install", ".", "--for", ARM, "-t", "two")
    assert tree_of(world.work / "one") == tree_of(world.work / "two")


def test_a_store_that_cannot_be_made_is_one_warning(world: World) -> None:
    (world.root / "file").write_text("in the way")
    for place in (str(world.root / "file"), str(world.root / "file/store"), "/proc/nowhere"):
        done = world.run("install", "app", "--for", ARM, "-t", "out", environ={"CROSSDOCK_STORE": place})
        assert done.stderr.count("warning:") == 1, done.stderr
    assert (world.work / "out/app/cli.py").exists()
    assert list((world.root / "tmp").iterdir()) == []


def test_nothing_stays_in_the_temporary_directory(world: World) -> None:
    world.run("install", "app", "--for", ARM, "-t", "out")
    world.run("install", "nosuch", "--for", ARM, "-t", "out", status=1)
    assert list((world.root / "tmp").iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(world: World) -> None:
    """The file size limit of the process stands for the disk: writing ends with an error in the middle."""
    import resource
    import subprocess

    from tests.cli.world import CROSSDOCK

    big(world)
    world.run("lock", "big", "--for", ARM)
    for limit in (1 << 20, 100_000, 2_000):
        done = subprocess.run(
            [CROSSDOCK, "install", ".", "--for", ARM, "-t", "out"],
            cwd=world.work,
            env=world.variables({"PYTHONDONTWRITEBYTECODE": "1"}),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),  # noqa: B023
        )
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "a bug in crossdock" not in done.stderr
        assert names_below(world.work) == ["pylock.toml"]
    world.run("install", ".", "--for", ARM, "-t", "out")
    assert world.json("cache", "verify")["damaged"] == []
