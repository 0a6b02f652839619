"""Writes a wheel with one large file that does not compress: `python -m bench.large_wheel FILE SIZE`."""

from __future__ import annotations

import base64
import hashlib
import random
import sys
import zipfile

_CHUNK = 1 << 20


def write_large_wheel(path: str, size: int) -> None:
    """Write the wheel; the same size gives the same bytes."""
    noise = random.Random(1).randbytes(_CHUNK)
    digest = hashlib.sha256()
    member = zipfile.ZipInfo("large/weights.bin")
    member.compress_type = zipfile.ZIP_DEFLATED
    files = {
        "large/__init__.py": b"",
        "large-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: large\nVersion: 1.0\n",
        "large-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        with wheel.open(member, "w", force_zip64=True) as file:
            for at in range(0, size, _CHUNK):
                # A different start each time, so that no two stretches are alike.
                chunk = (at.to_bytes(8, "little") + noise)[: min(_CHUNK, size - at)]
                digest.update(chunk)
                file.write(chunk)
        lines = [f"large/weights.bin,sha256={_encoded(digest.digest())},{size}"]
        for name, content in files.items():
            wheel.writestr(name, content)
            lines.append(f"{name},sha256={_encoded(hashlib.sha256(content).digest())},{len(content)}")
        wheel.writestr(
            "large-1.0.dist-info/RECORD", "\n".join([*lines, "large-1.0.dist-info/RECORD,,"]) + "\n"
        )


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


if __name__ == "__main__":
    write_large_wheel(sys.argv[1], int(sys.argv[2]))
