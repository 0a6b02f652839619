"""What is written for other rule sets, read by those rule sets' own formats' readers."""

from __future__ import annotations

import hashlib
import subprocess
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import starlark
import yaml  # type: ignore[import-untyped]
from packaging.pylock import Pylock
from packaging.requirements import Requirement
from tests.support.wheels import make_wheel

from crossdock.errors import UsageError
from crossdock.lock.uv import uv_executable
from crossdock.ship.bazel.adapters import adapter_files
from crossdock.ship.bazel.adapters.model import Request
from crossdock.ship.bazel.model import BazelWheel, ForPlatform, Hub, Inside
from crossdock.ship.bazel.platforms import bazel_platforms
from crossdock.target.model import Implementation, Python
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = ("linux/arm64", "musllinux_1_2_x86_64", "win_amd64", "macosx_11_0_arm64")
INDEX = "https://index.example.com/files"
WHEELHOUSE = "https://wheels.example.com/files"


def wheel(
    package: str,
    sha: str,
    tag: str = "py3-none-any",
    *modules: str,
    built: bool = False,
    version: str = "1.0",
) -> BazelWheel:
    name = package.replace("-", "_")
    filename = f"{name}-{version}-{tag}.whl"
    return BazelWheel(
        repository=f"pypi__{name}__{sha * 8}",
        package=package,
        version=version,
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


def served() -> Hub:
    """The hub with `--base-url`: what was built has a URL too."""
    found = hub()
    urls = (f"{WHEELHOUSE}/{MUSL.filename}",)
    return replace(found, wheels={**found.wheels, MUSL.repository: replace(MUSL, urls=urls)})


def hub_of(*rows: tuple[str, int, dict[str, BazelWheel]], circles: tuple[tuple[str, ...], ...] = ()) -> Hub:
    """A hub of targets, with the minor version of their Python, and what they take."""
    platforms = bazel_platforms(
        [parse_target(name, default_python=Python(minor=minor)) for name, minor, _ in rows]
    )
    taken = [
        ForPlatform(
            platform=platform,
            wheels={name: one.repository for name, one in sorted(wheels.items())},
            needs={},
            extras={},
            circles=circles if at == 0 else (),
            layers=(),
        )
        for at, (platform, (_, _, wheels)) in enumerate(zip(platforms, rows, strict=True))
    ]
    wheels = {one.repository: one for _, _, row in rows for one in row.values()}
    return Hub(name="pypi", prefix="/app", wheels=wheels, platforms=taken)


def files(
    name: str,
    *,
    of: Hub | None = None,
    package: str = "third_party/py",
    offline: bool = True,
    uv_lock: bytes | None = None,
) -> dict[str, str]:
    request = Request(hub=of or hub(), package=package, offline=offline, uv_lock=uv_lock)
    return {path: content.decode() for path, content in adapter_files([name], request).items()}


def calls(fragment: str) -> str:
    starlark.parse("MODULE.bazel", fragment)
    return fragment


def tags_of(fragment: str) -> list[tuple[str, dict[str, Any]]]:
    """Run a fragment of MODULE.bazel: the tags that it gives, in order."""
    found: list[tuple[str, dict[str, Any]]] = []
    module = starlark.Module()
    module.add_callable("use_extension", lambda *_: None)
    module.add_callable("use_repo", lambda *_: None)
    for name in ("default", "parse"):
        module.add_callable(f"pip_{name}", lambda name=name, **given: found.append((name, given)))
    dialect = starlark.Dialect.standard()
    dialect.enable_keyword_only_arguments = True
    text = fragment.replace("pip.default(", "pip_default(").replace("pip.parse(", "pip_parse(")
    starlark.eval(module, starlark.parse("MODULE.bazel", text, dialect), starlark.Globals.standard())
    return found


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


@pytest.mark.parametrize(
    ("name", "offline", "hint"),
    [
        ("rules_python", False, "--distdir"),
        ("rules_py", False, "--base-url"),
        ("rules_py", True, "--base-url"),
    ],
)
def test_what_was_built_needs_a_url(name: str, offline: bool, hint: str) -> None:
    lock = UV_LOCK % (b"0" * 64, b"")
    with pytest.raises(UsageError) as caught:
        files(name, offline=offline, uv_lock=lock)
    assert caught.value.code == "E-BAZEL-NO-URL"
    assert f"`{MUSL.filename}` was built here" in caught.value.message
    assert hint in str(caught.value.hint)
    # uv knows no distdir.
    assert ("--distdir" in str(caught.value.hint)) == (name == "rules_python")
    assert files(name, of=served(), offline=False, uv_lock=lock)


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
    # rules_pycross goes by the marker of the edge; it is that of the entry, which PEP 751 finds by it.
    needs = {one["name"]: one["marker"] for one in by_name["web-app"].dependencies or ()}
    assert needs == {name: _raw(table, name)["marker"] for name in ("also", "colour", "numlib")}
    assert len(lock.environments or ()) == 4
    fragment = calls(found["rules_pycross.MODULE.bazel"])
    assert f'"//third_party/py:wheels/{MUSL.filename}",' in fragment
    assert NATIVE.filename not in fragment


def _raw(table: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in table["packages"] if one["name"] == name]
    return dict(found)


def test_edges_say_which_version_where_there_are_two() -> None:
    old, new = wheel("numlib", "b", version="1.0"), wheel("numlib", "c", version="2.0")
    of = hub_of(
        ("linux/arm64", 12, {"web-app": PURE, "numlib": old}),
        ("win_amd64", 12, {"web-app": PURE, "numlib": new}),
    )
    needs = {"web-app": ("numlib",)}
    of = replace(of, platforms=[replace(one, needs=needs) for one in of.platforms])
    table = tomllib.loads(files("rules_pycross", of=of)["pylock.toml"])
    lock = Pylock.from_dict(table)
    first, second = _raw(table, "web-app")["dependencies"]
    assert (first["version"], second["version"]) == ("1.0", "2.0")
    for edge in (first, second):
        (entry,) = [one for one in table["packages"] if all(one.get(key) == edge[key] for key in edge)]
        assert entry["name"] == "numlib"
    for platform, version in (("linux", "1.0"), ("win32", "2.0")):
        machine = {"linux": "aarch64", "win32": "AMD64"}[platform]
        environment = {
            "implementation_name": "cpython",
            "python_version": "3.12",
            "python_full_version": "3.12.1",
            "sys_platform": platform,
            "platform_machine": machine,
        }
        chosen = {
            str(one.name): str(one.version)
            for one in lock.packages
            if one.marker is None or one.marker.evaluate({**environment, "extra": ""})
        }
        assert chosen == {"numlib": version, "web-app": "1.0"}


def test_versions_that_only_the_libc_tells_apart_are_no_pylock() -> None:
    old, new = wheel("numlib", "b", version="1.0"), wheel("numlib", "c", version="2.0")
    of = hub_of(("linux/arm64", 12, {"numlib": old}), ("musllinux_1_2_aarch64", 12, {"numlib": new}))
    with pytest.raises(UsageError) as caught:
        files("rules_pycross", of=of)
    assert caught.value.code == "E-BAZEL-PYLOCK"
    assert "`numlib` is 1.0 for `linux/arm64` and 2.0 for `musllinux_1_2_aarch64`" in caught.value.message
    # One version of both is fine: each has its wheel.
    same = hub_of(("linux/arm64", 12, {"numlib": NATIVE}), ("musllinux_1_2_aarch64", 12, {"numlib": MUSL}))
    (entry,) = tomllib.loads(files("rules_pycross", of=same)["pylock.toml"])["packages"]
    assert len(entry["wheels"]) == 2
    assert "marker" not in entry


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
    after = files("rules_py", of=served(), uv_lock=before)["uv.lock"]
    added = set(after.splitlines()) - set(before.decode().splitlines()) - {"wheels = ["}
    row = f'    {{ url = "{WHEELHOUSE}/{MUSL.filename}", hash = "sha256:{MUSL.sha256}", size = 100 }},'
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
    "lock",
    [
        None,
        b"",
        b"not toml [",
        b"# caf\xe9\n" + UV_LOCK % (b"0" * 64, b""),
        (UV_LOCK % (b"0" * 64, b"")).replace(b'"numlib"', b'"another"'),
    ],
)
def test_a_uv_lock_without_the_package_is_refused(lock: bytes | None) -> None:
    with pytest.raises(UsageError) as caught:
        files("rules_py", of=served(), uv_lock=lock)
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
