"""The files of a wheel in repair, and the binaries among them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.build.repair.undefined import symbols_of, with_unversioned
from crossdock.inspect.binary import examine
from crossdock.inspect.collect import installed_path
from crossdock.inspect.facts import Format, Kind
from crossdock.inspect.finding import AuditFile, Finding, Severity
from crossdock.inspect.modules import ModuleName, parse_module_name
from crossdock.inspect.shipment import Shipment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.build.canonical import WheelMember
    from crossdock.build.repair.job import RepairJob
    from crossdock.build.repair.undefined import Symbols
    from crossdock.inspect.facts import Image

_CODE = frozenset({Kind.SHARED, Kind.EXECUTABLE})


@dataclass(slots=True, kw_only=True)
class Contents:
    """The files of the wheel as they now are, by name; the parts of its name that stay."""

    dist_info: str
    #: As the file name spells them.
    name: str
    version: str
    build: str
    members: dict[str, WheelMember]
    findings: list[Finding] = field(default_factory=list)
    _symbols: dict[bytes, Symbols] = field(default_factory=dict)

    def put(self, member: WheelMember) -> None:
        """Add a file or take it in place of the one of that name."""
        self.members[member.name] = member

    def symbols(self, name: str) -> Symbols:
        """Return the dynamic symbols of an ELF file; each content is read once."""
        content = self.members[name].content
        key = sha256(content).digest()
        if key not in self._symbols:
            self._symbols[key] = symbols_of(content, name)
        return self._symbols[key]

    def tell(self, code: str, message: str, path: str = "", *, severity: Severity = Severity.WARNING) -> None:
        """Keep a finding for the report."""
        self.findings.append(
            Finding(code=code, severity=severity, message=message, package=self.name, path=path)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A binary of the wheel. `image` is its part for the target, None if it has none.

    `goods` says that it lies in the source as it is: nobody built it here.
    """

    name: str
    file: AuditFile
    image: Image | None
    goods: bool

    @property
    def is_code(self) -> bool:
        """Whether it is what a loader loads, and not an object file or a library to link with."""
        return self.file.binary.kind in _CODE

    @property
    def module(self) -> ModuleName | None:
        """Its name as an extension module's, None if it is none: such a file exports `PyInit_` of its name."""
        name = parse_module_name(self.name.rpartition("/")[2])
        if name is None or self.image is None or self.file.binary.kind is not Kind.SHARED:
            return None
        if name.module in self.image.python_modules:
            return name
        return name if name.abi and self.image.uses_python else None


class Survey:
    """The binaries of a wheel, read once; made again after each change."""

    def __init__(self, contents: Contents, job: RepairJob) -> None:
        read = []
        for name, member in contents.members.items():
            binary = examine(member.content, name)
            if binary is not None and binary.format is not Format.WASM:
                read.append((member, AuditFile(path=installed_path(name), binary=binary, package=job.name)))
        if job.c_symbols:
            read = _with_unversioned(read, contents, job)
        self.files = [file for _, file in read]
        self.shipment = Shipment(self.files, job.target)
        self.found = tuple(
            Found(
                name=member.name,
                file=file,
                image=self.shipment.native(file),
                goods=bool(job.shipped) and sha256(member.content).hexdigest() in job.shipped,
            )
            for member, file in read
        )

    def native(self) -> Iterator[Found]:
        """Yield what the target would load."""
        return (one for one in self.found if one.image is not None and one.is_code)

    def modules(self) -> Iterator[Found]:
        """Yield the extension modules for the target."""
        return (one for one in self.native() if one.module is not None)


def _with_unversioned(
    read: list[tuple[WheelMember, AuditFile]], contents: Contents, job: RepairJob
) -> list[tuple[WheelMember, AuditFile]]:
    """Return the binaries with what they need of glibc by no version and no other file of the wheel defines."""
    shared = [
        (member, file)
        for member, file in read
        if file.binary.format is Format.ELF and file.binary.kind is Kind.SHARED
    ]
    symbols = {member.name: contents.symbols(member.name) for member, _ in shared}
    defined = frozenset[str]().union(*(one.defined for one in symbols.values()))
    return [
        (
            member,
            file
            if member.name not in symbols
            else replace(
                file,
                binary=with_unversioned(file.binary, symbols[member.name].asked - defined, job.c_symbols),
            ),
        )
        for member, file in read
    ]
