"""Builds as commands have them: the settings, what builds work with, and a line on the terminal for each."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.cli.console import note, printable
from crossdock.digest import Digest
from crossdock.errors import FetchError

if TYPE_CHECKING:
    from crossdock.build.model import PackageSettings, World
    from crossdock.cli.session import Session
    from crossdock.net.http import Http
    from crossdock.pipeline.building import Builder, Building
    from crossdock.project.build import BuildSettings


#: Variables of uv by which the same requirement may come to another version.
_RESOLVING = (
    "UV_BUILD_CONSTRAINT",
    "UV_CONSTRAINT",
    "UV_EXCLUDE_NEWER",
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_RESOLUTION",
)


def building_of(session: Session) -> Building | None:
    """Return how a command compiles for targets, None where that is switched off."""
    settings = session.project.settings.build
    asked = session.options.get("cross_build")
    if not (settings.cross if asked is None else asked):
        return None
    from crossdock.pipeline.building import Building

    made = _Made(session)
    return Building(
        builder=lambda: made.builder,
        settings=lambda name: package_settings(session, name),
        glibc=asked_glibc(session),
    )


def asked_glibc(session: Session) -> tuple[int, int] | None:
    """Return the glibc that is compiled for, None where nobody says."""
    from crossdock.project.build import parse_glibc

    asked = session.options.get("glibc")
    return parse_glibc(asked, "--glibc") if asked else session.project.settings.build.glibc


def package_settings(session: Session, name: str) -> PackageSettings:
    """Return the settings of a package: the project's, and what the command adds."""
    from crossdock.project.build import parse_config_setting, parse_requirements

    options = session.options
    found = session.project.settings.build.of(name, session.project.directory)
    config = dict(found.config_settings)
    given: dict[str, str | list[str]] = {}
    for word in options.get("config_setting") or ():
        parse_config_setting(word, given)
    requires = parse_requirements(tuple(options.get("require") or ()), "--require")
    return replace(
        found,
        libraries=tuple(dict.fromkeys([*found.libraries, *(options.get("library") or ())])),
        config_settings={**config, **given},
        requires=(*found.requires, *requires),
    )


def build_key(session: Session) -> list[Any] | None:
    """Return what of the options and settings decides how packages are built; None where a directory does."""
    settings, options = session.project.settings.build, session.options
    if settings.names_directories or options.get("sysroot") or options.get("target_python"):
        return None
    return [settings.key(), options.get("cross_build"), session.store.get_fact("cross-rebuilt", "")]


def processors(session: Session) -> int:
    """Return how many processors builds may take."""
    asked = session.options.get("processors")
    if asked:
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def world_of(session: Session) -> World:
    """Return what cross builds work with."""
    from crossdock.build.model import World
    from crossdock.cli.index import index_of
    from crossdock.cli.mirrors import archives_of_suite
    from crossdock.cli.pythons import find_python

    settings = session.project.settings.build
    offline = bool(session.options.get("offline"))

    def http() -> Http:
        if offline:
            raise FetchError("offline", code="E-FETCH-OFFLINE", hint="run once without `--offline`")
        return session.http

    def python_for(version: tuple[int, int], free_threaded: bool) -> str:
        return find_python(version, session.environ, free_threaded=free_threaded, offline=offline)

    return World(
        store=session.store,
        tools=session.tools(),
        http=http,
        index=lambda: index_of(session),
        python_for=python_for,
        archives=lambda suite: archives_of_suite(session, suite),
        now=time.time(),
        warn=session.warn_once,
        resolution=resolution_of(session),
        target_python=_directory(session, "target_python", settings.target_python),
        sysroot=_directory(session, "sysroot", settings.sysroot),
        allow_unsandboxed=session.allow_unsandboxed,
        jobs=processors(session),
    )


def resolution_of(session: Session) -> str:
    """Return a digest of what decides which build requirements are found: indexes, and how uv chooses among versions."""
    index, environ = session.index, session.environ
    told = (
        [index.index_url, index.indexes, index.find_links, index.no_index],
        session.options.get("exclude_newer"),
        sorted((name, environ[name]) for name in _RESOLVING if environ.get(name)),
    )
    # Hashed: addresses of indexes may hold logins, and keys are kept on the disk.
    return Digest.of(repr(told).encode()).hex[:32]


def _directory(session: Session, option: str, setting: str | None) -> Path | None:
    """Return a directory that an option names, seen from here, or a setting, seen from its project."""
    asked = session.options.get(option)
    if asked:
        return Path(session.directory, asked)
    return None if setting is None else session.project.directory / setting


class _Made:
    """The one builder of a command, made when it is needed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()

    @property
    def builder(self) -> Builder:
        with self._lock:
            return self._builder

    @cached_property
    def _builder(self) -> Builder:
        session = self._session
        settings: BuildSettings = session.project.settings.build
        address = session.options.get("executor") or settings.executor
        stages = Lines(quiet=session.quiet)
        rebuild = bool(session.options.get("rebuild"))
        if address:
            from crossdock.cli.cluster import cluster_builder

            return cluster_builder(session, address, stages, rebuild=rebuild)
        from crossdock.pipeline.building import Local

        return Local(world_of(session), processors=processors(session), stages=stages, rebuild=rebuild)


class Lines:
    """A line for each build with what it is doing: in place on a terminal, else its beginning and its end."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._bar: Any = None
        self._began: dict[Any, tuple[str, float]] = {}

    def began(self, label: str) -> object:
        """Show a line for a build."""
        with self._lock:
            name: object = self._add(label) if self._live else len(self._began)
            self._began[name] = (label, time.monotonic())
        if not self._live and not self._quiet:
            note(f"building {label}")
        return name

    def stage(self, name: object, words: str) -> None:
        """Say on its line what a build is doing now."""
        with self._lock:
            if self._bar is not None:
                self._bar.update(name, stage=printable(words))
            label = self._began[name][0]
        if not self._live and not self._quiet and words.startswith("again"):
            note(f"{label}: {words}")

    def ended(self, name: object, words: str, *, failed: bool) -> None:
        """Replace a build's line by how it ended."""
        with self._lock:
            label, began = self._began[name]
            if self._bar is not None:
                self._bar.remove_task(name)
                if not self._bar.tasks:
                    self._bar.stop()
                    self._bar = None
        if not self._quiet:
            seconds = time.monotonic() - began
            what = f"{label}: {words}" if failed else f"built {words}"
            note(f"{what} ({seconds:.1f} s)")

    def _add(self, label: str) -> object:
        if self._bar is None:
            self._bar = _bar()
            self._bar.start()
        return self._bar.add_task(printable(label), total=None, stage="waiting")


def _bar() -> Any:
    from rich import progress
    from rich.console import Console

    from crossdock.cli.console import wants_colour

    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[stage]}", markup=False),
        console=Console(stderr=True, no_color=not wants_colour()),
        transient=True,
    )
