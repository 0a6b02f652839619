"""What the tests say of images that run stands on this: podman runs foreign images here and leaves nothing behind."""

from __future__ import annotations

import subprocess
import urllib.error
from typing import TYPE_CHECKING

import pytest
from tests.support.podman import PodmanUnavailable, _registration, fetch, require_podman, run_image, serving

from crossdock.oci import media
from crossdock.oci.model import Descriptor, Index, Manifest, Platform, canonical_json

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.emulation import ForeignPython

PYTHON = "/usr/bin/python3"
SERVER = """
import http.server, os, platform
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(platform.machine().encode())
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Debian's Python for arm64 as an image of one layer."""
    require_podman("linux/arm64")
    from tests.support.emulation import require_foreign_python

    return _layout(tmp_path_factory.mktemp("layout"), require_foreign_python("arm64"))


def _layout(directory: Path, arm64: ForeignPython) -> str:
    tar = ["tar", "-C", str(arm64.root), "--owner=0", "--group=0", "-c", "."]
    layer = subprocess.run(tar, capture_output=True, check=True).stdout
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str, platform: Platform | None = None) -> Descriptor:
        descriptor = Descriptor.of(content, media_type, platform=platform)
        (blobs / descriptor.digest.hex).write_bytes(content)
        return descriptor

    layers = (put(layer, media.LAYER),)
    rootfs = {"type": "layers", "diff_ids": [str(layers[0].digest)]}
    config = {"architecture": "arm64", "variant": "v8", "os": "linux", "config": {}, "rootfs": rootfs}
    manifest = Manifest(config=put(canonical_json(config), media.CONFIG), layers=layers)
    platform = Platform(os="linux", architecture="arm64", variant="v8")
    index = Index(manifests=(put(manifest.to_bytes(), media.MANIFEST, platform),))
    (directory / "index.json").write_bytes(index.to_bytes())
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return f"oci:{directory}"


@pytest.mark.emulation
def test_an_image_of_another_cpu_runs_and_its_status_is_told(image: str) -> None:
    code = "import platform, sys; print(platform.machine()); sys.exit('no such luck')"
    done = run_image(image, "linux/arm64", PYTHON, "-c", code)
    assert (done.status, done.output) == (1, "aarch64\n"), done.errors
    assert "no such luck" in done.errors


@pytest.mark.emulation
def test_a_server_answers_and_is_gone_afterwards(image: str) -> None:
    with serving(image, "linux/arm64", PYTHON, "-c", SERVER) as url:
        assert fetch(url) == "aarch64"
    with pytest.raises(urllib.error.URLError):
        fetch(url)


@pytest.mark.emulation
def test_a_server_that_ends_says_why(image: str) -> None:
    with (
        pytest.raises(AssertionError, match="no such port"),
        serving(image, "linux/arm64", PYTHON, "-c", "raise SystemExit('no such port')"),
    ):
        pass


def test_a_platform_that_nobody_emulates_is_a_reason() -> None:
    with pytest.raises(PodmanUnavailable, match="linux/vax"):
        _registration("linux/vax")
