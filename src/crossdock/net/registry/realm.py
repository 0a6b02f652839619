"""Where a token may be asked for, and who gets to see the login.

A registry names its token server itself (`realm`), so a hostile one could send us anywhere. What is demanded of
clients: google/go-containerregistry#2193 and #2440, oras-go's CVE-2026-48978 (GHSA-xf85-363p-868w). The rules:

1. A realm is an https URL without user info; plain http only where the registry itself is spoken to so.
2. A realm on this machine, in a private network, or at a link-local address (the clouds' metadata services) is
   refused, unless it is the registry's own host or the registry is as private. Names are resolved for that.
3. Logins go to realms that belong to the registry: its own host, or a host of the same site
   (Docker's registry and its token server below `docker.io`, `registry.gitlab.com` and `gitlab.com`). To any other realm only
   an anonymous request is made, and with a login at hand that is an error which names the setting that allows it.
4. Redirects of a token server are not followed.

oras-go stops at 1 and 2 (and judges addresses written as such only), since the specification lets a realm be
anywhere; go-containerregistry refuses what 3 refuses even without a login, which cuts public images off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.errors import CrossdockError, FetchError
from crossdock.net.registry.addresses import Reach, reach_by_dns, reach_of, same_site
from crossdock.net.url import Url, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def check_reach(
    registry: Url, place: Url, *, proxied: bool, code: str, what: str, strict: bool = True
) -> None:
    """Refuse a place that `registry` names and that its user would not let it reach; raise `FetchError`.

    `proxied`: the name is resolved by a proxy, not here. Not `strict`: a name may come to a private address,
    as a cloud's storage does inside its own network; what is fetched there is checked by its digest.
    """
    if registry.scheme == "https" and place.scheme != "https":
        raise refused(registry, place, code, what, "that is no protected connection, and the registry's is")
    host = place.origin.host
    if host == registry.origin.host:
        return
    judge = reach_of if proxied else reach_by_dns
    reach = judge(host)
    if not strict and reach is Reach.PRIVATE and reach_of(host) is Reach.PUBLIC:
        return
    if reach is Reach.NEVER or (reach is not Reach.PUBLIC and judge(registry.origin.host) < reach):
        raise refused(registry, place, code, what, "that is inside a network where the registry is not")


def parse_realm(registry: Url, realm: str, *, proxied: Callable[[Url], bool]) -> Url:
    """Return a realm that may be asked (rules 1 and 2); raise `FetchError` (`E-REGISTRY-REALM`) for others."""
    try:
        url = Url.parse(realm)
    except CrossdockError:
        raise _malformed(registry, realm) from None
    if url.scheme == "file" or url.login is not None or "#" in realm:
        raise _malformed(registry, realm)
    check_reach(registry, url, proxied=proxied(url), code="E-REGISTRY-REALM", what="asks for a login at")
    return url


def may_see_login(registry: Url, realm: Url, trusted: Collection[str]) -> bool:
    """Tell whether a realm may get the registry's login (rule 3); `trusted` are hosts that the user named."""
    host = realm.origin.host
    if host in trusted or f"{host}:{realm.origin.port}" in trusted:
        return True
    if realm.scheme == "http":
        # Only the registry's own host, or this machine, may get it unprotected.
        return (
            host == registry.origin.host or reach_of(host) is reach_of(registry.origin.host) is Reach.LOOPBACK
        )
    return same_site(host, registry.origin.host) or (
        reach_of(host) is reach_of(registry.origin.host) is Reach.LOOPBACK
    )


def foreign_realm(registry: Url, realm: Url) -> FetchError:
    """Return the error for a realm that may not see the login."""
    return FetchError(
        f"registry `{registry.origin.host}` wants its login to be sent to another party: `{realm.origin}`",
        code="E-REGISTRY-REALM",
        hint=f"if `{realm.origin.host}` is its token server, say so with `--registry-realm {realm.origin.host}`",
    )


def refused(registry: Url, place: Url, code: str, what: str, why: str) -> FetchError:
    """Return the error for a place where a registry may not send us."""
    return FetchError(
        f"registry `{registry.origin.host}` {what} `{place.origin}`: {why}",
        code=code,
        hint="it is set up wrongly or was taken over: ask who runs it",
    )


def _malformed(registry: Url, realm: str) -> FetchError:
    return FetchError(
        f"registry `{registry.origin.host}` names no place to log in at: `{redact(realm)[:200]}`",
        code="E-REGISTRY-REALM",
        hint="is this the address of a registry?",
    )
