"""What cargo, PyO3, maturin, setuptools-rust and the crates that compile C read from the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.build.rust.toolchain import Rust
    from crossdock.build.toolchain.made import Plan


def rust_variables(
    rust: Rust, plan: Plan, *, place: str, home: str, python: str, remaps: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of a build whose compiler lies at `place` and whose CARGO_HOME is `home`.

    `python` is the directory with the module of the target's sysconfig variables.
    `remaps` are paths of the build that must not be seen in its result, by what stands for each.
    Sources: the cargo book ("Environment Variables", "Configuration"), PyO3's guide ("Building and distribution", cross
    compiling), the documentation of the crates cc, pkg-config, cmake, openssl-sys and bindgen.
    """
    return {
        "CARGO": f"{place}/bin/cargo",
        "RUSTC": f"{place}/bin/rustc",
        "CARGO_HOME": home,
        "CARGO_NET_OFFLINE": "true",
        "CARGO_INCREMENTAL": "0",
        "CARGO_TERM_PROGRESS_WHEN": "never",
        "CARGO_BUILD_TARGET": rust.triple,
        **_linkers(rust, plan, python, remaps),
        **_compilers(rust, plan),
        **_python(plan, python),
        "PKG_CONFIG_ALLOW_CROSS": "1",
        # A library of the sysroot goes into the module where Debian has the archive of it.
        "OPENSSL_STATIC": "1",
        "OPENSSL_NO_VENDOR": "1",
    }


def _linkers(rust: Rust, plan: Plan, python: str, remaps: Mapping[str, str]) -> dict[str, str]:
    target, host = _upper(rust.triple), _upper(rust.host)
    flags = [f"--remap-path-prefix={path}={name}" for path, name in remaps.items()]
    if rust.triple.endswith(("-musl", "-musleabihf")):
        # An extension module is loaded by the interpreter, which has the C library: zig links none into it.
        flags += ["-Ctarget-feature=-crt-static", "-Clink-self-contained=no"]
    if plan.target.os is Os.WINDOWS:
        flags.append(f"-Cdlltool={plan.bin}/dlltool")
    if plan.target.os is Os.MACOS:
        flags.append(f"-Lnative={python.rpartition('/')[0]}")
    return {
        f"CARGO_TARGET_{host}_LINKER": f"{plan.bin}/host-cc",
        f"CARGO_TARGET_{target}_LINKER": f"{plan.bin}/cc",
        # Not RUSTFLAGS: flags that a project's own settings have for the target stay.
        f"CARGO_TARGET_{target}_RUSTFLAGS": " ".join(flags),
    }


def _compilers(rust: Rust, plan: Plan) -> dict[str, str]:
    """Return the compilers of C for both machines: a build script may compile for either."""
    name = rust.triple.replace("-", "_")
    found = {
        f"CC_{name}": f"{plan.bin}/cc",
        f"CXX_{name}": f"{plan.bin}/c++",
        f"AR_{name}": f"{plan.bin}/ar",
        f"RANLIB_{name}": f"{plan.bin}/ranlib",
    }
    if rust.host != rust.triple:
        host = rust.host.replace("-", "_")
        for one in ("HOST_{}", "{}_" + host):
            found |= {
                one.format("CC"): f"{plan.bin}/host-cc",
                one.format("CXX"): f"{plan.bin}/host-c++",
                one.format("AR"): f"{plan.bin}/host-ar",
            }
    return found


def _python(plan: Plan, library: str) -> dict[str, str]:
    version = plan.target.python.version
    suffix = "t" if plan.target.python.free_threaded else ""
    return {
        "PYO3_CROSS": "1",
        "PYO3_CROSS_LIB_DIR": library,
        "PYO3_CROSS_PYTHON_VERSION": f"{version[0]}.{version[1]}{suffix}",
        "PYO3_CROSS_PYTHON_IMPLEMENTATION": "CPython",
    }


def _upper(triple: str) -> str:
    return triple.upper().replace("-", "_").replace(".", "_")
