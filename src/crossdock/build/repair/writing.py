"""The files of `.dist-info` that a repair writes, and the wheel's file name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossdock.build.canonical import BuiltWheel, WheelMember, without_release, write_wheel
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.build.repair.job import RepairJob
    from crossdock.build.repair.survey import Contents

PROVENANCE = "crossdock-build.json"
#: Fields of METADATA that decide what is installed: these must be valid. Others are told of.
_DECIDING = frozenset(
    {"metadata-version", "name", "version", "requires-dist", "requires-python", "provides-extra"}
)


def check_metadata(contents: Contents, job: RepairJob) -> None:
    """Refuse METADATA whose deciding fields `packaging` finds invalid (E-BUILD-METADATA); tell of the others."""
    from packaging.metadata import InvalidMetadata, Metadata

    content = contents.members[f"{contents.dist_info}/METADATA"].content
    try:
        Metadata.from_email(content, validate=True)
    except* InvalidMetadata as group:
        errors = [one for one in _leaves(group) if isinstance(one, InvalidMetadata)]
        bad = [f"{one.field}: {one}" for one in errors if one.field in _DECIDING]
        if bad:
            raise BuildError(
                f"`{job.what}` was built, and its METADATA is not valid",
                code="E-BUILD-METADATA",
                places=bad,
                hint="report it to the project: installers read these fields",
            ) from None
        for one in errors:
            contents.tell("E-WHEEL-METADATA", f"{one.field}: {one}", f"{contents.dist_info}/METADATA")


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def write_provenance(contents: Contents, job: RepairJob) -> None:
    """Write how the wheel was made, sorted: the same bytes for the same facts."""
    text = json.dumps(job.provenance, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    contents.put(WheelMember(f"{contents.dist_info}/{PROVENANCE}", text.encode()))


def finish(
    contents: Contents,
    tags: Iterable[tuple[str, str]],
    platforms: Iterable[str],
    *,
    purelib: bool | None = None,
    keep_generator: bool = False,
) -> tuple[BuiltWheel, tuple[str, ...]]:
    """Write WHEEL for the tags, and the wheel; return it and its tags one by one.

    `tags` are all pairs of some Pythons and some ABIs: a file name says no less. `purelib` says where the wheel's root
    is installed, None by its platform. WHEEL keeps the release of its generator only if `keep_generator` asks for it.
    """
    pairs, systems = sorted(set(tags)), sorted(set(platforms))
    all_tags = tuple(f"{python}-{abi}-{platform}" for python, abi in pairs for platform in systems)
    name = f"{contents.dist_info}/WHEEL"
    old = contents.members[name]
    pure = systems == ["any"] if purelib is None else purelib
    kept = old.content if keep_generator else without_release(old.content)
    contents.put(old._replace(content=_wheel_file(kept, all_tags, contents.build, pure=pure)))
    compressed = "-".join(
        [".".join(dict.fromkeys(pair[place] for pair in pairs)) for place in (0, 1)] + [".".join(systems)]
    )
    build = f"-{contents.build}" if contents.build else ""
    filename = f"{contents.name}-{contents.version}{build}-{compressed}.whl"
    content = write_wheel(contents.members.values(), contents.dist_info, compress=True)
    return BuiltWheel(filename=filename, content=content), all_tags


def _wheel_file(content: bytes, tags: Iterable[str], build: str, *, pure: bool) -> bytes:
    lines = content.decode().splitlines()
    kept = [
        line
        for line in lines
        if line.strip() and line.partition(":")[0].strip().lower() not in {"tag", "root-is-purelib", "build"}
    ]
    kept.append(f"Root-Is-Purelib: {'true' if pure else 'false'}")
    kept += [f"Tag: {tag}" for tag in tags]
    if build:
        kept.append(f"Build: {build}")
    return "".join(f"{line}\n" for line in kept).encode()
