"""What is known about one binary file, in the same shape for ELF, Mach-O and PE, and as JSON for the store."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from crossdock.errors import InspectError


class Format(StrEnum):
    """Container formats, told apart by their magic numbers."""

    ELF = "elf"
    MACHO = "macho"
    PE = "pe"
    WASM = "wasm"
    AR = "ar"


class Kind(StrEnum):
    """What a loader or linker would do with the file."""

    SHARED = "shared"
    EXECUTABLE = "executable"
    OBJECT = "object"
    ARCHIVE = "archive"
    OTHER = "other"


def split_version(version: str) -> tuple[str, tuple[int, ...]]:
    """Cut a symbol version into its name and its number: `GLIBC_2.28` is (`GLIBC`, (2, 28)).

    A version without a number at its end (`GLIBC_ABI_DT_RELR`, `GLIBC_PRIVATE`) is all name.
    """
    name, _, number = version.rpartition("_")
    parts = number.split(".")
    if name and all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):  # noqa: PLR2004
        return name, tuple(int(part) for part in parts)
    return version, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNeed:
    """A symbol version that the file needs of a library, and a symbol that brought it in if one was found."""

    library: str
    version: str
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The facts of one architecture: an ELF or PE file has one image, a universal Mach-O file several.

    `machine` is a value of `target.Arch` where there is one, else the format's own name (`bpf`, `cuda`,
    `em83`). `needed` are libraries that the loader must find, `optional` those it may miss (weak dylibs,
    delay-loaded DLLs). `libc` is `glibc`, `musl`, `bionic` or empty, and `libc_evidence` says why.
    `platform` is the operating system where the format names it (`macos`, `ios`, `ios-simulator`, `android`,
    `freebsd`, `efi`). `python_modules` are the names behind exported `PyInit_` functions;
    `python_symbols` the imported ones that only a debug or a free-threaded interpreter has.
    """

    machine: str
    bits: int = 64
    big_endian: bool = False
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    soname: str = ""
    #: The search path of the file, DT_RUNPATH before DT_RPATH, or LC_RPATH.
    rpath: tuple[str, ...] = ()
    versions: tuple[VersionNeed, ...] = ()
    #: The symbol versions that a library itself defines (DT_VERDEF), its own name among them.
    defines: tuple[str, ...] = ()
    libc: str = ""
    libc_evidence: str = ""
    interpreter: str = ""
    platform: str = ""
    #: Mach-O: the minimum OS version; Android: the API level and 0.
    min_os: tuple[int, int] | None = None
    signed: bool = False
    uses_python: bool = False
    python_modules: tuple[str, ...] = ()
    python_symbols: tuple[str, ...] = ()
    #: False where a loadable segment cannot be mapped: what a careless `strip` leaves behind.
    segments_aligned: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults as JSON-ready values."""
        result: dict[str, Any] = {}
        for name, default in _IMAGE_DEFAULTS:
            value = getattr(self, name)
            if value != default:
                result[name] = value
        if self.versions:
            result["versions"] = [[item.library, item.version, item.symbol] for item in self.versions]
        return result

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; raise KeyError, TypeError or ValueError for anything else."""
        known = dict(value)
        for name in _TUPLES & known.keys():
            known[name] = tuple(known[name])
        if "versions" in known:
            known["versions"] = tuple(
                VersionNeed(library=library, version=version, symbol=symbol)
                for library, version, symbol in known["versions"]
            )
        return cls(**known)


_IMAGE_DEFAULTS = tuple((item.name, item.default) for item in fields(Image))
_TUPLES = frozenset(
    {"needed", "optional", "rpath", "defines", "min_os", "python_modules", "python_symbols"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One file that is a binary by its magic number.

    `broken` says in words what is wrong with a file that starts like a binary and does not follow its
    format; such a file has no images.
    """

    format: Format
    kind: Kind
    images: tuple[Image, ...] = ()
    broken: str = ""

    def image_for(self, machines: frozenset[str]) -> Image | None:
        """Return the image for one of the machines, or None if the file has none."""
        for image in self.images:
            if image.machine in machines:
                return image
        return None

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines of all images, in the file's order."""
        return tuple(image.machine for image in self.images)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, empty ones left out."""
        result: dict[str, Any] = {"format": self.format.value, "kind": self.kind.value}
        if self.images:
            result["images"] = [image.to_json() for image in self.images]
        if self.broken:
            result["broken"] = self.broken
        return result

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote; raise `InspectError` for anything else."""
        try:
            return cls(
                format=Format(value["format"]),
                kind=Kind(value["kind"]),
                images=tuple(Image.from_json(item) for item in value.get("images", ())),
                broken=value.get("broken", ""),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InspectError(
                f"not the facts of a binary: {error}",
                code="E-BINARY-FACTS",
                hint="run `crossdock cache verify`",
            ) from error
