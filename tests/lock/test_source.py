from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.lock.locks import package, table

from crossdock.errors import CrossdockError, LockError, UsageError
from crossdock.lock.emit import lock_text
from crossdock.lock.source import Source, SourceKind, find_source, inputs_digest, script_metadata

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "#!/usr/bin/env python\n# /// script\n# dependencies = [\n#   'six',\n# ]\n#\n# ///\nprint(1)\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\n')
    (tmp_path / "requirements.txt").write_text("six\n")
    (tmp_path / "run.py").write_text(SCRIPT)
    (tmp_path / "pylock.web.toml").write_text(lock_text(table()))
    (tmp_path / "demo-1.0-py3-none-any.whl").write_bytes(b"")
    return tmp_path


WORDS = [
    (["./app"], SourceKind.PROJECT, "app/pyproject.toml"),
    (["app/pyproject.toml"], SourceKind.PROJECT, "app/pyproject.toml"),
    (["requirements.txt"], SourceKind.REQUIREMENTS, "requirements.txt"),
    (["run.py"], SourceKind.SCRIPT, "run.py"),
    (["pylock.web.toml"], SourceKind.LOCK, "pylock.web.toml"),
    (["app"], SourceKind.REQUIREMENTS, None),
    (["six", "flask[async]>=3"], SourceKind.REQUIREMENTS, None),
    (["demo-1.0-py3-none-any.whl"], SourceKind.REQUIREMENTS, None),
    (["six @ https://host.test/six.zip"], SourceKind.REQUIREMENTS, None),
    (["https://host.test/six.zip"], SourceKind.REQUIREMENTS, None),
    ([], SourceKind.REQUIREMENTS, "requirements.txt"),
]


@pytest.mark.parametrize(("words", "kind", "path"), WORDS)
def test_words_are_told_apart(here: Path, words: list[str], kind: SourceKind, path: str | None) -> None:
    source = find_source(words, directory=here)
    assert (source.kind, source.path) == (kind, here / path if path else None)


def test_words_and_files_add_up(here: Path) -> None:
    source = find_source(["six", "requirements.txt"], directory=here, files=[here / "more.txt"])
    assert source.requirements == ("six",)
    assert source.files == (here / "more.txt", here / "requirements.txt")
    assert source.path is None
    assert "six" in source.name


BAD_WORDS = [
    (["no.txt"], "E-SOURCE-NONE"),
    (["no.toml"], "E-SOURCE-NONE"),
    (["./nowhere"], "E-SOURCE-NONE"),
    (["gone-1.0-py3-none-any.whl"], "E-SOURCE-NONE"),
    (["six", "run.py"], "E-SOURCE-NONE"),
    (["--index-url=http://evil.test"], "E-SOURCE-REQUIREMENT"),
    (["six\n--index-url http://evil.test"], "E-SOURCE-REQUIREMENT"),
    (["six >=="], "E-SOURCE-REQUIREMENT"),
]


@pytest.mark.parametrize(("words", "code"), BAD_WORDS)
def test_bad_words_are_wrong_usage(here: Path, words: list[str], code: str) -> None:
    with pytest.raises(UsageError) as raised:
        find_source(words, directory=here)
    assert raised.value.code == code


def test_empty_directory_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        find_source([], directory=tmp_path)
    assert "uv.lock" in raised.value.places[0]


def test_a_projects_order_of_sources(here: Path) -> None:
    app = here / "app"
    (app / "uv.lock").write_text("version = 1\n")
    assert find_source([], directory=app).kind is SourceKind.UV_LOCK
    (app / "pylock.toml").write_text(lock_text(table()))
    assert find_source([], directory=app).kind is SourceKind.LOCK
    assert find_source([], directory=app, relock=True).kind is SourceKind.UV_LOCK


def write_lock_of(source: Source) -> None:
    made = table(package("six", "1.0", "py3-none-any"), tool={"crossdock": {"inputs": inputs_digest(source)}})
    (source.directory / "pylock.toml").write_text(lock_text(made))


def test_lock_is_stale_when_requirements_change_and_only_then(here: Path) -> None:
    app = here / "app"
    write_lock_of(find_source([], directory=app, relock=True))
    project = app / "pyproject.toml"
    project.write_text(project.read_text() + 'description = "new"\n[tool.ruff]\nline-length = 80\n')
    assert find_source([], directory=app).kind is SourceKind.LOCK
    project.write_text('[project]\nname = "app"\nversion = "1"\ndependencies = ["six"]\n')
    with pytest.raises(LockError, match=r"pyproject\.toml") as raised:
        find_source([], directory=app)
    assert raised.value.code == "E-LOCK-STALE"
    assert find_source(["pylock.toml"], directory=app).kind is SourceKind.LOCK


def test_included_requirements_count_too(here: Path) -> None:
    (here / "deps").mkdir()
    base = here / "deps" / "base.txt"
    base.write_text("six\n")
    (here / "requirements.txt").write_text("-r deps/base.txt\n")
    source = find_source(["requirements.txt"], directory=here)
    assert set(inputs_digest(source)) == {"requirements.txt", "deps/base.txt"}
    write_lock_of(source)
    assert find_source([], directory=here).kind is SourceKind.LOCK
    base.write_text("six<2\n")
    with pytest.raises(LockError, match=r"deps/base\.txt"):
        find_source([], directory=here)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_record_cannot_point_outside(here: Path, name: str) -> None:
    made = table(tool={"crossdock": {"inputs": {name: "sha256:0"}}})
    (here / "app" / "pylock.toml").write_text(lock_text(made))
    assert find_source([], directory=here / "app").kind is SourceKind.LOCK


def test_inline_metadata_is_read(here: Path) -> None:
    assert script_metadata(here / "run.py") == {"dependencies": ["six"]}


@pytest.mark.parametrize("text", ["print(1)\n", SCRIPT + SCRIPT, "# /// script\n# a = [\n# ///\n"])
def test_bad_inline_metadata_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(CrossdockError) as raised:
        find_source(["bad.py"], directory=tmp_path)
    assert raised.value.code in ("E-SOURCE-SCRIPT", "E-SOURCE-TOML")
