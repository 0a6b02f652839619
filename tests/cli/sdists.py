"""Source distributions whose backend lies in them and needs nothing, so that no index is asked for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.wheels import make_sdist

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["backend"]\n'

_BACKEND = """
import base64, hashlib, os, pathlib, zipfile

NAME, TAG, PURE, EXTRA = {name!r}, {tag!r}, {pure!r}, {extra!r}

def get_requires_for_build_wheel(settings=None):
    return []

def _metadata():
    return f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: 1.0\\n"

def prepare_metadata_for_build_wheel(directory, settings=None):
    info = pathlib.Path(directory, f"{{NAME}}-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(_metadata())
    return info.name

def build_wheel(directory, settings=None, metadata=None):
    {body}
    info = f"{{NAME}}-1.0.dist-info"
    members = {{f"{{NAME}}.py": pathlib.Path(f"{{NAME}}.py").read_bytes(), **EXTRA}}
    members[f"{{info}}/METADATA"] = _metadata().encode()
    members[f"{{info}}/WHEEL"] = f"Wheel-Version: 1.0\\nRoot-Is-Purelib: {{PURE}}\\nTag: {{TAG}}\\n".encode()
    rows = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{{name}},sha256={{digest}},{{len(data)}}\\n")
    members[f"{{info}}/RECORD"] = "".join([*rows, f"{{info}}/RECORD,,\\n"]).encode()
    filename = f"{{NAME}}-1.0-{{TAG}}.whl"
    with zipfile.ZipFile(os.path.join(directory, filename), "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return filename
"""


def backend(
    name: str,
    *,
    tag: str = "py3-none-any",
    pure: str = "true",
    extra: Mapping[str, bytes] | None = None,
    body: str = "pass",
) -> str:
    """The source of a PEP 517 backend that wraps `name`.py; `body` runs in build_wheel before all else."""
    return _BACKEND.format(name=name, tag=tag, pure=pure, extra=dict(extra or {}), body=body)


def sources(name: str, **options: object) -> dict[str, bytes | str]:
    """The files of a source tree with its own backend; keywords as `backend` takes them."""
    return {
        "pyproject.toml": PYPROJECT + f'\n[project]\nname = "{name}"\nversion = "1.0"\n',
        f"{name}.py": f"NAME = {name!r}\n",
        "backend/backend.py": backend(name, **options),  # type: ignore[arg-type]
    }


def pure_sdist(directory: Path, name: str, **options: object) -> Path:
    """Write a source distribution with its own backend; keywords as `backend` takes them."""
    return make_sdist(directory, name, files=sources(name, **options))


def native_sdist(directory: Path, name: str, version: str = "1.0") -> Path:
    """Write a source distribution in C with metadata that needs no build (core metadata 2.2)."""
    setup = f"from setuptools import Extension, setup\nsetup(ext_modules=[Extension({name!r}, ['src/{name}.c'])])\n"
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        "setup.py": setup,
        f"src/{name}.c": f"int PyInit_{name}(void);\n",
    }
    return make_sdist(directory, name, version, files=files)
