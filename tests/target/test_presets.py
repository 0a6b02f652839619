"""Places by the name that people know."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from crossdock.target.model import Arch, Libc, LibcKind, Python
from crossdock.target.names import canonical_name, known_names, parse_python, parse_target
from crossdock.target.presets import presets

# (name, canonical name): facts/lambda.md's runtimes and the releases of the distributions.
PLACES = [
    ("lambda-python3.9-x86_64", "cp39-linux-x86_64-glibc2.26"),
    ("lambda-python3.9-arm64", "cp39-linux-aarch64-glibc2.26"),
    ("lambda-python3.10-x86_64", "cp310-linux-x86_64-glibc2.26"),
    ("lambda-python3.10-arm64", "cp310-linux-aarch64-glibc2.26"),
    ("lambda-python3.11-x86_64", "cp311-linux-x86_64-glibc2.26"),
    ("lambda-python3.11-arm64", "cp311-linux-aarch64-glibc2.26"),
    ("lambda-python3.12-x86_64", "cp312-linux-x86_64-glibc2.34"),
    ("lambda-python3.12-arm64", "cp312-linux-aarch64-glibc2.34"),
    ("lambda-python3.13-x86_64", "cp313-linux-x86_64-glibc2.34"),
    ("lambda-python3.13-arm64", "cp313-linux-aarch64-glibc2.34"),
    ("lambda-python3.14-x86_64", "cp314-linux-x86_64-glibc2.34"),
    ("lambda-python3.14-arm64", "cp314-linux-aarch64-glibc2.34"),
    ("lambda-python3.12-aarch64", "cp312-linux-aarch64-glibc2.34"),
    ("lambda-python3.12-amd64", "cp312-linux-x86_64-glibc2.34"),
    ("lambda-python3.12", "cp312-linux-x86_64-glibc2.34"),
    ("agentcore-python3.13", "cp313-linux-aarch64-glibc2.34"),
    ("gcf-python3.9", "cp39-linux-x86_64-glibc2.27"),
    ("gcf-python3.12", "cp312-linux-x86_64-glibc2.35"),
    ("gcf-python3.14-amd64", "cp314-linux-x86_64-glibc2.39"),
    ("azure-functions-python3.11", "cp311-linux-x86_64-glibc2.31"),
    ("azure-functions-python3.12", "cp312-linux-x86_64-glibc2.36"),
    ("debian-bullseye-arm64", "cp39-linux-aarch64-glibc2.31"),
    ("debian-bookworm-arm64", "cp311-linux-aarch64-glibc2.36"),
    ("debian-12-armhf", "cp311-linux-armv7l-glibc2.36"),
    ("debian-trixie-riscv64", "cp313-linux-riscv64-glibc2.41"),
    ("ubuntu-22.04-amd64", "cp310-linux-x86_64-glibc2.35"),
    ("ubuntu-24.04-arm64", "cp312-linux-aarch64-glibc2.39"),
    ("ubuntu-noble-ppc64el", "cp312-linux-ppc64le-glibc2.39"),
]


@pytest.mark.parametrize(("name", "canonical"), PLACES, ids=[name for name, _ in PLACES])
def test_a_place(name: str, canonical: str) -> None:
    target = parse_target(name)
    assert canonical_name(target) == canonical
    assert target.name == name
    # A preset says what its platform pins; patch versions move.
    assert target.python.patch is None


@pytest.mark.parametrize(
    ("name", "libc"),
    [
        ("ubuntu-20.04-amd64", Libc(LibcKind.GLIBC, 2, 31)),
        ("amazonlinux-2-arm64", Libc(LibcKind.GLIBC, 2, 26)),
        ("amazonlinux-2023-arm64", Libc(LibcKind.GLIBC, 2, 34)),
        ("alpine-arm64", Libc(LibcKind.MUSL, 1, 2)),
    ],
)
def test_a_place_that_has_no_python_of_ours(name: str, libc: Libc) -> None:
    assert parse_target(name, default_python=Python(minor=12)).libc == libc


def test_a_runtime_keeps_its_python_and_takes_the_patch_version() -> None:
    other = parse_target("lambda-python3.12-arm64", default_python=parse_python("3.11"))
    assert other.python == Python(minor=12)
    same = parse_target("lambda-python3.12-arm64", default_python=parse_python("3.12.7"))
    assert same.python == Python(minor=12, patch=7)


def test_a_release_takes_another_python() -> None:
    assert parse_target("debian-bookworm-arm64", default_python=Python(minor=13)).python == Python(minor=13)


def test_an_architecture_that_is_not_said_is_told() -> None:
    assert parse_target("lambda-python3.12").assumed
    assert not parse_target("lambda-python3.12-x86_64").assumed


def test_every_place_has_a_source_and_a_date() -> None:
    text = files("crossdock.target").joinpath("presets.toml").read_text("utf-8")
    table = tomllib.loads(text)
    assert set(table) == {"preset"}
    for block in text.split("[[preset]]")[:-1]:
        comments = [line for line in block.splitlines() if line.startswith("#")]
        if comments:
            assert "Read 20" in " ".join(comments)
    for entry in table["preset"]:
        assert set(entry) <= {
            "name",
            "meaning",
            "python",
            "pythons",
            "arches",
            "arch_words",
            "glibc",
            "musl",
            "aliases",
            "base_libraries",
        }
        assert ("glibc" in entry) is not ("musl" in entry)
        assert all(Arch(arch) for arch in entry["arches"])


def test_every_preset_is_listed() -> None:
    listed = dict(known_names())
    for preset in presets():
        for arch in preset.arches:
            assert f"{preset.name}-{preset.arch_word(arch)}" in listed
