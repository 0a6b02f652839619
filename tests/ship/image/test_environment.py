"""The prefix of an image is an environment of its Python: proven by this machine's Python, in a temporary directory."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.wheels import wheel_files, zip_bytes

from crossdock.build.pure import BuiltWheel
from crossdock.errors import ImageError
from crossdock.ship.entries import disk_file, made_file
from crossdock.ship.image.application import project_application
from crossdock.ship.image.entries import merged, write_entries
from crossdock.ship.image.environment import environment_entries, image_layout
from crossdock.ship.image.layer import LayerWriter
from crossdock.ship.image.layouts import Environment
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.ship.entries import Entry

HERE = parse_target(f"cp3{sys.version_info[1]}-linux-x86_64-glibc2.17")


def lay_out(entries: Iterable[Entry]) -> None:
    """Write entries where they say: the prefix is a directory of this machine."""
    for entry in entries:
        path = Path("/", entry.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.link:
            path.symlink_to(entry.link)
        else:
            path.write_bytes(b"".join(entry.content()))
            path.chmod(entry.mode)


def test_python_console_scripts_pth_files_and_the_sources_work(tmp_path: Path) -> None:
    prefix = f"{tmp_path}/app"
    script = "[console_scripts]\nshow = demo:show\n"
    code = (
        "import json, sys\n"
        "def show():\n    import there\n"
        "    print(json.dumps([sys.prefix, sys.base_prefix, there.__file__, sys.executable, sys.argv[1:]]))\n"
    )
    members = wheel_files(
        files={"demo/__init__.py": code, "extra.pth": "import sys; sys.extra = 1\n"}, entry_points=script
    )
    built = BuiltWheel(filename="demo-1.0-py3-none-any.whl", content=zip_bytes(members))
    found = project_application(lambda: built, HERE, Environment(prefix), (), name="demo")
    interpreter = os.path.realpath(sys.executable)
    lay_out(environment_entries(HERE, prefix, interpreter, sources=True))
    lay_out([*found.entries, made_file(f"{prefix}/src/there.py".removeprefix("/"), b"")])

    def run(*command: str) -> str:
        environ = {"PATH": f"{prefix}/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd="/", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(run(*found.entrypoint, "a b")) == [
        prefix,
        sys.base_prefix,
        f"{prefix}/src/there.py",
        f"{prefix}/bin/python",
        ["a b"],
    ]
    for name in ("python", "python3", f"python3.{sys.version_info[1]}"):
        asked = "import sys, site, json, encodings; print(json.dumps([sys.prefix, sys.extra, sys.path]))"
        shown, extra, path = json.loads(run(name, "-c", asked))
        assert (shown, extra) == (prefix, 1)
        outside = [place for place in path if "packages" in place and not place.startswith(prefix)]
        assert not outside, "the base's own packages are not seen"


def test_the_environments_files_are_the_same_for_every_patch_of_python() -> None:
    entries = environment_entries(
        parse_target("cp313t-linux-aarch64-glibc2.36"), "/app", "/usr/local/bin/python3.13t", sources=True
    )
    assert [(entry.path, entry.link or b"".join(entry.content())) for entry in entries] == [
        ("app/bin/python", "/usr/local/bin/python3.13t"),
        ("app/bin/python3", "/usr/local/bin/python3.13t"),
        ("app/bin/python3.13t", "/usr/local/bin/python3.13t"),
        ("app/lib/python3.13t/site-packages/_crossdock_src.pth", b"/app/src\n"),
        (
            "app/pyvenv.cfg",
            b"home = /usr/local/bin\ninclude-system-site-packages = false\nversion = 3.13\n",
        ),
    ]
    paths = [entry.path for entry in environment_entries(HERE, "/app", "/usr/bin/python3", sources=False)]
    assert not [path for path in paths if path.endswith(".pth")]


def test_the_layout_is_a_venvs() -> None:
    layout = image_layout(HERE, "/srv/app")
    python = f"python3.{sys.version_info[1]}"
    assert layout.place("headers", "a.h", "demo") == f"srv/app/include/site/{python}/demo/a.h"
    assert layout.place("data", "share/x", "demo") == "srv/app/share/x"
    assert layout.purelib == layout.platlib == f"srv/app/lib/{python}/site-packages"
    assert layout.interpreter == "/srv/app/bin/python"


@pytest.mark.parametrize("path", ["python3", "", "/", "/usr/bin/", "/usr/bin/py\nthon"])
def test_what_is_no_path_of_a_python_is_refused(path: str) -> None:
    with pytest.raises(ImageError):
        environment_entries(HERE, "/app", path, sources=False)


@pytest.mark.parametrize("size", [1000, 100_000], ids=["compressed", "stored"])
def test_a_layer_of_such_entries_is_a_tar_that_says_the_same(tmp_path: Path, size: int) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"0123456789" * 50_000)
    entries = merged(
        environment_entries(HERE, "/app", "/usr/bin/python3", sources=True),
        [disk_file("app/src/big", big, mode=0o600), made_file("app/src/empty", b"", mode=0o755)],
        [made_file(f"app/src/{number}", b"01" * size) for number in range(20)],
    )
    out = io.BytesIO()
    writer = LayerWriter(out)
    write_entries(writer, entries)
    written = writer.finish()
    assert written.files == len(entries)
    assert (written.size < written.uncompressed_size * 0.95) == (size == 1000)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(out.getvalue()))) as archive:
        found = {member.name: member for member in archive if member.isreg() or member.issym()}
        for entry in entries:
            member = found[entry.path]
            assert (member.mode, member.linkname, member.uid) == (entry.mode, entry.link, 0)
            if not entry.link:
                content = archive.extractfile(member)
                assert content is not None
                assert content.read() == b"".join(entry.content())
