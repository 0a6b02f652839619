"""Which proxy a URL goes through, from values (never from the process's own environment)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.net.url import Origin


def environment_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `http`, `https`, `all` and `no` as the proxy variables say; lower case wins.

    Upper-case `HTTP_PROXY` is ignored in a CGI program, where a client's header could set it
    (CVE-2016-1000110).
    """
    found = {}
    for name in ("http", "https", "all", "no"):
        upper = environ.get(f"{name.upper()}_PROXY", "")
        if name == "http" and "REQUEST_METHOD" in environ:
            upper = ""
        if value := (environ.get(f"{name}_proxy", "") or upper).strip():
            found[name] = value
    return found


def proxy_for(origin: Origin, proxies: Mapping[str, str]) -> str | None:
    """Return the proxy's URL for an origin, or None to go there directly."""
    if is_exempt(origin, proxies.get("no", "")):
        return None
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    if not proxy:
        return None
    # `proxy.corp:3128` is what many variables hold; curl reads it as http too.
    return proxy if "://" in proxy else f"http://{proxy}"


def is_exempt(origin: Origin, no_proxy: str) -> bool:
    """Tell whether `no_proxy` names this origin: `*`, a domain, `host:port`, an address or a network."""
    for raw in no_proxy.split(","):
        item = raw.strip().lower()
        if not item:
            continue
        if item == "*" or _in_network(origin.host, item):
            return True
        name, _, port = item.rpartition(":") if item.count(":") == 1 else (item, "", "")
        if port and port != str(origin.port):
            continue
        name = name.lstrip("*").lstrip(".")
        if name and (origin.host == name or origin.host.endswith("." + name)):
            return True
    return False


def _in_network(host: str, item: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(item.strip("[]"), strict=False)
    except ValueError:
        return False
