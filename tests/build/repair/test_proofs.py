"""What is refused: binaries for the host, silent fallbacks, leaks, broken metadata; and what is put right and told."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from tests.build.repair.elves import elf, extension
from tests.build.repair.made import SUFFIX, job, members, repaired
from tests.inspect.builders import macho, pe
from tests.support.wheels import make_record, wheel_files, zip_bytes

from crossdock.build.repair import hashes_below, repair
from crossdock.errors import ArchiveError, BuildError

if TYPE_CHECKING:
    from pathlib import Path

_GOOD: dict[str, bytes | str] = {f"demo/m{SUFFIX}": extension()}


def _refused(*arguments: Any, **more: Any) -> BuildError:
    with pytest.raises(BuildError) as caught:
        repaired(*arguments, **more)
    return caught.value


def _ar(*members_: bytes) -> bytes:
    found = b"!<arch>\n"
    for number, content in enumerate(members_):
        found += f"{f'm{number}.o/':16}{0:<12}{0:<6}{0:<6}{'644':8}{len(content):<10}`\n".encode()
        found += content + b"\n" * (len(content) % 2)
    return found


# Machines


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (f"demo/n{SUFFIX}", extension("x86_64", "n"), "Linux on x86_64"),
        ("demo.libs/libx.so.1", elf("x86_64"), "Linux on x86_64"),
        ("demo-1.0.data/scripts/tool", elf("x86_64"), "Linux on x86_64"),
        ("demo-1.0.data/data/share/helper", elf("s390x"), "Linux on s390x"),
        ("demo/x.dylib", macho("aarch64"), "macOS on aarch64"),
        ("demo/x.dll", pe(0x8664), "Windows on x86_64"),
        ("demo/lib.a", _ar(b"names", elf("x86_64")), "Linux on x86_64"),
        ("demo/x.so", elf(needed=("libc.so",)), "built for musl"),
        ("demo/x.so", extension("aarch64")[:200], "is broken"),
    ],
)
def test_a_binary_that_is_not_for_the_target_is_named(
    tmp_path: Path, name: str, content: bytes | str, said: str
) -> None:
    error = _refused(tmp_path, {**_GOOD, name: content})
    assert error.code == "E-BUILD-HOST-BINARY"
    assert len(error.places) == 1
    assert error.places[0].startswith(name)
    assert said in error.places[0]


def test_static_libraries_and_data_of_the_target_are_fine(tmp_path: Path) -> None:
    files = {
        **_GOOD,
        "demo/lib.a": _ar(b"names", elf()),
        "demo/thin.a": b"!<thin>\nx",
        "demo/x.wasm": b"\0asm\1\0\0\0",
    }
    assert repaired(tmp_path, files).report.findings == ()


def test_a_foreign_binary_of_the_source_is_goods_and_is_told_of(tmp_path: Path) -> None:
    launcher = pe(0x8664)
    shipped = frozenset({sha256(launcher).hexdigest()})
    done = repaired(tmp_path, {**_GOOD, "demo/launcher.exe": launcher}, shipped=shipped)
    assert [(one.code, one.path) for one in done.report.findings] == [("E-FIT-MACHINE", "demo/launcher.exe")]


# Native code


def test_a_silent_fall_back_to_pure_python_is_refused(tmp_path: Path) -> None:
    error = _refused(tmp_path, {"demo/__init__.py": ""}, tag="py3-none-any")
    assert error.code == "E-BUILD-FELL-BACK"
    assert error.places == ("demo/m.c",)
    assert "pure = true" in (error.hint or "")


def test_prebuilt_goods_are_no_proof_of_a_build(tmp_path: Path) -> None:
    content = elf()
    shipped = frozenset({sha256(content).hexdigest()})
    error = _refused(tmp_path, {"demo/prebuilt.so": content}, shipped=shipped)
    assert error.code == "E-BUILD-FELL-BACK"


def test_a_tag_for_a_platform_is_evidence_too(tmp_path: Path) -> None:
    error = _refused(tmp_path, {"demo/__init__.py": ""}, native_evidence=())
    assert error.code == "E-BUILD-FELL-BACK"
    assert error.places == ("its wheel is tagged for linux_aarch64",)


@pytest.mark.parametrize(
    ("tag", "wanted"), [("py3-none-any", "py3-none-any"), ("cp311-cp311-linux_aarch64", "cp311-none-any")]
)
def test_a_pure_wheel_is_fine_where_it_is_meant(tmp_path: Path, tag: str, wanted: str) -> None:
    done = repaired(tmp_path, {"demo/__init__.py": ""}, tag=tag, pure=True)
    assert done.report.tags == (wanted,)
    assert b"Root-Is-Purelib: true\n" in members(done)["demo-1.0.dist-info/WHEEL"]


def test_without_evidence_a_pure_wheel_stays_what_it_is(tmp_path: Path) -> None:
    done = repaired(tmp_path, {"demo/__init__.py": ""}, tag="py2.py3-none-any", native_evidence=())
    assert done.wheel.filename == "demo-1.0-py2.py3-none-any.whl"


@pytest.mark.parametrize(("given_up", "told"), [("demo._opt", True), ("demo.m", False)])
def test_a_module_that_the_build_went_on_without_is_told(tmp_path: Path, given_up: str, told: bool) -> None:
    found = repaired(tmp_path, _GOOD, given_up=(given_up,)).report.findings
    assert [(one.code, given_up in one.message) for one in found] == [("E-BUILD-LEFT-OUT", True)] * told


def test_requirements_that_follow_another_os_name_are_told(tmp_path: Path) -> None:
    found = repaired(tmp_path, _GOOD, own_os_name=True).report.findings
    assert [one.code for one in found] == ["E-BUILD-OS-NAME"]


# Tags of Python


@pytest.mark.parametrize(
    "tag",
    ["py3-none-any", "cp311-cp311-linux_x86_64", "py3-none-linux_x86_64", "pp39-pypy39_pp73-linux_x86_64"],
)
def test_modules_make_the_wheel_one_of_the_targets_python(tmp_path: Path, tag: str) -> None:
    done = repaired(tmp_path, _GOOD, tag=tag)
    assert done.report.tags == ("cp311-cp311-manylinux_2_17_aarch64",)
    assert b"Root-Is-Purelib: false\n" in members(done)["demo-1.0.dist-info/WHEEL"]


@pytest.mark.parametrize("tag", ["py3-none-linux_x86_64", "py2.py3-none-any"])
def test_libraries_alone_need_no_certain_python(tmp_path: Path, tag: str) -> None:
    done = repaired(tmp_path, {"demo/libx.so": elf()}, tag=tag)
    python = tag.partition("-")[0]
    assert done.wheel.filename == f"demo-1.0-{python}-none-manylinux_2_17_aarch64.whl"


@pytest.mark.parametrize("name", ["demo/m.abi3.so", "demo/m.so"])
def test_the_stable_abi_is_kept_where_it_is_claimed_and_true(tmp_path: Path, name: str) -> None:
    done = repaired(tmp_path, {name: extension()}, tag="cp38-abi3-linux_x86_64")
    assert done.report.tags == ("cp38-abi3-manylinux_2_17_aarch64",)
    assert done.report.findings == ()


@pytest.mark.parametrize(
    ("name", "imports", "why"),
    [
        (f"demo/m{SUFFIX}", ("PyModule_Create2",), "named for one Python"),
        ("demo/m.abi3.so", ("_PyLong_AsByteArray",), "_PyLong_AsByteArray"),
    ],
)
def test_a_stable_abi_that_is_not_true_is_corrected_and_told(
    tmp_path: Path, name: str, imports: tuple[str, ...], why: str
) -> None:
    done = repaired(tmp_path, {name: extension(imports=imports)}, tag="cp38-abi3-linux_x86_64")
    assert done.report.tags == ("cp311-cp311-manylinux_2_17_aarch64",)
    assert why in done.report.findings[0].message


def test_the_stable_abi_of_a_later_python_raises_the_tag(tmp_path: Path) -> None:
    # PyType_GetModule is of 3.10, by CPython's stable_abi.toml.
    done = repaired(
        tmp_path, {"demo/m.abi3.so": extension(imports=("PyType_GetModule",))}, tag="cp38-abi3-linux_x86_64"
    )
    assert done.report.tags == ("cp310-abi3-manylinux_2_17_aarch64",)


def test_a_free_threaded_python_takes_its_own_wheels(tmp_path: Path) -> None:
    from crossdock.target.model import Python
    from crossdock.target.names import parse_target

    free = parse_target("manylinux_2_28_aarch64", default_python=Python(minor=13, free_threaded=True))
    done = repaired(
        tmp_path,
        {"demo/m.cpython-313t-aarch64-linux-gnu.so": extension()},
        free,
        tag="cp313-cp313-linux_x86_64",
    )
    assert done.report.tags == ("cp313-cp313t-manylinux_2_17_aarch64",)


def test_windows_tells_the_stable_abi_by_the_dll(tmp_path: Path) -> None:
    files = {"demo/m.pyd": pe(dlls=("python3.dll",), exports=("PyInit_m",))}
    kept = repaired(tmp_path / "a", files, "windows/amd64", tag="cp38-abi3-win_amd64")
    assert kept.report.tags == ("cp38-abi3-win_amd64",)
    files = {"demo/m.pyd": pe(dlls=("python311.dll",), exports=("PyInit_m",))}
    done = repaired(tmp_path / "b", files, "windows/amd64", tag="cp38-abi3-win_amd64")
    assert done.report.tags == ("cp311-cp311-win_amd64",)


def test_a_wheel_for_another_python_is_refused(tmp_path: Path) -> None:
    assert _refused(tmp_path, {"demo/libx.so": elf()}, tag="cp312-cp312-linux_aarch64").code == "E-BUILD-TAG"


# Names of modules


def test_a_module_named_for_the_host_is_renamed_if_it_is_the_targets(tmp_path: Path) -> None:
    done = repaired(tmp_path, {"demo/m.cpython-311-x86_64-linux-gnu.so": extension()})
    assert f"demo/m{SUFFIX}" in members(done)
    assert "demo/m.cpython-311-x86_64-linux-gnu.so" not in members(done)
    assert [one.path for one in done.report.findings] == [f"demo/m{SUFFIX}"]


@pytest.mark.parametrize(
    "name", ["demo/m.cpython-312-aarch64-linux-gnu.so", "demo/m.cpython-311t-x86_64-linux-gnu.so"]
)
def test_a_module_for_another_python_is_refused(tmp_path: Path, name: str) -> None:
    error = _refused(tmp_path, {name: extension()})
    assert error.code == "E-BUILD-MODULE"
    assert error.places == (name,)


def test_a_renamed_module_takes_nobodys_place(tmp_path: Path) -> None:
    files = {"demo/m.cpython-311-x86_64-linux-gnu.so": extension(), f"demo/m{SUFFIX}": extension()}
    assert _refused(tmp_path, files).code == "E-BUILD-MODULE"


# The audit


def test_a_module_for_a_free_threaded_python_does_not_fit(tmp_path: Path) -> None:
    error = _refused(tmp_path, {f"demo/m{SUFFIX}": extension(imports=("PyUnstable_Module_SetGIL",))})
    assert error.code == "E-BUILD-UNFIT"
    assert "free-threaded" in error.places[0]


def test_a_missing_dll_is_a_missing_library(tmp_path: Path) -> None:
    files = {"demo/m.pyd": pe(dlls=("python311.dll", "libfoo-1.dll"), exports=("PyInit_m",))}
    error = _refused(tmp_path, files, "windows/amd64", tag="cp311-cp311-win_amd64")
    assert error.code == "E-BUILD-LIBRARY"
    assert "libfoo-1.dll" in error.places[0]


# Leaks

_SECRET = "/var/tmp/crossdock-build-x7/src"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"demo/m{SUFFIX}", extension(extra=_SECRET.encode() + b"/m.c\0")),
        ("demo/config.py", f"HERE = {_SECRET!r}\n"),
        ("demo/resource.bin", _SECRET.encode("utf-16-le")),
        ("demo-1.0.dist-info/direct_url.json", f'{{"url": "file://{_SECRET}"}}'),
    ],
)
def test_a_path_of_the_builder_is_refused_wherever_it_is(
    tmp_path: Path, name: str, content: bytes | str
) -> None:
    error = _refused(tmp_path, {**_GOOD, name: content}, forbidden=(_SECRET, "other"))
    assert error.code == "E-BUILD-LEAK"
    assert error.places == (f"{name} has `{_SECRET}`",)


def test_a_search_path_of_the_builder_is_taken_out(tmp_path: Path) -> None:
    content = extension(runpath=f"{_SECRET}/lib:$ORIGIN/../demo", rpath=f"{_SECRET}/old")
    done = repaired(tmp_path, {f"demo/m{SUFFIX}": content}, forbidden=(_SECRET,))
    assert _SECRET.encode() not in members(done)[f"demo/m{SUFFIX}"]


def test_what_stands_in_the_source_tells_nothing(tmp_path: Path) -> None:
    text = f"example: {_SECRET}\n"
    shipped = frozenset({sha256(text.encode()).hexdigest()})
    repaired(tmp_path, {**_GOOD, "demo/readme": text}, forbidden=(_SECRET,), shipped=shipped)


def test_directories_that_every_machine_has_tell_nothing(tmp_path: Path) -> None:
    repaired(tmp_path, {**_GOOD, "demo/x.py": "HOME = '/root'\n"}, forbidden=("/root", "/", ""))


# Metadata, and what is left out


@pytest.mark.parametrize("line", ["Requires-Dist: ???\n", "Requires-Python: three\n"])
def test_metadata_that_installers_read_must_be_valid(tmp_path: Path, line: str) -> None:
    error = _refused(tmp_path, _GOOD, metadata=line)
    assert error.code == "E-BUILD-METADATA"
    assert len(error.places) == 1


def test_other_metadata_is_told_of(tmp_path: Path) -> None:
    done = repaired(tmp_path, _GOOD, metadata="Description-Content-Type: text/odd\n")
    assert [one.code for one in done.report.findings] == ["E-WHEEL-METADATA"]


def test_another_project_is_refused(tmp_path: Path) -> None:
    assert _refused(tmp_path, _GOOD, name="other").code == "E-BUILD-OTHER-PROJECT"
    assert _refused(tmp_path, _GOOD, version="2.0").code == "E-BUILD-OTHER-PROJECT"
    assert repaired(tmp_path, _GOOD, version=None).wheel.filename.startswith("demo-1.0-")


def test_bytecode_and_signatures_are_left_out(tmp_path: Path) -> None:
    files = {
        **_GOOD,
        "demo/__pycache__/x.cpython-311.pyc": b"1",
        "demo/y.py": "",
        "demo/y.pyc": b"2",
        "demo/only.pyc": b"3",
        "demo-1.0.dist-info/RECORD.jws": b"{}",
    }
    done = repaired(tmp_path, files)
    names = set(members(done))
    assert not names & {"demo/__pycache__/x.cpython-311.pyc", "demo/y.pyc", "demo-1.0.dist-info/RECORD.jws"}
    assert {"demo/y.py", "demo/only.pyc"} <= names
    assert [(one.code, one.path) for one in done.report.findings] == [("E-BUILD-BYTECODE", "demo/only.pyc")]


def test_a_wheel_whose_record_is_wrong_is_no_wheel(tmp_path: Path) -> None:
    files = wheel_files(tag="cp311-cp311-linux_aarch64", files=_GOOD)
    files[f"demo/m{SUFFIX}"] = extension(name="x")
    wheel = tmp_path / "demo-1.0-cp311-cp311-linux_aarch64.whl"
    wheel.write_bytes(zip_bytes(files))
    with pytest.raises(ArchiveError):
        repair(wheel, job())


def test_wheel_says_who_generated_it_and_its_build_and_nothing_of_releases(tmp_path: Path) -> None:
    files = wheel_files(tag="cp311-cp311-linux_aarch64", files=_GOOD)
    name = "demo-1.0.dist-info/WHEEL"
    files[name] = (
        b"Wheel-Version: 1.0\r\nGenerator: setuptools (84.2.0)\r\nRoot-Is-Purelib: true\r\nTag: cp311-cp311-linux_aarch64\r\nBuild: 7\r\n\r\n"
    )
    files["demo-1.0.dist-info/RECORD"] = make_record(files, "demo-1.0.dist-info")
    wheel = tmp_path / "demo-1.0-7-cp311-cp311-linux_aarch64.whl"
    wheel.write_bytes(zip_bytes(files))
    done = repair(wheel, job())
    assert done.wheel.filename == "demo-1.0-7-cp311-cp311-manylinux_2_17_aarch64.whl"
    assert members(done)[name] == (
        b"Wheel-Version: 1.0\nGenerator: setuptools\nRoot-Is-Purelib: false\n"
        b"Tag: cp311-cp311-manylinux_2_17_aarch64\nBuild: 7\n"
    )


def test_how_it_was_made_lies_in_the_wheel(tmp_path: Path) -> None:
    done = repaired(tmp_path, _GOOD, provenance={"z": [1], "a": {"ü": None}})
    text = members(done)["demo-1.0.dist-info/crossdock-build.json"].decode()
    assert text == '{\n "a": {\n  "ü": null\n },\n "z": [\n  1\n ]\n}\n'


def test_a_static_library_cut_off_is_no_error(tmp_path: Path) -> None:
    cut = {
        "demo/a.a": b"!<arch>\n" + bytes(7),
        "demo/b.a": _ar(elf())[:100],
        "demo/c.a": _ar(elf()).replace(b"`\n", b"x\n"),
    }
    assert repaired(tmp_path, {**_GOOD, **cut}).report.findings == ()


def test_what_the_source_holds_is_known_by_its_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "x.exe").write_bytes(pe(0x8664))
    (source / "link").symlink_to("/etc/passwd")
    done = repaired(tmp_path, {**_GOOD, "demo/renamed.bin": pe(0x8664)}, shipped=hashes_below(source))
    assert [one.path for one in done.report.findings] == ["demo/renamed.bin"]
    assert hashes_below(source) == {sha256(pe(0x8664)).hexdigest()}
