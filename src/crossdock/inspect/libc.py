"""Which C library an ELF file is built for, told by what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossdock.inspect.facts import VersionNeed

#: The libraries that glibc consists of.
_GLIBC_LIBRARIES = (
    "libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libresolv.so.2",
    "libnsl.so.1", "libanl.so.1", "libmvec.so.1", "ld-linux", "ld64.so", "ld.so",
)  # fmt: skip


def libc_of(needed: tuple[str, ...], interpreter: str, versions: tuple[VersionNeed, ...]) -> tuple[str, str]:
    """Tell the C library and the evidence; (`""`, `""`) where the file needs none."""
    for need in versions:
        # libgcc_s has symbols of version GLIBC_2.0 too, on musl as well.
        if need.version.startswith("GLIBC_") and need.library.startswith(_GLIBC_LIBRARIES):
            return "glibc", f"needs {need.version} of {need.library}"
    for name in (*needed, interpreter.rpartition("/")[2]):
        if name.startswith(("libc.musl-", "ld-musl-")):
            return "musl", f"needs {name}"
        # libc.so.6 alone, without a version, proves nothing: musl's loader takes it for itself.
        if name.startswith(("ld-linux", "ld64.so.")):
            return "glibc", f"needs {name}"
    if interpreter.startswith("/system/bin/linker"):
        return "bionic", f"interpreter {interpreter}"
    if "libc.so" in needed:
        bionic = any(need.library == "libc.so" and need.version.startswith("LIBC") for need in versions)
        return ("bionic", "needs LIBC of libc.so") if bionic else ("musl", "needs libc.so")
    return "", ""
