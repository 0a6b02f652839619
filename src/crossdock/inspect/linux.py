"""What Linux's loader would say about one file: libc, symbol versions, libraries (ld.so(8), PEP 600, PEP 656)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.inspect.facts import split_version
from crossdock.inspect.finding import Problem, Severity
from crossdock.inspect.policy import glibc_abi, is_driver, policy_for, provider_of, system_package_of
from crossdock.inspect.reader import DEBUG_SYMBOLS, FREE_THREADED_SYMBOLS
from crossdock.inspect.shipment import origin_directories
from crossdock.target.model import Libc, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.inspect.facts import Image, VersionNeed
    from crossdock.inspect.finding import AuditFile
    from crossdock.inspect.policy import BaseLibraries, Policy
    from crossdock.inspect.shipment import Shipment
    from crossdock.target.model import Target

ORIGIN = ("$ORIGIN", "${ORIGIN}")
_LOADERS = ("ld-linux", "ld64.so", "ld-musl-")
_LIBPYTHON = re.compile(r"libpython3(?:\.(?P<minor>[0-9]+))?(?P<flags>[a-z]*)\.so(\..*)?")
_SYSTEM_DIRECTORIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64")
_BASE_HINT = "if the place it runs in has the library, say so in the target's `base_libraries`"
#: Names that musl's loader takes for itself whatever follows the dot (ldso/dynlink.c, load_library).
_MUSL_ITSELF = tuple(f"lib{name}." for name in ("c", "pthread", "rt", "m", "dl", "util", "xnet"))


class LinuxRules:
    """The rules for one target and base; `problems` judges a file, `resolve` finds what it needs."""

    def __init__(
        self, target: Target, libc: Libc, shipment: Shipment, base: BaseLibraries | None, *, complete: bool
    ) -> None:
        self.target = target
        self.libc = libc
        self.shipment = shipment
        self.complete = complete
        self.policy: Policy = policy_for(libc, target.arch)
        self.base = base
        exact = base is not None and base.exact
        provided = set() if exact else set(self.policy.libraries)
        provided |= target.base_libraries or set()
        if base is not None:
            provided |= base.sonames
        self.provided = frozenset(provided)

    def resolve(self, file: AuditFile, image: Image, library: str) -> AuditFile | None:
        """Return the shipped file that satisfies a library: on the search path, else by its name anywhere."""
        directories = origin_directories(file, image.rpath, ORIGIN)
        found = self.shipment.in_directories(directories, library)
        if found is not None or library in self.provided:
            return found
        return self.shipment.named(library)

    def problems(self, file: AuditFile, image: Image) -> Iterator[Problem]:
        """Yield what keeps the file from loading on the target."""
        if image.libc and image.libc != self.libc.kind.value:
            yield Problem(
                code="E-FIT-LIBC",
                message=f"is built for {image.libc} ({image.libc_evidence}), the target has {self.libc.kind}",
            )
            return
        yield from self._versions(file, image)
        for library in image.needed:
            yield from self._library(file, image, library)
        yield from python_problems(self.target, image)
        if not image.segments_aligned:
            yield Problem(
                code="E-FIT-SEGMENTS",
                message="cannot be loaded: ELF load command address/offset not properly aligned",
                hint="a `strip` that does not know the file's layout does this: ship it unstripped",
            )
        yield from self._search_path(image)

    def _versions(self, file: AuditFile, image: Image) -> Iterator[Problem]:
        """Compare the newest needed version of each prefix with what the target has."""
        if self.base is not None and self.base.read:
            yield from self._versions_in_base(self.base, file, image)
            return
        worst: dict[str, tuple[tuple[int, ...], Problem]] = {}
        for need in image.versions:
            prefix, number = split_version(need.version)
            limit = self._limit(prefix)
            if limit is None or number <= limit or (prefix in worst and worst[prefix][0] >= number):
                continue
            if prefix != "GLIBC" and self.resolve(file, image, need.library) is not None:
                continue  # the library is shipped, and brings its own versions
            symbol = f" ({need.symbol})" if need.symbol else ""
            # On aarch64 the policy of 2.17 allows a 2.18 symbol; the target is still called by its floor.
            floor = (self.libc.major, self.libc.minor) if prefix == "GLIBC" else limit
            has = ".".join(map(str, floor))
            worst[prefix] = (
                number,
                Problem(
                    code="E-FIT-VERSION",
                    message=f"needs {need.version}{symbol}, the target has {has}",
                    library=need.library,
                    symbol=need.symbol,
                ),
            )
        yield from (problem for _, problem in worst.values())
        yield from self._markers(image)

    def _versions_in_base(self, base: BaseLibraries, file: AuditFile, image: Image) -> Iterator[Problem]:
        """Compare what is needed of the base's libraries with the versions that they were seen to define.

        As the loader does: a library without versions meets any need (it warns), and one that is missing is told
        as that.
        """
        worst: dict[str, tuple[tuple[int, ...], Problem]] = {}
        for need in image.versions:
            defined = base.versions.get(need.library)
            if defined is None or need.version in defined:
                continue
            if self.resolve(file, image, need.library) is not None:
                continue  # the library is shipped, and brings its own versions
            prefix, number = split_version(need.version)
            if prefix not in worst or worst[prefix][0] < number:
                worst[prefix] = number, _older_base(base, need, defined)
        yield from (problem for _, problem in worst.values())

    def _limit(self, prefix: str) -> tuple[int, ...] | None:
        # GLIBCXX_LDBL_3.4.29 and GLIBCXX_IEEE128_3.4.30 (ppc64le, s390x) are as new as their number says.
        return self.policy.newest.get(prefix.partition("_")[0])

    def _markers(self, image: Image) -> Iterator[Problem]:
        for need in image.versions:
            first = glibc_abi(need.version)
            if first is not None and first > (self.libc.major, self.libc.minor):
                yield Problem(
                    code="E-FIT-VERSION",
                    message=f"needs {need.version}, which glibc has from {first[0]}.{first[1]}; the target has "
                    f"{self.libc.major}.{self.libc.minor}",
                    library=need.library,
                )

    def _library(self, file: AuditFile, image: Image, library: str) -> Iterator[Problem]:
        if library.startswith(_LOADERS) or self._is_libc(library):
            return
        if self.resolve(file, image, library) is not None or library in self.provided:
            return
        if _LIBPYTHON.fullmatch(library):
            yield from self._libpython(library)
            return
        if library.startswith("/"):
            yield Problem(
                code="E-FIT-LIBRARY",
                message=f"needs {library}, an absolute path that is not shipped",
                library=library,
            )
            return
        beside = self._expected_beside(file, image)
        yield missing_library(self.target.os, library, beside, self.complete, base=self.base)

    def _is_libc(self, library: str) -> bool:
        read = self.base.sonames if self.base is not None and self.base.read else None
        # A base that was read is held to what it has: glibc's, musl's, or none at all.
        if self.libc.kind is LibcKind.MUSL:
            has_musl = read is None or any(name.startswith("ld-musl-") for name in read)
            return has_musl and library.startswith(_MUSL_ITSELF)
        return library == "libc.so.6" and read is None

    def _expected_beside(self, file: AuditFile, image: Image) -> bool:
        """Whether the search path leads into directories of other packages."""
        own = self.shipment.directories_of(file.package) | {".", ".."}
        directories = origin_directories(file, image.rpath, ORIGIN)
        return any(part.partition("/")[0] not in own for part in directories)

    def _libpython(self, library: str) -> Iterator[Problem]:
        match = _LIBPYTHON.fullmatch(library)
        python = self.target.python
        wanted = f"3.{python.minor}"
        if match and match["minor"] and int(match["minor"]) != python.minor:
            yield Problem(
                code="E-FIT-PYTHON",
                message=f"needs {library}, the target has Python {wanted}",
                library=library,
            )
            return
        yield Problem(
            code="E-FIT-LIBPYTHON",
            severity=Severity.WARNING,
            message=f"needs {library}, which a Python that is linked statically does not have",
            library=library,
            hint="extension modules must not be linked to libpython (PEP 513)",
        )

    def _search_path(self, image: Image) -> Iterator[Problem]:
        for entry in image.rpath:
            if entry.startswith("/") and entry.rstrip("/") not in _SYSTEM_DIRECTORIES:
                yield Problem(
                    code="E-FIT-RPATH",
                    severity=Severity.NOTE,
                    message=f"looks for libraries in {entry}, a directory of the machine it was built on",
                )


def _older_base(base: BaseLibraries, need: VersionNeed, defined: frozenset[str]) -> Problem:
    """Return the problem of a symbol version that the base's library does not define."""
    prefix, _ = split_version(need.version)
    numbers = [number for name, number in map(split_version, defined) if name == prefix and number]
    has = ".".join(map(str, max(numbers))) if numbers else "none such"
    symbol = f" ({need.symbol})" if need.symbol else ""
    return Problem(
        code="E-FIT-VERSION",
        message=f"needs {need.version}{symbol} of {need.library}, {base.name} has {has}",
        library=need.library,
        symbol=need.symbol,
        hint="take a newer base, or lock a release that has a wheel for older systems",
    )


def missing_library(
    os: Os, library: str, expected_beside: bool, complete: bool, *, base: BaseLibraries | None = None
) -> Problem:
    """Return the problem of a library that is neither shipped nor in the base, weighed by where it may be."""
    if is_driver(os, library):
        return Problem(
            code="E-FIT-DRIVER",
            severity=Severity.NOTE,
            message=f"needs {library}, which comes with a device's driver",
            library=library,
        )
    provider = provider_of(os, library)
    if not complete and (provider is not None or expected_beside):
        whose = f"package {provider}" if provider else "a package beside it"
        return Problem(
            code="E-FIT-BESIDE",
            severity=Severity.NOTE,
            message=f"needs {library}, expected from {whose}",
            library=library,
        )
    return Problem(
        code="E-FIT-LIBRARY",
        message=f"needs {library}, which is neither shipped nor in {_place(base)}",
        library=library,
        hint=f"add package {provider}" if provider else _missing_hint(base, library),
    )


def _place(base: BaseLibraries | None) -> str:
    return base.name if base is not None and base.read else "the target's base"


def _missing_hint(base: BaseLibraries | None, library: str) -> str:
    """Say what to do about a library that is missing: add the base's own package, or take another base."""
    if base is None or not base.read:
        return _BASE_HINT
    package = system_package_of(base.distribution, library)
    if package is None:
        return "take a base that has the library"
    return f"take a base that has the package {package}, or add it to this one"


def python_problems(target: Target, image: Image) -> Iterator[Problem]:
    """Yield where the imported symbols tell another build of CPython than the target's."""
    debug = sorted(DEBUG_SYMBOLS.intersection(image.python_symbols))
    if debug:
        yield Problem(
            code="E-FIT-ABI",
            message=f"is built for a debug build of Python ({debug[0]})",
            symbol=debug[0],
        )
    free = sorted(FREE_THREADED_SYMBOLS.intersection(image.python_symbols))
    if free and not target.python.free_threaded:
        yield Problem(
            code="E-FIT-ABI",
            message=f"is built for a free-threaded Python ({free[0]}), the target's has a GIL",
            symbol=free[0],
        )
