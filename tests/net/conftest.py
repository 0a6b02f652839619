from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.net.lying import LyingServer, make_certificate

from crossdock.net.http import Http, HttpSettings
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def fast(**settings: object) -> Http:
    """Return a client that does not wait long between tries."""
    return Http(HttpSettings(**{"backoff": 0.01, "timeout": 5.0, **settings}))  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with LyingServer() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    def warn(message: str) -> None:
        pytest.fail(message)

    opened = Store.open(tmp_path / "store", warn=warn)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pem = make_certificate(tmp_path_factory.mktemp("tls"))
    if pem is None:
        pytest.skip("SKIPPED TLS: the openssl program is not installed")
    return pem
