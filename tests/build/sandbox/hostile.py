"""What hostile code of a package tries. `python hostile.py ATTACK ARGUMENTS`: 0 if it could, 3 if not.

It runs with the standard library alone, inside a sandbox and outside.
"""

import ctypes
import fcntl
import mmap
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)


def read(path: str) -> str:
    """Read a secret file."""
    return Path(path).read_text()


def read_any(name: str, *roots: str) -> str:
    """Find a file by its name below roots, wherever it may be mounted."""
    for root in roots:
        for directory, _, files in os.walk(root):
            if name in files:
                return Path(directory, name).read_text()
    raise FileNotFoundError(name)


def variable(name: str) -> str:
    """Read the caller's environment, its own and that of processes it sees."""
    if name in os.environ:
        return os.environ[name]
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{name}=".encode() in path.read_bytes():
                return str(path)
        except OSError:
            pass
    raise KeyError(name)


def tcp(port: str) -> str:
    """Reach a server on the host's loopback."""
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as connection:
        return connection.recv(5).decode()


def unix(address: str) -> str:
    """Reach a server by a socket of the file system, or an abstract one (@NAME)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect("\0" + address[1:] if address.startswith("@") else address)
        return connection.recv(5).decode()


def family(number: str) -> str:
    """Make a socket of a family that network namespaces may not separate."""
    socket.socket(int(number), socket.SOCK_SEQPACKET if int(number) == 38 else socket.SOCK_STREAM).close()
    return number


def write(path: str) -> str:
    """Write a file somewhere."""
    Path(path).write_text("planted")
    return path


def rewrite(path: str) -> str:
    """Write to a setting of the kernel what it is."""
    before = Path(path).read_bytes()
    Path(path).write_bytes(before)
    return path


def stop(pid: str) -> str:
    """Send a signal to a process of the host."""
    os.kill(int(pid), signal.SIGUSR1)
    return pid


def trace(pid: str) -> str:
    """Attach to a process of the host (PTRACE_ATTACH, PTRACE_DETACH)."""
    _checked(libc.ptrace(16, int(pid), None, None))
    os.waitpid(int(pid), 0)
    libc.ptrace(17, int(pid), None, None)
    return pid


def processes(first: str, second: str) -> str:
    """Find a process of the host by its command line, which is not ours."""
    marker = first + second
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if marker.encode() in line:
            return line.decode()
    raise LookupError(marker)


def keys() -> str:
    """Ask for the session's kernel keyring (KEYCTL_GET_KEYRING_ID, made if it is not there)."""
    number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
    return str(_checked(libc.syscall(number, 0, -3, 1, 0, 0)))


def namespace() -> str:
    """Make a user namespace, where it would be root."""
    _checked(libc.unshare(0x10000000))
    return "root there"


def typed() -> str:
    """Type a command into a terminal (TIOCSTI): its own, so that nobody's is harmed."""
    _, slave = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        try:
            fcntl.ioctl(slave, termios.TIOCSTI, b"x")
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise OSError(status, os.strerror(status))
    return "typed"


def terminal() -> str:
    """Open the terminal from which crossdock was started."""
    os.close(os.open("/dev/tty", os.O_RDWR))
    return "a terminal"


def forks(count: str, marker: str, seconds: str) -> str:
    """Start many processes."""
    for _ in range(int(count)):
        subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({seconds}) # {marker}"])
    time.sleep(float(seconds))
    return count


def memory(mebibytes: str, seconds: str) -> str:
    """Hold memory, half of it shared and not in this process's heap."""
    half = int(mebibytes) << 19
    held = b"x" * half
    shared = mmap.mmap(-1, half)
    for offset in range(0, half, 4096):
        shared[offset] = 1
    time.sleep(float(seconds))
    return str(len(held) + len(shared))


def forever(seconds: str) -> str:
    """Run long."""
    time.sleep(float(seconds))
    return seconds


def fill(path: str, mebibytes: str) -> str:
    """Write a large file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Path(path).open("wb") as file:
        for _ in range(int(mebibytes)):
            file.write(b"x" * (1 << 20))
            file.flush()
    return path


def dump(path: str) -> str:
    """Leave a core file."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise PermissionError("no core")
    return path


def daemon(marker: str, seconds: str) -> str:
    """Leave a process behind that has its own session and no parent."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for descriptor in range(3):
                os.close(descriptor)
            os.execv(
                sys.executable, [sys.executable, "-S", "-c", f"import time; time.sleep({seconds}) # {marker}"]
            )
        os._exit(0)
    time.sleep(0.3)
    return "left behind"


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def main() -> None:
    attack, *arguments = sys.argv[1:]
    try:
        print("COULD", attack, globals()[attack](*arguments), flush=True)
    except (OSError, LookupError) as error:
        print("COULD NOT", attack, type(error).__name__, error, flush=True)
        sys.exit(3)


if __name__ == "__main__":
    main()
