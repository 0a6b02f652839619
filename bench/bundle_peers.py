"""How others make the zip of a function: uv's guide for Lambda, pex, and what `sam build` and `sam package` do."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bench.bundle_setting import MINOR, uv_install
from bench.installs import Setting

if TYPE_CHECKING:
    from bench.bundle_setting import Functions


def uv_and_zip(functions: Functions, tree: Path, output: Path) -> list[str]:
    """Return the recipe of uv's guide: install into a directory, zip it, add the application."""
    install = uv_install(functions.work, tree, "--offline")
    return _shell(
        shlex.join(install),
        f"cd {tree}; zip -qr {output} .",
        f"cd {functions.app}; zip -qr {output} .",
    )


def pex(functions: Functions, tree: Path, output: Path) -> list[str]:
    """Return the command: `pex3 venv create --layout flat-zipped`, which names the zip after its directory."""
    create = [
        Setting.tool("pex3"),
        *("venv", "create", "--layout", "flat-zipped", "--pylock", str(functions.lock)),
        *("--complete-platform", str(functions.platform_file), "--wheel", "--no-build", "--use-pip-config"),
        *("--pex-root", str(functions.work / "pex-root"), "--dest-dir", str(tree)),
    ]
    return _shell(shlex.join(create), f"cd {functions.app}; zip -qr {output} .")


def builders(functions: Functions, python: str, tree: Path, output: Path) -> list[str]:
    """Return the command that builds with aws-lambda-builders and zips as `sam package` does."""
    # -P: the modules beside the program must not stand before those of the same name that it imports.
    program = str(Path(__file__).with_name("lambda_builders.py"))
    return [
        *(python, "-P", program, str(functions.app), str(functions.pinned)),
        *(f"python{MINOR}", str(tree), str(output)),
    ]


def scratch(tree: str) -> str:
    """Return where `bench.lambda_builders` lets pip put its wheels."""
    return f"{tree}-scratch"


def _shell(*steps: str) -> list[str]:
    return ["/bin/sh", "-c", "\n".join(["set -e", *steps])]
