"""The layers above the wheels: environment, bytecode, application; each is kept under a key of its entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.ship.bytecode import Modules, bytecode, bytecode_key
from crossdock.ship.entries import entries_key
from crossdock.ship.image.entries import write_entries
from crossdock.ship.image.kept_layers import LayerName, find_layer, make_layer
from crossdock.ship.image.layer import LayerWriter
from crossdock.ship.image.model import LayerKind, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from crossdock.archive.tarwrite import Sink
    from crossdock.ship.bytecode import Interpreter
    from crossdock.ship.entries import Entry
    from crossdock.ship.image.application import Application
    from crossdock.ship.image.layer import WrittenLayer
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.model import Layer
    from crossdock.store import Store
    from crossdock.target.model import Target

#: Raised whenever a byte of these layers changes for the same entries.
FORMAT = 2


def entries_name(
    kind: LayerKind, title: str, entries: Iterable[Entry], *, package: tuple[str, str] | None = None
) -> LayerName:
    """Return what the layer of `entries` is called.

    The key stands for all that its descriptor says: kind, title, `package` (name and version of what it holds), and
    the places, modes and contents of `entries`. A version that no file tells would else be the one before.
    """
    words = (str(kind), str(FORMAT), title, *(package or ()))
    return LayerName(key=entries_key(entries, *words).hex, kind=kind, title=title)


def entries_layer(
    store: Store, name: LayerName, entries: Sequence[Entry], *, package: tuple[str, str] | None = None
) -> Layer:
    """Return the layer of `entries`, from the store or written now; `package` is the name and version of what it holds."""

    def write(out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
        writer = LayerWriter(out)
        write_entries(writer, entries)
        written = writer.finish()
        if package is None:
            return written, ()
        whole = Slice(
            name=package[0],
            version=package[1],
            compressed=written.size,
            uncompressed=written.uncompressed_size,
            files=written.files,
        )
        return written, (whole,)

    return make_layer(store, name, write)


def bytecode_name(interpreter: Interpreter, groups: Iterable[Modules]) -> LayerName:
    """Return what the layer with the compiled modules of `groups` is called; nothing is read or compiled."""
    key = Digest.of(f"{FORMAT} {bytecode_key(interpreter, groups)}".encode()).hex
    return LayerName(key=key, kind=LayerKind.BYTECODE, title="compiled modules")


def bytecode_layer(
    store: Store, name: LayerName, interpreter: Interpreter, groups: Sequence[Modules], *, jobs: int
) -> tuple[Layer, tuple[str, ...]]:
    """Return the layer of compiled modules, from the store or made now, and what was left out (none if it was kept)."""
    found = find_layer(store, name)
    if found is not None:
        return found, ()
    made = bytecode(store, interpreter, groups, jobs=jobs)
    return entries_layer(store, name, made.entries), made.notes


def wheel_modules(
    digest: Digest,
    filename: str,
    blob: Callable[[], Path],
    *,
    target: Target,
    layout: ImageLayout,
    allow_bad_record: bool = False,
) -> Modules:
    """Return the modules of a wheel as they lie in an image; `blob` gives its file when its sources are needed."""
    schemes = layout.schemes(target)

    def read() -> list[tuple[str, bytes]]:
        from crossdock.archive.wheel import Wheel
        from crossdock.safepath import PathRules
        from crossdock.store.mapped import mapped

        rules = PathRules.POSIX
        with Wheel.open(mapped(blob()), filename, rules=rules, allow_bad_record=allow_bad_record) as wheel:
            return [
                (f"/{schemes.place(file.scheme, str(file.path), wheel.name)}", wheel.read(file))
                for file in wheel.files
                if file.scheme in ("purelib", "platlib") and file.path.endswith(".py")
            ]

    return Modules(key=f"{digest} {schemes.purelib}", read=read)


def compiled_application(
    store: Store,
    application: Application,
    interpreter: Interpreter,
    *,
    target: Target,
    layout: ImageLayout,
    jobs: int,
) -> tuple[Application, tuple[str, ...]]:
    """Return the application with its own modules compiled, and what was left out.

    They lie in its layer, not in that of the wheels' bytecode: an edit must not send the latter again.
    """
    places = tuple(f"{place}/" for place in (layout.schemes(target).purelib, layout.sources[1:]))
    entries = [
        entry
        for entry in application.entries
        if entry.path.endswith(".py") and entry.path.startswith(places) and not entry.link
    ]

    def read() -> list[tuple[str, bytes]]:
        return [(f"/{entry.path}", b"".join(entry.content())) for entry in entries]

    made = bytecode(store, interpreter, [Modules(key=entries_key(entries).hex, read=read)], jobs=jobs)
    return application.with_added(made.entries), made.notes
