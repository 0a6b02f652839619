"""`[tool.crossdock.image]`: what a project always says of its image, and the command line before it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from crossdock.errors import UsageError
from crossdock.project.checked import boolean, known_key, number, read_table, text, texts, texts_by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossdock.ship.image.added import Added
    from crossdock.ship.image.options import ImageOptions

SBOM_KINDS = ("both", "cyclonedx", "none", "spdx")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSetting:
    """One entry of `add`: a path seen from the project, where it goes, and the files' mode in octal digits."""

    source: str
    destination: str
    mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """The keys of `[tool.crossdock.image]`, with dashes there and underscores here; None and empty: not said."""

    base: str | None = None
    entrypoint: tuple[str, ...] = ()
    module: str | None = None
    script: str | None = None
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    expose: tuple[str, ...] = ()
    stop_signal: str | None = None
    add: tuple[AddSetting, ...] = ()
    exclude: tuple[str, ...] = ()
    prefix: str | None = None
    max_layers: int | None = None
    bytecode: bool | None = None
    repository: str | None = None
    tags: tuple[str, ...] = ()
    sbom: str | None = None
    provenance: bool | None = None


def parse_image_settings(table: object, *, where: str) -> ImageSettings:
    """Check the table; `where` names it in errors. Raise `UsageError` for an unknown key or a wrong type."""
    settings = ImageSettings(**read_table(table, _READERS, where))
    ways = [name for name in ("entrypoint", "module", "script") if getattr(settings, name)]
    if len(ways) > 1:
        raise UsageError(
            f"{where} says both `{ways[0]}` and `{ways[1]}`: what starts is one of them",
            code="E-SETTINGS-IMAGE",
        )
    return settings


def _added(value: object, where: str) -> tuple[AddSetting, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError(f"{where} must be a list of tables", code="E-SETTINGS-TYPE")
    return tuple(_one_added(item, f"{where}[{place}]") for place, item in enumerate(value))


def _one_added(table: dict[str, Any], where: str) -> AddSetting:
    for key in table:
        known_key(key, ["source", "destination", "mode"], where)
    missing = [key for key in ("source", "destination") if key not in table]
    if missing:
        raise UsageError(f"{where} has no `{missing[0]}`", code="E-SETTINGS-TYPE")
    return AddSetting(**{key: text(value, f"{where}: `{key}`") for key, value in table.items()})


def _sbom(value: object, where: str) -> str:
    if isinstance(value, str) and value in SBOM_KINDS:
        return value
    raise UsageError(f"{where} must be one of {', '.join(SBOM_KINDS)}", code="E-SETTINGS-TYPE")


def _reader(kind: str) -> Callable[[object, str], object]:
    if kind.startswith("tuple"):
        return texts
    if kind.startswith("Mapping"):
        return texts_by_name
    return boolean if "bool" in kind else number if "int" in kind else text


_READERS: dict[str, Callable[[object, str], object]] = {
    **{item.name: _reader(str(item.type)) for item in fields(ImageSettings)},
    "add": _added,
    "sbom": _sbom,
}


def image_options(
    settings: ImageSettings,
    *,
    entrypoint: str | None = None,
    module: str | None = None,
    cmd: str | None = None,
    env: Sequence[str] = (),
    labels: Sequence[str] = (),
    annotations: Sequence[str] = (),
    workdir: str | None = None,
    user: str | None = None,
    expose: Sequence[str] = (),
    stop_signal: str | None = None,
    prefix: str | None = None,
    max_layers: int | None = None,
    bytecode: bool | None = None,
) -> ImageOptions:
    """Return the options of an image: the command line's words before the project's settings, checked.

    Tables (`env`, `labels`, `annotations`) are merged, everything else given on the command line replaces the
    setting. `entrypoint` and `cmd` are one string each, split as a shell would. Raise `UsageError` for what no
    image can have.
    """
    from crossdock.ship.image.options import ImageOptions, parse_pairs, split_command, start_command

    prefix = prefix or settings.prefix or ImageOptions.DEFAULT_PREFIX
    if entrypoint is not None and module is not None:
        raise UsageError("give --entrypoint or --module, not both", code="E-IMAGE-OPTION")
    if entrypoint is not None or module is not None:
        start = start_command(
            prefix, entrypoint=split_command(entrypoint, "--entrypoint") if entrypoint else (), module=module
        )
    else:
        start = start_command(
            prefix, entrypoint=settings.entrypoint, module=settings.module, script=settings.script
        )
    return ImageOptions(
        prefix=prefix,
        entrypoint=start,
        cmd=settings.cmd if cmd is None else split_command(cmd, "--cmd"),
        env={**settings.env, **parse_pairs(env, "--env")},
        labels={**settings.labels, **parse_pairs(labels, "--label")},
        annotations={**settings.annotations, **parse_pairs(annotations, "--annotation")},
        workdir=workdir or settings.workdir or "",
        user=user or settings.user or ImageOptions.DEFAULT_USER,
        expose=tuple(expose) or settings.expose,
        stop_signal=stop_signal or settings.stop_signal or "",
        max_layers=(settings.max_layers or ImageOptions.DEFAULT_LAYERS) if max_layers is None else max_layers,
        bytecode=bool(settings.bytecode if bytecode is None else bytecode),
    )


def image_additions(
    settings: ImageSettings, *, project: Path, words: Sequence[str], directory: Path
) -> list[Added]:
    """Return what is added: the project's settings, seen from `project`, then `--add`, seen from `directory`."""
    from crossdock.ship.image.added import added, parse_added

    return [
        *(added(one.source, one.destination, one.mode, project) for one in settings.add),
        *(parse_added(word, directory) for word in words),
    ]
