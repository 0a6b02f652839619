"""`crossdock install` end to end: one and many targets, the layout, exact sync, collisions, other sources."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
import zipfile
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import ARM, MUSL, WINDOWS, names_below, native, tree_of
from tests.support.index import LoopbackIndex
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World


def check_record(root: Path) -> None:
    """Every file but the receipt is in one RECORD with its hash and size, and nothing else is."""
    listed = {}
    for record in root.glob("*.dist-info/RECORD"):
        for path, digest, size in csv.reader(record.read_text().splitlines()):
            assert path not in listed
            listed[path] = (digest, size)
    assert sorted(listed) == [name for name in names_below(root) if name != ".crossdock.json"]
    for path, (digest, size) in listed.items():
        if path.endswith(".dist-info/RECORD"):
            assert (digest, size) == ("", "")
            continue
        data = (root / path).read_bytes()
        expected = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert (digest, int(size)) == (f"sha256={expected}", len(data))


def test_a_foreign_tree_holds_the_targets_files_and_nothing_of_the_host(world: World) -> None:
    done = world.run("install", "app", "--for", ARM, "-t", "out")
    assert done.stdout == ""
    out = world.work / "out"
    assert [name for name in names_below(out) if "dist-info" not in name] == [
        ".crossdock.json",
        "app/__init__.py",
        "app/cli.py",
        "bin/app",
        "lib/__init__.py",
        "lib/core.cpython-312-aarch64-linux-gnu.so",
    ]
    check_record(out)
    assert (out / "bin/app").read_text().startswith("#!/usr/bin/env python3.12\n")
    assert (out / "app-1.0.dist-info/INSTALLER").read_text() == "crossdock\n"
    assert not (out / "app-1.0.dist-info/direct_url.json").exists()
    for name in names_below(out):
        assert str(world.root).encode() not in (out / name).read_bytes()


def test_several_targets_at_once_each_in_its_own_directory(world: World) -> None:
    result = world.json(
        "install", "app", "--for", ARM, "--for", MUSL, "--for", WINDOWS, "--for", ARM, "-t", "out"
    )["installed"]
    assert [one["target"] for one in result] == [ARM, MUSL, WINDOWS]
    for one in result:
        root = world.work / one["directory"]
        check_record(root)
        assert one["files"] == len(names_below(root)) - 1
    arm, musl, windows = (world.work / "out" / name for name in (ARM, MUSL, WINDOWS))
    assert (arm / "lib/core.cpython-312-aarch64-linux-gnu.so").exists()
    assert (musl / "lib/core.cpython-312-aarch64-linux-musl.so").exists()
    assert (windows / "wincolor.py").exists()
    assert not (arm / "wincolor.py").exists()
    assert world.fetched().count("app-1.0-py3-none-any.whl") == 1


def test_windows_gets_real_launchers_in_scripts(world: World) -> None:
    world.run("install", "app", "--for", WINDOWS, "-t", "out")
    launcher = world.work / "out/Scripts/app.exe"
    data = launcher.read_bytes()
    header = int.from_bytes(data[0x3C:0x40], "little")
    assert data[:2] == b"MZ"
    assert int.from_bytes(data[header + 4 : header + 6], "little") == 0x8664
    with zipfile.ZipFile(launcher) as archive:
        assert b"from app.cli import main" in archive.read("__main__.py")
    assert not (world.work / "out/bin").exists()


def test_scripts_name_the_targets_python_where_it_was_given(world: World) -> None:
    world.run("install", "app", "--for", ARM, "-t", "out", "--python-path", "/opt/py/bin/python3")
    assert (world.work / "out/bin/app").read_text().startswith("#!/opt/py/bin/python3\n")


def test_relocatable_script_runs_wherever_the_tree_was_moved(bare: World) -> None:
    make_wheel(
        bare.files,
        "tool",
        files={"tool.py": "def main():\n    print('ran')\n"},
        entry_points="[console_scripts]\ntool = tool:main\n",
    )
    import subprocess

    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    bare.run("install", "tool", "--for", "linux/amd64", "--python", minor, "-t", "out")
    moved = (bare.work / "out").rename(bare.root / "moved away")
    done = subprocess.run([sys.executable, moved / "bin/tool"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("ran\n", 0)


def test_every_scheme_has_its_place(bare: World) -> None:
    data = "demo-1.0.data"
    make_wheel(
        bare.files,
        files={
            "demo.py": "",
            f"{data}/purelib/pure.py": "",
            f"{data}/platlib/plat.py": "",
            f"{data}/scripts/run.sh": "#!/bin/sh\n",
            f"{data}/scripts/run.py": "#!python\nprint()\n",
            f"{data}/data/etc/demo.conf": "x",
            f"{data}/headers/demo.h": "",
        },
    )
    bare.run("install", "demo", "--for", ARM, "-t", "out")
    out = bare.work / "out"
    expected = {
        "demo.py",
        "pure.py",
        "plat.py",
        "bin/run.sh",
        "bin/run.py",
        "etc/demo.conf",
        "include/demo/demo.h",
    }
    assert expected <= set(names_below(out))
    assert (out / "bin/run.py").read_text() == "#!/usr/bin/env python3.12\nprint()\n"
    check_record(out)


def test_sync_is_exact_and_touches_nothing_foreign(world: World) -> None:
    world.run("install", "app[fancy]", "--for", ARM, "-t", "out")
    out = world.work / "out"
    (out / "mine.txt").write_text("mine")
    (out / "app/local.py").write_text("mine too")
    result = world.json("install", "app", "--for", ARM, "-t", "out")["installed"][0]
    assert not (out / "fancy.py").exists()
    assert not (out / "fancy-1.0.dist-info").exists()
    assert (out / "mine.txt").read_text() == "mine"
    assert (out / "app/local.py").read_text() == "mine too"
    assert (result["written"], result["removed"]) == (0, 5)
    world.run("install", "app", "--for", MUSL, "-t", "out")
    names = names_below(out)
    assert "lib/core.cpython-312-aarch64-linux-musl.so" in names
    assert "lib/core.cpython-312-aarch64-linux-gnu.so" not in names


def test_a_synced_tree_is_the_same_as_a_new_one(world: World) -> None:
    world.run("install", "app[fancy]", "lib<1.1", "--for", MUSL, "-t", "synced")
    world.run("install", "app", "--for", ARM, "-t", "synced")
    world.run("install", "app", "--for", ARM, "-t", "new")
    assert tree_of(world.work / "synced") == tree_of(world.work / "new")


def test_a_foreign_file_in_the_way_is_refused_by_name(world: World) -> None:
    world.run("install", "lib", "--for", ARM, "-t", "out")
    (world.work / "out/app").mkdir()
    (world.work / "out/app/cli.py").write_text("mine")
    before = tree_of(world.work / "out")
    assert "app/cli.py" in world.refused("install", "app", "--for", ARM, "-t", "out", code="E-SHIP-FOREIGN")
    assert tree_of(world.work / "out") == before


def test_two_wheels_that_write_one_path_differently_are_both_named(bare: World) -> None:
    make_wheel(bare.files, "one", files={"shared/x.py": "1"})
    make_wheel(bare.files, "two", files={"shared/x.py": "2"})
    make_wheel(bare.files, "three", files={"shared/x.py": "1"})
    text = bare.refused("install", "one", "two", "--for", ARM, "-t", "out", code="E-SHIP-COLLISION")
    assert "one 1.0" in text
    assert "two 1.0" in text
    assert "shared/x.py" in text
    assert not (bare.work / "out").exists()
    bare.run("install", "one", "three", "--for", ARM, "-t", "out")


def test_names_that_are_one_on_the_target_are_refused_there_only(bare: World) -> None:
    make_wheel(bare.files, "one", files={"shared/File.py": "1"})
    make_wheel(bare.files, "two", files={"shared/file.py": "1"})
    bare.run("install", "one", "two", "--for", ARM, "-t", "out")
    bare.refused("install", "one", "two", "--for", WINDOWS, "-t", "win", code="E-SHIP-COLLISION")


def test_a_wheel_that_lies_about_its_binaries_is_refused(bare: World) -> None:
    native(bare.files, "liar", machine="x86_64")
    text = bare.refused("install", "liar", "--for", ARM, "-t", "out", code="E-FINDINGS")
    assert "liar/core.cpython-312-aarch64-linux-gnu.so" in text
    assert not (bare.work / "out").exists()
    done = bare.run("install", "liar", "--for", ARM, "-t", "out", "--accept", "Liar")
    assert "accepted by name" in done.stderr
    assert (bare.work / "out/liar").is_dir()


def test_findings_refuse_the_download_too_and_again_from_memory(bare: World) -> None:
    native(bare.files, "liar", machine="x86_64")
    bare.run("lock", "liar", "--for", ARM)
    for _ in range(2):
        bare.refused("install", ".", "--for", ARM, "-t", "out", code="E-FINDINGS")
    bare.refused("download", ".", "--for", ARM, "-d", "dl", code="E-FINDINGS")
    assert not (bare.work / "dl").exists()


def test_a_broken_wheel_leaves_nothing(bare: World) -> None:
    members = wheel_files(files={"demo.py": "good"})
    members["demo.py"] = b"evil"
    (bare.files / "demo-1.0-py3-none-any.whl").write_bytes(zip_bytes(members))
    done = bare.run("install", "demo", "--for", ARM, "-t", "out", status=1)
    assert "demo.py" in done.stderr
    assert names_below(bare.work) == []
    accepted = bare.run("install", "demo", "--for", ARM, "-t", "out", "--allow-bad-record", "demo")
    assert (bare.work / "out/demo.py").read_text() == "evil"
    assert accepted.stdout == ""
    receipt = json.loads((bare.work / "out/.crossdock.json").read_bytes())
    assert any("demo.py" in note for note in receipt["packages"][0]["notes"])


def test_bytecode_is_dropped_and_hooks_are_told(bare: World) -> None:
    files = {"demo.py": "", "__pycache__/demo.cpython-312.pyc": b"\0", "demo.pth": "import demo\n"}
    make_wheel(bare.files, files=files)
    done = bare.run("install", "demo", "--for", ARM, "-t", "out")
    assert "runs at every start of Python: demo.pth (demo)" in done.stderr
    assert not list((bare.work / "out").rglob("*.pyc"))
    notes = json.loads((bare.work / "out/.crossdock.json").read_bytes())["packages"][0]["notes"]
    assert notes == ["start-up hook: demo.pth", "dropped: __pycache__/demo.cpython-312.pyc"]


@pytest.mark.parametrize("mode", ["hardlink", "copy", "auto"])
def test_link_modes(world: World, mode: str) -> None:
    world.run("install", "app", "--for", ARM, "-t", "out", "--link-mode", mode)
    links = (world.work / "out/app/cli.py").stat().st_nlink
    assert (links == 1) is (mode == "copy")
    assert (world.work / "out/bin/app").stat().st_nlink == 1


def test_quiet_says_nothing(world: World) -> None:
    done = world.run("install", "app", "--for", ARM, "-t", "out", "-q")
    assert (done.stdout, done.stderr) == ("", "")


# Other sources than names


def test_requirements_file_with_extras_constraints_and_hashes(world: World) -> None:
    wheel = world.files / "fancy-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (world.work / "more.txt").write_text("# more\napp[fancy]\n")
    (world.work / "constraints.txt").write_text("lib<1.1\n")
    (world.work / "requirements.txt").write_text(f"-r more.txt\nfancy==1.0 --hash=sha256:{digest}\n")
    words = ["-r", "requirements.txt", "-c", "constraints.txt", "--for", ARM, "-t"]
    world.run("install", *words, "out")
    assert (world.work / "out/fancy.py").exists()
    assert (world.work / "out/lib/__init__.py").read_text() == "VERSION = '1.0'\n"
    (world.work / "requirements.txt").write_text(f"app\nfancy==1.0 --hash=sha256:{'0' * 64}\n")
    world.refused("install", *words, "other", code="E-LOCK-HASH")
    assert not (world.work / "other").exists()


def test_project_with_extras_and_groups(world: World) -> None:
    (world.work / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.12"\ndependencies = ["app"]\n'
        '[project.optional-dependencies]\nextra = ["fancy"]\n[dependency-groups]\nold = ["wincolor"]\n'
        f'[tool.crossdock]\ntargets = ["{ARM}"]\n'
    )
    world.run("lock", ".", "--extra", "extra", "--group", "old")
    for words, expected in (
        ([], set()),
        (["--extra", "extra"], {"fancy.py"}),
        (["--all-extras"], {"fancy.py"}),
        (["--group", "old"], {"wincolor.py"}),
        (["--extra", "extra", "--group", "old"], {"fancy.py", "wincolor.py"}),
    ):
        world.run("install", ".", "-t", "out", *words)
        found = {path.name for path in (world.work / "out").glob("*.py")}
        assert found == expected, words
    world.run("install", ".", "-t", "out", "--extra", "nonsense", status=1)
    world.run("install", ".", "-t", "out", "--group", "nonsense", status=1)


def test_direct_url_is_recorded_without_its_login(world: World) -> None:
    make_wheel(world.files, "demo")
    url = f"{world.index.origin}/files/demo-1.0-py3-none-any.whl"
    secret = url.replace("http://", "http://user:hunter2-canary@")
    world.run("install", f"demo @ {secret}", "--for", ARM, "-t", "out")
    value = json.loads((world.work / "out/demo-1.0.dist-info/direct_url.json").read_bytes())
    digest = hashlib.sha256((world.files / "demo-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert value == {"url": url, "archive_info": {"hashes": {"sha256": digest}}}
    check_record(world.work / "out")


def test_a_url_may_be_longer_than_a_path(world: World) -> None:
    make_wheel(world.files, "demo")
    url = f"{world.index.origin}/files/demo-1.0-py3-none-any.whl?signature={'x' * 5000}"
    world.run("install", f"demo @ {url}", "--for", ARM, "-t", "out")
    assert (world.work / "out/demo/__init__.py").exists()


def test_a_local_wheel_is_installed_and_its_path_is_not_told(bare: World) -> None:
    (bare.work / "wheels").mkdir()
    make_wheel(bare.work / "wheels")
    bare.run("install", "./wheels/demo-1.0-py3-none-any.whl", "--for", ARM, "-t", "out")
    assert (bare.work / "out/demo/__init__.py").exists()
    for name in names_below(bare.work / "out"):
        assert b"wheels" not in (bare.work / "out" / name).read_bytes()


def test_version_control_is_refused_with_what_to_do(bare: World) -> None:
    done = bare.run("install", "demo @ git+https://127.0.0.1:9/demo.git", "--for", ARM, "-t", "out", status=1)
    assert "[E-LOCK" in done.stderr
    lock = bare.work / "pylock.toml"
    lock.write_text(
        'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "demo"\nversion = "1"\n'
        '[packages.vcs]\ntype = "git"\nurl = "https://127.0.0.1:9/demo.git"\n'
        f'commit-id = "{"0" * 40}"\n'
    )
    text = bare.refused("install", ".", "--for", ARM, "-t", "out", code="E-LOCK-VCS")
    assert "hint:" in text


def test_a_script_brings_its_own_requirements(world: World) -> None:
    (world.work / "job.py").write_text(
        '# /// script\n# requires-python = ">=3.12"\n# dependencies = ["app[fancy]"]\n# ///\nprint()\n'
    )
    world.run("install", "job.py", "--for", ARM, "-t", "out")
    assert (world.work / "out/fancy.py").exists()


def test_a_uv_project_is_taken_as_uv_locked_it(world: World) -> None:
    import subprocess

    import uv

    (world.work / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["app", "lib<1.1"]\n'
    )
    environ = {**world.variables(), "UV_PYTHON_DOWNLOADS": "never"}
    command = [uv.find_uv_bin(), "lock", "--quiet", "--python", sys.executable]
    subprocess.run(command, cwd=world.work, env=environ, check=True)
    # What came later does not count: uv has locked.
    native(world.files, "lib", "1.0.1")
    world.run("install", ".", "--for", ARM, "-t", "out")
    assert (world.work / "out/lib/__init__.py").read_text() == "VERSION = '1.0'\n"
    assert not (world.work / "out/mine").exists()


def test_only_binary_and_no_binary(world: World) -> None:
    from tests.cli.sdists import pure_sdist

    pure_sdist(world.files, "pure")
    words = ["install", "pure", "--for", ARM, "-t", "out"]
    world.run(*words, "--only-binary", ":all:", "--allow-build", "pure", status=1)
    world.run(*words, "--allow-build", "pure")
    assert (world.work / "out/pure.py").exists()
    world.run("install", "fancy", "--no-binary", "fancy", "--for", ARM, "-t", "none", status=1)
    assert not (world.work / "none").exists()


def test_an_index_that_only_speaks_html(world: World) -> None:
    with LoopbackIndex(world.files, only_html=True, metadata=False) as other:
        world.run("install", "app", "--for", ARM, "-t", "out", environ={"UV_DEFAULT_INDEX": other.url})
    check_record(world.work / "out")
