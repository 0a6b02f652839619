"""Which systems and CPUs a wheel's binaries are for."""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from crossdock.build.retag.places import Place
from crossdock.inspect.binary import examine
from crossdock.inspect.facts import Format, Kind
from crossdock.inspect.modules import parse_module_name
from crossdock.target.model import Arch, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossdock.build.canonical import WheelMember
    from crossdock.inspect.facts import Binary, Image

_OF_FORMAT = {Format.ELF: Os.LINUX, Format.MACHO: Os.MACOS, Format.PE: Os.WINDOWS}
#: What the facts say of a binary that names its own system, for those that wheels are made for here.
_PLATFORMS = {"", "macos", "mac-catalyst"}
#: Windows on Arm runs it as its own (Arm64X).
_MACHINES = {"arm64x": Arch.AARCH64}
_C_LIBRARY = "libc.so.6"


class Weight(IntEnum):
    """How much a binary says of the wheel: an extension module is what it is for, a program may be mere goods."""

    PROGRAM = 1
    LIBRARY = 2
    MODULE = 3


class CodeFile(NamedTuple):
    """A binary that some loader would load. `broken` says in words what is wrong with one that none can."""

    name: str
    binary: Binary
    weight: Weight


def code_of(members: Iterable[WheelMember]) -> tuple[CodeFile, ...]:
    """Return the binaries that are modules, libraries and programs, sorted by name; broken ones among them."""
    found = []
    for member in members:
        binary = examine(member.content, member.name)
        if binary is None or binary.format not in _OF_FORMAT:
            continue
        if binary.broken or binary.kind in {Kind.SHARED, Kind.EXECUTABLE}:
            found.append(CodeFile(member.name, binary, _weight(member.name, binary)))
    return tuple(sorted(found, key=lambda one: one.name))


def _weight(path: str, binary: Binary) -> Weight:
    if binary.kind is Kind.EXECUTABLE:
        return Weight.PROGRAM
    name = parse_module_name(path.rpartition("/")[2])
    if name is not None and (
        binary.broken or any(_is_module(image, name.module, name.abi) for image in binary.images)
    ):
        return Weight.MODULE
    return Weight.LIBRARY


def _is_module(image: Image, module: str, abi: str) -> bool:
    return module in image.python_modules or (bool(abi) and (image.uses_python or abi.startswith("pypy")))


def heaviest(code: Sequence[CodeFile]) -> tuple[CodeFile, ...]:
    """Return the files that say what a wheel is for: its modules, else its libraries, else its programs."""
    most = max((one.weight for one in code), default=None)
    return tuple(one for one in code if one.weight is most)


def words_of(one: CodeFile) -> str:
    """Say in words what a file is for."""
    if one.binary.broken:
        return f"{one.name} is broken: {one.binary.broken}"
    said = []
    for image in one.binary.images:
        place = _place(one.binary, image)
        libc = f" with {image.libc}" if image.libc else ""
        said.append(
            f"{place}{libc}" if place else f"{image.platform or one.binary.format} on {image.machine}"
        )
    return f"{one.name} is for {', '.join(dict.fromkeys(said)) or 'no machine'}"


def places_of(code: Sequence[CodeFile], claimed: Iterable[Place]) -> tuple[Place, ...]:
    """Return the systems that the heaviest of a wheel's binaries are for, sorted.

    A binary of Linux that needs nothing of a C library is for the one that the others of its CPU are for, else for
    those that the wheel claims, else for glibc; a program without a loader is for both.
    """
    claims = set(claimed)
    found: set[Place] = set()
    for one in heaviest(code):
        for image in one.binary.images:
            place = _place(one.binary, image)
            if place is not None and place.os is Os.LINUX:
                found |= {Place(Os.LINUX, place.arch, kind) for kind in _libcs(code, place.arch, claims)}
            elif place is not None:
                found.add(place)
    return tuple(sorted(found, key=lambda place: (place.os, place.arch, place.libc or "")))


def _place(binary: Binary, image: Image) -> Place | None:
    """Return what an image is for, a C library left out; None for a system or CPU that no wheel here is for."""
    machine = _MACHINES.get(image.machine, image.machine)
    if machine not in list(Arch) or image.platform not in _PLATFORMS or image.libc == "bionic":
        return None
    arch = Arch(machine)
    os = _OF_FORMAT[binary.format]
    if os is Os.WINDOWS and arch not in {Arch.X86_64, Arch.AARCH64, Arch.I686}:
        return None
    if os is Os.MACOS and arch not in {Arch.X86_64, Arch.AARCH64}:
        return None
    return Place(os, arch)


def _libcs(code: Iterable[CodeFile], arch: Arch, claims: set[Place]) -> set[LibcKind]:
    by_libc: defaultdict[str, bool] = defaultdict(bool)
    static = True
    for one in code:
        for image in _linux_images(one, arch):
            by_libc[image.libc] = True
            by_libc["glibc"] |= _C_LIBRARY in image.needed and not image.libc
            static = static and one.weight is Weight.PROGRAM and not image.needed and not image.interpreter
    seen = {kind for kind in LibcKind if by_libc[kind.value]}
    if seen or static:
        return seen or set(LibcKind)
    return {place.libc for place in claims if place.arch is arch and place.libc} or {LibcKind.GLIBC}


def _linux_images(one: CodeFile, arch: Arch) -> Iterator[Image]:
    if one.binary.format is Format.ELF:
        yield from (image for image in one.binary.images if image.machine == arch.value)
