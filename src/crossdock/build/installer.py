"""uv, run outside of the sandbox to install what a build needs: with the variables that are its business alone."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.build.backend import BuildTools

#: Seconds that one installation may take: an index that answers a byte at a time must not hold a build for ever.
_SECONDS = 1800

#: Variables that say where things lie, how the network is reached and who the user is, in capitals.
_NAMES = frozenset(
    (  # noqa: SIM905  one name a line would fill a screen
        "PATH HOME USER LOGNAME LANG TZ TMPDIR TEMP TMP NETRC "
        "ALL_PROXY HTTP_PROXY HTTPS_PROXY NO_PROXY "
        "SSL_CERT_FILE SSL_CERT_DIR SSL_CLIENT_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE "
        "SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS KRB5CCNAME NO_COLOR "
        "SYSTEMROOT SYSTEMDRIVE WINDIR USERPROFILE APPDATA LOCALAPPDATA PROGRAMDATA COMSPEC PATHEXT"
    ).split()
)
_PREFIXES = ("UV_", "PIP_", "XDG_", "LC_", "GIT_", "KEYRING_", "PYTHON_KEYRING_")
#: Logins for uploads, of which there are none; and what has uv run an interpreter over what was installed.
_LEFT_OUT = ("UV_PUBLISH_", "UV_COMPILE_BYTECODE")
#: What keyrings of clouds, and uv's own logins there, are set up by; only where such a login is asked for.
_CLOUDS = ("AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "ARTIFACTS_KEYRING_", "VSS_NUGET_")
_CLOUD_SETTINGS = ("UV_KEYRING_PROVIDER", "PIP_KEYRING_PROVIDER", "UV_S3_ENDPOINT_URL", "UV_GCS_ENDPOINT_URL")


def installer_variables(environ: Mapping[str, str], arguments: Sequence[str] = ()) -> dict[str, str]:
    """Return what uv sees of the user's variables: its own and pip's settings, proxies, certificates, keyrings.

    No token that stands in another variable can get into a URL or a log then, whatever uv reads.
    """
    cloud = any(environ.get(name) not in {None, "", "disabled"} for name in _CLOUD_SETTINGS)
    prefixes = (*_PREFIXES, *(_CLOUDS if cloud or "--keyring-provider" in arguments else ()))
    return {
        name: value
        for name, value in environ.items()
        if name.upper() in _NAMES
        or (name.upper().startswith(prefixes) and not name.upper().startswith(_LEFT_OUT))
    }


def run_uv(
    tools: BuildTools, command: Sequence[str], what: str, *, seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run uv and return how it ended; `what` says what it is to do, for the refusal where it takes too long.

    It may take as long as a build that the user lets take longer. Raise `BuildError` (E-BUILD-TIMEOUT).
    """
    if seconds is None:
        seconds = max(_SECONDS, tools.seconds or 0)
    try:
        return subprocess.run(
            [tools.uv, *command],
            env=installer_variables(tools.uv_environ, tools.uv_arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"uv could not {what} in {seconds:g} seconds",
            code="E-BUILD-TIMEOUT",
            hint="the package index is too slow, or does not answer",
        ) from error
