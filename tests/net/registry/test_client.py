from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.net.lying import Proxy, make_certificate
from tests.support.fake_registry import INDEX, FakeRegistry, always, digest_of, is_a, once, times
from tests.support.registry import DockerRegistry, docker_registry
from tests.support.registry_images import attachment, blob_of, client, noise, reference, whole_image

from crossdock.digest import Digest
from crossdock.errors import FetchError, ImageError
from crossdock.net.attempts import Transient
from crossdock.net.registry import reference as reference_module
from crossdock.net.registry import transport, upload
from crossdock.oci import media
from crossdock.oci.blob import Blob, BytesSource, FileSource
from crossdock.oci.model import Descriptor, Index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fake_registry import Exchange

__all__ = ["docker_registry"]

EMPTY_INDEX = b'{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}'
MIB = 1 << 20


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNKED_ABOVE", 100_000)
    monkeypatch.setattr(upload, "CHUNK", 40_000)


def test_against_debians_registry(docker_registry: DockerRegistry, tmp_path: Path) -> None:
    registry, there = client(), reference(docker_registry.address)
    content = noise(3 * MIB)
    path = tmp_path / "blob"
    path.write_bytes(content)
    blob = Blob(descriptor=Descriptor.of(content, media.LAYER_GZIP), source=FileSource(path))
    sent: list[int] = []
    assert registry.push_blob(there, blob, progress=sent.append) == "uploaded"
    assert sum(sent) == len(content)
    assert registry.push_blob(there, blob) == "present"
    other = reference(docker_registry.address, "team/other")
    assert registry.push_blob(other, blob, mount_from=["team/app"]) == "mounted"
    assert b"".join(registry.source(other, blob.descriptor).chunks(MIB)) == content[MIB:]
    assert registry.head_manifest(there) is None
    assert registry.put_manifest(there, EMPTY_INDEX, INDEX) is False
    found = registry.manifest(there)
    assert (found.raw, found.media_type, str(found.digest)) == (EMPTY_INDEX, INDEX, digest_of(EMPTY_INDEX))
    assert registry.head_manifest(there.at(found.digest)) == found.descriptor
    assert registry.referrers(there, found.digest) == ()
    assert docker_registry.uploads("team/app") == []


@pytest.mark.usefixtures("small_chunks")
def test_chunks_against_debians_registry(docker_registry: DockerRegistry) -> None:
    there = reference(docker_registry.address)
    blob = blob_of(noise(250_000))
    assert client().push_blob(there, blob) == "uploaded"
    assert client().blob(there, blob.descriptor) == noise(250_000)


@pytest.mark.usefixtures("small_chunks")
def test_an_upload_to_debians_registry_survives_cuts(docker_registry: DockerRegistry) -> None:
    there, content = reference(docker_registry.address), noise(250_000)

    class Cutting:
        """A file on a line that is cut twice: what reads it sees an error of the network."""

        left = 2

        def chunks(self, start: int = 0) -> Iterator[bytes]:
            for position in range(start, len(content), 10_000):
                if position == 90_000 and self.left:
                    self.left -= 1
                    raise Transient("cut")
                yield content[position : position + 10_000]

    blob = Blob(descriptor=Descriptor.of(content, media.LAYER_GZIP), source=Cutting())
    assert client().push_blob(there, blob) == "uploaded"
    assert client().blob(there, blob.descriptor) == content


@pytest.mark.parametrize("certified", [True, False])
def test_a_host_named_as_insecure_is_asked_with_protection_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certified: bool
) -> None:
    # As if the address were far away.
    for module in (transport, reference_module):
        monkeypatch.setattr(module, "is_loopback", lambda _host: False)
    pem = make_certificate(tmp_path)
    if pem is None:
        pytest.skip("SKIPPED TLS: the openssl program is not installed")
    with FakeRegistry(certificate=pem if certified else None) as fake:
        fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
        there = reference(fake.address)
        registry = client(insecure=[fake.address], authorities=(str(pem),))
        assert registry.manifest(there).raw == EMPTY_INDEX
        assert registry._transport.base(there).scheme == ("https" if certified else "http")
        if not certified:
            with pytest.raises(FetchError) as error:
                client().manifest(there)
            assert error.value.code == "E-FETCH-TLS"
            assert f"--insecure {fake.address}" in str(error.value.hint)


def test_tls_and_a_login_against_debians_registry(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path)
    if pem is None:
        pytest.skip("SKIPPED TLS: the openssl program is not installed")
    login = ("user", "pass:word")
    with DockerRegistry(tmp_path / "registry", certificate=pem, login=login) as running:
        there = reference(running.address)
        trusting = client(login=(running.address, *login), home=tmp_path / "home", authorities=(str(pem),))
        assert trusting.push_blob(there, blob_of(b"content")) == "uploaded"
        with pytest.raises(FetchError) as error:
            client().manifest(there)
        assert error.value.code == "E-FETCH-TLS"
        with pytest.raises(FetchError) as error:
            client(authorities=(str(pem),)).manifest(there)
        assert error.value.code == "E-REGISTRY-DENIED"


def test_a_manifest_must_be_what_was_asked_for(fake: FakeRegistry) -> None:
    there = reference(fake.address)
    wanted = Digest.of(b"something else")
    fake.manifests["team/app", str(wanted)] = (INDEX, EMPTY_INDEX)
    with pytest.raises(FetchError) as error:
        client().manifest(there.at(wanted))
    assert error.value.code == "E-REGISTRY-DIGEST"


@pytest.mark.parametrize("header", ["sha256:" + "b" * 64, "sha256:../../etc/passwd", "sha256:AB"])
def test_the_servers_own_digest_must_agree(fake: FakeRegistry, header: str) -> None:
    fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
    said = {"Content-Type": INDEX, "Docker-Content-Digest": header}
    fake.fault = always(is_a("", "/manifests/"), lambda exchange: exchange.answer(200, EMPTY_INDEX, said))
    with pytest.raises(FetchError) as error:
        client().manifest(reference(fake.address))
    assert error.value.code == "E-REGISTRY-DIGEST"
    if ".." in header:
        with pytest.raises(FetchError):
            client().head_manifest(reference(fake.address))


def test_a_manifest_is_bounded(fake: FakeRegistry) -> None:
    fake.put_manifest("team/app", "1", b" " * (4 * MIB + 1), INDEX)
    with pytest.raises(FetchError) as error:
        client().manifest(reference(fake.address))
    assert error.value.code == "E-REGISTRY-SIZE"


def test_a_server_without_digest_header_is_asked_in_full(fake: FakeRegistry) -> None:
    fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
    fake.fault = always(
        is_a("HEAD", "/manifests/"), lambda exchange: exchange.answer(200, b"", {"Content-Type": INDEX})
    )
    found = client().head_manifest(reference(fake.address))
    assert found == Descriptor.of(EMPTY_INDEX, INDEX)


def test_what_is_not_there_and_what_the_registry_says_about_it(fake: FakeRegistry) -> None:
    with pytest.raises(FetchError, match="MANIFEST_UNKNOWN") as error:
        client().manifest(reference(fake.address))
    assert error.value.code == "E-REGISTRY-NONE"
    assert client().has_blob(reference(fake.address), Digest.of(b"x")) is False


def test_a_wrong_a_short_and_a_long_blob_never_pass(fake: FakeRegistry) -> None:
    blob = blob_of(b"right content")
    for content, code in ((b"wrong content", "E-REGISTRY-DIGEST"), (b"right content!", "E-REGISTRY-SIZE")):
        fake.blobs["team/app", str(blob.descriptor.digest)] = content
        with pytest.raises(FetchError) as error:
            client().blob(reference(fake.address), blob.descriptor)
        assert error.value.code == code
    fake.blobs["team/app", str(blob.descriptor.digest)] = b"right"
    with pytest.raises(FetchError, match="short") as error:
        client().blob(reference(fake.address), blob.descriptor)
    assert error.value.code == "E-FETCH-TRIES"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on_where_it_stopped(fake: FakeRegistry, ranges: bool) -> None:
    content = noise(MIB)
    fake.put_blob("team/app", content)

    def cut(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(len(content)))
        exchange.end_headers()
        exchange.wfile.write(content[:600_000])
        exchange.cut()

    first = once(is_a("GET", "/blobs/"), cut)

    def fault(exchange: Exchange) -> bool:
        if first(exchange):
            return True
        if not ranges and "/blobs/" in exchange.path:
            exchange.answer(200, content)
            return True
        return False

    fake.fault = fault
    assert client().blob(reference(fake.address), blob_of(content).descriptor) == content
    assert fake.asked("GET", "/blobs/")[1].headers["Range"].startswith("bytes=")


def test_too_many_requests_are_tried_again_when_the_server_says(fake: FakeRegistry) -> None:
    fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
    fake.fault = times(
        2, is_a("GET", "/manifests/"), lambda exchange: exchange.answer(429, b"", {"Retry-After": "0"})
    )
    # Without the header the pause would be minutes.
    assert client(backoff=300.0, backoff_cap=300.0).manifest(reference(fake.address)).raw == EMPTY_INDEX
    fake.fault = always(is_a("", "/manifests/"), lambda exchange: exchange.answer(503))
    with pytest.raises(FetchError) as error:
        client().manifest(reference(fake.address))
    assert error.value.code == "E-FETCH-TRIES"


def test_a_source_that_lies_is_never_completed(fake: FakeRegistry, tmp_path: Path) -> None:
    said = Descriptor.of(b"what it says", "text/plain")
    for content in (b"what it is!!", b"what", b"what it says and more"):
        with pytest.raises(FetchError) as error:
            client().push_blob(reference(fake.address), Blob(descriptor=said, source=BytesSource(content)))
        assert error.value.code in {"E-REGISTRY-DIGEST", "E-REGISTRY-SIZE"}
    with pytest.raises(ImageError) as gone:
        client().push_blob(
            reference(fake.address), Blob(descriptor=said, source=FileSource(tmp_path / "none"))
        )
    assert gone.value.code == "E-IMAGE-READ"
    assert not fake.blobs
    assert not fake.uploads, "sessions are deleted on giving up"


def fail_body(after: int) -> object:
    def do(exchange: Exchange) -> None:
        exchange.read_body(after)
        exchange.close_connection = True
        exchange.left = 0
        exchange.answer(500)

    return do


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_a_500_in_the_middle_of_an_upload_is_tried_again(fake: FakeRegistry, method: str) -> None:
    content = noise(MIB)
    fake.fault = once(is_a(method, "/blobs/"), fail_body(300_000))  # type: ignore[arg-type]
    progress: list[int] = []
    assert (
        client().push_blob(reference(fake.address), blob_of(content), progress=progress.append) == "uploaded"
    )
    assert fake.blobs["team/app", digest_of(content)] == content
    assert sum(progress) == len(content)
    assert not fake.uploads


def test_a_lost_yes_is_asked_for_before_it_is_said_again(fake: FakeRegistry) -> None:
    content = noise(1000)

    def take_and_cut(exchange: Exchange) -> None:
        exchange.read_body()
        fake.put_blob("team/app", content)
        exchange.cut()

    fake.fault = once(is_a("PUT", "/uploads/"), take_and_cut)
    assert client().push_blob(reference(fake.address), blob_of(content)) == "uploaded"
    assert len(fake.asked("PUT", "/uploads/")) == 1


@pytest.mark.usefixtures("small_chunks")
class TestChunks:
    def test_they_go_up_in_order(self, fake: FakeRegistry) -> None:
        content = noise(130_000)
        client().push_blob(reference(fake.address), blob_of(content))
        patches = fake.asked("PATCH")
        assert [one.headers["Content-Range"] for one in patches] == [
            "0-39999", "40000-79999", "80000-119999", "120000-129999",
        ]  # fmt: skip
        assert all("Transfer-Encoding" not in one.headers for one in patches)
        assert fake.blobs["team/app", digest_of(content)] == content

    def test_the_least_length_is_obeyed(self, fake: FakeRegistry) -> None:
        fake.least_chunk = 70_000
        client().push_blob(reference(fake.address), blob_of(noise(150_000)))
        assert [one.length for one in fake.asked("PATCH")] == [70_000, 70_000, 10_000]

    def test_a_least_length_beyond_the_blob_means_one_piece(self, fake: FakeRegistry) -> None:
        fake.least_chunk = MIB
        client().push_blob(reference(fake.address), blob_of(noise(150_000)))
        assert not fake.asked("PATCH")
        assert fake.blobs

    def test_a_registry_without_chunks_gets_one_piece(self, fake: FakeRegistry) -> None:
        fake.chunks = False
        client().push_blob(reference(fake.address), blob_of(noise(150_000)))
        assert len(fake.asked("PATCH")) == 1
        assert fake.blobs
        assert not fake.uploads

    def test_a_cut_upload_goes_on_where_the_registry_stands(self, fake: FakeRegistry) -> None:
        content = noise(200_000)

        def half(exchange: Exchange) -> None:
            session = exchange.path.rpartition("/")[2].partition("?")[0]
            fake.uploads[session] += exchange.read_body(25_000)
            exchange.cut()

        second = is_a("PATCH")
        fake.fault = once(lambda one: second(one) and one.headers["Content-Range"].startswith("40000-"), half)
        progress: list[int] = []
        client().push_blob(reference(fake.address), blob_of(content), progress=progress.append)
        assert fake.blobs["team/app", digest_of(content)] == content
        assert [one.headers["Content-Range"].partition("-")[0] for one in fake.asked("PATCH")][:3] == [
            "0", "40000", "65000",
        ]  # fmt: skip
        assert len(fake.asked("POST", "/uploads/")) == 1
        assert sum(progress) == len(content)

    def test_a_416_is_answered_by_asking_where_it_stands(self, fake: FakeRegistry) -> None:
        content = noise(200_000)

        def refuse(exchange: Exchange) -> None:
            session = exchange.path.rpartition("/")[2].partition("?")[0]
            exchange.answer(416, b"", {"Range": f"0-{len(fake.uploads[session]) - 1}"})

        fake.fault = once(lambda one: "80000-" in one.headers.get("Content-Range", ""), refuse)
        client().push_blob(reference(fake.address), blob_of(content))
        assert fake.blobs["team/app", digest_of(content)] == content
        assert len(fake.asked("POST", "/uploads/")) == 1

    def test_a_forgotten_session_is_begun_anew(self, fake: FakeRegistry) -> None:
        content = noise(200_000)

        def forget(exchange: Exchange) -> None:
            fake.uploads.clear()
            exchange.error(404, "BLOB_UPLOAD_UNKNOWN")

        fake.fault = once(lambda one: "80000-" in one.headers.get("Content-Range", ""), forget)
        client().push_blob(reference(fake.address), blob_of(content))
        assert fake.blobs["team/app", digest_of(content)] == content
        assert len(fake.asked("POST", "/uploads/")) == 2

    def test_a_token_that_ends_in_the_middle(self, tmp_path: Path) -> None:
        with FakeRegistry(auth="token") as fake:
            content = noise(200_000)

            def expire(exchange: Exchange) -> bool:
                if "80000-" in exchange.headers.get("Content-Range", "") and not ended:
                    ended.append(fake.tokens.copy())
                    fake.tokens.clear()
                return False

            ended: list[object] = []
            fake.fault = expire
            registry = client(login=(fake.address, *fake.login), home=tmp_path)
            registry.push_blob(reference(fake.address), blob_of(content))
            assert fake.blobs["team/app", digest_of(content)] == content


@pytest.mark.parametrize(
    "place", ["http://169.254.169.254/upload", "http://[fe80::1]/x", "http://0x7f.1/x", "file:///etc/x", ""]
)
def test_an_upload_is_not_sent_where_it_must_not_go(fake: FakeRegistry, place: str) -> None:
    fake.fault = always(is_a("POST"), lambda exchange: exchange.answer(202, b"", {"Location": place}))
    with pytest.raises(FetchError) as error:
        client().push_blob(reference(fake.address), blob_of(b"x"))
    assert error.value.code in {"E-REGISTRY-LOCATION", "E-REGISTRY-ANSWER"}


def test_an_upload_elsewhere_takes_no_login_along(tmp_path: Path) -> None:
    with FakeRegistry() as other, FakeRegistry(auth="basic") as fake:
        other.uploads["s"] = bytearray()
        fake.fault = always(
            is_a("POST"),
            lambda exchange: exchange.answer(
                202, b"", {"Location": f"{other.url}/v2/x/blobs/uploads/s?sig=1"}
            ),
        )
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        registry.push_blob(reference(fake.address), blob_of(b"content"))
        assert other.blobs["x", digest_of(b"content")] == b"content"
        assert other.seen[-1].path.startswith("/v2/x/blobs/uploads/s?sig=1&digest=sha256%3A")
        assert not any("Authorization" in one.headers for one in other.seen)


def test_no_way_down_from_https(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path)
    if pem is None:
        pytest.skip("SKIPPED TLS: the openssl program is not installed")
    with (
        FakeRegistry() as plain,
        FakeRegistry(certificate=pem, auth="token", realm=f"{plain.url}/token") as fake,
    ):
        registry = client(authorities=(str(pem),), login=(fake.address, *fake.login), home=tmp_path)
        with pytest.raises(FetchError) as error:
            registry.manifest(reference(fake.address))
        assert error.value.code == "E-REGISTRY-REALM"
        fake.auth = ""
        registry = client(authorities=(str(pem),))
        fake.fault = always(
            is_a("POST"), lambda exchange: exchange.answer(202, b"", {"Location": f"{plain.url}/up"})
        )
        with pytest.raises(FetchError) as error:
            registry.push_blob(reference(fake.address), blob_of(b"x"))
        assert error.value.code == "E-REGISTRY-LOCATION"
        fake.fault = always(
            is_a("", "/blobs/"), lambda exchange: exchange.answer(307, b"", {"Location": f"{plain.url}/b"})
        )
        with pytest.raises(FetchError) as error:
            registry.blob(reference(fake.address), blob_of(b"x").descriptor)
        assert error.value.code == "E-FETCH-REDIRECT"
        assert not plain.seen


def test_a_refused_manifest_says_why(fake: FakeRegistry) -> None:
    fake.fault = once(is_a("PUT", "/manifests/"), lambda exchange: exchange.error(400, "MANIFEST_INVALID"))
    with pytest.raises(FetchError) as error:
        client().put_manifest(reference(fake.address), EMPTY_INDEX, INDEX)
    assert error.value.code == "E-REGISTRY-MEDIA-TYPE"
    fake.fault = once(is_a("PUT", "/manifests/"), lambda exchange: exchange.answer(413, b"\x1b[31m" * 9))
    with pytest.raises(FetchError) as error:
        client().put_manifest(reference(fake.address), EMPTY_INDEX, INDEX)
    assert error.value.code == "E-REGISTRY-SIZE"
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("api", [True, False])
def test_referrers_by_api_and_by_tag(api: bool) -> None:
    with FakeRegistry(referrers=api) as fake:
        from crossdock.net.registry.referrers import add_tagged_referrers, fallback_tag

        there, registry = reference(fake.address), client()
        subject = Descriptor.of(EMPTY_INDEX, INDEX)
        found = [attachment(subject, text) for text in ("one", "two")]
        for one in found:
            for blob in one.blobs:
                registry.push_blob(there, blob)
            assert registry.put_manifest(there.at(one.descriptor.digest), one.manifest, media.MANIFEST) is api
            if not api:
                add_tagged_referrers(registry, there, subject.digest, [one.descriptor])
        listed = registry.referrers(there, subject.digest)
        assert {one.digest for one in listed} == {one.descriptor.digest for one in found}
        assert bool(fake.tags) is not api
        if not api:
            assert fallback_tag(subject.digest) == f"sha256-{subject.digest.hex}"


def test_the_next_page_of_referrers_is_the_registrys_own(fake: FakeRegistry) -> None:
    there, subject = reference(fake.address), Digest.of(EMPTY_INDEX)
    rows = [Descriptor.of(text, media.MANIFEST) for text in (b"one", b"two")]

    def page(row: Descriptor) -> bytes:
        return Index(manifests=(row,)).to_bytes()

    def answer(exchange: Exchange) -> None:
        last = "last" in exchange.path
        link = {} if last else {"Link": f'<{to}?last=1>; rel="next"'}
        exchange.answer(200, page(rows[1] if last else rows[0]), {"Content-Type": INDEX, **link})

    fake.fault = always(is_a("GET", "/referrers/"), answer)
    to = f"/v2/team/app/referrers/{subject}"
    assert client().referrers(there, subject) == tuple(rows)
    with FakeRegistry() as other:
        to = f"{other.url}{to}"
        assert client().referrers(there, subject) == (rows[0],)
        assert not other.seen


def test_another_push_may_change_the_fallback_tag_meanwhile() -> None:
    with FakeRegistry(referrers=False) as fake:
        from crossdock.net.registry.referrers import add_tagged_referrers

        there, registry = reference(fake.address), client()
        subject = Descriptor.of(EMPTY_INDEX, INDEX)
        ours, theirs = (
            Descriptor.of(fake_manifest(fake, text), media.MANIFEST) for text in ("ours", "theirs")
        )

        def overwrite(exchange: Exchange) -> None:
            # The other one read the list before ours was in it, and writes it after.
            exchange.answer(201)
            body = (
                b'{"schemaVersion":2,"mediaType":"%s","manifests":[{"mediaType":"%s","digest":"%s","size":%d}]}'
                % (INDEX.encode(), media.MANIFEST.encode(), str(theirs.digest).encode(), theirs.size)
            )
            fake.put_manifest("team/app", exchange.path.rpartition("/")[2], body, INDEX)

        fake.fault = once(is_a("PUT", "/manifests/sha256-"), overwrite)
        add_tagged_referrers(registry, there, subject.digest, [ours])
        found = {one.digest for one in registry.referrers(there, subject.digest)}
        assert found == {ours.digest, theirs.digest}


@pytest.mark.parametrize("stands", [b"{", whole_image().platforms[0].manifest])
def test_what_is_no_list_under_the_fallback_tag_is_not_overwritten(stands: bytes) -> None:
    with FakeRegistry(referrers=False) as fake:
        from crossdock.net.registry.referrers import add_tagged_referrers, fallback_tag

        subject = Digest.of(EMPTY_INDEX)
        digest = fake.put_manifest("team/app", fallback_tag(subject), stands, media.MANIFEST)
        with pytest.raises(FetchError) as error:
            add_tagged_referrers(
                client(), reference(fake.address), subject, [Descriptor.of(b"x", media.MANIFEST)]
            )
        assert error.value.code == "E-REGISTRY-REFERRERS"
        assert fake.tags["team/app", fallback_tag(subject)] == digest


def test_this_machine_is_not_asked_through_a_proxy(fake: FakeRegistry) -> None:
    fake.put_manifest("team/app", "1", EMPTY_INDEX, INDEX)
    with Proxy() as proxy:
        through = client(proxies={"all": f"http://{proxy.address}"})
        assert through.manifest(reference(fake.address)).raw == EMPTY_INDEX
        assert not proxy.seen


def fake_manifest(fake: FakeRegistry, text: str) -> bytes:
    body = b'{"note":"%s"}' % text.encode()
    fake.put_manifest("team/app", "", body, media.MANIFEST)
    return body
