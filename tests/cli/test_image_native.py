"""A project whose four packages have no wheels for Linux, as an arm64 image that talks to a real PostgreSQL."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.crossbuild import CROSSDOCK, variables, warm_store
from tests.support.podman import fetch, require_podman, serving
from tests.support.postgres import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "native"
PACKAGES = {"mysqlclient", "psycopg2", "pycairo", "python-ldap"}


def run(
    store: Path, cwd: Path, *words: str, status: int = 0, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [CROSSDOCK, *words], cwd=cwd, env=variables(store), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done


def bills(layout: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield what each wheel of the image has in it by its CycloneDX bills of materials."""
    for blob in (layout / "blobs" / "sha256").iterdir():
        content = blob.read_bytes()
        if b'"bomFormat"' in content and content[:1] == b"{":
            for component in json.loads(content)["components"]:
                yield component.get("components", [])


@pytest.mark.index
@pytest.mark.emulation
@pytest.mark.slow
def test_what_has_no_wheels_serves_on_arm64_and_talks_to_postgresql(tmp_path: Path) -> None:
    require_podman("linux/arm64")
    store = warm_store("3.11")
    shutil.copytree(EXAMPLE, tmp_path / "native")
    run(store, tmp_path, "lock", "./native")
    planned = run(store, tmp_path, "plan", "./native").stdout.splitlines()
    assert {line.split()[0] for line in planned if " cross-build " in line and " on " not in line} == PACKAGES
    # Nothing is compiled where only wheels are wanted.
    refused = run(store, tmp_path, "image", "./native", "--only-binary", ":all:", "-o", "no.tar", status=1)
    assert any(name in refused.stderr for name in PACKAGES), refused.stderr

    run(store, tmp_path, "image", "./native", "-o", "first.tar", timeout=1800)
    again = run(store, tmp_path, "image", "./native", "-o", "image.tar", "-o", "layout")
    assert "building" not in again.stderr
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "image.tar").read_bytes()

    told = {part["name"] for bill in bills(tmp_path / "layout") for part in bill}
    assert {"libpq5", "libmariadb3", "libldap-2.4-2", "libcairo2"} <= told

    with (
        PostgreSQL() as database,
        serving(
            f"oci-archive:{tmp_path / 'image.tar'}",
            "linux/arm64",
            environ={"DATABASE": database.url},
            path="/health",
        ) as url,
    ):
        health = json.loads(fetch(f"{url}/health"))
        assert (health["machine"], health["python"][:4]) == ("aarch64", "3.11")
        # Debian's bullseye has libpq 13: what was linked is what was taken along.
        assert health["libpq"] // 10000 >= 13
        entries = json.loads(fetch(f"{url}/entries"))
        assert (entries["count"], entries["total"]) == (2, "853.30")
        assert entries["server"].startswith("PostgreSQL ")
        assert json.loads(fetch(f"{url}/compute")) == {
            "quoted": "it\\'s",
            "name": [["cn", "Ada"], ["dc", "example"], ["dc", "org"]],
            "red": 128,
            "png": "89504e470d0a1a0a",
        }
