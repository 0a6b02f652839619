"""What is written for rules_python: requirements that pip's readers read, and a fragment that Starlark runs."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from tests.ship.bazel.hubs import (
    INDEX,
    MUSL,
    NATIVE,
    PURE,
    calls,
    files,
    hub_of,
    tags_of,
)
from tests.support.wheels import make_wheel

from crossdock.errors import UsageError
from crossdock.lock.uv import uv_executable
from crossdock.ship.bazel.platforms import bazel_platforms
from crossdock.target.model import Implementation, Python
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from pathlib import Path


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
    assert lines == sorted(lines)
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


def test_a_wheel_of_this_disk_needs_a_url_and_was_not_built() -> None:
    local = replace(PURE, urls=())
    with pytest.raises(UsageError, match="lies on this disk"):
        files("rules_python", of=hub_of(("linux/arm64", 12, {"web-app": local})), offline=False)


@pytest.mark.parametrize(
    ("url", "written"),
    [
        (f"{INDEX}/a-1-py3-none-any.whl#sha256=00", f"{INDEX}/a-1-py3-none-any.whl"),
        (f"{INDEX}/a.whl\n--index-url https://x", f"{INDEX}/a.whl%0A--index-url%20https://x"),
        (f"{INDEX}/a.whl ; python_version < '3'", f"{INDEX}/a.whl%20%3B%20python_version%20%3C%20%273%27"),
        (f"{INDEX}/a-1%2Bcpu-py3-none-any.whl", f"{INDEX}/a-1%2Bcpu-py3-none-any.whl"),
    ],
)
def test_a_url_of_a_lock_says_nothing_else_in_requirements(url: str, written: str) -> None:
    one = replace(PURE, urls=(url,))
    found = files("rules_python", of=hub_of(("linux/arm64", 12, {"web-app": one})))
    (line,) = found["requirements.linux_arm64.txt"].splitlines()[1:]
    assert line == f"web-app @ {written} --hash=sha256:{PURE.sha256}"


def test_uv_reads_the_requirements(tmp_path: Path) -> None:
    # A wheel of this disk stands in for the URL: reading needs its metadata.
    made = make_wheel(tmp_path, "web_app", "1.0")
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    one = replace(PURE, urls=(made.as_uri(),), sha256=sha256)
    found = files("rules_python", of=hub_of(("linux/arm64", 12, {"web-app": one})))
    path = tmp_path / "requirements.txt"
    path.write_text(found["requirements.linux_arm64.txt"])
    done = subprocess.run(
        [uv_executable(), "pip", "compile", "--offline", "--no-deps", "--no-config", "--generate-hashes",
         "--no-header", "--quiet", "--no-python-downloads", path],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"--hash=sha256:{sha256}" in done.stdout


def test_every_python_has_its_own_parse() -> None:
    of = hub_of(("linux/amd64", 12, {"web-app": PURE}), ("linux/arm64", 13, {"web-app": PURE}))
    fragment = files("rules_python", of=of)["rules_python.MODULE.bazel"]
    parses = [given for name, given in tags_of(fragment) if name == "parse"]
    assert parses == [
        {
            "hub_name": "pypi",
            "python_version": version,
            "requirements_by_platform": {f"//third_party/py:requirements.{file}.txt": platform},
            "target_platforms": [platform],
        }
        for version, file, platform in [
            ("3.12", "linux_amd64", "linux_x86_64_glibc"),
            ("3.13", "linux_arm64", "linux_aarch64_glibc"),
        ]
    ]


def test_packages_that_need_each_other_are_told_as_cycles() -> None:
    circles = (("web-app", "numlib"), ("colour", "web-app"), ("x", "y"))
    of = hub_of(
        ("linux/amd64", 12, {"web-app": PURE}), ("linux/arm64", 13, {"web-app": PURE}), circles=circles
    )
    tags = tags_of(files("rules_python", of=of)["rules_python.MODULE.bazel"])
    cycles = [given["experimental_requirement_cycles"] for name, given in tags if name == "parse"]
    # A later `pip.parse` takes the place of an earlier one's: both have all.
    assert cycles == [{"colour": ["colour", "numlib", "web-app"], "x": ["x", "y"]}] * 2


def test_labels_are_labels_where_the_directory_is_the_workspaces_root() -> None:
    tags = tags_of(files("rules_python", package="")["rules_python.MODULE.bazel"])
    assert "@//platforms:glibc" in tags[0][1]["config_settings"]
    assert "//:requirements.linux_arm64.txt" in tags[-1][1]["requirements_by_platform"]
    assert "gazelle:exclude" not in files("gazelle", package="")["gazelle.BUILD.bazel.txt"]


def test_a_libc_of_another_hub_keeps_its_label() -> None:
    targets = [parse_target(name, default_python=Python(minor=12)) for name in ("linux/amd64", "win_amd64")]
    of = hub_of(("linux/amd64", 12, {"web-app": PURE}), ("win_amd64", 12, {"web-app": PURE}))
    platforms = bazel_platforms(targets, "//third_party/other/platforms")
    rows = [replace(one, platform=platform) for one, platform in zip(of.platforms, platforms, strict=True)]
    linux, windows, _ = tags_of(
        files("rules_python", of=replace(of, platforms=rows))["rules_python.MODULE.bazel"]
    )
    constraints = ["@platforms//os:linux", "@platforms//cpu:x86_64", "@//third_party/other/platforms:glibc"]
    assert linux[1]["config_settings"] == constraints
    assert linux[1]["platform"] == "linux_x86_64_glibc"
    assert windows[1]["config_settings"] == ["@platforms//os:windows", "@platforms//cpu:x86_64"]


def test_a_python_that_is_not_cpython_is_told() -> None:
    target = parse_target("linux/amd64", default_python=Python(minor=11))
    of = hub_of(("linux/amd64", 11, {"web-app": PURE}))
    python = replace(target.python, implementation=Implementation.PYPY, abi="pypy311_pp73")
    (one,) = of.platforms
    platform = replace(one.platform, target=replace(target, python=python))
    tags = tags_of(
        files("rules_python", of=replace(of, platforms=[replace(one, platform=platform)]))[
            "rules_python.MODULE.bazel"
        ]
    )
    assert tags[0][1]["env"] == {"implementation_name": "pypy"}


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
