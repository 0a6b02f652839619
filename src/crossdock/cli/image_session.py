"""What `crossdock image` works with: registries, bases, the application and the previous image."""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.cli.app_session import NO_APP, AppSession
from crossdock.cli.console import warn
from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossdock.build.canonical import BuiltWheel
    from crossdock.contents.base import BaseFacts
    from crossdock.net.debian.chosen import PackageSet
    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.reference import ImageReference
    from crossdock.oci.model import Platform
    from crossdock.pipeline.image import ImageMeans, ImageRequest
    from crossdock.pipeline.locked import Locked
    from crossdock.pipeline.taken_over import TakenOver
    from crossdock.project import ImageSettings
    from crossdock.ship.image.application import Application
    from crossdock.ship.image.base_lock import BaseLock
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.model import BaseImage
    from crossdock.ship.image.options import ImageOptions
    from crossdock.ship.image.previous import Contents, Previous
    from crossdock.target.model import Target

#: The tag of Docker's official images says the Python: `python:3.12-slim`, `docker.io/library/python:3.12.4`.
_PYTHON_IMAGE = re.compile(r"(?:.*/)?python:(3\.\d+)(?:[.-].*)?")


class ImageSession(AppSession):
    """One run of `crossdock image`."""

    # Where things are

    @cached_property
    def registry(self) -> Registry:
        """The client for all registries: base, previous image and push share logins and connections."""
        from crossdock.cli.registries import registry_of

        return registry_of(self)

    @cached_property
    def destinations(self) -> list[ImageReference]:
        """Where it is pushed to: whole references; `:TAG`, or nothing, is of the repository that the settings name."""
        from crossdock.net.registry.reference import ImageReference

        settings = self.image_settings
        words = [
            word
            for asked in self._many("push")
            for word in ([asked] if asked else [f":{tag}" for tag in settings.tags or ("latest",)])
        ]
        if settings.repository is None and any(word.startswith(":") for word in words):
            raise UsageError(
                "--push names no repository",
                code="E-IMAGE-PUSH-NAME",
                hint="write `--push REGISTRY/app:tag`, or set `repository` in [tool.crossdock.image]",
            )
        return [
            ImageReference.parse(f"{settings.repository}{word}" if word.startswith(":") else word)
            for word in words
        ]

    @cached_property
    def outputs(self) -> list[Path]:
        """The layouts and archives that are written."""
        return [self.directory / name for name in self._many("output")]

    # The application

    @property
    def image_settings(self) -> ImageSettings:
        """What the project always says."""
        return self.project.settings.image

    @property
    def layout(self) -> ImageLayout:
        """Where packages and the user's own code lie."""
        from crossdock.ship.image.layouts import Environment

        return Environment(self.image_options.prefix)

    @cached_property
    def image_options(self) -> ImageOptions:
        """What the configuration says: options before settings."""
        from crossdock.project import image_options

        given = self.options
        return image_options(
            self.image_settings,
            entrypoint=given["entrypoint"],
            module=given["module"],
            cmd=given["cmd"],
            env=self._many("env"),
            labels=self._many("label"),
            annotations=self._many("annotation"),
            workdir=given["workdir"],
            user=given["user"],
            expose=self._many("expose"),
            stop_signal=given["stop_signal"],
            prefix=given["prefix"],
            max_layers=given["max_layers"],
            bytecode=given["bytecode"],
        )

    def application(self, target: Target) -> Application:
        """Return the application for a target: a project's wheel may be compiled for it."""
        known = self._applications.get(target.key)
        if known is None:
            known = self._applications[target.key] = self._application(target)
        return known

    @cached_property
    def _applications(self) -> dict[str, Application]:
        return {}

    def _application(self, target: Target) -> Application:
        from crossdock.ship.application import Form, form_of
        from crossdock.ship.image import application as kinds

        options, layout, path = self.image_options, self.layout, self.app
        metadata = self.app_project.metadata
        form = form_of(path, metadata)
        if path is None or form is Form.NONE:
            return kinds.no_application(layout, options.entrypoint)
        match form:
            case Form.SCRIPT:
                return kinds.script_application(path, layout, options.entrypoint)
            case Form.MODULES:
                return kinds.modules_application(
                    path,
                    layout,
                    options.entrypoint,
                    metadata=metadata,
                    exclude=self.image_settings.exclude,
                    skip=[*self._written(), *self.earlier_outputs(path)],
                )
            case Form.PROJECT:
                return self._built(path, target, metadata.name)

    def _built(self, path: Path, target: Target, name: str) -> Application:
        from crossdock.build.canonical import BuiltWheel
        from crossdock.ship.image.application import project_application

        def build() -> BuiltWheel:
            built = self.build_app(path, target)
            return BuiltWheel(filename=built.filename, content=built.blob.read_bytes())

        start = self.image_options.entrypoint
        return project_application(build, target, self.layout, start, name=name)

    def _written(self) -> list[Path]:
        """Return what this run writes, which must not come into the image."""
        named = [self.options.get("report"), self.options.get("base_lock")]
        return [*self.outputs, *(self.directory / name for name in named if name)]

    # The base

    @cached_property
    def base_spec(self) -> str | None:
        """What is asked for as base."""
        return self.options.get("base") or self.image_settings.base

    @property
    def implied_python(self) -> tuple[str, str] | None:
        """The Python that the base's name tells."""
        spec = self.base_spec or ""
        found = _PYTHON_IMAGE.fullmatch(spec)
        if found is not None:
            return found[1], f"the base {spec}"
        if spec.startswith("debian:"):
            from crossdock.ship.image.debian.suites import python_of_suite

            minor = python_of_suite(spec.removeprefix("debian:").partition("+")[0])
            return (f"{minor[0]}.{minor[1]}", f"the base {spec}") if minor else None
        return None

    @cached_property
    def base_lock(self) -> BaseLock:
        """The pinned bases; empty where there is no such file, or a new one is asked for."""
        from crossdock.ship.image.base_lock import BaseLock, read_base_lock

        name = self.options.get("base_lock")
        path = self.directory / name if name else None
        if path is None or self.options.get("update_base") or not path.exists():
            return BaseLock()
        return read_base_lock(path)

    def write_base_lock(self) -> None:
        """Keep what the bases came to, if a file was named and it is not what it says."""
        name = self.options.get("base_lock")
        if name and self.base_lock.changed:
            from crossdock.ship.files import write_file

            write_file(self.directory / name, self.base_lock.to_bytes())
            self.tell(f"{name}: the base, written")
        elif name and not (self.base_lock.digests or self.base_lock.packages):
            warn(f"{name} is not written: a layout, an archive or `scratch` is what it is, and is not pinned")

    def default_base(self, target: Target) -> str:
        """Return the base of a target where none is asked for."""
        from crossdock.ship.image.base import default_base

        return default_base(target)

    def open_base(self, target: Target, platform: Platform) -> BaseImage:
        """Open the base of a platform."""
        from crossdock.ship.image.base import BaseMeans, open_base

        def debian(
            suite: str, packages: Sequence[str], target: Target, platform: Platform, lock: BaseLock
        ) -> BaseImage:
            from crossdock.cli.debian import debian_base_of

            return debian_base_of(self, suite, packages, target=target, platform=platform, lock=lock)

        means = BaseMeans(
            directory=self.directory,
            store=self.store,
            registry=lambda: self.registry,
            debian=debian,
            lock=self.base_lock,
            offline=bool(self.options.get("offline")),
        )
        return open_base(self.base_spec or self.default_base(target), target, platform, means)

    @cached_property
    def base_packages(self) -> dict[str, tuple[str, PackageSet]]:
        """The suite and packages of each base made here, by platform."""
        return {}

    def base_facts(self, base: BaseImage) -> BaseFacts:
        """Return what a base brings; its layers are read once, or not at all where the previous image tells it."""
        from crossdock.contents.base import FACTS_KIND, base_facts, facts_from_json, facts_key

        name = self.base_spec or base.name or "the base"
        key = facts_key([(layer.descriptor.digest, layer.diff_id) for layer in base.layers], base.config)
        if self.store.get_fact(FACTS_KIND, key) is None:
            # Believed for this run, as the previous image's layers are; the store keeps what was read here.
            told = facts_from_json(self.previous.base_facts(key), name, base.platform)
            if told is not None:
                return told
        layers = [(layer.descriptor, layer.diff_id, layer.source) for layer in base.layers]
        return base_facts(layers, base.config, name=name, store=self.store)

    # The previous image

    @cached_property
    def previous(self) -> TakenOver:
        """The image that layers are taken over from."""
        from crossdock.pipeline.taken_over import TakenOver

        return TakenOver(self._read_previous, self.store, warn)

    @cached_property
    def previous_reference(self) -> ImageReference | None:
        """Where the previous image is, None if none is asked for."""
        from crossdock.net.registry.reference import ImageReference

        asked = self.options.get("previous")
        if asked == NO_APP or self._previous_layout is not None:
            return None
        return ImageReference.parse(asked) if asked else next(iter(self.destinations), None)

    @property
    def _previous_layout(self) -> Path | None:
        """The layout or archive that --previous names."""
        asked = self.options.get("previous")
        path: Path | None = self.directory / asked if asked and asked != NO_APP else None
        return path if path is not None and path.exists() else None

    def _read_previous(self) -> tuple[Previous, Contents] | None:
        if self._previous_layout is not None:
            from crossdock.oci.layout import open_layout
            from crossdock.ship.image.previous import read_previous_layout

            layout = open_layout(self._previous_layout)
            # What refers to the image has entries of its own, which say what they are.
            entry = next((one for one in layout.entries() if not one.artifact_type), None)
            kept = entry and read_previous_layout(layout, layout.name, entry, warn=warn)
            return (kept, layout) if kept else None
        from crossdock.ship.image.previous import RepositoryContents, read_previous

        reference = self.previous_reference
        if reference is None or self.options.get("offline"):
            return None
        found = read_previous(self.registry, reference, warn=warn)
        if found is None:
            return None
        return found, RepositoryContents(registry=self.registry, reference=reference)

    # The pipeline

    def image_means(self) -> ImageMeans:
        """Return what the image pipeline works with."""
        from crossdock.pipeline.image import ImageMeans

        return ImageMeans(
            means=self.means(),
            open_base=self.open_base,
            base_facts=self.base_facts,
            previous=self.previous,
            compiler=self.compiler,
        )

    def request(self, locked: Locked) -> ImageRequest:
        """Return what image is wanted."""
        from crossdock.cli.image_attached import bills_of
        from crossdock.pipeline.image import ImageRequest
        from crossdock.project import image_additions
        from crossdock.ship.image.added import added_entries

        additions = image_additions(
            self.image_settings,
            project=self.project.directory,
            words=self._many("add"),
            directory=self.directory,
        )
        return ImageRequest(
            options=self.image_options,
            layout=self.layout,
            application=self.application,
            metadata=self.app_project.metadata,
            leave_out=lambda package: self.is_own(package, locked),
            added=added_entries(additions),
            revision=self.options.get("revision") or "",
            created=created(),
            attach=lambda made: bills_of(self, made),
        )


def created() -> int | None:
    """Return SOURCE_DATE_EPOCH where the user gives one: then the image tells that time."""
    from crossdock.cli.session import source_date_epoch

    return source_date_epoch() if os.environ.get("SOURCE_DATE_EPOCH") else None
