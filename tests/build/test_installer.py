"""uv sees the variables that are its business, and no others; it does not run for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossdock.build.backend import BuildTools
from crossdock.build.installer import installer_variables, run_uv
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

SEEN = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "UV_INDEX_MINE_PASSWORD": "a",
    "PIP_INDEX_URL": "b",
    "https_proxy": "c",
    "NO_PROXY": "d",
    "SSL_CERT_FILE": "e",
    "NETRC": "f",
    "XDG_CACHE_HOME": "g",
}
UNSEEN = {
    "MY_SECRET_TOKEN": "1",
    "GITHUB_TOKEN": "2",
    "UV_PUBLISH_TOKEN": "3",
    "PYTHONPATH": "4",
    "LD_PRELOAD": "5",
    "UV_COMPILE_BYTECODE": "1",
}
CLOUD = {"AWS_SECRET_ACCESS_KEY": "6", "GOOGLE_APPLICATION_CREDENTIALS": "7"}


def test_what_uv_sees() -> None:
    assert installer_variables({**SEEN, **UNSEEN, **CLOUD}) == SEEN


@pytest.mark.parametrize("asked", ["UV_KEYRING_PROVIDER", "PIP_KEYRING_PROVIDER"])
def test_a_keyring_has_what_keyrings_of_clouds_ask_for(asked: str) -> None:
    environ = {**SEEN, **UNSEEN, **CLOUD, asked: "subprocess"}
    assert installer_variables(environ) == {**SEEN, **CLOUD, asked: "subprocess"}
    assert installer_variables({**environ, asked: "disabled"}) == {**SEEN, asked: "disabled"}


def test_a_uv_that_does_not_end_is_ended(tmp_path: Path) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    tools = BuildTools(uv=str(program), uv_arguments=(), uv_environ=SEEN)
    with pytest.raises(BuildError) as caught:
        run_uv(tools, ["pip"], "install what `demo` builds with", seconds=0.2)
    assert caught.value.code == "E-BUILD-TIMEOUT"
    assert "what `demo` builds with in 0.2 seconds" in caught.value.message
