"""Judges the binaries of a shipment against a target, from their facts alone.

How much a file matters decides how much its faults weigh. What the target's importer or loader would pick up
must fit: extension modules by their file name, scripts, and every library that one of these needs. A package
without an extension module is there for its libraries, one without libraries for its programs: then these
must fit. The rest (plugins loaded on demand, helper programs) is reported as a warning. Files for other
systems and CPUs are passed over in silence where the package also brings one for the target, and so are
object files, static libraries and whatever else no loader touches.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from crossdock.inspect.facts import Format, Kind
from crossdock.inspect.finding import AuditFile, Finding, Problem, Severity, ordered
from crossdock.inspect.modules import ModuleName, accepts, extension_suffixes, parse_module_name
from crossdock.inspect.policy import BaseLibraries, is_optional_module
from crossdock.inspect.shipment import Shipment
from crossdock.target.model import Libc, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossdock.inspect.facts import Image
    from crossdock.target.model import Target

__all__ = ["AuditFile", "BaseLibraries", "Finding", "Severity", "audit"]

_SCRIPT_DIRECTORIES = ("bin/", "Scripts/")


class Rules(Protocol):
    """What one operating system's loader demands."""

    def problems(self, file: AuditFile, image: Image) -> Iterator[Problem]:
        """Yield what keeps a file from loading."""
        ...

    def resolve(self, file: AuditFile, image: Image, library: str) -> AuditFile | None:
        """Return the shipped file that satisfies a needed library."""
        ...


class _Role(Enum):
    """What would load a file."""

    MODULE = auto()
    SCRIPT = auto()
    LIBRARY = auto()
    PROGRAM = auto()
    NOTHING = auto()


def audit(
    files: Sequence[AuditFile],
    target: Target,
    *,
    base: BaseLibraries | None = None,
    complete: bool = True,
) -> tuple[Finding, ...]:
    """Return what does not fit `target`, errors first; empty if every binary fits.

    `files` are all binaries that are shipped together, in any order; the answer depends on nothing else.
    `base` are the libraries of the place itself, where known. `complete=False` says that more packages will
    lie beside these (one wheel looked at alone): libraries known to come from another package are then
    expected there.
    """
    shipment = Shipment(files, target)
    rules = _rules_for(target, shipment, base, complete=complete)
    packages: defaultdict[str, list[AuditFile]] = defaultdict(list)
    for file in files:
        packages[file.package].append(file)
    findings: list[Finding] = []
    essential: list[AuditFile] = []
    for group in packages.values():
        judged = _Package(group, target, shipment)
        findings += judged.foreign()
        essential += judged.essential()
    reached = _reached(essential, shipment, rules)
    for file in files:
        image = shipment.native(file)
        if image is not None and _loadable(file, target):
            at_most = Severity.ERROR if id(file) in reached else Severity.WARNING
            findings += [problem.about(file, at_most) for problem in rules.problems(file, image)]
    return ordered(findings)


def _rules_for(target: Target, shipment: Shipment, base: BaseLibraries | None, *, complete: bool) -> Rules:
    # Each target needs one of these, and an import costs milliseconds of every install: PLC0415.
    match target.os:
        case Os.LINUX:
            from crossdock.inspect.linux import LinuxRules

            # A target without a floor promises nothing about its libc: the oldest glibc then.
            libc = target.libc or Libc(LibcKind.GLIBC, 2, 5)
            return LinuxRules(target, libc, shipment, base, complete=complete)
        case Os.MACOS | Os.IOS:
            from crossdock.inspect.macos import AppleRules

            return AppleRules(target, shipment, base, complete=complete)
        case Os.WINDOWS:
            from crossdock.inspect.windows import WindowsRules

            return WindowsRules(target, shipment, base, complete=complete)
        case Os.ANDROID:
            from crossdock.inspect.mobile import AndroidRules

            return AndroidRules(target, shipment, base)
        case Os.EMSCRIPTEN:
            from crossdock.inspect.mobile import WebRules

            return WebRules()


def _reached(essential: Iterable[AuditFile], shipment: Shipment, rules: Rules) -> frozenset[int]:
    """Return the ids of the files that the essential ones load, directly or through others."""
    seen: set[int] = set()
    waiting = list(essential)
    while waiting:
        file = waiting.pop()
        image = shipment.native(file)
        if image is None or id(file) in seen:
            continue
        seen.add(id(file))
        found = (rules.resolve(file, image, library) for library in image.needed)
        waiting += [one for one in found if one is not None]
    return frozenset(seen)


def _loadable(file: AuditFile, target: Target) -> bool:
    """Whether a native file is worth a look: not a module that the importer passes over by its name."""
    name = _module_name(file)
    return name is None or not name.abi or accepts(target, name)


def _module_name(file: AuditFile) -> ModuleName | None:
    """Return the file's name as an extension module's, or None if it is none.

    A plain `x.so` is one only if it exports `PyInit_x`; a tagged name is taken at its word unless the file
    has nothing to do with Python (a library built by setuptools for ctypes).
    """
    name = parse_module_name(file.path.rpartition("/")[2])
    if name is None:
        return None
    if name.abi.startswith("pypy"):
        return name
    images = file.binary.images
    if any(name.module in image.python_modules for image in images):
        return name
    if not name.abi or file.binary.format not in {Format.ELF, Format.MACHO, Format.PE}:
        return None
    return name if any(image.uses_python for image in images) else None


def _role(file: AuditFile) -> _Role:
    binary = file.binary
    if binary.broken:
        return _Role.MODULE if parse_module_name(file.path.rpartition("/")[2]) else _Role.NOTHING
    if binary.kind not in {Kind.SHARED, Kind.EXECUTABLE}:
        return _Role.NOTHING
    if file.path.startswith(_SCRIPT_DIRECTORIES):
        return _Role.SCRIPT
    if binary.kind is Kind.EXECUTABLE:
        return _Role.PROGRAM
    return _Role.MODULE if _module_name(file) else _Role.LIBRARY


class _Package:
    """The binaries of one distribution, sorted by what would load them."""

    def __init__(self, files: Sequence[AuditFile], target: Target, shipment: Shipment) -> None:
        self.files = files
        self.target = target
        self.shipment = shipment
        self.by_role: defaultdict[_Role, list[AuditFile]] = defaultdict(list)
        for file in files:
            self.by_role[_role(file)].append(file)
        #: Modules that the target's importer takes and that are built for it, by module name.
        self.modules: defaultdict[str, list[AuditFile]] = defaultdict(list)
        for file in self.by_role[_Role.MODULE]:
            name = _module_name(file)
            if name and shipment.native(file) and accepts(target, name):
                self.modules[name.module].append(file)
        # A wheel for any platform may well carry what only one of them uses.
        platforms = {tag.rpartition("-")[2] for file in files for tag in file.tags}
        self.weight = Severity.WARNING if "any" in platforms else Severity.ERROR

    def _native(self, role: _Role) -> list[AuditFile]:
        return [file for file in self.by_role[role] if self.shipment.native(file)]

    def essential(self) -> list[AuditFile]:
        """Return the files that must fit: see the module's docstring."""
        found = [file for group in self.modules.values() for file in group]
        modules = [file for file in found if not is_optional_module(file.path)]
        if not found:
            modules = self._native(_Role.LIBRARY) or self._native(_Role.PROGRAM)
        return modules + self._native(_Role.SCRIPT)

    def foreign(self) -> Iterator[Finding]:
        """Yield what is not built for the target at all, where nothing else takes its place."""
        for file in self.by_role[_Role.MODULE]:
            yield from self._module(file)
        for file in self.by_role[_Role.SCRIPT]:
            if self.shipment.native(file) is None:
                yield self._elsewhere(file).about(file, self.weight)
        yield from self._nothing_native()

    def _module(self, file: AuditFile) -> Iterator[Finding]:
        name = _module_name(file) or parse_module_name(file.path.rpartition("/")[2])
        if name is None or name.module in self.modules:
            return
        if file.binary.broken:
            if accepts(self.target, name):
                problem = Problem(code="E-FIT-BROKEN", message=f"is broken: {file.binary.broken}")
                yield problem.about(file, self.weight)
        elif not accepts(self.target, name):
            # Beside modules that do fit, one for another Python is left over rather than missing.
            at_most = Severity.NOTE if self.modules else self.weight
            yield self._passed_over(file, name).about(file, at_most)
        elif self.shipment.native(file) is None:
            yield self._elsewhere(file).about(file, self.weight)

    def _passed_over(self, file: AuditFile, name: ModuleName) -> Problem:
        best = extension_suffixes(self.target)[0]
        built = ""
        image = self.shipment.native(file)
        if image is None:
            built = f"; it {self._elsewhere(file).message}"
        elif image.libc and self.target.libc and image.libc != self.target.libc.kind.value:
            built = f"; it is built for {image.libc} ({image.libc_evidence})"
        return Problem(
            code="E-FIT-MODULE",
            message=f"is never imported: the target's Python passes over `{name.suffix}` and looks for "
            f"`{best}`{built}",
        )

    def _elsewhere(self, file: AuditFile) -> Problem:
        """Say what the file is built for instead."""
        binary = file.binary
        if binary.format is not self.shipment.format:
            system = {Format.ELF: "Linux", Format.MACHO: "macOS", Format.PE: "Windows"}.get(
                binary.format, binary.format.value
            )
            what = f"{system} ({', '.join(binary.machines)})" if binary.machines else system
        elif binary.image_for(self.shipment.machines) is not None:
            what = ", ".join(sorted({image.platform for image in binary.images if image.platform}))
        else:
            what = ", ".join(binary.machines) or "no machine"
        return Problem(
            code="E-FIT-MACHINE",
            message=f"is built for {what}, the target is {self.target.os} {self.target.arch}",
        )

    def _nothing_native(self) -> Iterator[Finding]:
        """Yield one finding if the package brings libraries or programs, and none of them is the target's."""
        if any(self.shipment.native(file) for file in self.files):
            return
        libraries = [file for file in self.by_role[_Role.LIBRARY] if file.binary.machines]
        # Programs of other systems inside a pure package (launchers of installers) are its goods.
        # So does a file of the user's own code, which no wheel brings (its `wheel` is empty).
        claims_platform = self.weight is Severity.ERROR and any(
            file.tags or file.wheel == "" for file in self.files
        )
        found = libraries or (self.by_role[_Role.PROGRAM] if claims_platform else [])
        if not found:
            return
        first = min(found, key=lambda file: file.path)
        problem = self._elsewhere(first)
        more = f"; so are {len(found) - 1} more of the package's" if len(found) > 1 else ""
        at_most = self.weight if claims_platform else Severity.WARNING
        yield Problem(code=problem.code, message=problem.message + more).about(first, at_most)
