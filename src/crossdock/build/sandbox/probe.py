"""Why this host lets no sandbox be made, and what to do about it."""

from __future__ import annotations

from pathlib import Path

#: How each cause is told from a file below /proc/sys: path, value that means trouble, what it is, what to do.
_SETTINGS = (
    (
        "user/max_user_namespaces",
        "0",
        "user namespaces are switched off (user.max_user_namespaces is 0)",
        "sysctl -w user.max_user_namespaces=15000",
    ),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "unprivileged user namespaces are switched off (kernel.unprivileged_userns_clone is 0)",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor keeps user namespaces from programs without a profile (Ubuntu 23.10 and later)",
        (
            "install the package apparmor-profiles, copy /usr/share/apparmor/extra-profiles/bwrap-userns-restrict to "
            "/etc/apparmor.d/ and load it with `apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict`"
        ),
    ),
)
#: Files that tell of a container.
_CONTAINER = (".dockerenv", "run/.containerenv")


def refusal_of(said: str, root: Path = Path("/")) -> str:
    """Return one line with what the tool said, the likely cause and the remedy, from the settings below `root`."""
    for name, value, cause, remedy in _SETTINGS:
        if _read(root / "proc/sys" / name) == value:
            return f"{said}: {cause}; as root: {remedy}"
    if "proc" in said and "mount" in said.lower():
        return (
            f"{said}: a container covers parts of /proc; with docker: --security-opt systempaths=unconfined"
        )
    if any((root / name).exists() for name in _CONTAINER) or _is_container(root):
        return (
            f"{said}: a container forbids new namespaces; with docker or podman: --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined --security-opt systempaths=unconfined"
        )
    return said


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _is_container(root: Path) -> bool:
    return "container=" in _read(root / "proc/1/environ")
