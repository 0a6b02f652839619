"""What fits a target and what does not, told from facts; and what must not be cried over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.inspect.builders import elf_facts, facts, file, linux, macos, module, windows

from crossdock.errors import InspectError
from crossdock.inspect.audit import AuditFile, BaseLibraries, Finding, Severity, audit
from crossdock.inspect.facts import Binary, Format, Kind
from crossdock.target.model import Arch, Implementation, LibcKind, Os, Python, Target

GNU = "cpython-312-x86_64-linux-gnu.so"
ANY = ("py3-none-any",)


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(one.severity.value, one.code) for one in findings]


def test_a_module_that_fits_gives_no_finding() -> None:
    good = elf_facts(
        versions=(("libc.so.6", "GLIBC_2.17", "secure_getenv"),), needed=("libc.so.6", "libz.so.1")
    )
    assert audit([module(f"pkg/x.{GNU}", good)], linux()) == ()


@pytest.mark.parametrize(
    ("need", "target", "message"),
    [
        (("libc.so.6", "GLIBC_2.28", "fcntl64"), linux(libc="glibc2.26"), "needs GLIBC_2.28 (fcntl64), the target has 2.26"),
        (("libm.so.6", "GLIBC_2.29", "exp"), linux(libc="glibc2.28"), "needs GLIBC_2.29 (exp), the target has 2.28"),
        (("libstdc++.so.6", "GLIBCXX_3.4.30", ""), linux(), "needs GLIBCXX_3.4.30, the target has 3.4.19"),
        (("libstdc++.so.6", "CXXABI_1.3.15", ""), linux(libc="glibc2.34"), "needs CXXABI_1.3.15, the target has 1.3.13"),
        (("libgcc_s.so.1", "GCC_14.0.0", ""), linux(), "needs GCC_14.0.0, the target has 4.8.0"),
        (
            ("libc.so.6", "GLIBC_ABI_DT_RELR", ""),
            linux(libc="glibc2.35"),
            "needs GLIBC_ABI_DT_RELR, which glibc has from 2.36; the target has 2.35",
        ),
    ],
)  # fmt: skip
def test_a_symbol_version_newer_than_the_target_s(
    need: tuple[str, str, str], target: Target, message: str
) -> None:
    binary = elf_facts(versions=(need,), needed=(need[0],))
    (finding,) = audit([module(f"pkg/x.{GNU}", binary)], target)
    assert (finding.severity, finding.code, finding.message) == (Severity.ERROR, "E-FIT-VERSION", message)
    assert finding.library == need[0]


@pytest.mark.parametrize(
    ("version", "target"),
    [
        ("GLIBC_2.18", linux(Arch.AARCH64, "glibc2.17")),  # auditwheel's policy: manylinux2014 on aarch64
        ("GLIBC_ABI_DT_RELR", linux(libc="glibc2.36")),
        ("GLIBC_2.42", linux(libc="glibc2.42")),  # no policy is that new: the floor itself counts
        ("GLIBCXX_3.4.24", linux(Arch.AARCH64, "glibc2.26")),
        ("GLIBC_2.17", linux(Arch.RISCV64, "glibc2.31")),
        ("MYLIB_9.9", linux()),
    ],
)
def test_a_symbol_version_that_the_target_has(version: str, target: Target) -> None:
    binary = elf_facts(target.arch.value, versions=(("libc.so.6", version, "f"),), needed=("libc.so.6",))
    assert audit([module("pkg/x.abi3.so", binary)], target) == ()


def test_versions_of_a_library_that_is_shipped_are_its_own() -> None:
    needs = elf_facts(
        versions=(("libstdc++.so.6", "GLIBCXX_3.4.33", ""),),
        needed=("libstdc++.so.6",),
        rpath=("$ORIGIN/../pkg.libs",),
    )
    shipped = file("pkg.libs/libstdc++.so.6", elf_facts(soname="libstdc++.so.6"))
    assert audit([module(f"pkg/x.{GNU}", needs), shipped], linux()) == ()
    assert told(audit([module(f"pkg/x.{GNU}", needs)], linux())) == [("error", "E-FIT-VERSION")]


@pytest.mark.parametrize(
    ("built", "target"),
    [("glibc", linux(libc="musl1.2")), ("musl", linux()), ("bionic", linux())],
)
def test_another_libc(built: str, target: Target) -> None:
    binary = elf_facts(libc=built, libc_evidence="needs something", needed=("libc.so",))
    (finding,) = audit([module("pkg/x.abi3.so", binary)], target)
    assert finding.code == "E-FIT-LIBC"
    assert f"built for {built} (needs something), the target has {target.libc.kind}" in finding.message  # type: ignore[union-attr]


def test_a_module_without_any_libc_fits_both() -> None:
    for target in (linux(), linux(libc="musl1.2")):
        assert audit([module("pkg/x.abi3.so")], target) == ()


def test_musl_takes_the_c_library_s_names_for_itself() -> None:
    """ddtrace's libddwaf needs `libc.so.6` and no version of it: it loads on both."""
    names = ("libc.so.6", "libpthread.so.0", "libm.so.6", "libdl.so.2", "libc.musl-x86_64.so.1")
    assert audit([module("pkg/x.abi3.so", elf_facts(needed=names))], linux(libc="musl1.2")) == ()


def test_glibc_module_on_musl_is_told_with_its_name_and_its_libc() -> None:
    binary = elf_facts(versions=(("libc.so.6", "GLIBC_2.4", "f"),), needed=("libc.so.6",))
    (finding,) = audit([module(f"netifaces.{GNU}", binary)], linux(libc="musl1.2"))
    assert finding.code == "E-FIT-MODULE"
    assert "looks for `.cpython-312-x86_64-linux-musl.so`" in finding.message
    assert "built for glibc (needs GLIBC_2.4 of libc.so.6)" in finding.message


def test_a_library_that_nobody_ships() -> None:
    binary = elf_facts(needed=("libpq.so.5", "libc.so.6"), libc="glibc", libc_evidence="needs libc.so.6")
    extension = module(f"psycopg2/_psycopg.{GNU}", binary)
    (finding,) = audit([extension], linux(libc="glibc2.36"))
    assert (finding.severity, finding.code, finding.library) == (
        Severity.ERROR,
        "E-FIT-LIBRARY",
        "libpq.so.5",
    )
    assert audit([extension], linux(base_libraries=frozenset({"libpq.so.5"}))) == ()
    assert (
        audit([extension], linux(), base=BaseLibraries(name="debian", sonames=frozenset({"libpq.so.5"})))
        == ()
    )


def test_an_exact_base_counts_instead_of_the_policy() -> None:
    extension = module(f"pkg/x.{GNU}", elf_facts(needed=("libstdc++.so.6", "libc.so.6")))
    assert audit([extension], linux()) == ()
    slim = BaseLibraries(name="slim", sonames=frozenset({"libc.so.6"}), exact=True)
    (finding,) = audit([extension], linux(), base=slim)
    assert finding.library == "libstdc++.so.6"


def test_libraries_beside_other_packages_and_preloaded_ones_count() -> None:
    blas = file(
        "nvidia/cublas/lib/libcublas.so.12", elf_facts(soname="libcublas.so.12"), package="nvidia-cublas"
    )
    by_path = module(
        f"torch/_C.{GNU}", elf_facts(needed=("libcublas.so.12",), rpath=("$ORIGIN/../nvidia/cublas/lib",))
    )
    by_name = module(f"torch/_D.{GNU}", elf_facts(needed=("libcublas.so.12",)))
    assert audit([blas, by_path, by_name], linux()) == ()


def test_a_shipped_library_of_another_machine_satisfies_nobody() -> None:
    other = file("pkg.libs/libx.so", elf_facts("aarch64", soname="libx.so"))
    needs = module(f"pkg/x.{GNU}", elf_facts(needed=("libx.so",), rpath=("$ORIGIN/../pkg.libs",)))
    assert told(audit([other, needs], linux())) == [("error", "E-FIT-LIBRARY")]


def test_a_wheel_looked_at_alone_may_expect_others_beside_it() -> None:
    vision = module(f"torchvision/_C.{GNU}", elf_facts(needed=("libtorch.so", "libc10.so")))
    assert {one.severity for one in audit([vision], linux(), complete=False)} == {Severity.NOTE}
    findings = audit([vision], linux())
    assert {one.severity for one in findings} == {Severity.ERROR}
    assert findings[0].hint == "add package torch"


def test_drivers_are_only_noted() -> None:
    needs = module(f"pkg/x.{GNU}", elf_facts(needed=("libcuda.so.1",)))
    assert told(audit([needs], linux())) == [("note", "E-FIT-DRIVER")]


def test_what_an_essential_file_loads_must_fit_and_a_plugin_need_not() -> None:
    extension = module(f"pkg/x.{GNU}", elf_facts(needed=("liba.so",), rpath=("$ORIGIN",)))
    loaded = file("pkg/liba.so", elf_facts(needed=("libgone.so",), soname="liba.so"))
    plugin = file("pkg/plugins/libsql.so", elf_facts(needed=("libmysqlclient.so.21",)))
    findings = audit([extension, loaded, plugin], linux())
    assert [(one.severity.value, one.library) for one in findings] == [
        ("error", "libgone.so"),
        ("warning", "libmysqlclient.so.21"),
    ]


def test_a_package_of_libraries_alone_must_fit() -> None:
    library = file("lightgbm/lib/lib_lightgbm.so", elf_facts(needed=("libgomp.so.1",)), tags=("py3-none-x",))
    assert told(audit([library], linux())) == [("error", "E-FIT-LIBRARY")]


def test_a_module_that_its_package_can_do_without() -> None:
    pool = module(f"numba/np/ufunc/omppool.{GNU}", elf_facts(needed=("libgomp.so.1.0.0",)), package="numba")
    other = module(f"numba/_dispatcher.{GNU}", package="numba")
    assert told(audit([pool, other], linux())) == [("warning", "E-FIT-LIBRARY")]


def test_libpython_is_a_warning_and_another_version_an_error() -> None:
    for library, severity, code in (
        ("libpython3.12.so.1.0", "warning", "E-FIT-LIBPYTHON"),
        ("libpython3.11.so.1.0", "error", "E-FIT-PYTHON"),
    ):
        assert told(audit([module(f"pkg/x.{GNU}", elf_facts(needed=(library,)))], linux())) == [
            (severity, code)
        ]


def test_a_search_path_of_the_build_machine_is_noted() -> None:
    extension = module(f"pkg/x.{GNU}", elf_facts(rpath=("/home/me/build/lib", "/usr/lib", "$ORIGIN")))
    (finding,) = audit([extension], linux())
    assert (finding.severity, finding.code) == (Severity.NOTE, "E-FIT-RPATH")
    assert "/home/me/build/lib" in finding.message


def test_segments_that_cannot_be_mapped() -> None:
    assert told(audit([module(f"pkg/x.{GNU}", elf_facts(segments_aligned=False))], linux())) == [
        ("error", "E-FIT-SEGMENTS")
    ]


@pytest.mark.parametrize(
    ("symbol", "word"), [("_Py_RefTotal", "debug build"), ("_Py_DecRefShared", "free-threaded")]
)
def test_another_build_of_python_by_its_symbols(symbol: str, word: str) -> None:
    (finding,) = audit([module(f"pkg/x.{GNU}", elf_facts(python_symbols=(symbol,)))], linux())
    assert finding.code == "E-FIT-ABI"
    assert word in finding.message


def test_free_threaded_symbols_fit_a_free_threaded_target() -> None:
    python = Python(minor=13, free_threaded=True)
    extension = module("x.cpython-313t-x86_64-linux-gnu.so", elf_facts(python_symbols=("_Py_DecRefShared",)))
    assert audit([extension], linux(python=python)) == ()


@pytest.mark.parametrize(
    ("name", "target", "fits"),
    [
        ("x.cpython-312-x86_64-linux-gnu.so", linux(), True),
        ("x.cpython-311-x86_64-linux-gnu.so", linux(), False),
        ("x.cpython-312-aarch64-linux-gnu.so", linux(Arch.AARCH64), True),
        ("x.cpython-312-arm-linux-gnueabihf.so", linux(Arch.ARMV7L), True),
        ("x.cpython-312-i386-linux-gnu.so", linux(Arch.I686), True),
        ("x.cpython-312-x86_64-linux-musl.so", linux(libc="musl1.2"), True),
        ("x.cpython-312-x86_64-linux-musl.so", linux(), False),
        ("x.cpython-310-x86_64-linux-gnu.so", linux(libc="musl1.2", python=Python(minor=10)), True),
        ("x.abi3.so", linux(), True),
        ("x.abi3.so", linux(python=Python(minor=13, free_threaded=True)), False),
        ("x.abi3t.so", linux(), False),
        ("x.abi3t.so", linux(python=Python(minor=15)), True),
        ("x.abi3t.so", linux(python=Python(minor=15, free_threaded=True)), True),
        ("x.cpython-313t-x86_64-linux-gnu.so", linux(python=Python(minor=13, free_threaded=True)), True),
        ("x.cpython-313-x86_64-linux-gnu.so", linux(python=Python(minor=13, free_threaded=True)), False),
        ("x.so", linux(), True),
        (
            "x.pypy311-pp73-x86_64-linux-gnu.so",
            linux(python=Python(minor=11, implementation=Implementation.PYPY, abi="pypy311_pp73")),
            True,
        ),
    ],
)
def test_the_importer_goes_by_the_suffix(name: str, target: Target, fits: bool) -> None:
    findings = audit([module(f"pkg/{name}", elf_facts(target.arch.value))], target)
    assert told(findings) == ([] if fits else [("error", "E-FIT-MODULE")])


def test_modules_for_several_pythons_are_no_fault() -> None:
    names = [f"pkg/x.cpython-3{minor}-x86_64-linux-gnu.so" for minor in (9, 10, 11, 12, 13)]
    assert audit([module(name) for name in names], linux()) == ()


def test_a_left_over_module_of_another_python_is_only_noted() -> None:
    files = [module(f"pkg/x.{GNU}"), module("pkg/old.cpython-38-x86_64-linux-gnu.so")]
    assert told(audit(files, linux())) == [("note", "E-FIT-MODULE")]


def test_a_module_for_another_machine() -> None:
    (finding,) = audit([module("pkg/x.abi3.so", elf_facts("x86_64"))], linux(Arch.AARCH64))
    assert (finding.severity, finding.code) == (Severity.ERROR, "E-FIT-MACHINE")
    assert finding.message == "is built for x86_64, the target is linux aarch64"


def test_modules_for_several_machines_are_no_fault() -> None:
    files = [module(f"pkg/{arch}/x.abi3.so", elf_facts(arch)) for arch in ("x86_64", "aarch64", "riscv64")]
    assert audit(files, linux()) == ()


def test_an_armv7_target_runs_armv6_code_and_not_the_reverse() -> None:
    files = [module("pkg/x.abi3.so", elf_facts("armv6l"))]
    assert audit(files, linux(Arch.ARMV7L)) == ()
    assert told(audit([module("x.abi3.so", elf_facts("armv7l"))], linux(Arch.ARMV6L))) == [
        ("error", "E-FIT-MACHINE")
    ]


def test_launchers_of_other_systems_in_a_pure_package_are_its_goods() -> None:
    files = [
        file(f"distlib/{name}.exe", facts(Format.PE, machine, Kind.EXECUTABLE), tags=ANY)
        for name, machine in (("t32", "i686"), ("t64", "x86_64"), ("t64-arm", "aarch64"))
    ]
    for target in (linux(), macos(), windows()):
        assert audit(files, target) == ()


def test_objects_firmware_and_fixtures_are_passed_over() -> None:
    files = [
        module(f"pkg/x.{GNU}"),
        file("pkg/probe.o", elf_facts("bpf", kind=Kind.OBJECT)),
        file("pkg/libx.a", Binary(format=Format.AR, kind=Kind.ARCHIVE)),
        file("pkg/kernel.cubin", elf_facts("cuda", kind=Kind.EXECUTABLE)),
        file("pkg/tests/sample.dylib", facts(Format.MACHO, "x86_64")),
        file("pkg/tests/broken.elf", Binary(format=Format.ELF, kind=Kind.OTHER, broken="truncated")),
        file("pkg/helper-windows.exe", facts(Format.PE, "x86_64", Kind.EXECUTABLE)),
    ]
    assert audit(files, linux()) == ()


def test_a_broken_module_is_an_error() -> None:
    broken = Binary(format=Format.ELF, kind=Kind.OTHER, broken="8 bytes at 9 reach beyond its end at 10")
    assert told(audit([file(f"pkg/x.{GNU}", broken)], linux())) == [("error", "E-FIT-BROKEN")]


def test_a_platform_wheel_without_anything_for_the_target() -> None:
    files = [file("pkg/liba.so", elf_facts("x86_64")), file("pkg/libb.so", elf_facts("x86_64"))]
    (finding,) = audit(files, linux(Arch.AARCH64))
    assert (finding.severity, finding.code, finding.path) == (Severity.ERROR, "E-FIT-MACHINE", "pkg/liba.so")
    assert finding.message.endswith("so are 1 more of the package's")
    pure = [file(one.path, one.binary, tags=ANY) for one in files]
    assert told(audit(pure, linux(Arch.AARCH64))) == [("warning", "E-FIT-MACHINE")]


def test_a_script_for_another_machine() -> None:
    program = file("bin/ruff", elf_facts(kind=Kind.EXECUTABLE), tags=("py3-none-manylinux_2_17_x86_64",))
    assert audit([program], linux()) == ()
    assert told(audit([program], linux(Arch.AARCH64)))[0] == ("error", "E-FIT-MACHINE")


# macOS


def test_macos_fits() -> None:
    binary = facts(
        Format.MACHO, "aarch64", signed=True, platform="macos", min_os=(11, 0),
        needed=("/usr/lib/libSystem.B.dylib", "@loader_path/.dylibs/libz.1.dylib"),
    )  # fmt: skip
    library = file("pkg/.dylibs/libz.1.dylib", facts(Format.MACHO, "aarch64", signed=True, min_os=(11, 0)))
    assert audit([module("pkg/x.cpython-312-darwin.so", binary), library], macos()) == ()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"signed": False}, "E-FIT-SIGNATURE"),
        ({"needed": ("/opt/homebrew/opt/libpq/lib/libpq.5.dylib",)}, "E-FIT-LIBRARY"),
        ({"needed": ("@rpath/libpq.5.dylib",)}, "E-FIT-LIBRARY"),
        ({"needed": ("@rpath/libpython3.11.dylib",)}, "E-FIT-PYTHON"),
        ({"needed": ("/Library/Frameworks/Python.framework/Versions/3.11/Python",)}, "E-FIT-PYTHON"),
    ],
)
def test_macos_faults(fields: dict[str, Any], code: str) -> None:
    binary = facts(Format.MACHO, "aarch64", **{"signed": True, "platform": "macos", **fields})
    findings = audit([module("pkg/x.cpython-312-darwin.so", binary)], macos())
    assert told(findings) == [("error", code)]


def test_a_newer_minimum_version_is_a_warning_told_once_for_a_package() -> None:
    binary = facts(Format.MACHO, "aarch64", signed=True, platform="macos", min_os=(12, 3))
    files = [module(f"pkg/{name}.abi3.so", binary) for name in "abc"]
    (finding,) = audit(files, macos(version=(12, 0)))
    assert (finding.severity, finding.code) == (Severity.WARNING, "E-FIT-OS-VERSION")
    assert finding.others == ("pkg/b.abi3.so", "pkg/c.abi3.so")
    assert str(finding) == "pkg/a.abi3.so and 2 more: is built for macos 12.3 and newer, the target has 12.0"
    assert audit(files, macos(version=(12, 3))) == ()


def test_macos_intel_needs_no_signature_and_a_thin_file_of_the_other_cpu_does_not_fit() -> None:
    intel = module("pkg/x.cpython-312-darwin.so", facts(Format.MACHO, "x86_64", min_os=(10, 9)))
    assert audit([intel], macos(Arch.X86_64, (10, 13))) == ()
    assert told(audit([intel], macos())) == [("error", "E-FIT-MACHINE")]


def test_an_ios_library_does_not_fit_macos() -> None:
    binary = facts(Format.MACHO, "aarch64", signed=True, platform="ios")
    (finding,) = audit([module("pkg/x.abi3.so", binary)], macos())
    assert finding.message == "is built for ios, the target is macos aarch64"


# Windows


@pytest.mark.parametrize(
    ("dll", "expected"),
    [
        ("KERNEL32.dll", []),
        ("api-ms-win-crt-runtime-l1-1-0.dll", []),
        ("VCRUNTIME140_1.dll", []),
        ("python312.dll", []),
        ("python3.dll", []),
        ("MSVCP140.dll", [("note", "E-FIT-REDISTRIBUTABLE")]),
        ("libpq.dll", [("error", "E-FIT-LIBRARY")]),
        ("python311.dll", [("error", "E-FIT-PYTHON")]),
        ("python312_d.dll", [("error", "E-FIT-ABI")]),
        ("python312t.dll", [("error", "E-FIT-ABI")]),
        ("nvcuda.dll", [("note", "E-FIT-DRIVER")]),
        ("VCRUNTIME140D.dll", [("error", "E-FIT-ABI")]),
    ],
)
def test_windows_libraries(dll: str, expected: list[tuple[str, str]]) -> None:
    binary = facts(Format.PE, "x86_64", needed=(dll,))
    assert told(audit([module("pkg/x.cp312-win_amd64.pyd", binary)], windows())) == expected


def test_a_dll_is_found_whatever_its_case_and_wherever_it_lies() -> None:
    binary = facts(Format.PE, "x86_64", needed=("libPQ-abc.dll",))
    library = file("pkg.libs/libpq-ABC.dll", facts(Format.PE, "x86_64"))
    assert audit([module("pkg/x.pyd", binary), library], windows()) == ()


def test_of_two_copies_the_grafted_one_counts() -> None:
    """PyTables ships a raw libblosc2.dll, and beside it the one that delvewheel fitted and that is loaded."""
    extension = module("tables/x.pyd", facts(Format.PE, "x86_64", needed=("libblosc2.dll",)))
    raw = file("tables/libblosc2.dll", facts(Format.PE, "x86_64", needed=("lz4.dll",)))
    grafted = file("tables.libs/libblosc2.dll", facts(Format.PE, "x86_64"))
    for files in ([extension, raw, grafted], [grafted, raw, extension]):
        (finding,) = audit(files, windows())
        assert (finding.severity, finding.path) == (Severity.WARNING, "tables/libblosc2.dll")


def test_windows_module_for_another_cpu_or_python() -> None:
    arm = module("pkg/x.cp312-win_arm64.pyd", facts(Format.PE, "aarch64"))
    assert audit([arm], windows(Arch.AARCH64)) == ()
    (finding,) = audit([arm], windows())
    assert finding.code == "E-FIT-MODULE"
    assert "built for aarch64" in finding.message


# Android, iOS, WebAssembly


def test_mobile_and_web_targets() -> None:
    android = Target(os=Os.ANDROID, arch=Arch.AARCH64, python=Python(minor=13), os_version=(24, 0))
    good = elf_facts(
        "aarch64", libc="bionic", platform="android", min_os=(24, 0), needed=("libc.so", "libpython3.13.so")
    )
    assert audit([module("x.cpython-313-aarch64-linux-android.so", good)], android) == ()
    new = elf_facts("aarch64", libc="bionic", platform="android", min_os=(30, 0))
    assert told(audit([module("x.abi3.so", new)], android)) == [("error", "E-FIT-OS-VERSION")]
    gnu = elf_facts("aarch64", versions=(("libc.so.6", "GLIBC_2.17", ""),))
    assert told(audit([module("x.abi3.so", gnu)], android)) == [("error", "E-FIT-LIBC")]
    pyodide = Target(os=Os.EMSCRIPTEN, arch=Arch.WASM32, python=Python(minor=13), os_version=(2025, 0))
    wasm = facts(Format.WASM, "wasm32")
    assert audit([file("x.cpython-313-wasm32-emscripten.so", wasm)], pyodide) == ()
    ios = Target(os=Os.IOS, arch=Arch.AARCH64, python=Python(minor=13), os_version=(13, 0))
    apple = facts(Format.MACHO, "aarch64", platform="ios", signed=True, min_os=(13, 0))
    assert audit([module("x.cpython-313-iphoneos.so", apple)], ios) == ()


# The whole


def test_findings_are_ordered_told_once_and_json_ready() -> None:
    files = [
        module(f"b/x.{GNU}", elf_facts(needed=("libcuda.so.1", "libz9.so")), package="b"),
        module(f"a/x.{GNU}", elf_facts(needed=("liby.so", "liby.so")), package="a"),
    ]
    findings = audit(files, linux())
    assert findings == audit(list(reversed(files)), linux())
    assert [(one.package, one.library) for one in findings] == [
        ("a", "liby.so"),
        ("b", "libz9.so"),
        ("b", "libcuda.so.1"),
    ]
    first = json.loads(json.dumps(findings[0].to_json()))
    assert first["severity"] == "error"
    assert first["path"] == f"a/x.{GNU}"
    assert str(findings[0]).startswith(f"a/x.{GNU}: needs liby.so")


def test_files_survive_the_store() -> None:
    one = module(f"b/x.{GNU}", elf_facts(versions=(("libc.so.6", "GLIBC_2.17", "f"),), rpath=("$ORIGIN",)))
    assert AuditFile.from_json(json.loads(json.dumps(one.to_json()))) == one
    with pytest.raises(InspectError):
        AuditFile.from_json({"path": "x"})


def test_linux_without_a_floor_promises_the_oldest_glibc() -> None:
    target = Target(os=Os.LINUX, arch=Arch.X86_64, python=Python(minor=12))
    binary = elf_facts(versions=(("libc.so.6", "GLIBC_2.17", "f"),), needed=("libc.so.6",))
    assert told(audit([module(f"x.{GNU}", binary)], target)) == [("error", "E-FIT-VERSION")]
    assert LibcKind.GLIBC.value == "glibc"
