"""`crossdock image --sign`: who signs, and what the user hears of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossdock.cli.image_session import ImageSession
    from crossdock.ship.image.model import Image

#: The name that cosign reads too.
_TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105  # the variable's name


def signed(session: ImageSession, image: Image) -> Image:
    """Return the image with its signature attached; see `ship.image.signing` for what is raised."""
    from crossdock.ship.image.signing import sign_image, sigstore_signer

    result = sign_image(image, sigstore_signer(os.environ.get(_TOKEN)))
    session.tell(f"signed {image.descriptor.digest}")
    return result
