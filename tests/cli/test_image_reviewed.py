"""What a hostile reading of `crossdock image` found: each was once accepted, or came out otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.images import AMD, ONLY_ARM, base_layout
from tests.support.fake_registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.images import Shop

APP = ("--app", "app")
KINDS = ("wheels", "environment", "application")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("/app/pyvenv.cfg", "E-SHIP-COLLISION"),
        ("/app/bin/python", "E-SHIP-COLLISION"),
        # A file in the place of a directory would hide all packages.
        ("/app/lib", "E-SHIP-COLLISION"),
        ("/app/lib/python3.12/site-packages/web", "E-SHIP-COLLISION"),
    ],
)
def test_an_added_file_hides_neither_the_environment_nor_a_directory(
    shop: Shop, place: str, code: str
) -> None:
    (shop.work / "file").write_text("x")
    shop.refuses(*APP, "--add", f"file:{place}", "-o", "out", code=code)
    assert not (shop.work / "out").exists()


def test_an_added_file_may_replace_a_packages_file(shop: Shop) -> None:
    (shop.work / "file").write_text("x")
    shop.image(*APP, "--add", "file:/app/lib/python3.12/site-packages/web/cli.py", "-o", "out")
    tree = shop.layout().tree(AMD)
    assert tree["app/lib/python3.12/site-packages/web/cli.py"][1] == b"x"


@pytest.mark.parametrize("prefix", ["/usr", "/usr/bin"])
def test_a_prefix_around_the_bases_python_is_refused(shop: Shop, prefix: str) -> None:
    """It was replaced by a link to itself."""
    text = shop.refuses(*APP, "--prefix", prefix, "-o", "out", code="E-IMAGE-PREFIX")
    assert "python3.12" in text


def test_a_link_of_the_base_below_the_prefix_is_not_replaced(shop: Shop) -> None:
    base = base_layout({"app": None, "app/lib": "-> ../usr/lib"}).write(shop.work / "linked")
    shop.refuses(*APP, "-o", "out", base=base, code="E-IMAGE-BELOW-LINK")


def test_the_version_of_an_application_is_not_remembered(shop: Shop) -> None:
    """No file of it tells the version, so its layer has the same bytes, but not the same name."""
    found: list[Any] = []
    for version in ("1.0", "1.1"):
        (shop.work / "app" / "pyproject.toml").write_text(
            f'[project]\nname = "shop"\nversion = "{version}"\n[tool.crossdock.image]\nexclude = ["pyproject.toml"]\n'
        )
        (shop.work / "pyproject.toml").write_text('[tool.crossdock.image]\nexclude = ["pyproject.toml"]\n')
        platforms = shop.image(*APP, "-o", "out", target=ONLY_ARM)["image"]["platforms"]
        found += [layer for layer in platforms[0]["layers"] if layer["kind"] == "application"]
    assert [layer["packages"][0]["version"] for layer in found] == ["1.0", "1.1"]
    assert found[0]["digest"] == found[1]["digest"]


def test_the_users_own_code_never_comes_from_the_previous_image(shop: Shop, registry: FakeRegistry) -> None:
    """Whoever may push the tag could claim the key of tomorrow's application for a layer of his own."""
    words = (*APP, "--push", f"{registry.address}/shop:1")
    shop.image(*words)
    receipt = shop.image(*words, environ={"CROSSDOCK_STORE": str(shop.root / "cold")})
    layers = [layer for one in receipt["image"]["platforms"] for layer in one["layers"]]
    origins = {kind: {layer["origin"] for layer in layers if layer["kind"] == kind} for kind in KINDS}
    assert origins["wheels"] == {"previous"}
    assert "previous" not in origins["application"] | origins["environment"]


@pytest.mark.parametrize(
    "words",
    [
        ("--max-layers", "0"),
        ("--sign",),
        ("--update-base",),
        ("--name", "a b"),
        ("--name", ""),
    ],
)
def test_words_that_would_be_passed_over_are_refused(shop: Shop, words: tuple[str, ...]) -> None:
    shop.refuses(*APP, "-o", "out", *words, code="E-IMAGE-OPTION", status=2)


def test_a_previous_image_that_cannot_be_is_told_even_if_nothing_is_asked_of_it(shop: Shop) -> None:
    shop.image(*APP, "-o", "out")
    shop.refuses(*APP, "-o", "out", "--previous", "NOT ONE", code="E-REFERENCE", status=2)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nMII"}',
        "data:\n  key: |\n    -----BEGIN RSA PRIVATE KEY-----\n    MII\n",
    ],
)
def test_private_keys_inside_of_other_files_are_found(shop: Shop, text: str) -> None:
    (shop.work / "app" / "account.json").write_text(text)
    shop.refuses(*APP, "-o", "out", code="E-APP-SECRET")
