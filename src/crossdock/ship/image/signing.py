"""Signing an image without a key of one's own, by sigstore: an identity's token, a certificate for minutes, a public log.

sigstore is an extra (`crossdock[sign]`) and only loaded when a signature is asked for. What it makes is stored as
cosign 3 stores it (cosign, specs/BUNDLE_SPEC.md).
"""

from __future__ import annotations

import base64
import importlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from crossdock.digest import Digest
from crossdock.errors import ImageError
from crossdock.oci.blob import read_blob
from crossdock.ship.image.attach import IN_TOTO, attachment
from crossdock.ship.image.provenance import statement, subjects

if TYPE_CHECKING:
    from crossdock.oci.model import Descriptor
    from crossdock.ship.image.model import Attachment, Image

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
#: The predicate of a statement that is a signature and nothing more: what `cosign verify` looks for.
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
_CONTENT = "dev.sigstore.bundle.content"
_PREDICATE = "dev.sigstore.bundle.predicateType"
#: Bundles seen have 5 to 15 KB beside the statement.
_LARGEST = 4 << 20


class Signer(Protocol):
    """Whoever signs statements."""

    def sign(self, statement: bytes) -> bytes:
        """Return a Sigstore bundle, as JSON, whose envelope holds this very statement."""
        ...


def sign_image(image: Image, signer: Signer, *, created: int | None = None) -> Image:
    """Return the image with a signature of its index, and a signed form of each statement attached to the index.

    Raise `ImageError` (E-IMAGE-SIGN) if signing fails, or what comes back is not a bundle of what was to be
    signed. No signature is ever like another, so this image's attachments are new every time.
    """
    signature = statement(subjects(image)[:1], SIGNATURE, {})
    documents = [
        read_blob(blob.descriptor, blob.source, _LARGEST)
        for one in image.attachments
        for blob in one.blobs
        if blob.descriptor.media_type == IN_TOTO
    ]
    signed = [_signed(image.descriptor, one, signer, created) for one in (signature, *documents)]
    return replace(image, attachments=(*image.attachments, *signed))


def _signed(subject: Descriptor, document: bytes, signer: Signer, created: int | None) -> Attachment:
    bundle = signer.sign(document)
    _check(bundle, document)
    return attachment(
        subject,
        bundle,
        BUNDLE,
        filename=f"sha256-{Digest.of(bundle).hex}.sigstore.json",
        annotations={_CONTENT: "dsse-envelope", _PREDICATE: json.loads(document)["predicateType"]},
        created=created,
    )


def _check(bundle: bytes, document: bytes) -> None:
    """Refuse what is not a bundle of this statement: it would be pushed as a signature that nobody can verify."""
    try:
        if len(bundle) > _LARGEST:
            raise ValueError("too large")  # noqa: TRY301  # one text for all that is wrong with it
        table = json.loads(bundle)
        envelope = table["dsseEnvelope"]
        if table["mediaType"] != BUNDLE or not table["verificationMaterial"] or not envelope["signatures"]:
            raise ValueError("not a bundle of version 0.3")  # noqa: TRY301
        if (
            envelope["payloadType"] != IN_TOTO
            or base64.b64decode(envelope["payload"], validate=True) != document
        ):
            raise ValueError("it holds another statement")  # noqa: TRY301
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ImageError(
            f"what came back from signing is no signature of the image: {error}",
            code="E-IMAGE-SIGN",
            hint="update sigstore: `pip install -U 'crossdock[sign]'`",
        ) from error


def sigstore_signer(token: str | None = None) -> Signer:
    """Return a signer of sigstore's public instance, for the identity of `token`, an OpenID Connect token.

    Without one the CI system is asked for it (GitHub Actions, GitLab, Buildkite, Google Cloud and others that
    sigstore knows). Raise `ImageError`: E-IMAGE-SIGN-EXTRA without the extra, E-IMAGE-SIGN-IDENTITY where there
    is no identity, E-IMAGE-SIGN when sigstore's services cannot be had.
    """
    # By name: the type checker must not need the extra.
    try:
        oidc: Any = importlib.import_module("sigstore.oidc")
        models: Any = importlib.import_module("sigstore.models")
        sign: Any = importlib.import_module("sigstore.sign")
        dsse: Any = importlib.import_module("sigstore.dsse")
    except ImportError as error:
        raise ImageError(
            "signing needs the extra `sign`, which is not installed",
            code="E-IMAGE-SIGN-EXTRA",
            hint="`pip install 'crossdock[sign]'`",
        ) from error
    identity = _identity(oidc, token)
    try:
        context = sign.SigningContext.from_trust_config(models.ClientTrustConfig.production())
    except Exception as error:
        raise _failed(error) from error
    return _Sigstore(context=context, identity=identity, dsse=dsse)


def _identity(oidc: Any, token: str | None) -> Any:
    try:
        raw = token or oidc.detect_credential()
        if raw:
            return oidc.IdentityToken(raw)
    except Exception as error:
        raise ImageError(
            f"the identity that is to sign cannot be had: {_plain(error)}",
            code="E-IMAGE-SIGN-IDENTITY",
            hint="in GitHub Actions the job needs `permissions: id-token: write`",
        ) from error
    raise ImageError(
        "nobody to sign as: this is no CI system that sigstore knows, and no token was given",
        code="E-IMAGE-SIGN-IDENTITY",
        hint="give an OpenID Connect token in SIGSTORE_ID_TOKEN",
    )


class _Sigstore:
    """sigstore-python 4."""

    def __init__(self, *, context: Any, identity: Any, dsse: Any) -> None:
        self._context = context
        self._identity = identity
        self._dsse = dsse

    def sign(self, statement: bytes) -> bytes:
        try:
            with self._context.signer(self._identity) as signer:
                text: str = signer.sign_dsse(self._dsse.Statement(statement)).to_json()
        except Exception as error:
            raise _failed(error) from error
        return text.encode()


def _failed(error: Exception) -> ImageError:
    return ImageError(
        f"sigstore did not sign: {_plain(error)}",
        code="E-IMAGE-SIGN",
        hint="its services must be reachable; run the same command again, or leave `--sign` out",
    )


def _plain(error: Exception) -> str:
    """Return what an error says in one line; tokens never stand in sigstore's messages, and are not added here."""
    return " ".join(str(error).split())[:300] or type(error).__name__
