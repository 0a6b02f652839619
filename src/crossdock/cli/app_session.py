"""The user's own code on the command line: where it is, whether it is a project, and who compiles its modules."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.cli.session import Session
from crossdock.errors import UsageError
from crossdock.project import read_project

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.cli.gathering import Asked
    from crossdock.project import Project
    from crossdock.ship.bytecode import Interpreter
    from crossdock.target.model import Python

#: What `--app` says where there is no code of the user's own.
NO_APP = "none"


class AppSession(Session):
    """One run of a command that ships the user's own code beside the packages."""

    @cached_property
    def app(self) -> Path | None:
        """The application's own code: a directory, a script, or None."""
        asked = self.options.get("app")
        if asked == NO_APP:
            return None
        if asked:
            path: Path = self.directory / asked
            if not path.exists():
                raise UsageError(f"no application at `{asked}`", code="E-APP-ABSENT")
            return path
        found = self._app_of_source()
        if found is None:
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

    def keys_of(self, asked: Asked) -> list[str]:
        """Return the key of what each target gets of a lock file, with whose code is left out of it."""
        app = "" if self.app is None else str(self.app.resolve())
        return [f"{key} {app}" for key in asked.keys]

    def compiler(self, python: Python) -> Interpreter:
        """Return an interpreter of this machine that compiles modules for a target's Python."""
        import shutil

        from crossdock.ship.bytecode import find_interpreter

        names = [f"python{python.short}{'t' if python.free_threaded else ''}", "python3"]
        found = [path for name in names if (path := shutil.which(name))]
        return find_interpreter([*found, sys.executable], python)
