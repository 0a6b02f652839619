"""Traces of the machine that made something: wheels built there, its shebangs, its bytecode."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from crossdock.inspect.finding import Finding, Severity
from crossdock.target.model import Implementation, Os
from crossdock.target.tags import wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossdock.contents.collect import Contents, FileFacts
    from crossdock.contents.distributions import Distribution
    from crossdock.target.model import Target

#: Directories of people and of build machines: an interpreter there is not the target's.
_PRIVATE = re.compile(
    r"/(home|Users|root|tmp|private|builds?|runner|workspace|github|actions|hostedtoolcache)(/|$)"
    r"|/\.?(venv|virtualenvs?|pyenv|tox|nox|conda|cache)(/|$)|^[A-Za-z]:[\\/]|\\"
)
_INTERPRETER = re.compile(r"(?:^|[/\\])python3\.(?P<minor>\d+)t?(?:\.exe)?$")
_BYTECODE = re.compile(r".*/__pycache__/[^/]+\.(?P<tag>[a-z]+-?[0-9]+t?)(?:\.opt-[12])?\.pyc")


def check_claims(
    distributions: Sequence[Distribution], contents: Contents, target: Target
) -> Iterator[Finding]:
    """Yield wheels whose own tags say that they are not for the target; their binaries are judged apart."""
    accepted = {str(tag) for tag in wheel_tags(target)}
    for one in distributions:
        if not one.tags or accepted.intersection(one.tags):
            continue
        platforms = sorted({tag.rpartition("-")[2] for tag in one.tags})
        bare = [name for name in platforms if name.startswith("linux_")]
        if bare:
            message = (
                f"was built on somebody's machine: its WHEEL file says {bare[0]}, which promises no libc"
            )
            hint = "take a wheel with a manylinux or musllinux tag, or build it for the target"
        else:
            message = f"is a wheel for {', '.join(one.tags[:3])}, not for the target"
            hint = ""
        yield Finding(
            code="E-FIT-TAG",
            severity=Severity.WARNING,
            message=message,
            package=one.name,
            path=f"{one.dist_info}/WHEEL",
            wheel=contents.wheel,
            hint=hint,
        )


def check_traces(contents: Contents, owners: Mapping[str, Distribution], target: Target) -> Iterator[Finding]:
    """Yield scripts with an interpreter of the machine that made them, and bytecode of another Python."""
    if contents.image:
        return  # a root file system has interpreters and bytecode of its own
    for path, facts in contents.files.items():
        if facts.head:
            yield from _script(path, facts, owners.get(path), target)
    yield from _bytecode(contents, owners, target)


def _script(path: str, facts: FileFacts, owner: Distribution | None, target: Target) -> Iterator[Finding]:
    directory, _, name = path.rpartition("/")
    if directory.rpartition("/")[2] not in {"bin", "Scripts"}:
        return
    line = facts.head[2:].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    interpreter = line.split(" ", 1)[0].strip('"')
    package = owner.name if owner else ""
    if target.os is Os.WINDOWS:
        if "python" in line.lower() and not name.endswith((".py", ".exe", ".bat", ".cmd")):
            yield Finding(
                code="E-FIT-SCRIPT",
                severity=Severity.WARNING,
                message="is a script for POSIX systems, which Windows cannot start",
                package=package,
                path=path,
                hint="ship the launcher `Scripts\\NAME.exe` instead",
            )
        return
    match = _INTERPRETER.search(interpreter)
    other = match is not None and int(match["minor"]) != target.python.minor
    if "python" in interpreter and (_PRIVATE.search(interpreter) or other):
        yield Finding(
            code="E-FIT-SHEBANG",
            severity=Severity.WARNING,
            message=f"starts with `#!{line}`, an interpreter of the machine that made it",
            package=package,
            path=path,
        )


def _bytecode(contents: Contents, owners: Mapping[str, Distribution], target: Target) -> Iterator[Finding]:
    """Yield one finding for each package and foreign bytecode tag (PEP 3147)."""
    if target.python.implementation is not Implementation.CPYTHON:
        return
    wanted = f"cpython-{target.python.major}{target.python.minor}"
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for path in contents.files:
        match = _BYTECODE.fullmatch(path)
        if match is not None and match["tag"].removesuffix("t") != wanted:
            owner = owners.get(path)
            found[owner.name if owner else "", match["tag"]].append(path)
    for (package, tag), paths in found.items():
        yield Finding(
            code="E-FIT-BYTECODE",
            severity=Severity.WARNING,
            message=f"is bytecode of {tag}, which the target's Python does not read ({len(paths)} files)",
            package=package,
            path=paths[0],
            hint="leave `__pycache__` out, or compile with the target's Python",
        )
