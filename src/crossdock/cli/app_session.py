"""The user's own code on the command line: where it is, whether it is a project, and who compiles its modules."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.cli.session import Session
from crossdock.errors import UsageError
from crossdock.project import read_project

if TYPE_CHECKING:
    from crossdock.cli.gathering import Asked
    from crossdock.lock.model import LockedPackage
    from crossdock.pipeline.building import BuiltFile
    from crossdock.pipeline.locked import Locked
    from crossdock.project import Project
    from crossdock.ship.bytecode import Interpreter
    from crossdock.target.model import Python, Target

#: What `--app` says where there is no code of the user's own.
NO_APP = "none"


class AppSession(Session):
    """One run of a command that ships the user's own code beside the packages."""

    @property
    def app_setting(self) -> str | None:
        """The path that the project's settings name as the application, seen from the project."""
        return None

    @property
    def app(self) -> Path | None:
        """The application's own code that is shipped: a directory, a script, or None."""
        return self.own_code

    @cached_property
    def own_code(self) -> Path | None:
        """The user's own code: a directory, a script, or None. No package of the lock is it as well."""
        asked = self.options.get("app") or self.app_setting
        if asked == NO_APP:
            return None
        if asked:
            from_setting = not self.options.get("app")
            path: Path = (self.project.directory if from_setting else self.directory) / asked
            if not path.exists():
                raise UsageError(f"no application at `{asked}`", code="E-APP-ABSENT")
            if not (path.is_file() or path.is_dir()):
                # It would be read for ever, or as long as nobody writes into it.
                raise UsageError(
                    f"the application `{asked}` is a pipe or a device",
                    code="E-APP-KIND",
                    hint="`--app` takes a project, a directory of modules, a script, or `none`",
                )
            return path
        found = self._app_of_source()
        if found is None and not self.options.get("layer"):
            self.tell("no application of your own in it: `--app DIR` adds one")
        return found

    def _app_of_source(self) -> Path | None:
        """Return the code that SOURCE is: a directory, a script; a lock or requirements are none."""
        words = self._many("source")
        if not words:
            return None if self._many("requirement") else self.directory
        path: Path = self.directory / words[0]
        is_path = words[0] in (".", "..") or "/" in words[0] or os.sep in words[0]
        if len(words) == 1 and ((path.is_dir() and is_path) or (path.is_file() and path.suffix == ".py")):
            return path
        is_project = path.is_file() and path.name in ("pyproject.toml", "uv.lock")
        return path.parent if len(words) == 1 and is_project else None

    @cached_property
    def app_project(self) -> Project:
        """The project that the application's directory is."""
        if self.app is None:
            return self.project
        directory = self.app if self.app.is_dir() else self.app.parent
        return read_project(directory)

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The requirements that the user or the project wrote down, where they are known."""
        from crossdock.lock.asked import asked_for
        from crossdock.lock.source import find_source

        source = find_source(
            self._many("source"), directory=self.directory, files=map(Path, self._many("requirement"))
        )
        chosen = {
            name: [part for value in self._many(option) for part in value.split(",")]
            or list(getattr(self.project.settings, name))
            for option, name in (("extra", "extras"), ("group", "groups"))
        }
        every = bool(self.options.get("all_extras"))
        own = asked_for(source, extras=chosen["extras"], groups=chosen["groups"], all_extras=every)
        return tuple(dict.fromkeys((*own, *self.project.metadata.dependencies)))

    def keys_of(self, asked: Asked) -> list[str]:
        """Return the key of what each target gets of a lock file, with whose code is left out of it."""
        app = "" if self.own_code is None else str(self.own_code.resolve())
        return [f"{key} {app}" for key in asked.keys]

    def is_own(self, package: LockedPackage, locked: Locked) -> bool:
        """Tell whether a package of the lock is the user's own code, which is shipped as that or not at all."""
        from crossdock.ship.application import is_project_itself

        own = self.own_code
        return own is not None and is_project_itself(package, locked.lock.directory, own)

    def earlier_outputs(self, below: Path) -> list[Path]:
        """Return zips and pages in a directory that crossdock wrote, whoever ran it: they are not shipped, and told."""
        from crossdock.ship.bundle.own_output import own_outputs

        found = list(own_outputs(below)) if below.is_dir() else []
        for path in found:
            self.tell_once(f"`{path.name}` has the form of what crossdock writes: it is not shipped")
        return found

    def build_app(self, path: Path, target: Target) -> BuiltFile:
        """Return the wheel of the project at `path`, built for a target; raise `BuildError`."""
        from crossdock.pipeline.building import ToBuild, build_wheel

        return build_wheel(ToBuild(name="", version=None, directory=path), target, self.means())

    def compiler(self, python: Python) -> Interpreter:
        """Return an interpreter of this machine that compiles modules for a target's Python."""
        import shutil

        from crossdock.ship.bytecode import find_interpreter

        names = [f"python{python.short}{'t' if python.free_threaded else ''}", "python3"]
        found = [path for name in names if (path := shutil.which(name))]
        return find_interpreter([*found, sys.executable], python)
