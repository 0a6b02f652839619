"""The client for image registries, by the user's logins and settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossdock.cli.session import Session
    from crossdock.net.registry.client import Registry


def registry_of(session: Session) -> Registry:
    """Return a client with the logins of docker and podman, and the connection settings of all other downloads."""
    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.docker_config import RegistryLogins
    from crossdock.net.registry.transport import RegistrySettings

    home = os.environ.get("HOME") or os.environ.get("USERPROFILE")
    settings = RegistrySettings(
        logins=RegistryLogins.of(os.environ, Path(home) if home else None),
        insecure=frozenset(session.options.get("insecure") or ()),
        realms=frozenset(session.options.get("registry_realm") or ()),
    )
    return Registry(session.http, settings)
