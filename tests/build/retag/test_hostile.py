"""Wheels that somebody made to break a reader: a refusal, and never anything else."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.build.repair.elves import elf, extension
from tests.build.repair.made import sysroot
from tests.build.retag.made import ARM, needs, retagged
from tests.inspect.builders import macho, pe, universal

from crossdock.errors import BuildError, CrossdockError

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.build.model import Sysroot

INIT = b"\0_PyInit_m\0"
GOOD = {
    f"demo/m{ARM}": extension(versions={**needs("GLIBC_2.17"), "libfoo.so.1": {"FOO_1": ("foo",)}}),
    "demo/m.abi3.so": extension(versions=needs("GLIBC_2.17")),
    "demo/m.cpython-311-darwin.so": universal(
        ("x86_64", macho("x86_64", names=INIT)), ("aarch64", macho(names=INIT))
    ),
    "demo/m.cp311-win_amd64.pyd": pe(dlls=("python311.dll",), exports=("PyInit_m",)),
}


@pytest.fixture(scope="module")
def foo(tmp_path_factory: pytest.TempPathFactory) -> Sysroot:
    return sysroot(tmp_path_factory.mktemp("sysroot"), {"libfoo.so.1": elf(soname="libfoo.so.1")})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(GOOD)),
    changes=st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 255)), min_size=1, max_size=8),
    wish=st.sampled_from([(), ("manylinux2014_aarch64",), ("musllinux_1_1_aarch64",), ("any",)]),
)
def test_changed_bytes(
    tmp_path: Path,
    foo: Sysroot,
    name: str,
    changes: list[tuple[int, int]],
    wish: tuple[str, ...],
) -> None:
    content = bytearray(GOOD[name])
    for at, value in changes:
        content[at % len(content)] = value
    with suppress(CrossdockError):
        retagged(tmp_path, {name: bytes(content)}, "cp311-abi3-linux_aarch64", *wish, sysroot=lambda _: foo)


def test_a_segment_aligned_by_terabytes(tmp_path: Path, foo: Sysroot) -> None:
    name = f"demo/m{ARM}"
    content = bytearray(GOOD[name])
    content[64 + 48 : 64 + 56] = (1 << 42).to_bytes(8, "little")
    with pytest.raises(BuildError) as caught:
        retagged(tmp_path, {name: bytes(content)}, "cp311-cp311-linux_aarch64", sysroot=lambda _: foo)
    assert caught.value.code == "E-BUILD-UNFIT"


@pytest.mark.parametrize("name", sorted(GOOD))
def test_cut_files(tmp_path: Path, foo: Sysroot, name: str) -> None:
    for size in range(0, len(GOOD[name]), 61):
        with suppress(CrossdockError):
            retagged(tmp_path, {name: GOOD[name][:size]}, "cp311-abi3-linux_aarch64", sysroot=lambda _: foo)
