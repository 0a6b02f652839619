"""Which libraries a wheel need not bring: those that the policy of the target promises, and a few that nobody ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.inspect.facts import split_version
from crossdock.inspect.policy import is_driver, policy_for, provider_of
from crossdock.target.model import Libc, LibcKind, Os

if TYPE_CHECKING:
    from crossdock.build.repair.sysrooted import Libraries
    from crossdock.inspect.facts import Image
    from crossdock.inspect.shipment import Shipment
    from crossdock.target.model import Target

_LOADERS = ("ld-linux", "ld64.so", "ld-musl-")
#: Never twice in one process: exceptions and the unwinder cross from one module to another through these.
_RUNTIME = frozenset({"libstdc++.so.6", "libgcc_s.so.1"})
#: The libraries that glibc consists of.
_GLIBC = frozenset(
    {
        "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1",
        "libresolv.so.2", "libnsl.so.1", "libanl.so.1", "libmvec.so.1",
    }
)  # fmt: skip
#: musl's loader takes these names for itself (ldso/dynlink.c, load_library).
_MUSL_ITSELF = tuple(f"lib{name}." for name in ("c", "pthread", "rt", "m", "dl", "util", "xnet"))


class Promises:
    """What may come from outside the wheel on a Linux target: its policy (PEP 600, 656), drivers, other packages."""

    def __init__(self, target: Target, shipment: Shipment, libraries: Libraries | None) -> None:
        self.shipment = shipment
        self.libraries = libraries
        libc = target.libc or Libc(LibcKind.GLIBC, 2, 5)
        self.policy = policy_for(libc, target.arch)
        self.musl = libc.kind is LibcKind.MUSL

    def keep(self, library: str, image: Image) -> bool:
        """Tell whether a file finds a library without a graft.

        One that the policy promises in an older version than the file asks for is grafted, if the sysroot has it.
        """
        if self._never_shipped(library) or self.shipment.named(library) is not None:
            return True
        if library not in self.policy.libraries:
            return provider_of(Os.LINUX, library) is not None and not self.in_sysroot(library)
        return library in _RUNTIME or self._new_enough(library, image) or not self.in_sysroot(library)

    def keep_for_graft(self, library: str, image: Image) -> bool:
        """Tell the same for a library that is itself grafted: it was not linked with what the wheel has."""
        others = library not in self.policy.libraries and not self._never_shipped(library)
        return not (others and self.in_sysroot(library)) and self.keep(library, image)

    def in_sysroot(self, library: str) -> bool:
        """Tell whether the sysroot has a library."""
        return self.libraries is not None and self.libraries.find(library) is not None

    def _never_shipped(self, library: str) -> bool:
        """Whether a library is the C library's or a driver's: a sysroot that was given may have it too."""
        own = library.startswith(_MUSL_ITSELF) if self.musl else library in _GLIBC
        return own or library.startswith(_LOADERS) or is_driver(Os.LINUX, library)

    def _new_enough(self, library: str, image: Image) -> bool:
        for need in image.versions:
            prefix, number = split_version(need.version)
            limit = self.policy.newest.get(prefix.partition("_")[0])
            # Too new a glibc is no matter of a graft: the floor is checked when all is in.
            if need.library == library and prefix != "GLIBC" and limit is not None and number > limit:
                return False
        return True
