"""Where packages come from: pip's settings alone, uv's alone, logins that never show, and the store alone."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import ARM, World, make_world, names_below, stock, tree_of
from tests.support.index import LoopbackIndex
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Nothing of this may show anywhere.
CANARY = "hunter2-canary"


@pytest.fixture
def second(tmp_path: Path) -> Iterator[LoopbackIndex]:
    """One more index, with a package that the first does not have."""
    directory = tmp_path / "second"
    directory.mkdir()
    make_wheel(directory, "extra", files={"extra.py": ""}, requires=("fancy",))
    with LoopbackIndex(directory) as index:
        yield index


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[World]:
    """An index behind a login; no variable tells the login."""
    world = make_world(tmp_path / "guarded", login=("user", CANARY))
    stock(world.files)
    with world.index:
        world.environ["UV_DEFAULT_INDEX"] = world.index.url
        yield world


def only(world: World, **variables: str) -> dict[str, str | None]:
    """Variables that take uv's own index away, and set others."""
    return {"UV_DEFAULT_INDEX": None, "PIP_CONFIG_FILE": None, **variables}


def test_pips_variables_alone(world: World, second: LoopbackIndex) -> None:
    environ = only(world, PIP_INDEX_URL=world.index.url, PIP_EXTRA_INDEX_URL=second.url)
    world.run("install", "app", "extra", "--for", ARM, "-t", "out", environ=environ)
    assert {"extra.py", "fancy.py", "app/cli.py"} <= set(names_below(world.work / "out"))


def test_pips_file_alone_with_one_more_index_and_a_directory(world: World, second: LoopbackIndex) -> None:
    wheelhouse = world.root / "wheelhouse"
    wheelhouse.mkdir()
    make_wheel(wheelhouse, "local", files={"local.py": ""})
    config = world.root / "home/.config/pip"
    config.mkdir(parents=True)
    (config / "pip.conf").write_text(
        f"[global]\nindex-url = {world.index.url}\nextra-index-url = {second.url}\nfind-links = {wheelhouse}\n"
    )
    environ = only(world)
    world.run("lock", "app", "extra", "local", "--for", ARM, environ=environ)
    world.run("install", ".", "--for", ARM, "-t", "out", environ=environ)
    assert {"extra.py", "local.py", "app/cli.py"} <= set(names_below(world.work / "out"))
    shutil.rmtree(world.store)
    world.run("download", ".", "--for", ARM, "-d", "dl", environ=environ)
    assert "local-1.0-py3-none-any.whl" in names_below(world.work / "dl")
    world.run("plan", ".", "--for", ARM, environ=environ)


def test_uvs_file_alone(world: World, second: LoopbackIndex) -> None:
    (world.work / "uv.toml").write_text(
        f'[[index]]\nurl = "{second.url}"\n[[index]]\nurl = "{world.index.url}"\ndefault = true\n'
    )
    world.run("install", "app", "extra", "--for", ARM, "-t", "out", environ=only(world))
    assert (world.work / "out/extra.py").exists()


def test_uvs_table_in_the_project(world: World) -> None:
    (world.work / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\ndependencies = ["app"]\n'
        f'[[tool.uv.index]]\nurl = "{world.index.url}"\ndefault = true\n'
    )
    world.run("install", ".", "--for", ARM, "-t", "out", environ=only(world))
    assert (world.work / "out/app/cli.py").exists()


def test_options_of_the_command_line(world: World, second: LoopbackIndex) -> None:
    words = ["-i", world.index.url, "--extra-index-url", second.url]
    world.run("install", "app", "extra", "--for", ARM, "-t", "out", *words, environ=only(world))
    wheelhouse = world.root / "wheelhouse"
    wheelhouse.mkdir()
    make_wheel(wheelhouse, "local", files={"local.py": ""})
    before = len(world.index.requests)
    words = ["--no-index", "--find-links", str(wheelhouse)]
    world.run("install", "local", "--for", ARM, "-t", "local", *words)
    assert len(world.index.requests) == before
    world.run("install", "app", "--for", ARM, "-t", "none", *words, status=1)


def test_the_first_index_that_has_a_package_is_the_only_one_asked_for_it(
    world: World, second: LoopbackIndex
) -> None:
    """Dependency confusion: a newer version of the same name elsewhere does not count."""
    make_wheel(world.files, "extra", "9.0", files={"extra.py": "evil = 1\n"})
    words = ["-i", world.index.url, "--extra-index-url", second.url]
    world.run("install", "extra", "--for", ARM, "-t", "out", *words, environ=only(world))
    assert (world.work / "out/extra-1.0.dist-info").is_dir()


# Logins


def everything_written(world: World) -> bytes:
    """Return all bytes of the store, the trees and what else lies in the world, the login's own file left out."""
    return b"".join(
        path.read_bytes()
        for path in world.root.rglob("*")
        if path.is_file() and path.name != ".netrc" and "uv-cache" not in path.parts
    )


def login_by(world: World, way: str) -> dict[str, str | None]:
    if way == "netrc":
        netrc = world.root / "home/.netrc"
        netrc.write_text(f"machine 127.0.0.1 login user password {CANARY}\n")
        netrc.chmod(0o600)
        return {"HOME": str(world.root / "home")}
    if way == "uv":
        return {"UV_DEFAULT_INDEX": world.index.url_with_login}
    return {"UV_DEFAULT_INDEX": None, "PIP_INDEX_URL": world.index.url_with_login}


@pytest.mark.parametrize("way", ["netrc", "uv", "pip"])
def test_a_login_works_and_shows_nowhere(guarded: World, way: str) -> None:
    environ = login_by(guarded, way)
    words = [
        ("lock", "app", "--for", ARM),
        ("plan", ".", "--for", ARM, "--json"),
        ("install", ".", "--for", ARM, "-t", "out", "--json"),
        ("install", "fancy", "--for", ARM, "-t", "two"),
        ("download", "app", "--for", ARM, "-d", "dl"),
        ("cache", "info"),
    ]
    said = ""
    for line in words:
        done = guarded.run(*line, environ=environ)
        said += done.stdout + done.stderr
    assert CANARY not in said
    assert CANARY.encode() not in everything_written(guarded)
    assert "app/cli.py" in names_below(guarded.work / "out")


@pytest.mark.parametrize("way", ["netrc", "uv", "pip"])
def test_a_login_shows_in_no_error_either(guarded: World, way: str) -> None:
    environ = login_by(guarded, way)
    guarded.run("lock", "app", "--for", ARM, environ=environ)
    for path in guarded.files.iterdir():
        path.unlink()
    said = ""
    for line in (
        ("install", ".", "--for", ARM, "-t", "out"),
        ("install", "nosuch", "--for", ARM, "-t", "out"),
        ("download", "app==99", "--for", ARM, "-d", "dl"),
        ("plan", "nosuch", "--for", ARM),
    ):
        done = guarded.run(*line, status=1, environ=environ)
        said += done.stdout + done.stderr
    assert CANARY not in said
    assert CANARY.encode() not in everything_written(guarded)


def test_a_wrong_password_is_refused_without_showing_it(guarded: World) -> None:
    url = guarded.index.url.replace("://", f"://user:{CANARY}-wrong@")
    done = guarded.run("install", "app", "--for", ARM, "-t", "out", "-i", url, status=1)
    assert CANARY not in done.stderr
    assert re.search("401|nauthorized", done.stderr)


def test_a_login_on_the_command_line_shows_nowhere(guarded: World) -> None:
    done = guarded.run("lock", "app", "--for", ARM, "-i", guarded.index.url_with_login)
    assert CANARY not in done.stdout + done.stderr
    assert CANARY.encode() not in everything_written(guarded)


def test_the_login_of_one_index_goes_to_no_other(guarded: World, second: LoopbackIndex) -> None:
    words = ["-i", guarded.index.url_with_login, "--extra-index-url", second.url]
    guarded.run("install", "extra", "fancy", "--for", ARM, "-t", "out", *words)
    assert second.requests
    assert not [request for request in second.requests if "Authorization" in request.headers]


# Offline


def test_offline_from_the_store_alone(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    world.run("install", ".", "--for", ARM, "-t", "one")
    shutil.rmtree(world.root / "uv-cache", ignore_errors=True)
    asked = len(world.index.requests)
    world.run("install", ".", "--for", ARM, "-t", "two", "--offline")
    world.run("download", ".", "--for", ARM, "-d", "dl", "--offline")
    world.run("plan", ".", "--for", ARM, "--offline")
    assert len(world.index.requests) == asked
    assert tree_of(world.work / "one") == tree_of(world.work / "two")


def test_offline_names_what_is_missing(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    text = world.refused("install", ".", "--for", ARM, "-t", "out", "--offline", code="E-FETCH-OFFLINE")
    assert "app-1.0-py3-none-any.whl" in text
    assert "lib-1.1-cp312-cp312-manylinux2014_aarch64.whl" in text
    assert not (world.work / "out").exists()


def test_a_proxy_that_is_dead_is_told(world: World) -> None:
    world.run("lock", "app", "--for", ARM)
    environ: dict[str, str | None] = {"NO_PROXY": None, "no_proxy": None, "UV_HTTP_RETRIES": "0"}
    words = ["--proxy", f"http://user:{CANARY}@127.0.0.1:9", "--timeout", "2", "--retries", "0"]
    done = world.run("install", ".", "--for", ARM, "-t", "out", *words, status=1, environ=environ)
    assert CANARY not in done.stderr
    assert "hint:" in done.stderr
