"""Writes a pylock.toml of any size with the shape of a real one: `python -m bench.synthetic 500 FILE`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

PYTHONS = ("310", "311", "312", "313", "314")

# What a project with compiled code publishes for each Python: 8 files, so 40 in all.
PLATFORMS = (
    "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "manylinux2014_aarch64.manylinux_2_17_aarch64",
    "musllinux_1_2_x86_64",
    "musllinux_1_2_aarch64",
    "macosx_10_13_x86_64",
    "macosx_11_0_arm64",
    "win_amd64",
    "win_arm64",
)

TARGETS = (
    "linux/amd64",
    "linux/arm64",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "manylinux2014_x86_64",
    "manylinux2014_aarch64",
    "macosx_11_0_arm64",
    "macosx_12_0_x86_64",
    "win_amd64",
    "win_arm64",
    "lambda-python3.12-arm64",
    "lambda-python3.13-x86_64",
)

_MARKERS = (
    "python_full_version >= '3.11'",
    "sys_platform != 'win32'",
    "platform_machine == 'aarch64' or platform_machine == 'x86_64' or sys_platform == 'darwin'",
    "implementation_name == 'cpython' and python_full_version < '3.15'",
)


def _file(kind: str, name: str, size: int) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return (
        f'{kind}{{ name = "{name}", url = "https://index.example/files/{digest[:2]}/{digest[2:4]}/{name}", '
        f'size = {size}, hashes = {{ sha256 = "{digest}" }} }}'
    )


def lock_text(packages: int) -> str:
    """Return a lock of `packages` packages, each with a source distribution and 40 wheels; every fifth marked."""
    lines = ['lock-version = "1.0"', 'created-by = "bench"', 'requires-python = ">=3.10"', ""]
    for number in range(packages):
        name, version = f"package-{number:04d}", f"{number % 9}.{number % 13}.{number % 7}"
        stem = f"{name.replace('-', '_')}-{version}"
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{version}"']
        if number % 5 == 0:
            lines.append(f'marker = "{_MARKERS[number // 5 % len(_MARKERS)]}"')
        lines += ['requires-python = ">=3.10"', _file("sdist = ", f"{stem}.tar.gz", 100_000 + number)]
        lines.append("wheels = [")
        for python in PYTHONS:
            for platform in PLATFORMS:
                filename = f"{stem}-cp{python}-cp{python}-{platform}.whl"
                lines.append(f"    {_file('', filename, 1_000_000 + number)},")
        lines += ["]", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(lock_text(int(sys.argv[1])), encoding="utf-8")
