"""Judges what lies in something against a target: binaries, claims, and traces of the machine that made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.contents.distributions import Distribution, find_distributions
from crossdock.contents.traces import check_claims, check_traces
from crossdock.inspect.audit import AuditFile, BaseLibraries, Finding, Severity, audit
from crossdock.inspect.collect import installed_path
from crossdock.inspect.finding import ordered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.contents.collect import Contents
    from crossdock.target.model import Target


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

    In an image the packages are judged, and what its own loader finds is the base; elsewhere every binary is.
    """
    distributions, owners = find_distributions(contents)
    files = audit_files(contents, distributions, owners)
    if base is None and contents.image:
        base = contents.base
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
