"""The generated directory: what is in it, whether it is what it should be, and how it becomes that."""

from __future__ import annotations

import filecmp
import json
import re
import shutil
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from crossdock.errors import ShipError
from crossdock.ship.bazel.lockfile import WHEELS, lock_bytes
from crossdock.ship.bazel.packer_zip import packer_zip
from crossdock.ship.bazel.usage import usage_text
from crossdock.ship.files import write_file, write_stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossdock.ship.bazel.model import Hub

LOCK = "lock.json"
#: Files of ours as they are.
_FIXED = ("extensions.bzl", "layer.bzl", "packer.py", "repositories.bzl")
_MACRO = "deps.bzl"
#: What a lock may name as ours, and we may so remove: it may have been edited.
_OURS = re.compile(
    r"wheels/[A-Za-z0-9_.+!-]+\.whl|deps\.bzl|pylock\.toml|uv\.lock|requirements\.[A-Za-z0-9_.+-]+\.txt"
    r"|rules_py(?:thon|cross)\.MODULE\.bazel|gazelle_python\.yaml|gazelle\.BUILD\.bazel\.txt"
)

_BUILD = '''"""Written by `crossdock bazel`; changes are lost when it is run again."""

load("@rules_python//python:py_binary.bzl", "py_binary")

package(default_visibility = ["//visibility:public"])

exports_files([
    "layer.bzl",
    "lock.json",
] + glob(
    ["wheels/*.whl"],
    allow_empty = True,
))

# Packs layers; on the machine that builds.
py_binary(
    name = "packer",
    srcs = ["packer.py"],
    data = ["packer.zip"],
)
'''

#: What git and its hosts are told: no line ends of the checkout's own, and not what a person has to review.
_ATTRIBUTES = """\
# Written by `crossdock bazel`; changes are lost when it is run again.
* -text linguist-generated
"""

_PLATFORMS = '''"""Written by `crossdock bazel`; changes are lost when it is run again."""

package(default_visibility = ["//visibility:public"])
'''

_LIBCS = """
# A platform that says nothing of its libc has glibc.
constraint_setting(
    name = "libc",
    default_constraint_value = ":glibc",
)

constraint_value(
    name = "glibc",
    constraint_setting = ":libc",
)

constraint_value(
    name = "musl",
    constraint_setting = ":libc",
)
"""

_DEPS = '''"""For WORKSPACE: the repositories of lock.json, which nothing can read there.

    load("//{package}:deps.bzl", "crossdock_deps")

    crossdock_deps()

Written by `crossdock bazel`; changes are lost when it is run again.
"""

load(":repositories.bzl", "crossdock_repositories")

_LOCK = r"""
{lock}"""

def crossdock_deps():
    """Declares the hub and the repositories of its wheels."""
    crossdock_repositories(_LOCK, Label("//{package}:lock.json"))
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The files of the directory by their paths below it, and the wheels that lie there: file name to blob."""

    texts: Mapping[str, bytes]
    wheels: Mapping[str, Path] = field(default_factory=dict)


def generated(
    hub: Hub,
    wheels: Mapping[str, Path],
    *,
    package: str,
    workspace: bool,
    more: Mapping[str, bytes] | None = None,
) -> Generated:
    """Return what the directory holds.

    `wheels` are the files of those that no URL leads to, `package` is the directory's label in the workspace without
    `//`. With `workspace` there is a macro for WORKSPACE; `more` are files of adapters.
    """
    texts = {name: _fixed(name) for name in _FIXED}
    texts |= {
        ".gitattributes": _ATTRIBUTES.encode(),
        "BUILD.bazel": _BUILD.encode(),
        "platforms/BUILD.bazel": _platforms(hub).encode(),
        "packer.zip": packer_zip(),
        "USAGE.md": usage_text(hub, package=package, workspace=workspace).encode(),
        **(more or {}),
    }
    lock = lock_bytes(hub, [*texts, *([_MACRO] if workspace else [])])
    texts[LOCK] = lock
    if workspace:
        texts[_MACRO] = _DEPS.format(package=package, lock=lock.decode()).encode()
    return Generated(texts=dict(sorted(texts.items())), wheels=dict(sorted(wheels.items())))


def _fixed(name: str) -> bytes:
    return (files("crossdock.ship.bazel") / "starlark" / name).read_bytes()


def _platforms(hub: Hub) -> str:
    of_another_hub = any(
        label.startswith("//") for one in hub.platforms for label in one.platform.constraints
    )
    text = _PLATFORMS if of_another_hub else _PLATFORMS + _LIBCS
    for one in hub.platforms:
        values = "".join(f'        "{label}",\n' for label in sorted(one.platform.constraints))
        text += (
            f'\nplatform(\n    name = "{one.platform.name}",\n    constraint_values = [\n{values}    ],\n)\n'
        )
    return text


def differences(root: Path, wanted: Generated) -> list[str]:
    """Return what in the directory is not what it should be, in words; it is only read.

    Raise `ShipError` (E-BAZEL-READ).
    """
    found = []
    try:
        for name, content in wanted.texts.items():
            path = root / name
            if not path.is_file():
                found.append(f"{name}: missing")
            elif not _has(path, content):
                found.append(f"{name}: differs")
        for name, blob in wanted.wheels.items():
            path = root / WHEELS / name
            if not path.is_file():
                found.append(f"{WHEELS}/{name}: missing")
            elif not _is_same(path, blob):
                found.append(f"{WHEELS}/{name}: differs")
        found += [f"{name}: left over" for name in _left_over(root, wanted)]
    except OSError as error:
        raise ShipError(f"cannot read `{root}`: {error.strerror or error}", code="E-BAZEL-READ") from error
    return found


def write_generated(root: Path, wanted: Generated) -> list[str]:
    """Bring the directory to what it should be and return what was written or removed.

    Raise `ShipError`: E-BAZEL-FOREIGN where a file lies that is not ours, E-SHIP-WRITE; then nothing was written.
    """
    before = _lock_there(root)
    _refuse_foreign(root, wanted, set() if before is None else set(before.get("files", ())))
    changed = []
    left = _left_over(root, wanted)
    for name, blob in wanted.wheels.items():
        if not _is_same(root / WHEELS / name, blob):
            _copy(blob, root / WHEELS / name)
            changed.append(f"{WHEELS}/{name}")
    # The lock says whose files these are. So it comes first where there was none, and the next run can finish what is
    # begun; else last, since it names what is to be removed.
    for name in sorted(wanted.texts, key=lambda name: ((name == LOCK) is (before is not None), name)):
        path = root / name
        if not (path.is_file() and _has(path, wanted.texts[name])):
            write_file(path, wanted.texts[name])
            changed.append(name)
    for name in left:
        (root / name).unlink(missing_ok=True)
        changed.append(f"{name} (removed)")
    return changed


def _has(path: Path, content: bytes) -> bool:
    """Tell whether a file has this content, or what git on Windows makes of it."""
    found = path.read_bytes()
    return found == content or (b"\0" not in content and found.replace(b"\r\n", b"\n") == content)


def _is_same(path: Path, blob: Path) -> bool:
    return path.is_file() and filecmp.cmp(blob, path, shallow=False)


def _copy(blob: Path, path: Path) -> None:
    with blob.open("rb") as file:
        write_stream(path, lambda out: shutil.copyfileobj(file, out))


def _left_over(root: Path, wanted: Generated) -> list[str]:
    """Return what the lock which is there names, and the new one does not: files of ours, and wheels."""
    before = _lock_there(root) or {}
    wheels = [
        f"{WHEELS}/{row['filename']}" for row in before.get("wheels", {}).values() if not row.get("urls")
    ]
    names = {str(name) for name in [*before.get("files", ()), *wheels]}
    kept = {*wanted.texts, *(f"{WHEELS}/{name}" for name in wanted.wheels)}
    return sorted(name for name in names - kept if _OURS.fullmatch(name) and (root / name).is_file())


def _lock_there(root: Path) -> dict[str, Any] | None:
    """Return the lock that is there, None where there is none; raise `ShipError` where it is somebody else's."""
    path = root / LOCK
    try:
        if not path.exists():
            return None
        found = json.loads(path.read_bytes())
        if _is_lock(found):
            lock: dict[str, Any] = found
            return lock
    except OSError as error:
        raise ShipError(f"cannot read `{path}`: {error.strerror or error}", code="E-BAZEL-READ") from error
    except (ValueError, RecursionError):
        pass
    raise _foreign(root, [LOCK])


def _is_lock(found: object) -> bool:
    if not (isinstance(found, dict) and {"form", "hub", "wheels", "files"} <= found.keys()):
        return False
    wheels = found["wheels"]
    rows = wheels.values() if isinstance(wheels, dict) else [None]
    is_named = all(isinstance(row, dict) and isinstance(row.get("filename"), str) for row in rows)
    return is_named and isinstance(found["files"], list)


def _refuse_foreign(root: Path, wanted: Generated, ours: set[object]) -> None:
    """Refuse to write over files that no lock of ours names: `--out` may be any directory of the user's."""
    found = [
        name
        for name, content in wanted.texts.items()
        if name != LOCK
        and name not in ours
        and (root / name).exists()
        and not _has_file(root / name, content)
    ]
    if found:
        raise _foreign(root, found)


def _has_file(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and _has(path, content)
    except OSError as error:
        raise ShipError(f"cannot read `{path}`: {error.strerror or error}", code="E-BAZEL-READ") from error


def _foreign(root: Path, names: Sequence[str]) -> ShipError:
    return ShipError(
        f"`{root}` has files that `crossdock bazel` did not write, where it would write its own",
        code="E-BAZEL-FOREIGN",
        places=list(names[:10]),
        hint="give a directory of its own by `--out`",
    )
