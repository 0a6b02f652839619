"""Writes the pins of what `--test` runs, as the index in effect has them: AWS's runtime client and its emulator.

`python dev/refresh_trial_pins.py CLIENT OLD_CLIENT SIMPLEJSON SNAPSHOT EMULATOR`: versions of awslambdaric for the
Pythons that it still serves and of the last one for Python 3.9, of simplejson, snapshot-restore-py and aws-sam-cli.
"""

from __future__ import annotations

import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from crossdock.cli.index import project_files
from crossdock.cli.session import Session
from crossdock.digest import Digest
from crossdock.net.fetch import Download, fetch_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.net.pages import ProjectFile

PLACE = Path(__file__).parents[1] / "src" / "crossdock" / "trial"
_NEW = re.compile(r"-cp3(10|11|12|13|14|15)-cp3\d+-(many|musl)linux[^-]*_(x86_64|aarch64)\.whl$")
_OLD = re.compile(r"-cp39-cp39-manylinux[^-]*_(x86_64|aarch64)\.whl$")
_EITHER = re.compile(r"-cp3(9|10|11|12|13|14|15)-cp3\d+-(many|musl)linux[^-]*_(x86_64|aarch64)\.whl$")
_PURE = re.compile(r"-none-any\.whl$")
_MEMBER = "samcli/local/rapid/aws-lambda-rie-"


def main(client: str, old: str, simplejson: str, snapshot: str, emulator: str) -> None:
    """Write both files."""
    session = Session({})
    files_of = project_files(session)

    def found(name: str, version: str, *patterns: re.Pattern[str]) -> Iterator[ProjectFile]:
        files = sorted(files_of(name), key=lambda file: file.filename)
        for file in files:
            stem = f"{name.replace('-', '_')}-{version}-"
            if file.filename.startswith(stem) and any(one.search(file.filename) for one in patterns):
                yield file

    wheels = [
        *found("awslambdaric", client, _NEW),
        *found("awslambdaric", old, _OLD),
        *found("simplejson", simplejson, _EITHER, _PURE),
        *found("snapshot-restore-py", snapshot, _PURE),
    ]
    (PLACE / "client.toml").write_text(_CLIENT + "".join(map(_wheel, wheels)), "utf-8")
    [wheel] = found("aws-sam-cli", emulator, _PURE)
    download = Download(url=wheel.url, digest=Digest("sha256", wheel.hashes["sha256"]), size=wheel.size)
    [(_download, path)] = fetch_all([download], store=session.store, http=session.http)
    with ZipFile(path) as archive:
        members = "".join(
            f'\n[member.{name.removeprefix(_MEMBER).replace("arm64", "aarch64")}]\npath = "{name}"\n'
            f'sha256 = "{sha256(archive.read(name)).hexdigest()}"\n'
            for name in sorted(archive.namelist())
            if name.startswith(_MEMBER)
        )
    (PLACE / "emulator.toml").write_text(
        _EMULATOR + _wheel(wheel).replace("[[wheel]]", "[wheel]") + members, "utf-8"
    )


def _wheel(file: ProjectFile) -> str:
    return (
        f'\n[[wheel]]\nfilename = "{file.filename}"\nsha256 = "{file.hashes["sha256"]}"\nsize = {file.size}\n'
    )


_CLIENT = """\
# AWS's runtime client (awslambdaric, Apache-2.0) and what it needs: files by name, each with its sha256 and size in
# bytes. Of each project the one whose tags fit a target best is taken. Python 3.9 is served by 3.x alone.
# Written by dev/refresh_trial_pins.py.
"""
_EMULATOR = """\
# AWS's runtime interface emulator (Apache-2.0), as the wheel of aws-sam-cli carries it: static programs by CPU.
# Written by dev/refresh_trial_pins.py.
"""

if __name__ == "__main__":
    main(*sys.argv[1:])
