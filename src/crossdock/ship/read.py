"""What is known of a wheel once every byte of it was read and verified, without its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.ship.installed import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.archive.wheel import Wheel, WheelFile
    from crossdock.inspect.binary import Binary

#: The audit sees a binary where it lies beside the packages that Python imports.
_audit_layout = Layout()

#: Core metadata that tells what a package is and under which terms it comes.
_FIELDS = (
    "Summary",
    "License-Expression",
    "License",
    "Author",
    "Author-Email",
    "Maintainer",
    "Maintainer-Email",
    "Home-Page",
    "Project-Url",
    "Requires-Dist",
)
_LICENCE = "License ::"
#: A description longer than this is somebody's licence text, which the wheel's own files hold.
_LONGEST = 4096
#: Bills of materials above this size are not kept (PEP 770 sets none).
_LARGEST_SBOM = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWheel:
    """What a wheel is and has, for the audit and for a bill of materials.

    `binaries` are (path as the audit wants it, facts as JSON). `metadata` has the fields of METADATA that
    tell origin and licence, each with all its values. `sboms` are the texts of its own bills of materials
    by path (PEP 770).
    """

    version: str
    tags: tuple[str, ...]
    binaries: tuple[tuple[str, dict[str, Any]], ...]
    dropped: tuple[str, ...]
    #: What is wrong with RECORD, where that was allowed by name.
    problems: tuple[str, ...]
    start_up_hooks: tuple[str, ...]
    metadata: Mapping[str, tuple[str, ...]]
    sboms: Mapping[str, str]


class WheelReader:
    """Gathers the facts of a wheel while somebody reads its files."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._binaries: list[tuple[str, dict[str, Any]]] = []
        self._sboms: dict[str, str] = {}
        self._sbom_prefix = f"{wheel.dist_info}/sboms/"

    def saw(self, file: WheelFile, content: bytes) -> None:
        """Take note of a file's verified content."""
        from crossdock.inspect.binary import examine

        path = str(file.path)
        self.found(file, examine(content, path))
        if path.startswith(self._sbom_prefix) and len(content) <= _LARGEST_SBOM:
            try:
                self._sboms[path] = content.decode("utf-8")
            except UnicodeDecodeError:
                return  # Not a bill of materials that anybody can read.

    def found(self, file: WheelFile, binary: Binary | None) -> None:
        """Take note of what a file is, where its content was read elsewhere."""
        if binary is not None:
            place = _audit_layout.place(file.scheme, str(file.path), self._wheel.name)
            self._binaries.append((place, binary.to_json()))

    def result(self) -> ReadWheel:
        """Return the facts, once every file was seen."""
        wheel = self._wheel
        return ReadWheel(
            version=wheel.version,
            tags=tuple(sorted(wheel.filename.tag_names)),
            binaries=tuple(self._binaries),
            dropped=tuple(map(str, wheel.dropped)),
            problems=tuple(wheel.record_problems),
            start_up_hooks=tuple(map(str, wheel.start_up_hooks)),
            metadata=_metadata(wheel),
            sboms=self._sboms,
        )


def _metadata(wheel: Wheel) -> dict[str, tuple[str, ...]]:
    found = {}
    for name in _FIELDS:
        values = tuple(value for value in wheel.headers.all(name) if len(value) <= _LONGEST)
        if values:
            found[name] = values
    licences = tuple(value for value in wheel.headers.all("Classifier") if value.startswith(_LICENCE))
    if licences:
        found["Classifier"] = licences
    return found
