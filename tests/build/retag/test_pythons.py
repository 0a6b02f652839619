"""Python and ABI tags: kept where the modules bear them out, corrected where they tell better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf, extension
from tests.build.retag.made import X86, needs, retagged, tag
from tests.inspect.builders import macho, pe

from crossdock.errors import RetagError

if TYPE_CHECKING:
    from pathlib import Path

LINUX = "manylinux_2_17_x86_64"
GLIBC = needs("GLIBC_2.17")
STABLE, UNSTABLE = "PyModule_Create2", "_PyUnicode_Ready"


def _module(*imports: str) -> bytes:
    return extension("x86_64", versions=GLIBC, imports=imports or (STABLE,))


@pytest.mark.parametrize(
    ("files", "claimed", "true"),
    [
        ({f"demo/m{X86}": _module()}, "cp311-cp311", "cp311-cp311"),
        ({f"demo/m{X86}": _module()}, "cp312-cp312", "cp311-cp311"),
        ({f"demo/m{X86}": _module()}, "cp311-none", "cp311-cp311"),
        ({f"demo/m{X86}": _module()}, "py3-none", "cp311-cp311"),
        ({f"demo/m{X86}": _module()}, "cp39-abi3", "cp311-cp311"),
        ({"demo/m.abi3.so": _module()}, "cp39-abi3", "cp39-abi3"),
        ({"demo/m.abi3.so": _module()}, "cp36-abi3", "cp36-abi3"),
        ({"demo/m.abi3.so": _module()}, "cp311-cp311", "cp311-cp311"),
        # The stable ABI has PyErr_GetRaisedException since 3.12.
        ({"demo/m.abi3.so": _module(STABLE, "PyErr_GetRaisedException")}, "cp39-abi3", "cp312-abi3"),
        ({"demo/m.abi3.so": _module(STABLE, "PyErr_GetRaisedException")}, "py3-none", "cp312-abi3"),
        ({"demo/m.cpython-313t-x86_64-linux-gnu.so": _module()}, "cp313-cp313", "cp313-cp313t"),
        (
            {f"demo/m{X86}": _module(), "demo/m.cpython-312-x86_64-linux-gnu.so": _module()},
            "cp311-cp311",
            "cp311-cp311",
        ),
        (
            {f"demo/m{X86}": _module(), "demo/m.cpython-312-x86_64-linux-gnu.so": _module()},
            "py3-none",
            "cp311.cp312-cp311.cp312",
        ),
        ({"demo/m.pypy310-pp73-x86_64-linux-gnu.so": _module()}, "pp310-pypy310_pp73", "pp310-pypy310_pp73"),
        ({"demo/m.so": _module()}, "cp27-cp27mu", "cp27-cp27mu"),
        ({"demo/x.so": elf("x86_64", versions=GLIBC)}, "py3-none", "py3-none"),
        ({"demo/x.so": elf("x86_64", versions=GLIBC)}, "py2.py3-none", "py2.py3-none"),
    ],
)
def test_linux(tmp_path: Path, files: dict[str, bytes | str], claimed: str, true: str) -> None:
    done = retagged(tmp_path, files, f"{claimed}-{LINUX}")
    assert tag(done) == f"{true}-{LINUX}"
    assert (done.content is None) is (claimed == true)
    if claimed != true:
        assert any(f"`{claimed}` is not true" in one for one in done.notes)


@pytest.mark.parametrize(
    ("name", "dll", "claimed", "true"),
    [
        ("demo/m.pyd", "python311.dll", "cp39-abi3", "cp311-cp311"),
        ("demo/m.pyd", "python3.dll", "cp39-abi3", "cp39-abi3"),
        ("demo/m.pyd", "python311.dll", "cp312-cp312", "cp311-cp311"),
        ("demo/m.cp313t-win_amd64.pyd", "python313t.dll", "cp313-cp313", "cp313-cp313t"),
    ],
)
def test_windows_tells_by_the_dll(tmp_path: Path, name: str, dll: str, claimed: str, true: str) -> None:
    done = retagged(tmp_path, {name: pe(dlls=(dll,), exports=("PyInit_m",))}, f"{claimed}-win_amd64")
    assert tag(done) == f"{true}-win_amd64"


def test_a_module_of_the_stable_abi_that_uses_more_may_be_of_any_python(tmp_path: Path) -> None:
    with pytest.raises(RetagError, match="nothing tells which Python") as caught:
        retagged(tmp_path, {"demo/m.abi3.so": _module(UNSTABLE)}, f"cp39-abi3-{LINUX}")
    assert caught.value.code == "E-RETAG-PYTHON"
    assert f"demo/m.abi3.so needs {UNSTABLE}, which is not of the stable ABI" in caught.value.places[0]


def test_its_maker_may_know(tmp_path: Path) -> None:
    done = retagged(
        tmp_path, {"demo/m.abi3.so": _module(UNSTABLE)}, f"cp39-abi3-{LINUX}", f"cp311-cp311-{LINUX}"
    )
    assert tag(done) == f"cp311-cp311-{LINUX}"


@pytest.mark.parametrize("wish", ["cp39-abi3", "cp312-cp312", "py3-none"])
def test_a_wish_for_another_python_is_not_true(tmp_path: Path, wish: str) -> None:
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, {f"demo/m{X86}": _module()}, f"cp311-cp311-{LINUX}", f"{wish}-{LINUX}")
    assert caught.value.code == "E-RETAG-UNTRUE"
    assert any(f"m{X86}" in place for place in caught.value.places)


def test_mach_o_modules_of_the_stable_abi_are_taken_at_their_word(tmp_path: Path) -> None:
    files = {"demo/m.abi3.so": macho(names=b"\0_PyInit_m\0_PyModule_Create2\0")}
    assert retagged(tmp_path, files, "cp39-abi3-macosx_11_0_arm64").content is None
    with pytest.raises(RetagError) as caught:
        retagged(tmp_path, files, "py3-none-macosx_11_0_arm64")
    assert "--to cp312-cp312-macosx_11_0_arm64" in (caught.value.hint or "")
