"""What `crossdock lambda` works with: the places that zips go to, the application, and where the zips are written."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.cli.app_session import NO_APP
from crossdock.cli.places_session import PlacesSession
from crossdock.errors import ShipError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossdock.cli.lambda_size import Sizes
    from crossdock.pipeline.bundle import Bundle, BundleRequest, Shape
    from crossdock.pipeline.locked import Locked
    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bundle.places import Place
    from crossdock.ship.bundle.receipt import ZipReceipt
    from crossdock.target.model import Target

_FIELDS = re.compile(r"\{(target|arch)\}")
_SUFFIX = ".zip"
#: What the zip with the dependencies has before its suffix.
_LAYER = "-layer"


class LambdaSession(PlacesSession):
    """One run of `crossdock lambda`."""

    @property
    def app(self) -> Path | None:
        """The application's own code: a directory, a script, or None, as for a layer."""
        return None if self.options["layer"] else self.own_code

    # Where the zips are written

    def output(self, target: Target, *, layer: bool = False) -> str:
        """Return the name of a target's zip as the user sees it; `layer` asks for the second one of a split."""
        name = self.output_names[[one.key for one in self.targets].index(target.key)]
        return f"{name.removesuffix(_SUFFIX)}{_LAYER}{_SUFFIX}" if layer else name

    @cached_property
    def output_names(self) -> list[str]:
        """The names of the zips, one a target, `UsageError` where two targets would be written to one."""
        asked: str | None = self.options["output"]
        if asked is None:
            raise UsageError(
                "nowhere to put the zip", code="E-BUNDLE-OUTPUT", hint="for example `-o function.zip`"
            )
        if asked.endswith(_SUFFIX) and (self.directory / asked).is_dir():
            raise UsageError(
                f"`{asked}` is a directory",
                code="E-BUNDLE-OUTPUT",
                hint=f"another name for the zip, or `-o {asked}/` for zips in it",
            )
        if not _FIELDS.search(asked) and (
            asked.endswith("/") or (self.directory / asked).is_dir() or len(self.targets) > 1
        ):
            if asked.endswith(_SUFFIX):
                raise UsageError(
                    f"one name for {len(self.targets)} zips: `{asked}`",
                    code="E-BUNDLE-OUTPUT",
                    hint="write `{target}` or `{arch}` into it, or name a directory",
                )
            asked = f"{asked.rstrip('/')}/{{target}}{_SUFFIX}"
        if not asked.endswith(_SUFFIX):
            raise UsageError(
                f"a function's package is a zip: `{asked}`",
                code="E-BUNDLE-OUTPUT",
                hint=f"for example `-o {asked}{_SUFFIX}`",
            )
        names = [self._filled(asked, target) for target in self.targets]
        if len(set(names)) < len(names):
            raise UsageError(
                f"two targets would be written to `{next(one for one in names if names.count(one) > 1)}`",
                code="E-BUNDLE-OUTPUT",
                hint="write `{target}` into the name",
            )
        return names

    def _filled(self, name: str, target: Target) -> str:
        from crossdock.target.names import canonical_name

        words = {"target": target.name or canonical_name(target), "arch": self.arch_word(target)}
        return _FIELDS.sub(lambda found: re.sub(r"[/\\]", "-", words[found[1]]), name)

    def arch_word(self, target: Target) -> str:
        """Return the architecture as the place writes it: AWS says arm64 where wheels say aarch64."""
        return "arm64" if target.arch == "aarch64" else str(target.arch)

    def report_name(self, target: Target) -> str | None:
        """Return the name of a target's report, None if none is asked for."""
        asked: str | None = self.options["report"]
        if asked is None:
            return None
        if len(self.targets) > 1 and not _FIELDS.search(asked):
            raise UsageError(
                f"one name for {len(self.targets)} reports: `{asked}`",
                code="E-BUNDLE-OUTPUT",
                hint="write `{target}` or `{arch}` into it",
            )
        return self._filled(asked, target)

    def written(self, below: Path) -> list[Path]:
        """Return what this run writes, and zips below a directory that an earlier one wrote: they are not shipped."""
        zips = [self.output(target, layer=layer) for target in self.targets for layer in (False, True)]
        reports = [self.report_name(target) for target in self.targets]
        named = [self.directory / name for name in (*zips, *reports) if name]
        return [*named, *self.earlier_outputs(below)]

    # The pipeline

    def bundles(self) -> list[Bundle]:
        """Return the zips of all targets, not written yet."""
        from crossdock.cli.gathering import Asked
        from crossdock.pipeline.bundle import make_bundles
        from crossdock.pipeline.locked import Locked

        # Wrong words are told before any work.
        _ = self.output_names, self.shape
        self._check_words()
        self.say_ends()
        asked = Asked(self, with_project=self.app is not None)
        locked = Locked(
            targets=self.targets, keys=self.keys_of(asked), read=asked.lock, select=self.select_for
        )
        return make_bundles(locked, self.request(locked), self.means())

    def _check_words(self) -> None:
        """Refuse options that would do nothing, and outputs that would replace an input; raise `UsageError`."""
        layered = self.shape.value != "function"
        if self.options["layer_layout"] and not layered:
            raise UsageError(
                "--layer-layout is for layers", code="E-BUNDLE-OPTION", hint="add --layer or --split"
            )
        for target in self.targets:
            place = self.place(target)
            idle = [
                option
                for option, does in (
                    ("--bytecode", place.layout != "wheels"),
                    ("--without-provided", bool(place.provided)),
                    ("--s3", place.kind == "lambda"),
                )
                if self.options[option[2:].replace("-", "_")] and not does
            ]
            if idle:
                raise UsageError(
                    f"{idle[0]} has no meaning for {place.name}", code="E-BUNDLE-OPTION", hint="leave it out"
                )
        reports = [name for target in self.targets if (name := self.report_name(target))]
        zips = [self.output(target, layer=layer) for target in self.targets for layer in (False, True)]
        read = [*self.with_layers, *(self.directory / name for name in (self.options["runtimes"],) if name)]
        outputs = [(self.directory / name).resolve() for name in zips]
        pages = [(self.directory / name).resolve() for name in reports]
        for path in (*(one.resolve() for one in read), *pages):
            if path in outputs or (path in pages and pages.count(path) > 1):
                raise UsageError(
                    f"`{path.name}` would be written over",
                    code="E-BUNDLE-OUTPUT",
                    hint="give the zip, the report and what is read names of their own",
                )

    def request(self, locked: Locked) -> BundleRequest:
        """Return what is wanted."""
        from crossdock.pipeline.bundle import BundleRequest

        options, settings = self.options, self.settings
        layout = options["layer_layout"] or settings.layer_layout
        return BundleRequest(
            place=self.place,
            application=self.application,
            leave_out=lambda package: self.is_own(package, locked),
            shape=self.shape,
            versioned=layout == "versioned",
            prune=tuple(options["prune"]) or settings.prune,
            without_provided=self.said_or_set("without_provided"),
            asked=self.asked if self.said_or_set("without_provided") else (),
            compiler=self.compiler if self.said_or_set("bytecode") else None,
        )

    @property
    def shape(self) -> Shape:
        """What is made."""
        from crossdock.pipeline.bundle import Shape

        if self.options["layer"]:
            if self.options["split"] or self.options["app"] not in (None, NO_APP):
                raise UsageError(
                    "--layer has the dependencies alone",
                    code="E-BUNDLE-LAYER-ALONE",
                    hint="--split makes a layer and a function; without both, one zip has everything",
                )
            return Shape.LAYER
        return Shape.SPLIT if self.said_or_set("split") else Shape.FUNCTION

    def application(self, target: Target, place: Place) -> BundledPackage | None:
        """Return the application for a target: a project's wheel may be compiled for it."""
        from crossdock.ship.application import Form, form_of
        from crossdock.ship.bundle import application as kinds

        path = self.app
        form = form_of(path, self.app_project.metadata)
        if path is None or form is Form.NONE:
            return None
        if form is Form.SCRIPT:
            return kinds.script_application(path)
        # Google and Azure look for main.py, function_app.py and host.json at the root, which no wheel brings.
        if form is Form.PROJECT and place.layout == "root":
            if self.settings.exclude:
                self.tell_once(
                    "`exclude` says nothing of a project with a build system: its backend chooses what is in its wheel"
                )
            return self._built(path, target)
        return kinds.modules_application(path, exclude=self.settings.exclude, skip=self.written(path))

    def _built(self, path: Path, target: Target) -> BundledPackage:
        from crossdock.ship.application import built_project
        from crossdock.ship.bundle.application import project_application

        built = built_project(lambda: self.build_app(path, target), self.app_project.metadata.name)
        return project_application(self.store, built.digest, built.blob, built.filename, target)

    @cached_property
    def with_layers(self) -> list[Path]:
        """The other layers that the function will have."""
        named = [self.project.directory / name for name in self.settings.with_layers]
        return [self.directory / name for name in self._many("with_layers")] or named

    def zip_names(self, bundle: Bundle) -> list[str]:
        """Return the names of a target's zips, one for each of its parts."""
        several = len(bundle.parts) > 1
        return [self.output(bundle.target, layer=several and part.role == "layer") for part in bundle.parts]

    def write(self, bundles: Sequence[Bundle]) -> list[list[ZipReceipt]]:
        """Write the zips of all targets, all of them or none, and return each target's receipts.

        Raise `ShipError` for what a place would not take, and for what the disk says.
        """
        from crossdock.cli.lambda_size import Sizes

        sizes = [Sizes(self, bundle, self.zip_names(bundle)) for bundle in bundles]
        for one in sizes:
            one.check()
        staged: list[tuple[Path, Path]] = []
        try:
            receipts = [
                self._staged(bundle, size, staged) for bundle, size in zip(bundles, sizes, strict=True)
            ]
            for temporary, path in staged:
                temporary.replace(path)
        except OSError as error:
            raise ShipError(
                f"cannot write `{staged[-1][1]}`: {error.strerror or error}", code="E-SHIP-WRITE"
            ) from error
        finally:
            for temporary, _path in staged:
                with suppress(OSError):
                    temporary.unlink()
        return receipts

    def _staged(self, bundle: Bundle, sizes: Sizes, staged: list[tuple[Path, Path]]) -> list[ZipReceipt]:
        """Write a target's zips beside their names, noting each."""
        from crossdock.ship.bundle.layout import zip_files
        from crossdock.ship.bundle.receipt import ZipReceipt
        from crossdock.ship.bundle.write import write_zip

        receipts = []
        for part, name in zip(bundle.parts, self.zip_names(bundle), strict=True):
            path = self.directory / name
            temporary = path.with_name(f".{path.name}.{os.getpid()}.staged")
            staged.append((temporary, path))
            written = write_zip(temporary, zip_files(part.packages), check=sizes.check_written(part))
            receipts.append(ZipReceipt(role=part.role, file=name, packages=part.packages, written=written))
        return receipts
