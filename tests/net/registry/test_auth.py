from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fake_registry import INDEX, FakeRegistry, always, basic, is_a, once
from tests.support.registry_images import blob_of, client, noise, reference

from crossdock.errors import FetchError
from crossdock.net.registry.addresses import Reach, reach_of, same_site
from crossdock.net.registry.challenge import choose, parse_challenges
from crossdock.net.registry.docker_config import RegistryLogins
from crossdock.net.registry.realm import check_reach, may_see_login, parse_realm
from crossdock.net.url import Url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fake_registry import Exchange

EMPTY_INDEX = b'{"schemaVersion":2,"manifests":[]}'


def test_challenges_are_read_by_the_book() -> None:
    found = parse_challenges(
        'Basic realm="a \\"b\\", c", Bearer realm="https://x/token",service=reg, scope="repository:a:pull,push x"'
    )
    assert [(one.scheme, one.realm, one.service, one.scope) for one in found] == [
        ("basic", 'a "b", c', "", ""),
        ("bearer", "https://x/token", "reg", "repository:a:pull,push x"),
    ]
    assert (choose(found) or found[0]).scheme == "bearer"
    assert choose(parse_challenges("Negotiate, Digest realm=x")) is None
    assert choose(parse_challenges("Bearer service=x")) is None


@given(st.text(max_size=200))
def test_any_header_is_read_or_passed_over(header: str) -> None:
    parse_challenges(header)


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("example.com", Reach.PUBLIC),
        ("93.184.216.34", Reach.PUBLIC),
        ("localhost", Reach.LOOPBACK),
        ("a.localhost.", Reach.LOOPBACK),
        ("127.8.8.8", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("10.1.2.3", Reach.PRIVATE),
        ("192.168.0.1", Reach.PRIVATE),
        ("100.100.100.200", Reach.PRIVATE),
        ("fd00:ec2::254", Reach.PRIVATE),
        ("169.254.169.254", Reach.NEVER),
        ("::ffff:169.254.169.254", Reach.NEVER),
        ("fe80::1", Reach.NEVER),
        ("0.0.0.0", Reach.NEVER),
        ("::", Reach.NEVER),
        ("2130706433", Reach.NEVER),
        ("0x7f.1", Reach.NEVER),
        ("127.1", Reach.NEVER),
        ("017700000001", Reach.NEVER),
    ],
)
def test_hosts_are_judged_by_who_can_reach_them(host: str, reach: Reach) -> None:
    assert reach_of(host) is reach


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("registry.example.com", "auth.example.com", True),
        ("registry.example.com", "example.com", True),
        ("example.com", "example.com", True),
        ("example.com", "example.org", False),
        ("a.example.co.uk", "b.example.co.uk", True),
        ("a.co.uk", "b.co.uk", False),
        ("registry.example.com", "example.com.evil.net", False),
        ("notexample.com", "example.com", False),
        ("10.0.0.1", "20.0.0.1", False),
        ("localhost", "localhost", True),
        ("com", "evil.com", False),
    ],
)
def test_sites(one: str, other: str, same: bool) -> None:
    assert same_site(one, other) is same
    assert same_site(other, one) is same


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("https://example.com/", "http://example.com/token"),
        ("https://example.com/", "https://127.0.0.1/token"),
        ("https://example.com/", "https://localhost/token"),
        ("https://example.com/", "https://10.0.0.1/token"),
        ("https://example.com/", "https://169.254.169.254/latest/meta-data"),
        ("https://example.com/", "https://2130706433/token"),
        ("https://example.com/", "https://user:pw@auth.example.com/token"),
        ("https://example.com/", "file:///etc/passwd"),
        ("https://example.com/", "ftp://example.com/"),
        ("https://example.com/", "//example.com/token"),
        ("https://example.com/", "/token"),
        ("https://example.com/", "https://auth.example.com/token#x"),
        ("https://example.com/", "https://exa mple.com/\r\nX: y"),
        ("https://10.0.0.1/", "https://169.254.169.254/token"),
        ("http://127.0.0.1:5000/", "http://169.254.169.254/token"),
    ],
)
def test_realms_that_nobody_may_be_sent_to(registry: str, realm: str) -> None:
    with pytest.raises(FetchError) as error:
        parse_realm(Url.parse(registry), realm, proxied=lambda _url: True)
    assert error.value.code == "E-REGISTRY-REALM"
    assert "pw" not in str(error.value)


def test_a_name_that_comes_to_a_private_address_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {
        "evil.example.net": "169.254.169.254",
        "in.example.com": "10.0.0.7",
        "out.example.com": "93.184.216.34",
    }

    def resolve(host: str, *_: object, **__: object) -> list[object]:
        return [(2, 1, 6, "", (addresses[host], 0))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    outside, inside = Url.parse("https://out.example.com/"), Url.parse("https://in.example.com/")
    for realm in ("https://evil.example.net/t", "https://in.example.com/t"):
        with pytest.raises(FetchError, match="inside a network"):
            parse_realm(outside, realm, proxied=lambda _url: False)
    # A redirect may lead to a cloud's storage, seen from inside; not to this machine or the metadata service.
    for place, good in (("in.example.com", True), ("evil.example.net", False), ("10.0.0.7", False)):
        with nullcontext() if good else pytest.raises(FetchError):
            check_reach(
                outside, Url.parse(f"https://{place}/"), proxied=False, code="E", what="x", strict=False
            )
    # A registry in a private network may have its token server beside it, or outside.
    assert (
        parse_realm(inside, "https://out.example.com/t", proxied=lambda _url: False).origin.host
        == "out.example.com"
    )
    with pytest.raises(FetchError):
        parse_realm(inside, "https://evil.example.net/t", proxied=lambda _url: False)


@pytest.mark.parametrize(
    ("registry", "realm", "trusted", "may"),
    [
        ("https://registry.example.com/", "https://auth.example.com/t", (), True),
        ("https://registry.example.com/", "https://attacker.example.net/t", (), False),
        ("https://registry.example.com/", "https://attacker.example.net/t", ("attacker.example.net",), True),
        ("https://registry.example.com/", "https://a.example.net:8/t", ("a.example.net:8",), True),
        ("https://registry.example.com/", "https://a.example.net:9/t", ("a.example.net:8",), False),
        ("http://registry.example.com/", "http://registry.example.com:81/t", (), True),
        ("http://registry.example.com/", "http://auth.example.com/t", (), False),
        ("http://127.0.0.1:1/", "http://127.0.0.1:2/t", (), True),
        ("http://127.0.0.1:1/", "https://example.com/t", (), False),
    ],
)
def test_who_may_see_a_login(registry: str, realm: str, trusted: tuple[str, ...], may: bool) -> None:
    assert may_see_login(Url.parse(registry), Url.parse(realm), trusted) is may


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_login_opens_the_registry(tmp_path: Path, auth: str) -> None:
    with FakeRegistry(auth=auth) as fake:
        there = reference(fake.address)
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        registry.push_blob(there, blob_of(b"content"))
        assert fake.blobs
        sent = [one.headers.get("Authorization") for one in fake.seen if one.path.startswith("/v2/")]
        # Asked once, and never asked again.
        assert sent[0] is None
        assert all(sent[1:])
        if auth == "token":
            assert len(fake.asked("GET", "/token")) == 1
            assert all(str(one).startswith("Bearer ") for one in sent[1:])


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_wrong_login_is_denied_without_being_shown(tmp_path: Path, auth: str) -> None:
    with FakeRegistry(auth=auth) as fake:
        registry = client(login=(fake.address, "user", "top-secret"), home=tmp_path)
        with pytest.raises(FetchError) as error:
            registry.manifest(reference(fake.address))
        assert error.value.code == "E-REGISTRY-DENIED"
        assert "top-secret" not in str(error.value)
        assert "login" in str(error.value.hint)
        assert len(fake.seen) <= 4


def test_nobody_logged_in_reads_what_is_public_and_pushes_nothing() -> None:
    with FakeRegistry(auth="token", public=frozenset({"team/app"})) as fake:
        fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
        registry = client()
        assert registry.manifest(reference(fake.address)).raw == EMPTY_INDEX
        with pytest.raises(FetchError) as error:
            registry.push_blob(reference(fake.address), blob_of(b"x"))
        assert error.value.code == "E-REGISTRY-DENIED"


def test_an_identity_token_is_exchanged_by_post(tmp_path: Path) -> None:
    with FakeRegistry(auth="token", identity_token="the-identity") as fake:
        (tmp_path / "c.json").write_text(
            f'{{"auths": {{"{fake.address}": {{"identitytoken": "the-identity"}}}}}}'
        )
        registry = client()
        registry._transport._authorizer._logins = RegistryLogins([tmp_path / "c.json"])
        registry.push_blob(reference(fake.address), blob_of(b"x"))
        assert len(fake.asked("POST", "/token")) == 1
        assert not any("the-identity" in str(one.headers) for one in fake.seen)


def test_a_token_that_ended_is_had_anew(tmp_path: Path) -> None:
    with FakeRegistry(auth="token") as fake:
        fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        registry.manifest(reference(fake.address))
        fake.tokens.clear()
        registry.manifest(reference(fake.address))
        assert len(fake.asked("GET", "/token")) == 2


def test_many_threads_fetch_one_token(tmp_path: Path) -> None:
    with FakeRegistry(auth="token") as fake:
        fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        threads = [
            threading.Thread(target=registry.manifest, args=(reference(fake.address),)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(fake.asked("GET", "/token")) == 1


def test_a_mount_asks_for_both_repositories_and_does_without_when_denied(tmp_path: Path) -> None:
    with FakeRegistry(auth="token") as fake:
        digest = fake.put_blob("base/image", b"layer")
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        assert (
            registry.push_blob(reference(fake.address), blob_of(b"layer"), mount_from=["base/image"])
            == "mounted"
        )
        scopes = fake.asked("GET", "/token")[-1].path
        assert scopes.index("team%2Fapp%3Apull%2Cpush") < scopes.index("base%2Fimage%3Apull")
        assert ("team/app", digest) in fake.blobs


@pytest.mark.parametrize("size", [65 * 1024, 10])
def test_a_token_servers_answer_is_bounded_and_checked(tmp_path: Path, size: int) -> None:
    with FakeRegistry(auth="token") as fake:
        fake.fault = always(
            is_a("", "/token"), lambda exchange: exchange.answer(200, b'{"token": "a b"}'.ljust(size))
        )
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        with pytest.raises(FetchError) as error:
            registry.manifest(reference(fake.address))
        assert error.value.code == "E-REGISTRY-TOKEN"


def test_a_token_server_that_redirects_is_not_followed(tmp_path: Path) -> None:
    with FakeRegistry() as trap, FakeRegistry(auth="token") as fake:
        fake.fault = once(
            is_a("GET", "/token"), lambda exchange: exchange.answer(302, b"", {"Location": f"{trap.url}/x"})
        )
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        with pytest.raises(FetchError, match="not followed"):
            registry.manifest(reference(fake.address))
        assert not trap.seen


def test_a_realm_elsewhere_never_sees_the_login(tmp_path: Path) -> None:
    with FakeRegistry(auth="token", realm="https://attacker.example.net/token") as fake:
        registry = client(
            login=(fake.address, *fake.login), home=tmp_path, proxies={"all": "http://127.0.0.1:1"}
        )
        # Nothing is sent there, not even through the proxy, which does not exist.
        with pytest.raises(FetchError, match="another party") as error:
            registry.manifest(reference(fake.address))
        assert error.value.code == "E-REGISTRY-REALM"
        assert "--registry-realm attacker.example.net" in str(error.value.hint)


def redirecting(to: str, part: str) -> object:
    def fault(exchange: Exchange) -> bool:
        if part in exchange.path:
            exchange.answer(307, b"", {"Location": to})
            return True
        return False

    return fault


def test_a_redirected_blob_takes_no_login_along_and_asks_for_none(tmp_path: Path) -> None:
    content = noise(5000)
    with FakeRegistry() as store, FakeRegistry(auth="basic") as fake:
        digest = store.put_blob("x", content)
        fake.fault = redirecting(f"{store.url}/v2/x/blobs/{digest}", "/blobs/")  # type: ignore[assignment]
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        blob = blob_of(content)
        assert registry.blob(reference(fake.address), blob.descriptor) == content
        assert store.seen
        assert not any("Authorization" in one.headers for one in store.seen)

        # The place redirected to wants a login: it does not get the registry's.
        store.auth = "basic"
        with pytest.raises(FetchError) as error:
            registry.blob(reference(fake.address), blob.descriptor)
        assert error.value.code == "E-REGISTRY-DENIED"
        assert not any(basic(fake.login) in one.headers.values() for one in store.seen)


@pytest.mark.parametrize("to", ["http://169.254.169.254/latest", "http://2130706433/x"])
def test_a_redirect_into_nowhere_is_refused(to: str) -> None:
    with FakeRegistry() as fake:
        fake.fault = redirecting(to, "/blobs/")  # type: ignore[assignment]
        with pytest.raises(FetchError) as error:
            client().blob(reference(fake.address), blob_of(b"x").descriptor)
        assert error.value.code == "E-REGISTRY-LOCATION"


def test_netrc_and_index_logins_are_not_for_registries(tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password top-secret\n")
    with FakeRegistry() as fake:
        fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
        client(netrc=netrc).manifest(reference(fake.address))
        assert not any("Authorization" in one.headers for one in fake.seen)
