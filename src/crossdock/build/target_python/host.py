"""The headers of this machine's Python of the same minor version, with what is otherwise on the target changed."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.build.target_python.headers import edited, is_header, own_pyconfig
from crossdock.build.target_python.layout import Parts
from crossdock.build.target_python.pyconfig import read_pyconfig, with_changes
from crossdock.build.target_python.table import is_known, kind_of, values_for
from crossdock.errors import BuildError
from crossdock.target.model import Os

if TYPE_CHECKING:
    from crossdock.build.model import World
    from crossdock.target.model import Target

_SECONDS = 60
#: Asked of the interpreter with -I: neither the caller's variables nor its directory count.
_QUESTION = """
import json, sys, sysconfig
print(json.dumps({
    "include": [sysconfig.get_path("include"), sysconfig.get_config_var("INCLUDEPY"),
                sysconfig.get_path("platinclude")],
    "pyconfig": sysconfig.get_config_h_filename(),
    "multiarch": sysconfig.get_config_var("MULTIARCH") or "",
    "version": "%d.%d.%d" % sys.version_info[:3],
    "platform": sysconfig.get_platform(),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHeaders:
    """The headers of an interpreter, with its own pyconfig.h; `version` is `X.Y.Z`."""

    headers: dict[str, bytes]
    version: str
    platform: str


def from_host(target: Target, world: World) -> Parts | None:
    """Return the parts made of the host's headers, None for a CPU that no table has.

    Raise `BuildError` (E-BUILD-PYTHON) where there is no host Python of the version,
    (E-BUILD-TARGET-PYTHON) where it came without headers.
    """
    if target.os is not Os.WINDOWS and not is_known(target):
        return None
    host = host_headers(_interpreter(target, world))
    if target.os is Os.WINDOWS:
        from crossdock.build.target_python.windows import windows_parts  # few targets are

        return windows_parts(host, target, world)
    text = host.headers["pyconfig.h"].decode("utf-8", "replace")
    names = read_pyconfig(text)
    if "SIZEOF_WCHAR_T" not in names or "HAVE_DECL_RTLD_DEEPBIND" not in names:
        raise BuildError(
            f"the headers of CPython {host.version} on this machine are not made by its configure",
            code="E-BUILD-TARGET-PYTHON",
            hint="give the target's Python by `--target-python DIR`",
        )
    values = values_for(target, made_for=kind_of(names))
    gil = {name: values.pop(name) for name in ("Py_GIL_DISABLED",)}
    text = with_changes(with_changes(text, values), gil, add=target.python.free_threaded)
    return Parts(
        provider="host-headers",
        detail=f"headers of CPython {host.version} for {host.platform}, changed for the target",
        headers=edited(host.headers, text),
    )


def _interpreter(target: Target, world: World) -> str:
    """Return a host interpreter; headers with and without the GIL differ in one line only."""
    try:
        return world.python_for(target.python.version, target.python.free_threaded)
    except BuildError:
        if not target.python.free_threaded:
            raise
        return world.python_for(target.python.version, False)  # noqa: FBT003 - the callable takes no names


def host_headers(python: str) -> HostHeaders:
    """Return the headers of an interpreter; raise `BuildError` (E-BUILD-TARGET-PYTHON) where it has none."""
    told = _asked(python)
    for folder in [Path(one) for one in told["include"] if one]:
        headers = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*.h"))
            if is_header(path.relative_to(folder).as_posix()) and path.is_file()
        }
        if "Python.h" in headers:
            break
    else:
        raise BuildError(
            f"CPython {told['version']} on this machine came without its headers",
            code="E-BUILD-TARGET-PYTHON",
            places=[str(one) for one in told["include"][:1]],
            hint="install them (Debian: `python3-dev`), or another Python of that version by `uv python install`; "
            "or give the target's by `--target-python DIR`",
        )
    if "pyconfig.h" not in headers and Path(told["pyconfig"]).is_file():
        headers["pyconfig.h"] = Path(told["pyconfig"]).read_bytes()

    def read(path: str) -> bytes | None:
        place = folder.parent / path
        return place.read_bytes() if place.is_file() else None

    own = own_pyconfig(headers["pyconfig.h"].decode("utf-8", "replace"), (told["multiarch"],), read)
    if own is not None:
        headers["pyconfig.h"] = own
    return HostHeaders(headers=headers, version=told["version"], platform=told["platform"])


def _asked(python: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [python, "-I", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise BuildError(
            f"the Python `{python}` does not say where its headers are: {error}", code="E-BUILD-TARGET-PYTHON"
        ) from error
    return told
