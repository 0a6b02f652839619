"""The same install again: what may be replayed, and what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossdock.cli.again import again_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pylock.toml").write_text("lock")
    (tmp_path / "pyproject.toml").write_text("[tool.crossdock]\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/place.toml").write_text("platform = 'linux/arm64'")
    monkeypatch.chdir(tmp_path)
    return tmp_path


WORDS = ["pylock.toml", "--for", "linux/arm64", "--for=elsewhere/place.toml", "--target", "out"]


def test_nothing_changed_is_the_same_command(place: Path) -> None:
    assert again_key(WORDS) == again_key(WORDS) is not None


@pytest.mark.parametrize(
    "name",
    [
        "pylock.toml",
        "pyproject.toml",
        "elsewhere/place.toml",
        ".python-version",
        "requirements.txt",
        "uv.lock",
    ],
)
def test_a_file_that_decides_changes_it(place: Path, name: str) -> None:
    before = again_key(WORDS)
    path = place / name
    path.write_text((path.read_text() if path.exists() else "") + "x")
    assert again_key(WORDS) != before


def test_another_word_or_directory_changes_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = again_key(WORDS)
    assert again_key([*WORDS, "--extra", "web"]) != before
    monkeypatch.chdir(place / "elsewhere")
    assert again_key(WORDS) != before


@pytest.mark.parametrize("words", [WORDS, [*WORDS[:-2], "--target=out"], [*WORDS[:-2], "-t", "out"]])
def test_what_the_command_writes_does_not_change_it(place: Path, words: list[str]) -> None:
    before = again_key(words)
    (place / "out").mkdir()
    (place / "out/six.py").write_text("")
    assert again_key(words) == before


def test_it_is_the_same_in_another_directory(place: Path) -> None:
    assert again_key([*WORDS[:-1], "other"]) == again_key([*WORDS[:-2], "--target=third"])


def test_a_directory_with_too_many_files_goes_the_usual_way(place: Path) -> None:
    for number in range(600):
        (place / f"{number}.txt").write_text("")
    assert again_key(WORDS) is None
