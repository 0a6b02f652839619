"""pip's way to name a target: --platform, --implementation and --abi."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from crossdock.target.model import Python, Target


def pip_target(options: dict[str, Any], python: Python) -> Target:
    """Return the one target that pip's flags describe.

    pip takes every --platform as one more tag that the machine accepts, so several are one target: the one
    with the highest floor among them, if they agree in all else.
    """
    from crossdock.target.names import parse_python, parse_target

    platforms = [name for value in options.get("platform") or () for name in value.split(",")]
    if not platforms:
        raise UsageError(
            "--abi says nothing without --platform",
            code="E-USAGE-TARGET",
            hint="add for example `--platform manylinux2014_aarch64`, or use --for",
        )
    abis = {abi for value in options.get("abi") or () for abi in value.split(",")}
    for abi in sorted(abis - {"none", "abi3"}):
        found = parse_python(abi)
        if found.version != python.version:
            raise UsageError(
                f"--abi {abi} is not an ABI of Python {python.short}",
                code="E-USAGE-TARGET",
                hint=f"say --python-version {found.short}, or leave --abi out",
            )
        python = replace(python, free_threaded=found.free_threaded)
    # A bare linux_<arch> is no place to run: pip's users list it beside the manylinux tags.
    named = [name for name in platforms if not name.startswith("linux_")] or platforms
    targets = [parse_target(name, default_python=python) for name in named if name != "any"]
    if not targets:
        raise UsageError("--platform any is not a target", code="E-USAGE-TARGET", hint="use --for")
    best = max(targets, key=_floor)
    for target in targets:
        same = replace(target, libc=best.libc, os_version=best.os_version)
        if same != best or (target.libc and best.libc and target.libc.kind is not best.libc.kind):
            raise UsageError(
                f"--platform {targets[0].name} and {target.name} are two targets, not one",
                code="E-USAGE-TARGET",
                hint="repeat --for instead: each gets its own result",
            )
    return replace(best, name="-".join([best.name or named[0], f"cp{python.short.replace('.', '')}"]))


def _floor(target: Target) -> tuple[int, int]:
    if target.libc is not None:
        return (target.libc.major, target.libc.minor)
    return target.os_version or (0, 0)
