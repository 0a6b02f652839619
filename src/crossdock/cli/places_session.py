"""What runs on places for functions have in common, zips and images: the runtimes that are known, and the settings."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.cli.app_session import AppSession

if TYPE_CHECKING:
    from crossdock.project import BundleSettings
    from crossdock.ship.bundle.places import Place, RuntimeTable
    from crossdock.target.model import Python, Target


class PlacesSession(AppSession):
    """One run of `crossdock lambda`, whatever it makes."""

    @property
    def settings(self) -> BundleSettings:
        """What the project always says."""
        return self.project.settings.bundle

    @property
    def app_setting(self) -> str | None:
        """The path that the settings name as the application."""
        return self.settings.app

    def said_or_set(self, name: str) -> bool:
        """Return what a flag says, or else the setting of its name."""
        said = self.options[name]
        return bool(getattr(self.settings, name) if said is None else said)

    @cached_property
    def table(self) -> RuntimeTable:
        """The runtimes that are known: the built-in ones, and a file's over them."""
        from crossdock.ship.bundle.places import read_table

        if self.options["runtimes"]:
            return read_table(self.directory / self.options["runtimes"])
        named = self.settings.runtimes
        return read_table(self.project.directory / named if named else None)

    def _parsed(self, name: str, python: Python | None) -> Target:
        """Read a target; a file with runtimes may know names, and say of a name, what we do not."""
        if self.options["runtimes"] or self.settings.runtimes:
            found = self.table.target(name, default_python=python)
            if found is not None:
                return found
        return super()._parsed(name, python)

    def place(self, target: Target) -> Place:
        """Return the place that a target is; `UsageError` for one that takes no zips."""
        from crossdock.ship.bundle.places import place_of

        return place_of(target, table=self.table)

    def say_ends(self) -> None:
        """Warn of runtimes whose end has come or is near; no zip and no receipt tells of today."""
        from datetime import UTC, datetime

        from crossdock.ship.bundle.places import deprecation_notes

        today = datetime.now(tz=UTC).date()
        for target in self.targets:
            for text in deprecation_notes(self.place(target), today):
                self.warn_once(text)
