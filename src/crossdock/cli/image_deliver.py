"""An image, made: refused for what does not fit, or written, loaded and pushed, and told where its bytes are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import human_size, note, terminal_width, warn
from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.cli.image_session import ImageSession
    from crossdock.pipeline.image import MadeImage, MadePlatform
    from crossdock.ship.image.model import Image, Layer
    from crossdock.ship.image.outputs import LayoutChange
    from crossdock.ship.image.publish import Published

#: `org.opencontainers.image.ref.name` (image specification, annotations.md), without the rarer separators.
_NAME = re.compile(r"[A-Za-z0-9]+(?:[-._:@/+]+[A-Za-z0-9]+)*")


def check_outputs(session: ImageSession) -> None:
    """Refuse, before any work, words that do not say where the image goes; raise `UsageError` or `ShipError`."""
    options = session.options
    goes_nowhere = options.get("dry_run")
    if not (options["push"] or options["output"] or options["load"] or goes_nowhere):
        raise UsageError(
            "nowhere to put the image",
            code="E-IMAGE-NOWHERE",
            hint="give `--push REGISTRY/app:tag`, `-o DIR`, `-o FILE.tar` or `--load`",
        )
    if options["push"] and options["offline"]:
        raise UsageError("--push needs the network, and --offline forbids it", code="E-IMAGE-NOWHERE")
    for name, needed in (("sign", "push"), ("update_base", "base_lock")):
        if options.get(name) and not options[needed]:
            option, other = (f"--{word.replace('_', '-')}" for word in (name, needed))
            raise UsageError(f"{option} does nothing without {other}", code="E-IMAGE-OPTION")
    for name in options["names"]:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"not what an image can be called: `{name}`",
                code="E-IMAGE-OPTION",
                hint="for example `--name app:1.4`",
            )
    _ = session.destinations, session.previous_reference, session.image_options
    if options["load"] and not goes_nowhere:
        _loader(session)


def refuse_unfit(session: ImageSession, made: MadeImage) -> None:
    """Refuse findings that nobody accepted, before anything leaves this machine."""
    from crossdock.cli.install import refuse_findings

    for one in made.platforms:
        for text in one.notes:
            warn(text)
        session.tell(_proof_words(one))
        findings = [finding.to_json() for finding in one.findings]
        facts = {"findings": findings, "target": f"{one.image.target.name} on {one.facts.name}"}
        refuse_findings(facts, session.accepted, hint=_missing_words(session, one))
        for finding in one.findings:
            if finding.severity == "warning":
                warn(str(finding))


def _missing_words(session: ImageSession, made: MadePlatform) -> str:
    """Say which Debian packages have the libraries that a base of Debian's packages lacks; empty where nothing lacks."""
    from crossdock.ship.image.debian.suites import library_package

    spec = session.base_spec or ""
    lacking = [one.library for one in made.findings if one.code == "E-FIT-LIBRARY" and one.library]
    if not lacking or not spec.startswith("debian:"):
        return ""
    names = list(dict.fromkeys(map(library_package, lacking)))
    return f"`--base {'+'.join([spec, *names])}` has them too, if Debian calls the packages by their libraries' names"


def _proof_words(made: MadePlatform) -> str:
    """Say what is in a platform's image and what was proven of it, and what runs at every start of Python."""
    binaries = sum(len(record.binaries) for record in made.records)
    errors = sum(finding.severity == "error" for finding in made.findings)
    fitting = "its binary fits" if binaries == 1 else f"{binaries} binaries fit"
    proof = f"{binaries} binaries read, {errors} errors on" if errors else fitting
    count = len(made.records)
    hooks = [f"{path} ({record.name})" for record in made.records for path in record.start_up_hooks]
    lines = [f"{made.image.platform}: {count} package{'' if count == 1 else 's'}; {proof} {made.facts.name}"]
    return "\n".join([*lines, *(f"runs at every start of Python: {hook}" for hook in hooks)])


def deliver(session: ImageSession, made: MadeImage) -> dict[str, Any]:
    """Write, load and push, in this order: what others see comes last."""
    image = made.image
    results: dict[str, Any] = {}
    names = _names(session)
    written: list[dict[str, Any]] = []
    for path in session.outputs:
        from crossdock.ship.image.outputs import write_archive, write_layout  # not for a push

        if path.name.endswith(".tar"):
            size = write_archive(image, path, names=names)
            session.tell(f"{path}: {human_size(size)}")
            written.append({"archive": str(path), "size": size})
        else:
            change = write_layout(image, path, names=names, store=session.store.root)
            session.tell(f"{path}: {_layout_words(change)}")
            written.append({"layout": str(path), **change._asdict()})
    if written:
        results["written"] = written
    if session.options["load"]:
        results["loaded"] = _load(session, image, names)
    if session.destinations:
        results["pushed"] = _push(session, image)
    return results


def _layout_words(change: LayoutChange) -> str:
    words = f"{change.written} blobs written ({human_size(change.bytes_written)})"
    return f"{words}, {change.kept} there already" if change.kept else words


def _names(session: ImageSession) -> list[str]:
    """Return what the image is called where it is not pushed."""
    asked = list(session.options["names"]) or list(session.image_settings.tags)
    if asked:
        return asked
    return [f"{one.repository.rpartition('/')[2]}:{one.tag}" for one in session.destinations if one.tag] or [
        "latest"
    ]


def _loader(session: ImageSession) -> str:
    """Return the program that it is loaded into."""
    import shutil

    from crossdock.ship.image.load import find_program

    return find_program(session.options["load"], shutil.which)


def _load(session: ImageSession, image: Image, names: Sequence[str]) -> dict[str, Any]:
    from crossdock.cli.host import host_platform
    from crossdock.ship.image.load import load

    program = _loader(session)
    name = session.app_project.metadata.name or "app"
    full = [tag if ":" in tag or "/" in tag else f"{name}:{tag}" for tag in names]
    own = host_platform()
    fitting = [one.platform for one in image.platforms if (one.platform.os, one.platform.architecture) == own]
    platform = fitting[0] if fitting else (image.platforms[0].platform)
    said = load(image, program=program, names=full, platform=platform)
    session.tell(f"loaded {', '.join(full)} ({platform}): {said.strip()}")
    return {"program": program.rpartition("/")[2], "names": full, "platform": str(platform)}


def _push(session: ImageSession, image: Image) -> dict[str, Any]:
    from crossdock.ship.image.publish import publish

    if session.options.get("sign"):
        from crossdock.cli.signing import signed

        image = signed(session, image)
    done = publish(image, session.destinations, session.registry)
    for name in done.references:
        if name.tag:
            session.tell(f"{'unchanged' if name in done.unchanged else 'pushed'} {name}")
    session.tell(_pushed_words(done))
    return {
        "references": [str(name) for name in done.references],
        "digest": str(done.descriptor.digest),
        "unchanged": [str(name) for name in done.unchanged],
        "sent": done.sent,
        "requests": done.requests,
        "blobs": [
            {
                "place": blob.place,
                "digest": str(blob.descriptor.digest),
                "size": blob.descriptor.size,
                "outcome": blob.outcome,
                "sent": blob.sent,
            }
            for blob in done.blobs
        ],
    }


def _pushed_words(done: Published) -> str:
    counts: dict[str, int] = {}
    for blob in done.blobs:
        counts[blob.outcome] = counts.get(blob.outcome, 0) + 1
    parts = [f"{count} blobs {word}" for word, count in sorted(counts.items())]
    parts.append(f"{human_size(done.sent)} sent in {done.requests} requests")
    return ", ".join(parts)


def tell_report(session: ImageSession, image: Image, before: Mapping[str, Sequence[Layer]] | None) -> None:
    """Say where the bytes are, on the terminal, and on a page if one is asked for."""
    page = session.options["report"]
    if session.quiet and not page:
        return
    from crossdock.ship.image.report import report_html, report_text

    if not session.quiet:
        note(report_text(image, before, width=terminal_width()).rstrip())
    if page:
        from crossdock.ship.files import write_file

        path = session.directory / page
        write_file(path, report_html(image, before).encode())
        session.tell(f"{page}: where the bytes are")


def say_pushed(session: ImageSession, results: Mapping[str, Any]) -> None:
    """Print what was pushed, for scripts: what runs is named by digest, a tag may point elsewhere by then."""
    for name in dict.fromkeys(one.place for one in session.destinations):
        click.echo(f"{name}@{results['pushed']['digest']}")
