"""Hostile code in the sandbox: each attack comes off on the host and fails inside."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.build.sandbox.support import KIND, KINDS, PYTHON, Yard, alive, attack_outside, until

from crossdock.build.sandbox import Limits, Mount
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=KINDS, autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv(KIND, request.param)
    # What is killed hard leaves its scratch directory behind: not in the machine's.
    scratch = tmp_path.with_name(f"{tmp_path.name}-scratch")
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    return str(request.param)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@pytest.mark.parametrize("kind", ["namespaces"], indirect=True)  # bubblewrap's first process is its own
@pytest.mark.usefixtures("kind")
def test_the_first_process_inside_is_closed_before_another_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossdock.build.sandbox import enter

    class Forks(Exception):  # noqa: N818  it is none
        pass

    def forks() -> int:
        raise Forks

    called: list[tuple[object, ...]] = []
    monkeypatch.setattr(enter, "_call", lambda *words: called.append(words))
    monkeypatch.setattr(enter, "_filter_calls", lambda program: called.append(("filter", program)))
    for name in ("_die_with_parent", "_make_tree", "_give_up_rights"):
        monkeypatch.setattr(enter, name, lambda *_words: None)
    monkeypatch.setattr("socket.sethostname", lambda _name: None)
    monkeypatch.setattr("os.fork", forks)
    mine, theirs = os.pipe()
    os.write(theirs, b"\0")
    os.close(theirs)
    plan = {"hostname": "", "network": True, "root": "", "steps": [], "cwd": ".", "filter": "eA=="}
    with pytest.raises(Forks):
        enter._first(plan, -1, mine)
    assert called == [("prctl", 4, 0, 0, 0, 0), ("filter", b"x")]


def test_the_first_process_inside_is_filtered_too(yard: Yard) -> None:
    said = yard.shell("grep ^Seccomp: /proc/1/status /proc/self/status")
    assert said.split() == ["/proc/1/status:Seccomp:", "2", "/proc/self/status:Seccomp:", "2"]


@contextmanager
def server(listener: socket.socket) -> Iterator[socket.socket]:
    listener.listen(8)
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the other side may be gone
                connection.sendall(b"hello")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        stopped.set()
        with socket.socket(listener.family) as wake:
            wake.connect(listener.getsockname())
        thread.join(5)
        listener.close()


@contextmanager
def bystander(marker: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the host that has nothing to do with the build, and may be signalled."""
    code = f"import signal, time; signal.signal(signal.SIGUSR1, lambda *a: None); print(1, flush=True); time.sleep(60) # {marker}"
    with subprocess.Popen([PYTHON, "-S", "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_secret_in_a_home_is_not_read(yard: Yard, tmp_path: Path) -> None:
    secret = tmp_path / "home" / ".ssh" / "id_ed25519"
    secret.parent.mkdir(parents=True)
    secret.write_text("the secret")
    assert attack_outside("read", secret) == 0
    assert yard.attack("read", secret) == 3
    name = f"secret-{secrets.token_hex(4)}"
    in_home = Path.home() / name
    in_home.write_text("the secret")
    try:
        assert attack_outside("read", in_home) == 0
        assert yard.attack("read", in_home) == 3
        assert yard.attack("read_any", name, "/root", "/home", "/proc/self/root", "/proc/1/root") == 3
    finally:
        in_home.unlink()


def test_a_secret_in_the_hosts_tmp_is_not_read(yard: Yard) -> None:
    secret = Path("/tmp") / f"secret-{secrets.token_hex(8)}"
    secret.write_text("the secret")
    try:
        assert attack_outside("read_any", secret.name, "/tmp") == 0
        assert (
            yard.attack("read_any", secret.name, "/tmp", "/var/tmp", "/dev", "/run", "/proc/1/root/tmp") == 3
        )
    finally:
        secret.unlink()


def test_the_callers_environment_is_not_seen(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"TOKEN_{secrets.token_hex(4)}"
    monkeypatch.setenv(name, "the secret")
    with subprocess.Popen([PYTHON, "-c", "import time; time.sleep(60)"]) as other:
        try:
            assert attack_outside("variable", name) == 0
            assert yard.attack("variable", name) == 3
        finally:
            other.kill()


def test_no_server_on_the_hosts_loopback_is_reached(yard: Yard) -> None:
    with server(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        assert attack_outside("tcp", port) == 0
        assert yard.attack("tcp", port) == 3
        # The test can fail: with the host's network it is reached.
        assert yard.attack("tcp", port, network=True) == 0


def test_a_loopback_of_its_own_is_there(yard: Yard) -> None:
    code = (
        "import socket as s; a = s.create_server(('127.0.0.1', 0)); "
        "b = s.create_connection(a.getsockname()); c, _ = a.accept(); c.send(b'x'); assert b.recv(1) == b'x'"
    )
    assert yard.run(PYTHON, "-c", code) == 0


def test_no_unix_socket_of_the_host_is_reached(yard: Yard, tmp_path: Path) -> None:
    for address in (str(tmp_path / "socket"), f"@crossdock-{secrets.token_hex(4)}"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        with server(listener):
            assert attack_outside("unix", address) == 0
            assert yard.attack("unix", address) == 3


@pytest.mark.parametrize("family", [17, 38, 40], ids=["AF_PACKET", "AF_ALG", "AF_VSOCK"])
def test_socket_families_that_no_namespace_separates_are_refused(yard: Yard, family: int) -> None:
    if attack_outside("family", family):
        pytest.skip("this kernel or user has no such sockets")
    assert yard.attack("family", family) == 3
    assert yard.attack("family", family, network=True) == 3


def test_only_the_writable_mount_is_written(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    yard = Yard(tmp_path, mounts=(Mount(source=given, place="/given"),))
    assert attack_outside("write", given / "x") == 0
    (given / "x").unlink()
    places = [
        "/given/x",
        given / "x",
        "/usr/x",
        "/usr/bin/x",
        "/usr/libexec/plain/0/x",
        "/etc/passwd",
        "/x",
        "/dev/x",
    ]
    for place in [*places, "/proc/x", "/sys/x", Path.home() / "x"]:
        assert yard.attack("write", place) == 3, place
    assert not list(given.iterdir())
    name = secrets.token_hex(8)
    for place in ("/build", "/tmp", "/var/tmp", "/dev/shm"):
        assert yard.attack("write", f"{place}/{name}") == 0, place
        assert not Path(place, name).exists()
    assert (yard.build / name).read_text() == "planted"


def test_settings_of_the_kernel_are_not_written(yard: Yard) -> None:
    setting = "/proc/sys/kernel/core_pattern"
    if os.geteuid() == 0:
        assert attack_outside("rewrite", setting) == 0
    assert yard.attack("rewrite", setting) == 3
    assert yard.attack("rewrite", "/proc/self/oom_score_adj") == 3


def test_tmp_is_new_in_each_run(yard: Yard) -> None:
    assert yard.attack("write", "/tmp/x") == 0
    assert yard.attack("read", "/tmp/x") == 3


def test_processes_of_the_host_are_neither_seen_nor_touched(yard: Yard) -> None:
    marker = f"marker{secrets.token_hex(6)}"
    with bystander(marker) as process:
        assert attack_outside("processes", marker[:9], marker[9:]) == 0
        assert attack_outside("stop", process.pid) == 0
        if os.geteuid() == 0:
            assert attack_outside("trace", process.pid) == 0
        assert yard.run(PYTHON, "-I", "/build/hostile.py", "stop", str(process.pid)) == 3
        assert yard.attack("trace", process.pid) == 3
        assert yard.attack("processes", marker[:9], marker[9:]) == 3
    assert set(yard.shell("cd /proc; echo [0-9]*").split()) <= {str(number) for number in range(10)}


def test_kernel_keys_and_new_namespaces_are_refused(yard: Yard) -> None:
    for attack in ("keys", "namespace"):
        if attack_outside(attack):
            pytest.skip(f"{attack}: this kernel lets nobody do that")
        assert yard.attack(attack) == 3


def test_nothing_is_typed_into_a_terminal(yard: Yard) -> None:
    if attack_outside("typed"):
        pytest.skip("this kernel has no TIOCSTI any more")
    assert yard.attack("typed") == 3


def test_the_terminal_of_the_caller_cannot_be_opened(yard: Yard, tmp_path: Path) -> None:
    """Run a sandbox from a process that has a controlling terminal."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.build.sandbox.support import *\n"
        f"inside = Yard(Path({str(tmp_path)!r})).attack('terminal')\n"
        "outside = attack_outside('terminal')\n"
        f"Path({str(tmp_path / 'result')!r}).write_text(f'{{inside}} {{outside}}')\n"
    )
    import pty

    root = Path(__file__).parents[3]
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(root)
        os.execve(
            sys.executable, [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": f"{root}:{root}/src"}
        )
    assert until((tmp_path / "result").exists, 30)
    os.waitpid(pid, 0)
    os.close(master)
    assert (tmp_path / "result").read_text() == "3 0"


def test_a_fork_bomb_is_ended(tmp_path: Path) -> None:
    marker = f"marker{secrets.token_hex(6)}"
    yard = Yard(tmp_path, limits=Limits(processes=30, seconds=60))
    assert yard.attack("forks", 5, marker, 0.1) == 0
    with pytest.raises(BuildError) as caught:
        yard.attack("forks", 60, marker, 40)
    assert caught.value.code == "E-BUILD-PROCESSES"
    assert not alive(marker)


def test_too_much_memory_is_ended(tmp_path: Path) -> None:
    yard = Yard(tmp_path, limits=Limits(memory=160 << 20, seconds=60))
    assert yard.attack("memory", 60, 1) == 0
    with pytest.raises(BuildError) as caught:
        yard.attack("memory", 240, 40)
    assert caught.value.code == "E-BUILD-MEMORY"


def test_what_runs_for_ever_is_ended(tmp_path: Path) -> None:
    yard = Yard(tmp_path, limits=Limits(seconds=1))
    start = time.monotonic()
    with pytest.raises(BuildError) as caught:
        yard.attack("forever", 100)
    assert caught.value.code == "E-BUILD-TIMEOUT"
    assert time.monotonic() - start < 20


def test_a_file_does_not_grow_without_end(tmp_path: Path) -> None:
    yard = Yard(tmp_path, limits=Limits(file_size=2 << 20))
    assert yard.attack("fill", "/build/large", 1) == 0
    assert yard.attack("fill", "/build/large", 5) == 3
    assert (yard.build / "large").stat().st_size == 2 << 20
    assert yard.attack("dump", "/build/core") == 3


def test_a_log_does_not_grow_without_end(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    from crossdock.build.sandbox import supervise

    monkeypatch.setattr(supervise, "LOG_LIMIT", 100_000)
    assert yard.run("/bin/sh", "-c", "yes | head -c 1000000") == 0
    assert 100_000 <= yard.log.stat().st_size < 101_000
    assert "left out" in yard.text()


def test_daemons_are_dead_when_it_returns(yard: Yard) -> None:
    marker = f"marker{secrets.token_hex(6)}"
    assert attack_outside("daemon", marker, 30) == 0
    survivors = alive(marker)
    assert survivors
    for pid in survivors:
        os.kill(pid, signal.SIGKILL)
    assert until(lambda: not alive(marker))
    assert yard.attack("daemon", marker, 30) == 0
    assert not alive(marker)


def test_a_link_in_place_of_a_mount_is_not_followed(tmp_path: Path) -> None:
    treasure, given = tmp_path / "treasure", tmp_path / "given"
    treasure.mkdir()
    given.mkdir()
    yard = Yard(tmp_path, mounts=(Mount(source=given, place="/build/env/inner", writable=True),))
    sandbox = yard.sandbox()

    def run(*command: str) -> int:
        return sandbox.run(command, cwd="/build", env={"PATH": "/usr/bin"}, log=yard.log)

    assert run("touch", "/build/env/inner/x") == 0
    assert (given / "x").exists()
    # A build that replaces the directory above the mount place by a link to the host's files.
    (yard.build / "env" / "inner").rmdir()
    (yard.build / "env").rmdir()
    for target in (str(treasure), f"../../oldroot{treasure}", f"/oldroot{treasure}", "/tmp"):
        (yard.build / "env").symlink_to(target)
        with pytest.raises(BuildError) as caught:
            run("touch", "/build/env/inner/planted")
        assert caught.value.code == "E-BUILD-SANDBOX"
        (yard.build / "env").unlink()
    assert not list(treasure.iterdir())


def test_a_link_in_place_of_a_mounts_source_is_not_followed(tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "secret").write_text("the secret")
    yard = Yard(tmp_path)
    (yard.build / "env").mkdir()
    yard.mounts = (Mount(source=yard.build / "env", place="/env"),)
    sandbox = yard.sandbox()
    (yard.build / "env").rmdir()
    (yard.build / "env").symlink_to(treasure)
    with pytest.raises(BuildError) as caught:
        sandbox.run(["cat", "/env/secret"], cwd="/build", env={"PATH": "/usr/bin"}, log=yard.log)
    assert caught.value.code == "E-BUILD-SANDBOX"
    # And where the link was there before the sandbox was opened.
    with pytest.raises(BuildError) as caught:
        yard.run("cat", "/env/secret")
    assert caught.value.code == "E-BUILD-SANDBOX"
    assert not yard.log.exists()


def test_links_in_the_build_tree_lead_to_the_sandboxs_files(yard: Yard, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    (yard.build / "link").symlink_to(secret)
    (yard.build / "climb").symlink_to("/proc/1/root")
    assert attack_outside("read", yard.build / "link") == 0
    assert yard.attack("read", "/build/link") == 3
    assert yard.attack("read", f"/build/climb{secret}") == 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_tree_dies_with_its_caller(tmp_path: Path, how: signal.Signals) -> None:
    marker = f"marker{secrets.token_hex(6)}"
    code = (
        "from pathlib import Path\nfrom tests.build.sandbox.support import *\n"
        f"Yard(Path({str(tmp_path)!r})).attack('forks', 3, {marker!r}, 60)\n"
    )
    root = Path(__file__).parents[3]
    environ = {**os.environ, "PYTHONPATH": f"{root}:{root}/src"}
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, env=environ, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert until(lambda: len(alive(f"# {marker}")) == 3, 30)
            process.send_signal(how)
            process.wait(20)
        finally:
            process.kill()
    assert until(lambda: not alive(f"# {marker}"), 5)


def test_stop_all_ends_what_runs_in_other_threads(yard: Yard) -> None:
    from crossdock.build.sandbox.supervise import stop_all

    statuses: list[int | str] = []

    def build() -> None:
        try:
            statuses.append(yard.attack("forever", 60))
        except BuildError as error:
            statuses.append(error.code)

    thread = threading.Thread(target=build)
    thread.start()
    time.sleep(1)
    stop_all()
    thread.join(20)
    assert statuses == ["E-BUILD-SANDBOX"]
