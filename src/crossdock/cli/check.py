"""`crossdock check`: what of a lock lacks wheels, its licences, what is new or yanked; the exit status by policy."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.check_options import check_options
from crossdock.cli.console import warn
from crossdock.cli.index import project_files
from crossdock.cli.locking import lock_of, source_of
from crossdock.cli.options import (
    build_options,
    index_options,
    run_options,
    ship_options,
    source_options,
    target_options,
)
from crossdock.cli.plan import newest_of, outcome_of, purity_of
from crossdock.cli.session import Session
from crossdock.errors import UsageError

if TYPE_CHECKING:
    from crossdock.ship.check.model import Policy, Report

#: Written to standard output in place of a file.
_STDOUT = "-"


@click.command(
    epilog="Example:  crossdock check . --for linux/arm64 --for win_amd64 --deny-licence 'AGPL-*' --html check.html"
)
@source_options
@target_options
@check_options
@build_options
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Report what a lock comes to on its targets, for CI: missing wheels, licences, new and yanked files.

    Nothing is built, and no wheel is fetched. The exit status is 1 if the policy is not met.
    """
    session = Session(options)
    policy = policy_of(session)
    _check_outputs(options)
    report = _report(session, policy)
    _warn_of_typos(report)
    session.store.close()
    _write(session, report)
    return 0 if report.passed else 1


def policy_of(session: Session) -> Policy:
    """Return the policy: options over `[tool.crossdock.check]`; lists of licences are added to each other.

    Where nobody says what fails, it is what is impossible, and what the policy's own words are about.
    """
    from crossdock.ship.check.dates import newest_allowed
    from crossdock.ship.check.model import Kind, Policy

    options, settings = session.options, session.project.settings.check
    said = options["newer_than"] or settings.newer_than
    where = "--newer-than" if options["newer_than"] else "[tool.crossdock.check] newer-than"
    policy = Policy(
        newer_than=newest_allowed(said, datetime.now(UTC), where=where) if said else None,
        allow=(*settings.allow_licences, *options["allow_licence"]),
        deny=(*settings.deny_licences, *options["deny_licence"]),
    )
    asked = options["fail_on"] or settings.fail_on
    if asked is not None:
        kinds = {Kind(word) for word in asked if word != "none"}
    else:
        kinds = {Kind.IMPOSSIBLE}
        kinds |= {Kind.NEWER} if policy.newer_than else set()
        kinds |= {Kind.LICENCE} if policy.allow or policy.deny else set()
    return replace(policy, fail_on=frozenset(kinds))


def _check_outputs(options: dict[str, Any]) -> None:
    """Refuse two documents on one standard output, before any work."""
    there = [f"--{name}" for name in ("markdown", "html") if options[name] == _STDOUT]
    there += ["--json"] if options["as_json"] else []
    if len(there) > 1:
        raise UsageError(
            f"{' and '.join(there)} both write to standard output",
            code="E-USAGE-OUTPUT",
            hint="name a file for one of them",
        )


def _report(session: Session, policy: Policy) -> Report:
    from crossdock.pipeline.check import Question, check, grid_of
    from crossdock.ship.check.judge import judged
    from crossdock.ship.check.model import Report

    options = session.options
    lock = lock_of(session, source_of(session))
    outcomes = [(target, outcome_of(session, lock, target)) for target in session.targets]
    means = session.means()
    grid = grid_of(outcomes, purity_of(session, lock), builds=means.building is not None)
    offline = bool(options["offline"])
    if options["newest"] and not offline and grid.without_wheel():
        grid = grid.with_newest(newest_of(session, grid))
    question = Question(
        files_of=None if offline else project_files(session),
        licences=session.project.settings.check.licences,
        fetch=options["fetch"],
    )
    checked = check(lock, grid, outcomes, means, question)
    return judged(Report(grid=checked.grid, facts=checked.facts, policy=policy))


def _warn_of_typos(report: Report) -> None:
    """Warn of licences on the lists that nothing can match: a denied one that is misspelt would deny nothing."""
    from crossdock.ship.check.licence_terms import unmatched

    licences = [licence for row in range(len(report.grid.rows)) for licence in report.licences(row)]
    for item in (*report.policy.allow, *report.policy.deny):
        if unmatched(item, licences):
            warn(f"`{item}` is no SPDX licence, and no package here says it")


def _write(session: Session, report: Report) -> None:
    from crossdock.cli.check_text import print_report
    from crossdock.ship.check.markdown import markdown
    from crossdock.ship.check.page import page

    options = session.options
    printed = False
    for name, made in (("markdown", markdown), ("html", page)):
        place = options[name]
        if place == _STDOUT:
            click.echo(made(report), nl=False)
            printed = True
        elif place:
            from crossdock.ship.files import write_file

            write_file(session.directory / place, made(report).encode("utf-8", "backslashreplace"))
            session.tell(f"{place}: written")
    if options["as_json"]:
        click.echo(json.dumps(report.to_json(), indent=2))
    elif not printed:
        print_report(report)
