"""A wheel with something of everything, and the layer that comes of wheels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tests.support.wheels import make_wheel

from crossdock.digest import Digest
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.wheel_layer import WheelLayer, WheelSource, write_wheel_layer
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GLIBC = Libc(LibcKind.GLIBC, 2, 28)
ARM64 = Target(os=Os.LINUX, arch=Arch.AARCH64, libc=GLIBC, python=Python(minor=12))
AMD64 = Target(os=Os.LINUX, arch=Arch.X86_64, libc=GLIBC, python=Python(minor=12))
PACKAGES = "app/lib/python3.12/site-packages"

FILES: Mapping[str, bytes | str] = {
    "demo/__init__.py": "x = 1\n" * 300,
    "demo/empty.py": "",
    "demo/\u00e9.txt": "name",
    "demo/" + "n" * 120 + ".py": "long",
    "demo-1.0.data/scripts/tool": "#!python\nprint('tool')\n",
    "demo-1.0.data/data/share/demo.txt": "data",
    "demo-1.0.data/headers/demo.h": "// h\n",
    "demo-1.0.dist-info/sboms/demo.cdx.json": '{"bomFormat": "CycloneDX"}',
}
ENTRY_POINTS = "[console_scripts]\ndemo = demo:main\n"
METADATA = "Summary: A demonstration\nLicense-Expression: MIT\nClassifier: License :: OSI Approved\nClassifier: Topic :: X\n"


def source(path: Path, name: str = "demo", direct_url: bytes | None = None) -> WheelSource:
    digest = Digest.of(path.read_bytes())
    return WheelSource(name=name, filename=path.name, digest=digest, blob=path, direct_url=direct_url)


def demo(directory: Path) -> Path:
    return make_wheel(directory, files=FILES, entry_points=ENTRY_POINTS, extra_metadata=METADATA)


def write(sources: Sequence[WheelSource], target: Target = ARM64) -> tuple[bytes, WheelLayer]:
    out = io.BytesIO()
    made = write_wheel_layer(sources, target=target, layout=Environment("/app"), out=out)
    return out.getvalue(), made
