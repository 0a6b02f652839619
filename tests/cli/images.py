"""A small shop of wheels, bases and applications for `crossdock image`, and readers of what it made."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import struct
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cli.world import MACHINES, World, elf, make_world
from tests.support.layouts import MadeLayout, tar_of
from tests.support.wheels import make_wheel, wheel_files

from crossdock.oci import media

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.fake_registry import FakeRegistry
    from tests.support.layouts import Content

ARM = "linux/arm64/v8"
AMD = "linux/amd64"
BOTH = ("--for", "linux/amd64", "--for", "linux/arm64", "--python", "3.12")
ONLY_ARM = ("--for", "linux/arm64", "--python", "3.12")

NATIVE = {"manylinux2014_x86_64": "x86_64", "manylinux2014_aarch64": "aarch64"}
MULTIARCH = {"amd64": "x86_64", "arm64": "aarch64"}


def needy_elf(machine: str, *needs: str) -> bytes:
    """A shared object that needs libraries: `elf` with a string table and DT_NEEDED entries."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in needs)
    places = [names.index(b"\0" + name.encode() + b"\0") + 1 for name in needs]
    at = 64 + 2 * 56
    length = 16 * (len(needs) + 3)
    strings = at + length
    # DT_NEEDED 1, DT_STRTAB 5, DT_STRSZ 10, DT_NULL 0 (gABI, chapter 5).
    rows = [*((1, place) for place in places), (5, strings), (10, len(names)), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *row) for row in rows)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    size = strings + len(names)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 0x1000)
    table = struct.pack("<IIQQQQQQ", 2, 6, at, at, at, length, length, 8)
    return header + load + table + dynamic + names


def program(machine: str) -> bytes:
    """An ELF program of a machine, as far as anybody looks into it."""
    content = bytearray(elf(machine))
    content[16:18] = struct.pack("<H", 2)  # ET_EXEC
    return bytes(content)


def base_files(architecture: str, *, minor: int = 12, machine: str | None = None) -> dict[str, Content]:
    """The files of a base with a Python."""
    python = program(machine or MULTIARCH[architecture])
    return {
        "usr": None,
        "usr/bin": None,
        f"usr/bin/python3.{minor}": python,
        "usr/bin/python3": f"-> python3.{minor}",
        f"usr/lib/python3.{minor}/os.py": b"",
        "bin": "-> usr/bin",
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n",
        "etc/group": b"root:x:0:\nweb:x:1000:\n",
        "etc/os-release": b'ID=tests\nVERSION_ID="1"\n',
        "etc/noise": bytes(range(256)) * 8,
    }


def base_layout(
    changed: Mapping[str, Content] | None = None,
    *,
    architectures: Sequence[str] = ("amd64", "arm64"),
    without: Sequence[str] = (),
    **options: Any,
) -> MadeLayout:
    """A layout with a base for each architecture; `changed` files come instead or in addition."""
    layout = MadeLayout()
    entries = []
    for one in architectures:
        files = {**base_files(one, **options), **(changed or {})}
        tar = tar_of([(name, content) for name, content in files.items() if name not in without])
        variant = "/v8" if one == "arm64" else ""
        entries.append(
            layout.image(
                f"linux/{one}{variant}",
                tar,
                env=("PATH=/usr/local/bin:/usr/bin:/bin", "FROM_BASE=yes"),
                author="the base's author",
            )
        )
    return layout.listed(layout.index(*entries, annotations={media.REF_NAME: "latest"}))


def push_base(registry: FakeRegistry, name: str, tag: str, layout: MadeLayout) -> str:
    """Put a layout's image into a registry, as if pushed, and return its digest."""
    for digest, content in layout.blobs.items():
        is_json = content[:1] == b"{"
        kind = json.loads(content).get("mediaType") if is_json else None
        if kind in (media.INDEX, media.MANIFEST):
            registry.put_manifest(name, "", content, kind)
        else:
            assert registry.put_blob(name, content) == str(digest)
    top = layout.entries[0]
    registry.tags[name, tag] = str(top.digest)
    return str(top.digest)


def big(seed: int) -> bytes:
    """More than a MiB that does not compress: its wheel gets a layer of its own."""
    import random

    return random.Random(seed).randbytes((1 << 20) + 1000)


def stock_images(files: Path) -> None:
    """Put the packages of a small service into an index: pure, native, large, with scripts and data."""
    for version in ("1.0", "1.1"):
        make_wheel(
            files,
            "web",
            version,
            files={
                "web/__init__.py": f"VERSION = {version!r}\n",
                "web/cli.py": "def main():\n    print('web')\n",
            },
            requires=("purelib", "numlib", "large"),
            entry_points="[console_scripts]\nwebserve = web.cli:main\n",
        )
        make_wheel(files, "purelib", version, files={"purelib.py": f"VERSION = {version!r}\n"})
        make_wheel(
            files, "large", version, files={"large/__init__.py": "", "large/data.bin": big(int(version[-1]))}
        )
        for platform, machine in NATIVE.items():
            native_wheel(files, "numlib", version, platform, elf(machine))
    make_wheel(files, "extra_one", files={"extra_one.py": "X = 1\n"})


def native_wheel(files: Path, name: str, version: str, platform: str, binary: bytes) -> Path:
    """A wheel with one extension module."""
    machine = NATIVE[platform]
    path = f"{name}/core.cpython-312-{machine}-linux-gnu.so"
    return make_wheel(
        files,
        name,
        version,
        f"cp312-cp312-{platform}",
        files={f"{name}/__init__.py": f"VERSION = {version!r}\n", path: binary},
        modes={path: 0o100755},
    )


BACKEND = """
import base64, hashlib, zipfile

NAME, FILES = {name!r}, {files!r}

def build_wheel(directory, config_settings=None, metadata_directory=None):
    filename = NAME
    with zipfile.ZipFile(f"{{directory}}/{{filename}}", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in FILES.items():
            archive.writestr(path, content)
    return filename
"""


def make_project(
    root: Path, *, name: str = "shop", body: str = "print('hello')", tag: str = "py3-none-any"
) -> Path:
    """A project whose in-tree backend needs nothing; its console script is called like it."""
    root.mkdir(parents=True, exist_ok=True)
    wheel = wheel_files(
        name,
        "2.0",
        tag,
        files={f"{name}/__init__.py": "", f"{name}/cli.py": f"def main():\n    {body}\n"},
        entry_points=f"[console_scripts]\n{name} = {name}.cli:main\n",
        extra_metadata="Summary: Sells things\nLicense-Expression: MIT\n",
    )
    (root / "backend").mkdir(exist_ok=True)
    members = {path: data.decode() for path, data in wheel.items()}
    (root / "backend" / "inside.py").write_text(BACKEND.format(name=f"{name}-2.0-{tag}.whl", files=members))
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "inside"\nbackend-path = ["backend"]\n'
        f'[project]\nname = "{name}"\nversion = "2.0"\ndescription = "Sells things"\nlicense = "MIT"\n'
        f'requires-python = ">=3.12"\ndependencies = ["web"]\n'
        f'[project.scripts]\n{name} = "{name}.cli:main"\n'
    )
    return root


def make_modules(root: Path, body: str = "print('hello')\n") -> Path:
    """A directory of modules."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "main.py").write_text(body)
    (root / "helper.py").write_text("X = 1\n")
    return root


@dataclass
class Contents:
    """An image's blobs by digest, wherever they are."""

    blobs: Mapping[str, bytes]
    top: str
    tags: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_layout(cls, root: Path) -> Contents:
        """Read an OCI layout."""
        index = json.loads((root / "index.json").read_bytes())
        named = {
            row["annotations"][media.REF_NAME]: row["digest"]
            for row in index["manifests"]
            if media.REF_NAME in row.get("annotations", {})
        }
        blobs = {f"sha256:{path.name}": path.read_bytes() for path in (root / "blobs/sha256").iterdir()}
        return cls(blobs, next(iter(named.values())), named)

    @classmethod
    def of_registry(cls, registry: FakeRegistry, name: str, tag: str) -> Contents:
        """Read a repository."""
        blobs = {digest: data for (where, digest), data in registry.blobs.items() if where == name}
        blobs |= {
            digest: data for (where, digest), (_kind, data) in registry.manifests.items() if where == name
        }
        return cls(blobs, registry.tags[name, tag])

    def json(self, digest: str) -> Any:
        """Return a JSON blob."""
        return json.loads(self.blobs[digest])

    @property
    def index(self) -> Any:
        """The image's index."""
        return self.json(self.top)

    def manifest(self, platform: str) -> Any:
        """Return the manifest of `OS/ARCHITECTURE[/VARIANT]`."""
        return self.json(self.manifest_digest(platform))

    def manifest_digest(self, platform: str) -> str:
        """Return the digest of a platform's manifest."""
        for row in self.index["manifests"]:
            own = row["platform"]
            if "/".join(own[key] for key in ("os", "architecture", "variant") if key in own) == platform:
                return str(row["digest"])
        raise LookupError(platform)

    def config(self, platform: str) -> Any:
        """Return a platform's configuration."""
        return self.json(self.manifest(platform)["config"]["digest"])

    def layers(self, platform: str) -> list[tuple[str, str]]:
        """Return kind and digest of each layer; the base's have no kind."""
        return [
            (row.get("annotations", {}).get("dev.crossdock.layer.kind", "base"), row["digest"])
            for row in self.manifest(platform)["layers"]
        ]

    def tree(self, platform: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
        """Return what a platform's container sees, later layers over earlier ones."""
        found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
        for row in self.manifest(platform)["layers"]:
            with tarfile.open(fileobj=io.BytesIO(self.blobs[row["digest"]]), mode="r:gz") as archive:
                for member in archive:
                    file = archive.extractfile(member) if member.isreg() else None
                    found[member.name.removeprefix("./")] = (member, file.read() if file else b"")
        return found

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Yield every blob as it is, and unpacked where it is packed."""
        for digest, data in self.blobs.items():
            yield digest, data
            if data[:2] == b"\x1f\x8b":
                yield digest, gzip.decompress(data)


@dataclass(kw_only=True)
class Shop(World):
    """A world with a base, and the lock of the service in its working directory."""

    base: Path

    def image(self, *words: str | Path, source: str | Path = "pylock.toml", **options: Any) -> Any:
        """Run `crossdock image` for both platforms on the base and return the receipt."""
        return json.loads(self.build(*words, "--json", source=source, **options).stdout)

    def build(
        self, *words: str | Path, source: str | Path = "pylock.toml", **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run `crossdock image` for both platforms on the base."""
        target = options.pop("target", BOTH)
        base = options.pop("base", self.base)
        return self.run("image", source, *target, *(("--base", base) if base else ()), *words, **options)

    def refuses(
        self, *words: str | Path, code: str, source: str | Path = "pylock.toml", **options: Any
    ) -> str:
        """Run `crossdock image`, expect the refusal `code`, and return the text of it."""
        target = options.pop("target", BOTH)
        base = options.pop("base", self.base)
        return self.refused(
            "image", source, *target, *(("--base", base) if base else ()), *words, code=code, **options
        )

    def layout(self, name: str = "out") -> Contents:
        """Read the layout that was written to a directory of `work`."""
        return Contents.of_layout(self.work / name)

    def bump(self, *names: str) -> None:
        """Lock the first version of these packages instead of the second, or the other way round."""
        lock = self.work / "pylock.toml"
        parts = lock.read_text().split("[[packages]]")
        for at, part in enumerate(parts):
            found = re.search(r'name = "(.+?)"', part)
            if at and found and found[1] in names:
                old = "1.1" if 'version = "1.1"' in part else "1.0"
                parts[at] = self._other(part, old, "1.0" if old == "1.1" else "1.1")
        lock.write_text("[[packages]]".join(parts))

    def _other(self, part: str, old: str, new: str) -> str:
        lines = []
        for line in part.replace(f'"{old}"', f'"{new}"').splitlines():
            found = re.search(r"/files/([^\"]+)", line)
            if found:
                path = self.files / found[1].replace(f"-{old}-", f"-{new}-")
                content = path.read_bytes()
                line = line.replace(found[1], path.name)  # noqa: PLW2901
                line = re.sub(r"size = \d+", f"size = {len(content)}", line)  # noqa: PLW2901
                digest = hashlib.sha256(content).hexdigest()
                line = re.sub(r'sha256 = "\w+"', f'sha256 = "{digest}"', line)  # noqa: PLW2901
            lines.append(line)
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Stock:
    """What all worlds of a test run share: wheels, a base, a lock, and where the lock says that the wheels are."""

    files: Path
    base: Path
    lock: str
    origin: str

    @classmethod
    def make(cls, root: Path) -> Stock:
        """Make it once."""
        world = make_world(root)
        stock_images(world.files)
        base_layout().write(root / "base")
        with world.index:
            world.run("lock", "web", *BOTH, "-o", "pylock.toml")
            lock = (world.work / "pylock.toml").read_text()
            return cls(world.files, root / "base", lock, world.index.origin)

    def shop(self, root: Path) -> Shop:
        """Return a world of its own on these wheels; its index is not started yet."""
        plain = make_world(root)
        for path in self.files.iterdir():
            (plain.files / path.name).hardlink_to(path)
        return Shop(root=plain.root, index=plain.index, base=self.base)

    def write_lock(self, shop: Shop) -> None:
        """Put the lock to work, once the index is started."""
        (shop.work / "pylock.toml").write_text(self.lock.replace(self.origin, shop.index.origin))
