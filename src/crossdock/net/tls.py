"""TLS contexts: whose certificates are believed, and which one is shown."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from crossdock.net.http import HttpSettings

#: Where Linux distributions keep their bundle, for Pythons that were built elsewhere and look in the wrong
#: place. Source: Go's crypto/x509 root_linux.go, root_bsd.go; read 2026-11.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def make_context(settings: HttpSettings, *, verify: bool = True) -> ssl.SSLContext:
    """Return the context for all connections; `verify=False` only for hosts the user declared trusted.

    Raise `UsageError` (`E-CERT`) naming a certificate file that cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify:
        _load_authorities(context, settings)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert is not None:
        try:
            context.load_cert_chain(settings.client_cert)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable("client certificate", settings.client_cert, error) from error
    return context


def _load_authorities(context: ssl.SSLContext, settings: HttpSettings) -> None:
    for path in settings.authorities:
        try:
            if Path(path).is_dir():
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable("certificate bundle", path, error) from error
    if settings.authorities:
        return
    context.load_default_certs()
    where = ssl.get_default_verify_paths()
    if context.cert_store_stats()["x509_ca"] or where.capath:
        return
    for bundle in _BUNDLES:
        if Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
            return


def _unreadable(what: str, path: str, error: OSError) -> UsageError:
    return UsageError(
        f"cannot read the {what} `{path}`: {(error.strerror or str(error)).lower()}",
        code="E-CERT",
        hint="it comes from `PIP_CERT`, `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` or a settings file; PEM is wanted",
    )
