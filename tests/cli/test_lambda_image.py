"""`crossdock lambda --image`: one manifest, as AWS's own bases and others want it."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.images import (
    MULTIARCH,
    Contents,
    base_files,
    base_layout,
    make_project,
    needy_elf,
    program,
    push_base,
)
from tests.cli.world import elf
from tests.support.fake_registry import FakeRegistry
from tests.support.layouts import MadeLayout, tar_of
from tests.support.registry import DockerRegistry, docker_registry, skopeo
from tests.support.wheels import make_wheel

from crossdock.oci import media

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.cli.images import Shop
    from tests.support.layouts import Content

__all__ = ["docker_registry"]

TARGET = "lambda-python3.12-arm64"
ARM = "linux/arm64/v8"
ENTRYPOINT = ["/lambda-entrypoint.sh"]
#: As the configuration of AWS's image has them (November 2026, its Dockerfile).
AWS_ENV = (
    "LANG=en_US.UTF-8",
    "TZ=:/etc/localtime",
    "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "LAMBDA_TASK_ROOT=/var/task",
    "LAMBDA_RUNTIME_DIR=/var/runtime",
)


def aws_layout(*, minor: int = 12, architectures: tuple[str, ...] = ("amd64", "arm64")) -> MadeLayout:
    """A layout with what matters of AWS's own image of a runtime."""
    layout = MadeLayout()
    entries = []
    for one in architectures:
        files: dict[str, Content] = {
            "var/lang/bin": None,
            f"var/lang/bin/python3.{minor}": program(MULTIARCH[one]),
            "var/lang/bin/python3": f"-> python3.{minor}",
            f"var/lang/lib/python3.{minor}/os.py": b"",
            "var/runtime/bootstrap": b"#!/bin/sh\n",
            "var/task": None,
            "lambda-entrypoint.sh": b"#!/bin/sh\n",
        }
        config = {
            "Env": list(AWS_ENV),
            "Entrypoint": ENTRYPOINT,
            "WorkingDir": "/var/task",
        }
        variant = "/v8" if one == "arm64" else ""
        entries.append(layout.image(f"linux/{one}{variant}", tar_of(files.items()), config=config))
    return layout.listed(layout.index(*entries, annotations={media.REF_NAME: "latest"}))


@pytest.fixture(scope="session")
def aws_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AWS's base, as far as anybody looks into it."""
    return aws_layout().write(tmp_path_factory.mktemp("aws") / "base")


def make(
    shop: Shop, base: Path, *words: str | Path, handler: str = "main.handler", source: str = "pylock.toml"
) -> subprocess.CompletedProcess[str]:
    return shop.run(
        "lambda", source, "--for", TARGET, "--image", "--base", base, "--handler", handler, *words
    )


def refuses(shop: Shop, *words: str | Path, code: str, target: str = TARGET, status: int = 2) -> str:
    return shop.refused("lambda", "pylock.toml", "--for", target, *words, code=code, status=status)


def read(root: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Return manifest, configuration and files of the only image of a layout, which its index points straight at."""
    index = json.loads((root / "index.json").read_bytes())
    (entry,) = index["manifests"]
    assert entry["mediaType"] == media.MANIFEST
    assert entry["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    contents = Contents.of_layout(root)
    manifest = contents.json(entry["digest"])
    # The reader of trees starts from an index.
    fake = json.dumps({"manifests": [entry]}).encode()
    tree = Contents({**contents.blobs, "top": fake}, "top").tree(ARM)
    return manifest, contents.json(manifest["config"]["digest"]), tree


def only_what_it_names(root: Path, manifest: Any) -> bool:
    """Tell whether a layout has no blob but those of the manifest: nothing is attached, and there is no index."""
    index = json.loads((root / "index.json").read_bytes())
    named = {row["digest"] for row in (manifest["config"], *manifest["layers"], *index["manifests"])}
    return {f"sha256:{path.name}" for path in (root / "blobs/sha256").iterdir()} == named


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


# On AWS's base


def test_on_awss_base_it_lies_as_in_a_functions_zip(shop: Shop, aws_base: Path) -> None:
    make(shop, aws_base, "--app", "app", "-o", "out")
    manifest, config, tree = read(shop.work / "out")
    assert only_what_it_names(shop.work / "out", manifest)
    assert manifest["mediaType"] == media.MANIFEST
    assert {row["mediaType"] for row in manifest["layers"]} == {media.LAYER_GZIP}
    assert config["config"] == {
        "Cmd": ["main.handler"],
        "Entrypoint": ENTRYPOINT,
        "Env": list(AWS_ENV),
        "WorkingDir": "/var/task",
    }
    ours = {name for name in tree if name.startswith("var/task/") and not tree[name][0].isdir()}
    assert {
        "var/task/main.py",
        "var/task/helper.py",
        "var/task/web/__init__.py",
        "var/task/large/data.bin",
        "var/task/bin/webserve",
        "var/task/web-1.1.dist-info/RECORD",
        "var/task/numlib/core.cpython-312-aarch64-linux-gnu.so",
    } <= ours
    # No environment: nothing else of ours is anywhere.
    others = {name for name in tree if not name.startswith("var/task")}
    assert not {name for name in others if name.endswith((".pth", "pyvenv.cfg")) or name.startswith("app")}
    for name in ours:
        mode = stat.S_IMODE(tree[name][0].mode)
        assert mode == (0o755 if name.startswith("var/task/bin/") else mode & 0o755)
        assert mode & 0o444 == 0o444
    assert tree["var/task/bin/webserve"][1].startswith(b"#!/usr/bin/env python3.12\n")


def test_a_projects_wheel_lies_beside_the_packages(shop: Shop, aws_base: Path) -> None:
    make_project(shop.work / "project")
    make(shop, aws_base, "--app", "project", "-o", "out", handler="shop.cli.main")
    _manifest, config, tree = read(shop.work / "out")
    assert "var/task/shop/cli.py" in tree
    assert config["config"]["Cmd"] == ["shop.cli.main"]


def test_the_same_again_and_an_archive(shop: Shop, aws_base: Path) -> None:
    make(shop, aws_base, "--app", "app", "-o", "out")
    make(shop, aws_base, "--app", "app", "-o", "again.tar", "--name", "function:1")
    done = skopeo("inspect", "--raw", f"oci-archive:{shop.work / 'again.tar'}")
    assert json.loads(done.stdout) == read(shop.work / "out")[0]


def test_a_package_that_overwrites_the_code_is_refused(shop: Shop, aws_base: Path) -> None:
    (shop.work / "app" / "purelib.py").write_text("own = 1\n")
    done = shop.refused(
        *("lambda", "pylock.toml", "--for", TARGET, "--image", "--base", aws_base),
        *("--handler", "main.handler", "--app", "app", "-o", "out"),
        code="E-SHIP-COLLISION",
    )
    assert "purelib" in done
    assert not (shop.work / "out").exists()


def test_the_audit_holds_against_the_bases_libraries(shop: Shop, aws_base: Path) -> None:
    path = "needy/core.cpython-312-aarch64-linux-gnu.so"
    make_wheel(
        shop.files,
        "needy",
        "1.0",
        "cp312-cp312-manylinux2014_aarch64",
        files={"needy/__init__.py": "", path: needy_elf("aarch64", "libneeded.so.7")},
    )
    words = ("lambda", "needy", "--for", TARGET, "--image", "--handler", "needy.handler", "-o", "out")
    said = shop.refused(*words, "--app", "none", "--base", aws_base, code="E-FINDINGS")
    assert "needs libneeded.so.7, which is neither shipped nor in" in said
    assert not (shop.work / "out").exists()
    richer = MadeLayout()
    config = {"Env": list(AWS_ENV), "Entrypoint": ENTRYPOINT}
    files: dict[str, Content] = {
        "var/lang/bin/python3.12": program("aarch64"),
        "var/lang/lib/python3.12/os.py": b"",
        "lib64/libneeded.so.7": elf("aarch64"),
    }
    entry = richer.image(ARM, tar_of(files.items()), config=config, tag="latest")
    richer.listed(entry).write(shop.work / "richer")
    shop.run(*words, "--app", "none", "--base", shop.work / "richer")


def test_another_python_is_refused(shop: Shop, tmp_path: Path) -> None:
    base = aws_layout(minor=13).write(tmp_path / "newer")
    refuses(
        shop, "--image", "--handler", "main.handler", "--app", "app", "--base", base, "-o", "out",
        code="E-IMAGE-PYTHON-MINOR", status=1,
    )  # fmt: skip


def test_a_handler_without_its_module_is_told(shop: Shop, aws_base: Path) -> None:
    done = make(shop, aws_base, "--app", "app", "-o", "out", handler="mian.handler")
    assert "no code of yours has the module `mian`" in done.stderr
    for handler in ("main.handler", "web.cli.main", "web/cli.main", "numlib.core.run"):
        assert (
            "has the module" not in make(shop, aws_base, "--app", "app", "-o", "out", handler=handler).stderr
        )


def test_settings_say_the_handler_and_what_is_left_out(shop: Shop, aws_base: Path) -> None:
    (shop.work / "pyproject.toml").write_text(
        '[tool.crossdock.lambda]\nhandler = "main.handler"\nexclude = ["helper.py"]\napp = "app"\n'
        '[tool.crossdock.image]\nenv = { PORT = "80" }\nentrypoint = ["gunicorn"]\n'
    )
    shop.run("lambda", "pylock.toml", "--for", TARGET, "--image", "--base", aws_base, "-o", "out")
    _manifest, config, tree = read(shop.work / "out")
    assert (config["config"]["Cmd"], config["config"]["Entrypoint"]) == (["main.handler"], ENTRYPOINT)
    assert "var/task/main.py" in tree
    assert "var/task/helper.py" not in tree
    assert config["config"]["Env"] == list(AWS_ENV)


def test_compiled_modules_lie_beside_their_sources(shop: Shop, tmp_path: Path) -> None:
    base = aws_layout(minor=sys.version_info[1]).write(tmp_path / "own")
    target = f"lambda-python3.{sys.version_info[1]}-arm64"
    shop.run(
        *("lambda", "purelib", "--app", "app", "--for", target, "--image", "--handler", "main.handler"),
        *("--base", base, "--bytecode", "-o", "out"),
    )
    _manifest, config, tree = read(shop.work / "out")
    tag = sys.implementation.cache_tag
    assert {f"var/task/__pycache__/{name}.{tag}.pyc" for name in ("main", "purelib")} <= set(tree)
    assert config["config"]["Env"] == list(AWS_ENV)


def test_awss_image_is_the_default_and_can_be_pinned(shop: Shop, registry: FakeRegistry) -> None:
    words = ("--image", "--handler", "main.handler", "--app", "app", "-o", "out")
    said = refuses(shop, *words, "--offline", code="E-IMAGE-BASE-OFFLINE", status=1)
    assert "public.ecr.aws/lambda/python:3.12" in said
    digest = push_base(registry, "lambda/python", "3.12", aws_layout())
    name = f"{registry.address}/lambda/python:3.12"
    make(shop, Path(name), "--app", "app", "-o", "out", "--base-lock", "base.lock.toml")
    assert digest in (shop.work / "base.lock.toml").read_text()
    # The tag moves, and what was pinned stays.
    push_base(registry, "lambda/python", "3.12", aws_layout(architectures=("arm64",)))
    make(shop, Path(name), "--app", "app", "-o", "again", "--base-lock", "base.lock.toml")
    assert read(shop.work / "again")[0] == read(shop.work / "out")[0]
    assert read(shop.work / "out")[0]["annotations"]["org.opencontainers.image.base.digest"] == digest


# On another base


@pytest.fixture
def client(shop: Shop) -> Shop:
    """A lock that has a runtime client."""
    make_wheel(shop.files, "awslambdaric", "9.0", files={"awslambdaric/__main__.py": "print('runs')\n"})
    make_wheel(shop.files, "greet", "1.0", files={"greet.py": ""}, requires=("awslambdaric",))
    shop.run("lock", "greet", "--for", TARGET, "-o", "pylock.client.toml")
    return shop


def test_on_another_base_the_locks_client_starts(client: Shop) -> None:
    base = base_layout().write(client.work / "plain")
    done = make(client, base, "--app", "app", "-o", "out", "--json", source="pylock.client.toml")
    manifest, config, tree = read(client.work / "out")
    assert only_what_it_names(client.work / "out", manifest)
    assert config["config"]["Entrypoint"] == ["/app/bin/python", "-m", "awslambdaric"]
    assert config["config"]["Cmd"] == ["main.handler"]
    assert config["config"]["WorkingDir"] == "/app/src"
    assert "User" not in config["config"]
    assert {"app/src/main.py", "app/pyvenv.cfg", "app/lib/python3.12/site-packages/greet.py"} <= set(tree)
    said = json.loads(done.stdout)
    assert (said["place"], said["handler"]) == ("lambda-python3.12", "main.handler")
    (one,) = said["image"]["platforms"]
    assert one["attachments"] == []
    assert one["digest"] == said["image"]["digest"]
    assert {row["name"]: row["version"] for row in one["packages"]}["awslambdaric"] == "9.0"


def test_a_base_with_half_of_awss_variables_has_no_runtime(client: Shop) -> None:
    layout = MadeLayout()
    config = {"Env": ["PATH=/usr/bin", "LAMBDA_TASK_ROOT=/var/task"], "Entrypoint": ["/bin/sh"]}
    entry = layout.image(ARM, tar_of(base_files("arm64").items()), config=config, tag="latest")
    base = layout.listed(entry).write(client.work / "half")
    make(client, base, "--app", "app", "-o", "out", source="pylock.client.toml")
    assert read(client.work / "out")[1]["config"]["Entrypoint"][0] == "/app/bin/python"


# Where it goes


def test_the_tag_names_the_manifest(shop: Shop, aws_base: Path, registry: FakeRegistry) -> None:
    place = f"{registry.address}/team/function"
    done = make(shop, aws_base, "--app", "app", "--push", f"{place}:1", "-o", "out")
    digest = registry.tags["team/function", "1"]
    assert done.stdout == f"{place}@{digest}\n"
    manifest, _config, _tree = read(shop.work / "out")
    assert json.loads(registry.manifests["team/function", digest][1]) == manifest
    assert [name for name in registry.manifests if name[0] == "team/function"] == [("team/function", digest)]
    again = make(shop, aws_base, "--app", "app", "--push", f"{place}:1")
    assert "unchanged" in again.stderr


def test_skopeo_reads_what_was_pushed(shop: Shop, aws_base: Path, docker_registry: DockerRegistry) -> None:
    place = f"{docker_registry.address}/function:1"
    make(shop, aws_base, "--app", "app", "--push", place)
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{place}").stdout)
    assert raw["mediaType"] == media.MANIFEST
    told = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{place}").stdout)
    assert (told["Architecture"], told["Os"]) == ("arm64", "linux")
    assert "LAMBDA_TASK_ROOT=/var/task" in told["Env"]
    config = json.loads(skopeo("inspect", "--config", "--tls-verify=false", f"docker://{place}").stdout)
    assert config["config"]["Cmd"] == ["main.handler"]


# What is refused


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--image", "-o", "out"), "E-BUNDLE-HANDLER"),
        (("--image", "-o", "out", "--handler", "app"), "E-BUNDLE-HANDLER"),
        (("--image", "-o", "out", "--handler", "app.handler; rm"), "E-BUNDLE-HANDLER"),
        (("--image", "--handler", "a.b"), "E-IMAGE-NOWHERE"),
        (("--image", "--handler", "a.b", "-o", "function.zip"), "E-BUNDLE-OUTPUT"),
        (("--image", "--handler", "a.b", "-o", "out", "--layer"), "E-BUNDLE-IMAGE"),
        (("--image", "--handler", "a.b", "-o", "out", "--prune", "tests"), "E-BUNDLE-IMAGE"),
        (("--image", "--handler", "a.b", "-o", "out", "--test", "a.b"), "E-BUNDLE-IMAGE"),
        (("--image", "--handler", "a.b", "-o", "out", "--for", "lambda-python3.12-x86_64"), "E-BUNDLE-IMAGE"),
        (("-o", "f.zip", "--push", "registry.example.com/app:1"), "E-BUNDLE-IMAGE"),
        (("-o", "f.zip", "--handler", "a.b"), "E-BUNDLE-IMAGE"),
        (("-o", "f.zip", "--base", "scratch"), "E-BUNDLE-IMAGE"),
    ],
)
def test_words_that_do_not_go_together(shop: Shop, words: tuple[str, ...], code: str) -> None:
    refuses(shop, *words, code=code)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("azure-functions-python3.12", "E-BUNDLE-IMAGE"),
        ("gcf-python3.12", "E-BUNDLE-IMAGE"),
        ("cp312-linux-aarch64-glibc2.28", "E-BUNDLE-PLACE"),
    ],
)
def test_no_images_for_other_places(shop: Shop, target: str, code: str) -> None:
    assert target in refuses(shop, "--image", "--handler", "a.b", "-o", "out", code=code, target=target)
