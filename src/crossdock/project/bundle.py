"""`[tool.crossdock.lambda]`: what a project always says of its zips, and the command line before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.project.checked import boolean, read_table, text, texts

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where the packages lie in a layer: below `python/`, or below `python/lib/pythonX.Y/site-packages/`.
LAYER_LAYOUTS = ("plain", "versioned")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSettings:
    """The keys of `[tool.crossdock.lambda]`, with dashes there and underscores here; None and empty: not said."""

    app: str | None = None
    exclude: tuple[str, ...] = ()
    layer_layout: str | None = None
    split: bool = False
    prune: tuple[str, ...] = ()
    without_provided: bool = False
    bytecode: bool = False
    handler: str | None = None
    runtimes: str | None = None
    with_layers: tuple[str, ...] = ()


def parse_bundle_settings(table: object, *, where: str) -> BundleSettings:
    """Check the table; `where` names it in errors. Raise `UsageError` for an unknown key or a wrong type."""
    return BundleSettings(**read_table(table, _READERS, where))


def _layer_layout(value: object, where: str) -> str:
    if isinstance(value, str) and value in LAYER_LAYOUTS:
        return value
    raise UsageError(f"{where} must be one of {', '.join(LAYER_LAYOUTS)}", code="E-SETTINGS-TYPE")


_READERS: dict[str, Callable[[object, str], object]] = {
    "app": text,
    "exclude": texts,
    "layer_layout": _layer_layout,
    "split": boolean,
    "prune": texts,
    "without_provided": boolean,
    "bytecode": boolean,
    "handler": text,
    "runtimes": text,
    "with_layers": texts,
}
