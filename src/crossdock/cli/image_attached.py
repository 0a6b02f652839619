"""What is attached to an image: bills of materials, and the statement of how it came to be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.cli.image_session import ImageSession, created
from crossdock.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.cli.gathering import Asked
    from crossdock.pipeline.image import MadeImage, MadePlatform
    from crossdock.ship.image.components import Component
    from crossdock.ship.image.model import Attachment

_NONE = "none"


def bills_of(session: ImageSession, made: MadePlatform) -> Sequence[Attachment]:
    """Return the bills of materials of a platform's image, in the formats asked for."""
    kinds = session.options.get("sbom") or session.image_settings.sbom or "both"
    if kinds == _NONE:
        return ()
    from crossdock.ship.image.attach import sbom_attachments

    packages = _packages_below(session, str(made.image.platform))
    return sbom_attachments(made, kinds=kinds, created=created(), packages=packages)


def with_statement(session: ImageSession, asked: Asked, made: MadeImage) -> MadeImage:
    """Return the image with its provenance attached, unless that is not wanted."""
    wanted = session.options.get("provenance")
    if (session.image_settings.provenance if wanted is None else wanted) is False:
        return made
    from crossdock.ship.image.attach import with_provenance

    image = with_provenance(
        made.image,
        made.platforms,
        options=session.image_options,
        lock=asked.lock_digest,
        revision=session.options.get("revision") or "",
        created=created(),
        packages=_packages_below(session, *(str(one.image.platform) for one in made.platforms)),
    )
    return replace(made, image=image)


def _packages_below(session: ImageSession, *platforms: str) -> list[Component]:
    """Return Debian's packages in the bases that were made here, of one or several platforms."""
    from crossdock.ship.image.components import debian_component

    return [
        debian_component(
            one.name, one.version, one.architecture, suite=suite, digest=Digest("sha256", one.sha256)
        )
        for platform in platforms
        for suite, found in [session.base_packages.get(platform, ("", None))]
        if found is not None
        for one in found.packages
    ]
