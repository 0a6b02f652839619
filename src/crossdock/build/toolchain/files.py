"""What tells CMake, Meson and autoconf that a build is for a target: one file for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.toolchain.targets import MACHINES, gnu_triplet
from crossdock.target.model import LibcKind, Os

if TYPE_CHECKING:
    from crossdock.build.toolchain.made import Plan

_CMAKE_SYSTEMS = {Os.LINUX: "Linux", Os.MACOS: "Darwin", Os.WINDOWS: "Windows"}
_MESON_SYSTEMS = {Os.LINUX: "linux", Os.MACOS: "darwin", Os.WINDOWS: "windows"}
_CMAKE_PROCESSORS = {
    ("macos", "aarch64"): "arm64",
    ("windows", "x86_64"): "AMD64",
    ("windows", "aarch64"): "ARM64",
}


def meson_cross(plan: Plan) -> str:
    """Return a Meson cross file (Meson's manual, "Machine files").

    The interpreter and Cython are those of the build's environment: `find_installation()` must find them.
    """
    machine = MACHINES[plan.target.arch]
    tools = plan.compilers()
    environment = f"{plan.places.build}/env/bin"
    return f"""[binaries]
c = '{tools["CC"]}'
cpp = '{tools["CXX"]}'
ar = '{tools["AR"]}'
ranlib = '{tools["RANLIB"]}'
strip = '{tools["STRIP"]}'
pkg-config = '{plan.bin}/pkg-config'
python = '{environment}/python'
cython = '{environment}/cython'
[properties]
needs_exe_wrapper = true
longdouble_format = '{machine.long_double}'
[host_machine]
system = '{_MESON_SYSTEMS[plan.target.os]}'
cpu_family = '{machine.meson_family}'
cpu = '{plan.target.arch}'
endian = '{machine.endian}'
"""


def cmake_toolchain(plan: Plan) -> str:
    """Return a CMake toolchain file (CMake's manual, cmake-toolchains(7))."""
    places, tools = plan.places, plan.compilers()
    processor = _CMAKE_PROCESSORS.get((plan.target.os.value, plan.target.arch.value), plan.target.arch.value)
    lines = [
        f"set(CMAKE_SYSTEM_NAME {_CMAKE_SYSTEMS[plan.target.os]})",
        f"set(CMAKE_SYSTEM_PROCESSOR {processor})",
        f'set(CMAKE_C_COMPILER "{tools["CC"]}")',
        f'set(CMAKE_CXX_COMPILER "{tools["CXX"]}")',
        f'set(CMAKE_ASM_COMPILER "{tools["CC"]}")',
        f'set(CMAKE_STRIP "{tools["STRIP"]}" CACHE FILEPATH "" FORCE)',
        f'set(PKG_CONFIG_EXECUTABLE "{plan.bin}/pkg-config" CACHE FILEPATH "")',
    ]
    # FindPython asks the interpreter through it (policy CMP0190), and that is one of this machine which answers as the
    # target. A program for the target cannot be run by it either: then try_run() says so and the build goes on.
    lines.append(f'set(CMAKE_CROSSCOMPILING_EMULATOR "{places.tools}/env")')
    for tool in ("AR", "RANLIB"):
        lines += [
            f'set(CMAKE_{kind}{tool} "{tools[tool]}" CACHE FILEPATH "" FORCE)'
            for kind in ("", "C_COMPILER_", "CXX_COMPILER_")
        ]
    roots = " ".join(
        f'"{root}"'
        for root in ([places.sysroot] if plan.has_sysroot else [])
        + [places.target, places.headers, places.build]
    )
    lines += [
        # Programs come from the host, libraries and headers from the target's or from the build's own tree.
        f"set(CMAKE_FIND_ROOT_PATH {roots})",
        "set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)",
        "set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)",
        "set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)",
        "set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)",
        "set(CMAKE_POSITION_INDEPENDENT_CODE ON)",
        # C++20 sources are searched for modules otherwise, by a program of LLVM's that zig lacks (policy CMP0155).
        "set(CMAKE_CXX_SCAN_FOR_MODULES OFF)",
        # No search path of the build tree is written, and so none is there to be changed when it is installed.
        'set(CMAKE_BUILD_WITH_INSTALL_RPATH ON CACHE BOOL "")',
    ]
    # What projects would learn by running a program: double precision numbers are stored as integers are on every CPU here.
    lines.append('set(IEEE754_DOUBLE_ENDIANNESS_MATCHES ON CACHE BOOL "")')
    if plan.triplet:
        lines.append(f"set(CMAKE_LIBRARY_ARCHITECTURE {plan.triplet})")
    for name in ("Python_INCLUDE_DIR", "Python3_INCLUDE_DIR", "PYTHON_INCLUDE_DIR", "PYTHON_INCLUDE_DIRS"):
        lines.append(f'set({name} "{plan.include}" CACHE PATH "")')
    for name in ("Python", "Python3"):
        lines.append(f'set({name}_EXECUTABLE "{places.build}/env/bin/python" CACHE FILEPATH "")')
        lines.append(f'set({name}_SOABI "{plan.soabi}" CACHE STRING "")')
    suffix = "pyd" if plan.target.os is Os.WINDOWS else "so"
    lines.append(f'set(PYTHON_MODULE_EXTENSION ".{plan.soabi}.{suffix}" CACHE STRING "")')
    return "\n".join(lines) + "\n"


def config_site(plan: Plan) -> str:
    """Return answers for `configure` scripts (autoconf's manual, "Site Defaults"), which every one of them reads.

    A setup.py that runs a bundled one passes no --host. What only a running program could answer is what the target's
    C library is known to do.
    """
    target = plan.target
    triplet = gnu_triplet(target).replace("-linux-", "-unknown-linux-", 1)
    lines = [
        f"host_alias={triplet}",
        "build_alias=${build_alias:-$(uname -m 2>/dev/null || echo x86_64)-build-linux-gnu}",
        "cross_compiling=yes",
        "ac_cv_func_malloc_0_nonnull=yes",
        "ac_cv_func_realloc_0_nonnull=yes",
        "ac_cv_func_calloc_0_nonnull=yes",
        "ac_cv_func_memcmp_working=yes",
        "ac_cv_func_strnlen_working=yes",
        "ac_cv_func_strtod=yes",
        "ac_cv_func_fork_works=yes",
        "ac_cv_func_vfork_works=yes",
        "ac_cv_func_mmap_fixed_mapped=yes",
        "ac_cv_func_stat_empty_string_bug=no",
        "ac_cv_func_lstat_dereferences_slashed_symlink=yes",
        "ac_cv_func_getaddrinfo=yes",
        f"ac_cv_c_bigendian={'yes' if MACHINES[target.arch].endian == 'big' else 'no'}",
    ]
    if target.libc is not None and target.libc.kind is LibcKind.GLIBC:
        lines.append("ac_cv_gnu_library=yes")
    return "\n".join(lines) + "\n"
