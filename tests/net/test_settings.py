"""pip's and uv's settings, as their tools read them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.errors import CrossdockError, UsageError
from crossdock.net.families import Family, IndexSource
from crossdock.net.pip_settings import pip_paths, read_pip
from crossdock.net.settings import (
    IndexSettings,
    combine,
    default_index,
    http_settings,
    load_settings,
    uv_arguments,
)
from crossdock.net.url import Login
from crossdock.net.uv_settings import read_uv, uv_paths, uv_table

if TYPE_CHECKING:
    from collections.abc import Mapping

PIP_CONF = """
[global]
index-url = https://joe:pw@pip.invalid/simple
extra-index-url =
    https://one.invalid/simple
    https://two.invalid/simple
find-links = ~/wheels /missing
trusted_host = one.invalid two.invalid:8443
cert = /corp.pem
timeout = 7
[install]
retries = 9
[freeze]
timeout = 1
"""


def read(text: str, environ: Mapping[str, str] | None = None) -> Family:
    return read_pip([("pip.conf", text)], environ or {}, exists=lambda place: place != "/missing")


def uv(text: str, environ: Mapping[str, str] | None = None, *, name: str = "/p/uv.toml") -> Family:
    table = uv_table(Path(name), text)
    return read_uv([] if table is None else [(Path(name), table)], environ or {})


def urls(family: Family) -> list[str]:
    return [index.url for index in family.indexes]


def test_pip_conf_is_read() -> None:
    family = read(PIP_CONF, {"HOME": "/home/joe"})
    assert family.default_index == IndexSource(url="https://joe:pw@pip.invalid/simple")
    assert urls(family) == ["https://one.invalid/simple", "https://two.invalid/simple"]
    assert family.find_links == ("/home/joe/wheels",)
    assert family.trusted_hosts == ("one.invalid", "two.invalid:8443")
    assert family.authorities == ("/corp.pem",)
    assert (family.timeout, family.retries) == (7, 9)
    assert family.credentials[0].login == Login("joe", "pw")


def test_pip_variables_replace_what_files_say() -> None:
    environ = {
        "PIP_INDEX_URL": "https://env.invalid/simple",
        "PIP_EXTRA_INDEX_URL": "https://a.invalid https://b.invalid",
        "PIP_DEFAULT_TIMEOUT": "180",
        "PIP_FIND_LINKS": "/x https://page.invalid/links",
        "PIP_NO_INDEX": "1",
        "PIP_KEYRING_PROVIDER": "subprocess",
        "PIP_CLIENT_CERT": "/me.pem",
        "PIP_PROXY": "joe:pw@proxy:3128",
        "PIP_CERT": "",
    }
    family = read(
        "[global]\nindex-url = https://file.invalid\nfind-links = /file\ncert = /file.pem\n", environ
    )
    assert family.default_index == IndexSource(url="https://env.invalid/simple")
    assert urls(family) == ["https://a.invalid", "https://b.invalid"]
    assert family.find_links == ("/x", "https://page.invalid/links")
    assert (family.no_index, family.keyring, family.client_cert) == (True, "subprocess", "/me.pem")
    assert (family.proxy, family.timeout) == ("joe:pw@proxy:3128", 180)
    assert family.authorities == ("/file.pem",)  # an empty variable says nothing


def test_later_pip_files_win() -> None:
    files = [("a", "[global]\ntimeout = 1\nretries = 1\n"), ("b", "[global]\ntimeout = 2\n")]
    family = read_pip(files, {}, exists=bool)
    assert (family.timeout, family.retries) == (2, 1)


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("no section", {}, "cannot read `pip.conf`"),
        ("[global]\na\n", {}, "cannot read `pip.conf`"),
        ("[global]\nno-index = perhaps\n", {}, "not a boolean: `perhaps`"),
        ("", {"PIP_TIMEOUT": "soon"}, "not a number"),
        ("", {"PIP_RETRIES": "-1"}, "not a number"),
        ("", {"PIP_RETRIES": "inf"}, "not a number"),
    ],
)
def test_pip_settings_that_make_no_sense(text: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(text, environ)
    assert caught.value.code == "E-SETTINGS"


@pytest.mark.parametrize(
    ("environ", "platform", "want"),
    [
        (
            {"HOME": "/h"},
            "linux",
            [
                "/etc/xdg/pip/pip.conf",
                "/etc/pip.conf",
                "/h/.pip/pip.conf",
                "/h/.config/pip/pip.conf",
                "/v/pip.conf",
            ],
        ),
        (
            {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_CONFIG_DIRS": "/d:/e"},
            "linux",
            [
                "/d/pip/pip.conf",
                "/e/pip/pip.conf",
                "/etc/pip.conf",
                "/h/.pip/pip.conf",
                "/c/pip/pip.conf",
                "/v/pip.conf",
            ],
        ),
        (
            {"HOME": "/h", "PIP_CONFIG_FILE": sys.executable},
            "linux",
            ["/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/v/pip.conf", sys.executable],
        ),
        ({"HOME": "/h", "PIP_CONFIG_FILE": "/dev/null"}, "linux", []),
        (
            {"HOME": "/h"},
            "darwin",
            [
                "/Library/Application Support/pip/pip.conf",
                "/h/.pip/pip.conf",
                "/h/.config/pip/pip.conf",
                "/v/pip.conf",
            ],
        ),
        (
            {"USERPROFILE": "/u", "APPDATA": "/a", "PROGRAMDATA": "/p"},
            "win32",
            ["/p/pip/pip.ini", "/u/pip/pip.ini", "/a/pip/pip.ini", "/v/pip.ini"],
        ),
    ],
)
def test_where_pip_looks(environ: dict[str, str], platform: str, want: list[str]) -> None:
    found = pip_paths(environ, platform=platform, prefix=Path("/v"))
    assert [path.as_posix() for path in found] == want


def test_pip_itself_looks_there_too() -> None:
    """The running pip is the oracle for the platform we are on."""
    import os
    import subprocess

    done = subprocess.run([sys.executable, "-m", "pip", "config", "debug"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("SKIPPED the comparison with pip: it is not installed here")
    listed = [
        line.strip().partition(", exists")[0] for line in done.stdout.splitlines() if ", exists:" in line
    ]
    ours = [str(path) for path in pip_paths(os.environ, platform=sys.platform, prefix=Path(sys.prefix))]
    assert sorted(listed) == sorted(ours)


UV_TOML = """
no-index = false
find-links = ["./links", "https://page.invalid/links"]
allow-insecure-host = ["insecure.invalid"]
index-strategy = "unsafe-best-match"
keyring-provider = "subprocess"
[[index]]
name = "corp"
url = "https://corp.invalid/simple"
[[index]]
name = "main"
url = "https://main.invalid/simple"
default = true
[[index]]
name = "torch.cpu"
url = "https://torch.invalid/cpu"
explicit = true
[[index]]
url = "./flat"
format = "flat"
"""


def test_uv_toml_is_read() -> None:
    family = uv(UV_TOML)
    assert family.default_index == IndexSource(url="https://main.invalid/simple", name="main")
    assert family.indexes == (
        IndexSource(url="https://corp.invalid/simple", name="corp"),
        IndexSource(url="https://torch.invalid/cpu", name="torch.cpu", explicit=True),
        IndexSource(url="/p/flat", flat=True),
    )
    assert family.find_links == ("/p/links", "https://page.invalid/links")
    assert family.trusted_hosts == ("insecure.invalid",)
    assert (family.index_strategy, family.keyring) == ("unsafe-best-match", "subprocess")


def test_the_variables_of_a_named_index_are_its_login() -> None:
    environ = {
        "UV_INDEX_TORCH_CPU_USERNAME": "joe",
        "UV_INDEX_TORCH_CPU_PASSWORD": "pw",
        "UV_INDEX_MAIN_PASSWORD": "t",
    }
    logins = {item.origin.host: item.login for item in uv(UV_TOML, environ).credentials}
    assert logins == {"torch.invalid": Login("joe", "pw"), "main.invalid": Login("", "t")}


def test_pyproject_counts_with_a_table_of_uv() -> None:
    assert uv(
        '[tool.uv]\nindex-url = "https://a.invalid"', name="/p/pyproject.toml"
    ).default_index == IndexSource(url="https://a.invalid")
    assert uv_table(Path("/p/pyproject.toml"), "[project]\nname = 'x'") is None


def test_the_section_for_pip_commands_wins() -> None:
    text = 'index-url = "https://a.invalid"\n[pip]\nindex-url = "https://b.invalid"\n'
    assert uv(text).default_index == IndexSource(url="https://b.invalid")


def test_uv_variables_come_first() -> None:
    environ = {
        "UV_DEFAULT_INDEX": "main=https://env.invalid/simple?a=b",
        "UV_INDEX": "https://e1.invalid corp=https://e2.invalid",
        "UV_EXTRA_INDEX_URL": "https://e3.invalid",
        "UV_FIND_LINKS": "/a,/b",
        "UV_HTTP_TIMEOUT": "5",
        "UV_HTTP_RETRIES": "2",
        "UV_INSECURE_HOST": "h1 h2",
        "SSL_CERT_FILE": "/c.pem",
        "SSL_CERT_DIR": "/certs",
        "SSL_CLIENT_CERT": "/me.pem",
    }
    family = uv(UV_TOML, environ)
    assert family.default_index == IndexSource(url="https://env.invalid/simple?a=b", name="main")
    assert urls(family)[:3] == ["https://e1.invalid", "https://e2.invalid", "https://e3.invalid"]
    assert "https://corp.invalid/simple" not in urls(family)  # the variable redefines that name
    assert family.find_links[:2] == ("/a", "/b")
    assert (family.timeout, family.retries) == (5, 2)
    assert family.trusted_hosts == ("h1", "h2", "insecure.invalid")
    assert (family.authorities, family.client_cert) == (("/c.pem", "/certs"), "/me.pem")


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "index = 1",
        "[[index]]\nname='x'",
        "find-links = 'x'",
        "no-index = 'yes'",
        "[[index]]\nurl=1",
        "index-url=1",
    ],
)
def test_uv_settings_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match=r"/p/uv\.toml") as caught:
        uv(text)
    assert caught.value.code == "E-SETTINGS"


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        (
            {"HOME": "/h"},
            ["/a/b/uv.toml", "/a/b/pyproject.toml", "/a/uv.toml", "/a/pyproject.toml", "/uv.toml", "/pyproject.toml",
             "/h/.config/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/etc/uv/uv.toml"],
        ),
        ({"UV_CONFIG_FILE": "/x.toml"}, ["/x.toml"]),
        ({"UV_NO_CONFIG": "1"}, []),
    ],
)  # fmt: skip
def test_where_uv_looks(environ: dict[str, str], want: list[str]) -> None:
    assert [path.as_posix() for path in uv_paths(environ, platform="linux", project=Path("/a/b"))] == want


def test_the_nearest_project_wins_and_uv_toml_hides_pyproject(tmp_path: Path) -> None:
    project = tmp_path / "a" / "b"
    project.mkdir(parents=True)
    (tmp_path / "uv.toml").write_text('index-url = "https://far.invalid"')
    (tmp_path / "a" / "uv.toml").write_text('index-url = "https://near.invalid"')
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.uv]\nno-index = true")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    home = tmp_path / "home"
    (home / ".config" / "uv").mkdir(parents=True)
    (home / ".config" / "uv" / "uv.toml").write_text(
        'index-url = "https://home.invalid"\nfind-links = ["/home-links"]'
    )
    (home / ".netrc").write_text("")
    environ = {"HOME": str(home), "XDG_CONFIG_DIRS": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}
    loaded = load_settings(environ, project=project, platform="linux")
    assert loaded.index_url == "https://near.invalid"
    assert not loaded.no_index
    assert loaded.find_links == ("/home-links",)
    assert loaded.netrc == home / ".netrc"


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"uv\.toml"):
        load_settings({"UV_CONFIG_FILE": str(tmp_path / "uv.toml")}, project=None, platform="linux")


def together(
    environ: Mapping[str, str] | None = None, *, pip: Family | None = None, uv: Family | None = None
) -> IndexSettings:
    return combine(pip or Family(), uv or Family(), environ or {}, netrc=None)


def test_both_families_together() -> None:
    environ = {
        "REQUESTS_CA_BUNDLE": "/requests.pem",
        "CURL_CA_BUNDLE": "/curl.pem",
        "https_proxy": "http://proxy:1",
    }
    settings = together(environ, pip=read(PIP_CONF, {"HOME": "/h"}), uv=uv(UV_TOML))
    assert settings.index_url == "https://main.invalid/simple"
    assert [index.url for index in settings.indexes] == [
        "https://corp.invalid/simple",
        "/p/flat",
        "https://one.invalid/simple",
        "https://two.invalid/simple",
        "https://main.invalid/simple",
    ]
    assert settings.extra_index_urls == tuple(index.url for index in settings.indexes[:-1])
    assert settings.find_links == ("/p/links", "https://page.invalid/links", "/h/wheels")
    assert settings.authorities == ("/corp.pem", "/requests.pem")
    http = http_settings(settings, connections=3)
    assert (http.timeout, http.tries, http.connections) == (7, 10, 3)
    assert http.proxies == {"https": "http://proxy:1"}
    assert http.trusted_hosts == ("insecure.invalid", "one.invalid", "two.invalid:8443")


def test_nothing_configured_means_no_index_of_our_own() -> None:
    settings = together()
    assert settings.index_url is None
    assert settings.indexes == ()
    assert settings.index_strategy == "first-index"
    assert settings.keyring == "disabled"
    assert uv_arguments(settings) == ([], {})


def test_uv_is_told_what_only_pip_says() -> None:
    environ = {
        "PIP_INDEX_URL": "https://joe:pw@i.invalid/simple",
        "PIP_EXTRA_INDEX_URL": "https://e.invalid/simple",
        "PIP_FIND_LINKS": "/a /b,c",
        "PIP_NO_INDEX": "true",
        "PIP_TRUSTED_HOST": "h",
        "PIP_CERT": "/corp.pem",
        "PIP_CLIENT_CERT": "/me.pem",
        "PIP_PROXY": "proxy:3128",
        "PIP_TIMEOUT": "9.6",
        "PIP_RETRIES": "4",
        "PIP_KEYRING_PROVIDER": "import",
    }
    arguments, added = uv_arguments(together(environ, pip=read("", environ)))
    assert arguments == ["--find-links", "/b,c", "--no-index"]
    assert added == {
        "UV_DEFAULT_INDEX": "https://joe:pw@i.invalid/simple",
        "UV_INDEX": "https://e.invalid/simple",
        "UV_FIND_LINKS": "/a",
        "UV_INSECURE_HOST": "h",
        "UV_KEYRING_PROVIDER": "subprocess",
        "SSL_CERT_FILE": "/corp.pem",
        "SSL_CLIENT_CERT": "/me.pem",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "http_proxy": "http://proxy:3128",
        "https_proxy": "http://proxy:3128",
        "UV_HTTP_TIMEOUT": "10",
        "UV_HTTP_RETRIES": "4",
    }


def test_uv_is_not_told_what_it_reads_itself() -> None:
    environ = {
        "UV_INDEX": "https://e.invalid/simple/",
        "UV_FIND_LINKS": "/a",
        "UV_DEFAULT_INDEX": "https://i.invalid",
        "UV_HTTP_TIMEOUT": "1",
        "UV_HTTP_RETRIES": "1",
        "SSL_CERT_FILE": "/c.pem",
        "UV_INSECURE_HOST": "h",
    }
    pip = read(
        "[global]\nindex-url=https://p.invalid\nextra-index-url=https://e.invalid/simple https://n.invalid\n"
        "find-links=/a /b\ncert=/p.pem\ntimeout=2\nretries=2\ntrusted-host=h\n"
    )
    arguments, added = uv_arguments(together(environ, pip=pip, uv=uv("", environ)))
    assert arguments == []
    assert added == {
        "UV_INDEX": "https://e.invalid/simple/ https://n.invalid",
        "UV_FIND_LINKS": "/a,/b",
    }


def uv_program() -> Path:
    uv_package = pytest.importorskip("uv", reason="SKIPPED: the uv package is not installed")
    return Path(uv_package.find_uv_bin())


def test_uv_says_the_default_index(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "UV_NO_CONFIG": "1"}
    found = default_index(uv_program(), python=Path(sys.executable), settings=together(environ))
    assert found.startswith("https://")
    chosen = together(environ, pip=read("[global]\nindex-url = https://corp.invalid/simple\n"))
    assert (
        default_index(Path("/nowhere"), python=Path("/x"), settings=chosen) == "https://corp.invalid/simple"
    )
    off = together(environ, pip=read("[global]\nno-index = true\n"))
    with pytest.raises(CrossdockError, match="no package index is in effect") as caught:
        default_index(uv_program(), python=Path(sys.executable), settings=off)
    assert caught.value.code == "E-INDEX-NONE"


def test_uv_agrees_about_the_indexes_in_effect(tmp_path: Path) -> None:
    """`uv pip compile --emit-index-url` is the oracle for our reading of uv's files and variables."""
    import subprocess

    (tmp_path / "uv.toml").write_text(UV_TOML.replace("./flat", "https://flat.invalid/x"))
    (tmp_path / "links").mkdir()
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "UV_INDEX": "https://e1.invalid/simple corp=https://e2.invalid/simple",
        "UV_EXTRA_INDEX_URL": "https://e3.invalid/simple",
        "PIP_EXTRA_INDEX_URL": "https://pip.invalid/simple",
        "PIP_CONFIG_FILE": "/dev/null",
    }
    settings = load_settings(environ, project=tmp_path, platform="linux")
    arguments, added = uv_arguments(settings)
    command = [str(uv_program()), "pip", "compile", "--offline", "-q", "--no-header", "--emit-index-url"]
    done = subprocess.run(
        [*command, *arguments, "--python", sys.executable, "-"],
        input="", text=True, capture_output=True, check=True, cwd=tmp_path, env={**environ, **added},
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines() if line]
    assert [url for option, url in lines if option == "--index-url"] == [settings.index_url]
    assert {url for option, url in lines if option == "--extra-index-url"} == set(settings.extra_index_urls)


def test_no_setting_shows_its_password() -> None:
    environ = {"UV_INDEX": "a=https://joe:c4n4ry@h.invalid/", "PIP_INDEX_URL": "https://c4n4ry@h.invalid/"}
    pip, uv_family = read("", environ), uv("", environ)
    for value in (pip, uv_family, pip.default_index, uv_family.indexes):
        assert "c4n4ry" not in repr(value)


@given(st.text(max_size=200))
def test_any_pip_conf_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except CrossdockError:
        return


@given(
    st.dictionaries(
        st.sampled_from(["PIP_TIMEOUT", "PIP_INDEX_URL", "PIP_RETRIES", "PIP_NO_INDEX"]), st.text()
    )
)
def test_any_pip_variable_is_read_or_refused(environ: dict[str, str]) -> None:
    try:
        read("", environ)
    except CrossdockError:
        return
