"""What a build that failed is begun again with: libraries, tools or a newer release, as its output asked for."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossdock.build.model import PackageSettings, Sysroot

_NAME = r"[\w.+-]{1,40}"
#: How builds say that a program is missing: shells, Python's subprocess, Meson, setup.py files of their own.
_PROGRAMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"No such file or directory: '(?:[^'\n]*/)?({_NAME})'",
        rf"command '(?:[^'\n]*/)?({_NAME})' failed: No such file or directory",
        rf"(?<![\w.+-])({_NAME}): (?:command )?not found",
        rf"(?<![\w.+-])({_NAME})(?: ?[<>=]=? ?[\d.]+)?(?: is required| must be installed| (?:was )?not found| is not installed)",
        rf"(?:could not|cannot|can't|unable to|did not) find (?:the )?(?:program |executable )?['\"`]?({_NAME})\b",
        rf"Program '?({_NAME})'? found: NO",
        rf"unable to find a build program corresponding to \"({_NAME})\"",
    )
)
_MODULE = re.compile(r"No module named '(\w+)")

#: What is said where libraries of the oldest release do not serve: any error of the compiler, or a word of versions.
_OLD = re.compile(
    r"(?:^[^\s:][^:\n]{0,400}:\d+:\d+: error: |#error|error: \"[^\"\n]*(?:version|later|newer)"
    r"|Invalid version, need|Requested '[^'\n]*' but version of|but found version|\bor (?:later|newer|higher|above)\b"
    r"|version \"[^\"\n]*\" is required|\brequires? [\w.+-]{1,40} ?>= ?\d|is too old|minimum supported [^\n]{0,60}version)",
    re.IGNORECASE | re.MULTILINE,
)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, str]]:
    text = (resources.files(__package__) / "asked.toml").read_text("utf-8")
    return tomllib.loads(text)


def requirements_asked(log: str) -> tuple[str, ...]:
    """Return packages of the index with the programs and modules that a log says are missing, each once."""
    return tuple(dict.fromkeys(_requirements(log)))


def _requirements(log: str) -> Iterator[str]:
    programs, modules = _table()["programs"], _table()["modules"]
    for pattern in _PROGRAMS:
        for said in pattern.finditer(log):
            package = programs.get(said[1].lower())
            if package is not None:
                yield package
    for said in _MODULE.finditer(log):
        if said[1] in modules:
            yield modules[said[1]]


def changed(
    settings: PackageSettings, log: str, sysroot: Sysroot | None, *, given: bool
) -> tuple[PackageSettings, str] | None:
    """Return the settings to begin again with and what is new in them, None where the log asks for nothing more.

    `log` is the output of the attempt that failed and `sysroot` what it had; `given` says that the user chose the
    libraries.
    """
    from crossdock.build.sysroot import libraries_asked

    requires = [one for one in requirements_asked(log) if one not in settings.requires]
    libraries = [] if given else [one for one in libraries_asked(log) if one not in settings.libraries]
    if libraries or requires:
        return (
            replace(
                settings,
                libraries=(*settings.libraries, *libraries),
                requires=(*settings.requires, *requires),
            ),
            ", ".join([*libraries, *requires]),
        )
    release = None if given or settings.release else _newer(log, sysroot)
    return None if release is None else (replace(settings, release=release), f"libraries of {release}")


def _newer(log: str, sysroot: Sysroot | None) -> str | None:
    """Return the newest release for the architecture, if libraries seem to be too old and it has not been tried."""
    from crossdock.build.sysroot import newest_release

    if sysroot is None or not _OLD.search(log):
        return None
    name, glibc = newest_release(sysroot.triplet)
    return None if sysroot.floor is None or sysroot.floor >= glibc else name
