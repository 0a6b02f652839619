"""Selection equals `packaging.pylock.Pylock.select` wherever the target leaves nothing open."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.pylock import Pylock, PylockSelectError
from tests.lock.locks import linux, macos, package, table, windows

from crossdock.errors import LockError
from crossdock.lock.emit import lock_text
from crossdock.lock.formats import FormatPolicy
from crossdock.lock.pylock import read_lock
from crossdock.lock.resolve import ResolveOptions, resolve
from crossdock.lock.select import Kind, select
from crossdock.lock.source import find_source
from crossdock.target.markers import environment
from crossdock.target.model import Arch, Python, Target
from crossdock.target.tags import wheel_tags

if TYPE_CHECKING:
    from pathlib import Path

OPEN = (("platform_release", "6.1.0"), ("platform_version", "#1 SMP"))
EXACT = Python(minor=12, patch=4)
TARGETS = [
    linux(python=EXACT, marker_overrides=OPEN),
    linux(Arch.X86_64, glibc=(2, 17), python=Python(minor=11, patch=9), marker_overrides=OPEN),
    linux(musl=(1, 2), python=Python(minor=13, patch=1, free_threaded=True), marker_overrides=OPEN),
    replace(macos(), python=EXACT, marker_overrides=OPEN),
    replace(windows(), python=EXACT, marker_overrides=OPEN),
]


def theirs(
    content: str, target: Target, extras: list[str], groups: list[str] | None, no_binary: set[str]
) -> Any:
    """Return what packaging selects, as {name: file name}, or None if it refuses."""
    full = environment(target)
    assert None not in full.values()
    try:
        selected = list(
            Pylock.from_dict(tomllib.loads(content)).select(
                environment=full,  # type: ignore[arg-type]
                tags=wheel_tags(target),
                extras=extras,
                dependency_groups=groups,
                prefer_sdist_predicate=lambda name: name in no_binary,
            )
        )
    except PylockSelectError:
        return None
    return {package.name: getattr(file, "filename", None) for package, file in selected}


def ours(
    content: str, target: Target, extras: list[str], groups: list[str] | None, no_binary: set[str]
) -> Any:
    policy = FormatPolicy.parse(no_binary=sorted(no_binary))
    try:
        selection = select(read_lock(content.encode()), target, extras=extras, groups=groups, formats=policy)
        selection.require()
    except LockError as error:
        assert error.code != "E-LOCK-OPEN"  # noqa: PT017 - nothing is open in these targets
        return None
    return {
        choice.name: choice.file.filename if choice.file and choice.kind is not Kind.ARCHIVE else None
        for choice in selection.choices
    }


TAGS = [
    "py3-none-any",
    "py2.py3-none-any",
    "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "cp312-cp312-manylinux_2_28_aarch64",
    "cp312-cp312-manylinux_2_39_aarch64",
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp311-cp311-manylinux_2_5_x86_64.manylinux1_x86_64",
    "cp38-abi3-manylinux_2_17_x86_64",
    "cp39-abi3-musllinux_1_1_aarch64",
    "cp313-cp313t-musllinux_1_2_aarch64",
    "cp312-cp312-linux_aarch64",
    "cp312-cp312-macosx_11_0_arm64",
    "cp312-cp312-macosx_10_13_universal2",
    "cp312-cp312-win_amd64",
    "py3-none-win_amd64",
    "py3-none-manylinux_2_17_aarch64",
]
MARKERS = [
    "",
    "sys_platform == 'win32'",
    "sys_platform != 'win32' and platform_machine == 'aarch64'",
    "python_full_version < '3.12.4' or platform_system == 'Darwin'",
    "python_version >= '3.12'",
    "'web' in extras",
    "'test' in dependency_groups and os_name == 'posix'",
    "platform_release == '6.1.0'",
    "implementation_name == 'pypy'",
]


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    tags = draw(st.lists(st.sampled_from(TAGS), max_size=6, unique=True))
    entry = package(
        draw(st.sampled_from(["alpha", "beta", "gamma"])),
        draw(st.sampled_from(["1.0", "2.0"])),
        *tags,
        sdist=not tags or draw(st.booleans()),
    )
    if marker := draw(st.sampled_from(MARKERS)):
        entry["marker"] = marker
    if requires := draw(st.sampled_from(["", ">=3.11", ">=3.12.2", "<3.13"])):
        entry["requires-python"] = requires
    return entry


@settings(max_examples=300, deadline=None)
@given(
    packages=st.lists(entries(), max_size=4),
    target=st.sampled_from(TARGETS),
    asked=st.tuples(st.sampled_from([[], ["web"]]), st.sampled_from([None, [], ["test"]])),
    requires=st.sampled_from([">=3.10", ">=3.12"]),
    environments=st.sampled_from(
        [[], ["sys_platform == 'linux'"], ["os_name == 'nt'", "os_name == 'posix'"]]
    ),
    source_only=st.booleans(),
)
def test_any_lock_is_selected_from_as_packaging_does(
    *,
    packages: list[dict[str, Any]],
    target: Target,
    asked: tuple[list[str], list[str] | None],
    requires: str,
    environments: list[str],
    source_only: bool,
) -> None:
    extras, groups = asked
    more: dict[str, Any] = {
        "requires-python": requires,
        "extras": ["web"],
        "dependency-groups": ["test"],
        "default-groups": ["test"],
    }
    if environments:
        more["environments"] = environments
    content = lock_text(table(*packages, **more))
    # Without a source distribution packaging falls back to wheels, where pip and we refuse.
    no_binary = (
        {"alpha"} if source_only and all("sdist" in p for p in packages if p["name"] == "alpha") else set()
    )
    assert ours(content, target, extras, groups, no_binary) == theirs(
        content, target, extras, groups, no_binary
    )


@pytest.mark.index
def test_real_lock_is_selected_from_as_packaging_does(tmp_path: Path) -> None:
    names = ["numpy", "pandas", "lxml", "cryptography", "fastapi", "boto3", "sqlalchemy", "uvicorn[standard]"]
    source = find_source(names, directory=tmp_path)
    text = resolve(source, TARGETS, environ=os.environ, options=ResolveOptions()).text
    for target in TARGETS:
        found = theirs(text, target, [], None, set())
        assert found
        assert ours(text, target, [], None, set()) == found
