"""One walk: a wheel as it lies when installed for a target, member by member.

A tree, a zip and an image layer are destinations of this walk; none of them knows how a wheel is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.archive.record import quoted, record_row
from crossdock.errors import ShipError
from crossdock.ship.scripts import EntryPoint, entry_point_script, rewrite_script, windows_launcher
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crossdock.archive.wheel import Wheel
    from crossdock.target.model import Target

#: What the INSTALLER file says (recording installed projects, "The INSTALLER file").
INSTALLER = b"crossdock\n"


class PayloadFile(NamedTuple):
    """A file of a wheel that gets installed: where it goes and what it holds."""

    scheme: str  # purelib, platlib, scripts, data or headers
    path: str  # below the scheme
    sha256: str  # hex
    size: int
    executable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFacts:
    """What installing a wheel needs to know of it, without its bytes; kept in the store as JSON."""

    name: str
    version: str
    dist_info: str
    files: tuple[PayloadFile, ...]
    entry_points: tuple[EntryPoint, ...]
    start_up_hooks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "name": self.name,
            "version": self.version,
            "dist_info": self.dist_info,
            "files": self.files,
            "entry_points": self.entry_points,
            "start_up_hooks": self.start_up_hooks,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> WheelFacts:
        """Read what `to_json` gave."""
        return cls(
            name=value["name"],
            version=value["version"],
            dist_info=value["dist_info"],
            files=tuple(map(PayloadFile._make, value["files"])),
            entry_points=tuple(map(EntryPoint._make, value["entry_points"])),
            start_up_hooks=tuple(value["start_up_hooks"]),
        )


def wheel_facts(wheel: Wheel) -> WheelFacts:
    """Return the facts of an opened wheel; its RECORD, signatures and bytecode are not part of the payload."""
    dropped = {
        f"{wheel.dist_info}/{name}"
        for name in ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json")
    }
    return WheelFacts(
        name=wheel.name,
        version=wheel.version,
        dist_info=wheel.dist_info,
        files=tuple(
            PayloadFile(file.scheme, str(file.path), file.sha256, file.size, file.executable)
            for file in wheel.files
            if file.path not in dropped
        ),
        entry_points=tuple(
            EntryPoint(point.name, point.module, point.attribute, point.gui)
            for point in wheel.script_entry_points()
        ),
        start_up_hooks=tuple(wheel.start_up_hooks),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a wheel's schemes lie below the root of what is shipped; `""` is the root itself.

    `interpreter` is Python's path on the target, or None for scripts that find it on the PATH.
    """

    purelib: str = ""
    platlib: str = ""
    scripts: str = "bin"
    data: str = ""
    headers: str = "include"
    interpreter: str | None = None

    def place(self, scheme: str, path: str, name: str) -> str:
        """Return the path below the root of a file of `scheme`; headers get a directory of their project."""
        base: str = getattr(self, scheme)
        if scheme == "headers":
            base = f"{base}/{name}"
        return f"{base}/{path}" if base else path


def directory_layout(target: Target, interpreter: str | None = None) -> Layout:
    """Return the layout of `install --target`: packages at the root, scripts in `bin` or `Scripts`."""
    return Layout(scripts="Scripts" if target.os is Os.WINDOWS else "bin", interpreter=interpreter)


class InstalledFile(NamedTuple):
    """One file as it lies when installed: its bytes are a file of the wheel's payload, or made here."""

    path: str  # below the root of what is shipped
    sha256: str
    size: int
    executable: bool
    content: bytes | None  # None: the payload file with this hash, byte for byte
    shareable: bool  # may be a link into the store: nobody edits it in place


def installed_files(
    wheel: WheelFacts,
    target: Target,
    layout: Layout,
    *,
    read: Callable[[PayloadFile], bytes],
    direct_url: bytes | None = None,
) -> list[InstalledFile]:
    """Return every file of `wheel` as installed for `target`, sorted by path, RECORD last.

    `read` gives a payload file's bytes; it is asked for scripts only. `direct_url` is the content of
    direct_url.json where the wheel did not come from an index (PEP 610).
    """
    files = payload_files(wheel, target, layout, read=read)
    files.append(_made(layout.place("purelib", f"{wheel.dist_info}/INSTALLER", wheel.name), INSTALLER))
    if direct_url is not None:
        files.append(
            _made(layout.place("purelib", f"{wheel.dist_info}/direct_url.json", wheel.name), direct_url)
        )
    files.sort(key=lambda file: file.path)
    record = layout.place("purelib", f"{wheel.dist_info}/RECORD", wheel.name)
    return [*files, _made(record, _record(files, record, layout))]


def payload_files(
    wheel: WheelFacts, target: Target, layout: Layout, *, read: Callable[[PayloadFile], bytes]
) -> list[InstalledFile]:
    """Return the files of `wheel` as installed, its scripts among them, without what an installer notes beside them."""
    files: list[InstalledFile] = []
    for item in wheel.files:
        path = layout.place(item.scheme, item.path, wheel.name)
        if item.scheme == "scripts":
            original = read(item)
            content = rewrite_script(original, target, layout.interpreter)
            if content == original and item.executable:
                # Programs of many megabytes lie there as well: what is not rewritten is not held either.
                files.append(
                    InstalledFile(
                        path, item.sha256, item.size, executable=True, content=None, shareable=False
                    )
                )
            else:
                files.append(_made(path, content, executable=True))
        else:
            files.append(
                InstalledFile(path, item.sha256, item.size, item.executable, None, item.scheme != "data")
            )
    files.extend(_entry_points(wheel, target, layout, taken={file.path for file in files}))
    return files


def _made(path: str, content: bytes, *, executable: bool = False) -> InstalledFile:
    from hashlib import sha256

    return InstalledFile(
        path, sha256(content).hexdigest(), len(content), executable, content, shareable=False
    )


def _entry_points(
    wheel: WheelFacts, target: Target, layout: Layout, taken: set[str]
) -> Iterable[InstalledFile]:
    windows = target.os is Os.WINDOWS
    for point in wheel.entry_points:
        path = layout.place("scripts", point.name + (".exe" if windows else ""), wheel.name)
        if path in taken:
            raise ShipError(
                f"`{wheel.name} {wheel.version}` has both a script file and an entry point `{point.name}`",
                code="E-SHIP-SCRIPT-TWICE",
                hint="report it to the project: the wheel would overwrite its own file",
            )
        write = windows_launcher if windows else entry_point_script
        yield _made(path, write(point, target, layout.interpreter), executable=True)


def _record(files: Iterable[InstalledFile], record: str, layout: Layout) -> bytes:
    """Return RECORD: paths relative to the directory that holds the .dist-info (recording installed projects)."""
    base = layout.purelib
    rows = [record_row(_relative(path, base), sha256, size) for path, sha256, size, _x, _c, _s in files]
    rows.append(f"{quoted(_relative(record, base))},,\n")
    return "".join(rows).encode()


def _relative(path: str, base: str) -> str:
    if not base:
        return path
    if path.startswith(f"{base}/"):
        return path[len(base) + 1 :]
    common = 0
    ours, theirs = base.split("/"), path.split("/")
    while common < len(ours) and common < len(theirs) - 1 and ours[common] == theirs[common]:
        common += 1
    return "/".join([".."] * (len(ours) - common) + theirs[common:])
