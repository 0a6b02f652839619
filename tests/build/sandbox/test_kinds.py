"""The kinds of sandbox: which one a host gets, what is said where there is none, and the one for macOS as text."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.build.sandbox.support import KINDS, PYTHON, SCRIPT

from crossdock.build.sandbox import Limits, Mount, bubblewrap, namespaces, open_sandbox, sandbox_kind
from crossdock.build.sandbox.probe import refusal_of
from crossdock.build.sandbox.seatbelt import Seatbelt, profile
from crossdock.build.sandbox.supervise import Job
from crossdock.build.sandbox.unsandboxed import Unsandboxed
from crossdock.build.sandbox.windows import run_plainly
from crossdock.errors import BuildError

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def _no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(bubblewrap, "find", lambda: None)
    monkeypatch.setattr(namespaces, "trouble", lambda: "namespaces: unshare: Operation not permitted")


def test_without_a_sandbox_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    _no_bubblewrap(monkeypatch)
    with pytest.raises(BuildError) as caught:
        open_sandbox([], Limits(), allow_unsandboxed=False, warn=pytest.fail)
    assert caught.value.code == "E-BUILD-UNSANDBOXED"
    assert "install the package bubblewrap" in str(caught.value)
    assert "--allow-unsandboxed" in str(caught.value)


def test_on_macos_only_the_python_of_a_prefix_is_read(tmp_path: Path) -> None:
    for name in (".netrc", "bin/python3.11", "lib/python3.11/os.py", "lib/libssl.3.dylib"):
        (tmp_path / "home" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / name).write_text("x")
    home = tmp_path.resolve() / "home"
    python = Mount(source=home, place=str(home), python=True)
    parts = [str(mount.source.relative_to(home)) for mount in Seatbelt([python], Limits()).mounts]
    assert parts == ["bin/python3.11", "lib/python3.11", "lib/libssl.3.dylib"]
    (home / "Resources" / "Python.app").mkdir(parents=True)
    assert [mount.source for mount in Seatbelt([python], Limits()).mounts] == [home]


@posix
def test_without_a_sandbox_it_runs_where_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _no_bubblewrap(monkeypatch)
    monkeypatch.setenv("SECRET", "the secret")
    said: list[str] = []
    sandbox = open_sandbox(
        [Mount(source=tmp_path, place="/build", writable=True)],
        Limits(),
        allow_unsandboxed=True,
        warn=said.append,
    )
    assert sandbox.kind == "none"
    assert len(said) == 1
    assert "without a sandbox" in said[0]
    assert sandbox.inside(tmp_path / "x") == str(tmp_path / "x")
    log = tmp_path / "log"
    command = ["/bin/sh", "-c", "pwd; env | sort; umask; ulimit -c; exit 5"]
    assert sandbox.run(command, cwd=str(tmp_path), env={"A": "1"}, log=log) == 5
    lines = log.read_text().splitlines()
    assert lines[0] == str(tmp_path)
    assert lines[-2:] == ["0022", "0"]
    assert {"A=1"} <= set(lines)
    assert not any("SECRET" in line or line.startswith(("HOME=", "PATH=")) for line in lines)


@posix
def test_limits_hold_without_a_sandbox(tmp_path: Path) -> None:
    def attack(limits: Limits, *arguments: str) -> int:
        command = [PYTHON, "-I", str(SCRIPT), *arguments]
        return Unsandboxed([], limits).run(command, cwd=str(tmp_path), env={}, log=tmp_path / "log")

    for limits, arguments, code in (
        (Limits(seconds=0.5), ("forever", "30"), "E-BUILD-TIMEOUT"),
        (Limits(memory=100 << 20), ("memory", "300", "30"), "E-BUILD-MEMORY"),
        (Limits(processes=10), ("forks", "20", "x", "30"), "E-BUILD-PROCESSES"),
    ):
        with pytest.raises(BuildError) as caught:
            attack(limits, *arguments)
        assert caught.value.code == code
    assert attack(Limits(file_size=1 << 20), "fill", str(tmp_path / "large"), "3") == 3
    assert (tmp_path / "large").stat().st_size == 1 << 20


@posix
def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        Unsandboxed([], Limits()).run(["true"], cwd=str(tmp_path / "no"), env={}, log=tmp_path / "log")
    assert caught.value.code == "E-BUILD-SANDBOX"


@pytest.mark.skipif(namespaces.trouble() is not None, reason=str(namespaces.trouble()))
def test_without_bubblewrap_namespaces_are_made_by_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "find", lambda: None)
    assert open_sandbox([], Limits(), allow_unsandboxed=False, warn=pytest.fail).kind == "namespaces"
    assert sandbox_kind() == "namespaces"


def test_the_way_on_windows(tmp_path: Path) -> None:
    """The code of Windows, which any host can run."""
    log = tmp_path / "log"

    def job(code: str, seconds: float) -> Job:
        command = [sys.executable, "-I", "-c", code]
        environ = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
        limits = Limits(seconds=seconds)
        return Job(command=command, environ=environ, log=log, limits=limits, what="python", cwd=str(tmp_path))

    assert run_plainly(job("import os; print(len(os.environ) < 9, flush=True); raise SystemExit(6)", 60)) == 6
    assert log.read_text().split() == ["True"]
    with pytest.raises(BuildError) as caught:
        run_plainly(job("import time; time.sleep(60)", 0.5))
    assert caught.value.code == "E-BUILD-TIMEOUT"


def test_it_is_imported_where_posix_modules_are_missing() -> None:
    code = (
        "import sys; sys.modules['resource'] = None; sys.modules['fcntl'] = None; import os\n"
        "for name in ('sysconf', 'killpg', 'memfd_create', 'pidfd_open', 'uname', 'confstr'): delattr(os, name)\n"
        "import crossdock.build.sandbox\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_both_sides_name_the_messages_alike() -> None:
    from crossdock.build.sandbox.enter import PREFIX

    assert namespaces.Namespaces.prefix == PREFIX


def test_windows_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(BuildError, match="no sandbox") as caught:
        open_sandbox([], Limits(), allow_unsandboxed=False, warn=pytest.fail)
    assert caught.value.code == "E-BUILD-UNSANDBOXED"


@pytest.mark.parametrize(
    ("setting", "value", "word"),
    [
        ("user/max_user_namespaces", "0", "max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "bwrap-userns-restrict"),
    ],
)
def test_the_cause_is_named(tmp_path: Path, setting: str, value: str, word: str) -> None:
    path = tmp_path / "proc" / "sys" / setting
    path.parent.mkdir(parents=True)
    path.write_text(f"{1 - int(value)}\n")
    said = "bwrap: setting up uid map: Permission denied"
    assert refusal_of(said, tmp_path) == said
    path.write_text(f"{value}\n")
    assert word in refusal_of(said, tmp_path)


def test_a_container_is_named(tmp_path: Path) -> None:
    said = "bwrap: Creating new namespace failed: Operation not permitted"
    assert refusal_of(said, tmp_path) == said
    (tmp_path / ".dockerenv").touch()
    assert "seccomp=unconfined" in refusal_of(said, tmp_path)
    assert "systempaths" in refusal_of(
        "bwrap: Can't mount proc on /newroot/proc: Operation not permitted", tmp_path
    )


@posix
def test_a_bwrap_that_fails_gives_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    trouble = bubblewrap.trouble(str(program))
    assert trouble is not None
    assert trouble.startswith("bwrap: No permissions to create new namespace")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(bubblewrap, "find", lambda: str(program))
    monkeypatch.setattr(namespaces, "trouble", lambda: "namespaces: unshare: Operation not permitted")
    assert sandbox_kind() == "none"
    with pytest.raises(BuildError, match="No permissions") as caught:
        open_sandbox([], Limits(), allow_unsandboxed=False, warn=pytest.fail)
    assert caught.value.code == "E-BUILD-UNSANDBOXED"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_it_holds_for_an_unprivileged_user(kind: str) -> None:
    """As nobody: with the system's Python, since root's may lie in root's home."""
    python, setpriv = shutil.which("python3", path="/usr/bin"), shutil.which("setpriv")
    if python is None or setpriv is None:
        pytest.skip("no Python in /usr/bin or no setpriv")
    version = subprocess.check_output(
        [python, "-c", "import sys; print(sys.version_info >= (3, 11))"], text=True
    )
    if version != "True\n":
        pytest.skip("the system's Python is older than 3.11")
    open_to_all = Path("/tmp") / f"crossdock-nobody-{os.getpid()}"
    package = open_to_all / "crossdock"
    source = Path(bubblewrap.__file__).parents[2]
    try:
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
        (open_to_all / "secret").write_text("the secret")
        (open_to_all / "build").mkdir()
        shutil.copy(SCRIPT, open_to_all / "build" / "hostile.py")
        shutil.chown(open_to_all / "build", 65534, 65534)
        shutil.chown(open_to_all, 65534, 65534)
        done = subprocess.run(
            [
                setpriv,
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                python,
                "-c",
                _AS_NOBODY,
                open_to_all,
                kind,
            ],
            cwd="/",
            env={"PYTHONPATH": str(open_to_all), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
    finally:
        shutil.rmtree(open_to_all)
    assert done.stdout.splitlines() == [
        f"65534 {kind}",
        "1000 build 0",
        "3 0",  # the secret: not inside, but outside
        "0 True",
        "E-BUILD-TIMEOUT",
        "E-BUILD-PROCESSES",
        "1028",
    ], done.stderr


_AS_NOBODY = """
import os, subprocess, sys
from pathlib import Path
from crossdock.build.sandbox import *
from crossdock.errors import BuildError
root = Path(sys.argv[1])
log = root / "log"
if sys.argv[2] == "namespaces":
    from crossdock.build.sandbox import bubblewrap
    bubblewrap.find = lambda: None
print(os.geteuid(), sandbox_kind())
def run(*command, limits=Limits()):
    sandbox = open_sandbox([Mount(source=root / "build", place="/build", writable=True)], limits,
                           allow_unsandboxed=False, warn=print)
    log.unlink(missing_ok=True)
    try:
        return sandbox.run(command, cwd="/build", env={"PATH": "/usr/bin"}, log=log)
    except BuildError as error:
        return error.code
python = os.path.realpath(sys.executable)
run("sh", "-c", "echo $(id -u) $(id -un) $(grep -c 'CapEff:.*[1-9a-f]' /proc/self/status)")
print(log.read_text().strip())
print(run(python, "hostile.py", "read", str(root / "secret")),
      subprocess.call([python, root / "build" / "hostile.py", "read", root / "secret"], stdout=-3))
print(run("touch", "made"), (root / "build" / "made").exists())
print(run("sleep", "30", limits=Limits(seconds=0.5)))
print(run(python, "hostile.py", "forks", "60", "x", "30", limits=Limits(processes=20)))
# What the kernel lets it have at most, in the time between two looks.
run("grep", "processes", "/proc/self/limits", limits=Limits(processes=1))
print(log.read_text().split()[2])
"""


def test_the_profile_for_macos(tmp_path: Path) -> None:
    build, given = tmp_path / 'bu"ild', tmp_path / "given"
    build.mkdir()
    given.mkdir()
    mounts = [Mount(source=build, place="/build", writable=True), Mount(source=given, place="/given")]
    text = profile(mounts, hide=[str(given / "include")])
    quoted = str(build).replace('"', '\\"')
    assert text.startswith("(version 1)\n(allow default)\n")
    assert text.count("(") == text.count(")")
    assert "(deny network*)" in text
    rules = text.splitlines()
    assert f'  (subpath "{quoted}")' in "\n".join(rules[rules.index("(allow file-write*") :]).replace(
        "))", ")"
    )
    for place in ("/Users", "/private/tmp", "/usr/local", "/Library/Keychains", str(Path.home().resolve())):
        assert f'(subpath "{place}")' in text
    # The last rule that matches counts: what is denied first, what is mounted after it, what is hidden last.
    order = [
        text.index('(subpath "/Users")'),
        text.index(f'(subpath "{given}")'),
        text.index(f'(subpath "{given}/include")'),
        text.index("(deny file-write*)"),
        text.index("(allow file-write*"),
    ]
    assert order == sorted(order)
    written = text[text.index("(allow file-write*") :].split("(deny file-write*")[0]
    assert str(given) not in written
    assert "mach-lookup" in text


def test_the_profile_with_network() -> None:
    assert "(deny network*)" not in profile([], network=True)


def test_the_command_line_on_macos(tmp_path: Path) -> None:
    sandbox = Seatbelt([], Limits(file_size=1 << 20))
    command = sandbox.command(["make", "all"], network=False)
    assert command[:2] == ["/bin/sh", "-c"]
    assert command[-5:-3] == ["/usr/bin/sandbox-exec", "-p"]
    assert command[-2:] == ["make", "all"]
    assert "2048" in command


@posix
def test_a_mount_in_a_writable_one_is_not_written(tmp_path: Path) -> None:
    """The profile's last rule counts: an environment within a build's directory stays as uv made it."""
    mounts = [
        Mount(source=tmp_path / "work", place="/build", writable=True),
        Mount(source=tmp_path / "work" / "env", place="/build/env"),
        Mount(source=tmp_path / "other", place="/other"),
    ]
    text = profile(mounts)
    allowed = text.index(f'(allow file-write*\n  (subpath "{tmp_path}/work"))')
    denied = text.index(f'(deny file-write*\n  (subpath "{tmp_path}/work/env"))')
    assert allowed < denied
    assert text.count(f'"{tmp_path}/other"') == 1


def test_a_program_in_place_of_sandbox_exec_gets_the_profile(tmp_path: Path) -> None:
    stand_in = tmp_path / "sandbox-exec"
    stand_in.write_text('#!/bin/sh\necho "$1"; echo "$2" | head -1; shift 2; exec "$@"\n')
    stand_in.chmod(0o755)
    sandbox = Seatbelt([Mount(source=tmp_path, place="/x", writable=True)], Limits(), program=str(stand_in))
    log = tmp_path / "log"
    env = {"PATH": "/usr/bin:/bin"}
    assert sandbox.run(["sh", "-c", "echo run; exit 4"], cwd=str(tmp_path), env=env, log=log) == 4
    assert log.read_text() == "-p\n(version 1)\nrun\n"
