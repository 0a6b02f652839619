"""Writes src/crossdock/build/retag/glibc_symbols.txt: which glibc each newer symbol came with.

Read from `lib/libc/glibc/abilists` of the compiler that crossdock builds with, as it lies in the store after any
`crossdock build`: `python dev/refresh_glibc_symbols.py STORE`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from textwrap import TextWrapper

from crossdock.build.toolchain.symbols import glibc_symbols
from crossdock.build.toolchain.zig import VERSION
from crossdock.target.arches import lowest_glibc
from crossdock.target.model import Arch

OUT = Path(__file__).parents[1] / "src/crossdock/build/retag/glibc_symbols.txt"
TARGETS = {
    Arch.X86_64: "x86_64-linux-gnu",
    Arch.AARCH64: "aarch64-linux-gnu",
    Arch.ARMV7L: "arm-linux-gnueabihf",
    Arch.I686: "x86-linux-gnu",
    Arch.PPC64LE: "powerpc64le-linux-gnu",
    Arch.S390X: "s390x-linux-gnu",
    Arch.RISCV64: "riscv64-linux-gnu",
    Arch.LOONGARCH64: "loongarch64-linux-gnu",
}
HEAD = f"""\
# Symbols of glibc by the version that they came with on any CPU whose oldest wheels are for an older one. `2.27@s390x`
# holds on that CPU alone. Written by dev/refresh_glibc_symbols.py from zig {VERSION}'s lib/libc/glibc/abilists; do not edit.
"""


def main(store: Path) -> None:
    (lists,) = store.glob("trees/zig/*/ziglang/lib/libc/glibc/abilists")
    data = lists.read_bytes()
    known: dict[str, dict[Arch, tuple[int, int]]] = defaultdict(dict)
    oldest: dict[Arch, tuple[int, int]] = {}
    for arch, target in TARGETS.items():
        symbols = glibc_symbols(data, target)
        # Ports that began later have most of what they have since then.
        oldest[arch] = max((2, lowest_glibc(arch)), min(symbols.values()))
        for name, version in symbols.items():
            known[name][arch] = version if version > oldest[arch] else (0, 0)
    lines: dict[tuple[tuple[int, int], str], list[str]] = defaultdict(list)
    for name, versions in known.items():
        newer = {arch: version for arch, version in versions.items() if version > (0, 0)}
        first = next(iter(newer.values()), (0, 0))
        elsewhere = versions.keys() - newer.keys()
        if len(set(newer.values())) == 1 and all(first <= oldest[arch] for arch in elsewhere):
            lines[first, ""].append(name)
        else:
            for arch, version in newer.items():
                lines[version, f"@{arch}"].append(name)
    wrapper = TextWrapper(width=118, break_long_words=False, break_on_hyphens=False)
    text = HEAD
    for (version, where), names in sorted(lines.items()):
        for row in wrapper.wrap(" ".join(sorted(names))):
            text += f"2.{version[1]}{where} {row}\n"
    OUT.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{OUT.name}: {len(known)} symbols, {len(text)} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
