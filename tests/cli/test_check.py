"""`crossdock check` end to end: what it finds out, of whom, and what the exit status says."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.sdists import native_sdist, pure_sdist
from tests.cli.world import ARM, MUSL, WINDOWS, World, make_world, native
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RISCV = "cp312-linux-riscv64-glibc2.39"
ANDROID = "android_24_arm64_v8a"


def licensed(world: World, name: str, metadata: str, **options: Any) -> Path:
    """Put a wheel with these lines of metadata into the index."""
    return make_wheel(world.files, name, extra_metadata=metadata, **options)


@pytest.fixture
def shelf(bare: World) -> World:
    """An index with packages whose licences and forms differ."""
    licensed(bare, "mit", "License-Expression: MIT\n")
    licensed(bare, "copyleft", "License-Expression: GPL-3.0-or-later OR Apache-2.0\n")
    licensed(bare, "words", "License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License\n")
    native(bare.files, "lib")
    native_sdist(bare.files, "lib")
    pure_sdist(bare.files, "sourced")
    (bare.work / "requirements.txt").write_text("mit\ncopyleft\nwords\nlib\nsourced\n")
    bare.run(
        "lock", "requirements.txt", "--allow-build", "sourced", "--for", ARM, "--for", WINDOWS, "--for", RISCV
    )
    return bare


def kinds(value: dict[str, Any], *, failing: bool | None = None) -> list[tuple[str, str]]:
    return [
        (one["kind"], one["package"])
        for one in value["findings"]
        if failing is None or one["fails"] is failing
    ]


def licences(value: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["licences"] for one in value["packages"]}


def test_what_is_found_and_that_no_wheel_is_fetched(shelf: World) -> None:
    shelf.index.requests.clear()
    value = shelf.json("check", ".", "--for", ARM, "--for", RISCV)
    assert value["passed"] is True
    assert kinds(value, failing=True) == []
    assert ("native", "lib") in kinds(value)
    assert ("no-wheel", "sourced") in kinds(value)
    # Whether a source distribution compiles is in its content.
    assert not [name for name in shelf.fetched() if name.endswith(".whl")]
    found = licences(value)
    assert [one["expression"] for one in found["mit"]] == ["MIT"]
    assert [one["expression"] for one in found["copyleft"]] == ["GPL-3.0-or-later OR Apache-2.0"]
    assert [one["words"] for one in found["words"]] == [["BSD License"]]
    mit = next(one for one in value["packages"] if one["name"] == "mit")["targets"][ARM]
    assert mit["upload_time"].startswith("2026-01-02")
    assert mit["licence"]["source"] == "the index's metadata"
    lib = next(one for one in value["findings"] if one["kind"] == "native")
    assert lib["targets"] == [RISCV]
    assert lib["text"].endswith("compiled from lib-1.0.tar.gz")


@pytest.mark.parametrize(
    ("words", "status", "failing"),
    [
        ((), 0, []),
        (("--fail-on", "native"), 1, [("native", "lib")]),
        (("--fail-on", "no-wheel"), 1, [("native", "lib"), ("no-wheel", "sourced")]),
        (("--newer-than", "2026-01-01"), 1, [("newer", name) for name in ("copyleft", "lib", "mit", "sourced", "words")]),
        (("--newer-than", "2026-01-02"), 0, []),
        (("--newer-than", "2026-01-01", "--fail-on", "yanked"), 0, []),
        (("--deny-licence", "GPL-*"), 0, []),
        (("--deny-licence", "GPL-*", "--deny-license", "Apache-2.0"), 1, [("licence", "copyleft")]),
        (("--deny-licence", "MIT", "--fail-on", "none"), 0, []),
        (("--no-cross-build",), 1, [("impossible", "lib")]),
    ],
)  # fmt: skip
def test_the_status_follows_the_policy(
    shelf: World, words: tuple[str, ...], status: int, failing: list[tuple[str, str]]
) -> None:
    value = shelf.json("check", ".", "--for", ARM, "--for", RISCV, *words, status=status)
    assert kinds(value, failing=True) == failing
    assert value["passed"] is (status == 0)


def test_only_what_is_allowed(shelf: World) -> None:
    words = ["check", ".", "--for", ARM, "--allow-licence", "MIT", "--allow-licence", "Apache-2.0"]
    value = shelf.json(*words, status=1)
    # What declares nothing is not among the allowed either.
    assert kinds(value, failing=True) == [("licence", "lib"), ("licence", "sourced"), ("licence", "words")]
    (shelf.work / "pyproject.toml").write_text(
        '[tool.crossdock.check]\nallow-licences = ["MIT", "Apache-2.0", "BSD License"]\nfail-on = ["licence"]\n'
        'licences = { Lib = "MIT", sourced = "mit" }\n'
    )
    assert shelf.json("check", "pylock.toml", "--for", ARM)["passed"] is True
    value = shelf.json("check", "pylock.toml", "--for", ARM, "--deny-licence", "MIT", status=1)
    assert kinds(value, failing=True) == [("licence", "lib"), ("licence", "mit"), ("licence", "sourced")]


def test_a_misspelt_licence_is_warned_of(shelf: World) -> None:
    done = shelf.run("check", ".", "--for", ARM, "--deny-licence", "GPL-3.0-onyl")
    assert "`GPL-3.0-onyl` is no SPDX licence" in done.stderr
    assert "no SPDX" not in shelf.run("check", ".", "--for", ARM, "--deny-licence", "GPL-3.0-only").stderr


def test_a_target_that_nothing_is_compiled_for(shelf: World) -> None:
    value = shelf.json("check", ".", "--for", ANDROID, "--python", "3.13", status=1)
    assert kinds(value, failing=True) == [("impossible", "lib")]


def test_a_target_that_the_lock_does_not_serve(shelf: World) -> None:
    lock = shelf.work / "pylock.toml"
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("requires-python")]
    lock.write_text("\n".join([lines[0], 'requires-python = ">=3.12"', *lines[1:]]))
    value = shelf.json("check", ".", "--for", ARM, "--for", "cp311-windows-amd64", status=1)
    assert [one["targets"] for one in value["findings"] if one["fails"]] == [["cp311-windows-amd64"]]
    assert "refused" in shelf.run("check", ".", "--for", ARM, "--for", "cp311-windows-amd64", status=1).stdout


@pytest.fixture
def yanking(tmp_path: Path) -> Iterator[World]:
    """An index that takes a file back after it was locked."""
    world = make_world(tmp_path)
    make_wheel(world.files, "pure", extra_metadata="License-Expression: MIT\n")
    with world.index:
        world.run("lock", "pure", "--for", ARM)
        world.index.yanked = {"pure-1.0-py3-none-any.whl": "deletes files"}
        yield world


def test_a_yanked_file(yanking: World) -> None:
    value = yanking.json("check", ".", "--for", ARM)
    assert [(one["kind"], one["text"], one["fails"]) for one in value["findings"]] == [
        ("yanked", "deletes files", False)
    ]
    assert (
        yanking.run("check", ".", "--for", ARM, "--fail-on", "yanked", status=1).stdout.count("deletes files")
        == 1
    )


def test_other_bytes_under_the_name_on_the_index(yanking: World) -> None:
    make_wheel(
        yanking.files, "pure", files={"pure.py": "other"}, extra_metadata="License-Expression: GPL-2.0-only\n"
    )
    value = yanking.json("check", ".", "--for", ARM)
    texts = [one["text"] for one in value["findings"]]
    assert "whether it was yanked is not known: its index lists other bytes under the file's name" in texts
    # What lies beside those bytes speaks of them, and not of what is locked.
    assert licences(value)["pure"][0]["unknown"]


def test_offline_nothing_is_asked_and_nothing_is_made_up(shelf: World) -> None:
    shelf.index.requests.clear()
    value = shelf.json("check", ".", "--for", ARM, "--offline", "--newer-than", "2026-01-01", status=1)
    assert shelf.index.requests == []
    assert licences(value)["mit"] == [{"unknown": "not fetched (offline)"}]
    said = {one["text"] for one in value["findings"] if one["kind"] == "unknown"}
    assert "licence not known: not fetched (offline)" in said
    assert "whether it was yanked is not known: the index was not asked (offline)" in said
    # The lock itself says when its files were uploaded.
    assert ("newer", "mit") in kinds(value)
    value = shelf.json("check", ".", "--for", ARM, "--offline", "--fail-on", "unknown", status=1)
    assert ("unknown", "mit") in kinds(value, failing=True)


def test_what_was_read_once_is_remembered(shelf: World) -> None:
    first = shelf.json("check", ".", "--for", ARM)
    shelf.index.requests.clear()
    assert licences(shelf.json("check", ".", "--for", ARM)) == licences(first)
    assert not [path for path in shelf.index.paths() if path.endswith(".metadata")]
    assert licences(shelf.json("check", ".", "--for", ARM, "--offline"))["mit"] == licences(first)["mit"]


#: Larger than the part of a wheel that is asked for first, and not to be packed.
NOISE = random.Random(7).randbytes(200_000)


def test_an_index_without_metadata_files_is_asked_for_a_part_of_the_wheel(tmp_path: Path) -> None:
    world = make_world(tmp_path, metadata=False)
    make_wheel(world.files, "pure", files={"pure.bin": NOISE}, extra_metadata="License-Expression: MIT\n")
    with world.index:
        world.run("lock", "pure", "--for", ARM)
        value = world.json("check", ".", "--for", ARM)
    assert licences(value)["pure"] == [{"expression": "MIT", "source": "a part of the wheel on its index"}]
    assert value["findings"] == []


def test_an_index_without_metadata_files_and_without_ranges(tmp_path: Path) -> None:
    world = make_world(tmp_path, metadata=False, ranges=False)
    make_wheel(world.files, "pure", files={"pure.bin": NOISE}, extra_metadata="License-Expression: MIT\n")
    with world.index:
        world.run("lock", "pure", "--for", ARM)
        value = world.json("check", ".", "--for", ARM)
        unknown = licences(value)["pure"][0]["unknown"]
        assert unknown == "not fetched, and the index has no metadata beside the wheel"
        assert kinds(value) == [("unknown", "pure")]
        fetched = world.json("check", ".", "--for", ARM, "--fetch")
        assert licences(fetched)["pure"][0]["expression"] == "MIT"
        assert fetched["findings"] == []
        # From the store, when nobody may be asked.
        value = world.json("check", ".", "--for", ARM, "--offline")
        assert licences(value)["pure"][0]["expression"] == "MIT"


def test_a_private_index_and_its_login(tmp_path: Path) -> None:
    secret = "canary-" + "7f3a" * 4
    world = make_world(tmp_path, login=("user", secret))
    make_wheel(world.files, "pure", extra_metadata="License-Expression: MIT\n")
    with world.index:
        world.run("lock", "pure", "--for", ARM)
        words = ("check", ".", "--for", ARM, "--html", "page.html", "--markdown", "report.md", "--json")
        done = world.run(*words)
        assert licences(json.loads(done.stdout))["pure"][0]["expression"] == "MIT"
        shutil.rmtree(world.store)
        wrong = world.index.url.replace("://", f"://user:{secret}-wrong@")
        refused = world.run(*words, environ={"UV_DEFAULT_INDEX": wrong})
        value = json.loads(refused.stdout)
        assert ("unknown", "pure") in kinds(value)
        assert licences(value)["pure"][0]["unknown"]
    said = done.stdout + done.stderr + refused.stdout + refused.stderr
    said += (world.work / "page.html").read_text() + (world.work / "report.md").read_text()
    assert secret not in said


def test_a_source_tree_and_what_it_states(bare: World) -> None:
    tree = bare.work / "mine"
    tree.mkdir()
    (tree / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1.0"\nlicense = "mit"\n')
    (bare.work / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "tests"\n[[packages]]\nname = "mine"\ndirectory = { path = "mine" }\n'
    )
    value = bare.json("check", "pylock.toml", "--for", ARM, "--newer-than", "2026-01-01")
    assert licences(value)["mine"][0]["expression"] == "MIT"
    # It lies on no index: there is nothing to be yanked and no day of an upload.
    assert [one["kind"] for one in value["findings"]] == ["native"]


def test_the_forms(shelf: World) -> None:
    words = ("check", ".", "--for", ARM, "--for", RISCV, "--fail-on", "native")
    table = shelf.run(*words, status=1).stdout
    assert "lib 1.0       wheel" in table
    assert table.endswith("failed (1 native), 1 finding that does not fail it\n")
    shelf.run(*words, "--html", "out/page.html", "--markdown", "out/report.md", "-q", status=1)
    markdown = (shelf.work / "out/report.md").read_text()
    assert shelf.run(*words, "--markdown", "-", status=1).stdout == markdown
    page = (shelf.work / "out/page.html").read_bytes()
    shelf.run(*words, "--html", "again.html", "-q", status=1)
    assert (shelf.work / "again.html").read_bytes() == page
    assert str(shelf.root).encode() not in page
    assert str(shelf.root) not in markdown
    # A script is told where two documents would be one.
    shelf.refused(*words, "--markdown", "-", "--json", code="E-USAGE-OUTPUT", status=2)


def test_wrong_words_are_refused_before_any_work(shelf: World) -> None:
    shelf.index.requests.clear()
    shelf.refused("check", ".", "--for", ARM, "--newer-than", "soon", code="E-USAGE-DATE", status=2)
    for text, code in (
        ('newer-than = "soon"', "E-USAGE-DATE"),
        ('fail-on = ["everything"]', "E-SETTINGS-TYPE"),
        ('licences = { lib = "Whatever" }', "E-SETTINGS-TYPE"),
        ('deny-licence = ["MIT"]', "E-SETTINGS-UNKNOWN"),
    ):
        (shelf.work / "pyproject.toml").write_text(f"[tool.crossdock.check]\n{text}\n")
        shelf.refused("check", "pylock.toml", "--for", ARM, code=code, status=2)
    assert shelf.index.requests == []


def test_a_source_distribution_that_nobody_read_has_the_licence_of_its_releases_wheel(bare: World) -> None:
    for platform in ("manylinux2014_aarch64", "win_amd64"):
        make_wheel(
            bare.files, "lib", tag=f"cp312-cp312-{platform}", extra_metadata="License-Expression: MIT\n"
        )
    native_sdist(bare.files, "lib")
    bare.run("lock", "lib", "--for", ARM, "--for", RISCV)
    package = bare.json("check", ".", "--for", ARM, "--for", RISCV)["packages"][0]
    assert package["targets"][RISCV]["licence"]["expression"] == "MIT"
    assert package["targets"][RISCV]["licence"]["source"].endswith("of a wheel of the same release")
    # Alone there is no wheel to tell it.
    package = bare.json("check", ".", "--for", RISCV)["packages"][0]
    assert "not fetched" in package["targets"][RISCV]["licence"]["unknown"]
    package = bare.json("check", ".", "--for", ARM, "--for", RISCV, "--fetch")["packages"][0]
    assert package["targets"][RISCV]["licence"] == {"source": "the source distribution's PKG-INFO"}


def test_several_targets_of_one_package_are_one_line(shelf: World) -> None:
    value = shelf.json("check", ".", "--for", ARM, "--for", MUSL, "--for", WINDOWS)
    found = [one for one in value["findings"] if one["package"] == "sourced" and one["kind"] == "no-wheel"]
    assert [len(one["targets"]) for one in found] == [3]
