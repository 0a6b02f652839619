"""gazelle_python.yaml: which import comes from which distribution, of the wheels of all platforms.

Source: rules_python, gazelle/manifest/manifest.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossdock.ship.bazel.adapters.model import Request
    from crossdock.ship.bazel.model import Hub

#: Words that YAML 1.1 takes for something else than texts.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

_HEAD = """\
# Written by `crossdock bazel`; changes are lost when it is run again. Copy it to the root of the workspace, or to where
# `gazelle:python_root` is. Without `integrity`: no target of Gazelle's is to check it, `crossdock bazel --check` does.
"""

_DIRECTIVES = """\
# Directives for the BUILD.bazel of the workspace's root. Written by `crossdock bazel`.
#
{excluded}# Labels are those of rules_python's hubs, so nothing else is needed. With aspect_rules_py's rules:
# gazelle:map_kind py_binary py_binary @aspect_rules_py//py:defs.bzl
# gazelle:map_kind py_library py_library @aspect_rules_py//py:defs.bzl
# gazelle:map_kind py_test py_test @aspect_rules_py//py:defs.bzl
"""


_EXCLUDED = """\
# What crossdock wrote is not Gazelle's:
# gazelle:exclude {package}
#
"""


def files(request: Request) -> dict[str, bytes]:
    """Return the manifest, and the directives for the root's BUILD.bazel."""
    excluded = _EXCLUDED.format(package=request.package) if request.package else ""
    return {
        "gazelle_python.yaml": _manifest(request.hub).encode(),
        "gazelle.BUILD.bazel.txt": _DIRECTIVES.format(excluded=excluded).encode(),
    }


def _manifest(hub: Hub) -> str:
    owners: dict[str, set[str]] = {}
    for wheel in hub.wheels.values():
        for module in wheel.inside.modules:
            owners.setdefault(module, set()).add(wheel.package)
    lines = [_HEAD + "manifest:", "  modules_mapping:" if owners else "  modules_mapping: {}"]
    for module, packages in sorted(owners.items()):
        # Of two that claim it, the one that is called so.
        own = module.replace("_", "-").lower()
        first, *others = sorted(packages, key=lambda package: (package != own, package))
        if others:
            lines.append(f"    # also in {', '.join(others)}")
        lines.append(f"    {_scalar(module)}: {_scalar(first.replace('-', '_'))}")
    lines += ["  pip_repository:", f"    name: {_scalar(hub.name)}"]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """Return a text that YAML takes for one; names of modules need no more than quotes."""
    return f'"{text}"' if text.lower() in _WORDS or not text.isascii() or text[:1].isdigit() else text
