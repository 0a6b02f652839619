"""What every test run shares: requirements of the marks, and skips that nobody can overlook."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import sys
from collections import Counter

import hypothesis
import pytest
from tests.support import emulation

# Skips that a machine set up by dev/setup may still have. Each entry says why no setup can mend it.
ALLOWED_SKIPS = (
    r"no musl Python",  # Debian has no Python linked against musl, and dev/setup installs Debian's packages only
    r"no Python 3\.\d+t? on this machine",  # one Python is enough to work on the project
    r"Debian's Python for (armhf|i386|ppc64el|riscv64|s390x) could not be fetched",  # not in every suite
    r"packaging does not run on Python 3\.\d+",  # a target that `packaging` itself no longer supports
    r"only on (Windows|macOS)",
    r"Debian's mirror is being renewed",  # or a proxy before it keeps an old list: nothing here can mend that
    r"no Bazel on this machine",  # Debian's next release, which may be broken for a day, and has it for few CPUs
    r"no buildifier on this machine",  # npm, which brings it, is 400 packages
    r"no Chromium on this machine",  # 300 MB for one page, which other tests read without it
    r"no namespaces for podman here",  # the kernel, or the container around, does not let root make them
    r"podman runs images in the tests as root only",  # no setup makes a user root
    r"this kernel or user has no such sockets",  # nothing to keep a build from, then
    r"not on this file system",  # case-insensitive or without hard links: a property of the disk
)

# No time is asserted: on a busy machine an example may take as long as it likes.
hypothesis.settings.register_profile("crossdock", deadline=None)
hypothesis.settings.load_profile("crossdock")

# Our own settings that steer the tests themselves.
_TEST_SETTINGS = frozenset(
    {"CROSSDOCK_NO_SKIPS", "CROSSDOCK_TEST_CACHE", "CROSSDOCK_DEBIAN_MIRROR", "CROSSDOCK_DEBIAN_SUITE"}
)


def _skips_are_fatal() -> bool:
    setting = os.environ.get("CROSSDOCK_NO_SKIPS", os.environ.get("CI", ""))
    return setting.lower() in {"1", "true", "yes"}


def _take_signals() -> None:
    """Take signals as a terminal's programs do: what `nohup` or a shell's `&` ignored, every child would ignore too."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_configure() -> None:
    """Keep what the person at the keyboard has set away from the tests; each sets what it is about."""
    _take_signals()
    for name in [name for name in os.environ if name.startswith("CROSSDOCK_") and name not in _TEST_SETTINGS]:
        del os.environ[name]
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "SOURCE_DATE_EPOCH", "COLUMNS"):
        os.environ.pop(name, None)


@functools.cache
def _index_problem() -> str | None:
    """Why the package index cannot be used, asked of pip itself with the settings it is set up with."""
    asked = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--dry-run",
            "--no-deps",
            "--ignore-installed",
            "packaging",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = asked.stderr.strip().splitlines()
    return (
        None if asked.returncode == 0 else f"the package index does not answer: {lines[-1] if lines else ''}"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a marked test whose requirement this machine lacks, with the reason."""
    if item.get_closest_marker("index") and (problem := _index_problem()):
        pytest.skip(problem)
    if item.get_closest_marker("emulation"):
        emulation.require_foreign_python("arm64")


@pytest.fixture
def arm64() -> emulation.ForeignPython:
    """Debian's arm64 Python under emulation."""
    return emulation.require_foreign_python("arm64")


def _skip_reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    return reasons


def _is_allowed(reason: str) -> bool:
    return any(re.search(allowed, reason) for allowed in ALLOWED_SKIPS)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run on which nothing may be left out, when something was."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not _skips_are_fatal():
        return
    if session.exitstatus == pytest.ExitCode.OK and not all(map(_is_allowed, _skip_reasons(reporter))):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested, and why, where it is read: just above the closing line."""
    reasons = _skip_reasons(terminalreporter)
    if not reasons:
        return
    fatal = _skips_are_fatal()
    terminalreporter.section("NOT TESTED ON THIS MACHINE", sep="!", yellow=True, bold=True)
    for reason, count in sorted(reasons.items()):
        verdict = "FAILED, this machine should run it: " if fatal and not _is_allowed(reason) else ""
        terminalreporter.write_line(f"{count:4d} x {verdict}{reason}")
