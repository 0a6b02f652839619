"""Targets as Bazel's platforms: constraint values of `@platforms`, and a libc of our own beside them.

Whatever differs between images must hang on constraint values: rules that make an image for many platforms change
`--platforms` and nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.ship.bazel.model import BazelPlatform
from crossdock.target.model import Arch, Os

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.target.model import Target

#: https://github.com/bazelbuild/platforms, os/BUILD and cpu/BUILD.
_OS = {
    Os.LINUX: "linux",
    Os.MACOS: "osx",
    Os.WINDOWS: "windows",
    Os.IOS: "ios",
    Os.ANDROID: "android",
    Os.EMSCRIPTEN: "emscripten",
}
_CPU = {
    Arch.X86_64: "x86_64",
    Arch.AARCH64: "aarch64",
    Arch.ARMV7L: "armv7",
    Arch.ARMV6L: "aarch32",
    Arch.I686: "x86_32",
    Arch.PPC64LE: "ppc64le",
    Arch.S390X: "s390x",
    Arch.RISCV64: "riscv64",
    Arch.WASM32: "wasm32",
}
#: Names that the generated `platforms` package has already.
_TAKEN = frozenset({"libc", "glibc", "musl"})


def bazel_platforms(targets: Sequence[Target], libc_package: str = "") -> list[BazelPlatform]:
    """Return the platform of each target, in order.

    `libc_package` is the label of the package with glibc and musl as constraint values, empty for the generated one.

    Raise `UsageError`: E-BAZEL-PLATFORM for a CPU that Bazel has no word for, E-BAZEL-TARGETS where two targets are one
    platform to Bazel.
    """
    found: list[BazelPlatform] = []
    for target in targets:
        constraints = _constraints(target, libc_package)
        one = BazelPlatform(name=_name(target), target=target, constraints=constraints)
        _refuse_same(one, found)
        found.append(one)
    return found


def _name(target: Target) -> str:
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", target.name) or "target"
    return f"{name}_target" if name in _TAKEN else name


def _constraints(target: Target, libc_package: str) -> tuple[str, ...]:
    cpu = _CPU.get(target.arch)
    if cpu is None or (target.os is Os.IOS and target.simulator):
        raise UsageError(
            f"Bazel has no constraint values for `{target.name}`",
            code="E-BAZEL-PLATFORM",
            hint="leave that target out",
        )
    constraints = [f"@platforms//os:{_OS[target.os]}", f"@platforms//cpu:{cpu}"]
    if target.libc is not None:
        constraints.append(f"{libc_package}:{target.libc.kind}")
    return tuple(constraints)


def _refuse_same(one: BazelPlatform, others: Sequence[BazelPlatform]) -> None:
    for other in others:
        if other.constraints == one.constraints:
            raise UsageError(
                f"`{other.target.name}` and `{one.target.name}` are one platform to Bazel: it knows the OS, the CPU "
                "and glibc or musl, not the version of a Python, a libc or an OS",
                code="E-BAZEL-TARGETS",
                hint="give each a hub of its own: another `--out` and another `--hub`",
            )
        if other.name == one.name:
            raise UsageError(
                f"`{other.target.name}` and `{one.target.name}` would have one name, `{one.name}`",
                code="E-BAZEL-TARGETS",
                hint="give one of them a name in [tool.crossdock.target]",
            )
