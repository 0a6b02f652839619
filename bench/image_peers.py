"""How others make the same image: buildah with pip for the target, and pip run inside the base, under qemu."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bench.image_setting import ARCHES, PYTHON, buildah, emulated, pip_wheel, platform_tags
from bench.installs import Setting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bench.image_setting import Images


def pip_target(images: Images, output: Path) -> list[str]:
    """Return the command: `pip install --target` for each platform on this machine, copied and committed."""
    tool = buildah(images)
    steps = ["set -e"]
    for arch in ARCHES:
        tree = f"{images.work}/tree-{arch}"
        pip = [
            Setting.tool("pip"),
            *("install", "-q", "--disable-pip-version-check", "--root-user-action", "ignore"),
            *("--no-deps", "--no-index", "--no-compile", "--target", tree),
            *(word for tag in platform_tags(arch) for word in ("--platform", tag)),
            *("--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:"),
            *map(str, images.wheels(arch)),
        ]
        steps += [
            f"rm -rf {tree}",
            shlex.join(pip),
            f'c=$({tool} from "$(cat {images.work}/base-{arch})")',
            f"{tool} copy -q $c {tree} /app/packages",
            *_finish(tool, images, arch, output),
        ]
    return emulated("\n".join(steps))


def pip_inside(images: Images, output: Path) -> list[str]:
    """Return the command: a Dockerfile's `RUN pip install` in the base of each platform, arm64 under qemu."""
    tool, pip = buildah(images), pip_wheel(images.work)
    steps = ["set -e"]
    for arch in ARCHES:
        wheels = images.wheels(arch)
        inside = [
            *("env", f"PYTHONPATH=/pip/{pip.name}", "/usr/bin/python3", "-m", "pip", "install", "-q"),
            *("--disable-pip-version-check", "--root-user-action", "ignore", "--no-cache-dir"),
            *("--no-deps", "--no-index", "--target", "/app/packages"),
            *(f"/wheels/{wheel.name}" for wheel in wheels),
        ]
        # `env` may be missing in a small base: the variable goes to buildah.
        words = shlex.join(inside[2:])
        steps += [
            f'c=$({tool} from "$(cat {images.work}/base-{arch})")',
            (
                f"{tool} run --isolation chroot --user 0:0 --env {shlex.quote(inside[1])} "
                f"-v {pip.parent}:/pip:ro -v {wheels[0].parent}:/wheels:ro $c {words}"
            ),
            *_finish(tool, images, arch, output),
        ]
    return emulated("\n".join(steps))


def push(images: Images, layout: Path) -> list[str]:
    """Return the command that pushes what `pip_target` made."""
    return [
        "/bin/sh",
        "-c",
        "\n".join(
            [
                "set -e",
                *(
                    f"skopeo --insecure-policy copy -q --dest-tls-verify=false oci:{layout}:{arch} "
                    f"docker://{images.registry.address}/peer:{arch}"
                    for arch in ARCHES
                ),
            ]
        ),
    ]


def _finish(tool: str, images: Images, arch: str, output: Path) -> Iterable[str]:
    return (
        f"{tool} copy -q $c {images.app} /app/src",
        f'{tool} config --env PYTHONPATH=/app/packages --entrypoint \'["python3","/app/src/app.py"]\' $c',
        f"{tool} commit -q --rm $c oci:{output}:{arch}",
    )
