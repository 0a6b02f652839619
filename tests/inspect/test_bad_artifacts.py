"""What other tools ship today, made by them and judged: exit status 0 there, findings here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.inspect.builders import linux

from crossdock.contents.read import read_contents
from crossdock.contents.verify import verify
from crossdock.inspect.audit import Severity
from crossdock.target.model import Arch, Python

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.contents.verify import Verdict

HERE = Python(minor=sys.version_info.minor)


def run(*command: str) -> None:
    """Run a peer; what it cannot make here cannot be judged, and the reason is told."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"COULD NOT BE MADE HERE: {' '.join(command[:4])}: {done.stderr.strip()[-300:]}")


def uv() -> str:
    from uv import find_uv_bin

    return find_uv_bin()


def errors(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [
        (one.code, one.package, one.message) for one in verdict.findings if one.severity is Severity.ERROR
    ]


needs_host_compiler = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("gcc") is None,
    reason="NO LINUX HOST WITH A C COMPILER: the peers' host builds cannot be made",
)


@needs_host_compiler
@pytest.mark.index
@pytest.mark.slow
def test_uv_installs_a_glibc_module_for_musl(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    run(uv(), "pip", "install", "--python", sys.executable, "--target", str(tree),
        "--python-platform", "x86_64-unknown-linux-musl", "netifaces")  # fmt: skip
    verdict = verify(read_contents(tree), linux(libc="musl1.2", python=HERE))
    ((code, package, message),) = errors(verdict)
    assert (code, package) == ("E-FIT-MODULE", "netifaces")
    assert "linux-musl.so" in message
    assert "built for glibc" in message
    assert "E-FIT-TAG" in {one.code for one in verdict.findings}


@needs_host_compiler
@pytest.mark.index
@pytest.mark.slow
def test_uv_builds_for_a_newer_glibc_than_it_was_asked_for(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    run(uv(), "pip", "install", "--python", sys.executable, "--no-deps", "--no-binary", "contourpy",
        "--target", str(tree), "--python-platform", "x86_64-manylinux_2_17", "contourpy")  # fmt: skip
    found = errors(verify(read_contents(tree), linux(libc="glibc2.17", python=HERE)))
    assert {code for code, _, _ in found} == {"E-FIT-VERSION"}
    assert {package for _, package, _ in found} == {"contourpy"}
    assert any(message.startswith("needs GLIBC_2.") for _, _, message in found)


@needs_host_compiler
@pytest.mark.index
@pytest.mark.slow
def test_pex_ships_the_host_s_module_for_another_machine(tmp_path: Path) -> None:
    out = tmp_path / "n.pex"
    run(sys.executable, "-m", "pex", "netifaces", "--platform", "manylinux2014_aarch64-cp-312-cp312",
        "--pip-version", "25.3", "-o", str(out))  # fmt: skip
    found = errors(verify(read_contents(out), linux(Arch.AARCH64)))
    ((code, package, message),) = found
    assert (code, package) == ("E-FIT-MODULE", "netifaces")
    assert "built for x86_64, the target is linux aarch64" in message


@needs_host_compiler
@pytest.mark.index
@pytest.mark.slow
def test_pip_leaves_libpq_behind(tmp_path: Path) -> None:
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-binary",
        "psycopg2",
        "psycopg2",
        "-w",
        str(tmp_path),
    )
    (wheel,) = tmp_path.glob("*.whl")
    found = errors(verify(read_contents(wheel), linux(libc="glibc2.99", python=HERE)))
    assert ("E-FIT-LIBRARY", "psycopg2") in {(code, package) for code, package, _ in found}
    assert any("libpq.so.5" in message for _, _, message in found)


@needs_host_compiler
def test_a_module_with_an_unbundled_library(tmp_path: Path) -> None:
    """psycopg2's fault without psycopg2: a real linker, a real DT_NEEDED."""
    pq, module = tmp_path / "libpq.so.5", tmp_path / "tree" / "psycopg2" / "_psycopg.abi3.so"
    module.parent.mkdir(parents=True)
    (tmp_path / "pq.c").write_text("int PQconnectdb(void) { return 1; }\n")
    (tmp_path / "m.c").write_text(
        "int PQconnectdb(void); int PyInit__psycopg(void) { return PQconnectdb(); }\n"
    )
    compile_shared = ["gcc", "-shared", "-fPIC"]
    subprocess.run(
        [*compile_shared, "-Wl,-soname,libpq.so.5", str(tmp_path / "pq.c"), "-o", str(pq)], check=True
    )
    subprocess.run([*compile_shared, str(tmp_path / "m.c"), str(pq), "-o", str(module)], check=True)
    ((code, _, message),) = errors(verify(read_contents(tmp_path / "tree"), linux(libc="glibc2.99")))
    assert (code, message) == (
        "E-FIT-LIBRARY",
        "needs libpq.so.5, which is neither shipped nor in the target's base",
    )
    shutil.copy(pq, module.parent)
    assert errors(verify(read_contents(tmp_path / "tree"), linux(libc="glibc2.99"))) == []
