"""Project pages are read strictly, and the first index that has a name is the only one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.net.conftest import fast
from tests.net.lying import LyingServer, page, redirect, status

from crossdock.digest import Digest
from crossdock.errors import FetchError
from crossdock.net.families import IndexSource
from crossdock.net.index import Index
from crossdock.net.pages import ProjectFile, belongs, file_at, parse_page

if TYPE_CHECKING:
    from pathlib import Path

SHA = "ab" * 32
BASE = "https://index.invalid/simple/demo/"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"


def html(body: str, url: str = BASE) -> tuple[ProjectFile, ...]:
    return parse_page(body.encode(), content_type="text/html; charset=utf-8", url=url).files


def from_json(files: list[Any], url: str = BASE, **more: Any) -> tuple[ProjectFile, ...]:
    document = {"meta": {"api-version": "1.1"}, "name": "demo", "files": files, **more}
    return parse_page(json.dumps(document).encode(), content_type=JSON_TYPE, url=url).files


def test_json_is_read() -> None:
    (file,) = from_json(
        [
            {
                "filename": "demo-1.0-py3-none-any.whl",
                "url": "../../files/demo-1.0-py3-none-any.whl#frag",
                "hashes": {"sha256": SHA.upper(), "md5": "00", "sha512": "short"},
                "size": 5,
                "requires-python": ">=3.9",
                "yanked": "broken",
                "upload-time": "2026-01-02T03:04:05Z",
                "core-metadata": {"sha256": SHA},
            }
        ]
    )
    assert file == ProjectFile(
        filename="demo-1.0-py3-none-any.whl",
        url="https://index.invalid/files/demo-1.0-py3-none-any.whl",
        hashes={"sha256": SHA},
        size=5,
        requires_python=">=3.9",
        yanked="broken",
        upload_time="2026-01-02T03:04:05Z",
        core_metadata={"sha256": SHA},
    )


def test_html_is_read() -> None:
    files = html(
        f"""<!DOCTYPE html><html><body>
        <a href="/f/demo-1.0.tar.gz#sha256={SHA}" data-requires-python="&gt;=3.9">x</a>
        <a href='/f/demo-1.0-py3-none-any.whl#md5=00' data-yanked data-core-metadata="sha256={SHA}">y</a>
        <a href="/f/demo-2.0-py3-none-any.whl#sha256={SHA}&egg=x" data-dist-info-metadata=true>z</a>
        </body></html>"""
    )
    assert [file.filename for file in files] == [
        "demo-1.0.tar.gz",
        "demo-1.0-py3-none-any.whl",
        "demo-2.0-py3-none-any.whl",
    ]
    assert files[0].hashes == {"sha256": SHA}
    assert files[0].requires_python == ">=3.9"
    assert (files[0].yanked, files[1].yanked) == (None, "")
    assert files[1].hashes == {}
    assert files[1].core_metadata == {"sha256": SHA}
    assert files[2].hashes == {}  # a fragment that is more than a hash is none
    assert files[2].core_metadata == {}


@pytest.mark.parametrize(
    "href",
    [
        "javascript:demo-1.0.tar.gz",
        "ftp://h/demo-1.0.tar.gz",
        "file:///etc/demo-1.0.tar.gz",
        "https://h/..%2fdemo-1.0.tar.gz",
        "https://h/a%5Cdemo-1.0.tar.gz",
        "https://h/demo-1.0%00.tar.gz",
        "https://h/demo%252f-1.0.tar.gz",
        "https://h/.demo-1.0.tar.gz",
        "https://h/demo-1.0.exe",
        "https://[h/demo-1.0.tar.gz",
        "https://h:port/demo-1.0.tar.gz",
        "",
        "?x=demo-1.0.tar.gz",
    ],
)
def test_links_that_lead_elsewhere_or_name_no_plain_file_are_ignored(href: str) -> None:
    assert html(f'<a href="{href}">x</a>') == ()
    assert from_json([{"filename": "demo-1.0.tar.gz", "url": "file:///etc/passwd", "hashes": {}}]) == ()


@pytest.mark.parametrize(
    "name", ["../demo-1.0.tar.gz", "a/demo-1.0.tar.gz", "demo-1.0.tar.gz\n", "C:demo.whl", "..whl"]
)
def test_file_names_in_json_are_plain(name: str) -> None:
    assert from_json([{"filename": name, "url": "https://h/x", "hashes": {}}]) == ()


@pytest.mark.parametrize(
    ("base", "want"),
    [
        ("/other/", "https://index.invalid/other/demo-1.0.tar.gz"),
        ("https://evil.invalid/", BASE + "demo-1.0.tar.gz"),
        ("http://index.invalid/", BASE + "demo-1.0.tar.gz"),
        ("https://index.invalid:444/", BASE + "demo-1.0.tar.gz"),
        ("javascript:", BASE + "demo-1.0.tar.gz"),
    ],
)
def test_a_base_counts_on_the_pages_own_origin_only(base: str, want: str) -> None:
    (file,) = html(f'<head><base href="{base}"><base href="/second/"></head><a href="demo-1.0.tar.gz">x</a>')
    assert file.url == want


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"{}", JSON_TYPE, "no list of files"),
        (b"[]", JSON_TYPE, "no list of files"),
        (b"{", JSON_TYPE, "not JSON"),
        (b"\xff", "application/json", "not JSON"),
        (b"[" * 100_000, "application/json", "not JSON"),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', JSON_TYPE, "its api-version is `2.0`"),
        (b'{"files": [1]}', JSON_TYPE, "not a table"),
        (b"just text", "text/html", "neither HTML nor JSON"),
        (b"", "text/plain", "neither HTML nor JSON"),
    ],
)
def test_pages_that_are_none_are_refused(body: bytes, kind: str, message: str) -> None:
    with pytest.raises(FetchError, match=message) as caught:
        parse_page(body, content_type=kind, url=BASE)
    assert caught.value.code == "E-INDEX-PAGE"


@given(st.binary(max_size=300), st.sampled_from([JSON_TYPE, "text/html"]))
def test_any_bytes_are_a_page_or_refused(body: bytes, kind: str) -> None:
    try:
        parse_page(body, content_type=kind, url=BASE)
    except FetchError:
        return


@given(st.text(max_size=100))
def test_any_link_is_a_plain_file_or_none(href: str) -> None:
    for file in html(f'<a href="{href}">x</a><a href="https://h/{href}.whl">y</a>'):
        assert "/" not in file.filename
        assert "\\" not in file.filename
        assert file.url.startswith("https://") or file.url.startswith("http://")


@pytest.mark.parametrize(
    ("filename", "name", "want"),
    [
        ("Demo_App-1.0-py3-none-any.whl", "demo-app", True),
        ("demo-1.0-py3-none-any.whl", "demo-app", False),
        ("demo-app-1.0.tar.gz", "demo-app", True),
        ("demo_app-1.0.tar.gz", "demo-app", True),
        ("demo-app-1.0.tar.gz", "demo", False),
        ("demo-1.0-2.zip", "demo", True),
        ("demo.exe", "demo", False),
        ("demo.tar.gz", "demo", False),
    ],
)
def test_which_project_a_file_belongs_to(filename: str, name: str, want: bool) -> None:
    assert belongs(filename, name) is want


def test_a_single_file_is_named_by_its_url() -> None:
    file = file_at(f"https://h/a/demo-1.0%2Blocal-py3-none-any.whl#sha256={SHA}")
    assert file is not None
    assert file.filename == "demo-1.0+local-py3-none-any.whl"
    assert file.hashes == {"sha256": SHA}


# Over the wire


def listing(server: LyingServer, index: str, name: str, *versions: str) -> str:
    files = [
        {
            "filename": f"{name}-{version}.tar.gz",
            "url": f"/{index}/{name}-{version}.tar.gz",
            "hashes": {"sha256": SHA},
        }
        for version in versions
    ]
    body = json.dumps({"meta": {"api-version": "1.0"}, "files": files})
    server.route(f"/{index}/{name}/", page(body, JSON_TYPE))
    return server.url(f"/{index}/")


def versions(index: Index, name: str) -> list[str]:
    return [file.filename for file in index.files(name)]


def test_the_first_index_that_has_the_name_is_the_only_one(server: LyingServer) -> None:
    one = listing(server, "one", "demo", "1.0")
    two = listing(server, "two", "demo", "99.0")
    listing(server, "two", "other-name", "2.0")
    index = Index(fast(), [one, two])
    assert versions(index, "Demo") == ["demo-1.0.tar.gz"]
    assert [seen.path for seen in server.seen] == ["/one/demo/"]
    assert versions(index, "Other.Name") == ["other-name-2.0.tar.gz"]
    assert "application/vnd.pypi.simple.v1+json" in server.seen[0].headers["Accept"]


def test_an_empty_page_of_the_first_index_hides_the_second(server: LyingServer) -> None:
    index = Index(fast(), [listing(server, "one", "demo"), listing(server, "two", "demo", "99.0")])
    assert index.files("demo") == ()


@pytest.mark.parametrize("code", [401, 403, 500])
def test_an_index_that_fails_does_not_pass_the_name_on(server: LyingServer, code: int) -> None:
    server.route("/one/demo/", status(code))
    index = Index(fast(tries=2), [server.url("/one/"), listing(server, "two", "demo", "99.0")])
    with pytest.raises(FetchError):
        index.files("demo")


def test_nobody_has_it(server: LyingServer) -> None:
    url = server.url("/one/", login="joe:c4n4ry")
    with pytest.raises(FetchError, match="no index has `demo`") as caught:
        Index(fast(), [url], ["/nowhere"]).files("demo")
    assert caught.value.code == "E-INDEX-UNKNOWN"
    assert "c4n4ry" not in str(caught.value)


def test_the_login_of_an_index_url_is_sent(server: LyingServer) -> None:
    listing(server, "one", "demo", "1.0")
    Index(fast(), [server.url("/one", login="joe:pw")]).files("demo")
    assert "Authorization" in server.seen[0].headers


def test_links_are_resolved_against_where_the_page_came_from(server: LyingServer) -> None:
    server.route("/moved/demo/", page('<a href="demo-1.0.tar.gz">x</a>'))
    server.route("/one/demo/", redirect("/moved/demo/"))
    (file,) = Index(fast(), [server.url("/one/")]).files("demo")
    assert file.url == server.url("/moved/demo/demo-1.0.tar.gz")


@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_quarantined_project_is_refused(server: LyingServer, kind: str) -> None:
    if kind == "json":
        document = {"files": [], "project-status": {"status": "quarantined", "reason": "malware"}}
        server.route("/one/demo/", page(json.dumps(document), JSON_TYPE))
    else:
        server.route(
            "/one/demo/",
            page(
                '<meta name="pypi:project-status" content="quarantined">'
                '<meta name="pypi:project-status-reason" content="malware">'
            ),
        )
    with pytest.raises(FetchError, match="`demo` is quarantined by its index: malware") as caught:
        Index(fast(), [server.url("/one/")]).files("demo")
    assert caught.value.code == "E-INDEX-QUARANTINED"


def test_find_links_are_looked_at_beside_the_index(server: LyingServer, tmp_path: Path) -> None:
    (tmp_path / "demo-3.0.tar.gz").write_bytes(b"x")
    (tmp_path / "other-3.0.tar.gz").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    server.route("/links", page('<a href="demo-4.0.tar.gz">x</a><a href="other-4.0.tar.gz">x</a>'))
    one = listing(server, "one", "demo", "1.0")
    index = Index(fast(), [one], [str(tmp_path), server.url("/links"), str(tmp_path / "demo-3.0.tar.gz")])
    assert sorted(set(versions(index, "demo"))) == ["demo-1.0.tar.gz", "demo-3.0.tar.gz", "demo-4.0.tar.gz"]
    only = Index(fast(), [], [tmp_path.as_uri()])
    assert [(file.filename, file.size) for file in only.files("demo")] == [("demo-3.0.tar.gz", 1)]
    page_file = tmp_path / "page.html"
    page_file.write_text('<a href="demo-3.0.tar.gz">x</a>')
    (file,) = Index(fast(), [], [str(page_file)]).files("demo")
    assert file.url == (tmp_path / "demo-3.0.tar.gz").as_uri()


def test_an_index_can_be_a_directory_or_flat(server: LyingServer, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "demo-1.0.tar.gz").write_bytes(b"x")
    assert versions(Index(fast(), [str(tmp_path)]), "demo") == ["demo-1.0.tar.gz"]
    server.route("/flat", page('<a href="demo-4.0.tar.gz">x</a>'))
    flat = IndexSource(url=server.url("/flat"), flat=True)
    assert versions(Index(fast(), [flat]), "demo") == ["demo-4.0.tar.gz"]


def test_metadata_beside_a_wheel_is_checked(server: LyingServer) -> None:
    url = server.url("/demo-1.0-py3-none-any.whl")
    server.route("/demo-1.0-py3-none-any.whl.metadata", page(b"Metadata-Version: 2.1\n"))
    index = Index(fast(), [])

    def file(core: dict[str, str] | None) -> ProjectFile:
        return ProjectFile(filename="demo-1.0-py3-none-any.whl", url=url, core_metadata=core)

    good = {"sha256": Digest.of(b"Metadata-Version: 2.1\n").hex}
    assert index.metadata(file(good)) == b"Metadata-Version: 2.1\n"
    assert index.metadata(file(None)) is None
    assert index.metadata(file({})) is not None
    with pytest.raises(FetchError, match="hash mismatch") as caught:
        index.metadata(file({"sha256": SHA}))
    assert caught.value.code == "E-FETCH-HASH"
