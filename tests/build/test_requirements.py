"""Build requirements are names for the index: what would make uv fetch from elsewhere is refused before uv sees it."""

from __future__ import annotations

import pytest

from crossdock.build.requirements import checked_requirements
from crossdock.errors import BuildError

TAKEN = {
    "setuptools >= 40.8.0": "setuptools>=40.8.0",
    "Cython": "cython",
    'numpy>=2; python_version >= "3.9"': 'numpy>=2; python_version >= "3.9"',
    "setuptools_scm[toml]>=8": "setuptools-scm[toml]>=8",
    # To uv this is a file of the current directory, by either of its spellings.
    "evil-1.0-py3-none-any.whl": "evil-1-0-py3-none-any-whl",
    "evil.tar.gz": "evil-tar-gz",
}

URLS = [
    "leak @ http://127.0.0.1:9/${SECRET}/leak-1.0-py3-none-any.whl",
    "leak @ https://example.com/leak-1.0-py3-none-any.whl",
    "leak @ git+https://example.com/leak.git",
    "leak @ file:///etc/passwd",
    'leak @ https://example.com/leak.zip ; python_version > "3"',
]

OTHERS = [
    "./tool",
    "/tool",
    "tool.whl/",
    "https://example.com/x.whl",
    "-r/etc/passwd",
    "",
    "x==1\0",
    "x y",
    "é",
]


@pytest.mark.parametrize("text", TAKEN)
def test_names_are_taken_as_they_are_meant(text: str) -> None:
    assert checked_requirements([text, text], what="demo", own=False) == [TAKEN[text]]


@pytest.mark.parametrize("text", URLS)
def test_a_url_of_a_strangers_is_refused(text: str) -> None:
    with pytest.raises(BuildError) as caught:
        checked_requirements(["wheel", text], what="demo-1.0.tar.gz", own=False)
    error = caught.value
    assert error.code == "E-BUILD-REQUIRES-URL"
    assert error.message.startswith("`demo-1.0.tar.gz` asks to be built with `leak` from a URL")
    assert error.hint


def test_a_url_of_the_users_own_project_is_taken_without_variables() -> None:
    (taken,) = checked_requirements([URLS[1]], what="demo", own=True)
    assert taken == URLS[1]
    with pytest.raises(BuildError) as caught:
        checked_requirements([URLS[0]], what="demo", own=True)
    assert caught.value.code == "E-BUILD-REQUIRES-URL"
    assert "variable" in caught.value.message


@pytest.mark.parametrize("texts", [["a" * 100_000], [f"a{number}" for number in range(1000)]])
def test_requirements_without_end_are_refused(texts: list[str]) -> None:
    with pytest.raises(BuildError) as caught:
        checked_requirements(texts, what="demo", own=False)
    assert caught.value.code == "E-BUILD-REQUIRES"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_requirement_is_refused(text: str, own: bool) -> None:
    with pytest.raises(BuildError) as caught:
        checked_requirements([text], what="demo", own=own)
    assert caught.value.code == "E-BUILD-REQUIRES"
    assert caught.value.message.isprintable()
