"""The machine that crossdock runs on, where a command has to do with it: loading an image into its own engine."""

from __future__ import annotations

import platform

_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def host_platform() -> tuple[str, str]:
    """Return OS and architecture of the images that this machine runs; engines on macOS and Windows run Linux's."""
    machine = platform.machine()
    return "linux", _ARCHITECTURES.get(machine, machine)
