"""What is written for other rule sets, read by those rule sets' own formats' readers."""

from __future__ import annotations

import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
import starlark
import yaml  # type: ignore[import-untyped]
from packaging.pylock import Pylock
from packaging.requirements import Requirement

from crossdock.errors import UsageError
from crossdock.lock.uv import uv_executable
from crossdock.ship.bazel.adapters import adapter_files
from crossdock.ship.bazel.adapters.model import Request
from crossdock.ship.bazel.model import BazelWheel, ForPlatform, Hub, Inside
from crossdock.ship.bazel.platforms import bazel_platforms
from crossdock.target.model import Python
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = ("linux/arm64", "musllinux_1_2_x86_64", "win_amd64", "macosx_11_0_arm64")
INDEX = "https://index.example.com/files"


def wheel(
    package: str, sha: str, tag: str = "py3-none-any", *modules: str, built: bool = False
) -> BazelWheel:
    name = package.replace("-", "_")
    filename = f"{name}-1.0-{tag}.whl"
    return BazelWheel(
        repository=f"pypi__{name}__{sha * 8}",
        package=package,
        version="1.0",
        filename=filename,
        sha256=sha * 64,
        size=100,
        urls=() if built else (f"{INDEX}/{filename}",),
        inside=Inside(modules=modules or (name,)),
        built_from={"filename": f"{name}-1.0.tar.gz", "sha256": "0" * 64} if built else None,
    )


PURE = wheel("web-app", "a")
NATIVE = wheel("numlib", "b", "cp312-cp312-manylinux_2_17_aarch64")
MUSL = wheel("numlib", "c", "cp312-cp312-musllinux_1_2_x86_64", built=True)
COLOUR = wheel("colour", "d", "py3-none-any", "colour", "on")
OTHER = wheel("also", "e", "py3-none-any", "numlib")


def hub() -> Hub:
    platforms = bazel_platforms([parse_target(name, default_python=Python(minor=12)) for name in TARGETS])
    taken = [
        {"web-app": PURE, "numlib": NATIVE},
        {"web-app": PURE, "numlib": MUSL},
        {"web-app": PURE, "colour": COLOUR, "also": OTHER},
        {"web-app": PURE},
    ]
    rows = [
        ForPlatform(
            platform=platform,
            wheels={name: one.repository for name, one in sorted(wheels.items())},
            needs={"web-app": tuple(sorted(wheels.keys() - {"web-app"}))},
            extras={"web-app": ("fast", "slow")},
            circles=(),
            layers=(),
        )
        for platform, wheels in zip(platforms, taken, strict=True)
    ]
    wheels = {one.repository: one for one in (PURE, NATIVE, MUSL, COLOUR, OTHER)}
    return Hub(name="pypi", prefix="/app", wheels=wheels, platforms=rows)


def files(name: str, *, offline: bool = True, uv_lock: bytes | None = None) -> dict[str, str]:
    request = Request(hub=hub(), package="third_party/py", offline=offline, uv_lock=uv_lock)
    return {path: content.decode() for path, content in adapter_files([name], request).items()}


def calls(fragment: str) -> str:
    starlark.parse("MODULE.bazel", fragment)
    return fragment


# rules_python


def test_requirements_of_each_platform_have_urls_and_hashes() -> None:
    found = files("rules_python")
    assert sorted(found) == [
        "requirements.linux_arm64.txt",
        "requirements.macosx_11_0_arm64.txt",
        "requirements.musllinux_1_2_x86_64.txt",
        "requirements.win_amd64.txt",
        "rules_python.MODULE.bazel",
    ]
    lines = found["requirements.linux_arm64.txt"].splitlines()[1:]
    requirements = [Requirement(line.partition(" --hash")[0]) for line in lines]
    assert [(one.name, one.extras) for one in requirements] == [
        ("numlib", set()),
        ("web-app", {"fast", "slow"}),
    ]
    assert requirements[0].url == f"{INDEX}/{NATIVE.filename}"
    assert lines[0].endswith(f" --hash=sha256:{NATIVE.sha256}")
    # Built here: found by name and hash in the distdir.
    built = found["requirements.musllinux_1_2_x86_64.txt"]
    assert f"numlib @ https://crossdock.invalid/{MUSL.filename} --hash=sha256:{MUSL.sha256}" in built


def test_what_was_built_needs_a_url() -> None:
    with pytest.raises(UsageError) as caught:
        files("rules_python", offline=False)
    assert caught.value.code == "E-BAZEL-NO-URL"
    assert MUSL.filename in caught.value.message


def test_platforms_of_rules_python_hang_on_both_libcs() -> None:
    fragment = calls(files("rules_python")["rules_python.MODULE.bazel"])
    assert 'platform = "linux_aarch64_glibc"' in fragment
    assert 'platform = "linux_x86_64_musl"' in fragment
    assert 'platform = "windows_x86_64"' in fragment
    assert 'platform = "osx_aarch64"' in fragment
    assert '"@//third_party/py/platforms:glibc",' in fragment
    assert '"@//third_party/py/platforms:musl",' in fragment
    for tag in ("manylinux_*_aarch64", "musllinux_*_x86_64", "win_amd64", "macosx_*_arm64"):
        assert f'"{tag}",' in fragment
    assert '"//third_party/py:requirements.linux_arm64.txt": "linux_aarch64_glibc",' in fragment
    assert 'python_version = "3.12"' in fragment


# rules_pycross


def test_the_pylock_has_every_wheel_and_the_graph() -> None:
    found = files("rules_pycross")
    table = tomllib.loads(found["pylock.toml"])
    lock = Pylock.from_dict(table)
    by_name = {str(package.name): package for package in lock.packages}
    assert sorted(by_name) == ["also", "colour", "numlib", "web-app"]
    assert {one.name: (one.url, one.path) for one in by_name["numlib"].wheels or ()} == {
        NATIVE.filename: (f"{INDEX}/{NATIVE.filename}", None),
        MUSL.filename: (None, f"wheels/{MUSL.filename}"),
    }
    assert by_name["web-app"].marker is None
    assert "win32" in str(by_name["colour"].marker)
    assert "linux" not in str(by_name["colour"].marker)
    assert [one["name"] for one in by_name["web-app"].dependencies or ()] == ["also", "colour", "numlib"]
    assert len(lock.environments or ()) == 4
    fragment = calls(found["rules_pycross.MODULE.bazel"])
    assert f'"//third_party/py:wheels/{MUSL.filename}",' in fragment
    assert NATIVE.filename not in fragment


# rules_py

UV_LOCK = b"""version = 1
revision = 3
requires-python = ">=3.12"

[[package]]
name = "numlib"
version = "1.0"
source = { registry = "https://index.example.com/simple" }
sdist = { url = "https://index.example.com/files/numlib-1.0.tar.gz", hash = "sha256:%s", size = 5 }
%b
[[package]]
name = "service"
version = "1"
source = { virtual = "." }
dependencies = [
    { name = "numlib" },
]

[package.metadata]
requires-dist = [{ name = "numlib" }]
"""
WHEELS = b"""wheels = [
    { url = "https://index.example.com/files/numlib-1.0-py3-none-any.whl", hash = "sha256:%s", size = 6 },
]
"""


@pytest.mark.parametrize("wheels", [b"", WHEELS % (b"1" * 64)], ids=["an sdist alone", "wheels as well"])
def test_a_built_wheel_is_put_into_uv_lock_and_uv_reads_it(wheels: bytes, tmp_path: Path) -> None:
    before = UV_LOCK % (b"0" * 64, wheels)
    after = files("rules_py", uv_lock=before)["uv.lock"]
    added = set(after.splitlines()) - set(before.decode().splitlines()) - {"wheels = ["}
    row = f'    {{ url = "https://crossdock.invalid/{MUSL.filename}", hash = "sha256:{MUSL.sha256}", size = 100 }},'
    assert added == {row}
    (package,) = [one for one in tomllib.loads(after)["package"] if one["name"] == "numlib"]
    assert len(package["wheels"]) == (2 if wheels else 1)
    project = (
        '[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.12"\ndependencies = ["numlib"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "uv.lock").write_text(after)
    done = subprocess.run(
        [uv_executable(), "export", "--frozen", "--offline", "--no-config", "--quiet"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"--hash=sha256:{MUSL.sha256}" in done.stdout


@pytest.mark.parametrize(
    "lock", [None, b"", b"not toml [", (UV_LOCK % (b"0" * 64, b"")).replace(b'"numlib"', b'"another"')]
)
def test_a_uv_lock_without_the_package_is_refused(lock: bytes | None) -> None:
    with pytest.raises(UsageError) as caught:
        files("rules_py", uv_lock=lock)
    assert caught.value.code == "E-BAZEL-UV-LOCK"


# Gazelle


def test_imports_of_all_platforms_are_mapped() -> None:
    found = files("gazelle")
    manifest = yaml.safe_load(found["gazelle_python.yaml"])["manifest"]
    assert manifest["modules_mapping"] == {
        "colour": "colour",
        "numlib": "numlib",
        "on": "colour",
        "web_app": "web_app",
    }
    assert manifest["pip_repository"] == {"name": "pypi"}
    # Which of two is right nobody can say: the other is named.
    assert "    # also in also\n    numlib: numlib\n" in found["gazelle_python.yaml"]
    assert "# gazelle:exclude third_party/py" in found["gazelle.BUILD.bazel.txt"]
