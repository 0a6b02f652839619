"""How an image came to be: an in-toto statement with SLSA provenance (slsa.dev/spec/v1.0/provenance).

docs/reference/supply-chain.md says what the build type means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.oci.model import canonical_json
from crossdock.ship.image.components import ComponentKind, base_component, clean, components_of
from crossdock.ship.image.config import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossdock.digest import Digest
    from crossdock.oci.model import Descriptor
    from crossdock.ship.image.components import Component, Made
    from crossdock.ship.image.model import Image
    from crossdock.ship.image.options import ImageOptions

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
#: Names, not addresses: nothing is fetched from there.
BUILD_TYPE = "https://crossdock.dev/build/image/v1"
BUILDER = f"https://crossdock.dev/builder/{__version__}"
#: in-toto's digest sets call a commit so.
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def provenance(
    image: Image,
    made: Sequence[Made],
    *,
    options: ImageOptions,
    lock: Digest | None = None,
    revision: str = "",
    builder: str = BUILDER,
    created: int | None = None,
    packages: Sequence[Component] = (),
) -> bytes:
    """Return the statement about an index and its manifests: the same bytes for the same image.

    `made` are its platforms in order, `lock` is the digest of the lock file's bytes, `revision` the commit that
    the user names, `packages` are those of a base made here. `builder` is whoever vouches for the run: a hosted
    builder has a URI of its own, and ours stands for a run on anybody's machine. Without `created` (seconds since
    1970) no time is told. No path, user, variable or credential of this machine is in it.
    """
    predicate: dict[str, Any] = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": _parameters(made, options),
            "resolvedDependencies": _dependencies(made, lock, revision, packages),
        },
        "runDetails": {"builder": {"id": builder, "version": {"crossdock": __version__}}},
    }
    if created is not None:
        time = timestamp(created)
        predicate["runDetails"]["metadata"] = {"startedOn": time, "finishedOn": time}
    return statement(subjects(image), PREDICATE_TYPE, predicate)


def statement(about: Sequence[dict[str, Any]], predicate_type: str, predicate: dict[str, Any]) -> bytes:
    """Return an in-toto statement, version 1."""
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": list(about),
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def subjects(image: Image) -> list[dict[str, Any]]:
    """Return what a statement about an image is about: the index first, then each platform's manifest."""
    name = clean(image.annotations.get("org.opencontainers.image.title", "")) or "image"
    return [
        _subject(name, image.descriptor),
        *(_subject(f"{name} {one.platform}", one.descriptor) for one in image.platforms),
    ]


def _subject(name: str, descriptor: Descriptor) -> dict[str, Any]:
    return {"name": name, "digest": _digests(descriptor.digest)}


def _digests(digest: Digest) -> dict[str, str]:
    return {digest.algorithm: digest.hex}


def _parameters(made: Sequence[Made], options: ImageOptions) -> dict[str, Any]:
    """Return what the user asked for and the image's own configuration does not tell."""
    return {
        "source": {"kind": str(made[0].application.form)},
        "targets": [one.image.target.fields_for_key() for one in made],
        "base": made[0].image.base.name,
        "prefix": options.prefix,
        "bytecode": options.bytecode,
        "maxLayers": options.max_layers,
    }


def _dependencies(
    made: Sequence[Made], lock: Digest | None, revision: str, packages: Sequence[Component]
) -> list[dict[str, Any]]:
    found = []
    if lock is not None:
        found.append({"name": "lock", "digest": _digests(lock)})
    if _COMMIT.fullmatch(revision):
        found.append({"name": "source", "digest": {"gitCommit": revision}})
    found += _files(made, packages)
    # Platforms share pure wheels, and often the base's index.
    unique = {canonical_json(one): one for one in found}
    return list(unique.values())


def _files(made: Sequence[Made], packages: Sequence[Component]) -> Iterator[dict[str, Any]]:
    for one in made:
        base = base_component(one.image.base)
        if base is not None and base.digest is not None:
            yield _dependency(base, base.digest)
    for one in made:
        for part in components_of(one, packages=packages):
            if part.kind in {ComponentKind.WHEEL, ComponentKind.DEBIAN} and part.digest is not None:
                yield _dependency(part, part.digest)


def _dependency(one: Component, digest: Digest) -> dict[str, Any]:
    """Return a resource descriptor (in-toto attestation framework, "ResourceDescriptor")."""
    found: dict[str, Any] = {"name": one.filename or one.name, "digest": _digests(digest)}
    if one.purl:
        # Per platform the base is another image of the same index: the architecture is not part of what was resolved.
        found["uri"] = re.sub(r"\?arch=[^&]*&", "?", one.purl) if one.kind is ComponentKind.BASE else one.purl
    if one.url:
        found["downloadLocation"] = one.url
    if one.built_from:
        found["annotations"] = {"dev.crossdock.built-from": one.built_from}
    return found
