from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from crossdock.errors import UsageError
from crossdock.net.registry.docker_config import RegistryLogin, RegistryLogins, config_paths

HUB = "docker.io"


def packed(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def logins(folder: Path, config: Any, **environ: str) -> RegistryLogins:
    path = folder / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return RegistryLogins([path], environ)


def helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_files_are_asked_in_order() -> None:
    home = Path("/home/u")
    assert config_paths({"REGISTRY_AUTH_FILE": "/a.json", "DOCKER_CONFIG": "/d"}, home) == (Path("/a.json"),)
    assert config_paths({}, home) == (home / ".docker/config.json", home / ".config/containers/auth.json")
    assert config_paths({"DOCKER_CONFIG": "/d", "XDG_RUNTIME_DIR": "/run/u"}, home) == (
        Path("/d/config.json"),
        Path("/run/u/containers/auth.json"),
        home / ".config/containers/auth.json",
    )
    assert config_paths({}, None) == ()


def test_the_longest_path_wins(tmp_path: Path) -> None:
    found = logins(
        tmp_path,
        {
            "auths": {
                "example.com": packed("host", "1"),
                "example.com/team": packed("team", "2"),
                "example.com/team/app": packed("app", "3"),
            }
        },
    )
    names = {
        name: (found.find("example.com", name) or RegistryLogin()).username
        for name in ("team/app", "team/other", "teams", "team/app2")
    }
    assert names == {"team/app": "app", "team/other": "team", "teams": "host", "team/app2": "team"}
    assert found.find("example.com:444", "team/app") is None
    assert found.find("example.org", "team/app") is None


def test_dockers_own_registry_and_old_keys(tmp_path: Path) -> None:
    found = logins(
        tmp_path,
        {
            "auths": {
                f"https://index.{HUB}/v1/": packed("hub", "p:w"),
                "https://old.example.com/v1/": packed("old", "x"),
                "https://other.example.com/path": packed("wrong", "x"),
            }
        },
    )
    assert found.find(HUB, "library/python") == RegistryLogin(username="hub", password="p:w")
    assert found.find("old.example.com", "a") == RegistryLogin(username="old", password="x")
    assert found.find("other.example.com", "a") is None


def test_identity_tokens_of_both_spellings(tmp_path: Path) -> None:
    found = logins(
        tmp_path,
        {
            "auths": {
                "a.example": {**packed("user", "pw"), "identitytoken": "secret-a"},
                "b.example": packed("<token>", "secret-b"),
                "c.example": {},
            }
        },
    )
    assert found.find("a.example", "x") == RegistryLogin(identity_token="secret-a")
    assert found.find("b.example", "x") == RegistryLogin(identity_token="secret-b")
    assert found.find("c.example", "x") is None
    assert "secret" not in repr(found.find("a.example", "x"))


def test_a_later_file_is_asked_where_an_earlier_has_nothing(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps({"auths": {"a.example": packed("a", "1")}}))
    two.write_text(json.dumps({"auths": {"a.example": packed("no", "1"), "b.example": packed("b", "2")}}))
    found = RegistryLogins([tmp_path / "none.json", one, two])
    assert (found.find("a.example", "x") or RegistryLogin()).username == "a"
    assert (found.find("b.example", "x") or RegistryLogin()).username == "b"


def test_helpers_are_asked_on_standard_input(tmp_path: Path) -> None:
    helper(
        tmp_path,
        "good",
        'test "$1" = get; read server; printf \'{"ServerURL":"%s","Username":"u","Secret":"of %s"}\' x "$server"',
    )
    helper(tmp_path, "token", 'cat >/dev/null; echo \'{"Username":"<token>","Secret":"t"}\'')
    helper(tmp_path, "empty", "cat >/dev/null; echo credentials not found in native keychain; exit 1")
    config = {
        "credHelpers": {"good.example": "good", "token.example:1": "token"},
        "credsStore": "empty",
        "auths": {"plain.example": packed("p", "q"), "good.example": packed("ignored", "x")},
    }
    found = logins(tmp_path, config, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert found.find("good.example", "x") == RegistryLogin(username="u", password="of good.example")
    assert found.find("token.example:1", "x") == RegistryLogin(identity_token="t")
    assert found.find("plain.example", "x") == RegistryLogin(username="p", password="q")
    assert found.find("unknown.example", "x") is None


def test_a_helper_is_asked_once_for_a_repository(tmp_path: Path) -> None:
    helper(
        tmp_path,
        "one",
        f'cat >/dev/null; echo x >>{tmp_path}/asked; echo \'{{"Username":"u","Secret":"s"}}\'',
    )
    found = logins(tmp_path, {"credsStore": "one"}, PATH=f"{tmp_path}:/usr/bin:/bin")
    for _ in range(3):
        assert found.find("a.example", "x") == RegistryLogin(username="u", password="s")
    assert (tmp_path / "asked").read_text() == "x\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo top-secret; exit 3", "status 3"),
        ("cat >/dev/null; echo nonsense top-secret", "not the JSON"),
        ('cat >/dev/null; echo \'{"Username": 3, "Secret": "top-secret"}\'', "not the JSON"),
        ("head -c 100000 /dev/zero", "larger"),
    ],
)
def test_a_broken_helper_is_told_without_what_it_said(tmp_path: Path, script: str, said: str) -> None:
    helper(tmp_path, "bad", script)
    found = logins(tmp_path, {"credsStore": "bad"}, PATH=f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UsageError, match=said) as error:
        found.find("a.example", "x")
    assert error.value.code == "E-REGISTRY-CREDENTIALS"
    assert "top-secret" not in str(error.value)


@pytest.mark.parametrize("name", ["../../bin/sh", "a/b", "", "$(x)", 3])
def test_a_helper_is_a_name_and_no_path(tmp_path: Path, name: object) -> None:
    found = logins(tmp_path, {"credHelpers": {"a.example": name}}, PATH="/usr/bin:/bin")
    with pytest.raises(UsageError, match="cannot be one"):
        found.find("a.example", "x")


def test_a_missing_helper_is_named(tmp_path: Path) -> None:
    found = logins(tmp_path, {"credHelpers": {"a.example": "none-such"}}, PATH=str(tmp_path))
    with pytest.raises(UsageError, match="docker-credential-none-such"):
        found.find("a.example", "x")


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        '{"auths": []}',
        '{"auths": {"a.example": "top-secret"}}',
        '{"auths": {"a.example": {"auth": "top-secret!"}}}',
        '{"auths": {"a.example": {"auth": "dG9wLXNlY3JldA=="}}}',
        "[" * 100000,
        '{"credHelpers": 1}',
    ],
)
def test_a_broken_file_is_named_without_its_content(tmp_path: Path, config: str) -> None:
    with pytest.raises(UsageError) as error:
        logins(tmp_path, config).find("a.example", "x")
    assert error.value.code == "E-REGISTRY-CREDENTIALS"
    assert "config.json" in str(error.value)
    assert "secret" not in str(error.value)
