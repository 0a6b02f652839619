"""`crossdock mirror` as people run it: what lies in the wheelhouse, who installs from it, and what a rerun changes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.pylock import Pylock
from tests.cli.sdists import pure_sdist
from tests.cli.world import ARM, MUSL, WINDOWS, names_below, native, tree_of
from tests.support.wheels import make_wheel

from crossdock.lock.uv import uv_executable
from crossdock.ship.wheelhouse.directory import MARKER

if TYPE_CHECKING:
    from tests.cli.world import World

INTEL = "cp312-linux-x86_64-glibc2.28"
ALL = [word for target in (ARM, INTEL, WINDOWS) for word in ("--for", target)]


class Links(HTMLParser):
    """The links of a page, with their attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


@pytest.fixture
def locked(world: World) -> World:
    world.run("lock", "app", *ALL, "--for", MUSL, "-o", "pylock.toml")
    return world


def mirror(world: World, *words: str | Path, source: str = "pylock.toml", out: str = "wh") -> Path:
    world.run("mirror", source, *ALL, "-o", out, *words)
    return world.work / out


def consistent(root: Path) -> set[str]:
    """Believe nothing: every link leads to a file with that hash, both forms of a page say the same."""
    manifest = json.loads((root / "manifest.json").read_bytes())
    by_path = {f"files/{one['name']}/{one['filename']}": one for one in manifest["distributions"]}
    listed = set()
    projects = [str(link["href"]).rstrip("/") for link in Links(root / "simple" / "index.html").found]
    root_json = json.loads((root / "simple" / "index.json").read_bytes())
    assert [one["name"] for one in root_json["projects"]] == projects == sorted(set(projects))
    for name in projects:
        place = root / "simple" / name
        page = json.loads((place / "index.json").read_bytes())
        assert page["name"] == name
        links = Links(place / "index.html").found
        assert [str(link["href"]).partition("#")[0] for link in links] == [
            one["url"] for one in page["files"]
        ]
        for link, entry in zip(links, page["files"], strict=True):
            path = (place / entry["url"]).resolve()
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            assert str(link["href"]).endswith(f"#sha256={digest}")
            assert (entry["hashes"], entry["size"]) == ({"sha256": digest}, len(content))
            known = by_path[path.relative_to(root.resolve()).as_posix()]
            assert (known["sha256"], known["size"]) == (digest, len(content))
            assert link.get("data-requires-python") == entry.get("requires-python")
            beside = path.with_name(path.name + ".metadata")
            if path.suffix == ".whl":
                metadata = hashlib.sha256(beside.read_bytes()).hexdigest()
                assert link["data-core-metadata"] == link["data-dist-info-metadata"] == f"sha256={metadata}"
                assert entry["core-metadata"] == {"sha256": metadata}
            listed.add(path.relative_to(root.resolve()).as_posix())
    assert listed == set(by_path)
    for lock in root.glob("pylock*.toml"):
        for package in Pylock.from_dict(tomllib.loads(lock.read_text())).packages:
            for wheel in package.wheels or ():
                assert wheel.path is not None
                held = by_path[wheel.path]
                assert (wheel.hashes["sha256"], wheel.size) == (held["sha256"], held["size"])
    return listed


# What lies where


def test_the_union_of_the_targets_lies_there_once(locked: World) -> None:
    root = mirror(locked)
    names = {path.rpartition("/")[2] for path in consistent(root)}
    assert names == {
        "app-1.0-py3-none-any.whl",
        "lib-1.1-cp312-cp312-manylinux2014_aarch64.whl",
        "lib-1.1-cp312-cp312-manylinux2014_x86_64.whl",
        "lib-1.1-cp312-cp312-win_amd64.whl",
        "wincolor-1.0-py3-none-any.whl",
    }
    for path in sorted(root.rglob("*.whl")):
        assert path.read_bytes() == (locked.files / path.name).read_bytes()
        # A copy: whoever changes the wheelhouse does not change the store.
        assert path.stat().st_nlink == 1


def test_nothing_of_the_host_shows(locked: World) -> None:
    first = mirror(locked)
    script = (
        f"umask 077; cd {locked.work} && TZ=Pacific/Kiritimati LC_ALL=C PYTHONHASHSEED=7 "
        f"{Path(sys.executable).with_name('crossdock')} mirror pylock.toml {' '.join(reversed(ALL[1::2])) and ' '.join(ALL)} -o other"
    )
    environ = locked.variables({"CROSSDOCK_STORE": str(locked.root / "other-store")})
    subprocess.run(["sh", "-c", script], env=environ, check=True, capture_output=True)

    def content(root: Path) -> dict[str, tuple[str, int]]:
        return {path: (what, mode) for path, (what, mode, _date) in tree_of(root).items()}

    one, two = content(first), content(locked.work / "other")
    files = [path for path, (what, _mode) in one.items() if what != "directory"]
    assert {path: one[path] for path in files} == {path: two[path] for path in files}
    assert str(locked.root) not in "".join(
        path.read_text() for path in first.rglob("*") if path.suffix in {".html", ".json", ".toml"}
    )


def test_sdists_come_on_request(world: World) -> None:
    pure_sdist(world.files, "srcd")
    make_wheel(world.files, "srcd", files={"srcd.py": ""})
    world.run("lock", "srcd", *ALL, "-o", "pylock.toml")
    without = consistent(mirror(world))
    assert without == {"files/srcd/srcd-1.0-py3-none-any.whl"}
    with_them = consistent(mirror(world, "--sdists"))
    assert with_them == without | {"files/srcd/srcd-1.0.tar.gz"}
    lock = tomllib.loads((world.work / "wh" / "pylock.toml").read_text())
    assert lock["packages"][0]["sdist"]["path"] == "files/srcd/srcd-1.0.tar.gz"


def test_a_built_wheel_is_there_and_says_from_what(world: World) -> None:
    pure_sdist(world.files, "srconly")
    world.run("lock", "srconly", *ALL, "-o", "pylock.toml", "--allow-build", "srconly")
    root = mirror(world)
    consistent(root)
    (one,) = json.loads((root / "manifest.json").read_bytes())["distributions"]
    assert one["filename"] == "srconly-1.0-py3-none-any.whl"
    assert one["built-from"]["filename"] == "srconly-1.0.tar.gz"
    # The lock names the wheel, and no source that a client would compile.
    (package,) = tomllib.loads((root / "pylock.toml").read_text())["packages"]
    assert "sdist" not in package


def test_yanked_files_and_provenance_are_asked_for_by_name(locked: World) -> None:
    plain = json.loads((mirror(locked) / "manifest.json").read_bytes())
    assert not any("yanked" in one for one in plain["distributions"])
    locked.index.yanked = {"app-1.0-py3-none-any.whl": "it is broken"}
    root = mirror(locked, "--ask-index")
    consistent(root)
    (link,) = Links(root / "simple" / "app" / "index.html").found
    assert link["data-yanked"] == "it is broken"
    page = json.loads((root / "simple" / "app" / "index.json").read_bytes())
    assert page["files"][0]["yanked"] == "it is broken"


def test_a_lock_may_be_for_a_server(locked: World) -> None:
    root = mirror(locked, "--base-url", "https://wheels.example.com/team/")
    lock = Pylock.from_dict(tomllib.loads((root / "pylock.toml").read_text()))
    urls = [wheel.url for package in lock.packages for wheel in package.wheels or ()]
    assert urls
    assert all(str(url).startswith("https://wheels.example.com/team/files/") for url in urls)


def test_a_lock_is_for_what_was_mirrored_and_for_nothing_else(world: World) -> None:
    project = """[project]
name = "mine"
version = "1"
requires-python = ">=3.12"
dependencies = ["app"]
[project.optional-dependencies]
more = ["fancy"]
[dependency-groups]
dev = ["wincolor"]
"""
    (world.work / "pyproject.toml").write_text(project)
    world.run("lock", ".", *ALL, "--all-extras", "--group", "dev", "-o", "pylock.toml")
    world.run("mirror", "pylock.toml", "--for", ARM, "-o", "wh", "--name", "")
    lock = tomllib.loads((world.work / "wh" / "pylock.toml").read_text())
    Pylock.from_dict(lock)
    assert "fancy" not in {package["name"] for package in lock["packages"]}
    assert "more" not in lock.get("extras", [])
    (marker,) = lock["environments"]
    assert "platform_machine == 'aarch64'" in marker
    assert "python_version == '3.12'" in marker
    out = ["--target", "out", "--offline"]
    world.run("install", "wh/pylock.toml", "--for", ARM, *out)
    world.run("install", "wh/pylock.toml", "--for", WINDOWS, *out, status=1)
    world.run("install", "wh/pylock.toml", "--for", ARM, *out, "--extra", "more", status=None)
    world.run("mirror", "pylock.toml", "--for", ARM, "-o", "wh", "--name", "", "--extra", "more")
    more = tomllib.loads((world.work / "wh" / "pylock.toml").read_text())
    assert more["extras"] == ["more"]
    assert "fancy" in {package["name"] for package in more["packages"]}


# A second run


def test_a_run_without_changes_touches_nothing(locked: World) -> None:
    before = tree_of(mirror(locked))
    done = locked.run("mirror", "pylock.toml", *ALL, "-o", "wh")
    assert "nothing changed" in done.stderr
    assert tree_of(locked.work / "wh") == before
    # Without memory too: everything is looked at and found to be right.
    locked.run(
        "mirror", "pylock.toml", *ALL, "-o", "wh", environ={"CROSSDOCK_STORE": str(locked.root / "s2")}
    )
    assert tree_of(locked.work / "wh") == before


def test_what_is_missing_or_damaged_is_mended(locked: World) -> None:
    root = mirror(locked)
    whole = {path: what for path, (what, _mode, _date) in tree_of(root).items()}
    wheel = next(root.rglob("lib-1.1-*aarch64.whl"))
    wheel.unlink()
    (root / "simple" / "app" / "index.html").write_text("half a page")
    wheel_two = next(root.rglob("app-*.whl"))
    wheel_two.write_bytes(b"short")
    wheel_two.with_name(wheel_two.name + ".metadata").unlink()
    mirror(locked)
    assert {path: what for path, (what, _mode, _date) in tree_of(root).items()} == whole


def test_an_updated_lock_adds_and_prune_takes_away(locked: World) -> None:
    root = mirror(locked)
    native(locked.files, "lib", "1.2")
    locked.run("lock", "app", *ALL, "-o", "pylock.toml", "--upgrade")
    both = consistent(mirror(locked))
    assert {path.split("-")[1] for path in both if path.startswith("files/lib/")} == {"1.1", "1.2"}
    (root / "files" / "lib" / ".left.4711.crossdock").write_text("of a run that was killed")
    pruned = consistent(mirror(locked, "--prune"))
    assert {path.split("-")[1] for path in pruned if path.startswith("files/lib/")} == {"1.2"}
    assert {path for path in names_below(root) if path.startswith("files/")} == {
        name for path in pruned for name in (path, f"{path}.metadata")
    }


def test_several_locks_share_a_wheelhouse(locked: World) -> None:
    locked.run("lock", "fancy", "lib<1.1", *ALL, "-o", "pylock.other.toml")
    root = mirror(locked)
    mirror(locked, source="pylock.other.toml")
    assert {path.name for path in root.glob("pylock*.toml")} == {"pylock.toml", "pylock.other.toml"}
    both = consistent(root)
    assert {path.split("-")[1] for path in both if path.startswith("files/lib/")} == {"1.0", "1.1"}
    # A lock that is forgotten takes along what it alone needed.
    done = locked.run("mirror", "-o", "wh", "--forget", "other", "--prune")
    assert "removed" in done.stderr
    left = consistent(root)
    assert not any("fancy" in path or "lib-1.0" in path for path in left)
    assert not (root / "pylock.other.toml").exists()
    assert not (root / "simple" / "fancy").exists()
    locked.refused("mirror", "-o", "wh", "--forget", "nobody", code="E-WHEELHOUSE-LOCK", status=2)


def test_other_bytes_under_a_name_are_refused(locked: World) -> None:
    root = mirror(locked)
    before = tree_of(root)
    make_wheel(locked.files, "wincolor", files={"wincolor.py": "ON = False\n"})
    locked.run("lock", "app", *ALL, "-o", "pylock.toml", "--upgrade")
    fresh = {"CROSSDOCK_STORE": str(locked.root / "s2")}
    text = locked.refused(
        "mirror", "pylock.toml", *ALL, "-o", "wh", code="E-WHEELHOUSE-CONFLICT", environ=fresh
    )
    assert "wincolor-1.0-py3-none-any.whl" in text
    assert tree_of(root) == before
    locked.run("mirror", "pylock.toml", *ALL, "-o", "wh", "--replace", environ=fresh)
    consistent(root)


def test_a_wheel_that_does_not_fit_is_refused(world: World) -> None:
    native(world.files, "liar", machine="x86_64")
    world.run("lock", "liar", "--for", ARM, "-o", "pylock.toml")
    world.refused("mirror", "pylock.toml", "--for", ARM, "-o", "wh", code="E-FINDINGS")
    assert not (world.work / "wh").exists()


# Bad input


def test_wrong_words_are_told_before_any_work(locked: World) -> None:
    locked.refused("mirror", "pylock.toml", *ALL, code="E-WHEELHOUSE-OUTPUT", status=2)
    for words, code in (
        (["--name", "a.b"], "E-WHEELHOUSE-NAME"),
        (["--base-url", "ftp://x"], "E-WHEELHOUSE-URL"),
        (["--ask-index", "--offline"], "E-WHEELHOUSE-OFFLINE"),
    ):
        locked.refused("mirror", "pylock.toml", *ALL, "-o", "wh", *words, code=code, status=2)
    (locked.work / "full").mkdir()
    (locked.work / "full" / "thesis.tex").write_text("mine")
    locked.refused("mirror", "pylock.toml", *ALL, "-o", "full", code="E-WHEELHOUSE-FOREIGN")
    assert names_below(locked.work / "full") == ["thesis.tex"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["pylock.toml", "--dry-run"], "E-UPLOAD-OPTION"),
        (["pylock.toml", "--check-url", "https://index.example.com/simple/"], "E-UPLOAD-OPTION"),
        (["pylock.toml", "--on-conflict", "refuse"], "E-UPLOAD-OPTION"),
        (["pylock.toml", "--port", "0"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--for", ARM], "E-WHEELHOUSE-OPTION"),
        (["--forget", "x", "--name", "y"], "E-WHEELHOUSE-OPTION"),
        (["--serve", "--sdists"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--base-url", "https://wheels.example.com"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--ask-index"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--replace"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--to", "team"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--index-url", "https://index.example.com/simple/"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--port", "1"], "E-WHEELHOUSE-OPTION"),
        (["--prune", "--since", "wh/manifest.json"], "E-WHEELHOUSE-DELTA-OPTION"),
        (["import", "x.tar", "--serve"], "E-WHEELHOUSE-OPTION"),
        (["import", "x.tar", "--for", ARM], "E-WHEELHOUSE-OPTION"),
        (["import", "x.tar", "--since", "wh/manifest.json"], "E-WHEELHOUSE-DELTA-OPTION"),
    ],
)
def test_words_without_effect_are_refused(world: World, words: list[str], code: str) -> None:
    targets = ["--for", ARM] if words[0] == "pylock.toml" else []
    world.refused("mirror", *words, *targets, "-o", "wh", code=code, status=2)
    assert not (world.work / "wh").exists()


@pytest.mark.parametrize(
    "words",
    [["--prune"], ["--serve"], ["--replace"], ["--name", "x"], ["--base-url", "https://x.example.com"]],
)
def test_words_about_the_directory_need_one_beside_an_upload(world: World, words: list[str]) -> None:
    everything = ["mirror", "pylock.toml", "--for", ARM, "--to", "http://127.0.0.1:9/", *words]
    world.refused(*everything, code="E-WHEELHOUSE-OUTPUT", status=2)


def test_tidying_takes_the_words_of_any_run_and_writes_deltas(locked: World) -> None:
    mirror(locked)
    words = ["--prune", "--offline", "--jobs", "2", "--quiet", "--delta", "now.tar", "--json"]
    document = json.loads(locked.run("mirror", "-o", "wh", *words).stdout)
    assert len(document["delta"]["files"]) == 5
    again = [*words, "--since", "wh/manifest.json"]
    assert json.loads(locked.run("mirror", "-o", "wh", *again).stdout)["delta"]["files"] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda _table: [],
        lambda table: {**table, "form": 2},
        lambda table: {**table, "distributions": "none"},
        lambda table: {**table, "distributions": [{**table["distributions"][0], "filename": "../../x.whl"}]},
        lambda table: {**table, "distributions": [{**table["distributions"][0], "name": "a/b"}]},
        lambda table: {**table, "distributions": [{**table["distributions"][0], "sha256": "00"}]},
        lambda table: {**table, "distributions": [{**table["distributions"][0], "version": "one"}]},
        lambda table: {**table, "distributions": [{**table["distributions"][0], "size": -1}]},
        lambda table: {**table, "distributions": table["distributions"][:1] * 2},
        lambda table: {**table, "locks": {"../x": {"targets": [], "files": []}}},
        lambda table: {**table, "locks": {"x": {"targets": [], "files": ["files/a/b.whl"]}}},
    ],
)
def test_a_hostile_manifest_is_refused(locked: World, change: Any) -> None:
    root = mirror(locked)
    table = json.loads((root / "manifest.json").read_bytes())
    (root / "manifest.json").write_text(json.dumps(change(table)))
    before = tree_of(root)
    locked.refused("mirror", "pylock.toml", *ALL, "-o", "wh", code="E-WHEELHOUSE-MANIFEST")
    assert tree_of(root) == before


# Several at once, and runs that are killed


def test_two_at_once_are_both_there(locked: World) -> None:
    locked.run("lock", "fancy", *ALL, "-o", "pylock.other.toml")
    running = [
        locked.popen("mirror", lock, *ALL, "-o", "wh") for lock in ("pylock.toml", "pylock.other.toml")
    ]
    for process in running:
        _out, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    names = consistent(locked.work / "wh")
    assert {"files/fancy/fancy-1.0-py3-none-any.whl", "files/app/app-1.0-py3-none-any.whl"} <= names
    assert set(json.loads((locked.work / "wh" / "manifest.json").read_bytes())["locks"]) == {"", "other"}
    assert [path.name for path in (locked.work / "wh").glob(".*")] == [MARKER]


_KILLED = """
import os, sys
left = int(sys.argv.pop(1))
rename = os.rename
replace = os.replace
def counted(call):
    def wrapper(source, target, **more):
        global left
        if "/wh/" in os.fspath(target):
            left -= 1
            if left < 0:
                os._exit(77)
        return call(source, target, **more)
    return wrapper
os.rename, os.replace = counted(rename), counted(replace)
import pathlib
from crossdock.__main__ import main
sys.exit(main())
"""


def reachable(root: Path) -> None:
    """What a client sees now is whole: every link leads to the file that it promises."""
    for page in (root / "simple").rglob("index.html"):
        for link in Links(page).found:
            href = str(link["href"])
            if "#sha256=" in href:
                target, _, digest = href.partition("#sha256=")
                assert hashlib.sha256((page.parent / target).read_bytes()).hexdigest() == digest, href
            else:
                assert (page.parent / href / "index.html").is_file(), href


def killed(world: World, step: int) -> bool:
    """Run a mirror that dies at its `step`th rename; tell whether it came to its end instead."""
    done = subprocess.run(
        [
            sys.executable,
            world.root / "killed.py",
            str(step),
            "mirror",
            "pylock.toml",
            *ALL,
            "-o",
            "wh",
            "--prune",
        ],
        cwd=world.work,
        env=world.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 77), done.stderr
    return done.returncode == 0


def contents(root: Path) -> dict[str, str]:
    return {path: what for path, (what, _mode, _date) in tree_of(root).items()}


@pytest.mark.parametrize("begun", [False, True], ids=["nothing", "an older state"])
def test_a_run_that_is_killed_anywhere_shows_no_half_index(locked: World, *, begun: bool) -> None:
    (locked.root / "killed.py").write_text(_KILLED)
    if begun:
        mirror(locked, out="before")
        native(locked.files, "lib", "1.2")
        locked.run("lock", "app", *ALL, "-o", "pylock.toml", "--upgrade")
    whole = contents(mirror(locked, out="whole"))
    step, ended = 0, False
    while not ended:
        shutil.rmtree(locked.work / "wh", ignore_errors=True)
        if begun:
            shutil.copytree(locked.work / "before", locked.work / "wh")
        ended = killed(locked, step)
        if (locked.work / "wh" / "simple").is_dir():
            reachable(locked.work / "wh")
        if ended or step % 5 == 0:
            mirror(locked, "--prune")
            assert contents(locked.work / "wh") == whole
        step += 1
        assert step < 200
    assert step > 8


# Clients


def _host_python() -> str:
    return f"cp{sys.version_info.major}{sys.version_info.minor}-linux-{os.uname().machine}-glibc2.28"


@pytest.fixture
def for_here(world: World) -> World:
    """A wheelhouse with pure packages and one that is native, for this very machine and for others."""
    make_wheel(
        world.files,
        "here",
        files={"here.py": "HERE = 1\n"},
        requires=("there>=1",),
        extra_metadata="Requires-Python: >=3.9,<4\n",
    )
    make_wheel(world.files, "there", "1.0+local.1", files={"there.py": "THERE = 2\n"})
    world.run("lock", "here", "--for", _host_python(), "--for", WINDOWS, "-o", "pylock.toml")
    world.run("mirror", "pylock.toml", "--for", _host_python(), "--for", WINDOWS, "-o", "wh")
    return world


def clean(world: World, **more: str) -> dict[str, str]:
    """An environment in which no index but the wheelhouse is known."""
    known = {name: value for name, value in world.variables().items() if not name.startswith(("UV_", "PIP_"))}
    return {**known, "UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull, "UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}  # fmt: skip


def installs(world: World, command: list[str], **environ: str) -> None:
    target = world.root / "client"
    shutil.rmtree(target, ignore_errors=True)
    done = subprocess.run(
        [*command, "--target", str(target)],
        cwd=world.work,
        env=clean(world, **environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code = "import here, there; assert (here.HERE, there.THERE) == (1, 2)"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(target)}, check=True)


PIP = [sys.executable, "-m", "pip", "install", "-q"]


def uv() -> list[str]:
    return [uv_executable(), "pip", "install", "-q", "--python", sys.executable]


def test_pip_and_uv_install_from_the_directory(for_here: World) -> None:
    url = (for_here.work / "wh" / "simple").as_uri()
    installs(for_here, [*PIP, "--index-url", url, "here"])
    installs(for_here, [*uv(), "--default-index", url, "here"])


def test_pip_uv_and_crossdock_install_from_the_lock(for_here: World) -> None:
    lock = for_here.work / "wh" / "pylock.toml"
    installs(for_here, [*uv(), "--no-index", "-r", str(lock)])
    installs(for_here, [*PIP, "--no-index", "-r", str(lock)])
    done = subprocess.run(
        [
            Path(sys.executable).with_name("crossdock"),
            "install",
            lock,
            "--for",
            WINDOWS,
            "--target",
            "c",
            "--offline",
        ],
        cwd=for_here.work,
        env=clean(for_here, CROSSDOCK_STORE=str(for_here.root / "empty")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (for_here.work / "c" / "here.py").is_file()
