"""What AWS answers to an upload of our zips, by moto: the hash and the size that were printed; the guide's snippets."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]
from tests.cli.world import native
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.world import World

TARGET = "lambda-python3.12-arm64"
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "lambda.md"
HANDLER = "import lib\n\ndef main(event, context):\n    return lib.VERSION\n"


@pytest.fixture
def project(bare: World) -> World:
    """A directory of modules with a lock, in a world of its own."""
    native(bare.files, "lib")
    make_wheel(bare.files, "pure", files={"pure/__init__.py": "X = 1\n" * 500})
    bare.run("lock", "lib", "pure", "--for", TARGET, "--for", "lambda-python3.12-x86_64", "-o", "pylock.toml")
    (bare.work / "code").mkdir()
    (bare.work / "code" / "handler.py").write_text(HANDLER)
    return bare


def made(world: World, name: str, *words: str) -> tuple[bytes, dict[str, Any]]:
    """Make a zip; return its bytes and what the receipt says of it."""
    receipt = world.json("lambda", "pylock.toml", "--app", "code", "--for", TARGET, "-o", name, *words)
    (bundle,) = receipt["bundles"]
    (one,) = bundle["zips"]
    return (world.work / name).read_bytes(), one


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Clients of AWS's services, answered by moto inside this process: nothing is connected to."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    import boto3  # type: ignore[import-untyped]
    from moto import mock_aws

    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield lambda service: boto3.client(
            service, region_name="eu-west-1", aws_access_key_id="key", aws_secret_access_key="secret"
        )


@pytest.fixture
def role(aws: Callable[[str], Any]) -> str:
    made = aws("iam").create_role(RoleName="orders", AssumeRolePolicyDocument="{}")
    return str(made["Role"]["Arn"])


def create(client: Any, role: str, content: bytes, **more: Any) -> Any:
    return client.create_function(
        FunctionName="orders",
        Role=role,
        Runtime="python3.12",
        Architectures=["arm64"],
        Handler="handler.main",
        Code={"ZipFile": content},
        **more,
    )


def test_a_function_is_answered_with_the_printed_hash_and_size(
    project: World, aws: Callable[[str], Any], role: str
) -> None:
    content, told = made(project, "function.zip")
    answers = [
        create(aws("lambda"), role, content),
        aws("lambda").publish_version(FunctionName="orders"),
        aws("lambda").get_function(FunctionName="orders")["Configuration"],
    ]
    for answer in answers:
        assert (answer["CodeSha256"], answer["CodeSize"]) == (told["source_code_hash"], told["size"])
    done = project.run("lambda", "pylock.toml", "--app", "code", "--for", TARGET, "-o", "function.zip")
    assert done.stdout.split()[-1] == answers[0]["CodeSha256"]


@pytest.mark.parametrize("layout", ["plain", "versioned"])
def test_a_layer_is_answered_with_the_printed_hash_and_size(
    project: World, aws: Callable[[str], Any], layout: str
) -> None:
    receipt = project.json(
        "lambda", "pylock.toml", "--for", TARGET, "--layer", "--layer-layout", layout, "-o", "layer.zip"
    )
    (told,) = receipt["bundles"][0]["zips"]
    answer = aws("lambda").publish_layer_version(
        LayerName="packages",
        Content={"ZipFile": (project.work / "layer.zip").read_bytes()},
        CompatibleRuntimes=["python3.12"],
        CompatibleArchitectures=["arm64"],
    )
    assert answer["Content"]["CodeSha256"] == told["source_code_hash"]
    assert answer["Content"]["CodeSize"] == told["size"]


def test_a_split_function_is_uploaded_with_its_layer(
    project: World, aws: Callable[[str], Any], role: str
) -> None:
    words = ("--app", "code", "--for", TARGET, "--split", "-o", "function.zip")
    zips = project.json("lambda", "pylock.toml", *words)["bundles"][0]["zips"]
    hashes = {one["file"]: one["source_code_hash"] for one in zips}
    client = aws("lambda")
    layer = client.publish_layer_version(
        LayerName="packages", Content={"ZipFile": (project.work / "function-layer.zip").read_bytes()}
    )
    content = (project.work / "function.zip").read_bytes()
    function = create(client, role, content, Layers=[layer["LayerVersionArn"]])
    assert layer["Content"]["CodeSha256"] == hashes["function-layer.zip"]
    assert function["CodeSha256"] == hashes["function.zip"]
    (project.work / "code" / "handler.py").write_text(HANDLER + "# edited\n")
    again = project.json("lambda", "pylock.toml", *words)["bundles"][0]["zips"]
    changed = {one["file"]: one["source_code_hash"] for one in again}
    assert changed["function-layer.zip"] == hashes["function-layer.zip"], "the lock is the same"
    assert changed["function.zip"] != hashes["function.zip"]


def test_the_same_inputs_update_nothing_and_an_edit_does(
    project: World, aws: Callable[[str], Any], role: str
) -> None:
    client = aws("lambda")
    before = create(client, role, made(project, "function.zip")[0])
    (project.work / "function.zip").unlink()
    (project.work / "code" / "handler.py").write_text(HANDLER)  # a new date, the same text

    def update() -> Any:
        content, told = made(project, "function.zip")
        answer = client.update_function_code(FunctionName="orders", ZipFile=content)
        assert (answer["CodeSha256"], answer["CodeSize"]) == (told["source_code_hash"], told["size"])
        return answer

    assert update()["CodeSha256"] == before["CodeSha256"]
    (project.work / "code" / "handler.py").write_text(HANDLER.replace("VERSION", "__name__"))
    assert update()["CodeSha256"] != before["CodeSha256"]


def filebase64sha256(path: Path) -> str:
    """Return what Terraform's function of that name does, by OpenSSL: the base64 of the SHA-256 of the bytes."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    digest = subprocess.run([openssl, "dgst", "-sha256", "-binary", path], capture_output=True, check=True)
    encoded = subprocess.run([openssl, "base64", "-A"], input=digest.stdout, capture_output=True, check=True)
    return encoded.stdout.decode()


def test_the_hash_is_what_openssl_computes(project: World) -> None:
    _content, told = made(project, "function.zip")
    assert told["source_code_hash"] == filebase64sha256(project.work / "function.zip")


# The guide's snippets


def snippets(language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", GUIDE.read_text("utf-8"))


class _Tags(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with the short forms of CloudFormation's functions."""


_Tags.add_multi_constructor("!", lambda loader, tag, node: {tag: loader.construct_scalar(node)})


@pytest.fixture
def split(bare: World) -> World:
    """What the guide's snippets are about: `function.zip` and `function-layer.zip` by the guide's own command."""
    command = "crossdock lambda . --for lambda-python3.13-arm64 --split -o function.zip"
    assert command in GUIDE.read_text("utf-8").splitlines()
    make_wheel(bare.files, "pure", files={"pure/__init__.py": "X = 1\n"})
    (bare.work / "handler.py").write_text("def main(event, context):\n    return 1\n")
    (bare.work / "pyproject.toml").write_text(
        '[project]\nname = "orders"\nversion = "1"\ndependencies = ["pure"]\n'
    )
    bare.run(*command.split()[1:])
    return bare


def test_terraform_finds_the_zips_and_their_hashes(split: World) -> None:
    (text,) = snippets("hcl")
    receipt = split.json("lambda", ".", "--for", "lambda-python3.13-arm64", "--split", "-o", "function.zip")
    told = {one["file"]: one["source_code_hash"] for one in receipt["bundles"][0]["zips"]}
    named = re.findall(r'(?m)^ *filename *= "\$\{path\.module\}/(.*)"$', text)
    hashed = re.findall(
        r'source_code_hash *= filebase64sha256\("\$\{path\.module\}/(.*)"\)$', text, re.MULTILINE
    )
    assert sorted(named) == sorted(hashed) == sorted(told)
    assert {name: filebase64sha256(split.work / name) for name in hashed} == told
    assert {*re.findall(r'"(python3\.\d+)"', text)} == {"python3.13"}
    assert {*re.findall(r'architectures *= \["(.*)"\]', text)} == {"arm64"}


def test_the_yaml_of_sam_and_serverless_names_the_zips(split: World) -> None:
    sam, serverless = (yaml.load(text, Loader=_Tags) for text in snippets("yaml"))
    function, layer = (sam["Resources"][name] for name in ("Orders", "Packages"))
    assert (function["Type"], layer["Type"]) == (
        "AWS::Serverless::Function",
        "AWS::Serverless::LayerVersion",
    )
    assert function["Properties"]["Layers"] == [{"Ref": "Packages"}]
    own = serverless["functions"]["orders"]
    assert own["layers"] == [{"Ref": "PackagesLambdaLayer"}], "the layer's key in TitleCase + LambdaLayer"
    functions = [
        (
            function["Properties"]["CodeUri"],
            function["Properties"]["Runtime"],
            function["Properties"]["Architectures"],
        ),
        (
            own["package"]["artifact"],
            serverless["provider"]["runtime"],
            [serverless["provider"]["architecture"]],
        ),
    ]
    packages = serverless["layers"]["packages"]
    layers = [
        (
            layer["Properties"]["ContentUri"],
            layer["Properties"]["CompatibleRuntimes"],
            layer["Properties"]["CompatibleArchitectures"],
        ),
        (
            packages["package"]["artifact"],
            packages["compatibleRuntimes"],
            packages["compatibleArchitectures"],
        ),
    ]
    assert functions == [("function.zip", "python3.13", ["arm64"])] * 2
    assert layers == [("function-layer.zip", ["python3.13"], ["arm64"])] * 2
    assert (split.work / "function.zip").is_file()
    assert (split.work / "function-layer.zip").is_file()


def test_the_python_of_cdk_is_well_formed_and_names_the_zips(split: World) -> None:
    (text,) = snippets("python")
    words = {
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    zips = {word for word in words if word.endswith(".zip")}
    assert zips == {"function.zip", "function-layer.zip"}
    assert all((split.work / name).is_file() for name in zips)
    assert {*re.findall(r"PYTHON_\d_\d+", text)} == {"PYTHON_3_13"}
