"""A lock with all that makes a Bazel hub hard, and the workspace around what `crossdock bazel` writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cli.images import big
from tests.cli.sdists import pure_sdist
from tests.cli.world import make_world, native
from tests.support.bazel import PLATFORMS, RULES_PYTHON, write_stand_in_index, write_stub_cc
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World

TARGETS = (
    *("--for", "linux/amd64", "--for", "linux/arm64", "--for", "musllinux_1_2_aarch64"),
    *("--python", "3.12"),
)
NAMES = ("linux_amd64", "linux_arm64", "musllinux_1_2_aarch64")
PROJECT = """[project]
name = "service"
version = "1"
requires-python = ">=3.12"
dependencies = ["web[fast]", "acme-one", "acme-two", "ring-a", "spaced", "buildy", "builthere", "oldstyle"]
"""
APP = """import acme.one, acme.two, builthere, buildy, fastlib, oldstyle, ring_a, spaced, web
from importlib.metadata import entry_points, version

assert acme.one.WHO + acme.two.WHO == "one two", acme.__path__
assert ring_a.ring_b.ring_a is ring_a
assert version("acme-one") == "1.0"
assert [point.name for point in entry_points(group="console_scripts", name="webserve")]
assert spaced.read() == "with a space"
print("the application ran")
"""


def stock_bazel(files: Path) -> None:
    """Put into an index: native code, an extra, a namespace, a circle, odd names, and a source distribution."""
    make_wheel(
        files,
        "web",
        files={"web/__init__.py": "import large\n", "web/cli.py": "def main(): pass\n"},
        requires=("numlib", "large", 'fastlib; extra == "fast"', 'slow; extra == "slow"'),
        entry_points="[console_scripts]\nwebserve = web.cli:main\n",
        extra_metadata="Provides-Extra: fast\nProvides-Extra: slow\n",
    )
    native(files, "numlib")
    make_wheel(files, "large", files={"large/__init__.py": "", "large/data.bin": big(0)})
    make_wheel(files, "fastlib", files={"fastlib.py": ""})
    for name in ("one", "two"):
        who = f"WHO = {'one ' if name == 'one' else 'two'!r}\n"
        make_wheel(files, f"acme_{name}", files={f"acme/{name}/__init__.py": who})
    make_wheel(files, "ring_a", files={"ring_a.py": "import ring_b\n"}, requires=("ring-b",))
    make_wheel(files, "ring_b", files={"ring_b.py": "import ring_a\n"}, requires=("ring_a",))
    odd = "import pathlib\ndef read(): return pathlib.Path(__file__).with_name('a file.txt').read_text()\n"
    make_wheel(files, "spaced", files={"spaced/__init__.py": odd, "spaced/a file.txt": "with a space"})
    make_wheel(
        files,
        "buildy",
        files={"buildy/__init__.py": "", "buildy/data/BUILD": "not Bazel's (", "buildy/data/x": ""},
    )
    old = "oldstyle-1.0.data/purelib/oldstyle.py"
    make_wheel(files, "oldstyle", files={old: "", "oldstyle-1.0.data/scripts/old": "#!python\nprint(1)\n"})
    pure_sdist(files, "builthere")


def lock_project(world: World) -> None:
    """Make the project, and a lock of it for all targets."""
    stock_bazel(world.files)
    (world.work / "pyproject.toml").write_text(PROJECT)
    world.run("lock", ".", *TARGETS, "--allow-build", "builthere", "-o", "pylock.toml")


@dataclass(frozen=True)
class LockedProject:
    """A project that was locked once, to be put into worlds of their own."""

    files: Path
    lock: str
    origin: str

    @classmethod
    def make(cls, root: Path) -> LockedProject:
        """Lock it."""
        world = make_world(root)
        with world.index:
            lock_project(world)
            return cls(world.files, (world.work / "pylock.toml").read_text(), world.index.origin)

    def fill(self, world: World) -> None:
        """Put the wheels, the project and its lock into a world whose index is started."""
        for path in self.files.iterdir():
            (world.files / path.name).hardlink_to(path)
        (world.work / "pyproject.toml").write_text(PROJECT)
        (world.work / "pylock.toml").write_text(self.lock.replace(self.origin, world.index.origin))


_BUILD = """
load("@rules_python//python:py_binary.bzl", "py_binary")
load("{index}", "index")
load("//third_party/py:layer.bzl", "crossdock_application", "crossdock_environment")
load("@pypi//:requirements.bzl", "all_requirements", "requirement")

py_binary(
    name = "app",
    srcs = ["app.py"],
    deps = all_requirements,
)

genrule(
    name = "ran",
    outs = ["ran.txt"],
    cmd = "$(location :app) > $@",
    tools = [":app"],
)

genrule(
    name = "labels",
    srcs = ["@pypi//web:" + name for name in ["data", "dist_info", "extracted_whl_files", "whl"]],
    outs = ["labels.txt"],
    cmd = " && ".join(["echo %s $(locations @pypi//web:%s) >> $@" % (name, name) for name in [
        "dist_info",
        "extracted_whl_files",
        "whl",
    ]]),
)

crossdock_environment(name = "environment", interpreter = "/usr/bin/python3.12", python = "python3.12")

crossdock_application(name = "application", srcs = ["app.py"], python = "python3.12", strip_prefix = "app")

filegroup(
    name = "image",
    srcs = ["@pypi//:layers", ":environment", ":application"],
    data = [requirement("Acme.One"), "@pypi//web", "@other//numlib"],
)

index(name = "index", image = ":image", platforms = [{platforms}])
"""
_MODULE = """
module(name = "example")
bazel_dep(name = "platforms", version = "{platforms}")
bazel_dep(name = "rules_python", version = "{rules_python}")
crossdock = use_extension("//third_party/py:extensions.bzl", "crossdock")
crossdock.lock(file = "//third_party/py:lock.json")
crossdock.lock(file = "//third_party/other:lock.json")
use_repo(crossdock, "other", "pypi")
register_toolchains("{stub}")
"""
_WORKSPACE = """
workspace(name = "example")
load("//third_party/py:deps.bzl", "crossdock_deps")
crossdock_deps()
load("//third_party/other:deps.bzl", other_deps = "crossdock_deps")
other_deps()
register_toolchains("{stub}")
"""


def write_workspace(root: Path, mode: str) -> None:
    """Write what is around the generated files: the root's file, an application and its image."""
    stub, index = write_stub_cc(root), write_stand_in_index(root)
    (root / "platforms").mkdir()
    (root / "platforms" / "BUILD.bazel").write_text(
        'platform(name = "s390x", constraint_values = ["@platforms//os:linux", "@platforms//cpu:s390x"])\n'
    )
    if mode == "bzlmod":
        text = _MODULE.format(stub=stub, platforms=PLATFORMS, rules_python=RULES_PYTHON)
        (root / "MODULE.bazel").write_text(text)
    else:
        (root / "WORKSPACE").write_text(_WORKSPACE.format(stub=stub))
    (root / "app").mkdir()
    (root / "app" / "app.py").write_text(APP)
    platforms = ", ".join(f'"//third_party/py/platforms:{name}"' for name in NAMES)
    (root / "app" / "BUILD.bazel").write_text(_BUILD.format(index=index, platforms=platforms))
