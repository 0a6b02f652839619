"""`crossdock lambda` as people run it: which files lie where in which zip, and what its bytes depend on."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import elf, native
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.world import World

ARM = "lambda-python3.12-arm64"
INTEL = "lambda-python3.12-x86_64"
GOOGLE = "gcf-python3.12"
AZURE = "azure-functions-python3.12"
PREFIXES = {"plain": "python/", "versioned": "python/lib/python3.12/site-packages/"}
SO = "lib/core.cpython-312-aarch64-linux-gnu.so"


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def content(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def modules(root: Path, files: Mapping[str, str] | None = None) -> Path:
    for name, text in (files or {"handler.py": "def main(event, context):\n    return event\n"}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def function(world: World, *words: str | Path, source: str | Path = "app", name: str = "f.zip") -> Path:
    world.run("lambda", source, "--for", ARM, "-o", name, *words)
    return world.work / name


@pytest.fixture
def locked(world: World) -> World:
    """A lock of the small application for the places, and a directory of modules."""
    targets = [word for target in (ARM, INTEL, GOOGLE, AZURE) for word in ("--for", target)]
    world.run("lock", "app", *targets, "-o", "pylock.toml")
    modules(world.work / "code")
    return world


# The zip's own form


def test_members_are_sorted_and_say_nothing_of_when_and_where(locked: World) -> None:
    path = function(locked, "--app", "code", source="pylock.toml")
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        assert archive.comment == b""
    listed = [info.filename.encode() for info in infos]
    assert listed == sorted(set(listed))
    for info in infos:
        assert (info.date_time, info.create_system, info.extra, info.comment) == (
            (1980, 1, 1, 0, 0, 0),
            3,
            b"",
            b"",
        )
        assert (info.flag_bits, info.create_version, info.extract_version) == (0, 20, 20)
        program = info.filename.startswith("bin/")
        assert info.external_attr == (0o100755 if program else 0o100644) << 16, info.filename
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_compressed_bytes_are_those_of_the_wheel(locked: World) -> None:
    path = function(locked, source="pylock.toml")
    wheel = next(locked.files.glob("lib-1.1-*manylinux2014_aarch64.whl"))
    for name in (SO, "lib/__init__.py"):
        assert packed(path, name) == packed(wheel, name)


def packed(path: Path, name: str) -> bytes:
    data = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo(name)
    at = info.header_offset
    start = (
        at
        + 30
        + int.from_bytes(data[at + 26 : at + 28], "little")
        + int.from_bytes(data[at + 28 : at + 30], "little")
    )
    return data[start : start + info.compress_size]


@pytest.mark.parametrize(
    "changed",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"LC_ALL": "C", "LANG": "C"},
        {"PYTHONHASHSEED": "7"},
        {"SOURCE_DATE_EPOCH": "1700000000"},
        {"HOME": "/nowhere", "CROSSDOCK_STORE": None},
    ],
    ids=lambda one: next(iter(one)),
)
def test_nothing_of_the_host_shows(locked: World, changed: dict[str, str | None]) -> None:
    first = function(locked, "--app", "code", source="pylock.toml").read_bytes()
    locked.run("lambda", "pylock.toml", "--app", "code", "--for", ARM, "-o", "again.zip", environ=changed)
    assert (locked.work / "again.zip").read_bytes() == first


def test_umask_modes_and_dates_of_the_application_do_not_show(locked: World) -> None:
    first = function(locked, "--app", "code", source="pylock.toml").read_bytes()
    os.utime(locked.work / "code" / "handler.py", (1, 1))
    (locked.work / "code" / "handler.py").chmod(0o600)
    script = f"umask 077; exec {Path(sys.executable).with_name('crossdock')} lambda pylock.toml --app code --for {ARM} -o u.zip"
    subprocess.run(
        ["sh", "-c", script], cwd=locked.work, env=locked.variables(), check=True, capture_output=True
    )
    assert (locked.work / "u.zip").read_bytes() == first
    assert stat.S_IMODE((locked.work / "u.zip").stat().st_mode) == 0o644


def test_hashes_are_told_as_terraform_and_aws_spell_them(locked: World) -> None:
    done = locked.run("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip")
    digest = hashlib.sha256((locked.work / "f.zip").read_bytes())
    told = base64.b64encode(digest.digest()).decode()
    assert done.stdout == f"f.zip  sha256 {digest.hexdigest()}  source_code_hash {told}\n"
    receipt = locked.json("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip")["bundles"][0]
    (one,) = receipt["zips"]
    assert (one["sha256"], one["source_code_hash"]) == (digest.hexdigest(), told)
    assert one["size"] == (locked.work / "f.zip").stat().st_size
    assert [package["name"] for package in one["packages"]] == ["app", "lib"]
    assert str(locked.root) not in json.dumps(receipt)


# What is in it


def test_a_function_is_installed_as_pip_installs_it(locked: World) -> None:
    path = function(locked, "--app", "code", source="pylock.toml")
    found = names(path)
    assert {"handler.py", "app/cli.py", SO, "app-1.0.dist-info/METADATA", "bin/app"} <= set(found)
    assert not [
        name for name in found if name.rpartition("/")[2] in ("INSTALLER", "REQUESTED", "direct_url.json")
    ]
    record = content(path, "app-1.0.dist-info/RECORD").decode().splitlines()
    assert sorted(line.split(",")[0] for line in record) == sorted(
        name for name in found if name.startswith(("app", "bin/"))
    )
    assert content(path, "bin/app").startswith(b"#!/usr/bin/env python3.12\n")


@pytest.mark.parametrize("layout", PREFIXES)
def test_a_layer_has_the_packages_below_python(locked: World, layout: str) -> None:
    found = names(function(locked, "--layer", "--layer-layout", layout, source="pylock.toml"))
    assert all(name.startswith(PREFIXES[layout]) for name in found)
    assert f"{PREFIXES[layout]}{SO}" in found
    path = locked.work / "f.zip"
    record = content(path, f"{PREFIXES[layout]}lib-1.1.dist-info/RECORD").decode()
    assert record.startswith("lib-1.1.dist-info/METADATA,"), "relative to the directory of the packages"


def test_a_split_has_two_zips_that_together_are_the_whole(locked: World) -> None:
    whole = names(function(locked, "--app", "code", source="pylock.toml"))
    locked.run("lambda", "pylock.toml", "--app", "code", "--for", ARM, "--split", "-o", "s.zip")
    assert names(locked.work / "s.zip") == ["handler.py"]
    layer = names(locked.work / "s-layer.zip")
    assert sorted(["handler.py", *(name.removeprefix("python/") for name in layer)]) == sorted(whole)


def test_several_places_from_one_lock(locked: World) -> None:
    words = [word for target in (ARM, INTEL, GOOGLE, AZURE) for word in ("--for", target)]
    locked.run("lambda", "pylock.toml", "--app", "code", *words, "-o", "out/{target}.zip")
    google = locked.work / "out" / f"{GOOGLE}.zip"
    wheels = [name for name in names(google) if name.startswith("vendor/")]
    assert wheels == [
        "vendor/app-1.0-py3-none-any.whl",
        "vendor/lib-1.1-cp312-cp312-manylinux2014_x86_64.whl",
    ]
    assert content(google, wheels[1]) == (locked.files / wheels[1].removeprefix("vendor/")).read_bytes()
    digests = [hashlib.sha256(content(google, name)).hexdigest() for name in wheels]
    assert content(google, "requirements.txt").decode() == (
        f"app==1.0 --hash=sha256:{digests[0]}\nlib==1.1 --hash=sha256:{digests[1]}\n"
    )
    azure = names(locked.work / "out" / f"{AZURE}.zip")
    assert "handler.py" in azure
    assert ".python_packages/lib/site-packages/app/cli.py" in azure
    assert "lib/core.cpython-312-x86_64-linux-gnu.so" in names(locked.work / "out" / f"{INTEL}.zip")


def test_a_project_with_a_build_system_is_shipped_as_its_wheel(world: World) -> None:
    root = modules(
        world.work / "proj",
        {
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n'
            '[project]\nname = "proj"\nversion = "2.0"\ndependencies = ["lib"]\n',
            "back.py": BACKEND,
            "src/proj/__init__.py": "def handler(event, context):\n    return 1\n",
        },
    )
    world.run("lock", ".", "--for", ARM, cwd=root)
    world.run("lambda", ".", "--for", ARM, "-o", "f.zip", cwd=root)
    found = names(root / "f.zip")
    assert {"proj/__init__.py", "proj-2.0.dist-info/RECORD", SO} <= set(found)
    assert not [name for name in found if "pyproject" in name or "src" in name]
    world.run("lambda", ".", "--for", ARM, "--layer", "-o", "l.zip", cwd=root)
    assert not [name for name in names(root / "l.zip") if "proj" in name], (
        "a layer has the dependencies alone"
    )


BACKEND = """
import base64, hashlib, os, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "proj-2.0-py3-none-any.whl"
    files = {
        "proj/__init__.py": open("src/proj/__init__.py", "rb").read(),
        "proj-2.0.dist-info/METADATA": b"Metadata-Version: 2.1\\nName: proj\\nVersion: 2.0\\nRequires-Dist: lib\\n",
        "proj-2.0.dist-info/WHEEL": b"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    for path, data in files.items():
        value = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={value},{len(data)}")
    rows.append("proj-2.0.dist-info/RECORD,,")
    files["proj-2.0.dist-info/RECORD"] = "\\n".join(rows).encode() + b"\\n"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return name
"""


def test_links_become_files(locked: World) -> None:
    code = modules(locked.work / "code", {"real.py": "R = 1\n", "data/one.txt": "1"})
    (code / "link.py").symlink_to("real.py")
    (code / "more").symlink_to("data")
    path = function(locked, "--app", "code", source="pylock.toml")
    assert {"link.py", "more/one.txt", "data/one.txt"} <= set(names(path))
    assert content(path, "link.py") == b"R = 1\n"
    (code / "data" / "loop").symlink_to("../data")
    locked.refused("lambda", "pylock.toml", "--app", "code", "--for", ARM, "-o", "x.zip", code="E-APP-LINK")


def test_earlier_zips_and_this_ones_are_not_shipped(locked: World) -> None:
    code = locked.work / "code"
    for name in ("a.zip", "b.zip", "a.zip"):
        locked.run("lambda", "../pylock.toml", "--app", ".", "--for", ARM, "-o", name, cwd=code)
        assert not [one for one in names(code / name) if one.endswith(".zip")]
    with zipfile.ZipFile(code / "b.zip", "w") as archive:
        archive.writestr("mine", b"1")
    locked.run("lambda", "../pylock.toml", "--app", ".", "--for", ARM, "-o", "a.zip", cwd=code)
    assert "b.zip" in names(code / "a.zip"), "a zip of the user's own is"


def test_what_is_shipped_does_not_depend_on_earlier_runs(locked: World) -> None:
    code = locked.work / "code"
    words = ["lambda", "../pylock.toml", "--app", ".", "--for", ARM]
    locked.run(*words, "-o", "a.zip", cwd=code)
    first = (code / "a.zip").read_bytes()
    locked.run(*words, "-o", "a.zip", "--report", "sizes.html", cwd=code)
    fresh = {"CROSSDOCK_STORE": str(locked.root / "another")}
    done = locked.run(*words, "-o", "b.zip", cwd=code, environ=fresh)
    assert (code / "a.zip").read_bytes() == (code / "b.zip").read_bytes() == first
    assert "`a.zip`" in done.stderr
    assert "`sizes.html`" in done.stderr


def test_all_targets_are_judged_before_one_is_written(locked: World) -> None:
    (locked.work / "code" / "mod.abi3.so").write_bytes(elf("x86_64"))
    words = ["lambda", "pylock.toml", "--app", "code", "--for", INTEL, "--for", ARM, "-o", "f-{arch}.zip"]
    said = locked.refused(*words, code="E-FINDINGS")
    assert "--accept 'the application'" in said
    assert not list(locked.work.glob("f-*.zip"))
    locked.run(*words, "--accept", "the application")
    assert len(list(locked.work.glob("f-*.zip"))) == 2
    assert not list(locked.work.glob(".*staged"))


def test_a_program_for_another_cpu_is_refused(locked: World) -> None:
    (locked.work / "code" / "tool").write_bytes(elf("x86_64"))
    locked.refused("lambda", "pylock.toml", "--app", "code", "--for", ARM, "-o", "f.zip", code="E-FINDINGS")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--for", GOOGLE, "--bytecode"], "E-BUNDLE-OPTION"),
        (["--for", AZURE, "--without-provided"], "E-BUNDLE-OPTION"),
        (["--for", AZURE, "--s3"], "E-BUNDLE-OPTION"),
        (["--for", ARM, "--layer-layout", "versioned"], "E-BUNDLE-OPTION"),
        (["--for", ARM, "--with-layer", "f.zip"], "E-BUNDLE-OUTPUT"),
        (["--for", ARM, "--split", "--with-layer", "f-layer.zip"], "E-BUNDLE-OUTPUT"),
        (["--for", ARM, "--report", "f.zip"], "E-BUNDLE-OUTPUT"),
    ],
)
def test_words_that_would_do_nothing_or_harm_are_refused(locked: World, words: list[str], code: str) -> None:
    for name in ("f.zip", "f-layer.zip"):
        (locked.work / name).write_bytes(zip_bytes({"python/mine.py": b""}))
    before = (locked.work / "f.zip").read_bytes()
    locked.refused("lambda", "pylock.toml", "--app", "code", "-o", "f.zip", *words, code=code, status=2)
    assert (locked.work / "f.zip").read_bytes() == before


def test_an_installed_copy_of_a_package_is_told(locked: World) -> None:
    info = locked.work / "code" / "lib-1.1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("lib/__init__.py,,\n")
    said = locked.refused(
        "lambda", "pylock.toml", "--app", "code", "--for", ARM, "-o", "f.zip", code="E-SHIP-COLLISION"
    )
    assert "lib 1.1" in said


def test_a_directory_in_the_zips_place_is_told(locked: World) -> None:
    (locked.work / "out.zip").mkdir()
    said = locked.refused(
        "lambda", "pylock.toml", "--for", ARM, "-o", "out.zip", code="E-BUNDLE-OUTPUT", status=2
    )
    assert "is a directory" in said


def test_settings_speak_where_the_command_line_does_not(locked: World) -> None:
    settings = '[tool.crossdock.lambda]\napp = "code"\nexclude = ["*.md"]\nlayer-layout = "versioned"\nsplit = true\n'
    (locked.work / "pyproject.toml").write_text(settings)
    modules(locked.work / "code", {"README.md": "x"})
    function(locked, source="pylock.toml")
    assert names(locked.work / "f.zip") == ["handler.py"]
    assert all(name.startswith(PREFIXES["versioned"]) for name in names(locked.work / "f-layer.zip"))
    assert len(names(function(locked, "--no-split", source="pylock.toml"))) > 5
    (locked.work / "pyproject.toml").write_text("[tool.crossdock.lambda]\nlayout = 1\n")
    locked.refused("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", code="E-SETTINGS-UNKNOWN", status=2)


# Pruning, the runtime's own packages, compiled modules


def test_pruning_rewrites_record_and_tells_what_it_took(world: World) -> None:
    inside = {"pkg/__init__.py": "", "pkg/tests/test_it.py": "import pkg\n", "pkg/a.pyi": "x: int\n"}
    make_wheel(world.files, "pkg", files=inside)
    world.run("lock", "pkg", "--for", ARM, "-o", "pylock.toml")
    (told,) = world.json("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", "--prune", "all")["bundles"]
    found = names(world.work / "f.zip")
    assert "pkg/__init__.py" in found
    assert not [name for name in found if "tests" in name or name.endswith(".pyi")]
    record = content(world.work / "f.zip", "pkg-1.0.dist-info/RECORD").decode()
    assert "tests" not in record
    assert {one["rule"]: one["paths"] for one in told["removed"]} == {
        "tests": ["pkg/tests/test_it.py"],
        "stubs": ["pkg/a.pyi"],
    }
    done = world.run("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", "--prune", "all")
    assert "pruned tests: 1 file, " in done.stderr
    assert "of pkg" in done.stderr


def test_what_a_pruned_binary_needs_is_no_finding(world: World) -> None:
    make_wheel(
        world.files,
        "pkg",
        tag="cp312-cp312-manylinux2014_aarch64",
        files={
            "pkg/__init__.py": "",
            "pkg/tests/__init__.py": "",
            "pkg/tests/test_it.py": "",
            "pkg/tests/ext.cpython-312-aarch64-linux-gnu.so": elf("x86_64"),
        },
    )
    world.run("lock", "pkg", "--for", ARM, "-o", "pylock.toml")
    world.refused("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", code="E-FINDINGS")
    assert not (world.work / "f.zip").exists()
    world.run("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", "--prune", "tests")


def test_what_the_runtime_brings_is_left_out_on_request(world: World) -> None:
    make_wheel(world.files, "boto3", files={"boto3/__init__.py": ""}, requires=("botocore", "jmespath"))
    make_wheel(world.files, "botocore", files={"botocore/__init__.py": ""}, requires=("jmespath", "six"))
    for name in ("jmespath", "six"):
        make_wheel(world.files, name, files={f"{name}/__init__.py": ""})
    make_wheel(world.files, "mine", files={"mine/__init__.py": ""}, requires=("six",))
    world.run("lock", "mine", "boto3", "--for", ARM, "-o", "pylock.toml")
    (told,) = world.json("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", "--without-provided")[
        "bundles"
    ]
    tops = {name.partition("/")[0] for name in names(world.work / "f.zip")}
    assert {"mine", "six"} <= tops, "what a kept package needs stays"
    assert not tops & {"boto3", "botocore", "jmespath"}
    assert told["left-out"] == ["boto3", "botocore", "jmespath"]


def test_compiled_modules_name_the_place_and_are_never_checked(world: World) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    target = f"lambda-python{minor}-x86_64"
    make_wheel(world.files, "pure", files={"pure/__init__.py": "X = __file__\ndef f():\n    return 1\n"})
    world.run("lock", "pure", "--for", target, "-o", "pylock.toml")
    modules(world.work / "code")
    words = ["lambda", "pylock.toml", "--app", "code", "--for", target, "--bytecode", "--split", "-o"]
    world.run(*words, "f.zip")
    tag = f"cpython-{minor.replace('.', '')}"
    compiled = f"python/pure/__pycache__/__init__.{tag}.pyc"
    data = content(world.work / "f-layer.zip", compiled)
    assert data[4:8] == b"\1\0\0\0", "PEP 552: hash-based, unchecked"
    assert b"/opt/python/pure/__init__.py" in data
    assert b"/var/task/handler.py" in content(world.work / "f.zip", f"__pycache__/handler.{tag}.pyc")
    assert (
        compiled.removeprefix("python/")
        in content(world.work / "f-layer.zip", "python/pure-1.0.dist-info/RECORD").decode()
    )
    world.run(*words, "g.zip", environ={"CROSSDOCK_STORE": str(world.root / "other")})
    assert (world.work / "g-layer.zip").read_bytes() == (world.work / "f-layer.zip").read_bytes()


# Refusals


def test_two_owners_of_one_path(world: World) -> None:
    for name, text in (("one", "1"), ("two", "2")):
        make_wheel(
            world.files, name, files={f"{name}/__init__.py": "", "shared/__init__.py": "", "same.py": text}
        )
    world.run("lock", "one", "two", "--for", ARM, "-o", "pylock.toml")
    said = world.refused("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", code="E-SHIP-COLLISION")
    assert "`one 1.0` and `two 1.0` both write `same.py`" in said


def test_a_path_that_two_packages_ship_alike_is_there_once(world: World) -> None:
    for name in ("one", "two"):
        make_wheel(world.files, name, files={f"{name}/__init__.py": "", "shared/__init__.py": ""})
    world.run("lock", "one", "two", "--for", ARM, "-o", "pylock.toml")
    path = function(world, source="pylock.toml")
    assert names(path).count("shared/__init__.py") == 1
    for name in ("one", "two"):
        assert "shared/__init__.py,sha256=" in content(path, f"{name}-1.0.dist-info/RECORD").decode()


def test_the_applications_file_against_a_packages(locked: World) -> None:
    modules(locked.work / "code", {"app/cli.py": "mine"})
    said = locked.refused(
        "lambda", "pylock.toml", "--app", "code", "--for", ARM, "-o", "f.zip", code="E-SHIP-COLLISION"
    )
    assert "the application" in said
    modules(locked.work / "other", {"app": "a file where a package has a directory"})
    locked.refused(
        "lambda", "pylock.toml", "--app", "other", "--for", ARM, "-o", "f.zip", code="E-SHIP-COLLISION"
    )


def test_the_applications_own_binaries_must_fit(locked: World) -> None:
    module = next(Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so"))
    target, suffix = (ARM, "aarch64") if "x86_64" in module.name else (INTEL, "x86_64")
    (locked.work / "code" / f"fast.cpython-312-{suffix}-linux-gnu.so").write_bytes(module.read_bytes())
    said = locked.refused(
        "lambda", "pylock.toml", "--app", "code", "--for", target, "-o", "f.zip", code="E-FINDINGS"
    )
    assert "the application" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--for", "linux/arm64", "-o", "f.zip"], "E-BUNDLE-PLACE"),
        (["--for", ARM, "-o", "function"], "E-BUNDLE-OUTPUT"),
        (["--for", ARM, "--for", INTEL, "-o", "f.zip"], "E-BUNDLE-OUTPUT"),
        (["--for", ARM, "--layer", "--split", "-o", "f.zip"], "E-BUNDLE-LAYER-ALONE"),
        (["--for", ARM, "--layer", "--app", "code", "-o", "f.zip"], "E-BUNDLE-LAYER-ALONE"),
        (["--for", ARM], "E-BUNDLE-OUTPUT"),
        (["--for", GOOGLE, "--layer", "-o", "f.zip"], "E-BUNDLE-NO-LAYERS"),
        (["--for", AZURE, "--split", "-o", "f.zip"], "E-BUNDLE-NO-LAYERS"),
        (["--for", GOOGLE, "--prune", "all", "-o", "f.zip"], "E-BUNDLE-WHEELS"),
        (["--for", ARM, "--prune", "everything", "-o", "f.zip"], "E-BUNDLE-PRUNE"),
        (["--for", ARM, "--app", "absent", "-o", "f.zip"], "E-APP-ABSENT"),
    ],
)
def test_wrong_words(locked: World, words: list[str], code: str) -> None:
    locked.refused("lambda", "pylock.toml", "--python", "3.12", *words, code=code, status=2)


def test_no_zip_is_empty(locked: World) -> None:
    locked.refused("lambda", "pylock.toml", "--for", ARM, "--split", "-o", "f.zip", code="E-BUNDLE-EMPTY")
    (locked.work / "code" / "handler.py").unlink()
    words = ("lambda", "pylock.toml", "--app", "code", "--for", ARM, "-o", "f.zip")
    locked.refused(*words, code="E-BUNDLE-EMPTY")


def test_a_wheel_damaged_in_the_store_does_not_get_into_a_zip(locked: World) -> None:
    function(locked, source="pylock.toml")
    (locked.work / "f.zip").unlink()
    wheel = next(locked.files.glob("app-1.0-*.whl"))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (blob,) = locked.store.rglob(digest)
    before = blob.stat()
    with zipfile.ZipFile(wheel) as archive:
        at = archive.getinfo("app/cli.py").header_offset + 30 + len("app/cli.py")
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[at + 2] ^= 0xFF
    with blob.open("r+b") as file:
        file.write(data)
    os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    locked.refused("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", code="E-STORE-DAMAGED")
    assert not (locked.work / "f.zip").exists()
    locked.run("cache", "verify", "--heal", status=None)
    function(locked, source="pylock.toml")


def test_a_zip_that_is_too_large_is_refused_before_it_takes_its_name(world: World) -> None:
    members = wheel_files("big", files={"big/__init__.py": "", "big/blob.bin": os.urandom(53 << 20)})
    (world.files / "big-1.0-py3-none-any.whl").write_bytes(zip_bytes(members, compression=zipfile.ZIP_STORED))
    world.run("lock", "big", "--for", ARM, "-o", "pylock.toml")
    said = world.refused("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", code="E-BUNDLE-SIZE")
    assert "big" in said
    assert list(world.work.glob("*.zip")) == []
    world.run("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", "--s3")
    native(world.files, "later")


def test_a_page_shows_where_the_bytes_are(locked: World) -> None:
    locked.run("lambda", "pylock.toml", "--for", ARM, "-o", "f.zip", "--report", "r.html")
    assert "<svg" in (locked.work / "r.html").read_text()
