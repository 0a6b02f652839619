"""What dyld would say about one file on macOS: minimum version, signature, libraries (dyld(1))."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from crossdock.inspect.finding import Problem, Severity
from crossdock.inspect.linux import missing_library, python_problems
from crossdock.inspect.shipment import origin_directories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.inspect.facts import Image
    from crossdock.inspect.finding import AuditFile
    from crossdock.inspect.policy import BaseLibraries
    from crossdock.inspect.shipment import Shipment
    from crossdock.target.model import Target

_LOADER = ("@loader_path", "@executable_path")
_SYSTEM = ("/usr/lib/", "/System/Library/", "/System/iOSSupport/", "/Library/Apple/")
_PYTHON = re.compile(r"(.*/)?(libpython3\.(?P<minor>\d+)t?\.dylib|Python(3|T)?(\.framework/.*)?)")
_VERSION_IN_PATH = re.compile(r"/Versions/3\.(\d+)")


class AppleRules:
    """The rules for one macOS or iOS target."""

    def __init__(
        self, target: Target, shipment: Shipment, base: BaseLibraries | None, *, complete: bool
    ) -> None:
        self.target = target
        self.shipment = shipment
        self.complete = complete
        self.provided = (target.base_libraries or frozenset()) | (base.sonames if base else frozenset())

    def resolve(self, file: AuditFile, image: Image, library: str) -> AuditFile | None:
        """Return the shipped file that satisfies an install name, else one with its base name anywhere."""
        directories: tuple[str, ...] = ()
        if library.startswith("@rpath/"):
            name = library.removeprefix("@rpath/")
            directories = origin_directories(file, image.rpath, _LOADER)
        else:
            name = posixpath.basename(library)
            directories = origin_directories(file, (posixpath.dirname(library),), _LOADER)
        return self.shipment.in_directories(directories, name) or self.shipment.named(name)

    def problems(self, file: AuditFile, image: Image) -> Iterator[Problem]:
        """Yield what keeps the file from loading on the target."""
        floor = self.target.os_version
        if image.min_os is not None and floor is not None and image.min_os > floor:
            # dyld loads it all the same, and fails only if a symbol is missing that came with the newer system.
            yield Problem(
                code="E-FIT-OS-VERSION",
                severity=Severity.WARNING,
                message=f"is built for {image.platform or 'macos'} {_dotted(image.min_os)} and newer, "
                f"the target has {_dotted(floor)}",
            )
        # Apple silicon runs signed code only; linkers sign ad hoc, and a careless edit breaks or drops it.
        if image.machine == "aarch64" and not image.signed:
            yield Problem(
                code="E-FIT-SIGNATURE",
                message="has no code signature, which arm64 needs",
                hint="sign it ad hoc: `codesign --force --sign - FILE`",
            )
        for library in image.needed:
            yield from self._library(file, image, library)
        yield from python_problems(self.target, image)

    def _library(self, file: AuditFile, image: Image, library: str) -> Iterator[Problem]:
        # An install name may be the file's own: dyld has it loaded by then.
        if library.startswith(_SYSTEM) or library == image.soname or library in self.provided:
            return
        if self.resolve(file, image, library) is not None:
            return
        python = _PYTHON.fullmatch(library)
        if python:
            yield from self._libpython(library, python["minor"])
        elif library.startswith("/"):
            yield Problem(
                code="E-FIT-LIBRARY",
                message=f"needs {library}, a path of the machine it was built on",
                library=library,
            )
        else:
            yield missing_library(self.target.os, library, False, self.complete)  # noqa: FBT003

    def _libpython(self, library: str, minor: str | None) -> Iterator[Problem]:
        inside = _VERSION_IN_PATH.search(library)
        number = minor or (inside[1] if inside else None)
        if number is not None and int(number) != self.target.python.minor:
            yield Problem(
                code="E-FIT-PYTHON",
                message=f"needs {library}, the target has Python {self.target.python.short}",
                library=library,
            )
            return
        yield Problem(
            code="E-FIT-LIBPYTHON",
            severity=Severity.WARNING,
            message=f"needs {library}, which not every Python installation has there",
            library=library,
        )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
