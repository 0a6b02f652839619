"""The user's own code in an image: a project's wheel, a directory of modules, or a script; and what it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossdock.errors import ImageError
from crossdock.ship.application import Form, built_project, check_python
from crossdock.ship.entries import FILE_MODE, PROGRAM_MODE, disk_file, made_file
from crossdock.ship.image.entries import merged
from crossdock.ship.sources import module_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from crossdock.build.metadata import ProjectMetadata
    from crossdock.build.pure import BuiltWheel
    from crossdock.ship.entries import Entry
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.installed import WheelFacts
    from crossdock.target.model import Target

#: What a directory starts with, the first that is there; two of the others are ambiguous.
_MAIN = "__main__.py"
_USUAL = ("main.py", "app.py")

_HOW = "say what starts: `-m MODULE` or `--entrypoint COMMAND`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The user's own code for one platform.

    `entries` are sorted by path. `needs_path` tells whether the layout's sources must be found by Python from everywhere,
    `workdir` is empty where the base's holds. `name` and `version` are those of a built project; `title` names
    it in reports and in the layer, and never says where it lay on this machine.
    """

    form: Form
    title: str
    entries: tuple[Entry, ...]
    entrypoint: tuple[str, ...]
    workdir: str = ""
    needs_path: bool = False
    name: str = ""
    version: str = ""

    def with_added(self, added: Iterable[Entry]) -> Application:
        """Return it with further files; raise `ImageError` if one falls on another."""
        return replace(self, entries=merged(self.entries, added))


def no_application(layout: ImageLayout, start: Sequence[str]) -> Application:
    """Return an image's application where there is none: Python itself starts, unless `start` says something."""
    return Application(
        form=Form.NONE,
        title="",
        entries=(),
        entrypoint=tuple(start) or (layout.python,),
    )


def script_application(path: Path, layout: ImageLayout, start: Sequence[str]) -> Application:
    """Return a script: the file alone, started by the environment's Python."""
    place = f"{layout.sources}/{path.name}"
    return Application(
        form=Form.SCRIPT,
        title=path.name,
        entries=(disk_file(place.removeprefix("/"), path, mode=FILE_MODE),),
        entrypoint=tuple(start) or (layout.python, place),
        workdir=layout.sources,
        needs_path=True,
    )


def modules_application(
    directory: Path,
    layout: ImageLayout,
    start: Sequence[str],
    *,
    metadata: ProjectMetadata,
    exclude: Sequence[str] = (),
    skip: Collection[Path] = (),
) -> Application:
    """Return a directory of modules, as `module_files` chooses them, where `layout` has sources.

    Without `start` it is its `__main__.py`; else `main.py` or `app.py`, or the only module at its top; else the
    only package with a `__main__.py`. Raise `ImageError` if that is not one, and for a directory without files.
    """
    sources = layout.sources
    below = sources.removeprefix("/")
    entries = module_files(directory, below, exclude=exclude, skip=skip)
    if not entries:
        raise ImageError(
            "the application's directory has no files that would be shipped",
            code="E-IMAGE-ENTRYPOINT",
            places=[str(directory)],
            hint="give the right one by `--app DIR`, or none: `--app none`",
        )
    paths = [entry.path.removeprefix(f"{below}/") for entry in entries]
    return Application(
        form=Form.MODULES,
        title=metadata.name or "application",
        entries=entries,
        entrypoint=tuple(start) or _start_of_modules(paths, layout, metadata),
        workdir=sources,
        needs_path=True,
        version=metadata.version,
    )


def _start_of_modules(
    paths: Sequence[str], layout: ImageLayout, metadata: ProjectMetadata
) -> tuple[str, ...]:
    python, sources = layout.python, layout.sources
    top = [path for path in paths if "/" not in path and path.endswith(".py")]
    if _MAIN in top:
        return (python, sources)
    usual = [name for name in _USUAL if name in top]
    candidates = usual or top
    if len(candidates) == 1:
        return (python, f"{sources}/{candidates[0]}")
    packages = [
        path.partition("/")[0] for path in paths if path.endswith(f"/{_MAIN}") and path.count("/") == 1
    ]
    if not candidates and len(packages) == 1:
        return (python, "-m", packages[0])
    found = [*candidates, *(f"{name}/{_MAIN}" for name in packages)]
    raise ImageError(
        "it cannot be told which module starts" if found else "no module that could start",
        code="E-IMAGE-ENTRYPOINT",
        places=found[:10],
        hint=f"[project.scripts] are installed where there is a [build-system]: add one, or {_HOW}"
        if metadata.scripts
        else _HOW,
    )


def project_application(
    build: Callable[[], BuiltWheel], target: Target, layout: ImageLayout, start: Sequence[str], *, name: str
) -> Application:
    """Return a project: its wheel as `build` makes it, installed as every wheel is.

    Without `start` it is its only console script, or the one named like the project, or `python -m` its package
    if that has a `__main__`. Raise `ImageError` if that is not one, if the project compiles code, and if its wheel
    is not for `target`'s Python.
    """
    from crossdock.archive.wheel import Wheel
    from crossdock.safepath import PathRules
    from crossdock.ship.installed import installed_files, wheel_facts

    built = built_project(build, name)
    schemes = layout.schemes(target)
    with Wheel.open(built.content, built.filename, rules=PathRules.POSIX) as wheel:
        check_python(wheel, target)
        facts = wheel_facts(wheel)
        by_place = {(file.scheme, str(file.path)): file for file in wheel.files}
        by_hash = {file.sha256: file for file in wheel.files}
        installed = installed_files(
            facts,
            target,
            schemes,
            read=lambda file: wheel.read(by_place[file.scheme, file.path]),
        )
        entries = merged(
            made_file(
                file.path,
                wheel.read(by_hash[file.sha256]) if file.content is None else file.content,
                mode=PROGRAM_MODE if file.executable else FILE_MODE,
            )
            for file in installed
        )
    return Application(
        form=Form.PROJECT,
        title=f"{facts.name} {facts.version}",
        entries=entries,
        entrypoint=tuple(start) or _start_of_project(facts, target, layout),
        name=facts.name,
        version=facts.version,
    )


def _start_of_project(facts: WheelFacts, target: Target, layout: ImageLayout) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name

    scripts = sorted(point.name for point in facts.entry_points)
    named = [script for script in scripts if canonicalize_name(script) == canonicalize_name(facts.name)]
    if len(scripts) == 1 or named:
        return (f"/{layout.schemes(target).scripts}/{(named or scripts)[0]}",)
    if not scripts:
        roots = {file.path.partition("/")[0] for file in facts.files if file.scheme in ("purelib", "platlib")}
        package = canonicalize_name(facts.name).replace("-", "_")
        mains = {file.path for file in facts.files}
        if package in roots and f"{package}/{_MAIN}" in mains:
            return (layout.python, "-m", package)
    raise ImageError(
        f"`{facts.name}` has {'several scripts' if scripts else 'no script'}, so it cannot be told what starts",
        code="E-IMAGE-ENTRYPOINT",
        places=scripts[:20],
        hint=f"{_HOW}, or the key `script` of [tool.crossdock.image]" if scripts else _HOW,
    )
