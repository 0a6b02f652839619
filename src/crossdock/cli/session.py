"""What a command works with: the project, the targets, the store, the network, made from the user's environment."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.cli.console import Progress, note, warn
from crossdock.errors import TargetError, UsageError
from crossdock.project import Project, choose_python, read_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.build.backend import BuildTools
    from crossdock.lock.formats import FormatPolicy
    from crossdock.lock.model import Lock
    from crossdock.lock.select import Selection
    from crossdock.net.http import Http
    from crossdock.net.settings import IndexSettings
    from crossdock.pipeline import Means
    from crossdock.ship.cargo import Gathered
    from crossdock.store import Store
    from crossdock.target.model import Python, Target


class Session:
    """One run of a command; `options` are the values of the shared options by their Python names."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.quiet = bool(options.get("quiet"))
        self.directory = Path.cwd()
        #: What was told so far.
        self.said: list[str] = []

    def _many(self, name: str) -> tuple[str, ...]:
        return tuple(self.options.get(name) or ())

    @cached_property
    def project(self) -> Project:
        """The project of SOURCE if that is a directory or lies in one, else of the working directory."""
        words = self._many("source")
        # A URL is no path, and may be longer than one.
        if len(words) == 1 and "://" not in words[0]:
            path = self.directory / words[0]
            if path.is_dir() and (words[0] in (".", "..") or "/" in words[0] or os.sep in words[0]):
                return read_project(path)
            if path.is_file():
                return read_project(path.parent)
        return read_project(self.directory)

    def tell(self, text: str) -> None:
        """Say something on standard error unless --quiet was given."""
        if not self.quiet:
            note(text)
            self.said.append(text)

    def tell_once(self, text: str) -> None:
        """Say one thing once."""
        if text not in self.said:
            self.tell(text)

    # Targets

    @cached_property
    def targets(self) -> list[Target]:
        """The targets asked for, in order, each once; `UsageError` if there is none."""
        from crossdock.cli.pip_target import pip_target

        names = self._many("for_")
        python = self._python
        found = [self._target(name, python) for name in names]
        if self._many("platform") or self.options.get("abi"):
            found.append(pip_target(self.options, python))
        if not found:
            found = [self._target(name, python) for name in self.project.settings.targets]
        if not found:
            raise UsageError(
                "no target: crossdock never takes this machine for one",
                code="E-USAGE-TARGET",
                hint="say where it will run, for example `--for linux/arm64`; `crossdock targets` lists the names",
            )
        unique = list({target.key: target for target in found}.values())
        self._say_assumptions(unique)
        return unique

    @cached_property
    def _python_choice(self) -> tuple[str, str]:
        asked = self.options.get("python") or self.options.get("python_version")
        chosen = choose_python(self.project, asked)
        implied = self.implied_python
        return implied if implied is not None and chosen[1].startswith("the newest") else chosen

    @property
    def implied_python(self) -> tuple[str, str] | None:
        """A Python that goes before the newest one where nobody says which, and where it comes from."""
        return None

    @cached_property
    def _python(self) -> Python:
        from crossdock.target.names import parse_python

        text = self._python_choice[0]
        implementation = self.options.get("implementation")
        if implementation == "pp":
            text = f"pypy{text}"
        # pip takes `312` for 3.12.
        if text.isdigit() and len(text) > 1:
            text = f"{text[0]}.{text[1:]}"
        return parse_python(text)

    def _target(self, name: str, python: Python) -> Target:
        """Read one target. What its own name or file implies comes before what we would assume."""
        if self._python_choice[1].startswith("the newest"):
            try:
                return self._parsed(name, None)
            except TargetError as error:
                if error.code != "E-TARGET-PYTHON":
                    raise
        return self._parsed(name, python)

    def _parsed(self, name: str, python: Python | None) -> Target:
        own = self.project.settings.target.get(name)
        path = self.directory / name
        if own is not None or (name.endswith((".toml", ".json")) and path.is_file()):
            from crossdock.target.files import load_target, target_from_table

            if own is not None:
                return target_from_table(own, name=name, default_python=python)
            return load_target(path.read_bytes(), filename=path.name, default_python=python)
        from crossdock.target.names import parse_target

        return parse_target(name, default_python=python)

    def _say_assumptions(self, targets: Sequence[Target]) -> None:
        for target in targets:
            assumed = list(target.assumed)
            if assumed:
                self.tell(f"{target.name}: taken as {', '.join(assumed)}")
        source = self._python_choice[1]
        if source.startswith("the newest") and any(t.python == self._python for t in targets):
            self.tell(f"Python {self._python.short}: {source}; say another with --python")

    # The world

    @cached_property
    def store(self) -> Store:
        """The store on this disk."""
        from crossdock.store import Store, default_root

        return Store.open(default_root(os.environ, platform=sys.platform), warn=warn)

    @cached_property
    def index(self) -> IndexSettings:
        """Where packages come from: options over variables over uv's and pip's files."""
        from crossdock.net.settings import load_settings

        return load_settings(self.environ, project=self.project.directory, prefix=Path(sys.prefix))

    @cached_property
    def environ(self) -> dict[str, str]:
        """The user's variables, with the index options of the command line in them."""
        from crossdock.cli.index import with_options

        return with_options(os.environ, self.options)

    @cached_property
    def uv(self) -> tuple[list[str], dict[str, str]]:
        """What uv needs so that it sees the same settings: arguments and the whole environment."""
        from crossdock.net.settings import uv_arguments

        arguments, added = uv_arguments(self.index)
        if self.options.get("offline"):
            arguments.append("--offline")
        return arguments, {**self.environ, **added}

    @cached_property
    def http(self) -> Http:
        """The transport."""
        from crossdock.net.http import Http
        from crossdock.net.settings import http_settings

        return Http(http_settings(self.index))

    def tools(self) -> BuildTools:
        """Return what builds need."""
        from crossdock.build.backend import BuildTools
        from crossdock.cli.index import uv_program

        arguments, environ = self.uv
        return BuildTools(
            uv=uv_program(),
            uv_arguments=tuple(arguments),
            uv_environ={**environ, "UV_PYTHON_DOWNLOADS": "never"},
            source_date_epoch=source_date_epoch(),
            allow_unsandboxed=self.allow_unsandboxed,
            seconds=self.project.settings.build.seconds,
            memory=self.project.settings.build.memory,
            warn=self.warn_once,
        )

    @property
    def allow_unsandboxed(self) -> bool:
        """Whether a source distribution's code may run where no sandbox can be made."""
        return bool(self.options.get("allow_unsandboxed")) or self.project.settings.build.allow_unsandboxed

    def warn_once(self, text: str) -> None:
        """Warn on standard error, of one thing once."""
        if text not in self._warned:
            self._warned.add(text)
            warn(text)

    @cached_property
    def _warned(self) -> set[str]:
        return set()

    def means(self, verb: str = "Downloading") -> Means:
        """Return what the pipeline works with."""
        from crossdock.cli.building import building_of
        from crossdock.cli.index import host_python_of, project_files
        from crossdock.pipeline import Means

        return Means(
            store=self.store,
            http=lambda: self.http,
            tools=self.tools,
            python_for=host_python_of,
            reporter=lambda: Progress(verb, quiet=self.quiet),
            warn=self.tell,
            offline=bool(self.options.get("offline")),
            jobs=int(self.options.get("jobs") or 12),
            allow_bad_record=self.allow_bad_record,
            building=building_of(self),
            files_of=None if self.options.get("offline") else project_files(self),
        )

    # The lock

    @property
    def formats(self) -> FormatPolicy:
        """Which forms of a package are allowed."""
        from crossdock.lock.formats import FormatPolicy

        settings = self.project.settings
        return FormatPolicy.parse(
            only_binary=[*settings.only_binary, *self._many("only_binary")],
            no_binary=[*settings.no_binary, *self._many("no_binary")],
            linux_tags=self._many("allow_linux_tag"),
        )

    def select(self, lock: Lock) -> list[Selection]:
        """Choose for every target, with the extras, groups and formats asked for."""
        return [self.select_for(lock, target) for target in self.targets]

    def select_for(self, lock: Lock, target: Target) -> Selection:
        """Choose for one target."""
        from crossdock.lock.select import select

        extras = list(lock.extras) if self.options.get("all_extras") else self.extras(lock)
        return select(lock, target, extras=extras, groups=self.groups(lock), formats=self.formats)

    def extras(self, lock: Lock) -> list[str]:
        """Return the extras asked for on the command line, else the project's that the lock knows."""
        asked = [name for value in self._many("extra") for name in value.split(",")]
        return asked or [name for name in self.project.settings.extras if name in lock.extras]

    def groups(self, lock: Lock) -> list[str] | None:
        """Return the groups asked for, else the project's that the lock knows, None for the lock's defaults."""
        asked = [name for value in self._many("group") for name in value.split(",")]
        if asked:
            return [*lock.default_groups, *asked]
        return [name for name in self.project.settings.groups if name in lock.dependency_groups] or None

    @cached_property
    def allow_bad_record(self) -> frozenset[str]:
        """Packages whose wheels are taken though their RECORD is wrong."""
        return normalized({*self._many("allow_bad_record"), *self.project.settings.allow_bad_record})

    def accepted_of(self, gathered: Gathered) -> dict[str, list[str]]:
        """Return the errors of packages that were accepted by name, as the receipt tells them."""
        found: dict[str, list[str]] = {}
        for finding in gathered.findings:
            if finding.severity == "error" and finding.package in self.accepted:
                found.setdefault(finding.package, []).append(f"accepted: {finding}")
        return found

    @property
    def accepted(self) -> frozenset[str]:
        """Packages that are shipped in spite of findings."""
        return normalized({*self._many("accept"), *self.project.settings.accept})


def normalized(names: set[str]) -> frozenset[str]:
    """Return package names in their normal form (PEP 503)."""
    if not names:
        return frozenset()
    from packaging.utils import canonicalize_name

    return frozenset(canonicalize_name(name) for name in names)


def source_date_epoch() -> int:
    """Return SOURCE_DATE_EPOCH in seconds since 1970, 1980-01-01 where it is not set."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return 315_532_800
    if not text.isdigit():
        raise UsageError(f"SOURCE_DATE_EPOCH is not a number of seconds: `{text}`", code="E-USAGE-EPOCH")
    return int(text)
