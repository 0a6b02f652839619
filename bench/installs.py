"""Installing the demonstration's packages for another platform: crossdock, uv, pip and pex from the same lock."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Contestant
from bench.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.measure import Series

# uv wants a host interpreter of the lock's Python, so the target's minor version is the running one's.
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
GLIBC = 28
ARCH = "aarch64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all cases share: the work directory, the lock, and what is in it for the target."""

    work: Path
    pins: tuple[str, ...]
    size: int
    files: int
    left_out: tuple[str, ...] = ()
    target: str = f"manylinux_2_{GLIBC}_{ARCH}"

    @staticmethod
    def tool(name: str) -> str:
        """Return the path of a program of this environment."""
        return str(Path(sys.executable).parent / name)

    @property
    def size_text(self) -> str:
        """How much an installed tree holds."""
        return f"{self.files} files, {self.size / 2**20:.0f} MiB installed"

    @property
    def lock(self) -> str:
        return str(self.work / "pylock.toml")

    @property
    def platform_file(self) -> str:
        return str(self.work / "platform.json")

    @property
    def requirements(self) -> str:
        return str(self.work / "pinned.txt")

    @property
    def wheels(self) -> str:
        return str(self.work / "wheels")


def prepare(work: Path, source: Path) -> Setting:
    """Lock the requirements (or take a lock as it is), fill every tool's cache, and note what an installed tree holds."""
    setting = Setting(work=work, pins=(), size=0, files=0)
    crossdock = setting.tool("crossdock")
    target = ["--for", setting.target, "--python", MINOR]
    store = {"CROSSDOCK_STORE": str(work / "store")}
    if source.suffix == ".toml":
        shutil.copy(source, setting.lock)
    else:
        shutil.copy(source, work / "requirements.txt")
        _run([crossdock, "lock", str(work / "requirements.txt"), *target, "-o", setting.lock], store)
    _run([crossdock, "install", setting.lock, *target, "--target", str(work / "first")], store)
    names = sorted(path.name.removesuffix(".dist-info") for path in (work / "first").glob("*.dist-info"))
    pins = tuple(name.replace("-", "==", 1) for name in names)
    Path(setting.requirements).write_text("\n".join(pins) + "\n", encoding="utf-8")
    _run(_pip(setting, "download", "-d", setting.wheels, "--no-cache-dir"), {})
    _run([sys.executable, "-m", "bench.complete_platform", setting.target, MINOR, setting.platform_file], {})
    files = [path for path in (work / "first").rglob("*") if path.is_file()]
    return Setting(work=work, pins=pins, size=sum(path.stat().st_size for path in files), files=len(files))


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    subprocess.run(argv, env={**os.environ, **environ}, stdin=subprocess.DEVNULL, check=True)


def _remove(*paths: Path) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)

    return remove


def _count(setting: Setting, tree: Path) -> Callable[[], None]:
    def count() -> None:
        found = len(list(tree.glob("*.dist-info")))
        if found != len(setting.pins):
            raise RuntimeError(f"{tree.name} has {found} packages, {len(setting.pins)} are in the lock")

    return count


def _crossdock(setting: Setting, tree: Path, *, link_mode: str, offline: bool) -> list[str]:
    return [
        setting.tool("crossdock"),
        "install",
        setting.lock,
        *("--for", setting.target, "--python", MINOR),
        *("--target", str(tree), "--link-mode", link_mode, "-q"),
        *(["--offline"] if offline else []),
    ]


def _uv(setting: Setting, tree: Path, *, link_mode: str, offline: bool) -> list[str]:
    return [
        setting.tool("uv"),
        *("pip", "install", "-q", "--no-deps", "-r", setting.lock),
        *("--target", str(tree), "--python", sys.executable),
        *("--python-platform", f"{ARCH}-manylinux_2_{GLIBC}", "--python-version", MINOR),
        *("--only-binary", ":all:", "--link-mode", link_mode),
        *(["--offline"] if offline else []),
    ]


def _pip(setting: Setting, command: str, *words: str) -> list[str]:
    # pip takes --platform literally: each tag down to the oldest has to be said.
    tags = [f"manylinux_2_{minor}_{ARCH}" for minor in range(GLIBC, 16, -1)] + [f"manylinux2014_{ARCH}"]
    return [
        setting.tool("pip"),
        *(command, "-q", "--no-deps", "-r", setting.requirements, *words),
        *(word for tag in tags for word in ("--platform", tag)),
        *("--python-version", MINOR, "--implementation", "cp", "--only-binary", ":all:"),
        "--disable-pip-version-check",
    ]


def _pip_install(setting: Setting, tree: Path, *source: str) -> list[str]:
    words = ("--target", str(tree), "--no-compile", "--root-user-action", "ignore")
    return _pip(setting, "install", *words, *source)


def _pex(setting: Setting, tree: Path, pex_root: Path) -> list[str]:
    return [
        setting.tool("pex3"),
        *("venv", "create", "--layout", "flat", "--pylock", setting.lock),
        *("--complete-platform", setting.platform_file, "--wheel", "--no-build", "--use-pip-config"),
        *("--pex-root", str(pex_root), "--dest-dir", str(tree)),
    ]


def _warm(setting: Setting, mode: str, rounds: int) -> Plan:
    work = setting.work
    trees = {name: work / f"tree-{name}" for name in ("crossdock", "uv", "pip", "pex")}
    contestants = [
        Contestant(
            name="crossdock",
            argv=_crossdock(setting, trees["crossdock"], link_mode=mode, offline=True),
            environ={"CROSSDOCK_STORE": str(work / "store")},
        ),
        Contestant(
            name="uv",
            argv=_uv(setting, trees["uv"], link_mode=mode, offline=True),
            environ={"UV_CACHE_DIR": str(work / "uv-cache")},
        ),
    ]
    if mode == "copy":
        contestants += [
            Contestant(
                name="pip",
                argv=_pip_install(setting, trees["pip"], "--no-index", "--find-links", setting.wheels),
                note="from downloaded wheels",
            ),
            Contestant(
                name="pex",
                argv=_pex(setting, trees["pex"], work / "pex-root"),
                note="links from its own cache where it can",
            ),
        ]
    said = "Hard links from the tool's own cache." if mode == "hardlink" else "A copy of every file."
    return Plan(
        title=f"Install, everything downloaded before ({'hard links' if mode == 'hardlink' else 'copies'})",
        text=f"{said} Nothing is taken from the network, and the directory is new each time.",
        contestants=[_with_tree(setting, contestant, trees[contestant.name]) for contestant in contestants],
        base="uv",
        rounds=rounds,
        conclude=functools.partial(_versus_uv, aim="not slower than uv; 0.7 of its time is aimed at"),
    )


def _with_tree(setting: Setting, contestant: Contestant, tree: Path, *caches: Path) -> Contestant:
    return Contestant(
        name=contestant.name,
        argv=contestant.argv,
        environ=contestant.environ,
        note=contestant.note,
        prepare=_remove(tree, *caches),
        check=_count(setting, tree),
    )


def _prime(setting: Setting) -> None:
    """Fill uv's cache from the index once, so that it can work offline; the others fill theirs in the thrown round."""
    tree = setting.work / "tree-uv"
    _run(
        _uv(setting, tree, link_mode="copy", offline=False), {"UV_CACHE_DIR": str(setting.work / "uv-cache")}
    )


def _cold(setting: Setting, rounds: int) -> Plan:
    work = setting.work
    caches = {name: work / f"cold-{name}" for name in ("crossdock", "uv", "pip", "pex")}
    trees = {name: work / f"tree-{name}" for name in caches}
    contestants = [
        Contestant(
            name="crossdock",
            argv=_crossdock(setting, trees["crossdock"], link_mode="hardlink", offline=False),
            environ={"CROSSDOCK_STORE": str(caches["crossdock"])},
        ),
        Contestant(
            name="uv",
            argv=_uv(setting, trees["uv"], link_mode="hardlink", offline=False),
            environ={"UV_CACHE_DIR": str(caches["uv"])},
        ),
        Contestant(
            name="pip",
            argv=_pip_install(setting, trees["pip"], "--no-cache-dir"),
            note="from the index, without cache",
        ),
        Contestant(name="pex", argv=_pex(setting, trees["pex"], caches["pex"])),
    ]
    return Plan(
        title="Install, nothing downloaded before",
        text="An empty cache each time: downloading, unpacking and checking from the package index, network included.",
        contestants=[
            _with_tree(setting, contestant, trees[contestant.name], caches[contestant.name])
            for contestant in contestants
        ],
        base="uv",
        rounds=rounds,
        conclude=functools.partial(_versus_uv, aim="within 1.2 of uv"),
    )


def _checks(setting: Setting, rounds: int) -> Plan:
    work = setting.work
    contestants = []
    for name, start in (
        ("crossdock", [setting.tool("crossdock")]),
        ("without checks", [sys.executable, "-m", "bench.unchecked"]),
    ):
        tree, store = work / f"tree-{name.split()[0]}", work / f"checks-{name.split()[0]}"
        if not store.exists():
            shutil.copytree(work / "store" / "blobs", store / "blobs")
        argv = _crossdock(setting, tree, link_mode="hardlink", offline=True)
        contestants.append(
            Contestant(
                name=name,
                argv=[*start, *argv[1:]],
                environ={"CROSSDOCK_STORE": str(store)},
                # The files stay downloaded; what was unpacked and learnt from them goes.
                prepare=_remove(tree, store / "trees", store / "facts"),
                check=_count(setting, tree),
            )
        )
    return Plan(
        title="What checking RECORD and every binary costs",
        text="Installing wheels that are downloaded but were never unpacked, with the checks and with them switched off. "
        "CRC and sizes are verified in both.",
        contestants=contestants,
        base="without checks",
        rounds=rounds,
        conclude=_share,
    )


def _named(series: Sequence[Series], name: str) -> Series:
    return next(one for one in series if one.contestant.name == name)


def _versus_uv(series: Sequence[Series], *, aim: str) -> list[str]:
    ratio = _named(series, "crossdock").median / _named(series, "uv").median
    return [f"crossdock takes {ratio:.2f} of uv's time (the aim: {aim}). It alone reads every binary."]


def _share(series: Sequence[Series]) -> list[str]:
    # Both write thousands of files, and the kernel's moods are larger than the checks, which are all in user time.
    checked, unchecked = _named(series, "crossdock").user, _named(series, "without checks").user
    return [
        (
            f"The checks take {checked - unchecked:.2f} s of user time, {(checked - unchecked) / checked:.0%} of that of an "
            "install of downloaded wheels; one that downloads too takes longer, and the checks do not (the aim: under 20 % of "
            "a cold install). What they find is kept by the wheel's hash: the second time, above, they cost nothing."
        )
    ]


def plans(setting: Setting, *, rounds: int, cold_rounds: int) -> list[Plan]:
    """Return the cases about installing."""
    _prime(setting)
    return [
        _warm(setting, "hardlink", rounds),
        _warm(setting, "copy", rounds),
        _cold(setting, cold_rounds),
        _checks(setting, rounds),
    ]
