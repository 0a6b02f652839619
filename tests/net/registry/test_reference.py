from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, UsageError
from crossdock.net.registry.reference import ImageReference

DIGEST = "sha256:" + "a" * 64
HUB = "docker.io"


@pytest.mark.parametrize(
    ("text", "name", "host"),
    [
        ("python", f"{HUB}/library/python:latest", f"registry-1.{HUB}"),
        ("python:3.12-slim", f"{HUB}/library/python:3.12-slim", f"registry-1.{HUB}"),
        ("team/app", f"{HUB}/team/app:latest", f"registry-1.{HUB}"),
        (f"{HUB}/python", f"{HUB}/library/python:latest", f"registry-1.{HUB}"),
        (f"index.{HUB}/team/app:1", f"{HUB}/team/app:1", f"registry-1.{HUB}"),
        ("localhost/app", "localhost/app:latest", "localhost"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000"),
        ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000"),
        ("[0:0::1]/app:1", "[::1]/app:1", "[::1]"),
        ("Registry.Example.com/app:1", "registry.example.com/app:1", "registry.example.com"),
        (f"example.com/app@{DIGEST}", f"example.com/app@{DIGEST}", "example.com"),
        (f"example.com/app:1@{DIGEST}", f"example.com/app:1@{DIGEST}", "example.com"),
        ("example.com/a__b/c-d.e_f:V1.0_x-y", "example.com/a__b/c-d.e_f:V1.0_x-y", "example.com"),
    ],
)
def test_references_are_read_as_docker_reads_them(text: str, name: str, host: str) -> None:
    found = ImageReference.parse(text)
    assert (found.name, found.api_host) == (name, host)
    assert ImageReference.parse(found.name) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        ":1",
        "example.com/",
        "example.com/App:1",
        "example.com/../app",
        "example.com/a//b",
        "example.com/a/:1",
        "example.com:99999/app",
        "example.com:/app",
        "https://example.com/app",
        "user@example.com/app",
        "example.com/app:",
        "example.com/app:a b",
        "example.com/app:" + "x" * 129,
        "example.com/app@sha256:../../etc/passwd",
        "example.com/app@md5:" + "a" * 32,
        "example.com/app@",
        "[::1/app",
        "[zz::1]/app",
        "example.com/app?x=1",
        "example.com/app#f",
        "example.com/" + "a" * 300,
        "exa_mple.com/app",
    ],
)
def test_what_is_no_reference_is_refused_with_its_part(text: str) -> None:
    with pytest.raises(UsageError) as error:
        ImageReference.parse(text)
    assert error.value.code == "E-REFERENCE"
    assert error.value.hint


def test_an_upper_case_repository_is_told_so() -> None:
    with pytest.raises(UsageError, match="lower case"):
        ImageReference.parse("example.com/Team/App")


@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_an_error_of_ours(text: str) -> None:
    try:
        found = ImageReference.parse(text)
    except CrossdockError:
        return
    # What goes into a URL can end neither the path nor the host.
    assert not set(found.api_host + found.repository + found.wanted) & set("?#@ \\\n\r\t%")
    assert ".." not in found.repository
    assert ImageReference.parse(found.name) == found


def test_plain_http_is_for_this_machine_and_for_hosts_the_user_named() -> None:
    def plain(text: str, *insecure: str) -> bool:
        return ImageReference.parse(text).may_be_plain(insecure)

    assert plain("localhost:5000/app")
    assert plain("127.9.9.9/app")
    assert plain("[::1]:5000/app")
    assert not plain("example.com/app")
    assert not plain("localhost.example.com/app")
    assert plain("example.com:80/app", "example.com:80")
    assert plain("example.com:80/app", "example.com")
    assert not plain("example.com:80/app", "example.com:81", "other.com")


def test_at_and_tagged_stay_in_the_repository() -> None:
    there = ImageReference.parse("example.com/app:1")
    digest = Digest.parse(DIGEST)
    assert there.at(digest).name == f"example.com/app@{DIGEST}"
    assert there.at(digest).tagged("2").name == "example.com/app:2"
    with pytest.raises(UsageError):
        there.tagged("a/../b")
