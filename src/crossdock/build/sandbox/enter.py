"""Make namespaces and a tree in them, and run one command there: `python -I -S enter.py FD`.

A program by itself, with the standard library alone. FD holds the plan as JSON (`namespaces.py` writes it). It speaks
as bubblewrap does with `--json-status-fd` and `--block-fd`: a line with the first process inside, then it waits for a
byte, then a line with the exit status. Needs Linux 5.12 (mount_setattr) and user namespaces.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

PREFIX = "namespaces: "

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
#: Mounts, cgroups, UTS, IPC, processes.
_NEW_OTHERS = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = (
    1,
    4,
    22,
    24,
    38,
)
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
_LAST_CAPABILITY = 63
_MOUNT_SETATTR = 442  # the same number on all machines
_PIVOT_ROOT = {
    "x86_64": 155,
    "aarch64": 41,
    "riscv64": 41,
    "ppc64le": 203,
    "s390x": 217,
    "armv7l": 218,
    "i686": 217,
}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Do what the plan says."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        plan = json.load(file)
    told, waiting = plan["told"], plan["waiting"]
    for descriptor in (told, waiting):
        os.set_inheritable(descriptor, False)  # noqa: FBT003  the function's own
    try:
        _die_with_parent()
        _unshare(plan)
        child = os.fork()
        if child == 0:
            _first(plan, told, waiting)
    except OSError as error:
        _fail(error)
    os.write(told, json.dumps({"child-pid": child}).encode() + b"\n")
    os.close(waiting)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(status if status >= 0 else 128 - status)


def _unshare(plan: dict[str, Any]) -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _NEW_USER | _NEW_OTHERS | (0 if plan["network"] else _NEW_NET))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{plan['uid']} {uid} 1\n", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{plan['gid']} {gid} 1\n", encoding="ascii")


def _first(plan: dict[str, Any], told: int, waiting: int) -> NoReturn:
    """Be the first process inside: make the tree, give all rights up, run the command, and end all when it ends."""
    try:
        _die_with_parent()
        socket.sethostname(plan["hostname"])
        if not plan["network"]:
            _loopback()
        os.umask(0)
        _make_tree(plan["root"], plan["steps"])
        os.umask(0o022)
        os.chdir(plan["cwd"])
        _give_up_rights()
        if not os.read(waiting, 1):
            os._exit(1)  # who started this is gone
        os.close(waiting)
        # What runs inside has this process's user: it must not read or trace it, not even in its first moment. What it
        # starts can be read again, since that is another program.
        _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)
        if plan["filter"] is not None:
            _filter_calls(base64.b64decode(plan["filter"]))
        child = os.fork()
        if child == 0:
            _command(plan)
        for stream in range(3):
            os.close(stream)
    except OSError as error:
        _fail(error)
    while True:
        pid, status = os.wait()
        if pid == child:
            break
    code = os.waitstatus_to_exitcode(status)
    os.write(told, json.dumps({"exit-code": code if code >= 0 else 128 - code}).encode() + b"\n")
    os._exit(0)


def _command(plan: dict[str, Any]) -> NoReturn:
    os.setsid()
    name = plan["command"][0]
    try:
        os.execvpe(name, plan["command"], {**plan["env"], "PWD": plan["cwd"]})  # noqa: S606  what it is for
    except OSError as error:
        os.write(2, f"{PREFIX}execvp {name}: {error.strerror}\n".encode())
    os._exit(127)


def _make_tree(root: str, steps: list[list[str]]) -> None:
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    _proc_and_dev(root)
    for do, place, what in steps:
        at = root if place == "/" else root + place
        if do in {"show", "give"}:
            _bind(what, at, (_ATTR_RDONLY if do == "show" else 0) | _ATTR_NOSUID | _ATTR_NODEV)
        elif do == "link":
            os.makedirs(os.path.dirname(at), 0o755, exist_ok=True)  # noqa: PTH103, PTH120  strings throughout
            os.symlink(what, at)  # noqa: PTH211
        elif do == "directory":
            os.makedirs(at, 0o755, exist_ok=True)  # noqa: PTH103
        elif do == "empty":
            _mount("tmpfs", at, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
            _set_attributes(at, _ATTR_RDONLY, 0)
        elif do == "text":
            _text(root, at, what)
        elif do == "close":
            os.chmod(at, 0o111)  # noqa: PTH101, S103  listed by nobody
        elif do == "seal":
            _set_attributes(at, _ATTR_RDONLY, 0)
        else:
            raise OSError(22, f"unknown step {do}")
    os.chdir(root)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, "pivot_root is not known for this machine")
    # pivot_root(2): with both the same, the old root lies on top of the new one and is taken away.
    _call("syscall", number, b".", b".")
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _proc_and_dev(root: str) -> None:
    for name in ("proc", "dev"):
        Path(root, name).mkdir(mode=0o755)
    _mount("proc", f"{root}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("tmpfs", f"{root}/dev", "tmpfs", _MS_NOSUID, "mode=755")
    for name in _DEVICES:
        if os.path.exists(f"/dev/{name}"):  # noqa: PTH110
            _bind(f"/dev/{name}", f"{root}/dev/{name}", _ATTR_NOSUID)
    for name in ("shm", "pts"):
        Path(root, "dev", name).mkdir(mode=0o755)
    _mount(
        "devpts", f"{root}/dev/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"
    )
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd"}
    links |= {name: f"/proc/self/fd/{number}" for number, name in enumerate(("stdin", "stdout", "stderr"))}
    for name, target in links.items():
        Path(root, "dev", name).symlink_to(target)


def _bind(source: str, at: str, attributes: int) -> None:
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(at, 0o755, exist_ok=True)  # noqa: PTH103
    elif not os.path.exists(at):  # noqa: PTH110
        os.makedirs(os.path.dirname(at), 0o755, exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(at, os.O_CREAT | os.O_EXCL, 0o444))
    _mount(source, at, None, _MS_BIND | _MS_REC)
    _set_attributes(at, attributes, _AT_RECURSIVE)


def _text(root: str, at: str, text: str) -> None:
    """Put a file at `at`, over one of a read-only mount if need be."""
    source = f"{root}/.text"
    Path(source).write_text(text, encoding="utf-8")
    os.chmod(source, 0o444)  # noqa: PTH101
    _bind(source, at, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)
    os.unlink(source)  # noqa: PTH108  the mount keeps it


def _loopback() -> None:
    """Set the interface `lo` up (SIOCGIFFLAGS, SIOCSIFFLAGS; IFF_UP)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = fcntl.ioctl(handle, 0x8913, struct.pack("16sH14x", b"lo", 0))
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14x", b"lo", flags | 1))


def _give_up_rights() -> None:
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # those that this kernel does not know fail
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _filter_calls(program: bytes) -> None:
    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    given = Program(len(program) // 8, program)
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0)


def _die_with_parent() -> None:
    _call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _mount(source: str | None, at: str, kind: str | None, flags: int, options: str | None = None) -> None:
    coded = [None if text is None else os.fsencode(text) for text in (source, at, kind, options)]
    try:
        _call("mount", coded[0], coded[1], coded[2], ctypes.c_ulong(flags), coded[3])
    except OSError as error:
        raise OSError(error.errno, f"cannot mount {source or kind} on {at}: {error.strerror}") from error


def _set_attributes(at: str, attributes: int, flags: int) -> None:
    given = struct.pack("QQQQ", attributes, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(at), flags, given, ctypes.c_size_t(len(given)))


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _fail(error: OSError) -> NoReturn:
    os.write(2, f"{PREFIX}{error.strerror}\n".encode())
    os._exit(1)


if __name__ == "__main__":
    main()
