"""Cross builds, remembered in the store: the same source for the same target is built once.

What is asked for (source, target, settings, compiler) leads to the parts that it was built with (the target's Python,
its system libraries), and both together to the wheel. So a second run needs neither the network nor any of the parts,
and a build with other parts is another wheel.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from crossdock.build.model import PackageSettings, World
    from crossdock.build.repair import Repaired
    from crossdock.store import Store
    from crossdock.target.model import Target

#: What the identity of a directory begins with.
OWN = "tree "
#: Raised when a change of ours makes other wheels of the same source.
FORM = 1
PARTS, BUILT = "cross-parts", "cross-built"
#: The last wheel that took the place of another: until then, what a lock came to may be remembered.
REBUILT = "cross-rebuilt"
#: What of a wheel's provenance says which parts it was built with.
_PARTS_OF_PROVENANCE = ("compiler", "target-python", "sysroot", "rust")
#: The name of a wheel's provenance in its .dist-info.
PROVENANCE = "crossdock-build.json"
#: The longest has some kilobytes.
PROVENANCE_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossJob:
    """What is to be built for what, and how: values only, so that it can be done in another process.

    `identity` names the source's bytes (`sha256:...`, or `tree sha256:...` for a directory); None where they cannot
    be named, and nothing is remembered. `archive` gives the file with them and its name, when they are needed.
    `version` None means that any will do. `evidence` says why we believe that it compiles something.
    """

    what: str
    name: str
    version: str | None
    identity: str | None
    archive: Callable[[], tuple[Path, str]]
    target: Target
    settings: PackageSettings
    subdirectory: str | None = None
    is_tree: bool = False
    evidence: tuple[str, ...] = ()
    glibc: tuple[int, int] | None = None

    @property
    def label(self) -> str:
        """What to call it in messages and for its log."""
        return f"{self.name} {self.version}" if self.version else self.name

    @property
    def is_own(self) -> bool:
        """Whether the source is a directory of the user's, not something that others published."""
        return self.identity is None or self.identity.startswith(OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossBuilt:
    """A wheel in the store that was built for a target, `report` JSON-ready (tags, floor, grafted, findings).

    `from_store` says that it was built before, `imported` that another machine did. `log` is where the build's
    output is kept, None if it is not on this machine.
    """

    filename: str
    digest: Digest
    blob: Path
    report: dict[str, Any]
    log: Path | None = None
    from_store: bool = False
    imported: bool = False
    seconds: float = 0.0


def ask_of(job: CrossJob, world: World) -> dict[str, Any]:
    """Return what is asked for, JSON-ready: all that decides the wheel and is known before anything is fetched."""
    from crossdock.build.toolchain.made import programs
    from crossdock.build.toolchain.targets import build_floor
    from crossdock.build.toolchain.zig import VERSION

    return {
        "form": FORM,
        "crossdock": __version__,
        "source": job.identity,
        "name": job.name,
        "version": job.version,
        "subdirectory": job.subdirectory,
        "evidence": bool(job.evidence),
        "target": job.target.fields_for_key(),
        "floor": build_floor(job.target, job.glibc),
        "zig": VERSION,
        "programs": programs(),
        "settings": job.settings.key(),
        "given": _given(job, world),
        "date": world.tools.source_date_epoch,
        "resolution": world.resolution,
    }


def _given(job: CrossJob, world: World) -> list[str | None]:
    """Return the digests of the directories that the user gives in place of what would be found."""
    python = sysroot = None
    if world.target_python is not None:
        from crossdock.build.target_python import find_target_python

        python = find_target_python(job.target, world).digest
    if job.settings.sysroot or world.sysroot is not None:
        from crossdock.build.sysroot import find_sysroot

        found = find_sysroot(job.name, job.target, job.settings, world)
        sysroot = None if found is None else found.digest
    return [python, sysroot]


def words(value: object) -> str:
    """Return the one text of a JSON value: the key of a fact."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def check_target(job: CrossJob) -> None:
    """Raise `BuildError` (E-BUILD-TARGET) for a target that nothing is compiled for, before anything is fetched."""
    from crossdock.build.target_python.names import platform_tag  # what is built already needs none of it

    platform_tag(job.target)


def find_built(store: Store, ask: dict[str, Any]) -> CrossBuilt | None:
    """Return what the same question came to before, None if it is not known or its wheel was pruned.

    A wheel of another machine answers whatever index this one has: there it was resolved, and its user trusts it.
    """
    if ask["source"] is None:
        return None
    found = _known(store, ask)
    return found if found is not None or ask.get("resolution") is None else _known(store, elsewhere(ask))


def elsewhere(ask: dict[str, Any]) -> dict[str, Any]:
    """Return a question without what only the machine knows that asks it: the settings of its index."""
    return {**ask, "resolution": None}


def _known(store: Store, ask: dict[str, Any]) -> CrossBuilt | None:
    parts = store.get_fact(PARTS, words(ask))
    known = None if parts is None else store.get_fact(BUILT, words({**ask, "parts": parts}))
    if not isinstance(known, dict):
        return None
    digest = Digest("sha256", known["sha256"])
    blob = store.blob(digest)
    if blob is None:
        return None
    log = log_path(store, ask)
    return CrossBuilt(
        filename=known["filename"],
        digest=digest,
        blob=blob,
        report=known["report"],
        log=log if log.is_file() else None,
        from_store=True,
        imported=bool(known.get("imported")),
    )


def keep_built(
    store: Store,
    ask: dict[str, Any],
    filename: str,
    content: bytes,
    report: dict[str, Any],
    *,
    imported: bool = False,
) -> tuple[Digest, Path]:
    """Keep a wheel under what was asked for and what it was built with; return its digest and its place."""
    digest = Digest.of(content)
    blob = store.ingest(digest, (content,), len(content))
    if ask["source"] is not None:
        parts = parts_of(content, filename)
        value: dict[str, Any] = {"filename": filename, "sha256": digest.hex, "report": report}
        if imported:
            value["imported"] = True
        store.put_fact(BUILT, words({**ask, "parts": parts}), value)
        store.put_fact(PARTS, words(ask), parts)
    return digest, blob


def provenance_of(content: bytes) -> dict[str, Any]:
    """Return what a wheel built here says of its making, empty for any other."""
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            name = member.filename
            if name.endswith(f".dist-info/{PROVENANCE}") and name.count("/") == 1:
                if member.file_size > PROVENANCE_LIMIT:
                    return {}
                try:
                    found = json.loads(archive.read(member))
                except RecursionError:
                    return {}
                return found if isinstance(found, dict) else {}
    return {}


def parts_of(content: bytes, filename: str) -> dict[str, Any]:
    """Return what of the provenance says which compiler, Python and libraries a wheel was built with."""
    told = provenance_of(content)
    return {"wheel": filename.partition("-")[0], **{name: told.get(name) for name in _PARTS_OF_PROVENANCE}}


def log_path(store: Store, ask: dict[str, Any]) -> Path:
    """Return where the output of a build is kept."""
    from crossdock.store.logs import log_directory

    target = ask["target"]
    name = "-".join(
        str(word)
        for word in (
            ask["name"],
            ask["version"],
            target["os"],
            target["arch"],
            (target["libc"] or {}).get("kind"),
            _python_words(target["python"]),
        )
        if word
    )
    digest = hashlib.sha256(words(ask).encode()).hexdigest()[:10]
    return log_directory(store) / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[:100]}-{digest}.log"


def _python_words(python: dict[str, Any]) -> str:
    return f"py{python['major']}.{python['minor']}{'t' if python['free_threaded'] else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a build is run: `tell` hears of its stages, `rebuild` builds again what is known."""

    tell: Callable[[str], None] = field(default=lambda _stage: None)
    rebuild: bool = False


def cross(job: CrossJob, world: World, run: Run | None = None) -> CrossBuilt:
    """Return the wheel of a source for a target, from the store if the same was built before.

    One process builds it at a time. Raises what `build_cross` raises.
    """
    run = run or Run()
    ask = ask_of(job, world)
    known = None if run.rebuild else find_built(world.store, ask)
    if known is not None:
        return known
    with _alone(world.store, ask):
        # Another process may have built it while we waited.
        known = None if run.rebuild else find_built(world.store, ask)
        return known if known is not None else _build(job, world, run, ask)


def _alone(store: Store, ask: dict[str, Any]) -> AbstractContextManager[object]:
    if ask["source"] is None:
        return nullcontext()
    return store.locked(f"cross-{hashlib.sha256(words(ask).encode()).hexdigest()[:40]}")


def _build(job: CrossJob, world: World, run: Run, ask: dict[str, Any]) -> CrossBuilt:
    import time

    from crossdock.build.cross import CrossBuild, Source, build_cross

    began = time.monotonic()
    log = log_path(world.store, ask)
    repaired = build_cross(
        CrossBuild(
            source=Source(
                what=job.what,
                name=job.name,
                version=job.version,
                digest=job.identity or "unknown",
                unpack=lambda place: _unpacked(job, place),
                evidence=job.evidence,
                own=job.is_own,
            ),
            target=job.target,
            settings=job.settings,
            world=world,
            log=log,
            glibc=job.glibc,
            tell=run.tell,
        )
    )
    report = report_json(repaired)
    before = find_built(world.store, ask)
    digest, blob = keep_built(world.store, ask, repaired.wheel.filename, repaired.wheel.content, report)
    if before is not None and before.digest != digest:
        # What was made of locks with the old wheel is no longer what a build would make of them.
        world.store.put_fact(REBUILT, "", digest.hex)
    return CrossBuilt(
        filename=repaired.wheel.filename,
        digest=digest,
        blob=blob,
        report=report,
        log=log,
        seconds=time.monotonic() - began,
    )


def _unpacked(job: CrossJob, place: Path) -> Path:
    """Write the source below `place`, and return where its project lies."""
    from crossdock.archive.sdist import Sdist
    from crossdock.build.source import extract, project_in
    from crossdock.store.mapped import mapped

    path, filename = job.archive()
    # Not the directory's own name on this machine: a build may ask for it.
    source = place / f"{job.name}-{job.version or 'source'}"
    sdist = Sdist.open(mapped(path), filename, source_tree=job.is_tree)
    extract(sdist, source)
    return project_in(source, job.what, job.name, job.subdirectory)


def report_json(repaired: Repaired) -> dict[str, Any]:
    """Return the report of a repair, JSON-ready."""
    report = repaired.report
    floor = report.floor
    return {
        "tags": list(report.tags),
        "floor": None
        if floor is None
        else {"version": ".".join(map(str, floor.version)), "set_by": str(floor) or None},
        "grafted": [
            {
                "path": one.path,
                "soname": one.soname,
                "package": None if one.package is None else f"{one.package.name}={one.package.version}",
            }
            for one in report.grafted
        ],
        "findings": [finding.to_json() for finding in report.findings],
    }


def with_libraries(settings: PackageSettings, libraries: tuple[str, ...]) -> PackageSettings:
    """Return the settings with further libraries, each once."""
    return replace(settings, libraries=tuple(dict.fromkeys([*settings.libraries, *libraries])))
