"""A lock and targets -> the distributions of a wheelhouse: each file once, verified, audited for every target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.archive.metadata import parse_headers
from crossdock.net.upload import Upload
from crossdock.pipeline.audited import Examined, audit_examined
from crossdock.pipeline.hands import Hands
from crossdock.pipeline.raw_wheels import bring_wheels
from crossdock.ship.bundle.layout import read_raw
from crossdock.ship.bundle.model import Raw
from crossdock.ship.wheelhouse.directory import Source
from crossdock.ship.wheelhouse.model import Distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from crossdock.digest import Digest
    from crossdock.inspect.finding import Finding
    from crossdock.lock.model import LockedFile, LockedPackage
    from crossdock.net.pages import ProjectFile
    from crossdock.pipeline.hands import Means
    from crossdock.pipeline.locked import Locked
    from crossdock.pipeline.raw_wheels import WheelAtHand, Wheels
    from crossdock.target.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ForTarget:
    """What one target takes of a wheelhouse: paths of its wheels, what the audit found in how many binaries, notes."""

    target: Target
    paths: tuple[str, ...]
    findings: tuple[Finding, ...]
    binaries: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What a lock's targets need: distributions by path with their bytes, and those of each package by its position."""

    targets: tuple[ForTarget, ...]
    distributions: Mapping[str, Distribution]
    sources: Mapping[str, Source]
    held: Mapping[int, tuple[Distribution, ...]]
    #: The wheels among the distributions, read.
    wheels: Mapping[str, WheelAtHand]

    def upload(self, one: Distribution) -> Upload:
        """Return what an upload of a distribution sends."""
        source = self.sources[one.path]
        metadata = b"" if source.metadata is None else source.metadata()
        return Upload(filename=one.filename, blob=source.blob, sha256=one.sha256, metadata=metadata)


def bring_stock(
    locked: Locked, means: Means, *, leave_out: Callable[[LockedPackage], bool], sdists: bool
) -> Stock:
    """Return what the targets need, fetched or built where the store lacks it; `sdists`: the lock's sources too.

    Findings are returned, not raised. Raise what `bring_wheels` raises.
    """
    collected = _Collected()
    brought = bring_wheels(locked, means, leave_out=leave_out)
    for one in brought:
        for wheel in one.wheels:
            collected.add(wheel, locked.choice(one.target, wheel.chosen).package)
    targets = [_for_target(one, collected, means) for one in brought]
    if sdists:
        _add_sdists(collected, locked, means)
    return Stock(
        targets=tuple(targets),
        distributions=collected.distributions,
        sources=collected.sources,
        wheels=collected.wheels,
        held={
            position: tuple(collected.distributions[path] for path in sorted(paths))
            for position, paths in collected.held.items()
        },
    )


def _for_target(brought: Wheels, collected: _Collected, means: Means) -> ForTarget:
    """Audit the wheels that a target will get: those of the wheelhouse, whoever they were built for."""
    paths = sorted(path_of(wheel) for wheel in brought.wheels)
    findings, binaries = audit_examined(
        means.store, brought.target, _examined(collected.wheels[path] for path in paths)
    )
    return ForTarget(
        target=brought.target, paths=tuple(paths), findings=findings, binaries=binaries, notes=brought.notes
    )


def path_of(wheel: WheelAtHand) -> str:
    """Return where a wheel lies in a wheelhouse."""
    chosen = wheel.chosen
    named = Distribution(
        name=chosen.name, version=chosen.version, filename=chosen.filename, sha256="", size=0
    )
    return named.path


class _Collected:
    """Distributions, each once, whatever the number of targets that need it.

    Two targets may have built a wheel of one name and one tag with other bytes: one of the two serves both, since the
    tag is what its binaries need, and it is the same one in whatever order the targets are named.
    """

    def __init__(self) -> None:
        self.distributions: dict[str, Distribution] = {}
        self.sources: dict[str, Source] = {}
        self.held: dict[int, set[str]] = {}
        self.wheels: dict[str, WheelAtHand] = {}

    def add(self, wheel: WheelAtHand, package: LockedPackage) -> None:
        """Add a wheel of a package."""
        path = path_of(wheel)
        self.held.setdefault(package.position, set()).add(path)
        before = self.wheels.get(path)
        if before is not None and before.chosen.digest.hex <= wheel.chosen.digest.hex:
            return
        self.wheels[path] = wheel
        member = metadata_member(wheel)
        metadata = read_raw(member)
        chosen = wheel.chosen
        locked = next((one for one in package.wheels if one.filename == chosen.filename), None)
        self.distributions[path] = Distribution(
            name=chosen.name,
            version=chosen.version,
            filename=chosen.filename,
            sha256=sha256_of(chosen.digest, wheel.blob),
            size=wheel.blob.stat().st_size,
            requires_python=_requires_python(metadata, chosen.filename),
            upload_time="" if locked is None else locked.upload_time or "",
            metadata=sha256(metadata).hexdigest(),
            built_from=None if chosen.built_from is None else _built_from(chosen.built_from),
        )
        self.sources[path] = Source(blob=member.blob, metadata=lambda: read_raw(member))

    def add_sdist(self, package: LockedPackage, file: LockedFile, blob: Path) -> None:
        """Add the source distribution of a package."""
        found = Distribution(
            name=package.name,
            version=package.version or "0",
            filename=file.filename,
            sha256=sha256_of(file.digest, blob),
            size=blob.stat().st_size,
            requires_python="" if package.requires_python is None else str(package.requires_python),
            upload_time=file.upload_time or "",
        )
        self.distributions[found.path] = found
        self.sources[found.path] = Source(blob=blob, metadata=lambda: _pkg_info(blob, file.filename))
        self.held.setdefault(package.position, set()).add(found.path)


def _add_sdists(collected: _Collected, locked: Locked, means: Means) -> None:
    packages = {
        str(package.sdist.digest): package
        for package in locked.lock.packages
        if package.sdist is not None and package.position in collected.held
    }
    wanted = {key: package.sdist for key, package in packages.items() if package.sdist is not None}
    for key, blob in Hands(locked.lock, means).files(wanted):
        collected.add_sdist(packages[key], wanted[key], blob)


def _pkg_info(blob: Path, filename: str) -> bytes:
    from crossdock.archive.sdist import Sdist
    from crossdock.store.mapped import mapped

    with Sdist.open(mapped(blob), filename) as sdist:
        return sdist.pkg_info or b""


def _examined(wheels: Iterable[WheelAtHand]) -> list[Examined]:
    return [
        Examined(path, wheel.chosen.name, wheel.chosen.filename, wheel.raw.tags, binary)
        for wheel in wheels
        for path, binary in wheel.raw.binaries
    ]


def metadata_member(wheel: WheelAtHand) -> Raw:
    """Return where a wheel's METADATA lies in it."""
    facts = wheel.raw.facts
    wanted = f"{facts.dist_info}/METADATA"
    members = zip(facts.files, wheel.raw.members, strict=True)
    # A wheel without it is refused when it is read.
    return next(Raw(wheel.blob, *member) for file, member in members if file.path == wanted)


def _requires_python(metadata: bytes, filename: str) -> str:
    headers = parse_headers(metadata, filename=filename, member="METADATA", code="E-WHEEL-METADATA")
    return headers.optional("Requires-Python") or ""


def sha256_of(digest: Digest, blob: Path) -> str:
    """Return a file's SHA-256 in hex; locks may name other hashes."""
    if digest.algorithm == "sha256":
        return digest.hex
    hasher = sha256()
    with blob.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def _built_from(text: str) -> dict[str, str]:
    """Return what a wheel was built from: `NAME ALGORITHM:HEX`, or words for a directory of this machine."""
    name, _, digest = text.rpartition(" ")
    algorithm, _, value = digest.partition(":")
    return {"filename": name, algorithm: value} if value else {"from": text}


def with_index_facts(
    distributions: Mapping[str, Distribution],
    files_of: Callable[[str], Iterable[ProjectFile]],
    *,
    jobs: int,
) -> dict[str, Distribution]:
    """Return the distributions with what the index says of them now: yanked, upload time, provenance.

    `files_of` lists an index's files of a package; what was built here is on none. Raise what it raises.
    """
    from concurrent.futures import ThreadPoolExecutor

    names = sorted({one.name for one in distributions.values() if one.built_from is None})
    with ThreadPoolExecutor(jobs) as pool:
        pages = dict(zip(names, pool.map(files_of, names), strict=True))
    return {path: _with_facts(one, pages.get(one.name, ())) for path, one in distributions.items()}


def _with_facts(one: Distribution, files: Iterable[ProjectFile]) -> Distribution:
    for file in files:
        if file.filename == one.filename and file.hashes.get("sha256", one.sha256) == one.sha256:
            provenance = file.provenance or ""
            return replace(
                one,
                yanked=file.yanked,
                upload_time=file.upload_time or one.upload_time,
                provenance=provenance if provenance.startswith(("https://", "http://")) else "",
            )
    return one
