"""An image's configuration (OCI image specification 1.1, config.md): the base's, and what is ours over it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crossdock.errors import ImageError, UsageError
from crossdock.oci.model import Platform, canonical_json
from crossdock.target.describe import oci_platform
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.model import BaseImage, Layer
    from crossdock.ship.image.options import ImageOptions
    from crossdock.target.model import Target

#: The base's labels of this kind speak of the base (its title, its version); of ours they would be wrong.
_ABOUT_BASE = "org.opencontainers.image."
#: 10000-01-01: RFC 3339 has four digits for the year.
_LATEST = 253_402_300_800


def platform_of(target: Target) -> Platform:
    """Return the OCI platform of a target, variant and all; raise `UsageError` if images do not run there."""
    words = oci_platform(target)
    if words is None or target.os is not Os.LINUX:
        raise UsageError(
            f"no image can be made for {target.name or target.os}: images run on Linux",
            code="E-IMAGE-TARGET",
            hint="give targets such as `--for linux/arm64`",
        )
    platform = Platform.parse(words)
    # The official images say it, and matching by equality wants it; every arm64 of ours is an ARMv8.
    return replace(platform, variant="v8") if platform.architecture == "arm64" else platform


def timestamp(epoch: int) -> str:
    """Return seconds since 1970 as RFC 3339 in UTC; raise `UsageError` beyond the year 9999."""
    if not 0 <= epoch < _LATEST:
        raise UsageError(f"not a time that an image can have: {epoch}", code="E-USAGE-EPOCH")
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def image_config(
    base: BaseImage,
    layers: Sequence[Layer],
    options: ImageOptions,
    *,
    layout: ImageLayout,
    platform: Platform,
    created: int,
    entrypoint: tuple[str, ...] = (),
    workdir: str = "",
) -> bytes:
    """Return the config of an image: `base` with `layers`, ours, over it.

    `entrypoint` and `workdir` are the application's, for where `options` says nothing; `created` is in
    seconds since 1970. Inherited is what the specification knows, and nothing else: Docker's Healthcheck, OnBuild
    and Shell speak of the base's own program or of builds. With an entry point of ours the base's Entrypoint and
    Cmd go. VIRTUAL_ENV is not set: Python finds its prefix by pyvenv.cfg, the variable only tells shells.
    Raise `ImageError` for a base whose configuration is malformed.
    """
    inherited = _Table(base.config, "the base's configuration")
    old = _Table(inherited.table("config"), "the base's `config`")
    start = options.entrypoint or entrypoint
    time = timestamp(created)
    config: dict[str, Any] = {
        "User": options.user or old.text("User"),
        "ExposedPorts": {**old.sets("ExposedPorts"), **{port: {} for port in options.expose}},
        "Env": _environment(old.texts("Env"), layout, options),
        "Entrypoint": list(start) or old.texts("Entrypoint"),
        "Cmd": list(options.cmd) or ([] if start else old.texts("Cmd")),
        "Volumes": old.sets("Volumes"),
        "WorkingDir": options.workdir or workdir or old.text("WorkingDir"),
        "Labels": {
            **{name: text for name, text in old.labels().items() if not name.startswith(_ABOUT_BASE)},
            **options.labels,
        },
        "StopSignal": options.stop_signal or old.text("StopSignal"),
    }
    value: dict[str, Any] = {
        **platform.to_json(),
        "created": time,
        "config": {name: item for name, item in config.items() if item},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in (*base.layers, *layers)]},
        "history": [
            *_base_history(inherited.list_("history"), base, time),
            *({"created": time, "created_by": _line(layer)} for layer in layers),
        ],
    }
    return canonical_json(value)


def _line(layer: Layer) -> str:
    return (
        f"crossdock image: {layer.kind}: {layer.title}" if layer.title else f"crossdock image: {layer.kind}"
    )


def _environment(inherited: Iterable[str], layout: ImageLayout, options: ImageOptions) -> list[str]:
    """Return `NAME=VALUE` in the base's order, then ours sorted; what the user says counts most."""
    found = layout.variables(dict(text.partition("=")[::2] for text in inherited))
    found.update(sorted(options.env.items()))
    return [f"{name}={value}" for name, value in found.items()]


def _base_history(history: Sequence[Any], base: BaseImage, time: str) -> list[dict[str, Any]]:
    """Return the base's history if it tells one line of each layer, else one made anew.

    config.md, "history": every entry that is not an empty layer stands for a layer. Some tools write none or
    too few, and then others show a layer's command beside the wrong layer.
    """
    lines = [_history_line(entry) for entry in history]
    kept = [line for line in lines if line is not None]
    filled = sum(1 for line in kept if not line.get("empty_layer", False))
    if len(kept) == len(lines) and filled == len(base.layers):
        return kept
    name = base.name or "the base"
    return [{"created": time, "created_by": f"a layer of {name}"} for _layer in base.layers]


def _history_line(entry: Any) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        return None
    line = {
        name: entry[name]
        for name in ("created", "created_by", "author", "comment")
        if isinstance(entry.get(name), str)
    }
    empty = entry.get("empty_layer", False)
    if not isinstance(empty, bool):
        return None
    return {**line, "empty_layer": True} if empty else line


class _Table:
    """A table of the base's configuration, read strictly; null is absent, as Go writes it."""

    def __init__(self, value: Mapping[str, Any], what: str) -> None:
        self._value = value
        self._what = what

    def _wrong(self, name: str, wanted: str) -> ImageError:
        return ImageError(
            f"{self._what} is broken: `{name}` is not {wanted}",
            code="E-IMAGE-BROKEN",
            hint="choose another base, or make it anew",
        )

    def table(self, name: str) -> dict[str, Any]:
        found = self._value.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self._wrong(name, "a table")
        return found

    def list_(self, name: str) -> list[Any]:
        found = self._value.get(name)
        if found is None:
            return []
        if not isinstance(found, list):
            raise self._wrong(name, "a list")
        return found

    def text(self, name: str) -> str:
        found = self._value.get(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise self._wrong(name, "a string")
        return found

    def texts(self, name: str) -> list[str]:
        found = self.list_(name)
        if not all(isinstance(item, str) for item in found):
            raise self._wrong(name, "a list of strings")
        return found

    def labels(self) -> dict[str, str]:
        found = self.table("Labels")
        if not all(isinstance(item, str) for item in found.values()):
            raise self._wrong("Labels", "a table of strings")
        return found

    def sets(self, name: str) -> dict[str, dict[str, Any]]:
        """Return a set as Go writes one: a table whose values are empty tables."""
        return {key: {} for key in self.table(name)}
