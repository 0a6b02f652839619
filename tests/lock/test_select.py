from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.lock.locks import file, linux, lock, macos, package, windows

from crossdock.digest import Digest
from crossdock.errors import LockError
from crossdock.lock.formats import FormatPolicy
from crossdock.lock.model import Lock, LockedDirectory, LockedFile, LockedPackage
from crossdock.lock.select import Kind, select
from crossdock.target.model import Arch, Python

if TYPE_CHECKING:
    from crossdock.lock.select import Choice

LINUX = "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64"


def chosen(entry: dict[str, Any], target: Any = None, **options: Any) -> Choice:
    [choice] = select(lock(entry), target or linux(), **options).choices
    return choice


@pytest.mark.parametrize(
    ("tags", "best"),
    [
        (["py3-none-any", LINUX], LINUX),
        (
            ["cp312-cp312-manylinux_2_17_aarch64", "cp312-cp312-manylinux_2_28_aarch64"],
            "cp312-cp312-manylinux_2_28_aarch64",
        ),
        (["cp312-cp312-manylinux_2_39_aarch64", LINUX], LINUX),
        (
            ["cp38-abi3-manylinux_2_17_aarch64", "py3-none-manylinux_2_17_aarch64"],
            "cp38-abi3-manylinux_2_17_aarch64",
        ),
        (["py2-none-any", "py2.py3-none-any"], "py2.py3-none-any"),
        (["cp312-cp312-linux_aarch64", "py3-none-any"], "py3-none-any"),
    ],
)
def test_best_tag_wins(tags: list[str], best: str) -> None:
    choice = chosen(package("demo", "1.0", *tags))
    assert choice.kind is Kind.WHEEL
    assert choice.file is not None
    assert choice.file.filename == f"demo-1.0-{best}.whl"
    assert choice.tag is not None
    assert set(choice.tag.split("-")[2].split(".")) <= set(best.split("-")[2].split("."))


def test_higher_build_number_wins_among_equal_tags() -> None:
    choice = chosen(package("demo", "1.0", "2-py3-none-any", "10-py3-none-any", "py3-none-any"))
    assert choice.file is not None
    assert choice.file.filename == "demo-1.0-10-py3-none-any.whl"


def test_passed_over_wheels_have_reasons() -> None:
    tags = ["cp312-cp312-manylinux_2_39_aarch64", LINUX, "py3-none-any", "cp312-cp312-win_amd64-cu126"]
    reasons = {item.filename: item.reason for item in chosen(package("demo", "1.0", *tags)).rejected}
    assert (
        reasons["demo-1.0-cp312-cp312-manylinux_2_39_aarch64.whl"] == "needs glibc 2.39, the target has 2.28"
    )
    assert reasons["demo-1.0-py3-none-any.whl"].endswith("is preferred")
    assert "variant" in reasons["demo-1.0-cp312-cp312-win_amd64-cu126.whl"]
    assert len(reasons) == 3


def test_bare_linux_tag_counts_only_by_name() -> None:
    entry = package("demo", "1.0", "cp312-cp312-linux_aarch64")
    assert chosen(entry).kind is Kind.NONE
    allowed = chosen(entry, formats=FormatPolicy.parse(linux_tags=["demo"]))
    assert (allowed.kind, allowed.tag) == (Kind.WHEEL, "cp312-cp312-linux_aarch64")
    honest = package("demo", "1.0", "cp312-cp312-linux_aarch64", LINUX)
    preferred = chosen(honest, formats=FormatPolicy.parse(linux_tags=[":all:"]))
    assert preferred.tag != "cp312-cp312-linux_aarch64"
    other_cpu = package("demo", "1.0", "cp312-cp312-linux_x86_64", "cp311-cp311-linux_aarch64")
    assert chosen(other_cpu, formats=FormatPolicy.parse(linux_tags=["demo"])).kind is Kind.NONE


def test_sdist_stands_in_and_says_why() -> None:
    choice = chosen(package("demo", "1.0", "cp312-cp312-win_amd64", sdist=True))
    assert (choice.kind, choice.reason) == (Kind.SDIST, "its wheel does not fit (for Windows)")
    many = chosen(
        package("demo", "1.0", "cp312-cp312-win_amd64", "cp312-cp312-manylinux_2_39_aarch64", sdist=True)
    )
    assert "nearest: demo-1.0-cp312-cp312-manylinux_2_39_aarch64.whl: needs glibc 2.39" in many.reason


@pytest.mark.parametrize(
    ("only", "no", "kind", "reason"),
    [
        ([":all:"], [], Kind.WHEEL, "best tag"),
        ([], ["demo"], Kind.SDIST, "wheels are refused by --no-binary"),
        ([":all:"], ["demo"], Kind.SDIST, "wheels are refused by --no-binary"),
    ],
)
def test_formats_decide(only: list[str], no: list[str], kind: Kind, reason: str) -> None:
    entry = package("demo", "1.0", LINUX, sdist=True)
    choice = chosen(entry, formats=FormatPolicy.parse(only_binary=only, no_binary=no))
    assert (choice.kind, choice.reason.startswith(reason)) == (kind, True)


def test_nothing_left_is_refused_with_every_package() -> None:
    policy = FormatPolicy.parse(only_binary=[":all:"])
    entries = [
        package("one", "1.0", "cp312-cp312-win_amd64", sdist=True),
        package("two", "2.0", "py2-none-any"),
    ]
    selection = select(lock(*entries), linux(), formats=policy)
    assert [choice.kind for choice in selection.impossible] == [Kind.NONE, Kind.NONE]
    with pytest.raises(LockError) as raised:
        selection.require()
    assert raised.value.code == "E-LOCK-NOFILE"
    assert "for Windows" in raised.value.places[0]
    assert "--only-binary" in raised.value.places[0]
    assert "no source distribution is locked" in raised.value.places[1]


def test_repository_is_refused_with_a_way_out() -> None:
    vcs = {"type": "git", "url": "https://user:secret@host.test/c.git", "commit-id": "f" * 40}
    selection = select(lock({"name": "c", "vcs": vcs}), linux())
    with pytest.raises(LockError) as raised:
        selection.require()
    assert raised.value.code == "E-LOCK-VCS"
    assert "secret" not in str(raised.value)
    assert "archive" in str(raised.value.hint)


@pytest.mark.parametrize(("target", "kind"), [(windows(), Kind.ARCHIVE), (linux(), Kind.NONE)])
def test_wheel_given_by_path_must_fit_too(target: Any, kind: Kind) -> None:
    archive = {"path": "dist/d-1.0-cp312-cp312-win_amd64.whl", "hashes": {"sha256": "1" * 64}}
    assert chosen({"name": "d", "archive": archive}, target).kind is kind


def test_other_sources_are_passed_through() -> None:
    archive = {"url": "https://host.test/a.zip", "hashes": {"sha256": "0" * 64}}
    assert chosen({"name": "a", "archive": archive}).kind is Kind.ARCHIVE
    assert chosen({"name": "b", "directory": {"path": "b"}}).kind is Kind.DIRECTORY


def test_markers_are_the_targets() -> None:
    entries = [
        package("colorama", "1.0", "py3-none-any", marker="sys_platform == 'win32'"),
        package("uvloop", "1.0", "py3-none-any", marker="sys_platform != 'win32'"),
    ]
    names = [
        [choice.name for choice in select(lock(*entries), target).choices]
        for target in (linux(), macos(), windows())
    ]
    assert names == [["uvloop"], ["uvloop"], ["colorama"]]
    assert [p.name for p in select(lock(*entries), linux()).unneeded] == ["colorama"]


def test_extras_and_groups_open_packages() -> None:
    made = lock(
        package("base", "1.0", "py3-none-any"),
        package("web", "1.0", "py3-none-any", marker="'web-ui' in extras"),
        package("tests", "1.0", "py3-none-any", marker="'test' in dependency_groups"),
        package("always", "1.0", "py3-none-any", marker="'run' in dependency_groups"),
        **{
            "extras": ["web-ui"],
            "dependency-groups": ["test", "run"],
            "default-groups": ["run"],
        },
    )

    def names(**options: Any) -> list[str]:
        return [choice.name for choice in select(made, linux(), **options).choices]

    assert names() == ["always", "base"]
    assert names(extras=["Web_UI"]) == ["always", "base", "web"]
    assert names(groups=["test"]) == ["base", "tests"]
    for options, code in (({"extras": ["nope"]}, "E-LOCK-EXTRA"), ({"groups": ["nope"]}, "E-LOCK-GROUP")):
        with pytest.raises(LockError) as raised:
            names(**options)
        assert raised.value.code == code


LOCK_LEVEL = [
    ({"requires-python": ">=3.13"}, "E-LOCK-PYTHON"),
    ({"requires-python": ">=3.12.4"}, "E-LOCK-OPEN"),
    ({"environments": ["sys_platform == 'win32'"]}, "E-LOCK-ENVIRONMENT"),
    ({"environments": ["python_full_version >= '3.12.4'"]}, "E-LOCK-OPEN"),
]


@pytest.mark.parametrize(("more", "code"), LOCK_LEVEL)
def test_lock_that_is_not_for_the_target_is_refused(more: dict[str, Any], code: str) -> None:
    with pytest.raises(LockError) as raised:
        select(lock(package("demo", "1.0", "py3-none-any"), **more), linux())
    assert raised.value.code == code
    assert raised.value.hint is not None


def test_one_environment_that_holds_is_enough() -> None:
    made = lock(environments=["sys_platform == 'win32'", "sys_platform == 'linux'"])
    assert select(made, linux()).choices == ()


def test_two_entries_of_one_package_are_ambiguous() -> None:
    entries = [package("demo", "1.0", "py3-none-any"), package("demo", "2.0", "py3-none-any")]
    with pytest.raises(LockError) as raised:
        select(lock(*entries), linux())
    assert raised.value.code == "E-LOCK-AMBIGUOUS"
    assert len(raised.value.places) == 2


def test_open_marker_that_matters_asks_for_what_settles_it() -> None:
    entry = package("pluggy", "1.0", "py3-none-any", marker="python_full_version < '3.12.4'")
    with pytest.raises(LockError) as raised:
        select(lock(entry), linux())
    error = raised.value
    assert error.code == "E-LOCK-OPEN"
    assert "pluggy 1.0" in error.places[0]
    assert "python_full_version" in error.message
    assert "--python 3.12.4" in str(error.hint)
    exact = linux(python=Python(minor=12, patch=7))
    assert select(lock(entry), exact).choices == ()


def test_open_kernel_release_asks_for_a_target_file() -> None:
    entry = package("jetson", "1.0", "py3-none-any", marker="'tegra' in platform_release")
    with pytest.raises(LockError) as raised:
        select(lock(entry), linux())
    assert "platform_release" in str(raised.value.hint)
    declared = linux(marker_overrides=(("platform_release", "5.15.148-tegra"),))
    assert [choice.name for choice in select(lock(entry), declared).choices] == ["jetson"]


def test_open_marker_that_changes_nothing_is_no_question() -> None:
    def split(second: str) -> Any:
        entries = [
            package("demo", "1.0", "py3-none-any", marker="python_full_version < '3.12.4'"),
            package("demo", second, "py3-none-any", marker="python_full_version >= '3.12.4'"),
        ]
        if second == "1.0":
            entries[1]["sdist"] = file("demo-1.0.tar.gz")
        return lock(*entries)

    assert [choice.name for choice in select(split("1.0"), linux()).choices] == ["demo"]
    with pytest.raises(LockError) as raised:
        select(split("2.0"), linux())
    assert raised.value.code == "E-LOCK-OPEN"


def test_python_of_one_entry_makes_that_entry_impossible() -> None:
    entry = package("demo", "1.0", "py3-none-any") | {"requires-python": ">=3.13"}
    choice = chosen(entry)
    assert (choice.kind, choice.reason) == (Kind.NONE, "needs Python >=3.13")
    entry["requires-python"] = ">=3.12.3"
    with pytest.raises(LockError) as raised:
        chosen(entry)
    assert raised.value.code == "E-LOCK-OPEN"


def test_five_hundred_packages_for_twelve_targets_are_all_chosen() -> None:
    pythons = ["cp310", "cp311", "cp312", "cp313"]
    platforms = [
        "manylinux_2_17_aarch64.manylinux2014_aarch64",
        "manylinux_2_28_x86_64",
        "musllinux_1_2_aarch64",
    ]
    platforms += [
        "musllinux_1_2_x86_64",
        "macosx_11_0_arm64",
        "macosx_10_13_x86_64",
        "win_amd64",
        "win_arm64",
    ]
    platforms += ["win32", "manylinux_2_31_riscv64"]
    tags = [f"{python}-{python}-{platform}" for python in pythons for platform in platforms]
    marker = "python_full_version >= '3.10' and sys_platform != 'emscripten'"
    made = lock(*(package(f"p{i}", "1.0", *tags, sdist=True, marker=marker) for i in range(500)))
    targets = [linux(glibc=(2, floor)) for floor in (17, 26, 28, 34, 39)]
    targets += [
        linux(Arch.X86_64),
        linux(musl=(1, 2)),
        linux(Arch.RISCV64, glibc=(2, 36)),
        linux(Arch.PPC64LE),
    ]
    targets += [macos(), windows(), windows(Arch.AARCH64)]
    selections = [select(made, target) for target in targets]
    assert all(len(selection.choices) == 500 for selection in selections)


def test_only_binary_builds_no_source_tree_and_no_archive() -> None:
    tree = LockedPackage(position=0, name="tree", directory=LockedDirectory(path="./tree"))
    digest = Digest.of(b"x")
    archive = LockedPackage(
        position=1,
        name="archive",
        version="1.0",
        archive=LockedFile(
            filename="archive-1.0.tar.gz", digest=digest, url="https://example.invalid/a.tar.gz"
        ),
    )
    made = Lock(packages=(tree, archive), created_by="tests")
    formats = FormatPolicy.parse(only_binary=[":all:"])
    assert [choice.kind for choice in select(made, linux(), formats=formats).choices] == [
        Kind.NONE,
        Kind.NONE,
    ]
    assert [choice.kind for choice in select(made, linux()).choices] == [Kind.DIRECTORY, Kind.ARCHIVE]
