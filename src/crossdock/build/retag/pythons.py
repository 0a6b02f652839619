"""The Python and ABI tags that a wheel's modules bear out (PEP 425, 384, 703)."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from crossdock.build.repair.pythons import Pair, stable_of
from crossdock.target.model import Implementation, Python

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.build.repair.survey import Contents, Survey

_CPYTHON = re.compile(r"cp3(\d{1,2})")
_ABI = re.compile(r"cp3(\d{1,2})(t?)")
_PYPY = re.compile(r"pp3(\d{1,2})-(pypy3\d{1,2}_pp\d+)")
_DLL = re.compile(r"python3(\d{1,2})(t?)\.dll", re.IGNORECASE)
#: Before 3.8 the names of ABIs had letters of their own (`cp37m`), and those Pythons are no longer looked into.
_FIRST_JUDGED = 8
#: What a wheel without extension modules is looked at with: its answer is the same for any.
ANY_PYTHON = Python(minor=12)


class Claim(NamedTuple):
    """A (python, abi) pair, and the Python that tells whether it is true; None for one that is not looked into."""

    pair: Pair
    python: Python | None

    def __str__(self) -> str:
        return "-".join(self.pair)


def claim_of(pair: Pair) -> Claim:
    """Return the pair with its Python."""
    pypy = _PYPY.fullmatch("-".join(pair))
    if pypy is not None:
        python = Python(minor=int(pypy[1]), implementation=Implementation.PYPY, abi=pypy[2])
        return Claim(pair, python)
    named = _CPYTHON.fullmatch(pair[0])
    if named is None:
        return Claim(pair, ANY_PYTHON if pair[1] == "none" and pair[0].startswith("py") else None)
    minor, abi = int(named[1]), _ABI.fullmatch(pair[1])
    known = pair[1] in {"abi3", "none"} or (abi is not None and int(abi[1]) == minor)
    if not known or minor < _FIRST_JUDGED:
        # `cp32-abi3` says no more than `cp38-abi3` to the Pythons that there are.
        return Claim(pair, Python(minor=_FIRST_JUDGED) if pair[1] == "abi3" else None)
    return Claim(pair, Python(minor=minor, free_threaded=abi is not None and bool(abi[2])))


def borne_out(claim: Claim, survey: Survey, contents: Contents) -> tuple[Claim, str]:
    """Return what of a claim the modules' own symbols and names leave of it, and why if that is less.

    Where nothing is left the pair's ABI is empty. A claim of one Python's ABI is as it is: the audit says whether that
    Python would take the modules.
    """
    modules = list(survey.modules())
    if not modules or claim.python is None:
        return claim, ""
    python, abi = claim.pair
    if abi == "none":
        one = modules[0].name
        return Claim((python, ""), None), f"{one} is an extension module, which not every Python takes"
    if abi != "abi3":
        return claim, ""
    why, since = stable_of(survey, contents)
    if why:
        return Claim((python, ""), None), f"{why}, which is not of the stable ABI"
    named = _CPYTHON.fullmatch(python)
    if named is not None and since > (3, int(named[1])):
        raised = claim_of((f"cp3{since[1]}", "abi3"))
        return raised, f"its modules need Python {since[0]}.{since[1]}"
    return claim, ""


def told_by_modules(survey: Survey, contents: Contents) -> tuple[Claim, ...]:
    """Return the claims that the modules themselves make, by their names and what they are linked to; oldest first."""
    exact: set[tuple[int, str]] = set()
    stable = True
    for one in survey.modules():
        name = one.module
        if name is None:
            continue
        if name.cpython is not None:
            exact.add(name.cpython[:2])
        needed = one.image.needed if one.image is not None else ()
        exact |= {(int(found[1]), found[2]) for dll in needed if (found := _DLL.fullmatch(dll))}
        stable = stable and (name.abi == "abi3" or "python3.dll" in {dll.lower() for dll in needed})
    if exact:
        return tuple(claim_of((f"cp3{minor}", f"cp3{minor}{flags}")) for minor, flags in sorted(exact))
    if not stable:
        return ()
    why, since = stable_of(survey, contents)
    return () if why or not since[0] else (claim_of((f"cp3{since[1]}", "abi3")),)


def expanded(pairs: Iterable[Pair]) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Return all pairs that a file name with these says, and those among them that it would say too much.

    A file name says every Python with every ABI; one Python with the ABI of another is no installer's.
    """
    known = set(pairs)
    every = tuple(sorted(product({one for one, _ in known}, {abi for _, abi in known})))
    return every, tuple(pair for pair in every if pair not in known and not _is_empty(pair, known))


def _is_empty(pair: Pair, known: set[Pair]) -> bool:
    """Tell whether a pair says nothing that the known ones do not say."""
    python, abi = pair
    number = _CPYTHON.fullmatch(python)
    if abi == "abi3":
        # A Python takes `abi3` of itself and of older ones.
        older = (_CPYTHON.fullmatch(one) for one, other in known if other == "abi3")
        return number is None or any(one is not None and int(one[1]) <= int(number[1]) for one in older)
    if abi == "none":
        return any(other == "none" and one.startswith("py") for one, other in known)
    own = _ABI.fullmatch(abi)
    return own is None or number is None or own[1] != number[1]
