"""Makes one lock for all targets: uv resolves, universally; nothing of a package is run unless allowed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from crossdock.errors import LockError
from crossdock.lock.emit import lock_text
from crossdock.lock.merge import Variant, merge
from crossdock.lock.paths import relative_to_lock
from crossdock.lock.pins import pins_of, stated_versions
from crossdock.lock.pylock import read_lock
from crossdock.lock.requirements import demanded_hashes, keep_demanded
from crossdock.lock.source import Source, SourceKind, inputs_digest, script_metadata
from crossdock.lock.text import read_toml
from crossdock.lock.uv import UvFailed, host_python, run_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crossdock.lock.model import Lock
    from crossdock.target.model import Target

ALL = ":all:"

_NEEDS_BUILD = re.compile(
    r"Wheels are required for `(?P<wheels>[A-Za-z0-9._-]+)`"
    r"|`(?P<build>[A-Za-z0-9._-]+)[^`]*`[^\n]*\n(?:[^\n]*\n)*?[^\n]*[Bb]uilding source distributions[^\n]*disabled"
    r"|[Bb]uilding source distributions for `(?P<named>[A-Za-z0-9._-]+)` is disabled"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveOptions:
    """What to resolve besides the source itself.

    `extras` and `groups` go into the lock under their names, to be asked for at selection. `allow_build`
    names packages whose code uv may run to learn their requirements (`:all:` for every one). `constraints`
    are further requirement lines that only restrict versions. `extra_args` are handed to uv as they are,
    index settings among them.
    """

    extras: tuple[str, ...] = ()
    all_extras: bool = False
    groups: tuple[str, ...] = ()
    all_groups: bool = False
    allow_build: frozenset[str] = frozenset()
    constraints: tuple[str, ...] = ()
    extra_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A new lock: its text, ready to be written, and its value."""

    text: str
    lock: Lock


def resolve(
    source: Source,
    targets: Sequence[Target],
    *,
    environ: Mapping[str, str],
    options: ResolveOptions | None = None,
    lock_directory: Path | None = None,
    filename: str = "pylock.toml",
    static_version: Callable[[str], str | None] | None = None,
) -> Resolved:
    """Resolve `source` for all of `targets` into one universal lock.

    `environ` is the user's environment for uv. Paths in the lock are relative to `lock_directory`, by
    default the source's. Source distributions are resolved without running them: `static_version` tells the
    version of a package whose source distribution states its requirements for good (`lock.static`), since uv
    with builds off does not look; where that is not possible
    the error (E-LOCK-BUILD) names the package and the ways out. Other failures of uv are E-LOCK-RESOLVE in
    uv's own words; E-LOCK-ENVIRONMENT where the project's `tool.uv.environments` leaves out a target.
    """
    if source.kind is SourceKind.LOCK:
        raise LockError(
            f"`{source.name}` is a lock already", code="E-LOCK-SOURCE", hint="name what it was made from"
        )
    return _Resolution(
        source=source,
        targets=targets,
        environ=environ,
        options=options or ResolveOptions(),
        lock_directory=lock_directory or source.directory,
        filename=filename,
        static_version=static_version,
    ).run()


def load_lock(
    source: Source,
    targets: Sequence[Target],
    *,
    environ: Mapping[str, str],
    options: ResolveOptions | None = None,
) -> Lock:
    """Return the lock that `source` is, or the one that it resolves to."""
    if source.kind is SourceKind.LOCK and source.path is not None:
        return read_lock(source.path)
    return resolve(source, targets, environ=environ, options=options).lock


def lowest_python(targets: Sequence[Target], requires_python: str | None) -> str:
    """Return the lower bound of Python versions that a lock must serve: `3.11`, or `3.12.4`.

    It is the lowest of the targets, raised to what the project asks for at least.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import Version

    lowest = min(Version(target.python.full or target.python.short) for target in targets)
    try:
        asked = SpecifierSet(requires_python or "")
    except InvalidSpecifier:
        asked = SpecifierSet()
    bounds = [
        Version(item.version.removesuffix(".*")) for item in asked if item.operator in (">=", "~=", "==")
    ]
    return str(max([lowest, *bounds]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolution:
    source: Source
    targets: Sequence[Target]
    environ: Mapping[str, str]
    options: ResolveOptions
    lock_directory: Path
    filename: str
    static_version: Callable[[str], str | None] | None

    def run(self) -> Resolved:
        project = self._project()
        environments = self._environments(project)
        extras, groups = self._names(project)
        table = self._exported(extras, groups) if self._has_uv_lock else self._compiled(extras, groups)
        table = {**table, "packages": keep_demanded(table["packages"], demanded_hashes(self.source.files))}
        table = relative_to_lock(table, start=self.source.directory, lock_directory=self.lock_directory)
        text = lock_text(self._finished(table, environments, extras, groups))
        lock = read_lock(text.encode(), filename=self.filename, directory=self.lock_directory)
        return Resolved(text=text, lock=lock)

    @property
    def _has_uv_lock(self) -> bool:
        return self.source.kind is SourceKind.UV_LOCK

    def _project(self) -> dict[str, Any]:
        """Return the settings that apply: the script's own, or the nearest `pyproject.toml`, as uv finds it."""
        if self.source.kind is SourceKind.SCRIPT and self.source.path is not None:
            return script_metadata(self.source.path)
        for directory in (self.source.directory, *self.source.directory.absolute().parents):
            path = directory / "pyproject.toml"
            if path.is_file():
                return read_toml(path)
        return {}

    def _environments(self, project: Mapping[str, Any]) -> list[str]:
        """Return `tool.uv.environments`, checked: uv drops everything for other places without a word."""
        from packaging.markers import InvalidMarker, Marker

        from crossdock.target.markers import evaluate

        stated = _table(_table(project, "tool"), "uv").get("environments", [])
        markers = [stated] if isinstance(stated, str) else [text for text in stated if isinstance(text, str)]
        try:
            parsed = [Marker(text) for text in markers]
        except InvalidMarker as error:
            raise LockError(
                f"`tool.uv.environments` is not a list of markers: {error}", code="E-SOURCE-TOML"
            ) from error
        left_out = [
            target
            for target in self.targets
            if parsed and all(evaluate(marker, target).truth is False for marker in parsed)
        ]
        if left_out:
            raise LockError(
                f"`tool.uv.environments` leaves out {', '.join(t.name or str(t.os) for t in left_out)}",
                code="E-LOCK-ENVIRONMENT",
                places=markers,
                hint="add the target's marker there, or remove the setting",
            )
        return markers

    def _names(self, project: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        from packaging.utils import canonicalize_name

        extras = list(self.options.extras)
        groups = list(self.options.groups)
        if self.options.all_extras:
            extras += _table(_table(project, "project"), "optional-dependencies")
        if self.options.all_groups:
            groups += _table(project, "dependency-groups")
        if (extras or groups) and self.source.kind not in (SourceKind.PROJECT, SourceKind.UV_LOCK):
            raise LockError(
                f"`{self.source.name}` has no extras or groups of its own",
                code="E-LOCK-EXTRA",
                hint="write the extra with its package: `name[extra]`",
            )
        return (
            list(dict.fromkeys(canonicalize_name(name) for name in extras)),
            list(dict.fromkeys(canonicalize_name(name) for name in groups)),
        )

    def _finished(
        self, table: Mapping[str, Any], environments: list[str], extras: list[str], groups: list[str]
    ) -> dict[str, Any]:
        inputs = inputs_digest(self.source)
        finished: dict[str, Any] = {
            "lock-version": "1.0",
            "created-by": "crossdock",
            "requires-python": table.get("requires-python"),
            "environments": environments,
            "extras": sorted(extras),
            "dependency-groups": sorted(groups),
            "packages": table.get("packages", []),
            "tool": {"crossdock": {"inputs": inputs}} if inputs else {},
        }
        return {key: value for key, value in finished.items() if value or key == "packages"}

    # uv export: a project with uv.lock

    def _exported(self, extras: list[str], groups: list[str]) -> dict[str, Any]:
        if self.options.constraints:
            raise LockError(
                "the versions in `uv.lock` cannot be constrained from here",
                code="E-LOCK-SOURCE",
                places=list(self.options.constraints),
                hint="constrain them in pyproject.toml and run `uv lock`, or lock `pyproject.toml` by its name",
            )
        base = self._export()
        variants = [Variant.of_extra(name, self._export("--extra", name)["packages"]) for name in extras] + [
            Variant.of_group(name, self._export("--group", name)["packages"]) for name in groups
        ]
        return {**base, "packages": merge(base["packages"], variants)}

    def _export(self, *arguments: str) -> dict[str, Any]:
        command = ["export", "--quiet", "--format", "pylock.toml", "--no-header", "--no-build"]
        command += ["--no-emit-project", "--no-default-groups", "--no-editable", "--python", host_python()]
        try:
            return self._uv([*command, "--locked", *arguments])
        except UvFailed as error:
            if "incompatible with the project's Python requirement" in error.text:
                # uv wants a Python that the project allows to tell whether the lock is fresh; a host need not
                # have one, and the lock itself says all that is needed.
                return self._frozen(command, arguments)
            if "needs to be updated" in error.text:
                raise LockError(
                    "`uv.lock` is out of date",
                    code="E-LOCK-STALE",
                    places=error.text.splitlines(),
                    hint="update it with `uv lock`",
                ) from error
            raise self._failed(error) from error

    def _frozen(self, command: list[str], arguments: Sequence[str]) -> dict[str, Any]:
        try:
            return self._uv([*command, "--frozen", *arguments])
        except UvFailed as error:
            raise self._failed(error) from error

    # uv pip compile: everything else

    def _compiled(self, extras: list[str], groups: list[str]) -> dict[str, Any]:
        wanted = [*_each("--extra", extras), *_each("--group", groups)]
        with TemporaryDirectory(prefix="crossdock-lock-") as directory:
            scratch = Path(directory)
            everything = self._compile(scratch, wanted, self.options.constraints)
            if not wanted:
                return everything
            # The same versions with and without an extra: those of the resolution that has them all.
            pins = (*self.options.constraints, *pins_of(everything["packages"]))
            base = self._compile(scratch, [], pins)
            variants = [
                Variant.of_extra(name, self._compile(scratch, ["--extra", name], pins)["packages"])
                for name in extras
            ] + [
                Variant.of_group(name, self._compile(scratch, ["--group", name], pins)["packages"])
                for name in groups
            ]
        return {**everything, "packages": merge(base["packages"], variants)}

    def _compile(self, scratch: Path, wanted: list[str], constraints: Sequence[str]) -> dict[str, Any]:
        """Resolve twice: from wheels alone, so that no package's code runs, then with the versions pinned.

        The first run (`--only-binary`) leaves source distributions out of its answer too. The second may take
        them, but all it can choose are versions of which the first has read a wheel's metadata, or a source
        distribution's that is known without a build.
        """
        known = stated_versions(self._project())
        try:
            if ALL in self.options.allow_build:
                return self._run_compile(scratch, wanted, constraints)
            return self._compile_unbuilt(scratch, wanted, constraints, known)
        except UvFailed as error:
            raise self._failed(error) from error

    def _compile_unbuilt(
        self, scratch: Path, wanted: list[str], constraints: Sequence[str], known: dict[str, str | None]
    ) -> dict[str, Any]:
        """Try, and for each package that has only source distributions ask whether its newest is static."""
        asked: set[str] = set()
        while True:
            allowed = sorted({*known, *self.options.allow_build})
            restricted = ["--only-binary", ALL, *_each("--no-binary", allowed)]
            limits = [*constraints, *(f"{name}=={known[name]}" for name in sorted(known) if known[name])]
            try:
                first = self._run_compile(scratch, [*wanted, *restricted], limits)
            except UvFailed as error:
                found = self._static_versions(_unbuilt(error.text) - asked)
                if not found:
                    raise
                asked |= found.keys()
                known |= found
            else:
                return self._run_compile(scratch, wanted, [*limits, *pins_of(first["packages"])])

    def _static_versions(self, names: Iterable[str]) -> dict[str, str | None]:
        if self.static_version is None:
            return {}
        versions = {name: self.static_version(name) for name in sorted(names)}
        return {name: version for name, version in versions.items() if version is not None}

    def _run_compile(
        self, scratch: Path, arguments: Sequence[str], constraints: Sequence[str]
    ) -> dict[str, Any]:
        constraints_file = scratch / "constraints.txt"
        constraints_file.write_text("\n".join(constraints) + "\n", encoding="utf-8")
        command = ["pip", "compile", "--quiet", "--universal", "--format", "pylock.toml", "--no-header"]
        command += ["--python", host_python(), "--python-version", self._lowest(), *arguments]
        command += _each("--constraints", [str(path.absolute()) for path in self.source.constraints])
        command += ["--constraints", str(constraints_file)]
        return self._uv([*command, *self._inputs(scratch)])

    def _lowest(self) -> str:
        project = self._project()
        stated = project if self.source.kind is SourceKind.SCRIPT else _table(project, "project")
        own = self.source.kind in (SourceKind.SCRIPT, SourceKind.PROJECT)
        return lowest_python(self.targets, stated.get("requires-python") if own else None)

    def _inputs(self, scratch: Path) -> list[str]:
        inputs = [str(path.absolute()) for path in self.source.files]
        if self.source.requirements:
            # uv takes relative paths in it from where it runs, the source's directory.
            file = scratch / "requirements.in"
            file.write_text("\n".join(self.source.requirements) + "\n", encoding="utf-8")
            inputs.append(str(file))
        if not inputs and self.source.path is not None:
            inputs.append(str(self.source.path.absolute()))
        return inputs

    def _uv(self, command: Sequence[str]) -> dict[str, Any]:
        output = run_uv(
            [*command, *self.options.extra_args], directory=self.source.directory, environ=self.environ
        )
        table = tomllib.loads(output)
        table.setdefault("packages", [])
        return table

    def _failed(self, error: UvFailed) -> LockError:
        names = sorted(
            {name for match in _NEEDS_BUILD.finditer(error.text) for name in match.groups() if name}
        )
        lines = [line for line in error.text.splitlines() if line.strip()]
        if names:
            listed = ", ".join(f"`{name}`" for name in names)
            return LockError(
                f"{listed}: only source distributions, and what they need is known only by running them",
                code="E-LOCK-BUILD",
                places=lines,
                hint=f"let uv run their code with `--allow-build {names[0]}`, or state their requirements "
                "under [[tool.uv.dependency-metadata]] in pyproject.toml",
            )
        first = lines[0].removeprefix("error: ") if lines else "uv gave no reason"
        return LockError(f"cannot lock: {first}", code="E-LOCK-RESOLVE", places=lines[1:])


def _unbuilt(text: str) -> set[str]:
    """Return the packages that uv says it would have to build, by normalized name."""
    from packaging.utils import canonicalize_name

    found = (name for match in _NEEDS_BUILD.finditer(text) for name in match.groups() if name)
    return {canonicalize_name(name) for name in found}


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    return value if isinstance(value, dict) else {}


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
