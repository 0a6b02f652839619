"""Credentials go to the origin they belong to, and are never shown or stored."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.net.conftest import fast
from tests.net.lying import Exchange, LyingServer, page, redirect, serve, status

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError
from crossdock.net.credentials import Credential, Credentials, credentials_of, read_netrc
from crossdock.net.url import Login, Url, redact, without_login

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.store import Store

CANARY = "c4n4ry"
BODY = b"wheel" * 1000
DIGEST = Digest.of(BODY)


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def test_a_login_in_the_url_is_sent_and_decoded(server: LyingServer) -> None:
    server.route("/p", page("x"))
    fast().get(server.url("/p", login="joe%40corp:p%3Aw"), limit=10)
    assert server.seen[0].headers["Authorization"] == basic("joe@corp:p:w")


def test_an_index_login_is_used_for_files_of_its_origin(server: LyingServer, store: Store) -> None:
    http = fast(credentials=credentials_of([server.url("/simple", login=f"joe:{CANARY}")]))
    url = server.route("/f", serve(BODY))
    http.download(url, digest=DIGEST, size=len(BODY), store=store)
    assert server.seen[0].headers["Authorization"] == basic(f"joe:{CANARY}")


def test_the_longest_common_path_chooses_between_logins_of_one_origin() -> None:
    known = credentials_of(["https://a:1@h/one/simple", "https://b:2@h/two/simple"])
    find = Credentials(known).find
    assert find(Url.parse("https://h/two/files/x.whl")) == Login("b", "2")
    assert find(Url.parse("https://h/one/files/x.whl")) == Login("a", "1")
    for other in ("http://h/one/", "https://h:8443/one/", "https://i/one/", "https://x.h/one/"):
        assert find(Url.parse(other)) is None


def test_no_authorization_on_another_origin(server: LyingServer, store: Store) -> None:
    with LyingServer() as other:
        target = other.route("/f", serve(BODY))
        server.route("/f", redirect(target))
        url = server.url("/f", login=f"joe:{CANARY}")
        fast().download(url, digest=DIGEST, size=len(BODY), store=store)
        assert "Authorization" in server.seen[0].headers
        assert "Authorization" not in other.seen[0].headers
        assert CANARY not in str(other.seen)


def test_a_given_authorization_header_stays_on_its_origin(server: LyingServer) -> None:
    with LyingServer() as other:
        server.route("/a", redirect("/b"))
        server.route("/b", redirect(other.route("/c", page("x"))))
        fast().get(server.url("/a"), limit=10, headers={"Authorization": f"Bearer {CANARY}"})
        assert [seen.headers.get("Authorization") for seen in server.seen] == [f"Bearer {CANARY}"] * 2
        assert "Authorization" not in other.seen[0].headers


def test_a_redirect_cannot_plant_a_login(server: LyingServer) -> None:
    server.route("/a", redirect(server.url("/b", login="planted:login")))
    server.route("/b", page("x"))
    fast().get(server.url("/a"), limit=10)
    assert "Authorization" not in server.seen[1].headers


def test_another_hosts_origin_gets_its_own_login(server: LyingServer) -> None:
    with LyingServer() as other:
        server.route("/a", redirect(other.route("/b", page("x"))))
        logins = credentials_of([server.url("/", login="one:1"), other.url("/", login="two:2")])
        fast(credentials=logins).get(server.url("/a"), limit=10)
        assert server.seen[0].headers["Authorization"] == basic("one:1")
        assert other.seen[0].headers["Authorization"] == basic("two:2")


def test_redirects_end_after_ten(server: LyingServer) -> None:
    for number in range(11):
        server.route(f"/{number}", redirect(f"/{number + 1}"))
    server.route("/11", page("x"))
    with pytest.raises(FetchError, match="more than 10 redirects") as caught:
        fast().get(server.url("/0"), limit=10)
    assert caught.value.code == "E-FETCH-REDIRECT"
    assert fast().get(server.url("/1"), limit=10).url == server.url("/11")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://h/f", "javascript:x"])
def test_redirects_lead_to_the_web_only(server: LyingServer, target: str) -> None:
    server.route("/a", redirect(target))
    with pytest.raises(FetchError) as caught:
        fast().get(server.url("/a"), limit=10)
    assert caught.value.code in {"E-FETCH-REDIRECT", "E-FETCH-URL"}


def test_https_is_not_left_for_http(server: LyingServer, certificate: Path, store: Store) -> None:
    server.route("/f", serve(BODY))
    with LyingServer(certificate=certificate) as secure:
        url = secure.route("/f", redirect(server.url("/f")))
        with pytest.raises(FetchError, match="refused a redirect") as caught:
            fast(authorities=(str(certificate),)).download(url, digest=DIGEST, size=len(BODY), store=store)
    assert caught.value.code == "E-FETCH-REDIRECT"
    assert server.seen == []


def test_post_follows_as_http_says(server: LyingServer) -> None:
    for code in (302, 303, 307, 308):
        server.route(f"/{code}", redirect("/to", code))
    server.route("/to", page("x"))
    for code in (302, 303, 307, 308):
        fast().request("POST", server.url(f"/{code}"), limit=10, body=b"data")
    second = [(seen.method, seen.body) for seen in server.seen[1::2]]
    assert second == [("GET", b""), ("GET", b""), ("POST", b"data"), ("POST", b"data")]


# netrc and keyring


def test_netrc_is_used_for_the_hosts_it_names(server: LyingServer, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login joe password {CANARY}\nmachine other login x password y\n")
    netrc.chmod(0o600)
    server.route("/p", page("x"))
    fast(netrc=netrc).get(server.url("/p"), limit=10)
    assert server.seen[0].headers["Authorization"] == basic(f"joe:{CANARY}")


def test_the_url_wins_over_netrc_and_a_name_alone_is_completed_by_it(tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine h login joe password secret\n")
    netrc.chmod(0o600)
    find = Credentials(netrc=netrc).find
    assert find(Url.parse("https://amy:pw@h/")) == Login("amy", "pw")
    assert find(Url.parse("https://joe@h/")) == Login("joe", "secret")
    assert find(Url.parse("https://token@h/")) == Login("token", "")
    assert find(Url.parse("https://elsewhere/")) is None


@pytest.mark.parametrize("text", ["default login a password b\n", "machine", "\x00", ""])
def test_a_default_or_broken_netrc_gives_nobody_anything(tmp_path: Path, text: str) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(text)
    assert read_netrc(netrc) == {}
    assert read_netrc(tmp_path / "none") == {}


def keyring_program(folder: Path) -> dict[str, str]:
    folder.mkdir()
    program = folder / "keyring"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\ntest "$1 $3" = "get joe" && echo {CANARY}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def guarded(exchange: Exchange) -> None:
    if exchange.headers.get("Authorization") == basic(f"joe:{CANARY}"):
        exchange.answer(200, b"in")
    else:
        exchange.answer(401, b"", {"WWW-Authenticate": "Basic"})


def test_the_keyring_program_is_asked_once_after_a_401(server: LyingServer, tmp_path: Path) -> None:
    environ = keyring_program(tmp_path / "bin")
    server.route("/p", guarded)
    http = fast(keyring="subprocess", environ=environ)
    for _ in range(2):
        assert http.get(server.url("/p", login="joe"), limit=10).body == b"in"
    assert len((tmp_path / "bin" / "asked").read_text().splitlines()) == 1


def test_the_keyring_is_not_asked_unless_told(server: LyingServer, tmp_path: Path) -> None:
    environ = keyring_program(tmp_path / "bin")
    server.route("/p", guarded)
    with pytest.raises(FetchError, match="401") as caught:
        fast(environ=environ).get(server.url("/p", login="joe"), limit=10)
    assert caught.value.hint is not None
    assert "keyring" in caught.value.hint
    assert not (tmp_path / "bin" / "asked").exists()


def test_an_imported_keyring_is_asked(monkeypatch: pytest.MonkeyPatch, server: LyingServer) -> None:
    import sys
    import types

    class Found:
        username = "joe"
        password = CANARY

    module = types.ModuleType("keyring")
    module.get_credential = lambda service, _username: Found if "127.0.0.1" in service else None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    server.route("/p", guarded)
    assert fast(keyring="import").get(server.url("/p"), limit=10).body == b"in"


# Redaction


URLS = [
    f"https://joe:{CANARY}@host/simple",
    f"https://{CANARY}@host/simple",
    f"https://joe:{CANARY}@x@host/simple",
    f"http://joe:{CANARY}@host:8080/a?b=c",
    f"https://host/f.whl?X-Amz-Signature={CANARY}",
    f"HTTPS://joe:{CANARY}@host/",
    f"git+https://joe:{CANARY}@host/repo",
]


@pytest.mark.parametrize("url", URLS)
def test_redaction_leaves_no_secret(url: str) -> None:
    assert CANARY not in redact(url)
    assert CANARY not in redact(f"cannot reach {url}") or "Signature" in url
    assert "host" in redact(url)


def test_what_is_written_to_files_has_no_login() -> None:
    assert without_login(f"https://joe:{CANARY}@host/a?b#c") == "https://host/a?b#c"
    assert without_login("https://host/a@b") == "https://host/a@b"


@given(st.text(max_size=60), st.text(max_size=20))
def test_redaction_never_shows_user_info(user: str, password: str) -> None:
    from urllib.parse import quote

    url = f"https://{quote(user, safe='')}%7Ecanary:{quote(password, safe='')}%7Ecanary@host/path"
    assert "%7Ecanary" not in redact(url)
    assert "canary" not in repr(Url.parse(url))
    assert "canary" not in str(Url.parse(url))


def test_the_canary_is_in_no_message_and_not_in_the_store(
    server: LyingServer, store: Store, certificate: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every way to fail, with a password in the URL, the index, the proxy and a redirect."""
    login = f"joe:{CANARY}"
    server.route("/hash", serve(b"other"))
    server.route("/404", status(404))
    server.route("/401", status(401))
    server.route("/503", status(503))
    server.route("/cut", serve(BODY, cut_at=1000), status(404))
    server.route("/long", serve(BODY * 2))
    server.route("/loop", redirect(server.url("/loop", login=login)))
    server.route("/file", redirect(f"ftp://{login}@host/"))
    server.route("/query", redirect(server.url(f"/404?token={CANARY}")))
    http = fast(tries=2, credentials=credentials_of([server.url("/", login=login)]))
    errors: list[CrossdockError] = []

    def fails(client: object, url: str, size: int | None = len(BODY)) -> None:
        with pytest.raises(CrossdockError) as caught:
            client.download(url, digest=DIGEST, size=size, store=store)  # type: ignore[attr-defined]
        errors.append(caught.value)

    for path in ("/hash", "/404", "/401", "/503", "/cut", "/long", "/loop", "/file", "/query"):
        fails(http, server.url(path, login=login))
        fails(http, server.url(path))
    fails(http, f"https://{login}@nowhere.invalid/f")
    fails(http, f"http://{login}@127.0.0.1:1/f")
    fails(http, f"ftp://{login}@host/f")
    fails(http, f"http://{login}@host:port/f")
    fails(fast(tries=1, proxies={"all": f"http://{login}@127.0.0.1:1"}), "http://host/f")
    fails(fast(tries=1, proxies={"all": f"socks5://{login}@127.0.0.1:1"}), "http://host/f")
    with LyingServer(certificate=certificate) as secure:
        fails(fast(), secure.url("/f", login=login))
    for error in errors:
        text = f"{error} {error!r} {error.places} {error.hint}"
        chain: BaseException | None = error
        assert CANARY not in text
        while chain is not None:
            assert CANARY not in str(chain), repr(chain)
            chain = chain.__cause__ or chain.__context__
    for file in store.root.rglob("*"):
        assert CANARY not in str(file)
        assert not file.is_file() or CANARY.encode() not in file.read_bytes()
    assert capfd.readouterr() == ("", "")
    assert CANARY not in repr(http.settings)


def test_values_that_hold_secrets_do_not_show_them() -> None:
    (known,) = credentials_of([f"https://joe:{CANARY}@host/"])
    assert isinstance(known, Credential)
    assert CANARY not in repr(known)
