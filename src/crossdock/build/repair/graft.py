"""Libraries taken into the wheel: those that the target's policy does not promise, from the sysroot alone.

What auditwheel does, with another judge: the policy is that of the target's floor (PEP 600, PEP 656), and nothing of
this machine is looked at. A library gets a name of its own by its content, so that two wheels with two versions of
it can be loaded into one process.
"""

from __future__ import annotations

import posixpath
import re
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.build.canonical import WheelMember
from crossdock.build.repair.elfpatch import patched
from crossdock.build.repair.job import Grafted
from crossdock.build.repair.places import Place, place_of, relative_rpath
from crossdock.build.repair.promises import Promises
from crossdock.build.repair.sysrooted import Libraries, Library
from crossdock.errors import BuildError
from crossdock.inspect.facts import Kind
from crossdock.inspect.policy import system_package_of
from crossdock.inspect.shipment import machines_for
from crossdock.target.model import Os

if TYPE_CHECKING:
    from crossdock.build.repair.job import RepairJob
    from crossdock.build.repair.survey import Contents, Found, Survey

_LIBPYTHON = re.compile(r"libpython3[\w.]*\.so(\..*)?")
_HASH = 8


def graft(survey: Survey, contents: Contents, job: RepairJob) -> tuple[Grafted, ...]:
    """Bring every needed library that is not promised into the wheel, and set where its binaries look for them.

    Raises `BuildError` (E-BUILD-LIBRARY) for those that are nowhere. For systems other than Linux nothing is done.
    """
    if job.target.os is not Os.LINUX:
        return ()
    work = _Graft(survey, contents, job)
    for one in sorted(survey.native(), key=lambda one: one.name):
        work.serve(one)
    work.refuse_missing()
    return work.finish()


class _Graft:
    """One wheel's grafts: what was taken, under which name, and what could not be found."""

    def __init__(self, survey: Survey, contents: Contents, job: RepairJob) -> None:
        self.survey, self.contents, self.job = survey, contents, job
        machines = machines_for(job.target)
        self.libraries = None if job.sysroot is None else Libraries(job.sysroot, machines)
        self.promises = Promises(job.target, survey.shipment, self.libraries)
        self.taken: dict[str, tuple[Library, str]] = {}
        self.roots: dict[str, set[str]] = {}
        self.missing: list[tuple[str, str]] = []
        #: The wheel's own libraries: by root and file name, and all their paths below their roots.
        self.own: dict[tuple[str, str], str] = {}
        self.paths: set[tuple[str, str]] = set()
        for place in sorted((place_of(one.name) for one in survey.native()), key=lambda place: place.inner):
            self.own.setdefault((place.root, posixpath.basename(place.inner)), place.inner)
            self.paths.add((place.root, place.inner))

    def serve(self, one: Found) -> None:
        """Give one binary of the wheel its libraries: replace names, add to its search path."""
        image = one.image
        if image is None:
            return
        place = place_of(one.name)
        rpath = relative_rpath(image.rpath, place)
        replace: dict[str, str] = {}
        remove, taken = [], set()
        for library in image.needed:
            base = posixpath.basename(library)
            beside = self._in_wheel(base, place)
            if beside is not None:
                if base != library:
                    replace[library] = base
                if not self._reaches(place, rpath, base):
                    rpath.append(place.to(posixpath.dirname(beside)))
            elif _LIBPYTHON.fullmatch(base) and one.file.binary.kind is Kind.SHARED:
                # PEP 513: the interpreter has these symbols itself, and a static one has no such library.
                remove.append(library)
            elif not self.promises.keep(base, image) and not self._beside(place, rpath, base):
                new = self._take(base, one.name)
                if new is not None:
                    replace[library] = new
                    taken.add(new)
        if taken:
            place = self._shimmed(one, place)
            self.roots.setdefault(place.root, set()).update(taken)
            rpath.append(place.to(self._directory()))
        self._write(one, place, rpath, replace, remove)

    def _write(
        self, one: Found, place: Place, rpath: list[str], replace: dict[str, str], remove: list[str]
    ) -> None:
        image = one.image
        wanted = list(dict.fromkeys(rpath))
        if image is None or (not replace and not remove and wanted == list(image.rpath)):
            return
        member = self.contents.members[place.member]
        new = patched(
            member.content,
            one.name,
            rpath=None if wanted == list(image.rpath) else ":".join(wanted),
            replace=replace,
            remove=remove,
        )
        self.contents.put(member._replace(content=new))
        for library in remove:
            self.contents.tell("E-FIT-LIBPYTHON", f"was linked to {library}: taken out (PEP 513)", one.name)

    def _in_wheel(self, base: str, place: Place) -> str | None:
        """Return where below the file's root the wheel has a library of that file name."""
        return None if place.is_script else self.own.get((place.root, base))

    def _reaches(self, place: Place, rpath: list[str], base: str) -> bool:
        found = (posixpath.join(place.resolve(entry), base) for entry in rpath)
        return any((place.root, path) in self.paths for path in found)

    def _beside(self, place: Place, rpath: list[str], base: str) -> bool:
        """Whether a library is looked for in another package's directory, and is none of the sysroot."""
        tops = {inner.partition("/")[0] for root, inner in self.paths if root == place.root}
        elsewhere = any(place.resolve(entry).partition("/")[0] not in {*tops, "."} for entry in rpath)
        return elsewhere and not self.promises.in_sysroot(base)

    def _take(self, soname: str, needed_by: str) -> str | None:
        """Take a library of the sysroot, and all that it needs; return its new name, None if it is nowhere."""
        if soname in self.taken:
            return self.taken[soname][1]
        library = self.libraries.find(soname) if self.libraries is not None else None
        if library is None:
            if (soname, needed_by) not in self.missing:
                self.missing.append((soname, needed_by))
            return None
        stem, _, ending = soname.partition(".so")
        new = f"{stem}-{sha256(library.content).hexdigest()[:_HASH]}.so{ending}"
        self.taken[soname] = library, new
        for needed in library.image.needed:
            if not self.promises.keep_for_graft(needed, library.image):
                self._take(needed, f"{soname} of {_owner(library)}")
        return new

    def refuse_missing(self) -> None:
        """Refuse the wheel if a library was not found."""
        if not self.missing:
            return
        places, packages = [], []
        for soname, needed_by in self.missing:
            package = system_package_of("debian", soname)
            packages += [package] if package else []
            places.append(f"{needed_by} needs {soname}" + (f" (Debian's {package})" if package else ""))
        asked = sorted({f'"{name}"' for name in packages}) or ['"PACKAGE"']
        where = (
            "the target" if self.job.sysroot is None else f"the target, and not in {self.job.sysroot.detail}"
        )
        raise BuildError(
            f"`{self.job.what}` was built, and needs libraries that are not promised on {where}",
            code="E-BUILD-LIBRARY",
            places=places,
            hint=f"name the packages that have them: `libraries = [{', '.join(asked)}]` in"
            f" `[tool.crossdock.build.{self.job.name}]`, or give a directory with them by `--sysroot`",
        )

    def _directory(self) -> str:
        return f"{self.contents.name}.libs"

    def _shimmed(self, one: Found, place: Place) -> Place:
        """Move a program out of the scripts, whose place is not known, and put one there that starts it."""
        if not place.is_script:
            return place
        inner = f"{self.contents.name}.scripts/{posixpath.basename(one.name)}"
        member = self.contents.members[one.name]
        self.contents.put(WheelMember(inner, member.content, executable=True))
        self.contents.put(WheelMember(one.name, _SHIM.format(path=inner).encode(), executable=True))
        self.contents.tell(
            "E-BUILD-SHIM", f"is started from {inner}, beside the libraries it needs", one.name
        )
        return place_of(inner)

    def finish(self) -> tuple[Grafted, ...]:
        """Put what was taken into the wheel, once below each root that has a binary which needs it."""
        grafted = []
        for root, names in sorted(self.roots.items()):
            for soname in sorted(self._closure(names)):
                library, new = self.taken[soname]
                replace = {
                    needed: self.taken[needed][1] for needed in library.image.needed if needed in self.taken
                }
                content = patched(
                    library.content,
                    library.path,
                    soname=new,
                    rpath="$ORIGIN" if replace else "",
                    replace=replace,
                )
                path = f"{root}{self._directory()}/{new}"
                self.contents.put(WheelMember(path, content))
                grafted.append(
                    Grafted(path=path, soname=soname, source=library.path, package=library.package)
                )
        return tuple(grafted)

    def _closure(self, names: set[str]) -> set[str]:
        """Return the sonames behind new names, and what they need of what was taken."""
        waiting = [soname for soname, (_, new) in self.taken.items() if new in names]
        found: set[str] = set()
        while waiting:
            soname = waiting.pop()
            if soname not in found:
                found.add(soname)
                waiting += [one for one in self.taken[soname][0].image.needed if one in self.taken]
        return found


def _owner(library: Library) -> str:
    package = library.package
    return f"{package.name} {package.version}" if package is not None else library.path


_SHIM = """\
#!python
import os
import sys
import sysconfig

if __name__ == "__main__":
    program = os.path.join(sysconfig.get_path("platlib"), {path!r})
    os.execv(program, [program, *sys.argv[1:]])
"""
