"""What the loaders of Android and of a WebAssembly runtime would say about one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.inspect.finding import Problem
from crossdock.inspect.linux import missing_library
from crossdock.inspect.shipment import origin_directories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.inspect.facts import Image
    from crossdock.inspect.finding import AuditFile
    from crossdock.inspect.policy import BaseLibraries
    from crossdock.inspect.shipment import Shipment
    from crossdock.target.model import Target

#: The NDK's stable libraries that CPython's Android builds and wheels link, and what PEP 738's Python ships.
_SYSTEM = frozenset(
    {
        "libc.so", "libm.so", "libdl.so", "liblog.so", "libz.so", "libandroid.so", "libEGL.so", "libGLESv1_CM.so",
        "libGLESv2.so", "libGLESv3.so", "libOpenSLES.so", "libaaudio.so", "libamidi.so", "libcamera2ndk.so",
        "libjnigraphics.so", "libmediandk.so", "libnativewindow.so", "libneuralnetworks.so", "libvulkan.so",
        "libcrypto_python.so", "libssl_python.so", "libsqlite3_python.so",
    }
)  # fmt: skip


class AndroidRules:
    """The rules for one Android target: API level and libraries."""

    def __init__(self, target: Target, shipment: Shipment, base: BaseLibraries | None) -> None:
        self.target = target
        self.shipment = shipment
        libpython = f"libpython{target.python.short}.so"
        self.provided = _SYSTEM | {libpython} | (target.base_libraries or frozenset())
        if base is not None:
            self.provided |= base.sonames

    def resolve(self, file: AuditFile, image: Image, library: str) -> AuditFile | None:
        """Return the shipped file that satisfies a library: on the search path, else by its name."""
        directories = origin_directories(file, image.rpath, ("$ORIGIN", "${ORIGIN}"))
        return self.shipment.in_directories(directories, library) or self.shipment.named(library)

    def problems(self, file: AuditFile, image: Image) -> Iterator[Problem]:
        """Yield what keeps the file from loading on the target."""
        if image.libc in {"glibc", "musl"}:
            yield Problem(
                code="E-FIT-LIBC",
                message=f"is built for {image.libc} ({image.libc_evidence}), Android has bionic",
            )
            return
        floor = self.target.os_version
        if image.min_os is not None and floor is not None and image.min_os > floor:
            yield Problem(
                code="E-FIT-OS-VERSION",
                message=f"is built for Android API level {image.min_os[0]}, the target has {floor[0]}",
            )
        for library in image.needed:
            if library not in self.provided and self.resolve(file, image, library) is None:
                yield missing_library(self.target.os, library, False, True)  # noqa: FBT003


class WebRules:
    """WebAssembly modules name nothing that could be checked without the runtime."""

    def resolve(self, file: AuditFile, image: Image, library: str) -> AuditFile | None:  # noqa: ARG002
        """Return None: modules are linked by the runtime."""
        return None

    def problems(self, file: AuditFile, image: Image) -> Iterator[Problem]:  # noqa: ARG002
        """Yield nothing."""
        yield from ()
