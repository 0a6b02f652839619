"""TLS failures are told, not retried; proxies are used as the variables say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.net.conftest import fast
from tests.net.lying import LyingServer, Proxy, make_certificate, page, serve

from crossdock.digest import Digest
from crossdock.errors import FetchError, UsageError
from crossdock.net.proxies import environment_proxies, is_exempt, proxy_for
from crossdock.net.url import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.store import Store

BODY = b"wheel" * 1000
DIGEST = Digest.of(BODY)


@pytest.fixture
def secure(certificate: Path) -> Iterator[LyingServer]:
    with LyingServer(certificate=certificate) as running:
        running.route("/p", page("in"))
        yield running


def test_an_unknown_authority_is_refused_at_once_with_a_hint(secure: LyingServer) -> None:
    with pytest.raises(FetchError, match=r"TLS: self.signed certificate") as caught:
        fast().get(secure.url("/p"), limit=10)
    assert caught.value.code == "E-FETCH-TLS"
    assert caught.value.hint is not None
    assert "SSL_CERT_FILE" in caught.value.hint
    assert secure.seen == []


def test_a_custom_authority_is_believed(secure: LyingServer, certificate: Path) -> None:
    assert fast(authorities=(str(certificate),)).get(secure.url("/p"), limit=10).body == b"in"


def test_a_directory_of_authorities_is_believed(
    secure: LyingServer, certificate: Path, tmp_path: Path
) -> None:
    import subprocess

    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (tmp_path / f"{hashed}.0").write_bytes(certificate.read_bytes())
    assert fast(authorities=(str(tmp_path),)).get(secure.url("/p"), limit=10).body == b"in"


def test_a_wrong_host_name_is_refused(secure: LyingServer, certificate: Path) -> None:
    with pytest.raises(FetchError, match=r"TLS: hostname mismatch|TLS: .*localhost") as caught:
        fast(authorities=(str(certificate),)).get(secure.url("/p", host="localhost"), limit=10)
    assert caught.value.code == "E-FETCH-TLS"


@pytest.mark.parametrize("with_port", [True, False])
def test_a_trusted_host_is_not_checked_and_only_that_one(
    secure: LyingServer, certificate: Path, with_port: bool
) -> None:
    name = f"127.0.0.1:{secure.port}" if with_port else "127.0.0.1"
    http = fast(trusted_hosts=(name,))
    assert http.get(secure.url("/p"), limit=10).body == b"in"
    with pytest.raises(FetchError, match="TLS"):
        http.get(secure.url("/p", host="localhost"), limit=10)


def test_a_client_certificate_is_shown(tmp_path: Path, certificate: Path) -> None:
    import ssl

    mine = make_certificate(tmp_path, "127.0.0.2")
    assert mine is not None
    with LyingServer(certificate=certificate) as server:
        context = server._server.socket.context  # type: ignore[attr-defined]
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(mine)
        url = server.route("/p", page("in"))
        with pytest.raises(FetchError):
            fast(authorities=(str(certificate),), tries=1).get(url, limit=10)
        http = fast(authorities=(str(certificate),), client_cert=str(mine))
        assert http.get(url, limit=10).body == b"in"


@pytest.mark.parametrize("field", ["authorities", "client_cert"])
@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_an_unreadable_certificate_file_is_named(tmp_path: Path, field: str, content: bytes | None) -> None:
    path = tmp_path / "corp.pem"
    if content is not None:
        path.write_bytes(content)
    value = (str(path),) if field == "authorities" else str(path)
    with pytest.raises(UsageError, match=r"cannot read the .*corp\.pem") as caught:
        fast(**{field: value}).get("https://127.0.0.1:1/", limit=10)
    assert caught.value.code == "E-CERT"


def test_plain_http_goes_through_the_proxy(server: LyingServer, store: Store) -> None:
    url = server.route("/f", serve(BODY))
    with Proxy() as proxy:
        http = fast(proxies=environment_proxies({"http_proxy": f"http://{proxy.address}"}))
        http.download(url, digest=DIGEST, size=len(BODY), store=store)
        assert proxy.seen == [f"GET {url}"]


def test_https_goes_through_a_tunnel_with_the_proxys_login(secure: LyingServer, certificate: Path) -> None:
    with Proxy(login="joe:secret") as proxy:
        settings = {"authorities": (str(certificate),), "tries": 2}
        http = fast(proxies={"https": f"http://joe:secret@{proxy.address}"}, **settings)
        assert http.get(secure.url("/p"), limit=10).body == b"in"
        assert proxy.seen == [f"CONNECT 127.0.0.1:{secure.port}"]
        with pytest.raises(FetchError, match="the proxy wants credentials") as caught:
            fast(proxies={"https": proxy.address}, **settings).get(secure.url("/p"), limit=10)
    assert caught.value.code == "E-FETCH-407"
    assert "Proxy-Authorization" not in secure.seen[0].headers


def test_no_proxy_goes_directly(server: LyingServer) -> None:
    server.route("/p", page("x"))
    with Proxy() as proxy:
        environ = {"HTTP_PROXY": f"http://{proxy.address}", "no_proxy": "127.0.0.0/8"}
        fast(proxies=environment_proxies(environ)).get(server.url("/p"), limit=10)
        assert proxy.seen == []


def test_a_dead_proxy_is_named_as_the_cause() -> None:
    with Proxy() as gone:
        address = gone.address
    with pytest.raises(FetchError, match="the proxy: connection refused"):
        fast(proxies={"all": address}, tries=2).get("https://host.invalid/", limit=10)


def test_socks_is_refused_by_name() -> None:
    with pytest.raises(FetchError, match="proxy of a kind that is not supported: `socks5`") as caught:
        fast(proxies={"all": "socks5://localhost:1"}).get("http://host/", limit=10)
    assert caught.value.code == "E-FETCH-PROXY"


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "u", "http_proxy": "l"}, {"http": "l"}),
        ({"HTTP_PROXY": "u"}, {"http": "u"}),
        ({"HTTP_PROXY": "u", "REQUEST_METHOD": "GET"}, {}),
        ({"HTTPS_PROXY": "s", "ALL_PROXY": "a", "NO_PROXY": "n"}, {"https": "s", "all": "a", "no": "n"}),
        ({"http_proxy": " "}, {}),
    ],
)
def test_the_proxy_variables(environ: dict[str, str], want: dict[str, str]) -> None:
    assert environment_proxies(environ) == want


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "exempt"),
    [
        ("", "a.corp", 443, False),
        ("*", "a.corp", 443, True),
        ("corp", "a.corp", 443, True),
        (".corp", "a.corp", 443, True),
        ("*.corp", "a.corp", 443, True),
        ("corp", "acorp", 443, False),
        ("a.corp:443", "a.corp", 443, True),
        ("a.corp:80", "a.corp", 443, False),
        ("x, A.CORP", "a.corp", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("::1", "::1", 443, True),
        ("10.0.0.0/8", "a.corp", 443, False),
    ],
)
def test_no_proxy_names(no_proxy: str, host: str, port: int, exempt: bool) -> None:
    assert is_exempt(Origin("https", host, port), no_proxy) is exempt


def test_the_schemes_own_proxy_comes_before_the_one_for_all() -> None:
    assert proxy_for(Origin("https", "h", 443), {"https": "s:1", "all": "a"}) == "http://s:1"
    assert proxy_for(Origin("http", "h", 80), {"https": "s:1", "all": "http://a"}) == "http://a"
    assert proxy_for(Origin("http", "h", 80), {"https": "s:1"}) is None
