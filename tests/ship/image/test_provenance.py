"""The statement of how an image came to be, and the signatures of it."""

from __future__ import annotations

import base64
import importlib
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import oci_schemas
from tests.support.bills import MadeUp, made_up, origin, record
from tests.support.registry import DockerRegistry, docker_registry
from tests.support.registry_images import client, reference, whole_image

from crossdock.digest import Digest
from crossdock.errors import ImageError
from crossdock.oci import media
from crossdock.oci.model import parse_manifest
from crossdock.ship.image.attach import with_provenance
from crossdock.ship.image.components import debian_component
from crossdock.ship.image.manifest import image_index
from crossdock.ship.image.options import ImageOptions
from crossdock.ship.image.publish import publish
from crossdock.ship.image.signing import BUNDLE, sign_image, sigstore_signer

if TYPE_CHECKING:
    from crossdock.ship.image.model import Attachment, Image

__all__ = ["docker_registry"]
OPTIONS = ImageOptions(env={"PASSWORD": "hush"}, prefix="/srv/app")


def platforms() -> list[MadeUp]:
    """Two platforms that share a wheel, and each with one of its own."""
    pure = record("pure", "1")
    made = []
    for architecture in ("amd64", "arm64"):
        own = record(f"native-{architecture}", "2")
        wheels = [
            origin(pure, "https://user:secret@index.example.com/pure.whl?token=hush"),
            origin(own, "https://index.example.com/native.tar.gz", built_from="native-2.tar.gz"),
        ]
        made.append(made_up([pure, own], origins=wheels, architecture=architecture))
    return made


def indexed(made: list[MadeUp]) -> Image:
    return image_index([one.image for one in made], {"org.opencontainers.image.title": "shop"})


def document(one: Attachment) -> bytes:
    return b"".join(one.blobs[1].source.chunks())


def stated(**more: Any) -> dict[str, Any]:
    made = platforms()
    image = with_provenance(indexed(made), made, options=OPTIONS, **more)
    found: dict[str, Any] = json.loads(document(image.attachments[-1]))
    return found


def test_the_statement_says_what_was_made_of_what() -> None:
    made = platforms()
    image = indexed(made)
    found = stated(lock=Digest.of(b"lock"), revision="a" * 40)
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert found["subject"] == [
        {"name": "shop", "digest": {"sha256": image.descriptor.digest.hex}},
        {"name": "shop linux/amd64", "digest": {"sha256": made[0].image.descriptor.digest.hex}},
        {"name": "shop linux/arm64", "digest": {"sha256": made[1].image.descriptor.digest.hex}},
    ]
    definition = found["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {
        "source": {"kind": "project"},
        "targets": [one.image.target.fields_for_key() for one in made],
        "base": made[0].image.base.name,
        "prefix": "/srv/app",
        "bytecode": False,
        "maxLayers": 60,
    }
    rows = definition["resolvedDependencies"]
    assert [row["name"] for row in rows] == [
        "lock",
        "source",
        "registry.example.com/library/python:3.12-slim",
        "native_amd64-2-py3-none-any.whl",
        "pure-1-py3-none-any.whl",
        "native_arm64-2-py3-none-any.whl",
    ]
    assert rows[0]["digest"] == {"sha256": Digest.of(b"lock").hex}
    assert rows[1]["digest"] == {"gitCommit": "a" * 40}
    assert rows[2]["digest"] == {"sha256": Digest.of(b"base").hex}
    assert "arch=" not in rows[2]["uri"]
    assert rows[3]["annotations"] == {"dev.crossdock.built-from": "native-2.tar.gz"}
    assert rows[4] == {
        "name": "pure-1-py3-none-any.whl",
        "uri": "pkg:pypi/pure@1?file_name=pure-1-py3-none-any.whl",
        "digest": {"sha256": made[0].records[0].digest.hex},
        "downloadLocation": "https://index.example.com/pure.whl",
    }


def test_a_time_and_a_commit_only_where_they_are_given() -> None:
    bare = stated(revision="v1.2")
    assert "metadata" not in bare["predicate"]["runDetails"]
    assert "gitCommit" not in json.dumps(bare)
    timed = stated(created=0)["predicate"]["runDetails"]["metadata"]
    assert timed == {"startedOn": "1970-01-01T00:00:00Z", "finishedOn": "1970-01-01T00:00:00Z"}


def test_packages_of_a_base_made_here_are_listed() -> None:
    libc = debian_component("libc6", "2.36", "amd64", suite="bookworm", digest=Digest.of(b"deb"))
    rows = stated(packages=[libc])["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [row["name"] for row in rows].count("libc6") == 1


def test_no_secret_comes_in() -> None:
    text = json.dumps(stated())
    assert "hush" not in text
    assert "secret" not in text


@dataclass
class FakeSigner:
    """Signs as sigstore does, but with nothing behind it."""

    change: dict[str, Any] = field(default_factory=dict)
    signed: list[bytes] = field(default_factory=list)

    def sign(self, statement: bytes) -> bytes:
        self.signed.append(statement)
        envelope = {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": "c2ln"}],
        }
        bundle = {"mediaType": BUNDLE, "verificationMaterial": {"certificate": {}, "tlogEntries": [{}]}}
        return json.dumps(
            {**bundle, "dsseEnvelope": {**envelope, **self.change.pop("envelope", {})}, **self.change}
        ).encode()


def test_index_and_provenance_are_signed() -> None:
    made = platforms()
    image = with_provenance(indexed(made), made, options=OPTIONS)
    signer = FakeSigner()
    result = sign_image(image, signer)
    first, second = (json.loads(one) for one in signer.signed)
    assert first["predicateType"] == "https://sigstore.dev/cosign/sign/v1"
    assert [one["digest"]["sha256"] for one in first["subject"]] == [image.descriptor.digest.hex]
    assert second == json.loads(document(image.attachments[0]))
    assert result.attachments[0] == image.attachments[0]
    for one, kind in zip(result.attachments[1:], (first, second), strict=True):
        oci_schemas.check(one.manifest, "image-manifest")
        manifest = parse_manifest(one.manifest, media.MANIFEST)
        assert manifest.subject is not None
        assert manifest.subject.digest == image.descriptor.digest
        assert manifest.artifact_type == BUNDLE
        assert manifest.annotations == {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": kind["predicateType"],
        }
        title = one.blobs[1].descriptor.annotations["org.opencontainers.image.title"]
        assert title == f"{str(one.blobs[1].descriptor.digest).replace(':', '-')}.sigstore.json"


@pytest.mark.parametrize(
    "change",
    [
        {"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2"},
        {"verificationMaterial": None},
        {"dsseEnvelope": None},
        {"dsseEnvelope": []},
        {"envelope": {"payload": base64.b64encode(b"{}").decode()}},
        {"envelope": {"payload": "not base64"}},
        {"envelope": {"payload": None}},
        {"envelope": {"signatures": []}},
        {"envelope": {"payloadType": "text/plain"}},
    ],
)
def test_what_is_no_signature_of_the_statement_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ImageError) as caught:
        sign_image(indexed(platforms()), FakeSigner(change=dict(change)))
    assert caught.value.code == "E-IMAGE-SIGN"


def _sigstore(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[Any]:
    """Put modules in sigstore's place with the calls of its version 4; return what was handed over."""
    seen: list[Any] = []

    class Context:
        @classmethod
        def from_trust_config(cls, config: str) -> Context:
            seen.append(config)
            return cls()

        def signer(self, identity: str) -> Any:
            seen.append(identity)

            class Entered:
                def __enter__(self) -> Any:
                    return SimpleNamespace(sign_dsse=lambda statement: SimpleNamespace(to_json=statement))

                def __exit__(self, *_: object) -> None:
                    pass

            return Entered()

    modules = {
        "sigstore.oidc": SimpleNamespace(
            detect_credential=lambda: "ambient", IdentityToken=lambda raw: f"as {raw}"
        ),
        "sigstore.models": SimpleNamespace(ClientTrustConfig=SimpleNamespace(production=lambda: "public")),
        "sigstore.sign": SimpleNamespace(SigningContext=Context),
        "sigstore.dsse": SimpleNamespace(
            Statement=lambda content: lambda: FakeSigner().sign(content).decode()
        ),
    }
    for name, value in changes.items():
        modules[f"sigstore.{name}"] = value
    monkeypatch.setattr(importlib, "import_module", lambda name: modules[name])
    return seen


@pytest.mark.parametrize(("token", "identity"), [(None, "as ambient"), ("mine", "as mine")])
def test_sigstore_is_called_for_an_identity(
    monkeypatch: pytest.MonkeyPatch, token: str | None, identity: str
) -> None:
    seen = _sigstore(monkeypatch)
    result = sign_image(indexed(platforms()), sigstore_signer(token))
    assert seen == ["public", identity]
    assert len(result.attachments) == 1


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"oidc": SimpleNamespace(detect_credential=lambda: None)}, "E-IMAGE-SIGN-IDENTITY"),
        (
            {"oidc": SimpleNamespace(detect_credential=lambda: _raise(RuntimeError("no")))},
            "E-IMAGE-SIGN-IDENTITY",
        ),
        (
            {
                "models": SimpleNamespace(
                    ClientTrustConfig=SimpleNamespace(production=lambda: _raise(OSError("down")))
                )
            },
            "E-IMAGE-SIGN",
        ),
        (
            {"dsse": SimpleNamespace(Statement=lambda _: lambda: _raise(ValueError("log\nis down")))},
            "E-IMAGE-SIGN",
        ),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: str
) -> None:
    _sigstore(monkeypatch, **changes)
    with pytest.raises(ImageError) as caught:
        sign_image(indexed(platforms()), sigstore_signer())
    assert caught.value.code == code
    assert "\n" not in caught.value.message


def test_the_extra_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: _raise(ImportError(name)))
    with pytest.raises(ImageError) as caught:
        sigstore_signer("token")
    assert caught.value.code == "E-IMAGE-SIGN-EXTRA"
    assert "crossdock[sign]" in str(caught.value)


def test_calls_exist_in_sigstore_if_it_is_installed() -> None:
    oidc = pytest.importorskip("sigstore.oidc", reason="the extra `sign` is not installed")
    sign, models, dsse = (importlib.import_module(f"sigstore.{name}") for name in ("sign", "models", "dsse"))
    assert callable(oidc.detect_credential)
    assert callable(sign.SigningContext.from_trust_config)
    assert callable(models.ClientTrustConfig.production)
    assert callable(models.Bundle.to_json)
    made = platforms()
    image = with_provenance(indexed(made), made, options=OPTIONS)
    signer = FakeSigner()
    sign_image(image, signer)
    for one in signer.signed:
        dsse.Statement(one)


def test_what_is_attached_is_found_in_a_registry(docker_registry: DockerRegistry) -> None:
    made = platforms()
    image = whole_image()
    image = with_provenance(image, made, options=OPTIONS)
    image = sign_image(image, FakeSigner())
    name = reference(docker_registry.address)
    registry = client()
    publish(image, [name], registry)
    found = {one.artifact_type: one for one in registry.referrers(name, image.descriptor.digest)}
    assert set(found) == {"application/vnd.in-toto+json", BUNDLE}
    raw = registry.manifest(name.at(found["application/vnd.in-toto+json"].digest)).raw
    assert raw == image.attachments[0].manifest
    assert (
        found["application/vnd.in-toto+json"].annotations["in-toto.io/predicate-type"]
        == "https://slsa.dev/provenance/v1"
    )
