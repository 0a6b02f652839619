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
    from crossdock.cli.main import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
