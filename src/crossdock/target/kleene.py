"""A marker's syntax tree, and its value where some variables are unknown (Kleene's three-valued logic)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from crossdock.errors import TargetError
from crossdock.target.model import MARKER_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: True, false, or None with the variable that would decide.
Truth: TypeAlias = "tuple[bool | None, str | None]"


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison of a variable with a text; `text` is the atom as a marker of its own."""

    variable: str
    operator: str
    value: str
    text: str


#: Atoms, nested trees, and the words `and` and `or` between them.
Tree: TypeAlias = "tuple[Atom | str | Tree, ...]"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A marker, parsed once for all targets."""

    text: str
    tree: Tree
    atoms: tuple[Atom, ...]
    variables: frozenset[str]


@lru_cache(maxsize=16384)
def parse(text: str) -> Parsed:
    """Return the syntax tree of a marker; `TargetError` if an atom of it compares no variable."""
    from packaging.markers import InvalidMarker, Marker

    try:
        nodes = _nodes(Marker(text))
    except InvalidMarker as error:
        reason = str(error).splitlines()[0]
        raise TargetError(f"not a marker: `{text}`: {reason}", code="E-TARGET-MARKER") from error
    tree = _tree(nodes, text)
    atoms = tuple(_atoms(tree))
    return Parsed(text, tree, atoms, frozenset(atom.variable for atom in atoms))


def _nodes(marker: Any) -> list[Any]:
    # packaging has no public syntax tree (Marker shows only `evaluate`); this is the one place that uses the
    # private one, and a test pins its shape.
    nodes: list[Any] = marker._markers  # noqa: SLF001
    return nodes


def _tree(nodes: Sequence[Any], text: str) -> Tree:
    return tuple(
        _tree(node, text) if isinstance(node, list) else node if isinstance(node, str) else _atom(node, text)
        for node in nodes
    )


def _atom(node: tuple[Any, Any, Any], text: str) -> Atom:
    left, operator, right = node
    variables = [side for side in (left, right) if type(side).__name__ == "Variable"]
    if not variables:
        raise TargetError(f"the marker `{text}` compares two texts, no variable", code="E-TARGET-MARKER")
    # packaging takes the left one for the variable and the right one's name for a text, if both are variables.
    other = right if variables[0] is left else left
    atom = f"{left.serialize()} {operator.serialize()} {right.serialize()}"
    return Atom(str(variables[0].value), str(operator.serialize()), str(other.value), atom)


def _atoms(tree: Tree) -> Iterator[Atom]:
    for node in tree:
        if isinstance(node, tuple):
            yield from _atoms(node)
        elif isinstance(node, Atom):
            yield node


def truth_of(tree: Tree, values: Mapping[str, Any]) -> Truth:
    """Evaluate with unknown values (None): false and unknown is false, true or unknown is true.

    `and` binds tighter than `or` (PEP 508). Every variable of the tree must be a key of `values`.
    """
    found: Truth = (False, None)
    group: Truth = (True, None)
    for node in tree:
        if node == "or":
            found, group = _either(found, group), (True, None)
        elif isinstance(node, Atom):
            # What is false stays false: no need to look at the rest of the group.
            if group[0] is not False:
                group = _both(group, _compare(node, values))
        elif isinstance(node, tuple) and group[0] is not False:
            group = _both(group, truth_of(node, values))
    return _either(found, group)


def _both(one: Truth, other: Truth) -> Truth:
    if one[0] is False or other[0] is False:
        return (False, None)
    return one if one[0] is None else other


def _either(one: Truth, other: Truth) -> Truth:
    if one[0] is True or other[0] is True:
        return (True, None)
    return one if one[0] is None else other


def _compare(atom: Atom, values: Mapping[str, Any]) -> Truth:
    value = values[atom.variable]
    return (None, atom.variable) if value is None else (_holds(atom, value), None)


@lru_cache(maxsize=65536)
def _holds(atom: Atom, value: str | frozenset[str]) -> bool:
    """Compare by packaging's own rules, one atom at a time, so that nothing can come from the host."""
    from packaging.markers import Marker

    environment: dict[str, Any] = {**_NOTHING, atom.variable: value}
    context: Any = "lock_file" if isinstance(value, frozenset) else "metadata"
    try:
        return Marker(atom.text).evaluate(environment, context=context)
    except ValueError as error:  # UndefinedComparison, InvalidVersion
        raise TargetError(
            f"the marker `{atom.text}` compares what cannot be compared", code="E-TARGET-MARKER"
        ) from error


_NOTHING = {**dict.fromkeys(MARKER_VARIABLES, ""), "python_full_version": "0"}
