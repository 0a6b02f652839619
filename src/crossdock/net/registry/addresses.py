"""What kind of place a host is, so that a server cannot send us where its user would not let it go."""

from __future__ import annotations

import ipaddress
import re
from enum import IntEnum

#: A last label that an old resolver takes for part of an IPv4 address (`0x7f.1`, `2130706433`): WHATWG URL,
#: "ends in a number".
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(IntEnum):
    """Who can reach an address; the higher, the fewer."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    #: Link-local (the clouds' metadata services), unspecified, multicast, and spellings made to deceive.
    NEVER = 3


def reach_of(host: str) -> Reach:
    """Judge a host by its text alone; a name of DNS counts as public."""
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return Reach.LOOPBACK
    try:
        address: _Address = ipaddress.ip_address(host)
    except ValueError:
        return Reach.NEVER if _NUMBER.fullmatch(host.rpartition(".")[2]) else Reach.PUBLIC
    return _reach(address)


def reach_by_dns(host: str) -> Reach:
    """Judge a host by what its name comes to; one that comes to nothing is for the connection to report."""
    import socket  # only where a server names another one

    told = reach_of(host)
    if told is not Reach.PUBLIC:
        return told
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return told
    return max(
        (_reach(ipaddress.ip_address(str(entry[4][0]).partition("%")[0])) for entry in found), default=told
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its text."""
    return reach_of(host) is Reach.LOOPBACK


def _reach(address: _Address) -> Reach:
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is not None:
        return _reach(inner)
    if address.is_loopback:
        return Reach.LOOPBACK
    if address.is_link_local or address.is_unspecified or address.is_multicast:
        return Reach.NEVER
    # fd00:ec2::254 and 100.100.100.200, two clouds' metadata services, are among the private ones.
    return Reach.PUBLIC if address.is_global else Reach.PRIVATE


def same_site(one: str, other: str) -> bool:
    """Tell whether two hosts belong together: equal, one below the other, or below one registered domain.

    Without the list of public suffixes: two labels in common, or three where the second-last is short under
    a country's code (`co.uk`). Addresses are only equal to themselves.
    """
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    if one == other:
        return True
    if any(_NUMBER.fullmatch(host.rpartition(".")[2]) or ":" in host for host in (one, other)):
        return False
    left, right = one.split(".")[::-1], other.split(".")[::-1]
    common = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        common += 1
    if common == min(len(left), len(right)):
        return common > 1
    short = len(left[0]) == 2 and len(left[1]) <= 3  # noqa: PLR2004
    return common >= (3 if short else 2)
