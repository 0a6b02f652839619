"""What `crossdock bazel` works with: the directory in the workspace, and what belongs into it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossdock.cli.app_session import AppSession
from crossdock.cli.console import warn
from crossdock.errors import ShipError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.requirements import Requirement

    from crossdock.pipeline.bazel import Workspace
    from crossdock.pipeline.mirror import Stock
    from crossdock.ship.bazel.model import Hub
    from crossdock.ship.bazel.workspace import Generated

_HUB = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]{0,60}")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._+-]+)+")
_LABEL = re.compile(r"(?://[A-Za-z0-9/._+-]*)?")
_BZLMOD = ("MODULE.bazel",)
_ROOTS = (*_BZLMOD, "REPO.bazel", "WORKSPACE.bazel", "WORKSPACE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run came to: the stock, the hub, and the files of the directory."""

    stock: Stock
    workspace: Workspace
    files: Generated


class BazelSession(AppSession):
    """One run of `crossdock bazel`."""

    @cached_property
    def own_code(self) -> Path | None:
        """The project that SOURCE is: Bazel builds it from its sources, so it is no wheel."""
        return self._app_of_source()

    @cached_property
    def out(self) -> Path:
        """The directory that is written."""
        return self.directory / str(self.options["out"])

    @cached_property
    def root(self) -> Path | None:
        """The root of the Bazel workspace around the directory, None where there is none yet."""
        place = self.out.resolve()
        return next(
            (above for above in (place, *place.parents) if any((above / name).is_file() for name in _ROOTS)),
            None,
        )

    @property
    def package(self) -> str:
        """The directory's label without `//`; without a workspace around it, as if it were the working directory."""
        root = self.root or self.directory.resolve()
        place = self.out.resolve()
        if not place.is_relative_to(root):
            return place.name
        below = place.relative_to(root)
        return below.as_posix() if below.parts else ""

    @property
    def workspace(self) -> bool:
        """Whether a macro for WORKSPACE is written."""
        asked: bool | None = self.options["workspace"]
        if asked is not None:
            return asked
        return self.root is not None and not any((self.root / name).is_file() for name in _BZLMOD)

    @cached_property
    def roots(self) -> list[Requirement]:
        """What the user or the project wrote down, where that is known: it tells which extras are wanted."""
        from packaging.requirements import InvalidRequirement, Requirement

        found = []
        for text in self.asked:
            with suppress(InvalidRequirement):
                found.append(Requirement(text))
        return found

    def check_words(self) -> None:
        """Refuse options that cannot be, before anything is fetched: raise `UsageError`."""
        from crossdock.ship.bazel.platforms import bazel_platforms

        if not _HUB.fullmatch(self.options["hub"]) or "__" in self.options["hub"]:
            raise UsageError(
                f"`{self.options['hub']}` cannot be the name of a repository",
                code="E-BAZEL-HUB",
                hint="letters, digits, `.`, `-` and single `_`, a letter first: `--hub pypi`",
            )
        if not _PREFIX.fullmatch(self.options["prefix"]):
            raise UsageError(
                f"`{self.options['prefix']}` is no place for an environment in an image",
                code="E-BAZEL-PREFIX",
                hint="an absolute path of letters, digits and `._+-`: `--prefix /app`",
            )
        base_url = self.options["base_url"]
        if base_url and not base_url.startswith(("https://", "http://")):
            raise UsageError(
                f"`{base_url}` is no URL of a web server", code="E-BAZEL-URL", hint="https:// or http://"
            )
        if not _LABEL.fullmatch(f"//{self.package}"):
            raise UsageError(
                f"`{self.package}` cannot be a package of Bazel",
                code="E-BAZEL-LABEL",
                hint="letters, digits, `/` and `._+-`: `--out third_party/py`",
            )
        if not _LABEL.fullmatch(self.libc_of):
            raise UsageError(
                f"`{self.libc_of}` is no label of a package of this workspace",
                code="E-BAZEL-LABEL",
                hint="for example `--libc-of //third_party/py/platforms`",
            )
        bazel_platforms(self.targets)

    @property
    def libc_of(self) -> str:
        """The label of the package whose glibc and musl are taken, empty for the generated one."""
        return str(self.options["libc_of"] or "").rstrip("/")

    def generate(self) -> Found:
        """Return what belongs into the directory; nothing is written."""
        from crossdock.pipeline.bazel import bazel_workspace
        from crossdock.ship.bazel.platforms import bazel_platforms
        from crossdock.ship.bazel.workspace import generated

        stock = self._stock()
        found = bazel_workspace(
            stock,
            bazel_platforms(self.targets, self.libc_of),
            name=self.options["hub"],
            prefix=self.options["prefix"],
            base_url=self.options["base_url"],
            roots=self.roots,
            allow_bad_record=self.allow_bad_record,
        )
        for one in found.hub.wheels.values():
            for path in one.inside.build_files:
                warn(f"{one.filename}: `{path}` would make a Bazel package of its directory, and is left out")
        files = generated(
            found.hub,
            found.wheels,
            package=self.package,
            workspace=self.workspace,
            more=self._adapters(found.hub),
        )
        return Found(stock=stock, workspace=found, files=files)

    def _adapters(self, hub: Hub) -> dict[str, bytes]:
        """Return the files for other rule sets."""
        from crossdock.ship.bazel.adapters import adapter_files
        from crossdock.ship.bazel.adapters.model import Request

        names = self.options["adapter"]
        lock = self.project.directory / "uv.lock"
        uv_lock = lock.read_bytes() if "rules_py" in names and lock.is_file() else None
        offline = self.options["distdir"] is not None
        return adapter_files(names, Request(hub=hub, package=self.package, offline=offline, uv_lock=uv_lock))

    def _stock(self) -> Stock:
        """Return the wheels of all targets, verified; raise `AuditError` for findings that nobody accepted."""
        from crossdock.cli.gathering import Asked
        from crossdock.cli.stock import refuse_stock, tell_targets
        from crossdock.pipeline.locked import Locked
        from crossdock.pipeline.mirror import bring_stock

        asked = Asked(self)
        locked = Locked(targets=self.targets, keys=(), read=asked.lock, select=self.select_for)
        stock = bring_stock(
            locked, self.means(), leave_out=lambda package: self.is_own(package, locked), sdists=False
        )
        refuse_stock(self, stock)
        tell_targets(self, stock)
        return stock

    def checked(self, found: Found) -> dict[str, Any]:
        """Return the receipt; raise `ShipError` (E-BAZEL-STALE) where the directory is not what it should be."""
        from crossdock.ship.bazel.workspace import differences

        stale = differences(self.out, found.files)
        if stale:
            raise ShipError(
                f"`{self.options['out']}` is not what the lock says",
                code="E-BAZEL-STALE",
                places=stale[:20],
                hint="run the same command without `--check`, and commit what it writes",
            )
        self.tell(f"{self.options['out']}: as the lock says")
        return self._document(found, [])

    def written(self, found: Found) -> dict[str, Any]:
        """Write the directory, and return the receipt."""
        from crossdock.ship.bazel.workspace import write_generated

        self._fill_distdir(found)
        changed = write_generated(self.out, found.files)
        if not changed:
            self.tell(f"{self.options['out']}: nothing changed")
        return self._document(found, changed)

    def _fill_distdir(self, found: Found) -> None:
        asked = self.options["distdir"]
        if asked is None:
            return
        from crossdock.ship.files import put_file

        for path, one in found.stock.distributions.items():
            put_file(found.stock.sources[path].blob, self.directory / asked, one.filename)

    def _document(self, found: Found, changed: list[str]) -> dict[str, Any]:
        hub = found.workspace.hub
        return {
            "directory": self.options["out"],
            "hub": hub.name,
            "wheels": len(hub.wheels),
            "built": sorted(one.filename for one in hub.wheels.values() if one.built_from is not None),
            "targets": {one.platform.name: len(one.wheels) for one in hub.platforms},
            "changed": changed,
        }
