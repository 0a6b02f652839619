"""What an index lists after uploads, and when: the waiting is told to the test, not waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossdock.cli.mirror_proof import proved
from crossdock.errors import FetchError
from crossdock.net.pages import ProjectFile
from crossdock.net.upload import ExistsError
from crossdock.ship.wheelhouse.model import Distribution
from crossdock.ship.wheelhouse.publish import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE = Distribution(name="one", version="1", filename="one-1-py3-none-any.whl", sha256="1" * 64, size=1)
TWO = Distribution(name="two", version="1", filename="two-1.tar.gz", sha256="2" * 64, size=1)
SAYS = ExistsError("answers 409: is there", code="E-UPLOAD-EXISTS")


def page(one: Distribution, sha256: str | None = None) -> ProjectFile:
    digest = one.sha256 if sha256 is None else sha256
    return ProjectFile(filename=one.filename, url="", hashes={"sha256": digest} if digest else {})


class Lagging:
    """An index that lists something else each time it is read; the last state stays."""

    def __init__(self, *states: dict[str, list[ProjectFile]]) -> None:
        self.states = list(states)
        self.asked: list[list[str]] = []
        self.waited: list[float] = []

    def __call__(self, wanted: Iterable[Distribution]) -> dict[str, list[ProjectFile]]:
        self.asked.append([one.name for one in wanted])
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def prove(self, *refused: Distribution) -> dict[str, Outcome]:
        errors = dict.fromkeys((one.path for one in refused), SAYS)
        return proved([ONE, TWO], errors, self, pauses=(1, 2, 3), sleep=self.waited.append)


BOTH = {"one": [page(ONE)], "two": [page(TWO)]}


def test_what_is_listed_at_once_is_not_waited_for() -> None:
    index = Lagging(BOTH)
    assert index.prove() == {ONE.path: Outcome.UPLOADED, TWO.path: Outcome.UPLOADED}
    assert (index.waited, index.asked) == ([], [["one", "two"]])


@pytest.mark.parametrize("refused", [False, True])
def test_only_what_lacks_is_asked_for_again(*, refused: bool) -> None:
    index = Lagging({"one": [page(ONE)]}, {}, {"two": [page(TWO)]})
    expected = Outcome.THERE if refused else Outcome.UPLOADED
    assert index.prove(*([TWO] if refused else [])) == {ONE.path: Outcome.UPLOADED, TWO.path: expected}
    assert (index.waited, index.asked) == ([1, 2], [["one", "two"], ["two"], ["two"]])


def test_what_was_taken_and_never_listed_is_unproven(capsys: pytest.CaptureFixture[str]) -> None:
    index = Lagging({"one": [page(ONE)]})
    assert index.prove() == {ONE.path: Outcome.UPLOADED, TWO.path: Outcome.UNPROVEN}
    assert index.waited == [1, 2, 3]
    assert "two-1.tar.gz: the index took it and does not list it yet" in capsys.readouterr().err


def test_a_hash_that_is_not_told_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    index = Lagging({**BOTH, "two": [page(TWO, "")]})
    assert index.prove()[TWO.path] is Outcome.UNPROVEN
    assert index.waited == []
    assert "tells no sha256" in capsys.readouterr().err


@pytest.mark.parametrize("listed", [[], [page(TWO, "")]], ids=["not listed", "without hash"])
def test_what_is_said_to_be_there_must_be_there(listed: list[ProjectFile]) -> None:
    with pytest.raises(FetchError, match="refused 1 file") as caught:
        Lagging({**BOTH, "two": listed}).prove(TWO)
    assert caught.value.code == "E-UPLOAD-EXISTS"
    assert caught.value.places == ("two-1.tar.gz: answers 409: is there",)


@pytest.mark.parametrize("refused", [False, True])
def test_other_bytes_are_found_out_however_late(*, refused: bool) -> None:
    index = Lagging({"one": [page(ONE)]}, {"two": [page(TWO, "3" * 64)]})
    with pytest.raises(FetchError) as caught:
        index.prove(*([TWO] if refused else []))
    assert caught.value.code == "E-UPLOAD-DIFFERS"
