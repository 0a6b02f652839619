"""The user's own code in an image, what starts, and what the configuration says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.images import AMD, ARM, ONLY_ARM, make_modules, make_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.images import Contents, Shop

PACKAGES = "app/lib/python3.12/site-packages"


def config_of(shop: Shop, *words: str | Path, **options: Any) -> Any:
    """Build for one platform and return what the configuration says."""
    shop.image(*words, "-o", "out", "--name", "x:1", "--sbom", "none", target=ONLY_ARM, **options)
    return shop.layout().config(ARM)


def text(contents: Contents, path: str) -> str:
    """Return a file of the image."""
    return contents.tree(ARM)[path][1].decode()


def test_a_project_is_built_and_its_script_starts(shop: Shop) -> None:
    make_project(shop.work)
    receipt = shop.image("-o", "out", source=".")
    contents = shop.layout()
    for platform in (AMD, ARM):
        config = contents.config(platform)["config"]
        assert config["Entrypoint"] == ["/app/bin/shop"]
        assert "Cmd" not in config
        tree = contents.tree(platform)
        assert tree["app/bin/shop"][0].mode == 0o755
        assert tree["app/bin/shop"][1].startswith(b"#!/app/bin/python\n")
        assert tree["app/bin/webserve"][1].startswith(b"#!/app/bin/python\n")
        assert f"{PACKAGES}/shop/cli.py" in tree
        assert f"{PACKAGES}/shop-2.0.dist-info/RECORD" in tree
        # No path of this machine, and no source tree.
        assert f"{PACKAGES}/shop-2.0.dist-info/direct_url.json" not in tree
        assert not [path for path in tree if "backend" in path or path.startswith("app/src")]
        assert tree["app/bin/python"][0].linkname == "/usr/bin/python3.12"
        assert "home = /usr/bin" in tree["app/pyvenv.cfg"][1].decode()
        assert contents.manifest(platform)["annotations"]["org.opencontainers.image.title"] == "shop"
    said = contents.index["annotations"]
    assert said["org.opencontainers.image.version"] == "2.0"
    assert said["org.opencontainers.image.description"] == "Sells things"
    assert said["org.opencontainers.image.licenses"] == "MIT"
    assert [row["name"] for row in receipt["image"]["platforms"][0]["packages"]].count("shop") == 0
    # From its directory, and by nothing at all, it is the same.
    digests = {
        json.loads(done.stdout)["image"]["digest"]
        for done in (
            shop.run("image", *ONLY_ARM, "-b", shop.base, "-o", "one", "--json"),
            shop.run("image", "../work", *ONLY_ARM, "-b", shop.base, "-o", "two", "--json"),
            shop.run("image", "pyproject.toml", *ONLY_ARM, "-b", shop.base, "-o", "three", "--json"),
        )
    }
    assert len(digests) == 1


def test_a_project_in_its_own_lock_is_shipped_once(shop: Shop) -> None:
    make_project(shop.work)
    lock = shop.work / "pylock.toml"
    lock.write_text(
        lock.read_text()
        + '\n[[packages]]\nname = "shop"\nversion = "2.0"\ndirectory = { path = ".", editable = true }\n'
    )
    digests = set()
    for source in (".", "pylock.toml"):
        words = ("--app", ".") if source == "pylock.toml" else ()
        receipt = shop.image(*words, "-o", "out", "--name", "x:1", source=source)
        digests.add(receipt["image"]["digest"])
        for one in receipt["image"]["platforms"]:
            places = [
                row["title"]
                for row in one["layers"]
                for package in row["packages"]
                if package["name"] == "shop"
            ]
            assert places == ["shop 2.0"]
            assert [row["kind"] for row in one["layers"] if row["title"] == "shop 2.0"] == ["application"]
    # An edit is seen: the lock's bytes do not decide what is built of a tree.
    make_project(shop.work, body="print('edited')")
    again = shop.image("--app", ".", "-o", "out", "--name", "x:1")
    assert again["image"]["digest"] not in digests
    assert "edited" in text(shop.layout(), f"{PACKAGES}/shop/cli.py")


def test_a_directory_of_modules_lies_below_src_and_is_importable(shop: Shop) -> None:
    config = config_of(shop, "--app", "app")["config"]
    assert config["Entrypoint"] == ["/app/bin/python", "/app/src/main.py"]
    assert config["WorkingDir"] == "/app/src"
    contents = shop.layout()
    assert text(contents, "app/src/main.py") == "print('hello')\n"
    assert text(contents, f"{PACKAGES}/_crossdock_src.pth") == "/app/src\n"
    assert contents.tree(ARM)["app/src/main.py"][0].mode == 0o644


def test_what_crossdock_wrote_beside_the_modules_is_told_and_not_shipped(shop: Shop) -> None:
    app, lock = shop.work / "app", shop.work / "pylock.toml"
    words = ["-o", "../out", "--name", "x:1", "--sbom", "none"]
    shop.image(*words, "--app", ".", target=ONLY_ARM, source=lock, cwd=app)
    before = shop.layout().layers(ARM)
    shop.run("lambda", lock, "--app", "none", "--for", "lambda-python3.12-arm64", "-o", "old.zip", cwd=app)
    shop.run("mirror", lock, *ONLY_ARM, "-o", "wheels", "--delta", "carried.tar", cwd=app)
    shop.run("bazel", lock, *ONLY_ARM, "--out", "third_party/py", cwd=app)
    said = shop.build(*words, "--app", ".", target=ONLY_ARM, source=lock, cwd=app).stderr
    assert shop.layout().layers(ARM) == before
    for name in ("old.zip", "wheels", "carried.tar"):
        assert f"`{name}` has the form of what crossdock writes: it is not shipped" in said


def test_a_script_brings_its_own_requirements(shop: Shop) -> None:
    script = shop.work / "tool.py"
    script.write_text(
        '# /// script\n# requires-python = ">=3.12"\n# dependencies = ["purelib"]\n# ///\nimport purelib\n'
    )
    config = config_of(shop, source="tool.py")["config"]
    assert config["Entrypoint"] == ["/app/bin/python", "/app/src/tool.py"]
    tree = shop.layout().tree(ARM)
    assert f"{PACKAGES}/purelib.py" in tree
    assert [path for path in tree if path.startswith("app/src/")] == ["app/src/tool.py"]


def test_packages_alone_are_an_image_too(shop: Shop) -> None:
    config = config_of(shop)["config"]
    assert config["Entrypoint"] == ["/app/bin/python"]
    kinds = [kind for kind, _digest in shop.layout().layers(ARM)]
    assert kinds == ["base", *["wheels"] * 4, "environment"]
    named = config_of(shop, source="purelib")["config"]
    assert named["Entrypoint"] == ["/app/bin/python"]
    assert f"{PACKAGES}/purelib.py" in shop.layout().tree(ARM)


@pytest.mark.parametrize(
    ("words", "start", "arguments"),
    [
        (("--entrypoint", "webserve --root '/a b'"), ["webserve", "--root", "/a b"], None),
        (("-m", "web.cli"), ["/app/bin/python", "-m", "web.cli"], None),
        (("-m", "web", "--cmd", "serve -p 80"), ["/app/bin/python", "-m", "web"], ["serve", "-p", "80"]),
        (("--entrypoint", "sh -c 'echo $HOME'"), ["sh", "-c", "echo $HOME"], None),
    ],
)
def test_what_starts_can_be_said(
    shop: Shop, words: tuple[str, ...], start: list[str], arguments: list[str] | None
) -> None:
    config = config_of(shop, "--app", "app", *words)["config"]
    assert config["Entrypoint"] == start
    assert config.get("Cmd") == arguments


def test_options_decide_before_settings(shop: Shop) -> None:
    (shop.work / "conf").mkdir()
    (shop.work / "conf" / "shop.ini").write_text("a=1\n")
    (shop.work / "conf" / "run.sh").write_text("#!/bin/sh\n")
    (shop.work / "conf" / "run.sh").chmod(0o775)
    (shop.work / "secret").write_text("s\n")
    (shop.work / "pyproject.toml").write_text(f"""
[tool.crossdock]
targets = ["linux/arm64"]
python = "3.12"
[tool.crossdock.image]
base = "{shop.base}"
script = "webserve"
cmd = ["--port", "80"]
env = {{ ZED = "1", ALPHA = "2", FROM_BASE = "changed" }}
labels = {{ team = "shop" }}
annotations = {{ "com.example.cost" = "low" }}
workdir = "/srv"
user = "web"
expose = ["8000", "53/udp"]
stop-signal = "SIGINT"
add = [{{ source = "conf/", destination = "/etc/shop" }}]
exclude = ["helper.py"]
""")
    config = config_of_settings(shop)
    said = config["config"]
    assert said == {
        "Entrypoint": ["/app/bin/webserve"],
        "Cmd": ["--port", "80"],
        "Env": [
            "PATH=/app/bin:/usr/local/bin:/usr/bin:/bin",
            "FROM_BASE=changed",
            "PYTHONDONTWRITEBYTECODE=1",
            "ALPHA=2",
            "ZED=1",
        ],
        "Labels": {"team": "shop"},
        "WorkingDir": "/srv",
        "User": "web",
        "ExposedPorts": {"53/udp": {}, "8000/tcp": {}},
        "StopSignal": "SIGINT",
    }
    assert config["created"] == "1980-01-01T00:00:00Z"
    contents = shop.layout()
    tree = contents.tree(ARM)
    assert "app/src/helper.py" not in tree
    modes = {path: oct(tree[path][0].mode) for path in ("etc/shop/shop.ini", "etc/shop/run.sh")}
    assert modes == {"etc/shop/shop.ini": "0o644", "etc/shop/run.sh": "0o755"}
    assert contents.manifest(ARM)["annotations"]["com.example.cost"] == "low"
    config = config_of_settings(
        shop,
        *("-m", "web", "--cmd", "x", "-e", "ZED=9", "-e", "NEW=a=b", "--label", "team=other"),
        *("--workdir", "/", "--user", "0:0", "--expose", "9000", "--stop-signal", "SIGTERM"),
        *("--add", "secret:/run/secret:600", "--add", "conf/shop.ini:/opt/"),
        environ={"SOURCE_DATE_EPOCH": "1700000000"},
    )
    said = config["config"]
    assert said["Entrypoint"] == ["/app/bin/python", "-m", "web"]
    assert said["Cmd"] == ["x"]
    assert said["Env"][-3:] == ["ALPHA=2", "NEW=a=b", "ZED=9"]
    assert said["Labels"] == {"team": "other"}
    assert (said["WorkingDir"], said["User"], said["StopSignal"]) == ("/", "0:0", "SIGTERM")
    assert said["ExposedPorts"] == {"9000/tcp": {}}
    assert config["created"] == "2023-11-14T22:13:20Z"
    tree = shop.layout().tree(ARM)
    assert (tree["run/secret"][0].mode, tree["run/secret"][1]) == (0o600, b"s\n")
    assert tree["opt/shop.ini"][1] == b"a=1\n"
    assert "etc/shop/run.sh" in tree
    # The time stands in the configuration alone: no layer is another one for it.
    for info, _content in tree.values():
        assert info.mtime in (0, 315_532_800)


def config_of_settings(shop: Shop, *words: str, **options: Any) -> Any:
    """Build what the settings say, with these options."""
    shop.run("image", "pylock.toml", "--app", "app", "-o", "out", "--name", "x:1", *words, **options)
    return shop.layout().config(ARM)


def test_another_prefix_holds_everything(shop: Shop) -> None:
    make_project(shop.work)
    config = config_of(shop, "--prefix", "/opt/shop", source=".")["config"]
    assert config["Entrypoint"] == ["/opt/shop/bin/shop"]
    assert config["Env"][0].startswith("PATH=/opt/shop/bin:")
    tree = shop.layout().tree(ARM)
    assert tree["opt/shop/bin/shop"][1].startswith(b"#!/opt/shop/bin/python\n")
    assert not [path for path in tree if path.startswith("app")]


def test_who_owns_what_and_where_directories_come_from(shop: Shop) -> None:
    config_of(shop, "--app", "app")
    tree = shop.layout().tree(ARM)
    ours = {path: info for path, (info, _data) in tree.items() if path.split("/")[0] == "app"}
    assert {(info.uid, info.gid, info.uname, info.gname) for info in ours.values()} == {(0, 0, "", "")}
    assert {info.mode for info in ours.values() if info.isdir()} == {0o755}
    assert all(path.rpartition("/")[0] in ours for path in ours if "/" in path)


@pytest.mark.parametrize(
    ("files", "words", "code"),
    [
        ({"one.py": "", "two.py": ""}, (), "E-IMAGE-ENTRYPOINT"),
        ({}, (), "E-IMAGE-ENTRYPOINT"),
        ({"main.py": "", "key.pem": "-----BEGIN PRIVATE KEY-----\nxx\n"}, (), "E-APP-SECRET"),
        ({"main.py": ""}, ("--add", "nothing:/etc/x"), "E-IMAGE-ADD"),
        ({"main.py": ""}, ("--add", "pylock.toml:etc/x"), "E-IMAGE-ADD"),
        ({"main.py": ""}, ("--add", "pylock.toml:/etc/x:4755"), "E-IMAGE-ADD"),
        ({"main.py": ""}, ("--user", "nobody-here"), "E-IMAGE-USER"),
        ({"main.py": ""}, ("-m", "not a module"), "E-IMAGE-OPTION"),
        ({"main.py": ""}, ("--env", "NOVALUE"), "E-IMAGE-OPTION"),
        ({"main.py": ""}, ("--expose", "70000"), "E-IMAGE-OPTION"),
        ({"main.py": ""}, ("--entrypoint", "'"), "E-IMAGE-OPTION"),
        ({"main.py": ""}, ("--prefix", "app"), "E-IMAGE-OPTION"),
        ({"main.py": ""}, ("--max-layers", "500"), "E-IMAGE-OPTION"),
    ],
)
def test_what_cannot_be_is_refused(
    shop: Shop, files: dict[str, str], words: tuple[str, ...], code: str
) -> None:
    root = shop.work / "other"
    root.mkdir()
    for name, content in files.items():
        (root / name).write_text(content)
    status = 2 if code in ("E-IMAGE-OPTION", "E-IMAGE-ADD") else 1
    shop.refuses("--app", "other", "-o", "out", *words, code=code, status=status)
    assert not (shop.work / "out").exists()


def test_a_project_with_native_code_is_refused_where_nothing_is_compiled(shop: Shop) -> None:
    make_project(shop.work, tag="cp312-cp312-linux_x86_64")
    shop.refuses("-o", "out", "--no-cross-build", source=".", code="E-APP-NATIVE")


def test_bytecode_is_made_by_the_targets_python_or_refused(shop: Shop) -> None:
    make_modules(shop.work / "app")
    text = shop.refuses(
        *("--app", "app", "--bytecode", "-o", "out"),
        code="E-BYTECODE-PYTHON",
        environ={"PATH": "/usr/bin:/bin"},
    )
    assert "3.12" in text
