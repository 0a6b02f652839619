"""Images run by podman for any CPU that qemu emulates, without touching the machine they run on.

Everything happens in namespaces of its own: users (mapped one to one), mounts and processes. So the registration of
qemu is private (binfmt_misc is, from Linux 6.7 on), cgroups are hidden (podman then needs none), and what podman
mounts and starts is gone when the first process ends, however it ends. The network is the machine's, for loopback.

The demonstration and the benchmarks use it too, from the top of the checkout:

    python -m tests.support.podman can PLATFORM               say why images of it do not run here, if so
    python -m tests.support.podman ask PLATFORM REF PATH..    serve the image, print what it answers
    python -m tests.support.podman in PLATFORM COMMAND..      run a command in such namespaces
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform as host
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Go's name of an architecture -> qemu's, and the start of its ELF files: everything but OS ABI, and ET_EXEC or ET_DYN.
_EMULATED = {
    "arm64": ("aarch64", r"\xb7"),
    "riscv64": ("riscv64", r"\xf3"),
    "amd64": ("x86_64", r"\x3e"),
}
_HOST = {"x86_64": "amd64", "aarch64": "arm64"}
_ELF = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00{machine}\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"

# The first process of the namespaces. F: the kernel opens qemu now, so the image needs not have it.
_INSIDE = """
set -e
read -r _mapped
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs none /sys/fs/cgroup
if [ -n "$REGISTER" ]; then
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    printf %s "$REGISTER" >/proc/sys/fs/binfmt_misc/register
fi
"$@" </dev/null
"""

_SETTINGS = {
    "containers.conf": '[engine]\nevents_logger = "none"\ncgroup_manager = "cgroupfs"\n',
    "registries.conf": '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n',
    "storage.conf": '[storage]\ndriver = "overlay"\nrunroot = "{storage}/run"\ngraphroot = "{storage}/root"\n',
}


class PodmanUnavailable(Exception):  # noqa: N818 - a reason to skip, not a failure
    """Why podman cannot run an image here."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a container ended and what it wrote."""

    status: int
    output: str
    errors: str


def require_podman(platform: str = "linux/arm64") -> None:
    """Skip the calling test, with the reason, where podman cannot run images of `platform`."""
    import pytest

    if problem := podman_problem(platform):
        pytest.skip(problem)


@functools.cache
def podman_problem(platform: str = "linux/arm64") -> str | None:
    """Tell why podman cannot run images of `platform` on this machine, None if it can."""
    for program in ("podman", "crun", "unshare", "setpriv"):
        if shutil.which(program) is None:
            return f"{program} is not installed (dev/setup installs it)"
    if os.getuid() != 0:
        return "podman runs images in the tests as root only"
    try:
        register = _registration(platform)
    except PodmanUnavailable as problem:
        return str(problem)
    with tempfile.TemporaryDirectory() as directory:
        done = _run(["true"], Path(directory), register, timeout=60)
    return f"no namespaces for podman here: {done.errors.strip()[-200:]}" if done.status else None


def run_image(
    ref: str,
    platform: str,
    *arguments: str,
    entrypoint: str | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float = 300,
) -> Ran:
    """Run an image to its end, without network; `arguments` come after its entrypoint.

    `ref` is anything podman takes: `oci:DIR:TAG`, `oci-archive:FILE`, `docker-archive:FILE` or
    `docker://127.0.0.1:PORT/NAME:TAG`.
    """
    with _storage() as storage:
        words = _podman(
            storage,
            ref,
            platform,
            arguments,
            entrypoint=entrypoint,
            environ=environ or {},
            network="none",
        )
        return _run(words, storage, _registration(platform), timeout=timeout)


@contextlib.contextmanager
def serving(
    ref: str,
    platform: str,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    path: str = "/",
    timeout: float = 240,
) -> Iterator[str]:
    """Run an image that serves HTTP, yield its URL once `path` answers, and end it.

    The image is told where to listen by the variables HOST and PORT.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {"HOST": "127.0.0.1", "PORT": str(port), **(environ or {})}
    with running(ref, platform, *arguments, environ=place) as (process, log):
        url = f"http://127.0.0.1:{port}"
        _await(url + path, process, log, timeout)
        yield url


@contextlib.contextmanager
def running(
    ref: str, platform: str, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run an image on the machine's network, yield the process and the file with what it writes, and end it."""
    with _storage() as storage:
        words = _podman(storage, ref, platform, arguments, environ=environ or {}, network="host")
        log = storage / "log"
        with log.open("wb") as output:
            process = _start(words, storage, _registration(platform), stdout=output, stderr=output)
        try:
            yield process, log
        finally:
            _end(process)


def fetch(url: str, timeout: float = 60) -> str:
    """Return what `url` answers; raise `urllib.error.HTTPError` for a refusal."""
    # A proxy that the machine is set up with has no business here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout) as answer:
        return str(answer.read().decode())


def _await(url: str, process: subprocess.Popen[bytes], log: Path, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError):
            fetch(url)
            return
        said = log.read_text(errors="replace")[-3000:]
        assert process.poll() is None, f"the container ended with status {process.returncode}:\n{said}"
        assert time.monotonic() < end, f"{url} does not answer after {timeout} s:\n{said}"
        time.sleep(0.1)


def _podman(
    storage: Path,
    ref: str,
    platform: str,
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    network: str,
    entrypoint: str | None = None,
) -> list[str]:
    return [
        *("podman", "--root", f"{storage}/root", "--runroot", f"{storage}/run", "--tmpdir", f"{storage}/tmp"),
        *("--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "none"),
        *("run", "--quiet", "--rm", "--platform", platform, "--pull", "always", "--tls-verify=false"),
        # crun alone can do without cgroups; told of user namespaces it binds devices instead of making them.
        *("--runtime", "crun", "--cgroups", "disabled", "--uidmap", "0:0:65536", "--gidmap", "0:0:65536"),
        *("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000", "--network", network),
        *(word for name, value in environ.items() for word in ("--env", f"{name}={value}")),
        *([] if entrypoint is None else ["--entrypoint", entrypoint]),
        *(ref, *arguments),
    ]


def _registration(platform: str) -> str:
    """Return what to write into binfmt_misc for a platform: nothing for the machine's own."""
    architecture = platform.split("/")[1]
    if _HOST.get(host.machine()) == architecture:
        return ""
    if architecture not in _EMULATED:
        raise PodmanUnavailable(f"no emulation of {platform} is known")
    name, machine = _EMULATED[architecture]
    if Path(f"/proc/sys/fs/binfmt_misc/qemu-{name}").exists():
        return ""  # Debian's package registers it where systemd runs, and new namespaces see that
    qemu = shutil.which(f"qemu-{name}-static")
    if qemu is None:
        raise PodmanUnavailable(f"qemu-{name}-static is not installed (dev/setup installs it)")
    return f":qemu-{name}:M::{_ELF.format(machine=machine)}:{_MASK}:{qemu}:F"


@contextlib.contextmanager
def _storage() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="crossdock-podman-"))
    try:
        yield directory
    finally:
        # What belongs to other users in here, root removes; what is left over is no test's failure.
        shutil.rmtree(directory, ignore_errors=True)


def _run(words: Sequence[str], storage: Path, register: str, *, timeout: float) -> Ran:
    process = _start(words, storage, register, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        _end(process)
    return Ran(process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"))


def _start(
    words: Sequence[str],
    storage: Path,
    register: str,
    *,
    stdout: int | object,
    stderr: int | object,
) -> subprocess.Popen[bytes]:
    for name, text in _SETTINGS.items():
        (storage / name).write_text(text.replace("{storage}", str(storage)))
    environ = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(storage),
        "TMPDIR": str(storage),
        "REGISTER": register,
        "CONTAINERS_CONF": f"{storage}/containers.conf",
        "CONTAINERS_REGISTRIES_CONF": f"{storage}/registries.conf",
        "CONTAINERS_STORAGE_CONF": f"{storage}/storage.conf",
    }
    return _spawn(words, storage, environ, stdout=stdout, stderr=stderr)


def _spawn(
    words: Sequence[str],
    directory: Path,
    environ: Mapping[str, str],
    *,
    stdout: int | object = None,
    stderr: int | object = None,
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--user", "--mount", "--pid", "--fork", "--kill-child"),
            *("sh", "-c", _INSIDE, "sh", *words),
        ],
        cwd=directory,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=stdout,  # type: ignore[arg-type] # whatever Popen takes
        stderr=stderr,  # type: ignore[arg-type]
        start_new_session=True,
    )
    _map_users(process)
    return process


def _map_users(process: subprocess.Popen[bytes]) -> None:
    """Let every user be itself in there. util-linux asks newuidmap for that, whose rules are for people."""
    mine = Path("/proc/self/ns/user").readlink()
    proc = Path(f"/proc/{process.pid}")
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it ended at once, and its status and errors say why
        while process.poll() is None and (proc / "ns" / "user").readlink() == mine:
            time.sleep(0.001)
        for name in ("uid_map", "gid_map"):
            (proc / name).write_text("0 0 4294967295")
        process.stdin.write(b"\n")
    with contextlib.suppress(OSError):
        process.stdin.close()
    process.stdin = None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def main(words: Sequence[str]) -> int:
    """Do what the head of this module says; return the status to exit with."""
    action, platform, *rest = words
    if action == "in":
        environ = {**os.environ, "REGISTER": _registration(platform)}
        process = _spawn(rest, Path.cwd(), environ)
        try:
            return process.wait()
        finally:
            _end(process)
    if problem := podman_problem(platform):
        sys.stderr.write(f"{problem}\n")
        return 1
    if action == "can":
        return 0
    ref, *paths = rest
    with serving(ref, platform, path=paths[0]) as url:
        for path in paths:
            sys.stdout.write(f"{path}: {fetch(url + path)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
