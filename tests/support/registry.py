"""Debian's `docker-registry` for tests: on loopback, its files below a directory of the test's own.

    with DockerRegistry(tmp_path) as registry: ...
    with DockerRegistry(tmp_path, certificate=pem, login=("user", "password")) as registry: ...

`pytest_plugins` is not needed: import the fixture `docker_registry` where it is wanted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import IO, Self

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")
_START_SECONDS = 60


@dataclass
class DockerRegistry:
    """A running registry at `address` (`127.0.0.1:PORT`); `certificate` is a PEM of certificate and key."""

    folder: Path
    certificate: Path | None = None
    login: tuple[str, str] | None = None
    address: str = ""

    def __enter__(self) -> Self:
        program = shutil.which("docker-registry")
        if program is None:
            pytest.skip("docker-registry is not installed")
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.json"
        # JSON is YAML.
        config.write_text(json.dumps(self._config()))
        self._process = subprocess.Popen(
            [program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        self._lines: list[str] = []
        self._found = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        if not self._found.wait(_START_SECONDS) or not self.address:
            self.close()
            pytest.fail("docker-registry did not start:\n" + "".join(self._lines[-20:]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    @property
    def storage(self) -> Path:
        """Where its files are."""
        return self.folder / "storage" / "docker" / "registry" / "v2"

    def blob_path(self, digest: str) -> Path:
        """Return the file of a blob."""
        algorithm, _, value = digest.partition(":")
        return self.storage / "blobs" / algorithm / value[:2] / value / "data"

    def tags(self, repository: str) -> list[str]:
        """Return a repository's tags, from its files."""
        found = self.storage / "repositories" / repository / "_manifests" / "tags"
        return sorted(path.name for path in found.iterdir()) if found.is_dir() else []

    def uploads(self, repository: str) -> list[str]:
        """Return the uploads that were neither finished nor cancelled."""
        found = self.storage / "repositories" / repository / "_uploads"
        return sorted(path.name for path in found.iterdir()) if found.is_dir() else []

    def _config(self) -> dict[str, object]:
        http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "of the tests"}
        if self.certificate is not None:
            http["tls"] = {"certificate": str(self.certificate), "key": str(self.certificate)}
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "storage")},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": http,
        }
        if self.login is not None:
            path = self.folder / "htpasswd"
            made = subprocess.run(
                ["htpasswd", "-nbB", "-C", "4", *self.login], capture_output=True, check=True, text=True
            )
            path.write_text(made.stdout.strip() + "\n")
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(path)}}
        return config

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.append(line)
            if match := _LISTENING.search(line):
                self.address = match[1]
                self._found.set()
        self._found.set()


@pytest.fixture
def docker_registry(tmp_path: Path) -> Iterator[DockerRegistry]:
    """A fresh registry: plain HTTP, no login."""
    with DockerRegistry(tmp_path / "docker-registry") as running:
        yield running


def skopeo(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run skopeo without any policy or login of this machine's."""
    program = shutil.which("skopeo")
    if program is None:
        pytest.skip("skopeo is not installed")
    return subprocess.run(
        [program, "--insecure-policy", *arguments], capture_output=True, check=check, stdin=subprocess.DEVNULL
    )
