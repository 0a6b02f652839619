"""`crossdock bazel` without Bazel: what is written, what `--check` says, and what is refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import starlark
from tests.cli.bazel_world import NAMES, TARGETS, LockedProject
from tests.cli.world import tree_of
from tests.support.bazel import format_problems
from tests.support.wheels import make_wheel

from crossdock.lock.uv import uv_executable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World

OUT = "third_party/py"


@pytest.fixture(scope="module")
def locked_project(tmp_path_factory: pytest.TempPathFactory) -> LockedProject:
    return LockedProject.make(tmp_path_factory.mktemp("locked"))


@pytest.fixture
def project(bare: World, locked_project: LockedProject) -> World:
    """A locked project in a workspace."""
    locked_project.fill(bare)
    (bare.work / "MODULE.bazel").write_text("")
    return bare


def generate(world: World, *words: str | Path, out: str = OUT) -> dict[str, Any]:
    world.run("bazel", ".", *TARGETS, "--out", out, *words)
    lock: dict[str, Any] = json.loads((world.work / out / "lock.json").read_bytes())
    return lock


def starlark_files(root: Path) -> list[Path]:
    return sorted((*root.rglob("*.bzl"), *root.rglob("BUILD.bazel")))


# What is written


def test_the_lock_says_what_each_platform_takes(project: World) -> None:
    lock = generate(project)
    assert sorted(lock["targets"]) == sorted(NAMES)
    assert lock["targets"]["musllinux_1_2_aarch64"]["constraints"] == [
        "@platforms//os:linux",
        "@platforms//cpu:aarch64",
        ":musl",
    ]
    assert lock["targets"]["linux_amd64"]["python"] == "python3.12"
    assert lock["targets"]["linux_amd64"]["needs"]["web"] == ["fastlib", "large", "numlib"]
    assert lock["targets"]["linux_amd64"]["circles"] == [["ring-a", "ring-b"]]
    assert len(set(lock["packages"]["numlib"].values())) == 3
    assert len(set(lock["packages"]["web"].values())) == 1
    # The project itself is what Bazel builds.
    assert "service" not in lock["packages"]
    by_package = {one["package"]: one for one in lock["wheels"].values()}
    assert by_package["buildy"]["build_files"] == ["buildy/data/BUILD"]
    assert by_package["acme-one"]["namespaces"] == ["acme"]
    assert by_package["oldstyle"]["imports"] == ["oldstyle-1.0.data/purelib"]
    for name, one in lock["wheels"].items():
        assert name == f"pypi__{one['package'].replace('-', '_')}__{one['sha256'][:8]}"


def test_what_was_built_is_checked_in_and_says_from_what(project: World) -> None:
    lock = generate(project)
    (built,) = [one for one in lock["wheels"].values() if "built_from" in one]
    sdist = project.files / "builthere-1.0.tar.gz"
    assert built["built_from"]["filename"] == sdist.name
    assert built["built_from"]["sha256"] == hashlib.sha256(sdist.read_bytes()).hexdigest()
    assert built["file"] == f"wheels/{built['filename']}"
    assert "urls" not in built
    content = (project.work / OUT / built["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == built["sha256"]
    assert all(one["urls"][0].startswith("http://") for one in lock["wheels"].values() if one is not built)


def test_everything_may_come_from_a_wheelhouse(project: World) -> None:
    lock = generate(project, "--base-url", "https://wheels.example.com/team/", "--distdir", "dist")
    base = "https://wheels.example.com/team/files"
    for one in lock["wheels"].values():
        assert one["urls"] == [f"{base}/{one['package']}/{one['filename']}"]
        path = project.work / "dist" / one["filename"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
    assert not (project.work / OUT / "wheels").exists()


def test_the_files_are_the_starlark_that_people_write(project: World) -> None:
    generate(project, "--workspace")
    files = starlark_files(project.work / OUT)
    assert {path.name for path in files} == {
        "BUILD.bazel", "deps.bzl", "extensions.bzl", "layer.bzl", "repositories.bzl",
    }  # fmt: skip
    for path in files:
        starlark.parse(str(path), path.read_text())
    assert format_problems(files) == ""


def test_the_files_are_the_same_wherever_they_are_made(project: World) -> None:
    generate(project)
    first = tree_of(project.work / OUT)
    other = {"HOME": "/nowhere", "LANG": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    project.run("bazel", ".", *TARGETS, "--out", "other/py", environ=other)
    second = tree_of(project.work / "other" / "py")
    # USAGE.md alone has the directory's label in it.
    assert {k: v[0] for k, v in first.items() if k != "USAGE.md"} == {
        k: v[0] for k, v in second.items() if k != "USAGE.md"
    }
    for path in (project.work / OUT).rglob("*"):
        if path.is_file():
            assert str(project.root).encode() not in path.read_bytes(), path


def test_the_usage_names_what_is_there(project: World) -> None:
    generate(project, "--hub", "wheels", "--prefix", "/srv/app", out="tools/pip")
    text = (project.work / "tools/pip/USAGE.md").read_text()
    assert 'use_extension("//tools/pip:extensions.bzl", "crossdock")' in text
    assert 'use_repo(crossdock, "wheels")' in text
    assert '"//tools/pip/platforms:musllinux_1_2_aarch64",' in text
    assert "/srv/app/bin/python" in text
    assert "WORKSPACE" not in text
    for part in text.split("```starlark\n")[1:]:
        starlark.parse("USAGE.md", part.split("```")[0])


def test_workspace_is_told_from_the_workspace(project: World) -> None:
    (project.work / "MODULE.bazel").unlink()
    (project.work / "WORKSPACE.bazel").write_text("")
    generate(project)
    assert "crossdock_deps()" in (project.work / OUT / "deps.bzl").read_text()


# A second run, and --check


def test_a_second_run_changes_nothing_and_check_agrees(project: World) -> None:
    generate(project)
    before = tree_of(project.work / OUT)
    assert "nothing changed" in project.run("bazel", ".", *TARGETS, "--offline").stderr
    assert tree_of(project.work / OUT) == before
    project.run("bazel", ".", *TARGETS, "--check", "--offline")
    assert tree_of(project.work / OUT) == before


def test_check_fails_where_a_file_is_not_what_it_should_be(project: World) -> None:
    generate(project)
    out = project.work / OUT
    (out / "layer.bzl").write_text("# edited\n")
    (out / "platforms" / "BUILD.bazel").unlink()
    (wheel,) = (out / "wheels").iterdir()
    wheel.write_bytes(wheel.read_bytes() + b"x")
    before = tree_of(out)
    said = project.refused("bazel", ".", *TARGETS, "--check", code="E-BAZEL-STALE")
    assert "layer.bzl: differs" in said
    assert "platforms/BUILD.bazel: missing" in said
    assert f"wheels/{wheel.name}: differs" in said
    assert tree_of(out) == before
    generate(project)
    project.run("bazel", ".", *TARGETS, "--check")


def test_check_fails_when_the_lock_moved_on(project: World) -> None:
    generate(project)
    make_wheel(project.files, "fastlib", "1.1", files={"fastlib.py": "NEW = 1\n"})
    words = ["--allow-build", "builthere", "--upgrade"]
    project.run("lock", ".", *TARGETS, *words, "-o", "pylock.toml")
    said = project.refused("bazel", ".", *TARGETS, "--check", code="E-BAZEL-STALE")
    assert "lock.json: differs" in said


def test_wheels_that_the_lock_no_longer_names_go(project: World) -> None:
    generate(project)
    (project.work / OUT / "wheels" / "of-the-user.txt").write_text("")
    path = project.work / "pyproject.toml"
    path.write_text(path.read_text().replace(', "builthere"', ""))
    project.run("lock", ".", *TARGETS, "-o", "pylock.toml")
    said = project.refused("bazel", ".", *TARGETS, "--check", code="E-BAZEL-STALE")
    assert "left over" in said
    generate(project)
    assert [path.name for path in (project.work / OUT / "wheels").iterdir()] == ["of-the-user.txt"]


def test_files_for_other_rule_sets_come_and_go(project: World) -> None:
    words = [word for name in ("rules_python", "rules_pycross", "gazelle") for word in ("--adapter", name)]
    project.refused("bazel", ".", *TARGETS, *words, code="E-BAZEL-NO-URL", status=2)
    assert not (project.work / OUT).exists()
    generate(project, *words, "--distdir", "dist", "--workspace")
    out = project.work / OUT
    extra = {
        "deps.bzl",
        "gazelle.BUILD.bazel.txt",
        "gazelle_python.yaml",
        "pylock.toml",
        "rules_pycross.MODULE.bazel",
        "rules_python.MODULE.bazel",
        *(f"requirements.{name}.txt" for name in NAMES),
    }
    assert extra <= {path.name for path in out.iterdir()}
    assert "web[fast] @ http://" in (out / "requirements.linux_arm64.txt").read_text()
    assert format_problems(sorted(out.glob("*.MODULE.bazel"))) == ""
    project.run("bazel", ".", *TARGETS, *words, "--distdir", "dist", "--workspace", "--check")
    said = project.refused("bazel", ".", *TARGETS, "--check", code="E-BAZEL-STALE")
    assert "pylock.toml: left over" in said
    generate(project)
    assert not extra & {path.name for path in out.iterdir()}


def test_rules_py_gets_the_projects_uv_lock(project: World) -> None:
    (project.work / "pylock.toml").unlink()
    path = project.work / "pyproject.toml"
    # uv runs the source distribution's backend, by a Python of this machine.
    path.write_text(path.read_text().replace(">=3.12", ">=3.11"))
    words = [
        "bazel",
        ".",
        *TARGETS,
        "--adapter",
        "rules_py",
        "--base-url",
        "https://wheels.example.com/a b",
        "--allow-build",
        "builthere",
    ]
    project.refused(*words, code="E-BAZEL-UV-LOCK", status=2)
    subprocess.run(
        [uv_executable(), "lock", "--quiet"],
        cwd=project.work,
        env=project.variables(),
        check=True,
        timeout=60,
    )
    # uv itself knows no distdir: a URL that leads nowhere would break it.
    at = words.index("--base-url")
    offline = [*words[:at], "--distdir", "dist", *words[at + 2 :]]
    project.refused(*offline, code="E-BAZEL-NO-URL", status=2)
    project.run(*words)
    before, after = ((project.work / place / "uv.lock").read_text() for place in (".", OUT))
    (added,) = [line for line in after.splitlines() if line not in before]
    assert '"https://wheels.example.com/a%20b/' in added
    assert "builthere-1.0-py3-none-any.whl" in added


def test_labels_name_a_hidden_directory_as_it_is_called(project: World) -> None:
    generate(project, "--adapter", "rules_pycross", out=".third/py")
    fragment = (project.work / ".third" / "py" / "rules_pycross.MODULE.bazel").read_text()
    assert 'lock_file = "//.third/py:pylock.toml"' in fragment


# What is refused


def test_a_directory_of_somebody_else_is_left_alone(project: World) -> None:
    out = project.work / OUT
    out.mkdir(parents=True)
    for content in ('{"packages": {}}', "not json", '{"form": 1, "hub": "x", "files": [], "wheels": 1}'):
        (out / "lock.json").write_text(content)
        project.refused("bazel", ".", *TARGETS, code="E-BAZEL-FOREIGN")
        assert [path.name for path in out.iterdir()] == ["lock.json"]


def test_files_of_the_user_are_not_written_over(project: World) -> None:
    (project.work / "BUILD.bazel").write_text("# mine\n")
    said = project.refused("bazel", ".", *TARGETS, "--out", ".", code="E-BAZEL-FOREIGN")
    assert "BUILD.bazel" in said
    assert (project.work / "BUILD.bazel").read_text() == "# mine\n"
    assert not (project.work / "lock.json").exists()
    (project.work / "BUILD.bazel").unlink()
    generate(project, out=".")
    assert '"//platforms:linux_arm64",' in (project.work / "USAGE.md").read_text()
    # The project's own lock is none of the generated files.
    before = (project.work / "pylock.toml").read_bytes()
    words = ["--out", ".", "--adapter", "rules_pycross"]
    assert "pylock.toml" in project.refused("bazel", ".", *TARGETS, *words, code="E-BAZEL-FOREIGN")
    assert (project.work / "pylock.toml").read_bytes() == before


def test_a_run_that_was_killed_is_finished_by_the_next(project: World) -> None:
    generate(project)
    whole = tree_of(project.work / OUT)
    for name in ("USAGE.md", "extensions.bzl", "platforms/BUILD.bazel"):
        (project.work / OUT / name).write_text("of an older version\n")
    (project.work / OUT / "layer.bzl").unlink()
    generate(project)
    assert {path: row[0] for path, row in tree_of(project.work / OUT).items()} == {
        path: row[0] for path, row in whole.items()
    }


def test_line_ends_that_git_changed_are_no_difference(project: World) -> None:
    generate(project)
    for path in starlark_files(project.work / OUT):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    project.run("bazel", ".", *TARGETS, "--check")


def test_two_hubs_share_what_tells_glibc_from_musl(project: World) -> None:
    generate(project)
    words = ["--out", "third_party/other", "--hub", "other", "--libc-of", "//third_party/py/platforms"]
    project.run("bazel", ".", *TARGETS, *words)
    lock = json.loads((project.work / "third_party/other/lock.json").read_text())
    assert "//third_party/py/platforms:musl" in lock["targets"]["musllinux_1_2_aarch64"]["constraints"]
    text = (project.work / "third_party/other/platforms/BUILD.bazel").read_text()
    assert "constraint_setting" not in text
    assert format_problems(starlark_files(project.work / "third_party/other")) == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--hub", "a b"], "E-BAZEL-HUB"),
        (["--hub", "a__b"], "E-BAZEL-HUB"),
        (["--prefix", "app"], "E-BAZEL-PREFIX"),
        (["--prefix", '/a"b'], "E-BAZEL-PREFIX"),
        (["--base-url", "ftp://x"], "E-BAZEL-URL"),
        (["--libc-of", "third_party"], "E-BAZEL-LABEL"),
        (["--out", 'third "party"/py'], "E-BAZEL-LABEL"),
        (["--for", "manylinux2014_aarch64"], "E-BAZEL-TARGETS"),
    ],
)
def test_options_that_cannot_be(project: World, words: list[str], code: str) -> None:
    project.refused("bazel", ".", *TARGETS, *words, code=code, status=2)
    assert not (project.work / OUT).exists()


def test_what_does_not_fit_is_not_written(project: World) -> None:
    make_wheel(
        project.files, "bad", tag="cp312-cp312-manylinux2014_x86_64", files={"bad/core.so": b"\x7fELFnot one"}
    )
    make_wheel(
        project.files, "bad", tag="cp312-cp312-manylinux2014_aarch64", files={"bad/core.so": b"\x7fELF"}
    )
    words = ["bad", "--for", "linux/amd64", "--for", "linux/arm64", "--python", "3.12"]
    project.run("bazel", *words, status=1)
    assert not (project.work / OUT).exists()


# The packer


def test_the_packer_needs_nothing_but_python(project: World) -> None:
    lock = generate(project, "--distdir", "dist")
    name = next(one["filename"] for one in lock["wheels"].values() if one["package"] == "web")
    wheel = project.work / "dist" / name
    words = ["wheels", "--out", "web.tar.gz", "--prefix", "/app", "--python", "python3.12", "--wheel", wheel]
    packer = project.work / OUT / "packer.py"
    for options in (["-I", "-S"], ["-I", "-S", "-W", "error"]):
        done = subprocess.run(
            [sys.executable, *options, str(packer), *map(str, words)],
            cwd=project.work, env={}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (packer.parent / "__pycache__").exists()


def test_the_packer_refuses_what_is_no_wheel(project: World) -> None:
    generate(project)
    (project.work / "x-1.0-py3-none-any.whl").write_bytes(b"no zip")
    words = ["wheels", "--out", "x.tar.gz", "--prefix", "/app", "--python", "python3.12"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(project.work / OUT / "packer.py"), *words, "--wheel", "x-1.0-py3-none-any.whl"],
        cwd=project.work, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "x-1.0-py3-none-any.whl" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(project.work.glob("*x.tar.gz*"))
