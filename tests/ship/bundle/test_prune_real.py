"""Real packages work without what pruning takes: every module that was importable still is, and they do their work."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.bundled import bundled, unpack

from crossdock.ship.bundle.prune import possible, prune

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.ship.bundle.model import BundledPackage

pytestmark = [pytest.mark.index, pytest.mark.slow]

#: scikit-image reads its stubs when it is imported, h5py imports its tests, pyarrow ships headers and sources.
PACKAGES = [
    *("numpy", "pandas", "scipy", "botocore", "cryptography", "scikit-image", "h5py"),
    *("cffi", "pycparser", "python-dateutil", "six", "jmespath", "urllib3", "lazy-loader", "packaging"),
]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

#: Prints what every module outside of tests says when it is imported, and then uses the packages.
WALK = """
import importlib, json, os, sys, warnings
root = sys.argv[1]
sys.path.insert(0, root)
warnings.simplefilter("ignore")
names = set()
for directory, _, files in os.walk(root):
    parts = [] if directory == root else os.path.relpath(directory, root).split(os.sep)
    if any("." in part or part in ("tests", "test", "_tests") for part in parts):
        continue
    for file in files:
        if file.endswith((".py", ".so")) and file not in ("__main__.py", "conftest.py"):
            stem = file.partition(".")[0]
            names.add(".".join([*parts, *([] if stem == "__init__" else [stem])]))
said = {}
for name in sorted(names - {""}):
    try:
        importlib.import_module(name)
        said[name] = "fine"
    except BaseException as error:
        said[name] = f"{type(error).__name__}: {error}".replace(root, "")
import io
import numpy, numpy.testing, pandas, pandas.testing, scipy.linalg, scipy.special, scipy.stats, scipy.sparse.linalg
numpy.testing.assert_allclose(numpy.linalg.inv(numpy.eye(3) * 2), numpy.eye(3) / 2)
numpy.testing.assert_allclose(scipy.linalg.svdvals(numpy.eye(4)), 1)
numpy.testing.assert_allclose(scipy.special.gammainc(1, 2), 1 - numpy.exp(-2))
assert scipy.stats.norm.fit([1, 2, 3])[0] == 2
frame = pandas.read_csv(io.StringIO("a,b\\n1,2\\n1,3\\n")).groupby("a").sum()
pandas.testing.assert_frame_equal(frame, pandas.DataFrame({"b": [5]}, index=pandas.Index([1], name="a")))
import botocore.session
client = botocore.session.Session().create_client(
    "s3", region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s"
)
assert client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}).startswith("https://")
from cryptography.fernet import Fernet
key = Fernet(Fernet.generate_key())
assert key.decrypt(key.encrypt(b"x")) == b"x"
import skimage.draw, h5py
assert skimage.draw.disk((5, 5), 3)[0].size
json.dump(said, sys.stdout)
"""


def wheels(directory: Path, machine: str) -> list[BundledPackage]:
    tags = [f"--platform=manylinux{tag}_{machine}" for tag in ("_2_34", "_2_28", "_2_17", "2014")]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", directory, *tags,
         f"--python-version={PYTHON}", *PACKAGES],
        check=True, timeout=600,
    )  # fmt: skip
    return [bundled(path) for path in sorted(directory.iterdir())]


def said(directory: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", WALK, directory],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, str] = json.loads(done.stdout[done.stdout.rindex("{") :])
    return result


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux: the wheels are Linux's")
def test_real_packages_import_and_work_after_every_rule(tmp_path: Path) -> None:
    packages = wheels(tmp_path / "wheels", platform.machine())
    pruned = prune(packages, ["all"])
    unpack(packages, tmp_path / "whole")
    unpack(pruned.packages, tmp_path / "pruned")
    assert not (tmp_path / "pruned/pandas/tests").exists()
    before, after = said(tmp_path / "whole"), said(tmp_path / "pruned")
    assert sum(text == "fine" for text in before.values()) > 1000
    assert {name: text for name, text in after.items() if before.get(name) != text} == {}
    assert before.keys() == after.keys()
    # They would have broken: h5py imports its tests, scikit-image reads its stubs.
    stays = " ".join(pruned.notes)
    assert "`h5py/tests` stays" in stays
    assert "scikit-image keeps `skimage/__init__.pyi`" in stays


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_what_is_saved_on_real_packages(tmp_path: Path, machine: str) -> None:
    packages = wheels(tmp_path, machine)
    found = {one.rule: one for one in possible(packages)}
    assert found["tests"].size > 25_000_000
    assert found["headers"].size > 1_500_000
    assert found["stubs"].size > 1_000_000
    assert found["static"].files >= 2
    taken = prune(packages, ["all"]).removed
    assert not [one.path for one in taken if ".dist-info/" in one.path]
    assert not [
        one.path for one in taken if ".libs/" in one.path or (".so" in one.path and one.rule != "tests")
    ]
