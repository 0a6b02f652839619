"""Judges what lies in something against a target: binaries, claims, and traces of the machine that made it."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.contents.distributions import Distribution, find_distributions
from crossdock.contents.traces import check_claims, check_traces
from crossdock.inspect.audit import AuditFile, BaseLibraries, Finding, Severity, audit
from crossdock.inspect.collect import installed_path
from crossdock.inspect.facts import Format, Kind
from crossdock.inspect.finding import ordered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.contents.collect import Contents
    from crossdock.target.model import Target

#: Where Linux's loader looks without being told, and the directories below them of Debian's multiarch.
_LIBRARY_DIRECTORIES = re.compile(r"(usr/)?(local/)?lib(64|32)?(/[\w.-]+-linux-(gnu|musl)[\w]*)?/[^/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `verify` says: the findings, errors first, and how much was looked at."""

    findings: tuple[Finding, ...]
    files: int
    binaries: int
    distributions: int

    @property
    def fits(self) -> bool:
        """Whether nothing is an error."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "fits": self.fits,
            "files": self.files,
            "binaries": self.binaries,
            "distributions": self.distributions,
            "findings": [finding.to_json() for finding in self.findings],
        }


def verify(contents: Contents, target: Target, *, base: BaseLibraries | None = None) -> Verdict:
    """Return what of `contents` does not fit `target`.

    In an image the packages are judged, and its own system libraries are the base; elsewhere every binary is.
    """
    distributions, owners = find_distributions(contents)
    files = audit_files(contents, distributions, owners)
    if base is None and contents.image:
        base = _image_base(contents)
    findings = [
        *audit(files, target, base=base, complete=contents.wheel is None),
        *check_claims(distributions, contents, target),
        *check_traces(contents, owners, target),
    ]
    return Verdict(
        findings=ordered(findings),
        files=len(contents.files),
        binaries=len(files),
        distributions=len(distributions),
    )


def audit_files(
    contents: Contents, distributions: tuple[Distribution, ...], owners: Mapping[str, Distribution]
) -> list[AuditFile]:
    """Return the binaries with the distribution that each belongs to."""
    roots = {one.root for one in distributions}
    files = []
    for path, facts in contents.files.items():
        if facts.binary is None or (contents.image and not _in_packages(path, roots)):
            continue
        owner = owners.get(path)
        if owner is None and contents.wheel and distributions:
            owner = distributions[0]
        files.append(
            AuditFile(
                path=installed_path(path) if contents.wheel else path,
                binary=facts.binary,
                package=owner.name if owner else "",
                wheel=contents.wheel,
                tags=owner.tags if owner else (),
            )
        )
    return files


def _in_packages(path: str, roots: set[str]) -> bool:
    return any(path.startswith(root) for root in roots if root) or "" in roots


def _image_base(contents: Contents) -> BaseLibraries | None:
    """Return the libraries in the image's own library directories; None if it has no C library in it."""
    names = set()
    for path, facts in contents.files.items():
        if not _LIBRARY_DIRECTORIES.fullmatch(path):
            continue
        if facts.link is not None:
            names.add(posixpath.basename(path))
        elif facts.binary and facts.binary.format is Format.ELF and facts.binary.kind is Kind.SHARED:
            names.add(posixpath.basename(path))
            names.update(image.soname for image in facts.binary.images if image.soname)
    has_libc = "libc.so.6" in names or any(name.startswith(("ld-musl-", "libc.musl-")) for name in names)
    return BaseLibraries(name=contents.name, sonames=frozenset(names), exact=True) if has_libc else None
