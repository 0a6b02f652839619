"""What `crossdock mirror` works with: the wheelhouse, the lock's name in it, and the memory of what was mirrored."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.cli.console import human_size
from crossdock.cli.mirror_locks import origin_of, refuse_other_origins, warn_of_dropped_targets
from crossdock.cli.session import Session
from crossdock.errors import ShipError, UsageError
from crossdock.ship.wheelhouse.directory import lock_file, read_wheelhouse, turn, update
from crossdock.ship.wheelhouse.facts import sound, written
from crossdock.ship.wheelhouse.lockfile import rewritten_lock
from crossdock.ship.wheelhouse.manifest import LIMIT, MANIFEST, is_lock_name, parse_manifest
from crossdock.ship.wheelhouse.merged import conflicts, forgotten, merged, pruned
from crossdock.ship.wheelhouse.model import Manifest, Needed
from crossdock.ship.wheelhouse.regular import read_regular

if TYPE_CHECKING:
    from crossdock.cli.gathering import Asked
    from crossdock.pipeline.locked import Locked
    from crossdock.pipeline.mirror import Stock
    from crossdock.ship.wheelhouse.directory import Changed
    from crossdock.ship.wheelhouse.model import Distribution

#: The kind of facts that tell what a directory held when it was last mirrored into.
_FACT = "mirror"
_FORM = 3
#: Options that say something of the directory, and nothing of an upload.
_OF_A_DIRECTORY = ("delta", "prune", "forget", "serve", "replace", "base_url")
#: Names of files that say nothing of whose lock it is.
_NAMELESS = frozenset({"pylock", "uv", "requirements", "pyproject"})


@dataclass(slots=True, kw_only=True)
class Result:
    """What one run did: the manifest of the wheelhouse as it is now, and what was written."""

    manifest: Manifest
    changed: Changed
    targets: list[dict[str, Any]] = field(default_factory=list)


class MirrorSession(Session):
    """One run of `crossdock mirror`."""

    @cached_property
    def root(self) -> Path:
        """The wheelhouse's directory; `UsageError` where none is named."""
        asked = self.options["output"]
        if not asked:
            raise UsageError(
                "nowhere to put the wheelhouse",
                code="E-WHEELHOUSE-OUTPUT",
                hint="for example `-o wheelhouse`",
            )
        return self.directory / str(asked)

    @cached_property
    def lock_name(self) -> str:
        """The lock's name in the wheelhouse: as asked, else the project's, else the file's, else none."""
        asked: str | None = self.options["name"]
        if asked is not None:
            if not is_lock_name(asked):
                raise UsageError(
                    f"`{asked}` cannot be part of a lock's file name",
                    code="E-WHEELHOUSE-NAME",
                    hint="letters, digits, `-` and `_`, no dot (PEP 751)",
                )
            return asked
        named = self._named_source
        if named.is_file() and named.name not in ("pyproject.toml", "uv.lock"):
            stem = re.sub(r"\.(?:toml|txt|in|py)$", "", named.name).removeprefix("pylock.")
            return "" if stem in _NAMELESS else re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:100]
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self._project_name or "")[:100]

    @property
    def _named_source(self) -> Path:
        words = self._many("source")
        return Path(words[0]) if len(words) == 1 else Path()

    @property
    def _project_name(self) -> str | None:
        """The project that SOURCE is or lies in, None where it has no name or SOURCE is none of its files."""
        is_ours = not self._many("source") or self._named_source.exists()
        return self.project.metadata.name if is_ours else None

    @cached_property
    def lock_origin(self) -> str:
        """Whose lock it is: another's of the same name is not replaced in silence."""
        words = (*self._many("source"), *self._many("requirement"))
        named = self.options["name"] is not None
        return origin_of(self._project_name, self.directory, words, named=named)

    @property
    def base_url(self) -> str | None:
        """Where the wheelhouse will be served; `UsageError` for what is no http(s) URL."""
        asked: str | None = self.options["base_url"]
        if asked is not None and not re.match(r"https?://[^/\s]+", asked):
            raise UsageError(
                f"--base-url takes the URL that the wheelhouse is served at, not `{asked}`",
                code="E-WHEELHOUSE-URL",
                hint="for example `--base-url https://wheels.example.com/orders`",
            )
        return asked

    def check_words(self) -> None:
        """Refuse wrong words before any work; raise `UsageError`."""
        _ = self.lock_name, self.base_url
        if not self.options["to"]:
            _ = self.root
        if self.options["offline"] and (self.options["ask_index"] or self.options["to"]):
            raise UsageError(
                f"{'--to' if self.options['to'] else '--ask-index'} needs the network",
                code="E-WHEELHOUSE-OFFLINE",
                hint="leave --offline out",
            )
        if any(self.options[name] for name in _OF_A_DIRECTORY) or self.options["name"] is not None:
            _ = self.root
        _ = self.known_there

    # What is brought

    def stock(self, asked: Asked) -> tuple[Stock, Locked]:
        """Return what the targets need, verified, and the lock that says so."""
        from crossdock.pipeline.locked import Locked
        from crossdock.pipeline.mirror import bring_stock, with_index_facts

        locked = Locked(targets=self.targets, keys=(), read=asked.lock, select=self.select_for)
        means = self.means()
        stock = bring_stock(locked, means, leave_out=lambda _package: False, sdists=self.options["sdists"])
        known = stock.distributions
        if self.options["ask_index"]:
            from crossdock.cli.index import project_files

            known = with_index_facts(known, project_files(self), jobs=means.jobs)
        # Before anything of it is written: what pages cannot repeat would be refused when it is read.
        known = {path: sound(one) for path, one in known.items()}
        held = {at: tuple(known[one.path] for one in held) for at, held in stock.held.items()}
        return replace(stock, distributions=known, held=held), locked

    def write(self, stock: Stock, locked: Locked) -> Result:
        """Bring the wheelhouse to what it was with the stock in it; `ShipError` where that cannot be."""
        lock = rewritten_lock(locked.lock, stock.held, locked.selections, base_url=self.base_url)
        needed = Needed(
            targets=tuple(written(one.target.name or "") for one in stock.targets),
            paths=tuple(sorted(stock.distributions)),
            sha256=sha256(lock).hexdigest(),
            origin=self.lock_origin,
        )
        mine = Manifest(distributions=stock.distributions, locks={self.lock_name: needed})
        with turn(self.root):
            old = read_wheelhouse(self.root)
            self.compare(old, mine)
            new = self.pruned(forgotten(merged(old, mine), self.forget(old)))
            changed = update(
                self.root,
                old,
                new,
                stock.sources,
                {lock_file(self.lock_name): lock},
                sweep=self.options["prune"],
            )
        return Result(manifest=new, changed=changed)

    def compare(self, old: Manifest, new: Manifest) -> None:
        """Refuse what would be replaced, unless that is asked for, and warn of what is dropped."""
        if not self.options["replace"]:
            refuse_other_origins(old, new)
            refuse_conflicts(old, new)
        warn_of_dropped_targets(old, new)

    def pruned(self, manifest: Manifest) -> Manifest:
        """Return the manifest without what no lock needs, if that is asked for."""
        return pruned(manifest) if self.options["prune"] else manifest

    def forget(self, old: Manifest) -> tuple[str, ...]:
        """Return the locks that are to be forgotten; `UsageError` for one that is not there."""
        names = self._many("forget")
        unknown = next((name for name in names if name not in old.locks), None)
        if unknown is not None:
            raise UsageError(
                f"the wheelhouse has no lock called `{unknown}`",
                code="E-WHEELHOUSE-LOCK",
                hint=f"it has {', '.join(f'`{name}`' for name in sorted(old.locks)) or 'none'}",
            )
        return names

    def tidy(self) -> Result:
        """Forget and prune where no lock is mirrored."""
        with turn(self.root):
            old = read_wheelhouse(self.root)
            new = self.pruned(forgotten(old, self.forget(old)))
            changed = update(self.root, old, new, {}, {}, sweep=self.options["prune"])
        return Result(manifest=new, changed=changed)

    @property
    def lock_path(self) -> str:
        """Where the rewritten lock lies, as the user would write it."""
        return f"{str(self.options['output']).rstrip('/')}/{lock_file(self.lock_name)}"

    @cached_property
    def known_there(self) -> Manifest:
        """What the other side of a delta has; `UsageError` or `ShipError` where its manifest cannot be read."""
        since = self.options["since"]
        if since is None:
            return Manifest()
        return parse_manifest(read_bytes(self.directory / since), filename=since)

    def delta(self, result: Result) -> dict[str, Any] | None:
        """Write the delta bundle that is asked for and return what is in it; None if none is."""
        asked = self.options["delta"]
        if asked is None:
            return None
        from crossdock.ship.wheelhouse.delta import write_delta

        with turn(self.root):
            paths = write_delta(self.root, result.manifest, self.known_there, self.directory / asked)
        size = (self.directory / asked).stat().st_size
        self.tell(f"{asked}: {len(paths)} new files, {human_size(size)}")
        return {"file": asked, "files": paths, "bytes": size}

    # What is remembered

    def memory_key(self, asked: Asked) -> str | None:
        """Return the key of what this run comes to, None where the lock's bytes do not decide it."""
        keys = asked.keys
        if not keys or self.options["ask_index"]:
            return None
        said = [self.options[name] for name in ("sdists", "base_url", "prune", "forget")]
        words = [_FORM, keys, said, self.lock_name, self.lock_origin, sorted(self.accepted)]
        return sha256(json.dumps(words).encode()).hexdigest()

    def unchanged(self, key: str | None) -> Result | None:
        """Return the wheelhouse as it is if the last run came to the same and all of it is still there."""
        known = self.store.get_fact(_FACT, str(self.root.resolve())) if key else None
        if not isinstance(known, dict) or known.get("key") != key:
            return None
        try:
            with turn(self.root):
                if known.get("files") != self._digests():
                    return None
                manifest = read_wheelhouse(self.root)
                changed = update(self.root, manifest, manifest, {}, {}, sweep=self.options["prune"])
        except (ShipError, OSError):
            return None  # The whole way finds out what is wrong, and says it.
        return Result(manifest=manifest, changed=changed, targets=list(known.get("targets", [])))

    def remember(self, key: str | None, result: Result) -> None:
        """Keep what the wheelhouse was brought to."""
        if key is not None:
            value = {"key": key, "files": self._digests(), "targets": result.targets}
            self.store.put_fact(_FACT, str(self.root.resolve()), value)

    def _digests(self) -> list[str]:
        return [
            sha256(read_regular(self.root / name, LIMIT)).hexdigest()
            for name in (MANIFEST, lock_file(self.lock_name))
        ]


def refuse_conflicts(old: Manifest, new: Manifest) -> None:
    """Raise `ShipError` (E-WHEELHOUSE-CONFLICT) if a file is there with other bytes: clients know it by its hash."""
    found = conflicts(old, new)
    if found:
        raise ShipError(
            f"{len(found)} file{'' if len(found) == 1 else 's'} of the wheelhouse would get other bytes under the same name",
            code="E-WHEELHOUSE-CONFLICT",
            places=[
                f"{one.path}: {_short(old, one)} is there, {one.sha256[:12]} is new" for one in found[:20]
            ],
            hint="locks that name the old hash would break; --replace takes the new ones",
        )


def _short(old: Manifest, one: Distribution) -> str:
    return old.distributions[one.path].sha256[:12]


def read_bytes(path: Path) -> bytes:
    """Return the bytes of what should be a manifest; `UsageError` if it cannot be read."""
    try:
        return read_regular(path, LIMIT)
    except OSError as error:
        raise UsageError(
            f"cannot read `{path}`: {error.strerror or error}", code="E-WHEELHOUSE-READ"
        ) from error
