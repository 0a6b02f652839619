"""A stock of wheels for many targets, as every command tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.cli.console import warn

if TYPE_CHECKING:
    from crossdock.cli.session import Session
    from crossdock.pipeline.mirror import Stock


def refuse_stock(session: Session, stock: Stock) -> None:
    """Refuse findings that nobody accepted, before anything is written."""
    from crossdock.cli.install import refuse_findings

    for one in stock.targets:
        findings = [finding.to_json() for finding in one.findings]
        refuse_findings({"findings": findings, "target": one.target.name}, session.accepted)
        for finding in one.findings:
            if finding.severity == "warning":
                warn(str(finding))


def tell_targets(session: Session, stock: Stock) -> list[dict[str, Any]]:
    """Tell of each target, and return it as the receipt does."""
    found = []
    for one in stock.targets:
        for text in one.notes:
            session.tell(text)
        session.tell(
            f"{one.target.name}: {count_of(len(one.paths), 'wheel')}; {count_of(one.binaries, 'binary')} read"
        )
        found.append(
            {
                "target": one.target.name,
                "files": list(one.paths),
                "binaries": one.binaries,
                "findings": [finding.to_json() for finding in one.findings],
            }
        )
    return found


def count_of(number: int, what: str) -> str:
    """Return a number of things in words."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"
