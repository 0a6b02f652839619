"""`crossdock mirror --to`: real package indexes, each with its own idea of a second upload, and one that fails."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import ARM, WINDOWS, native
from tests.support.package_indexes import PASSWORD, USER, FaultyIndex, devpi, pypiserver
from tests.support.wheels import make_wheel

from crossdock.lock.uv import uv_executable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.world import World

ALL = ["--for", ARM, "--for", WINDOWS]
NAMES = {
    "app-1.0-py3-none-any.whl",
    "lib-1.1-cp312-cp312-manylinux2014_aarch64.whl",
    "lib-1.1-cp312-cp312-win_amd64.whl",
    "wincolor-1.0-py3-none-any.whl",
}
LOGIN = {"TWINE_USERNAME": USER, "TWINE_PASSWORD": PASSWORD, "UV_HTTP_RETRIES": "2"}


@pytest.fixture
def locked(world: World) -> World:
    world.run("lock", "app", *ALL, "-o", "pylock.toml")
    world.environ |= LOGIN
    return world


@pytest.fixture(scope="module")
def devpi_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devpi(tmp_path_factory.mktemp("devpi") / "d") as url:
        yield url


def fates(world: World, url: str, *words: str) -> dict[str, str]:
    published = world.json("mirror", "pylock.toml", *ALL, "--to", url, *words)["published"]
    return {row["filename"]: row["fate"] for row in published["files"]}


def other_bytes(world: World, version: str = "1.0") -> None:
    """Another wheel of the same name, and a lock that names it."""
    make_wheel(world.files, "wincolor", version, files={"wincolor.py": "ON = 'otherwise'\n"})
    world.run("lock", "app", *ALL, "-o", "pylock.toml", "--upgrade")
    shutil.rmtree(world.store)


# pypiserver


def test_pypiserver_gets_what_it_lacks(locked: World) -> None:
    with pypiserver(locked.root / "server") as url:
        packages = locked.root / "server" / "packages"
        assert fates(locked, f"{url}/", "--dry-run") == dict.fromkeys(NAMES, "upload")
        assert not list(packages.iterdir())
        assert fates(locked, f"{url}/") == dict.fromkeys(NAMES, "uploaded")
        assert {path.name for path in packages.iterdir()} == NAMES
        for path in packages.iterdir():
            assert path.read_bytes() == (locked.files / path.name).read_bytes()
        before = {path.name: path.stat().st_mtime_ns for path in packages.iterdir()}
        assert fates(locked, f"{url}/") == dict.fromkeys(NAMES, "was there")
        assert {path.name: path.stat().st_mtime_ns for path in packages.iterdir()} == before
        other_bytes(locked)
        make_wheel(locked.files, "lib", "1.2", files={"lib/__init__.py": ""})
        locked.run("lock", "app", *ALL, "-o", "pylock.toml", "--upgrade")
        said = locked.refused("mirror", "pylock.toml", *ALL, "--to", f"{url}/", code="E-UPLOAD-CONFLICT")
        assert "wincolor-1.0-py3-none-any.whl" in said
        # Nothing was uploaded, the new version neither.
        assert {path.name: path.stat().st_mtime_ns for path in packages.iterdir()} == before
        skipped = fates(locked, f"{url}/", "--on-conflict", "skip")
        assert skipped["wincolor-1.0-py3-none-any.whl"] == "skipped"
        assert skipped["lib-1.2-py3-none-any.whl"] == "uploaded"
        assert {path.name for path in packages.iterdir()} == NAMES | {"lib-1.2-py3-none-any.whl"}


def test_a_wrong_login_is_told(locked: World) -> None:
    with pypiserver(locked.root / "server") as url:
        wrong = {"TWINE_PASSWORD": "secret-of-mine"}
        said = locked.refused(
            "mirror", "pylock.toml", *ALL, "--to", f"{url}/", code="E-UPLOAD-403", environ=wrong
        )
        assert "secret-of-mine" not in said
        none = dict.fromkeys(LOGIN)
        locked.refused("mirror", "pylock.toml", *ALL, "--to", f"{url}/", code="E-UPLOAD-401", environ=none)


# devpi


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev", "fixed"])
def test_devpi_gets_what_it_lacks_and_its_files_install(locked: World, devpi_url: str, name: str) -> None:
    url = f"{devpi_url}/{name}/"
    assert fates(locked, url) == dict.fromkeys(NAMES, "uploaded")
    assert fates(locked, url) == dict.fromkeys(NAMES, "was there")
    out = locked.root / "installed"
    command = [uv_executable(), "pip", "install", "-q", "--python", sys.executable, "--default-index", f"{url}+simple/",
               "--python-platform", "aarch64-manylinux2014", "--python-version", "3.12", "--no-cache", "--target", str(out),
               "app"]  # fmt: skip
    subprocess.run(
        command, check=True, env={"HOME": str(locked.root), "UV_NO_CONFIG": "1", "PATH": "/usr/bin:/bin"}
    )
    assert (out / "lib" / "core.cpython-312-aarch64-linux-gnu.so").is_file()
    # devpi's volatile index would overwrite in silence: it is never asked to.
    other_bytes(locked)
    locked.refused("mirror", "pylock.toml", *ALL, "--to", url, code="E-UPLOAD-CONFLICT")


# Faults


@pytest.fixture
def faulty() -> Iterator[FaultyIndex]:
    with FaultyIndex().running() as index:
        yield index


@pytest.mark.parametrize("fault", [500, 503, 429, "cut"])
def test_what_may_pass_is_tried_again(locked: World, faulty: FaultyIndex, fault: object) -> None:
    faulty.faults = [fault]
    assert set(fates(locked, f"{faulty.url}/up/")) == NAMES
    assert faulty.files == {name: (locked.files / name).read_bytes() for name in NAMES}


def test_a_file_that_arrived_though_the_answer_failed_is_no_conflict(
    locked: World, faulty: FaultyIndex
) -> None:
    faulty.faults = ["late"]
    found = fates(locked, f"{faulty.url}/up/")
    assert sorted(found.values()) == ["uploaded", "uploaded", "uploaded", "was there"]
    assert set(faulty.files) == NAMES
    assert len(faulty.received) == len(NAMES) + 1


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        ((400, "<h1>Invalid</h1> classifier\x1b[31m"), "E-UPLOAD-400", "Invalid classifier"),
        (401, "E-UPLOAD-401", ".pypirc"),
        ((403, "no right"), "E-UPLOAD-403", "no right"),
        (404, "E-UPLOAD-404", "upload API"),
        (405, "E-UPLOAD-405", "simple index"),
        (413, "E-UPLOAD-413", "size"),
        (302, "E-UPLOAD-REDIRECT", "/elsewhere/"),
        (307, "E-UPLOAD-REDIRECT", "/elsewhere/"),
    ],
)
def test_refusals_say_why(locked: World, faulty: FaultyIndex, fault: object, code: str, told: str) -> None:
    faulty.faults = [fault] * 8
    said = locked.refused("mirror", "pylock.toml", *ALL, "--to", f"{faulty.url}/up/", code=code)
    assert told in said
    assert "\x1b" not in said
    assert not any("elsewhere" in path for path in faulty.paths)


def test_an_index_that_keeps_other_bytes_is_found_out(locked: World, faulty: FaultyIndex) -> None:
    faulty.faults = ["other"]
    locked.refused("mirror", "pylock.toml", *ALL, "--to", f"{faulty.url}/up/", code="E-UPLOAD-DIFFERS")


@pytest.mark.parametrize("status", [409, 400])
def test_a_file_that_is_said_to_be_there_and_is_not_is_told(
    locked: World, faulty: FaultyIndex, status: int
) -> None:
    faulty.faults = [(status, "This filename was already taken by a deleted file")]
    said = locked.refused("mirror", "pylock.toml", *ALL, "--to", f"{faulty.url}/up/", code="E-UPLOAD-EXISTS")
    assert "already taken by a deleted file" in said
    (lost,) = NAMES - set(faulty.files)
    assert lost in said


def test_an_index_may_list_files_late(locked: World, faulty: FaultyIndex) -> None:
    faulty.lag = 2
    done = locked.run("mirror", "pylock.toml", *ALL, "--to", f"{faulty.url}/up/")
    assert "warning" not in done.stderr
    assert set(faulty.files) == NAMES


def test_what_is_never_listed_is_unproven(locked: World, faulty: FaultyIndex) -> None:
    faulty.faults = [200]
    done = locked.run("mirror", "pylock.toml", *ALL, "--to", f"{faulty.url}/up/", "--json")
    (lost,) = NAMES - set(faulty.files)
    assert f"warning: {lost}: the index took it and does not list it yet" in done.stderr
    rows = json.loads(done.stdout)["published"]["files"]
    assert {row["filename"]: row["fate"] for row in rows} == {
        **dict.fromkeys(NAMES, "uploaded"),
        lost: "unproven",
    }


def test_an_index_without_hashes_proves_nothing(locked: World, faulty: FaultyIndex) -> None:
    faulty.hashes = False
    assert fates(locked, f"{faulty.url}/up/") == dict.fromkeys(NAMES, "unproven")


def test_an_index_without_hashes_is_never_overwritten(locked: World, faulty: FaultyIndex) -> None:
    fates(locked, f"{faulty.url}/up/")
    faulty.hashes = False
    sent = len(faulty.received)
    said = locked.refused(
        "mirror", "pylock.toml", *ALL, "--to", f"{faulty.url}/up/", code="E-UPLOAD-CONFLICT"
    )
    assert "no sha256" in said
    assert len(faulty.received) == sent


def test_the_form_is_what_indexes_expect(locked: World, faulty: FaultyIndex) -> None:
    fates(locked, f"{faulty.url}/up/")
    one = next(one for one in faulty.received if one.filename.startswith("app-"))
    fields = one.fields
    assert (fields[":action"], fields["protocol_version"]) == (["file_upload"], ["1"])
    assert (fields["filetype"], fields["pyversion"]) == (["bdist_wheel"], ["py3"])
    assert (fields["name"], fields["version"], fields["metadata_version"]) == (["app"], ["1.0"], ["2.1"])
    assert fields["requires_dist"] == [
        "lib>=1",
        "wincolor; sys_platform == 'win32'",
        "fancy; extra == 'fancy'",
    ]
    assert fields["provides_extra"] == ["fancy"]
    assert fields["sha256_digest"] == [hashlib.sha256(one.content).hexdigest()]
    assert fields["blake2_256_digest"] == [hashlib.blake2b(one.content, digest_size=32).hexdigest()]
    wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert one.authorization == f"Basic {wanted}"


# Logins


def pypirc(world: World, text: str) -> None:
    (world.root / "home" / ".pypirc").write_text(text)


def users(index: FaultyIndex) -> set[str]:
    return {
        base64.b64decode(str(one.authorization).removeprefix("Basic ")).decode() for one in index.received
    }


@pytest.mark.parametrize(
    ("way", "user"),
    [
        ("section", "eve:100%"),
        ("url in pypirc", "eve:100%"),
        ("url", "url:its own"),
        ("twine", "tw:ine"),
        ("token", "__token__:tok"),
        ("netrc", "net:rc"),
    ],
)
def test_logins(world: World, faulty: FaultyIndex, way: str, user: str) -> None:
    world.run("lock", "app", *ALL, "-o", "pylock.toml")
    url = f"{faulty.url}/up/"
    environ: dict[str, str] = {}
    to = url
    if way in {"section", "url in pypirc"}:
        pypirc(
            world,
            f"[distutils]\nindex-servers = team\n[team]\nrepository = {url}\nusername = eve\npassword = 100%\n",
        )
        to = "team" if way == "section" else url
    elif way == "url":
        to = url.replace("//", "//url:its%20own@")
    elif way == "twine":
        environ = {"TWINE_USERNAME": "tw", "TWINE_PASSWORD": "ine"}
    elif way == "token":
        environ = {"UV_PUBLISH_TOKEN": "tok", "TWINE_PASSWORD": "not this"}
    else:
        (world.root / "home" / ".netrc").write_text("machine 127.0.0.1 login net password rc\n")
    done = world.run("mirror", "pylock.toml", *ALL, "--to", to, environ=environ)
    assert users(faulty) == {user}
    assert "its own" not in done.stderr
    assert "its%20own" not in done.stderr


def test_of_two_sections_with_one_url_the_login_counts(world: World, faulty: FaultyIndex) -> None:
    world.run("lock", "app", *ALL, "-o", "pylock.toml")
    url = f"{faulty.url}/up/"
    logins = ("", "username = adam\n", "username = eve\npassword = 100%\n")
    pypirc(world, "".join(f"[s{i}]\nrepository = {url}\n{login}" for i, login in enumerate(logins)))
    world.run("mirror", "pylock.toml", *ALL, "--to", url)
    assert users(faulty) == {"eve:100%"}


def test_bad_names_of_indexes(locked: World) -> None:
    locked.refused("mirror", "pylock.toml", *ALL, "--to", "nowhere", code="E-UPLOAD-REPOSITORY", status=2)
    pypirc(locked, "[team]\nusername = eve\n")
    said = locked.refused("mirror", "pylock.toml", *ALL, "--to", "team", code="E-UPLOAD-REPOSITORY", status=2)
    assert "`team` of .pypirc has no `repository`" in said
    pypirc(locked, "this is no ini file with hunter2\n")
    said = locked.refused("mirror", "pylock.toml", *ALL, "--to", "team", code="E-UPLOAD-PYPIRC", status=2)
    assert "hunter2" not in said


def test_a_wheel_that_does_not_fit_is_never_uploaded(world: World, faulty: FaultyIndex) -> None:
    native(world.files, "liar", machine="x86_64")
    world.run("lock", "liar", "--for", ARM, "-o", "pylock.toml")
    world.refused("mirror", "pylock.toml", "--for", ARM, "--to", f"{faulty.url}/up/", code="E-FINDINGS")
    assert not faulty.received
