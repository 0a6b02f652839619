"""Bazel from a root of its own (dev/bazel), in a sandbox without network; and buildifier."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CACHE = Path(os.environ.get("CROSSDOCK_TEST_CACHE", Path.home() / ".cache" / "crossdock-tests"))
ROOT = _CACHE / "bazel"
_RULES = ("cc", "java", "proto", "python", "license")
_TOOLS = {"bazel_skylib": "skylib", "platforms": "platforms"}
_ARCHITECTURES = {"x86_64": "_amd64", "aarch64": "_arm64"}
_SHIMS = ("buildozer", "protobuf", "zlib", "apple_support")
#: What the version of rules_python is that Debian's Bazel brings, and that of platforms.
RULES_PYTHON, PLATFORMS = "0.22.1", "0.0.10"


def bazel_major() -> int:
    """Return the major version of Bazel that is there, 0 where there is none."""
    try:
        return int((ROOT / "major").read_text())
    except OSError:
        return 0


def require_bazel(mode: str = "bzlmod") -> None:
    """Skip, loudly, on a machine where dev/setup could not get a Bazel that knows `mode`."""
    if bazel_major() == 0:
        pytest.skip("no Bazel on this machine: dev/bazel could not fetch it")
    if mode == "bzlmod" and bazel_major() < 7:
        pytest.skip("no Bazel on this machine that knows modules: Debian's next release could not be had")
    if shutil.which("bwrap") is None:
        pytest.skip("no bubblewrap to run Bazel in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bazel:
    """Bazel for the workspaces below `place`, where it keeps all of its own; every command ends by itself."""

    place: Path
    mode: str = "bzlmod"

    def run(
        self,
        workspace: Path,
        *words: str | Path,
        status: int | None = 0,
        network: bool = False,
        environ: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Bazel in `workspace` and return what it said; without network not even loopback answers."""
        root = ROOT / "root"
        (self.place / "home").mkdir(exist_ok=True)
        sandbox = [
            # Processes of its own: when bwrap ends, for what reason ever, nothing that Bazel started is left.
            *("bwrap", "--die-with-parent", "--unshare-pid"),
            *("--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
            *(word for name in ("usr", "etc", "var") for word in ("--ro-bind", str(root / name), f"/{name}")),
            *(
                word
                for name in ("bin", "sbin", "lib", "lib64")
                for word in ("--symlink", f"usr/{name}", f"/{name}")
            ),
            *("--ro-bind", str(ROOT / "shim"), str(ROOT / "shim")),
            *("--bind", str(self.place), str(self.place), "--chdir", str(workspace)),
            *([] if network else ["--unshare-net"]),
            *("--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"),
            # What else is looked up in parts of the root that only the packages' own scripts would have made.
            *("--setenv", "HOME", str(self.place / "home"), "--setenv", "USER", "tester"),
            *("--setenv", "JAVA_HOME", "/usr/lib/jvm/default-java"),
            *(word for name, value in (environ or {}).items() for word in ("--setenv", name, value)),
        ]
        bazel = ["/usr/bin/bazel", f"--bazelrc={self._settings()}", "--batch"]
        done = subprocess.run(
            [*sandbox, *bazel, f"--output_user_root={self.place / 'output'}", *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=timeout,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    def _settings(self) -> Path:
        """Write what Debian's Bazel needs to find its own modules or repositories without a network."""
        if self.mode == "bzlmod":
            lines = [
                "common --noenable_workspace",
                *(f"common --override_module={name}={ROOT / 'shim' / name}" for name in _SHIMS),
            ]
        elif bazel_major() < 7:
            lines = [
                f"build --override_repository={name}={ROOT / 'shim' / name}"
                for name in ("rules_cc", "rules_java", "rules_proto", "rules_python")
            ]
        else:
            places = {f"rules_{name}": f"/usr/share/bazel/rules/{name}" for name in _RULES}
            places |= {name: f"/usr/share/bazel/tools/{folder}" for name, folder in _TOOLS.items()}
            lines = [
                "common --noenable_bzlmod --enable_workspace",
                *(f"common --override_repository={name}={place}" for name, place in places.items()),
            ]
        path = self.place / f"{self.mode}.bazelrc"
        path.write_text("".join(f"{line}\n" for line in [*lines, "build --color=no --curses=no"]))
        return path


_STUB_CONFIG = """
def _stub_impl(ctx):
    return cc_common.create_cc_toolchain_config_info(
        ctx = ctx, toolchain_identifier = "stub", host_system_name = "stub", target_system_name = "stub",
        target_cpu = "stub", target_libc = "stub", compiler = "stub", abi_version = "stub",
        abi_libc_version = "stub")

stub_config = rule(implementation = _stub_impl, provides = [CcToolchainConfigInfo])
"""
_STUB_BUILD = """
load(":stub.bzl", "stub_config")

filegroup(name = "empty")

stub_config(name = "config")

cc_toolchain(
    name = "cc", all_files = ":empty", compiler_files = ":empty", dwp_files = ":empty", linker_files = ":empty",
    objcopy_files = ":empty", strip_files = ":empty", supports_param_files = 0, toolchain_config = ":config")

toolchain(
    name = "stub", target_compatible_with = ["@platforms//os:linux"], toolchain = ":cc",
    toolchain_type = "@bazel_tools//tools/cpp:toolchain_type")
"""


def write_stub_cc(workspace: Path) -> str:
    """Write a C++ toolchain for every Linux that can do nothing, and return its label: `py_binary` up to Bazel 7 wants one."""
    place = workspace / "stub_cc"
    place.mkdir()
    (place / "stub.bzl").write_text(_STUB_CONFIG)
    (place / "BUILD.bazel").write_text(_STUB_BUILD)
    return "//stub_cc:all"


_INDEX = """
def _split_impl(_settings, attr):
    return {str(p).split(":")[-1]: {"//command_line_option:platforms": str(p)} for p in attr.platforms}

_split = transition(
    implementation = _split_impl, inputs = [], outputs = ["//command_line_option:platforms"])

def _index_impl(ctx):
    outs = []
    for key, target in ctx.split_attr.image.items():
        for file in target[DefaultInfo].files.to_list():
            out = ctx.actions.declare_file("%s/%s/%s" % (ctx.label.name, key, file.basename))
            ctx.actions.symlink(output = out, target_file = file)
            outs.append(out)
        runfiles = target[DefaultInfo].default_runfiles.files.to_list()
        out = ctx.actions.declare_file("%s/%s/runfiles.txt" % (ctx.label.name, key))
        ctx.actions.write(out, "".join([file.path + "\\n" for file in runfiles]))
        outs.append(out)
    return [DefaultInfo(files = depset(outs))]

index = rule(
    implementation = _index_impl,
    attrs = {
        "image": attr.label(cfg = _split),
        "platforms": attr.label_list(),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
)
"""


def write_stand_in_index(workspace: Path) -> str:
    """Write a rule that does to `image` what rules_oci's `oci_image_index` does: build it for each of `platforms`.

    The result has a directory for each platform with the files, and the paths of the runfiles. Return its `.bzl`.
    """
    place = workspace / "stand_in"
    place.mkdir()
    (place / "BUILD.bazel").write_text("")
    (place / "index.bzl").write_text(_INDEX)
    return "//stand_in:index.bzl"


def buildifier() -> Path | None:
    """Return buildifier's program, None on a machine without npm."""
    for found in (ROOT / "npm" / "node_modules" / "@bazel" / "buildifier").glob("buildifier-linux_*"):
        # Roots of another day hold the program of every machine.
        if found.name.endswith(_ARCHITECTURES.get(platform.machine(), "?")):
            return found
    return None


def format_problems(paths: Iterable[Path]) -> str:
    """Return what buildifier says against the form of files, and what it warns of."""
    program = buildifier()
    if program is None:
        pytest.skip("no buildifier on this machine: it comes by npm")
    done = subprocess.run(
        [str(program), "-mode=check", "-lint=warn", *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr if done.returncode else ""
