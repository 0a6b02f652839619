"""The variables of a target's Python, `_sysconfigdata…`: read, cleaned, and written for the environment of a build."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from crossdock.build.target_python.names import (
    abiflags,
    ext_suffix,
    multiarch,
    soabi,
    sys_platform,
    sysconfigdata_name,
)
from crossdock.build.target_python.pyconfig import as_variables
from crossdock.errors import BuildError
from crossdock.target.model import Arch, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.build.model import TargetPython
    from crossdock.build.target_python.pyconfig import Defines
    from crossdock.target.model import Target

#: What the Makefile's part may tell that pyconfig.h does not: nothing of where and how that Python was built.
_KEPT = ("ENABLE_IPV6", "MACHDEP", "WITH_DYLD", "WITH_DECIMAL_CONTEXTVAR", "TEST_MODULES")

#: -O3 and no assertions are what CPython's own configure gives extension modules, and so what most wheels are built
#: with; Debian's -O2 is a distribution's choice. Signed overflow wraps: C code that was written against CPython
#: counts on it (3.9 to 3.11 said -fwrapv, later ones -fno-strict-overflow, which in clang implies it). No -g: it
#: would put paths into the modules and make them ten times as large. No warnings: nobody reads them here.
_OPTIMIZE = "-DNDEBUG -O3"
_BASE = "-fno-strict-overflow"

#: Of what a package may ask: empty, since nothing is to be linked or included beyond what the package says itself.
_EMPTY = (
    "BASECPPFLAGS", "BLDLIBRARY", "BUILDEXE", "CFLAGSFORSHARED", "CFLAGS_NODIST", "CONFIGURE_CFLAGS",
    "CONFIGURE_CFLAGS_NODIST", "CONFIGURE_CPPFLAGS", "CONFIGURE_LDFLAGS", "CONFIGURE_LDFLAGS_NODIST", "CONFIG_ARGS",
    "CPPFLAGS", "EXPORTSFROM", "EXPORTSYMS", "EXTRA_CFLAGS", "INSTSONAME", "LDFLAGS", "LDFLAGS_NODIST", "LIBC",
    "LIBPYTHON", "LIBS", "LINKFORSHARED", "LOCALMODLIBS", "MODLIBS", "OTHER_LIBTOOL_OPT", "PYTHONFRAMEWORK",
    "PYTHONFRAMEWORKDIR", "PYTHONFRAMEWORKPREFIX", "PY_CORE_LDFLAGS", "PY_LDFLAGS", "RUNSHARED", "SHLIBS", "SYSLIBS",
    "VPATH",
)  # fmt: skip

_GNU = {Arch.I686: "i686", Arch.ARMV7L: "arm", Arch.ARMV6L: "arm"}


def read_sysconfigdata(text: str, where: str) -> dict[str, Any]:
    """Return `build_time_vars` of a `_sysconfigdata` module, which is read and never run.

    Raise `BuildError` (E-BUILD-TARGET-PYTHON) for anything but an assignment of plain values.
    """
    try:
        tree = ast.parse(text)
        for node in tree.body:
            if isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == [
                "build_time_vars"
            ]:
                value = ast.literal_eval(node.value)
                if isinstance(value, dict) and all(isinstance(name, str) for name in value):
                    return value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise _unreadable(where, str(error)) from error
    raise _unreadable(where, "no `build_time_vars`")


def _unreadable(where: str, why: str) -> BuildError:
    return BuildError(f"`{where}` is not a list of Python's variables: {why}", code="E-BUILD-TARGET-PYTHON")


def portable_variables(defines: Defines, built: Mapping[str, Any]) -> dict[str, int | str]:
    """Return what is true of a Python wherever it lies: pyconfig.h's part, and little of the Makefile's."""
    kept = {name: built[name] for name in _KEPT if isinstance(built.get(name), int | str)}
    return dict(sorted({**as_variables(defines), **kept}.items()))


def sysconfig_module(
    python: TargetPython, target: Target, *, include: str, libdir: str, compiler: Mapping[str, str]
) -> tuple[str, str]:
    """Return the file name and text of the module that `sysconfig` reads in the environment of a build.

    `include` is where `Python.h` lies there, `libdir` where libraries of Python would (`LIBDIR`, `LIBPL`). `compiler`
    has `CC` and `CXX`, and may have `AR`, `RANLIB`, `LDSHARED`, `LDCXXSHARED` and any other variable: it counts
    before all else. Nothing in it tells a module to link libpython, which a Python that is linked otherwise has not.
    """
    variables: dict[str, Any] = dict(python.variables)
    variables |= dict.fromkeys(_EMPTY, "")
    variables |= _names(target)
    variables |= _places(include, libdir)
    variables |= _commands(target, compiler)
    lines = "".join(f"    {name!r}: {variables[name]!r},\n" for name in sorted(variables))
    return f"{sysconfigdata_name(target)}.py", f"build_time_vars = {{\n{lines}}}\n"


def _names(target: Target) -> dict[str, Any]:
    version = f"{target.python.short}{abiflags(target)}"
    windows = target.os is Os.WINDOWS
    library = (
        f"python{target.python.major}{target.python.minor}{abiflags(target)}"
        if windows
        else f"libpython{version}"
    )
    ending = ".lib" if windows else ".a"
    names: dict[str, Any] = {
        "ABIFLAGS": abiflags(target),
        "EXE": ".exe" if windows else "",
        "EXT_SUFFIX": ext_suffix(target),
        "HOST_GNU_TYPE": gnu_type(target),
        "LDLIBRARY": f"{library}{ending}",
        "LDVERSION": version,
        "LIBM": "" if windows else "-lm",
        "LIBRARY": f"{library}{ending}",
        "MACHDEP": sys_platform(target),
        "MULTIARCH": multiarch(target),
        "Py_DEBUG": 0,
        "Py_ENABLE_SHARED": 0,
        "SHLIB_SUFFIX": ".pyd" if windows else ".so",
        "SOABI": soabi(target),
        "VERSION": target.python.short,
    }
    if target.os is Os.LINUX:
        names["MULTIARCH_CPPFLAGS"] = f'-DMULTIARCH=\\"{multiarch(target)}\\"'
    if target.os is Os.MACOS:
        major, minor = target.os_version or (11, 0)
        names["MACOSX_DEPLOYMENT_TARGET"] = f"{major}.{minor}"
    if target.python.version >= (3, 13):
        names["Py_GIL_DISABLED"] = int(target.python.free_threaded)
    return names


def _places(include: str, libdir: str) -> dict[str, str]:
    above = include.rpartition("/")[0]
    return {
        "CONFINCLUDEDIR": above,
        "CONFINCLUDEPY": include,
        "INCLUDEDIR": above,
        "INCLUDEPY": include,
        "LIBDIR": libdir,
        "LIBPC": f"{libdir}/pkgconfig",
        "LIBPL": libdir,
    }


def _commands(target: Target, compiler: Mapping[str, str]) -> dict[str, str]:
    cc, cxx = compiler["CC"], compiler["CXX"]
    macos = target.os is Os.MACOS
    link = "-bundle -undefined dynamic_lookup" if macos else "-shared"
    fpic = "" if target.os is not Os.LINUX else "-fPIC"
    flags = f"{_BASE} {_OPTIMIZE}"
    return {
        "AR": "ar",
        "ARFLAGS": "rcs",
        "BASECFLAGS": _BASE,
        "BLDSHARED": f"{cc} {link}",
        "CCSHARED": fpic,
        "CFLAGS": flags,
        "CPP": f"{cc} -E",
        "LDCXXSHARED": f"{cxx} {link}",
        "LDSHARED": f"{cc} {link}",
        "LINKCC": cc,
        "OPT": _OPTIMIZE,
        "PY_CFLAGS": flags,
        "RANLIB": "ranlib",
        **compiler,
    }


def gnu_type(target: Target) -> str:
    """Return the target as autoconf's `config.guess` says it there: `aarch64-unknown-linux-gnu`."""
    arch = _GNU.get(target.arch, "powerpc64le" if target.arch is Arch.PPC64LE else str(target.arch))
    if target.os is Os.MACOS:
        return f"{arch}-apple-darwin"
    if target.os is Os.WINDOWS:
        return f"{arch}-pc-windows-msvc"
    libc = "musl" if target.libc is not None and target.libc.kind is LibcKind.MUSL else "gnu"
    return f"{arch}-unknown-linux-{libc}{'eabihf' if arch == 'arm' else ''}"
