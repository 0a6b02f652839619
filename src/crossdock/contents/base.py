"""What matters of the image that ours is laid upon: its libraries, its Python, its users, its links.

Each layer is streamed once and never unpacked. What was learnt is kept in the store, per layer and as a whole, so
that the next run reads nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.contents.python import DEFAULT_PATH, Interpreter, find_interpreters
from crossdock.errors import ImageError
from crossdock.inspect.policy import BaseLibraries
from crossdock.inspect.shipment import machines_for
from crossdock.oci.model import Platform, canonical_json
from crossdock.target.model import Implementation, Libc, LibcKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.contents.tree import Tree
    from crossdock.digest import Digest
    from crossdock.oci.blob import BlobSource
    from crossdock.oci.model import Descriptor
    from crossdock.store import Store
    from crossdock.target.model import Target

#: Raised whenever the same layers would give other facts.
_VERSION = "2"
#: The kind under which the store keeps facts of images, by `facts_key`.
FACTS_KIND = "base-facts"
_ID = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A line of /etc/passwd: numeric user and group, and home directory."""

    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFacts:
    """What an image brings. Paths are absolute.

    `libraries` are those that its loader finds, with the symbol versions they define; `libc` is its C library,
    None if it has none; `interpreters` are the Pythons on its PATH, in order. `links` are the symbolic links to
    directories, or to nothing, with the true path of what they lead to (empty for nothing): a file that a layer
    puts below one would land elsewhere or replace it. `os_release` is os-release(5).
    """

    name: str
    platform: Platform
    libraries: BaseLibraries
    libc: Libc | None
    interpreters: tuple[Interpreter, ...]
    links: Mapping[str, str]
    users: Mapping[str, User]
    groups: Mapping[str, int]
    os_release: Mapping[str, str]
    #: Directories with a `pyvenv.cfg`: environments that somebody has made already.
    environments: tuple[str, ...] = ()

    @property
    def distribution(self) -> str:
        """The system's `ID` in os-release, empty if it does not say."""
        return self.os_release.get("ID", "")

    def is_link(self, path: str) -> bool:
        """Tell whether a path, without its first slash, is a link to a directory or to nothing."""
        return f"/{path}" in self.links

    def link_on(self, path: str) -> str | None:
        """Return the first link to a directory on an absolute path, itself included; None if there is none."""
        parts = [part for part in path.split("/") if part]
        tops = ("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))
        return next((top for top in tops if top in self.links), None)


def base_facts(
    layers: Sequence[tuple[Descriptor, Digest, BlobSource]],
    config: Mapping[str, Any],
    *,
    name: str,
    store: Store | None = None,
) -> BaseFacts:
    """Return the facts of an image from its layers (the lowest first, each with its diff ID) and its config.

    `config` is the config's JSON: `os`, `architecture`, `variant`, and PATH and LD_LIBRARY_PATH in `config.Env`
    count. A layer's source is asked only where the store does not know the layer. `name` is what messages call the
    image. Raise `ImageError` or `ArchiveError` as `crossdock.contents.layer.layer_facts` does.
    """
    environment, platform = environment_of(config), _platform(config)
    key = facts_key([(descriptor.digest, diff_id) for descriptor, diff_id, _ in layers], config)
    known = None if store is None else facts_from_json(store.get_fact(FACTS_KIND, key), name, platform)
    if known is not None:
        return known
    # Most runs know their base: what reads one is loaded by those that do not.
    from crossdock.contents.layer import layer_facts
    from crossdock.contents.tree import Tree

    tree = Tree()
    for descriptor, diff_id, source in layers:
        tree.add(layer_facts(descriptor, diff_id, source, store=store))
    facts = facts_of(tree, environment, platform, name=name)
    if store is not None:
        store.put_fact(FACTS_KIND, key, facts_to_json(facts))
    return facts


def facts_key(layers: Sequence[tuple[Digest, Digest]], config: Mapping[str, Any]) -> str:
    """Return what the facts of an image are a function of: its layers' digests and diff IDs, and its config."""
    environment = environment_of(config)
    told = [environment.get("PATH", DEFAULT_PATH), environment.get("LD_LIBRARY_PATH", "")]
    blobs = [[str(digest), str(diff_id)] for digest, diff_id in layers]
    value = canonical_json([_VERSION, blobs, told, _platform(config).to_json()])
    return hashlib.sha256(value).hexdigest()


def _platform(config: Mapping[str, Any]) -> Platform:
    return Platform.from_json({key: config.get(key) or "" for key in ("os", "architecture", "variant")})


def facts_of(tree: Tree, environment: Mapping[str, str], platform: Platform, *, name: str) -> BaseFacts:
    """Return the facts of a file system; `environment` are the variables that its programs start with."""
    from crossdock.contents.libraries import find_libraries, machines_of  # as above

    interpreters = find_interpreters(tree, environment)
    musl = interpreters[0].libc == "musl" if interpreters else None
    found = find_libraries(tree, machines_of(platform), environment, musl=musl)
    system = _os_release(tree)
    return BaseFacts(
        name=name,
        platform=platform,
        libraries=BaseLibraries(
            name=name,
            sonames=frozenset(found.libraries),
            exact=True,
            read=True,
            versions={
                soname: frozenset(image.defines) for soname, image in found.libraries.items() if image.defines
            },
            distribution=system.get("ID", ""),
        ),
        libc=found.libc,
        interpreters=interpreters,
        links=dict(_links(tree)),
        users=_users(tree),
        groups=_groups(tree),
        os_release=system,
        environments=tuple(
            sorted(f"/{path.rpartition('/')[0]}" for path, _ in tree.files() if path.endswith("/pyvenv.cfg"))
        ),
    )


def python_for(facts: BaseFacts, target: Target) -> Interpreter:
    """Return the base's Python that runs what is made for `target`, the first on its PATH.

    Raise `ImageError`: E-IMAGE-NO-PYTHON if there is none, E-IMAGE-PYTHON-MACHINE for another CPU,
    E-IMAGE-PYTHON-MINOR for another minor version or ABI, E-IMAGE-PYTHON-LIBC for another C library.
    """
    wanted = target.python
    if not facts.interpreters or wanted.implementation is not Implementation.CPYTHON:
        raise ImageError(
            f"`{facts.name}` has no Python on its PATH",
            code="E-IMAGE-NO-PYTHON",
            hint="take a base that has one (`--base`), such as `python:3.12-slim`",
        )
    machines = machines_for(target)
    native = [one for one in facts.interpreters if one.machine in machines]
    if not native:
        raise ImageError(
            f"the Python of `{facts.name}` is for {facts.interpreters[0].machine}, the target is {target.arch}",
            code="E-IMAGE-PYTHON-MACHINE",
            places=[str(one) for one in facts.interpreters],
            hint="take a base for this platform",
        )
    for one in native:
        if (one.minor, one.free_threaded) == (wanted.minor, wanted.free_threaded):
            _check_libc(facts, one, target)
            return one
    there = ", ".join(dict.fromkeys(f"3.{one.minor}{'t' if one.free_threaded else ''}" for one in native))
    raise ImageError(
        f"`{facts.name}` has Python {there}, the target has 3.{wanted.minor}{'t' if wanted.free_threaded else ''}",
        code="E-IMAGE-PYTHON-MINOR",
        places=[str(one) for one in native],
        hint=f"say `--python 3.{native[0].minor}`, or take another base",
    )


def _check_libc(facts: BaseFacts, interpreter: Interpreter, target: Target) -> None:
    """Refuse a Python that loads no extension module of the target: musl's on glibc and the other way round."""
    found = interpreter.libc or (facts.libc.kind.value if facts.libc is not None else "")
    wanted = target.libc.kind.value if target.libc is not None else ""
    if found and wanted and found != wanted:
        raise ImageError(
            f"the Python of `{facts.name}` is built for {found}, the target has {wanted}",
            code="E-IMAGE-PYTHON-LIBC",
            places=[str(interpreter)],
            hint="take a base with the target's C library, or the target of the base's",
        )


def environment_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that a config's `Env` sets."""
    inner = config.get("config")
    entries = inner.get("Env") if isinstance(inner, dict) else None
    pairs = (one.partition("=") for one in entries or () if isinstance(one, str))
    return {key: value for key, _, value in pairs}


def _links(tree: Tree) -> list[tuple[str, str]]:
    from crossdock.contents.layer import EntryKind  # as above

    found = []
    for path, node in tree.files():
        if node.kind is EntryKind.SYMLINK:
            there = tree.at(path)
            if there is None or there.kind is EntryKind.DIRECTORY:
                real = tree.real_path(path)
                found.append((f"/{path}", "" if real is None else f"/{real}"))
    return sorted(found)


def _text(tree: Tree, path: str) -> list[str]:
    node = tree.at(path)
    if node is None or node.facts is None or node.facts.text is None:
        return []
    return node.facts.text.decode("utf-8", "replace").splitlines()


def _users(tree: Tree) -> dict[str, User]:
    users: dict[str, User] = {}
    for line in _text(tree, "etc/passwd"):
        fields = line.split(":")
        if len(fields) >= 6 and _ID.fullmatch(fields[2]) and _ID.fullmatch(fields[3]):  # noqa: PLR2004  passwd(5)
            users.setdefault(fields[0], User(uid=int(fields[2]), gid=int(fields[3]), home=fields[5]))
    return users


def _groups(tree: Tree) -> dict[str, int]:
    groups: dict[str, int] = {}
    for line in _text(tree, "etc/group"):
        fields = line.split(":")
        if len(fields) >= 3 and _ID.fullmatch(fields[2]):  # noqa: PLR2004  group(5)
            groups.setdefault(fields[0], int(fields[2]))
    return groups


def _os_release(tree: Tree) -> dict[str, str]:
    lines = _text(tree, "etc/os-release") or _text(tree, "usr/lib/os-release")
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def facts_to_json(facts: BaseFacts) -> dict[str, Any]:
    """Return JSON-ready values; the name is not among them."""
    libraries = facts.libraries
    return {
        "libraries": sorted(libraries.sonames),
        "versions": {name: sorted(found) for name, found in libraries.versions.items()},
        "libc": None if facts.libc is None else [facts.libc.kind.value, facts.libc.major, facts.libc.minor],
        "interpreters": [one.to_json() for one in facts.interpreters],
        "links": dict(facts.links),
        "users": {name: [one.uid, one.gid, one.home] for name, one in facts.users.items()},
        "groups": dict(facts.groups),
        "os_release": dict(facts.os_release),
        "environments": list(facts.environments),
    }


def facts_from_json(value: Any, name: str, platform: Platform) -> BaseFacts | None:
    """Read what `facts_to_json` wrote; None for anything else: it may come from whoever pushed a previous image."""
    try:
        if not _is_facts(value):
            return None
        libc = value["libc"]
        return BaseFacts(
            name=name,
            platform=platform,
            libraries=BaseLibraries(
                name=name,
                sonames=frozenset(value["libraries"]),
                exact=True,
                read=True,
                versions={soname: frozenset(found) for soname, found in value["versions"].items()},
                distribution=value["os_release"].get("ID", ""),
            ),
            libc=None if libc is None else Libc(LibcKind(libc[0]), libc[1], libc[2]),
            interpreters=tuple(Interpreter.from_json(one) for one in value["interpreters"]),
            links=value["links"],
            users={
                key: User(uid=uid, gid=gid, home=home) for key, (uid, gid, home) in value["users"].items()
            },
            groups=value["groups"],
            os_release=value["os_release"],
            environments=tuple(value["environments"]),
        )
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _is_facts(value: dict[str, Any]) -> bool:
    """Tell whether the tables of facts hold what they should; raise what reading something else raises."""
    users, versions = value["users"].values(), value["versions"].values()
    texts = [*value["links"].values(), *value["os_release"].values(), *(home for _, _, home in users)]
    numbers = [*value["groups"].values(), *(number for row in users for number in row[:2])]
    lists = [value["libraries"], value["environments"], *versions]
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(number, int) for number in numbers)
        and all(isinstance(one, list) and all(isinstance(item, str) for item in one) for one in lists)
    )
