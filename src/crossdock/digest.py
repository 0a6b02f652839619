"""Digests: the names of contents. A `Digest` has one way to be made, and it checks."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from crossdock.errors import CrossdockError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Accepted algorithms and the length of their hex form, strongest last.
#: md5, sha1 and sha224 are refused: collisions, or too short for a content address.
ALGORITHMS = {"sha256": 64, "sha384": 96, "sha512": 128}

_HEX = re.compile(r"[0-9a-f]+")


class Hasher(Protocol):
    """What hashlib's objects can do, as far as we use it."""

    def update(self, data: bytes, /) -> None: ...  # noqa: D102
    def hexdigest(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """An algorithm and the lower-case hex of the hash, for example `sha256:9f86…`.

    The strictness (allow-list, exact length, lower case) answers CVE-2024-3727, where a digest that was
    only roughly checked became a path.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        length = ALGORITHMS.get(self.algorithm)
        if length is None:
            raise CrossdockError(
                f"hash algorithm not accepted: `{self.algorithm}`",
                code="E-DIGEST-ALGORITHM",
                hint=f"use one of {', '.join(ALGORITHMS)}",
            )
        if len(self.hex) != length or not _HEX.fullmatch(self.hex):
            raise CrossdockError(
                f"not a {self.algorithm} digest (want {length} lower-case hex digits): `{self.hex[:140]}`",
                code="E-DIGEST",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `algorithm:hex`; raise `CrossdockError` for anything else."""
        algorithm, colon, value = text.partition(":")
        if not colon:
            raise CrossdockError(f"not a digest (want `algorithm:hex`): `{text[:140]}`", code="E-DIGEST")
        return cls(algorithm, value)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        """Hash `data` and return the digest."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    @classmethod
    def strongest(cls, hashes: Mapping[str, str]) -> Self | None:
        """Return the digest to rely on of a lock's or index's `hashes` table, or None if all are too weak.

        sha256 is preferred, since it is the store's own key; then the strongest of the others.
        """
        for algorithm in ("sha256", *reversed(ALGORITHMS)):
            if algorithm in hashes:
                return cls(algorithm, hashes[algorithm].lower())
        return None

    def hasher(self) -> Hasher:
        """Return a fresh hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
