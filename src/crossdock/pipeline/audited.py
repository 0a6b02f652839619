"""The audit of what is shipped for a target, remembered: the same binaries for the same target are audited once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock import __version__
from crossdock.digest import Digest
from crossdock.oci.model import canonical_json
from crossdock.ship.cargo import findings_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.inspect.finding import Finding
    from crossdock.store import Store
    from crossdock.target.model import Target

#: What the user's own code is called in findings, and accepted by.
APPLICATION = "the application"

#: Raised when the audit's rules change within a version.
_FORM = 2


class Examined(NamedTuple):
    """A binary as the audit wants it: its path beside the packages that Python imports, whose it is, its facts as JSON."""

    path: str
    package: str  # empty: the application
    wheel: str
    tags: Sequence[str]
    binary: dict[str, Any]


def audit_examined(
    store: Store, target: Target, examined: Iterable[Examined]
) -> tuple[tuple[Finding, ...], int]:
    """Audit the binaries of one target together; return what does not fit, and how many were read."""
    found = list(examined)
    if not found:
        return (), 0
    rows = [[one.path, one.package, one.wheel, list(one.tags), one.binary] for one in found]
    key = f"{_FORM} {__version__} {target.key} {Digest.of(canonical_json(rows)).hex}"
    known = store.get_fact("bundle-audit", key)
    if isinstance(known, list):
        return findings_from_json(known), len(rows)
    from crossdock.inspect.audit import audit
    from crossdock.inspect.binary import Binary
    from crossdock.inspect.finding import AuditFile

    files = [
        AuditFile(
            path=one.path,
            package=one.package or APPLICATION,
            wheel=one.wheel,
            tags=tuple(one.tags),
            binary=Binary.from_json(one.binary),
        )
        for one in found
    ]
    findings = audit(files, target)
    store.put_fact("bundle-audit", key, [finding.to_json() for finding in findings])
    return findings, len(rows)
