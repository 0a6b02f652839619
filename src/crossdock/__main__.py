"""Start of the program: what needs no command answers at once, the rest loads what it needs."""

from __future__ import annotations

import os
import sys

#: What the completion scripts set to ask for words: click's name for a program called `crossdock`.
_COMPLETE = "_CROSSDOCK_COMPLETE"


def main() -> int:
    """Run the command line of this process and return the exit status."""
    try:
        return _answer(sys.argv[1:])
    except KeyboardInterrupt:
        # Also while the modules of a command are still being imported.
        sys.stderr.write("interrupted; nothing half-written was left\n")
        return 130


def _answer(arguments: list[str]) -> int:
    if _COMPLETE in os.environ:
        from crossdock.cli.main import run

        return run(arguments)
    # `--version` and `--help` promise to stay under twice the start of a bare interpreter.
    if arguments in (["--version"], ["-V"]):
        from crossdock import __version__

        sys.stdout.write(f"crossdock {__version__}\n")
        return 0
    if arguments in ([], ["--help"], ["-h"]):
        from crossdock.cli.commands import help_text

        sys.stdout.write(help_text())
        return 0 if arguments else 2
    if arguments[0] == "install":
        from crossdock.cli.again import replay

        status = replay(arguments[1:], os.environ)
        if status is not None:
            return status
    _clear_up_when_ended()
    from crossdock.cli.main import run

    return run(arguments)


def _clear_up_when_ended() -> None:
    """Have SIGTERM and SIGHUP end this process as an exception does: builds are killed, their directories removed.

    A service manager, a CI system or a closed terminal sends them; the second one ends it at once.
    """
    import signal

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # Whoever started us may have these ignored, as `nohup` does.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


if __name__ == "__main__":
    sys.exit(main())
