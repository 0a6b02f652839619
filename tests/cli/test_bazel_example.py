"""examples/bazel as its README says: locked, generated, built without a network, and run on the other CPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.support.bazel import (
    PLATFORMS,
    RULES_PYTHON,
    Bazel,
    require_bazel,
    write_stand_in_index,
    write_stub_cc,
)
from tests.support.crossbuild import CROSSDOCK, variables, warm_store
from tests.support.emulation import require_foreign_python

EXAMPLE = Path(__file__).parents[2] / "examples" / "bazel"
_OCI = """
load(":index.bzl", "index")

def oci_image(name, base, entrypoint, tars):
    native.filegroup(name = name, srcs = tars)

def oci_image_index(name, images, platforms):
    index(name = name, image = images[0], platforms = platforms)
"""
_MODULE = f"""
bazel_dep(name = "platforms", version = "{PLATFORMS}")
bazel_dep(name = "rules_python", version = "{RULES_PYTHON}")
"""


def without_downloads(workspace: Path) -> None:
    """Take away what only downloads bring: rules_oci, the base image, newer rules."""
    stub = write_stub_cc(workspace)
    write_stand_in_index(workspace)
    (workspace / "stand_in" / "oci.bzl").write_text(_OCI)
    build = workspace / "app" / "BUILD.bazel"
    text = build.read_text()
    assert text.count("@rules_oci//oci:defs.bzl") == 1
    build.write_text(text.replace("@rules_oci//oci:defs.bzl", "//stand_in:oci.bzl"))
    module = workspace / "MODULE.bazel"
    lines = module.read_text().partition("# What crossdock wrote")[2].partition("# The base has")[0]
    module.write_text(f'module(name = "ledger")\n{_MODULE}#{lines}register_toolchains("{stub}")\n')


@pytest.mark.index
@pytest.mark.emulation
@pytest.mark.slow
def test_the_example_is_built_for_two_cpus_and_runs_on_the_other(tmp_path: Path) -> None:
    require_bazel()
    python = require_foreign_python("arm64")
    workspace = tmp_path / "ledger"
    shutil.copytree(EXAMPLE, workspace)
    store = warm_store("3.11")
    for words in (
        ["lock", "."],
        ["bazel", ".", "--distdir", "wheels"],
        ["bazel", ".", "--check", "--offline"],
    ):
        subprocess.run(
            [CROSSDOCK, *words], cwd=workspace, env=variables(store), stdin=subprocess.DEVNULL, check=True, timeout=900
        )  # fmt: skip
    lock = json.loads((workspace / "third_party/py/lock.json").read_text())
    assert {one["package"] for one in lock["wheels"].values() if "built_from" in one} == {"psycopg2"}

    without_downloads(workspace)
    Bazel(place=tmp_path).run(workspace, "build", "--distdir=wheels", "//app:index", "//app:main")

    root = tmp_path / "root"
    layers = sorted((workspace / "bazel-bin/app/index/linux_arm64").glob("*.tar.gz"))
    assert len(layers) == 5
    for layer in layers:
        with tarfile.open(layer) as archive:
            archive.extractall(root, members=[one for one in archive if one.isreg()], filter="data")
    packages = root / f"app/lib/python{python.minor}/site-packages"
    done = python.run(root / "app/src/main.py", path=packages)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"aarch64, Python {python.minor}.")
    assert ", libpq 1" in done.stdout
