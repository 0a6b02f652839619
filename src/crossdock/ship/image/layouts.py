"""Where packages and the user's own code lie in an image: in an environment of their own, or where functions lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from crossdock.ship.image.environment import (
    SOURCES,
    environment_entries,
    environment_paths,
    image_layout,
    python_directory,
)
from crossdock.ship.installed import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.ship.entries import Entry
    from crossdock.target.model import Target

#: What a runtime searches where no PATH is set (runc, crun), so that a base without one keeps its programs.
_PLAIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ImageLayout(Protocol):
    """What an image's parts must know of their places; paths are absolute where nothing else is said."""

    @property
    def root(self) -> str:
        """The directory that all of ours lies in."""
        ...

    @property
    def python(self) -> str:
        """The program that runs the user's own code with the packages."""
        ...

    @property
    def sources(self) -> str:
        """The directory of the user's own modules, where they are not a wheel."""
        ...

    def schemes(self, target: Target) -> Layout:
        """Return where the schemes of a wheel lie, below the image's root."""
        ...

    def own_paths(self, target: Target) -> list[str]:
        """Return what no wheel may write, below the image's root."""
        ...

    def own_entries(self, target: Target, interpreter: str, *, sources: bool) -> tuple[Entry, ...]:
        """Return the files that make packages and modules found by the base's Python, `interpreter`, sorted.

        With `sources` the user's own modules can be imported from everywhere.
        """
        ...

    def variables(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the base's variables as they are to be in the image, before those of the user."""
        ...

    def words(self, target: Target) -> list[str]:
        """Return what of this, and of the target, decides the bytes of a layer of wheels."""
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment of the base's Python in `root`, shaped like a venv: what `crossdock image` makes."""

    root: str

    @property
    def python(self) -> str:
        """The environment's own name for the base's Python."""
        return f"{self.root}/bin/python"

    @property
    def sources(self) -> str:
        """The user's own modules, beside the environment's directories."""
        return f"{self.root}/{SOURCES}"

    def schemes(self, target: Target) -> Layout:
        """Return the places of sysconfig's `venv` scheme."""
        return image_layout(target, self.root)

    def own_paths(self, target: Target) -> list[str]:
        """Return the places of the environment's own files."""
        return environment_paths(target, self.root)

    def own_entries(self, target: Target, interpreter: str, *, sources: bool) -> tuple[Entry, ...]:
        """Return the files of the environment."""
        return environment_entries(target, self.root, interpreter, sources=sources)

    def variables(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the base's variables with the environment's programs first on PATH."""
        found = dict(base)
        # It would be the prefix in the place of ours.
        found.pop("PYTHONHOME", None)
        first = f"{self.root}/bin"
        rest = [part for part in (found.get("PATH") or _PLAIN_PATH).split(":") if part != first]
        found["PATH"] = ":".join([first, *rest])
        # The user may not write into the image: without this each module would be tried again at each start.
        found.setdefault("PYTHONDONTWRITEBYTECODE", "1")
        return found

    def words(self, target: Target) -> list[str]:
        """Return the prefix, and the directory's name that has the Python's version."""
        return [self.root, python_directory(target.python)]


@dataclass(frozen=True, slots=True)
class TaskRoot:
    """A directory in which the base's own runtime looks for modules: packages and code beside each other.

    So lie the files of a function's zip below /var/task. Nothing else is needed, and nothing of the base's
    surroundings is changed: its runtime sets up what Python sees.
    """

    root: str

    #: Scripts of packages find it as the zip's do: on the base's PATH.
    python: ClassVar[str] = "python3"

    @property
    def sources(self) -> str:
        """The user's own modules, beside the packages."""
        return self.root

    def schemes(self, target: Target) -> Layout:  # noqa: ARG002  # the same for every one
        """Return the places of `install --target`."""
        below = self.root.removeprefix("/")
        return Layout(
            purelib=below,
            platlib=below,
            scripts=f"{below}/bin",
            data=below,
            headers=f"{below}/include",
        )

    def own_paths(self, target: Target) -> list[str]:  # noqa: ARG002  # as above
        """Return none."""
        return []

    def own_entries(self, target: Target, interpreter: str, *, sources: bool) -> tuple[Entry, ...]:  # noqa: ARG002
        """Return none."""
        return ()

    def variables(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the base's variables."""
        return dict(base)

    def words(self, target: Target) -> list[str]:  # noqa: ARG002  # as above
        """Return the directory."""
        return ["task root", self.root]
