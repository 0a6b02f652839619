"""Run a command on Windows, where there are neither sandboxes nor what `supervise` needs: time is all that is limited."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from crossdock.build.sandbox.logfile import open_log
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from crossdock.build.sandbox.supervise import Job


def run_plainly(job: Job) -> int:
    """Run `job` and return its exit status; its processes are ended when its time is over."""
    with open_log(job.log) as log:
        process = subprocess.Popen(
            list(job.command),
            env=dict(job.environ),
            cwd=job.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            return process.wait(job.limits.seconds)
        except subprocess.TimeoutExpired as error:
            raise BuildError(
                f"the build was ended: `{job.what}` ran longer than {job.limits.seconds:g} seconds",
                code="E-BUILD-TIMEOUT",
                places=[str(job.log)],
                hint="the log tells what it did last; if it was only slow, raise `seconds` in [tool.crossdock.build]",
            ) from error
        finally:
            if process.poll() is None:
                with contextlib.suppress(OSError):
                    command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
                    subprocess.run(command, capture_output=True, check=False)
                process.kill()
                process.wait()
