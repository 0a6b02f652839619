"""Start a command from a small process and print what it took: `python -I -S spawn.py LOG COMMAND...`.

Linux counts the peak of whoever starts a program into that program's own (`setmax_mm_hiwater_rss` in fs/exec.c), so a
command that a large process starts seems as large.
"""

import os
import sys
import time


def main() -> None:
    """Run the command with its output in LOG; print status, seconds, user's and system's seconds, and KiB at the peak."""
    log, *command = sys.argv[1:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    started = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    print(os.waitstatus_to_exitcode(status), seconds, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)


if __name__ == "__main__":
    main()
