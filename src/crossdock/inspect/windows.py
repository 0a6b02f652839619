"""What Windows's loader would say about one file: the DLLs and the Python it needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.inspect.finding import Problem, Severity
from crossdock.inspect.linux import missing_library
from crossdock.inspect.policy import windows_libraries
from crossdock.target.model import Arch, Implementation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.inspect.facts import Image
    from crossdock.inspect.finding import AuditFile
    from crossdock.inspect.policy import BaseLibraries
    from crossdock.inspect.shipment import Shipment
    from crossdock.target.model import Target

_PYTHON = re.compile(r"python3(?P<minor>[0-9]*)(?P<free>t?)(?P<debug>_d)?\.dll")
#: Part of every CPython for Windows since 3.5 (delvewheel leaves them out for the same reason).
_SHIPPED_BY_PYTHON = frozenset({"vcruntime140.dll", "vcruntime140_1.dll"})
#: The rest of the Visual C++ runtime: on most machines, and on none for sure.
_REDISTRIBUTABLE = re.compile(r"(msvcp|vcruntime|concrt|vccorlib|vcomp|vcamp|mfc|mfcm)\d[\w]*\.dll")
_DEBUG_RUNTIME = re.compile(r"(msvcp\d+d|vcruntime\d+d|ucrtbased|msvcr\d+d)\.dll")
_API_SETS = ("api-ms-", "ext-ms-")


class WindowsRules:
    """The rules for one Windows target."""

    def __init__(
        self, target: Target, shipment: Shipment, base: BaseLibraries | None, *, complete: bool
    ) -> None:
        self.target = target
        self.shipment = shipment
        self.complete = complete
        names = (target.base_libraries or frozenset()) | (base.sonames if base else frozenset())
        self.provided = frozenset(name.lower() for name in names)

    def resolve(self, file: AuditFile, image: Image, library: str) -> AuditFile | None:  # noqa: ARG002
        """Return the shipped DLL of that name: packages add the directories they need at import."""
        return self.shipment.named(library)

    def problems(self, file: AuditFile, image: Image) -> Iterator[Problem]:
        """Yield what keeps the file from loading on the target."""
        for library in image.needed:
            name = library.lower()
            python = _PYTHON.fullmatch(name)
            if python:
                yield from self._python(library, python)
            elif not self._in_place(file, image, name):
                yield self._missing(library, name)

    def _in_place(self, file: AuditFile, image: Image, name: str) -> bool:
        if name.startswith(_API_SETS) or name in self.provided or name in windows_libraries():
            return True
        if name in _SHIPPED_BY_PYTHON and self._python_ships(name):
            return True
        return self.resolve(file, image, name) is not None

    def _python_ships(self, name: str) -> bool:
        return name == "vcruntime140.dll" or self.target.arch is not Arch.I686

    def _missing(self, library: str, name: str) -> Problem:
        if _DEBUG_RUNTIME.fullmatch(name):
            return Problem(
                code="E-FIT-ABI",
                message=f"needs {library}, which only a Visual Studio installation has",
                library=library,
                hint="build it in release mode",
            )
        if _REDISTRIBUTABLE.fullmatch(name):
            return Problem(
                code="E-FIT-REDISTRIBUTABLE",
                severity=Severity.NOTE,
                message=f"needs {library} of the Visual C++ Redistributable, which Python does not bring",
                library=library,
            )
        return missing_library(self.target.os, library, False, self.complete)  # noqa: FBT003

    def _python(self, library: str, match: re.Match[str]) -> Iterator[Problem]:
        python = self.target.python
        if python.implementation is not Implementation.CPYTHON:
            return
        has = f"Python {python.short}{'t' if python.free_threaded else ''}"
        if match["debug"]:
            yield Problem(code="E-FIT-ABI", message=f"needs {library}, a debug build", library=library)
        elif match["minor"] and int(match["minor"]) != python.minor:
            yield Problem(
                code="E-FIT-PYTHON", message=f"needs {library}, the target has {has}", library=library
            )
        elif bool(match["free"]) != python.free_threaded and not self._stable_anywhere(match):
            yield Problem(code="E-FIT-ABI", message=f"needs {library}, the target has {has}", library=library)

    def _stable_anywhere(self, match: re.Match[str]) -> bool:
        """PEP 803: from 3.15 on a GIL-enabled Python has `python3t.dll` too."""
        return not match["minor"] and bool(match["free"]) and self.target.python.version >= (3, 15)
