"""What the tests of builds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crossdock.build.hosted import build_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The projects whose backends ran, by the names of their directories; they run as they would."""
    ran: list[str] = []

    def counted(source: Path, *words: Any, **named: Any) -> Path:
        ran.append(source.name)
        return build_wheel(source, *words, **named)

    monkeypatch.setattr("crossdock.build.pure.build_wheel", counted)
    return ran
