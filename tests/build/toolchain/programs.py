"""The driver's modules, loaded as a build has them: beside settings of one target."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import crossdock.build.toolchain

PROGRAM = Path(crossdock.build.toolchain.__file__).with_name("program")

#: What `made.py` writes for a target, as the tests need it.
SETTINGS: dict[str, Any] = {
    "ZIG": "/zig/zig",
    "TARGET": "aarch64-linux-gnu.2.17",
    "HOST_TARGET": "x86_64-linux-gnu.2.17",
    "TRIPLE": "aarch64-linux-gnu",
    "FAMILY": "aarch64",
    "SYSROOT": "",
    "INCLUDE": [],
    "LIBRARY_PATH": [],
    "LINK": [],
    "DEFINES": [],
    "MACHINE": [],
    "HOST_DIRECTORIES": ["/usr", "/lib", "/lib64", "/opt"],
    "SHOWN": [],
    "PKG_CONF": "/pkgconf/pkgconf",
    "PKG_CONFIG": [],
    "PREFIX_MAP": [("/build", ".")],
    "STATIC": {},
    "NOTES": "/build/linked-statically",
}


def machine() -> Any:
    """Return the module that translates CPU flags."""
    return _load("crossdock_machine")


def linker() -> Any:
    """Return the module that translates words for the linker."""
    return _load("crossdock_linker")


def driver(**settings: Any) -> Any:
    """Return the driver's module with these settings in place of those above."""
    known = types.ModuleType("crossdock_settings")
    vars(known).update({**SETTINGS, **settings})
    beside = {"crossdock_settings": known, "crossdock_machine": machine(), "crossdock_linker": linker()}
    before = {name: sys.modules.get(name) for name in beside}
    sys.modules |= beside
    try:
        return _load("crossdock_driver")
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, PROGRAM / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
