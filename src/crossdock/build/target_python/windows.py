"""Windows: headers of the same minor version with a `pyconfig.h` of ours, and import libraries made from them."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from crossdock.build.target_python.headers import edited
from crossdock.build.target_python.layout import Parts

if TYPE_CHECKING:
    from crossdock.build.model import World
    from crossdock.build.target_python.host import HostHeaders
    from crossdock.target.model import Target

#: What stands behind the defines: of a module that is no part of the interpreter nothing is to be exported.
_END = """\

#ifndef Py_NO_ENABLE_SHARED
#define Py_ENABLE_SHARED 1
#define MS_COREDLL
#endif

#include <io.h>
#include <stdio.h>

#endif
"""


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """Return the facts about CPython on Windows (`windows.toml`)."""
    return tomllib.loads((resources.files(__package__) / "windows.toml").read_text("utf-8"))


def windows_pyconfig(target: Target) -> str:
    """Return the pyconfig.h of CPython on Windows, as far as it says anything to a compiler like clang."""
    facts = table()
    arch = facts["arch"][str(target.arch)]
    defines = {**facts["defines"], **facts["bits"]["64" if "64" in arch["tag"] else "32"]}
    for since, more in facts["since"].items():
        if target.python.version >= tuple(map(int, since.split("."))):
            defines |= more
    defines["PYD_PLATFORM_TAG"] = f'"{arch["tag"]}"'
    if target.python.free_threaded:
        defines["Py_GIL_DISABLED"] = 1
    lines = [
        # Packages define some by themselves, as compilers had to be told before 3.13.
        f"#ifndef {name}\n#define {name} {defines[name]}".rstrip() + "\n#endif"
        for name in sorted(defines)
    ]
    return "#ifndef Py_CONFIG_H\n#define Py_CONFIG_H\n\n" + "\n".join(lines) + "\n" + _END


def windows_parts(host: HostHeaders, target: Target, world: World) -> Parts:
    """Return the parts for a Windows target, made of a host's headers.

    Raise `BuildError` (E-BUILD-ZIG) where there is no compiler that could make the import libraries.
    """
    from crossdock.build.target_python.import_library import import_libraries
    from crossdock.build.toolchain.zig import zig_program

    headers = edited(host.headers, windows_pyconfig(target))
    return Parts(
        provider="host-headers",
        detail=f"headers of CPython {host.version} for {host.platform}, changed for the target",
        headers=headers,
        libraries=import_libraries(headers, target, zig_program(world)),
    )
