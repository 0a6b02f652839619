"""The Python that a function is tried with: this machine's own for its CPU, another CPU's under qemu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import BuildError, CrossdockError, TrialError
from crossdock.target.model import Implementation, LibcKind, Os
from crossdock.target.words import WORDS
from crossdock.trial.root import ROOT, SYSTEM, foreign_root, is_whole, note_files

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.target.model import Target
    from crossdock.trial.means import TrialMeans

#: Whose C library a Python that uv brings runs with: the newest settled one, which serves all that is older.
_NEWEST = "trixie"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPython:
    """How a Python of the target's minor version and CPU is started: `command`, and arguments behind it.

    `how` is `native` or `qemu`; `note` says in words what of it is not as in the target.
    """

    command: tuple[str, ...]
    how: str
    note: str


def python_for(target: Target, means: TrialMeans) -> TrialPython:
    """Return the Python for a target.

    Raise `TrialError`: E-TRIAL-TARGET for a target that is not CPython on Linux with glibc, E-TRIAL-QEMU without
    qemu, E-TRIAL-PYTHON where no such Python can be had.
    """
    arch = str(target.arch)
    if (
        target.os is not Os.LINUX
        or target.libc is None
        or target.libc.kind is not LibcKind.GLIBC
        or target.python.implementation is not Implementation.CPYTHON
    ):
        raise TrialError(
            f"no function can be tried for {target.name or target.key}",
            code="E-TRIAL-TARGET",
            hint="AWS's runtimes for Python run on Linux with glibc",
        )
    reasons: list[str] = []
    if means.host == ("linux", arch):
        try:
            python = means.python_for(target.python.version)
        except BuildError as error:
            reasons += [f"this machine: no Python {target.python.short}", *error.places]
        else:
            return TrialPython(
                command=(python,),
                how="native",
                note="tried with this machine's Python and C library, which may be newer than the runtime's",
            )
    return _emulated(target, arch, means, reasons)


def _emulated(target: Target, arch: str, means: TrialMeans, reasons: list[str]) -> TrialPython:
    qemu = means.find_program(f"qemu-{arch}-static") or means.find_program(f"qemu-{arch}")
    if qemu is None and reasons:
        raise _no_python(target, arch, reasons)
    if qemu is None:
        raise TrialError(
            f"this machine's CPU is {means.host[1]}, and there is no qemu to run a function for {arch}",
            code="E-TRIAL-QEMU",
            hint=f"install Debian's or Fedora's `qemu-user-static` (`qemu-user` elsewhere), which has `qemu-{arch}`",
        )
    found = _of_debian(target, means, reasons) or _of_uv(target, arch, means, reasons)
    if found is None:
        raise _no_python(target, arch, reasons)
    root, python, what = found
    return TrialPython(
        command=(qemu, "-L", str(root), str(python)),
        how="qemu",
        note=f"tried under qemu with {what}, whose C library is newer than the runtime's: that binaries fit its "
        "glibc is what the audit proves",
    )


def _no_python(target: Target, arch: str, reasons: list[str]) -> TrialError:
    return TrialError(
        f"no Python {target.python.short} for {arch} can be had to try the function with",
        code="E-TRIAL-PYTHON",
        places=reasons,
        hint=f"uv downloads one where it may (`uv python install {target.python.short}`); Debian's archives have 3.9, "
        "3.11 and 3.13 for other CPUs",
    )


def _of_debian(target: Target, means: TrialMeans, reasons: list[str]) -> tuple[Path, Path, str] | None:
    from crossdock.build.target_python.table import debian_suites

    suites = debian_suites(target.python.version)
    if not suites:
        reasons.append(f"Debian: no suite has Python {target.python.short}")
    for suite in suites:
        try:
            root = foreign_root(suite, _packages(target, suite), _debian_arch(target), means)
        except CrossdockError as error:
            reasons.append(f"Debian {suite}: {error.message}")
            continue
        return root, root / "usr" / "bin" / f"python{target.python.short}", f"Debian {suite}'s Python"
    return None


def _packages(target: Target, suite: str) -> tuple[str, ...]:
    from crossdock.ship.image.debian.suites import known_suites, optional_of

    # Parts of the standard library that Debian has in packages of their own are there at AWS, too.
    more = optional_of(suite) if suite in known_suites() else ()
    return (*SYSTEM, f"python{target.python.short}", *more)


def _of_uv(target: Target, arch: str, means: TrialMeans, reasons: list[str]) -> tuple[Path, Path, str] | None:
    name = f"cpython-{target.python.short}-linux-{arch}-gnu"

    def make(work: Path) -> None:
        if means.uv_python(name, work / ROOT) is None:
            raise LookupError(name)
        note_files(work)

    try:
        root = foreign_root(_NEWEST, SYSTEM, _debian_arch(target), means)
    except CrossdockError as error:
        reasons.append(f"Debian {_NEWEST}, for the C library: {error.message}")
        return None
    try:
        below = means.store.tree("trial-python", name, make, prove=is_whole)
        return root, _found(below / ROOT, target), "uv's Python"
    except LookupError:
        reasons.append(f"uv: cannot get {name}")
    return None


def _found(directory: Path, target: Target) -> Path:
    """Return the interpreter of what uv unpacked: links to it may be absolute, it is not."""
    found = sorted(directory.glob(f"cpython-*/bin/python{target.python.short}"))
    if not found:
        raise LookupError(str(directory))
    return found[0]


def _debian_arch(target: Target) -> str:
    return WORDS[target.arch].debian or str(target.arch)
