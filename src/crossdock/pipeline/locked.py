"""A lock and what each target gets of it, read and chosen when that is needed for the first time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crossdock.lock.model import Lock
    from crossdock.lock.select import Choice, Selection
    from crossdock.pipeline.chosen import ChosenWheel
    from crossdock.target.model import Target


@dataclass
class Locked:
    """What is locked, for some targets in order.

    `read` reads or resolves the lock, `select` chooses for a target. `keys` name, for each target, what the lock's
    bytes and the options come to, empty where that is not remembered.
    """

    targets: Sequence[Target]
    keys: Sequence[str]
    read: Callable[[], Lock]
    select: Callable[[Lock, Target], Selection]

    @cached_property
    def lock(self) -> Lock:
        """The lock."""
        return self.read()

    @cached_property
    def selections(self) -> list[Selection]:
        """What each target gets."""
        return [self.select(self.lock, target) for target in self.targets]

    def choice(self, target: Target, wheel: ChosenWheel) -> Choice:
        """Return the choice that came to a wheel; raise `LockError` if the lock is another one by now."""
        if wheel.choice is not None:
            return wheel.choice
        selection = self.selections[list(self.targets).index(target)]
        for choice in selection.choices:
            if choice.name == wheel.name:
                return choice
        raise LockError(
            f"the lock has no `{wheel.name}` any more",
            code="E-LOCK-CHANGED",
            hint="it was changed while it was read: run again",
        )
