"""Dispatch of the command line, and the one place that turns errors into text and an exit status."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.commands import COMMANDS, help_text
from crossdock.errors import CrossdockError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130


class _Commands(click.Group):
    """The commands by name, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"crossdock.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        command.short_help = COMMANDS[cmd_name][1]
        return command

    def get_help(self, ctx: click.Context) -> str:
        return help_text().rstrip("\n")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f"no command `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossdock", prog_name="crossdock", message="%(prog)s %(version)s")
def root() -> None:
    """Ship a Python application to a platform you are not on."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the exit status: 0 done, 1 a finding or a refusal, 2 wrong usage."""
    # A command lives for a second and makes no cycles to speak of: collecting them costs a tenth of it.
    gc.set_threshold(200_000)
    # Downloads wait for the interpreter while wheels are unpacked: hand it over sooner than every 5 ms.
    sys.setswitchinterval(0.0005)
    stdout = sys.stdout
    os.umask(0o022)  # The user's umask must not show in what is shipped.
    try:
        return _command(arguments)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted; nothing half-written was left\n")
        return _INTERRUPTED
    except BrokenPipeError:
        return _reader_is_gone()
    except SystemExit:
        # click's own answer to a broken pipe, told by the stream it puts in place; else the end of a completion.
        if sys.stdout is not stdout:
            return _reader_is_gone()
        raise
    except OSError as error:
        return _report(_system_error(error))
    except Exception as error:
        if os.environ.get("CROSSDOCK_TRACEBACK"):
            raise
        return _report_bug(error)


def _command(arguments: Sequence[str]) -> int:
    """Run the command; its refusals become text, all else goes up."""
    try:
        result: Any = root.main(
            args=list(arguments), prog_name="crossdock", standalone_mode=False, obj=list(arguments[1:])
        )
        sys.stdout.flush()
    except CrossdockError as error:
        return _report(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return result if isinstance(result, int) else 0


def _reader_is_gone() -> int:
    """End well: whoever read our output went away (`| head`), and nothing is said at exit either."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _system_error(error: OSError) -> CrossdockError:
    """Return the refusal that an error of the operating system is: a name too long, a disk that is full."""
    place = f"`{error.filename}`: " if error.filename else ""
    return CrossdockError(f"{place}{error.strerror or error}", code="E-SYSTEM")


def _report(error: CrossdockError) -> int:
    from crossdock.cli.console import paint, printable

    lines = [f"{paint('error:', 'red')} {printable(error.message)}"]
    lines += [f"  {printable(place)}" for place in error.places]
    if error.hint:
        lines.append(f"{paint('hint:', 'cyan')} {printable(error.hint)}")
    lines.append(paint(f"[{error.code}]", "dim"))
    sys.stderr.write("\n".join(lines) + "\n")
    return error.exit_status


def _report_bug(error: Exception) -> int:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "?")
        place = f" in {module}, line {trace.tb_lineno}"
    sys.stderr.write(
        f"error: a bug in crossdock: {type(error).__name__}: {error}{place}\n"
        "hint: please report it with the output of the same command and CROSSDOCK_TRACEBACK=1 set\n"
    )
    return 1
