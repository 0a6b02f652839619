"""Fixtures of the target's tests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def benchmark_seconds() -> Callable[[Callable[[], object]], float]:
    """The processor time of a call: what other processes do does not count."""

    def measure(call: Callable[[], object]) -> float:
        started = time.process_time()
        call()
        return time.process_time() - started

    return measure
