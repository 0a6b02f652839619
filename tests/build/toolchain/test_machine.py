"""CPU flags of gcc and clang in zig's words: what is lost here is a package without its fast paths."""

from __future__ import annotations

import pytest
from tests.build.toolchain.programs import machine


@pytest.mark.parametrize(
    ("family", "word", "meant"),
    [
        ("aarch64", "-march=armv8-a+crypto", ["-mcpu=generic+v8a+crypto"]),
        ("aarch64", "-march=armv8.2-a+fp16+dotprod", ["-mcpu=generic+v8_2a+fullfp16+dotprod"]),
        ("aarch64", "-march=armv8.6-a+sve+nofp16fml", ["-mcpu=generic+v8_6a+sve-fp16fml"]),
        ("aarch64", "-mcpu=neoverse-n1", ["-mcpu=neoverse_n1"]),
        ("aarch64", "-march=native", []),
        ("aarch64", "-mtune=cortex-a72", []),
        ("aarch64", "-moutline-atomics", None),
        ("x86_64", "-march=x86-64-v3", ["-mcpu=x86_64_v3"]),
        ("x86_64", "-march=haswell", ["-mcpu=haswell"]),
        ("x86_64", "-mavx2", None),
        ("x86_64", "-m64", []),
        ("arm", "-march=armv7-a", []),
        ("arm", "-march=armv7-a+simd", ["-mcpu=baseline+neon"]),
        ("arm", "-mfpu=neon", []),
        ("powerpc64le", "-mcpu=power9", ["-mcpu=pwr9"]),
        ("powerpc64le", "-mvsx", None),
        ("s390x", "-march=z13", ["-mcpu=z13"]),
        ("riscv64", "-march=rv64gcv", ["-mcpu=generic_rv64+m+a+f+d+c+v"]),
        ("riscv64", "-mabi=lp64d", []),
    ],
)
def test_translation(family: str, word: str, meant: list[str] | None) -> None:
    assert machine().translate(word, family) == meant
