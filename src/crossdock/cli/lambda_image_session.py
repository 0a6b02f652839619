"""What `crossdock lambda --image` works with: one runtime's image, on AWS's own base or on any other."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossdock.cli.image_session import ImageSession
from crossdock.cli.places_session import PlacesSession
from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crossdock.cli.gathering import Asked
    from crossdock.lock.model import Lock
    from crossdock.lock.select import Choice, Selection
    from crossdock.oci.model import Platform
    from crossdock.pipeline.image import ImageRequest
    from crossdock.pipeline.locked import Locked
    from crossdock.project import ImageSettings
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.model import BaseImage
    from crossdock.ship.image.options import ImageOptions
    from crossdock.target.model import Target
    from crossdock.trial.means import PinnedWheel

#: AWS's own images of its runtimes; a tag is a Python's minor version.
_BASES = "public.ecr.aws/lambda/python"
#: What the configuration of AWS's images has among its variables (facts of 2026; their Dockerfiles): where the
#: function lies, and where the runtime does.
_TASK_ROOT, _RUNTIME = "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"
#: A module, by dots or slashes, and a function in it, as AWS's client takes them apart (awslambdaric, bootstrap.py).
_HANDLER = re.compile(r"[^\W\d]\w*(?:[./][^\W\d]\w*)*\.[^\W\d]\w*")
#: Where an image and a zip are told apart by their names.
_ZIP = ".zip"


class LambdaImageSession(PlacesSession, ImageSession):
    """One run of `crossdock lambda --image`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        output = options["output"]
        # Nothing is attached to the image, so an earlier one tells nothing of its layers.
        super().__init__({**options, "output": (output,) if output else (), "previous": "none"})

    @property
    def image_settings(self) -> ImageSettings:
        """What the project says of this image: its other image's settings are not of it."""
        from crossdock.project import ImageSettings

        return ImageSettings(exclude=self.settings.exclude)

    # The place

    @cached_property
    def target(self) -> Target:
        """The only target: an image for Lambda is for one CPU. `UsageError` for several, and for what is no runtime."""
        if len(self.targets) != 1:
            raise UsageError(
                f"an image for Lambda is for one runtime and one CPU: {len(self.targets)} targets",
                code="E-BUNDLE-IMAGE",
                hint="run it once for each, with a tag of its own",
            )
        target = self.targets[0]
        if self.place(target).kind != "lambda":
            raise UsageError(
                f"--image makes images for AWS Lambda, and {target.name} is no runtime of it",
                code="E-BUNDLE-IMAGE",
                hint="`crossdock image` makes images for other places",
            )
        return target

    @cached_property
    def handler(self) -> str:
        """The function that is called; `UsageError` if none is named, or it cannot be one."""
        asked: str | None = self.options["handler"] or self.settings.handler
        if not asked:
            raise UsageError(
                "an image for Lambda says what is called, and no handler is named",
                code="E-BUNDLE-HANDLER",
                hint="for example `--handler app.handler`",
            )
        if not _HANDLER.fullmatch(asked):
            raise UsageError(
                f"not a handler: `{asked}`",
                code="E-BUNDLE-HANDLER",
                hint="a module and a function in it: `app.handler`, `package.module.handler`",
            )
        return asked

    @cached_property
    def outputs(self) -> list[Path]:
        """The layout or archive that is written; `UsageError` for the name of a zip."""
        for name in self._many("output"):
            if name.endswith(_ZIP):
                raise UsageError(
                    f"an image is no zip: `{name}`",
                    code="E-BUNDLE-OUTPUT",
                    hint="a directory, or a name that ends with `.tar`; without --image it is a zip",
                )
        return [self.directory / name for name in self._many("output")]

    # The base

    def default_base(self, target: Target) -> str:
        """Return AWS's image of the runtime."""
        return f"{_BASES}:{target.python.short}"

    @cached_property
    def base(self) -> BaseImage:
        """The base, which decides where everything lies and what starts."""
        from crossdock.ship.image.config import platform_of

        return super().open_base(self.target, platform_of(self.target))

    def open_base(self, target: Target, platform: Platform) -> BaseImage:  # there is one
        """Return the base."""
        return self.base

    @cached_property
    def runtime(self) -> tuple[str, tuple[str, ...]] | None:
        """Where the base's own runtime looks for the function, and what starts it; None on a base without one."""
        from crossdock.contents.base import environment_of

        environment = environment_of(self.base.config)
        inner = self.base.config.get("config")
        start = inner.get("Entrypoint") if isinstance(inner, dict) else None
        root = environment.get(_TASK_ROOT, "").rstrip("/")
        if not (root and environment.get(_RUNTIME) and isinstance(start, list) and start):
            return None
        return root, tuple(map(str, start))

    # What the image is

    @cached_property
    def image_options(self) -> ImageOptions:
        """What the configuration says. The user is the base's: Lambda has one of its own, and AWS names none."""
        from crossdock.ship.image.options import ImageOptions
        from crossdock.trial.client import CLIENT

        found = ImageOptions(user="", cmd=(self.handler,), bytecode=self.said_or_set("bytecode"))
        if self.runtime is None:
            return replace(found, entrypoint=(f"{found.prefix}/bin/python", "-m", CLIENT))
        root, start = self.runtime
        return replace(found, prefix=root, entrypoint=start)

    @property
    def layout(self) -> ImageLayout:
        """Beside each other where the base's runtime looks; an environment where the base has no runtime."""
        from crossdock.ship.image.layouts import TaskRoot

        return super().layout if self.runtime is None else TaskRoot(self.image_options.prefix)

    def _written(self) -> list[Path]:
        earlier = () if self.app is None else self.earlier_outputs(self.app)
        return [*super()._written(), *earlier]

    def request(self, locked: Locked) -> ImageRequest:
        """Return what image is wanted: one manifest, with nothing attached."""
        return replace(super().request(locked), single=True)

    # The runtime's client

    def locked(self, asked: Asked) -> Locked:
        """Return what the lock comes to, with AWS's client where neither base nor lock has it."""
        from crossdock.pipeline.locked import Locked
        from crossdock.trial.client import client_wheels

        keys, select = self.keys_of(asked), self.select_for
        if self.runtime is None:
            pins = " ".join(wheel.sha256 for wheel in client_wheels(self.target))
            keys, select = [f"{key} client {pins}" for key in keys], self._select_with_client
        return Locked(targets=self.targets, keys=keys, read=asked.lock, select=select)

    def _select_with_client(self, lock: Lock, target: Target) -> Selection:
        """Choose as always; add the pinned client and what it needs, as far as the lock has it not."""
        from crossdock.trial.client import CLIENT, client_wheels
        from crossdock.trial.means import fetch_pinned

        found = self.select_for(lock, target)
        names = {choice.name for choice in found.choices}
        if CLIENT in names:
            return found
        from crossdock.cli.lambda_test import trial_means

        wheels = [wheel for wheel in client_wheels(target) if wheel.project not in names]
        # The index knows where they are: the pins are names and hashes.
        fetch_pinned(wheels, trial_means(self))
        version = next(wheel.version for wheel in wheels if wheel.project == CLIENT)
        self.tell(f"the lock has no {CLIENT}, which the base lacks too: {version} is added")
        return replace(found, choices=(*found.choices, *(self._pinned(wheel, target) for wheel in wheels)))

    def _pinned(self, wheel: PinnedWheel, target: Target) -> Choice:
        from crossdock.lock.model import LockedPackage
        from crossdock.lock.pylock import parse_wheel_name
        from crossdock.lock.select import Choice, Kind

        file = parse_wheel_name(wheel.filename, digest=wheel.digest, size=wheel.size)
        package = LockedPackage(position=-1, name=wheel.project, version=wheel.version, wheels=(file,))
        return Choice(
            package=package,
            kind=Kind.WHEEL,
            target=target,
            policy=self.formats,
            file=file,
            tag=file.tag,
            reason="pinned by crossdock",
        )
