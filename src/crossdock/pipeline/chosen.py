"""The wheels of an image or a zip by name and hash, known before their bytes are here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import CrossdockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossdock.lock.model import Lock, LockedPackage
    from crossdock.lock.select import Choice, Selection
    from crossdock.pipeline.hands import Means, WheelFile, WheelKey
    from crossdock.pipeline.locked import Locked
    from crossdock.store import Store

_FACT = "chosen-wheels"
#: Raised when what is remembered, or a rule that decides it, changes within a version.
_FORM = 1

#: Building and looking at the sizes of a few files; downloads have threads of their own.
_WORKERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenWheel:
    """A wheel that one target's image or zip gets.

    `name` is normalized, `size` is the file's in bytes, `url` where it came from without a login.
    `direct_url` is the content of direct_url.json where one is due (PEP 610); `built_from` names the source
    distribution it was built from here. `choice` is None where the lock was not read, see `remembered_wheels`.
    """

    choice: Choice | None
    name: str
    version: str
    filename: str
    digest: Digest
    size: int
    url: str | None = None
    direct_url: bytes | None = None
    built_from: str | None = None


def chosen_wheels(
    locked: Locked, means: Means, *, leave_out: Callable[[LockedPackage], bool]
) -> list[tuple[list[ChosenWheel], tuple[str, ...]]]:
    """Return the wheels of each target and what the user should hear, from memory where the lock decides it.

    Packages for which `leave_out` is true are passed over. Raise what `choose_wheels` raises, and `LockError` or
    `BuildError` for what cannot be had for a target.
    """
    known = [remembered_wheels(means.store, key) for key in locked.keys]
    if known and len(known) == len(locked.targets) and all(wheels is not None for wheels in known):
        return [(wheels or [], ()) for wheels in known]
    from crossdock.pipeline.gather import refuse_lacking  # what compiles is told by reading the lock

    for selection in locked.selections:
        refuse_lacking(locked.lock, selection, means)
    chosen = choose_wheels(locked.lock, locked.selections, means, leave_out=leave_out)
    for selection, key, wheels in zip(locked.selections, locked.keys, chosen, strict=False):
        if not selection.notes:
            remember_wheels(means.store, key, wheels)
    return [(wheels, one.notes) for one, wheels in zip(locked.selections, chosen, strict=True)]


def choose_wheels(
    lock: Lock,
    selections: Sequence[Selection],
    means: Means,
    *,
    leave_out: Callable[[LockedPackage], bool],
) -> list[list[ChosenWheel]]:
    """Return the wheels of each selection by name; only what the lock tells no size of, or no wheel, is fetched.

    Packages for which `leave_out` is true are passed over: the application itself, which has its own layer.
    """
    wanted = [
        [choice for choice in selection.choices if not leave_out(choice.package)] for selection in selections
    ]
    files = _fetched(
        lock, (choice for choices in wanted for choice in choices if not _is_known(choice)), means
    )
    return [
        sorted((_chosen(choice, files) for choice in choices), key=lambda wheel: wheel.name)
        for choices in wanted
    ]


def remember_wheels(store: Store, key: str, wheels: Sequence[ChosenWheel]) -> None:
    """Keep what a lock's bytes come to for a target; not where a source tree on this disk is among it."""
    if any(wheel.choice is None or wheel.choice.package.directory for wheel in wheels):
        return
    rows = [
        [
            wheel.name,
            wheel.version,
            wheel.filename,
            str(wheel.digest),
            wheel.size,
            wheel.url,
            None if wheel.direct_url is None else wheel.direct_url.decode(),
            wheel.built_from,
        ]
        for wheel in wheels
    ]
    store.put_fact(_FACT, f"{_FORM} {key}", rows)


def remembered_wheels(store: Store, key: str) -> list[ChosenWheel] | None:
    """Return what `remember_wheels` kept under a key, without choices, or None."""
    rows = store.get_fact(_FACT, f"{_FORM} {key}")
    if not isinstance(rows, list):
        return None
    try:
        return [
            ChosenWheel(
                choice=None,
                name=name,
                version=version,
                filename=filename,
                digest=Digest.parse(digest),
                size=size,
                url=url,
                direct_url=None if direct_url is None else direct_url.encode(),
                built_from=built_from,
            )
            for name, version, filename, digest, size, url, direct_url, built_from in rows
        ]
    except (CrossdockError, ValueError, TypeError, AttributeError):
        return None


def _is_known(choice: Choice) -> bool:
    file = choice.file
    return file is not None and file.filename.endswith(".whl") and file.size is not None


def _fetched(lock: Lock, choices: Iterable[Choice], means: Means) -> dict[WheelKey, WheelFile]:
    from crossdock.pipeline.hands import Hands, wheel_key

    wanted = {wheel_key(choice): choice for choice in choices}
    if not wanted:
        return {}
    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(Hands(lock, means).prepare(wanted, pool, lambda file, _key: file))


def _chosen(choice: Choice, files: dict[WheelKey, WheelFile]) -> ChosenWheel:
    from crossdock.archive.names import WheelName
    from crossdock.pipeline.hands import direct_url_of, wheel_key

    file = choice.file
    url = _public(file.url) if file is not None and file.url else None
    made = files.get(wheel_key(choice))
    if made is not None:
        return ChosenWheel(
            choice=choice,
            name=made.name,
            version=WheelName.parse(made.filename).version,
            filename=made.filename,
            digest=made.digest,
            size=made.blob.stat().st_size,
            url=url,
            direct_url=made.direct_url,
            built_from=made.built_from,
        )
    assert file is not None and file.size is not None, "everything else was fetched"  # noqa: S101, PT018
    return ChosenWheel(
        choice=choice,
        name=choice.name,
        version=WheelName.parse(file.filename).version,
        filename=file.filename,
        digest=file.digest,
        size=file.size,
        url=url,
        direct_url=direct_url_of(choice),
    )


def _public(url: str) -> str:
    from crossdock.net.url import without_login

    return without_login(url)
