"""System calls that a build has no need of, and that reach what namespaces do not separate: a filter for seccomp.

Kernel keys (a session's Kerberos tickets lie there), sockets to the hypervisor (AF_VSOCK) and other families that no
network namespace holds back, typing into a terminal (TIOCSTI, CVE-2017-5226), and parts of the kernel that attackers
like: namespaces in namespaces, mounts, bpf, io_uring, performance counters.
"""

from __future__ import annotations

import platform
import struct
import sys

#: AUDIT_ARCH of <linux/audit.h>, and system call numbers of the kernel's tables, which never change.
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_CLONE = {"x86_64": 56, "aarch64": 220}
#: The same number everywhere: glibc falls back to clone, whose flags can be looked at, where this does not exist.
_CLONE3 = 435
_REFUSED = {
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
}
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_TERMINAL = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

_LOAD, _EQUAL, _ABOVE, _ANY, _RETURN = (
    0x20,
    0x15,
    0x35,
    0x45,
    0x06,
)  # BPF instructions of <linux/bpf_common.h>
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_NUMBER, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data; arguments' lower halves
_X32 = 0x40000000


def filter_program(machine: str | None = None) -> bytes | None:
    """Return the filter as an array of `struct sock_filter`, or None on machines for which there is none."""
    name = machine or platform.machine()
    if name not in _AUDIT or sys.byteorder != "little":
        return None
    index = ("x86_64", "aarch64").index(name)
    program = [
        _take(_LOAD, _ARCH),
        # Another architecture's calls (32-bit on x86-64) have other numbers: they are not there.
        _jump(_EQUAL, _AUDIT[name], 1, 0),
        _give(_ERRNO | _ENOSYS),
        _take(_LOAD, _NUMBER),
        _jump(_ABOVE, _X32, 0, 1),
        _give(_ERRNO | _ENOSYS),
        _jump(_EQUAL, _CLONE3, 0, 1),
        _give(_ERRNO | _ENOSYS),
    ]
    for number in sorted(numbers[index] for numbers in _REFUSED.values()):
        program += [_jump(_EQUAL, number, 0, 1), _give(_ERRNO | _EPERM)]
    families = [
        _take(_LOAD, _FIRST),
        *(_jump(_EQUAL, family, len(_FAMILIES) - at, 0) for at, family in enumerate(_FAMILIES)),
        _give(_ERRNO | _EAFNOSUPPORT),
        _give(_ALLOW),
    ]
    # The kernel looks at the lower half alone (CVE-2019-10063).
    terminal = [
        _take(_LOAD, _SECOND),
        _jump(_EQUAL, _TERMINAL[0], 1, 0),
        _jump(_EQUAL, _TERMINAL[1], 0, 1),
        _give(_ERRNO | _EPERM),
        _give(_ALLOW),
    ]
    spaces = [
        _take(_LOAD, _FIRST),
        _jump(_ANY, _NEW_NAMESPACES, 0, 1),
        _give(_ERRNO | _EPERM),
        _give(_ALLOW),
    ]
    for number, body in ((_SOCKET[name], families), (_IOCTL[name], terminal), (_CLONE[name], spaces)):
        program += [_jump(_EQUAL, number, 0, len(body)), *body]
    return b"".join([*program, _give(_ALLOW)])


def _take(code: int, offset: int) -> bytes:
    return struct.pack("<HBBI", code, 0, 0, offset)


def _jump(code: int, value: int, true: int, false: int) -> bytes:
    return struct.pack("<HBBI", code, true, false, value)


def _give(value: int) -> bytes:
    return struct.pack("<HBBI", _RETURN, 0, 0, value)
