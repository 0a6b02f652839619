"""What the tests of generated workspaces stand on: Bazel starts here, sees only what it is given, and leaves nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import ALLOWED_SKIPS
from tests.support import bazel as harness
from tests.support.bazel import (
    PLATFORMS,
    RULES_PYTHON,
    Bazel,
    format_problems,
    require_bazel,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parents[2]
MODULE = f"""module(name = "probe")
bazel_dep(name = "platforms", version = "{PLATFORMS}")
bazel_dep(name = "rules_python", version = "{RULES_PYTHON}")
"""


def workspace(place: Path, build: str) -> Path:
    """Make a workspace that both ways of finding other repositories take."""
    root = place / "work"
    root.mkdir()
    (root / "MODULE.bazel").write_text(MODULE)
    (root / "WORKSPACE").write_text("")
    (root / "BUILD.bazel").write_text(build)
    return root


def is_allowed(skip: str) -> bool:
    return any(re.search(reason, skip) for reason in ALLOWED_SKIPS)


@contextmanager
def serving(text: str) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.1)


def processes_with(*words: str) -> list[str]:
    """Return the command lines of this machine's processes that have one of `words` in them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if any(word in line for word in words):
            found.append(line)
    return found


ASKING = """
import sys, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:%s/" % sys.argv[1], timeout=5).read().decode())
except OSError as error:
    print("nobody:", error)
"""


@pytest.mark.slow
def test_a_build_sees_what_its_test_gives_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_bazel("workspace")
    monkeypatch.setenv("OF_THE_MACHINE", "yes")
    look = (
        f"(ls {CHECKOUT} 2>/dev/null || true; echo $${{OF_THE_MACHINE-unset}} $${{OF_THE_TEST-unset}}) > $@"
    )
    with serving("an answer") as port:
        root = workspace(
            tmp_path,
            f"""
genrule(name = "ask", srcs = ["ask.py"], outs = ["said"], cmd = "python3 $< {port} > $@", tags = ["local"])

genrule(name = "look", outs = ["seen"], cmd = "{look}", tags = ["local"])
""",
        )
        (root / "ask.py").write_text(ASKING)
        bazel = Bazel(place=tmp_path, mode="workspace")
        words = ["build", "--action_env=OF_THE_MACHINE", "--action_env=OF_THE_TEST", "//:ask", "//:look"]
        bazel.run(root, *words, environ={"OF_THE_TEST": "set"})
        assert (root / "bazel-bin" / "seen").read_text() == "unset set\n"
        assert (root / "bazel-bin" / "said").read_text().startswith("nobody:")
        (root / "ask.py").write_text(f"{ASKING}\n")
        bazel.run(root, "build", "//:ask", network=True)
        assert (root / "bazel-bin" / "said").read_text() == "an answer\n"


RUN = """
import sys
from pathlib import Path
from tests.support.bazel import Bazel
place, root = map(Path, sys.argv[1:])
Bazel(place=place, mode="workspace").run(root, "build", "//:slow")
"""


@pytest.mark.slow
def test_a_build_ends_with_the_test_that_started_it(tmp_path: Path) -> None:
    require_bazel("workspace")
    started = tmp_path / "started"
    cmd = f"touch {started} && sleep 86399.25 && touch $@"
    root = workspace(tmp_path, f"genrule(name = 'slow', outs = ['never'], cmd = '{cmd}', tags = ['local'])\n")
    words = [sys.executable, "-c", RUN, str(tmp_path), str(root)]
    with subprocess.Popen(words, cwd=CHECKOUT, stdin=subprocess.DEVNULL) as test:
        wait_until(lambda: started.exists() or test.poll() is not None)
        assert processes_with("86399.25", str(tmp_path))
        test.kill()
    wait_until(lambda: not processes_with("86399.25", str(tmp_path)))


@pytest.mark.parametrize(("major", "mode"), [("", "workspace"), ("", "bzlmod"), ("4", "bzlmod")])
def test_a_machine_without_bazel_skips_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, major: str, mode: str
) -> None:
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    if major:
        (tmp_path / "major").write_text(f"{major}\n")
    with pytest.raises(pytest.skip.Exception) as skipped:
        require_bazel(mode)
    assert is_allowed(str(skipped.value))


def test_a_machine_without_buildifier_skips_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    with pytest.raises(pytest.skip.Exception) as skipped:
        format_problems([tmp_path])
    assert is_allowed(str(skipped.value))


def test_buildifier_tells_form_and_warnings(tmp_path: Path) -> None:
    good, form, warned = tmp_path / "good.bzl", tmp_path / "form.bzl", tmp_path / "warned.bzl"
    good.write_text('"""Well."""\n\nONE = 1\n')
    form.write_text('"""Well."""\n\nONE=1\n')
    warned.write_text('"""Well."""\n\nload("//other:two.bzl", "two")\n')
    assert format_problems([good]) == ""
    assert "form.bzl" in format_problems([good, form])
    assert "load" in format_problems([good, warned])
