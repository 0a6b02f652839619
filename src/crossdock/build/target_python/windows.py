"""Windows: headers of the same minor version with a `pyconfig.h` of ours, and import libraries made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossdock.build.model import World
    from crossdock.build.target_python.host import HostHeaders
    from crossdock.build.target_python.layout import Parts
    from crossdock.target.model import Target


def windows_parts(host: HostHeaders, target: Target, world: World) -> Parts:
    """Return the parts for a Windows target, made of a host's headers."""
    raise NotImplementedError
