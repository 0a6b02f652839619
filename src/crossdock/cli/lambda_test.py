"""`--test HANDLER`: the zips that were just written, unpacked and run in AWS's own emulator."""

from __future__ import annotations

import errno
import json
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.cli.console import Progress, note, paint
from crossdock.errors import TrialError, UsageError
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossdock.cli.lambda_session import LambdaSession
    from crossdock.cli.session import Session
    from crossdock.ship.bundle.places import Place
    from crossdock.target.model import Target
    from crossdock.trial.means import TrialMeans
    from crossdock.trial.outcome import Outcome

_CPUS = {"AMD64": "x86_64", "arm64": "aarch64"}
#: Seconds that uv may take to download a Python.
_DOWNLOAD = 600
#: What a name is told to be that no file has: not there, below a file, longer than names may be.
_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})
#: What JSON begins with, of that which no file is called.
_BEGINS = ("{", "[", '"')
#: What the client's error looks like where its own library cannot be loaded.
_NO_LIBRARY = "'NoneType' object has no attribute 'next'"


def check_trial(session: LambdaSession) -> None:
    """Refuse words of `--test` and `--event` that cannot be followed, before any work is done for them.

    Raise `UsageError`: E-TRIAL-HANDLER, E-TRIAL-EVENT, E-TRIAL-TARGET for a target that is no runtime of AWS Lambda.
    """
    handler, event = session.options.get("test"), session.options.get("event")
    if event is not None and handler is None:
        raise UsageError(
            "`--event` without `--test`", code="E-TRIAL-EVENT", hint="name the handler: `--test app.handler`"
        )
    if handler is None:
        return
    if not handler.strip() or not _is_text(handler):
        raise UsageError(
            "`--test` names no handler",
            code="E-TRIAL-HANDLER",
            places=[show(handler)] if handler else [],
            hint="a handler is `module.function`: `--test app.handler`",
        )
    trial_event(session)
    for target in session.targets:
        if session.place(target).kind != "lambda":
            raise UsageError(
                f"`--test` runs functions of AWS Lambda, and {target.name} is none",
                code="E-TRIAL-TARGET",
                hint="leave `--test` out",
            )


def trial_event(session: Session) -> bytes:
    """Return the event that `--event` names, a file or JSON; `{}` without it.

    Raise `UsageError` (E-TRIAL-EVENT) for what is no JSON, as AWS refuses it before any function sees it.
    """
    text: str | None = session.options.get("event")
    if text is None:
        return b"{}"
    content = _content_of_file(session.directory / text) if text else None
    is_file = content is not None
    if content is None:
        # Of a word that was no UTF-8 this makes bytes that are none, either: they are told below.
        content = text.encode("utf-8", "surrogatepass")
    trouble = _no_json(content)
    if not trouble:
        return content
    if not is_file and not text.lstrip().startswith(_BEGINS):
        message = f"there is no file `{show(text)}`, and it is no JSON"
    else:
        message = f"the event is no JSON: {trouble}"
    raise UsageError(
        message,
        code="E-TRIAL-EVENT",
        places=[show(text)] if is_file else [],
        hint="`--event` takes a file of JSON, or JSON itself: `--event '{\"key\": 1}'`",
    )


def _content_of_file(path: Path) -> bytes | None:
    """Return a file's bytes, None where there is none; raise `UsageError` for one that cannot be read.

    It is read before and after all the work: what gives its bytes once, as a pipe does, will not do.
    """
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return path.read_bytes()
    except ValueError:
        return None  # no name has a NUL in it
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise UsageError(
            f"cannot read the event `{show(str(path))}`: {error.strerror}", code="E-TRIAL-EVENT"
        ) from error
    raise UsageError(f"the event `{show(str(path))}` is no regular file", code="E-TRIAL-EVENT")


def _no_json(content: bytes) -> str:
    """Return why bytes are no JSON, "" if they are: UTF-8, without the numbers that only Python knows (RFC 8259)."""
    try:
        json.loads(content.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8"
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return str(error)
    return ""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"`{name}` is no number of JSON")


def _is_text(word: str) -> bool:
    """Tell whether a word of the command line was UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def trial_command(
    session: LambdaSession, target: Target, *, function: Path | None, layers: Sequence[Path] = ()
) -> dict[str, Any]:
    """Run `--test`'s handler once with what the finished zips hold, tell the outcome, and return it as JSON.

    `function` is the function's zip (None: a layer alone, with a handler in it), `layers` are the zips that it has
    below /opt, in their order. The caller ends with exit status 1 unless `ok` is true in what is returned. Raise
    `UsageError`, and what `try_function` raises.
    """
    from crossdock.ship.bundle.layer_zip import unpack_layer
    from crossdock.trial.invoke import Trial, try_function

    check_trial(session)
    event = trial_event(session)
    handler = session.options["test"]
    with tempfile.TemporaryDirectory(prefix="crossdock-zips-") as work:
        task, opt = Path(work, "task"), Path(work, "opt")
        task.mkdir()
        opt.mkdir()
        if function is not None:
            unpack_zip(function, task)
        for layer in layers:
            # A layer that somebody else published is no zip of ours.
            (unpack_layer if layer in session.with_layers else unpack_zip)(layer, opt)
        trial = Trial(target=target, task=task, layers=(opt,), handler=handler, event=event)
        place = session.place(target)
        found = try_function(trial, trial_means(session))
        outcome = _as_there(found, {str(task): place.task_root, str(opt): place.layer_root})
    _tell(session, target, handler, outcome)
    return {"handler": handler, **outcome.to_json()}


def unpack_zip(path: Path, directory: Path) -> None:
    """Unpack a finished zip over what is in a directory, as AWS does it with layers: later files replace earlier ones.

    Raise `ArchiveError` for a zip that is broken, or holds names that lead elsewhere; `TrialError` (E-TRIAL-LAYERS)
    where it has a file and an earlier zip a directory of one name, or the other way around.
    """
    from crossdock.archive.zipread import ZipArchive
    from crossdock.safepath import PathRules
    from crossdock.store.mapped import mapped

    with ZipArchive.parse(mapped(path), filename=path.name, rules=PathRules.POSIX) as archive:
        for member in archive.members:
            place = directory / member.name
            try:
                _clear(place, is_dir=member.is_dir)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise _clash(path, member.name) from error
            if member.is_dir:
                continue
            with place.open("wb") as file:
                file.writelines(archive.stream(member))
            place.chmod(0o755 if member.executable else 0o644)


def _clear(place: Path, *, is_dir: bool) -> None:
    """Make a directory, or the ones above a file and the file itself gone."""
    if is_dir:
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():  # unlink has another error for it on each system
        raise IsADirectoryError(place)
    place.unlink(missing_ok=True)


def _clash(path: Path, name: str) -> TrialError:
    return TrialError(
        "the zips cannot lie over each other: where one has a file, another has a directory",
        code="E-TRIAL-LAYERS",
        places=[f"{show(path.name)}: `{show(name)}`"],
        hint="leave one of the two out, or give it another name there",
    )


def trial_means(session: Session) -> TrialMeans:
    """Return what a trial works with, of the user's settings."""
    from crossdock.cli.index import project_files
    from crossdock.cli.mirrors import archives_of_suite
    from crossdock.cli.pythons import find_python
    from crossdock.trial.means import TrialMeans

    offline = bool(session.options.get("offline"))
    machine = platform.machine()
    return TrialMeans(
        store=session.store,
        http=lambda: session.http,
        files_of=project_files(session),
        python_for=lambda version: find_python(version, session.environ, offline=offline),
        archives=lambda suite: archives_of_suite(session, suite),
        find_program=shutil.which,
        uv_python=lambda name, directory: None if offline else _uv_python(session, name, directory),
        host=(sys.platform, _CPUS.get(machine, machine)),
        now=time.time(),
        offline=offline,
        reporter=lambda: Progress("Downloading", quiet=session.quiet),
    )


def _uv_python(session: Session, name: str, directory: Path) -> Path | None:
    """Let uv put a Python of any CPU into a directory; None where it may not or cannot."""
    from crossdock.cli.index import uv_program

    if session.environ.get("UV_PYTHON_DOWNLOADS", "") in {"never", "manual", "false", "0"}:
        return None
    words = [uv_program(), "python", "install", "--no-progress", "--no-bin", "--no-config"]
    try:
        done = subprocess.run(
            [*words, "--install-dir", str(directory), name],
            env=session.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_DOWNLOAD,
        )
    except subprocess.TimeoutExpired:
        return None
    return directory if done.returncode == 0 else None


# What the user sees


def _tell(session: LambdaSession, target: Target, handler: str, outcome: Outcome) -> None:
    """Tell what the function wrote (of an exception its client writes the trace), its answer, what was not as there."""
    if session.quiet and outcome.ok:
        return
    for line in outcome.function_log.splitlines():
        note(f"  {line}")
    how = "under qemu" if outcome.how == "qemu" else "natively"
    head = f"{target.name}: {handler} ran {how} in {outcome.seconds:.1f} s"
    if outcome.ok:
        note(f"{paint('ok', 'green')} {head}: {outcome.body.decode('utf-8', 'replace')}")
    else:
        note(f"{paint('failed', 'red')} {head}: {outcome.error_type}: {outcome.error_message}")
        for hint in _hints(outcome, session.place(target)):
            note(f"hint: {hint}")
    session.tell(f"{target.name}: {outcome.note}")


def _as_there(outcome: Outcome, places: Mapping[str, str]) -> Outcome:
    """Return an outcome that names files as they will lie, not as they lay here for a moment."""

    def there(text: str) -> str:
        for here, place in places.items():
            text = text.replace(here, place)
        return text

    return replace(
        outcome,
        error_message=there(outcome.error_message),
        trace=tuple(map(there, outcome.trace)),
        log=there(outcome.log),
    )


def _hints(outcome: Outcome, place: Place) -> Iterator[str]:
    missing = outcome.error_message.partition("No module named '")[2].partition("'")[0].partition(".")[0]
    if missing and missing in {name.replace("-", "_") for name in place.provided}:
        yield f"`{missing}` is the runtime's own and is not here: try it without `--without-provided`"
    if _NO_LIBRARY in outcome.log:
        yield "AWS's client needs libstdc++6, which this machine's Python does not find"


__all__ = ["check_trial", "trial_command", "trial_event", "trial_means", "unpack_zip"]
