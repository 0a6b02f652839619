"""The driver's modules, loaded as a build has them: beside settings of one target."""

from __future__ import annotations

import importlib
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
    "SYSTEM": "linux",
    "PYTHON": "311",
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
    return _loaded("crossdock_machine", {})


def linker(**settings: Any) -> Any:
    """Return the module that translates words for the linker."""
    return _loaded("crossdock_linker", settings)


def windows() -> Any:
    """Return the module that translates Microsoft's words."""
    return _loaded("crossdock_windows", {})


def driver(**settings: Any) -> Any:
    """Return the driver's module with these settings in place of those above."""
    return _loaded("crossdock_driver", settings)


def _loaded(name: str, settings: dict[str, Any]) -> Any:
    """Load a module with those that it imports, all of them anew."""
    known = types.ModuleType("crossdock_settings")
    vars(known).update({**SETTINGS, **settings})
    others = [path.stem for path in PROGRAM.glob("crossdock_*.py")]
    before = {other: sys.modules.pop(other, None) for other in [*others, "crossdock_settings"]}
    sys.modules["crossdock_settings"] = known
    sys.path.insert(0, str(PROGRAM))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(name)
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(PROGRAM))
        for other, module in before.items():
            sys.modules.pop(other, None)
            if module is not None:
                sys.modules[other] = module
