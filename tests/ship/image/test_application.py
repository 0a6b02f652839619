"""The user's own code: which files of it an image gets, and what starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wheels import wheel_files, zip_bytes

from crossdock.build.metadata import ProjectMetadata
from crossdock.build.pure import BuiltWheel
from crossdock.errors import BuildError, CrossdockError, ImageError, ShipError, UsageError
from crossdock.lock.model import LockedDirectory, LockedPackage
from crossdock.ship.application import Form, form_of, is_project_itself
from crossdock.ship.entries import Entry, entries_key, made_file
from crossdock.ship.image.added import Added, added_entries, parse_added
from crossdock.ship.image.application import (
    Application,
    modules_application,
    no_application,
    project_application,
    script_application,
)
from crossdock.ship.image.entries import merged, refuse_below_links
from crossdock.ship.image.layouts import Environment
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGET = parse_target("cp312-linux-aarch64-glibc2.36")
NOTHING = ProjectMetadata()
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nxyz\n"


def write(root: Path, *names: str, **contents: str) -> Path:
    root.mkdir(exist_ok=True)
    for name, content in {**dict.fromkeys(names, ""), **contents}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def modules(root: Path, start: Sequence[str] = ("x",), **more: object) -> dict[str, Entry]:
    found = modules_application(root, Environment("/app"), start, metadata=NOTHING, **more)  # type: ignore[arg-type]
    assert (found.workdir, found.needs_path, found.form) == ("/app/src", True, Form.MODULES)
    return {entry.path.removeprefix("app/src/"): entry for entry in found.entries}


def refused(*arguments: object, **more: object) -> CrossdockError:
    with pytest.raises((ShipError, ImageError)) as caught:
        modules(*arguments, **more)  # type: ignore[arg-type]
    return caught.value


# A directory of modules


def test_modules_are_shipped_without_what_is_not_the_application(tmp_path: Path) -> None:
    root = write(
        tmp_path / "app",
        *("main.py", "pkg/__init__.py", "pkg/data/x.json", "pkg/uv.lock", "pyproject.toml", "README.md"),
        *(
            ".env",
            ".git/HEAD",
            ".venv/x",
            "pkg/.hidden",
            "pkg/__pycache__/a.pyc",
            "old.pyc",
            "node_modules/a.js",
        ),
        *("env/pyvenv.cfg", "env/x.py", "image/oci-layout", "image/blobs/x", "shipped/.crossdock.json"),
        *(
            "pylock.toml",
            "pylock.prod.toml",
            "uv.lock",
            "out.tar",
            "tests/test_x.py",
            "docs/a.md",
            "x.egg-info/a",
        ),
    )
    found = modules(root, exclude=["tests/", "*.md"], skip=[root / "out.tar"])
    assert list(found) == ["main.py", "pkg/__init__.py", "pkg/data/x.json", "pkg/uv.lock", "pyproject.toml"]


def test_only_an_x_bit_of_the_hosts_modes_counts(tmp_path: Path) -> None:
    root = write(tmp_path / "app", "a.py", "run.sh")
    (root / "a.py").chmod(0o666)
    (root / "run.sh").chmod(0o4750)
    assert {path: oct(entry.mode) for path, entry in modules(root).items()} == {
        "a.py": "0o644",
        "run.sh": "0o755",
    }


def test_the_key_tells_places_modes_and_contents_and_nothing_of_the_host(tmp_path: Path) -> None:
    def key(root: Path) -> str:
        return str(entries_key(modules(root).values(), "1"))

    one, two = write(tmp_path / "one", **{"a.py": "1"}), write(tmp_path / "elsewhere", **{"a.py": "1"})
    os.utime(two / "a.py", (1, 1))
    first = key(one)
    assert key(two) == first
    (two / "a.py").chmod(0o755)
    assert key(two) != first
    (one / "a.py").write_text("2")
    assert key(one) != first


def test_links_inside_are_kept_and_others_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "app", "pkg/a.py", "pkg/b/c.py", ".hidden/x")
    (root / "pkg" / "up").symlink_to("../pkg/a.py")
    (root / "tree").symlink_to(root / "pkg")
    (root / "self").symlink_to(".")
    found = modules(root)
    assert {path: entry.link for path, entry in found.items() if entry.link} == {
        "pkg/up": "a.py",
        "tree": "pkg",
        "self": ".",
    }
    for target, said in (
        ("/etc/passwd", "out of"),
        ("../x", "out of"),
        ("gone", "to nothing"),
        (".hidden/x", "left out"),
    ):
        (root / "bad").symlink_to(target)
        error = refused(root)
        assert (error.code, said in error.message) == ("E-APP-LINK", True)
        (root / "bad").unlink()


def test_a_link_in_a_circle_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "app", "a.py")
    (root / "b").symlink_to("c")
    (root / "c").symlink_to("b")
    assert refused(root).code == "E-APP-LINK"


def test_a_private_key_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    root = write(tmp_path / "app", "a.py", **{"docs.md": KEY, "k.py": KEY, "deploy": "note\n" + KEY})
    error = refused(root)
    assert (error.code, "`deploy`" in error.message) == ("E-APP-SECRET", True)
    assert "deploy" not in modules(root, exclude=["deploy"])
    assert added_entries([Added(source=root / "deploy", destination="/etc/key", mode=0o400)])[0].mode == 0o400


@pytest.mark.parametrize("name", [".wh.x", "a\nb", "b\udcff"])
def test_names_that_images_cannot_have_are_refused(tmp_path: Path, name: str) -> None:
    root = write(tmp_path / "app", "a.py", "pkg/x")
    (root / "pkg" / "x").rename(root / "pkg" / name)
    if name.startswith("."):
        assert f"pkg/{name}" not in modules(root), "dotfiles are left out"
        with pytest.raises(ImageError) as found:
            added_entries([Added(source=root / "pkg", destination="/etc")])
        assert found.value.code == "E-IMAGE-FILE"
    else:
        assert refused(root).code == "E-APP-FILE"


def test_a_socket_or_pipe_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "app", "a.py")
    os.mkfifo(root / "pipe")
    assert refused(root).code == "E-APP-FILE"


def test_a_file_that_changes_meanwhile_is_not_written(tmp_path: Path) -> None:
    root = write(tmp_path / "app", "a.py")
    entry = modules(root)["a.py"]
    (root / "a.py").write_text("later")
    with pytest.raises(ShipError) as caught:
        list(entry.content())
    assert caught.value.code == "E-APP-CHANGED"
    (root / "a.py").unlink()
    with pytest.raises(ShipError) as caught:
        list(entry.content())
    assert caught.value.code == "E-APP-FILE"


@pytest.mark.parametrize(
    ("names", "start"),
    [
        (["__main__.py", "main.py", "app.py"], ("/app/bin/python", "/app/src")),
        (["main.py", "other.py"], ("/app/bin/python", "/app/src/main.py")),
        (["app.py", "pkg/__main__.py"], ("/app/bin/python", "/app/src/app.py")),
        (["server.py", "pkg/a.py"], ("/app/bin/python", "/app/src/server.py")),
        (["pkg/__init__.py", "pkg/__main__.py"], ("/app/bin/python", "-m", "pkg")),
    ],
)
def test_what_a_directory_starts_with(tmp_path: Path, names: list[str], start: tuple[str, ...]) -> None:
    root = write(tmp_path / "app", *names)
    assert modules_application(root, Environment("/app"), (), metadata=NOTHING).entrypoint == start


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["main.py", "app.py"], ("main.py", "app.py")),
        (["a.py", "b.py"], ("a.py", "b.py")),
        (["a/__main__.py", "b/__main__.py"], ("a/__main__.py", "b/__main__.py")),
        (["data.txt"], ()),
    ],
)
def test_where_it_cannot_be_told_what_starts_the_error_says_how_to(
    tmp_path: Path, names: list[str], places: tuple[str, ...]
) -> None:
    root = write(tmp_path / "app", *names)
    error = refused(root, ())
    assert (error.code, error.places) == ("E-IMAGE-ENTRYPOINT", places)
    assert "-m" in str(error.hint)
    assert modules(root, ("gunicorn",)), "and it is no error when the user says it"


def test_scripts_of_a_project_that_is_not_built_are_explained(tmp_path: Path) -> None:
    root = write(tmp_path / "app", "src/pkg/__init__.py")
    with pytest.raises(ImageError) as caught:
        modules_application(
            root, Environment("/app"), (), metadata=ProjectMetadata(scripts={"run": "pkg:main"})
        )
    assert "[build-system]" in str(caught.value.hint)


def test_an_empty_directory_is_no_application(tmp_path: Path) -> None:
    assert refused(write(tmp_path / "app", ".env")).code == "E-IMAGE-ENTRYPOINT"


# A script, and nothing


def test_a_script_is_shipped_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "job.py", "beside.py") / "job.py"
    path.chmod(0o700)
    found = script_application(path, Environment("/srv/x"), ())
    assert [(entry.path, entry.mode) for entry in found.entries] == [("srv/x/src/job.py", 0o644)]
    assert (found.entrypoint, found.workdir) == (("/srv/x/bin/python", "/srv/x/src/job.py"), "/srv/x/src")


def test_without_code_python_starts() -> None:
    assert no_application(Environment("/app"), ()).entrypoint == ("/app/bin/python",)
    assert no_application(Environment("/app"), ("gunicorn",)).entrypoint == ("gunicorn",)


def test_the_form_of_an_application(tmp_path: Path) -> None:
    package = ProjectMetadata(is_package=True)
    assert form_of(None, package) is Form.NONE
    assert form_of(tmp_path, package) is Form.PROJECT
    assert form_of(tmp_path, NOTHING) is Form.MODULES
    assert form_of(write(tmp_path, "a.py") / "a.py", package) is Form.SCRIPT


# A project


def project(start: Sequence[str] = (), tag: str = "py3-none-any", **wheel: object) -> Application:
    content = zip_bytes(wheel_files("demo", "1.0", tag, **wheel))  # type: ignore[arg-type]
    built = BuiltWheel(filename=f"demo-1.0-{tag}.whl", content=content)
    return project_application(lambda: built, TARGET, Environment("/app"), start, name="demo")


def points(*names: str) -> str:
    return "[console_scripts]\n" + "".join(f"{name} = demo:main\n" for name in names)


def test_a_project_is_installed_as_its_wheel() -> None:
    files = {"demo/__init__.py": "x = 1\n", "demo/again.py": "x = 1\n", "demo-1.0.data/data/share/a": "1"}
    found = project(files=files, entry_points=points("serve"))
    assert found.entrypoint == ("/app/bin/serve",)
    entries = {entry.path: entry for entry in found.entries}
    packages = "app/lib/python3.12/site-packages"
    assert list(entries) == sorted(
        [
            "app/bin/serve",
            "app/share/a",
            f"{packages}/demo/__init__.py",
            f"{packages}/demo/again.py",
            *(
                f"{packages}/demo-1.0.dist-info/{name}"
                for name in ("INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt")
            ),
        ]
    )
    assert b"".join(entries["app/bin/serve"].content()).startswith(b"#!/app/bin/python\n")
    assert (entries["app/bin/serve"].mode, entries["app/share/a"].mode) == (0o755, 0o644)
    assert b"".join(entries[f"{packages}/demo/again.py"].content()) == b"x = 1\n"
    assert (found.title, found.needs_path, found.workdir) == ("demo 1.0", False, "")


@pytest.mark.parametrize(
    ("wheel", "start"),
    [
        ({"entry_points": points("other")}, ("/app/bin/other",)),
        ({"entry_points": points("aaa", "demo")}, ("/app/bin/demo",)),
        ({"entry_points": points("aaa", "Demo")}, ("/app/bin/Demo",)),
        ({"files": {"demo/__init__.py": "", "demo/__main__.py": ""}}, ("/app/bin/python", "-m", "demo")),
    ],
)
def test_what_a_project_starts_with(wheel: dict[str, object], start: tuple[str, ...]) -> None:
    assert project(**wheel).entrypoint == start  # type: ignore[arg-type]


@pytest.mark.parametrize(("scripts", "listed"), [(("b", "a"), ("a", "b")), ((), ())])
def test_a_project_with_no_or_several_scripts_is_refused_with_their_names(
    scripts: tuple[str, ...], listed: tuple[str, ...]
) -> None:
    wheel = {"entry_points": points(*scripts)} if scripts else {}
    with pytest.raises(ImageError) as caught:
        project(**wheel)
    assert (caught.value.code, caught.value.places) == ("E-IMAGE-ENTRYPOINT", listed)
    assert project(("x",), **wheel).entrypoint == ("x",)


@pytest.mark.parametrize("wheel", [{"requires_python": ">=3.13"}, {"tag": "py313-none-any"}])
def test_a_project_for_another_python_is_refused(wheel: dict[str, str]) -> None:
    with pytest.raises(ShipError) as caught:
        project(("x",), **wheel)
    assert caught.value.code == "E-APP-PYTHON"


def test_a_project_that_compiles_is_refused_and_other_errors_of_builds_pass() -> None:
    def fails(code: str) -> object:
        def build() -> BuiltWheel:
            raise BuildError("no", code=code, places=["x.c"])

        return project_application(build, TARGET, Environment("/app"), (), name="demo")

    for code in ("E-BUILD-NATIVE", "E-BUILD-NOT-PURE"):
        with pytest.raises(ShipError) as caught:
            fails(code)
        assert (caught.value.code, caught.value.places) == ("E-APP-NATIVE", ("x.c",))
    with pytest.raises(BuildError):
        fails("E-BUILD-TIMEOUT")


@pytest.mark.parametrize(
    ("directory", "is_it"),
    [
        (LockedDirectory(path="."), True),
        (LockedDirectory(path="../project", editable=True), True),
        (LockedDirectory(path="..", subdirectory="project"), True),
        (LockedDirectory(path="packages/core"), False),
        (None, False),
    ],
)
def test_the_project_in_its_own_lock_is_known(
    tmp_path: Path, directory: LockedDirectory | None, is_it: bool
) -> None:
    project = tmp_path / "project"
    package = LockedPackage(position=0, name="demo", directory=directory)
    assert is_project_itself(package, project, project) is is_it
    assert not is_project_itself(package, None, project)


# Files that are added


def test_added_files_lie_where_they_are_told(tmp_path: Path) -> None:
    root = write(
        tmp_path, "one.txt", "tree/.well-known/x", "tree/sub/run", "tree/.git/HEAD", "tree/__pycache__/a.pyc"
    )
    (root / "tree" / "sub" / "run").chmod(0o755)
    found = added_entries(
        [
            parse_added("tree:/srv/www/", root),
            parse_added("one.txt:/etc/name.conf:640", root),
            parse_added("one.txt:/etc/", root),
            parse_added(f"{root}/one.txt:/top", Path("/nowhere")),
        ]
    )
    assert [(entry.path, oct(entry.mode)) for entry in found] == [
        ("etc/name.conf", "0o640"),
        ("etc/one.txt", "0o644"),
        ("srv/www/.well-known/x", "0o644"),
        ("srv/www/sub/run", "0o755"),
        ("top", "0o644"),
    ]
    forced = added_entries([parse_added("tree:/srv:0600", root)])
    assert {entry.mode for entry in forced} == {0o600}


def test_a_drive_belongs_to_the_path() -> None:
    found = parse_added("C:/x/y:/etc/y:600", Path())
    assert (found.source, found.destination, found.mode) == (Path("C:/x/y"), "/etc/y", 0o600)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one.txt",
        "one.txt:etc",
        ":/etc",
        "one.txt:/etc:4755",
        "one.txt:/etc:rw",
        "one.txt:/a/../b",
        "one.txt:/a//b",
        "gone:/etc",
    ],
)
def test_a_malformed_addition_is_wrong_usage(tmp_path: Path, text: str) -> None:
    write(tmp_path, "one.txt")
    with pytest.raises(UsageError) as caught:
        added_entries([parse_added(text, tmp_path)])
    assert caught.value.code == "E-IMAGE-ADD"


@given(st.text(max_size=30))
def test_any_addition_is_read_or_refused(text: str) -> None:
    try:
        found = parse_added(text, Path("/x"))
    except CrossdockError as error:
        assert error.code == "E-IMAGE-ADD"  # noqa: PT017
    else:
        assert found.destination.startswith("/")


def test_two_files_at_one_place_are_refused_unless_they_are_the_same() -> None:
    same = made_file("a/b", b"1")
    assert merged([same], [made_file("a/b", b"1")]) == (same,)
    for other in (
        made_file("a/b", b"2"),
        made_file("a/b", b"1", mode=0o755),
        made_file("a", b""),
        made_file("a/b/c", b""),
    ):
        with pytest.raises(ImageError) as caught:
            merged([same], [other])
        assert caught.value.code == "E-IMAGE-ADD-TWICE"


def test_nothing_may_lie_below_a_link_of_the_base() -> None:
    links = {"lib", "opt/x"}
    refuse_below_links(["usr/lib/a", "opt/y"], links.__contains__)
    for path in ("lib/a/b", "lib", "opt/x/y"):
        with pytest.raises(ImageError) as caught:
            refuse_below_links([path], links.__contains__)
        assert caught.value.code == "E-IMAGE-BELOW-LINK"
