"""What `crossdock image` refuses before anything leaves the machine, and what stays of a run that is broken off."""

from __future__ import annotations

import hashlib
import json
import platform as host
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.images import BOTH, Contents, base_layout, native_wheel, needy_elf, push_base
from tests.cli.sdists import PYPROJECT
from tests.cli.world import names_below
from tests.support.fake_registry import Exchange, FakeRegistry, always, is_a
from tests.support.layouts import shared_library
from tests.support.wheels import make_sdist, make_wheel

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.images import Shop
    from tests.support.layouts import Content

APP = ("--app", "app")
WRITING = {"PUT", "POST", "PATCH", "DELETE"}


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def refused_before_sending(
    shop: Shop, registry: FakeRegistry, *words: str | Path, code: str, **options: Any
) -> str:
    """Ask for a push and a layout, expect a refusal, and that nobody was told anything."""
    place = f"{registry.address}/shop:1"
    text = shop.refuses(*APP, "--push", place, "-o", "out", *words, code=code, **options)
    assert not [one for one in registry.seen if one.method in WRITING]
    assert registry.tags.get(("shop", "1")) is None
    assert not (shop.work / "out").exists()
    return text


def lock(shop: Shop, *names: str) -> str:
    """Lock packages anew; return the lock's name."""
    shop.run("lock", *names, *BOTH, "-o", "pylock.toml")
    return "pylock.toml"


# Libraries


def test_a_library_that_nobody_brings(shop: Shop, registry: FakeRegistry) -> None:
    for platform, machine in (("manylinux2014_x86_64", "x86_64"), ("manylinux2014_aarch64", "aarch64")):
        native_wheel(shop.files, "needy", "1.0", platform, needy_elf(machine, "libstdc++.so.6"))
    lock(shop, "needy")
    text = refused_before_sending(shop, registry, code="E-FINDINGS")
    assert "libstdc++.so.6" in text
    assert "needy" in text
    # A base that has it: the library of each architecture, as far as its name goes.
    for one, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        files = libraries(machine, {"libstdc++.so.6": needy_elf(machine)})
        layout = base_layout(files, architectures=(one,)).write(shop.root / one)
        words = ("--for", f"linux/{one}", "--python", "3.12")
        receipt = shop.image(*APP, "-o", one, base=layout, target=words)
        assert receipt["image"]["platforms"][0]["findings"] == []
    # Said to be fine by name, it is shipped all the same.
    shop.image(*APP, "-o", "out", "--accept", "needy")


def libraries(machine: str, found: dict[str, bytes]) -> dict[str, Content]:
    """Libraries in Debian's place for them, with a libc beside them, without which nothing is found."""
    where = f"usr/lib/{machine}-linux-gnu"
    return {
        f"{where}/{name}": content for name, content in {"libc.so.6": needy_elf(machine), **found}.items()
    }


def test_a_library_of_an_older_base(shop: Shop, tmp_path: Path) -> None:
    """The symbol versions count, by a real library of this machine's linker."""
    old = shared_library(tmp_path / "old", "libthing.so.1", versions=("THING_1",))
    new = shared_library(tmp_path / "new", "libthing.so.1", versions=("THING_1", "THING_2"))
    user = shared_library(
        tmp_path, "core.so", needs=[tmp_path / "new/libthing.so.1"], calls=["libthing_THING_2"]
    )
    machine = host.machine()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[machine]
    native_wheel(shop.files, "user", "1.0", f"manylinux2014_{machine}", user)
    target = ("--for", f"linux/{architecture}", "--python", "3.12")
    shop.run("lock", "user", *target, "-o", "pylock.toml")
    for name, library in (("old", old), ("new", new)):
        files = libraries(machine, {"libthing.so.1": library})
        layout = base_layout(files, architectures=(architecture,)).write(shop.root / f"base-{name}")
        words = (*APP, "-o", name)
        if name == "old":
            text = shop.refuses(*words, code="E-FINDINGS", base=layout, target=target)
            assert "THING_2" in text
        else:
            shop.image(*words, base=layout, target=target)


def test_a_binary_for_another_cpu(shop: Shop, registry: FakeRegistry) -> None:
    for platform in ("manylinux2014_x86_64", "manylinux2014_aarch64"):
        native_wheel(shop.files, "wrong", "1.0", platform, needy_elf("aarch64"))
    lock(shop, "wrong")
    text = refused_before_sending(shop, registry, code="E-FINDINGS")
    assert "is built for aarch64" in text
    assert "linux/amd64" in text


# Bases


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"without": ("usr/bin/python3.12", "usr/bin/python3")}, "E-IMAGE-NO-PYTHON", "python:3.12-slim"),
        ({"minor": 11}, "E-IMAGE-PYTHON-MINOR", "--python 3.11"),
        ({"machine": "x86_64"}, "E-IMAGE-PYTHON-MACHINE", "x86_64"),
        ({"architectures": ("amd64",)}, "E-IMAGE-NO-PLATFORM", "linux/arm64"),
        ({"changed": {"app": "-> usr"}}, "E-IMAGE-BELOW-LINK", "--prefix"),
    ],
)
def test_a_base_that_does_not_fit(
    shop: Shop, registry: FakeRegistry, change: dict[str, object], code: str, words: str
) -> None:
    layout = base_layout(**change).write(shop.root / "other")  # type: ignore[arg-type]
    assert words in refused_before_sending(shop, registry, base=layout, code=code)


def test_no_base_at_all(shop: Shop, registry: FakeRegistry) -> None:
    refused_before_sending(shop, registry, base="scratch", code="E-IMAGE-NO-PYTHON")
    refused_before_sending(shop, registry, base="./nowhere", code="E-IMAGE-BASE", status=2)
    refused_before_sending(shop, registry, base=f"{registry.address}/no/base:1", code="E-IMAGE-NO-BASE")
    refused_before_sending(shop, registry, base="debian:", code="E-IMAGE-BASE", status=2)
    (shop.work / "file").write_text("no image")
    with_file = shop.build(*APP, "-o", "out", base="./file", status=1)
    assert "file" in with_file.stderr


@pytest.mark.parametrize("fault", ["layer", "config", "manifest"])
def test_a_base_with_broken_blobs(shop: Shop, registry: FakeRegistry, fault: str) -> None:
    layout = base_layout().write(shop.root / "other")
    contents = Contents.of_layout(layout)
    manifest = contents.manifest("linux/amd64")
    digest = {
        "layer": manifest["layers"][0]["digest"],
        "config": manifest["config"]["digest"],
        "manifest": contents.manifest_digest("linux/amd64"),
    }[fault]
    path = layout / "blobs/sha256" / digest.removeprefix("sha256:")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = shop.build(*APP, "--push", f"{registry.address}/shop:1", "-o", "out", base=layout, status=1)
    assert "[E-" in done.stderr
    assert not [one for one in registry.seen if one.method in WRITING]
    assert not (shop.work / "out").exists()


def test_a_file_below_a_link_of_the_base(shop: Shop, registry: FakeRegistry) -> None:
    text = refused_before_sending(shop, registry, "--add", "app:/bin/tools", code="E-IMAGE-BELOW-LINK")
    assert "/bin" in text


# Wheels


def test_two_wheels_that_write_one_file(shop: Shop, registry: FakeRegistry) -> None:
    for name in ("left", "right"):
        make_wheel(shop.files, name, files={"both/__init__.py": f"# {name}\n", "both/same.py": ""})
    lock(shop, "left", "right")
    text = refused_before_sending(shop, registry, code="E-SHIP-COLLISION")
    assert "left" in text
    assert "right" in text
    assert "both/__init__.py" in text


def test_a_source_distribution_that_compiles(shop: Shop, registry: FakeRegistry) -> None:
    wheel = native_wheel(shop.files, "compiled", "1.0", "manylinux2014_x86_64", needy_elf("x86_64"))
    sdist = make_sdist(shop.files, "compiled", files={"pyproject.toml": PYPROJECT, "src/core.c": "int x;"})
    rows = [
        f'{{ url = "{shop.index.origin}/files/{path.name}", hashes = {{ sha256 = "{sha256(path)}" }} }}'
        for path in (wheel, sdist)
    ]
    with (shop.work / "pylock.toml").open("a") as file:
        file.write(
            f'\n[[packages]]\nname = "compiled"\nversion = "1.0"\nwheels = [{rows[0]}]\nsdist = {rows[1]}\n'
        )
    with (shop.work / "pyproject.toml").open("a") as file:
        file.write("\n[tool.crossdock.build]\ncross = false\n")
    text = refused_before_sending(shop, registry, code="E-LOCK-NATIVE")
    assert "linux/arm64" in text
    assert shop.fetched() == []


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wheel_that_is_not_what_the_lock_says(shop: Shop, registry: FakeRegistry) -> None:
    path = shop.files / "purelib-1.1-py3-none-any.whl"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.unlink()
    path.write_bytes(content)
    refused_before_sending(shop, registry, code="E-FETCH-HASH")


# Words


def test_words_that_cannot_be_meant(shop: Shop, registry: FakeRegistry) -> None:
    settings = shop.work / "pyproject.toml"
    settings.write_text("[tool.crossdock.image]\nentry-point = 'x'\n")
    text = refused_before_sending(shop, registry, code="E-SETTINGS-UNKNOWN", status=2)
    assert "entrypoint" in text
    settings.unlink()
    for reference in ("127.0.0.1:5/UPPER:1", "127.0.0.1:5/a b:1", "x:y:z", "https://127.0.0.1/x:1"):
        shop.refuses(*APP, "--push", reference, code="E-REFERENCE", status=2)
    refused_before_sending(shop, registry, "--app", "nowhere", code="E-APP-ABSENT", status=2)
    done = shop.run("image", "pylock.toml", *APP, "-o", "out", "--base", shop.base, status=2)
    assert "[E-" in done.stderr
    for target in ("windows/amd64", "macos/arm64"):
        words = ("--for", target, "--python", "3.12")
        done = shop.build(*APP, "-o", "out", target=words, status=None)
        assert done.returncode in (1, 2)
        assert "[E-" in done.stderr
    assert not (shop.work / "out").exists()


# Registries


def test_a_registry_that_denies_in_the_middle(shop: Shop, registry: FakeRegistry) -> None:
    place = f"{registry.address}/shop:1"
    shop.build(*APP, "--push", place)
    old = dict(registry.tags)
    shop.bump("purelib")
    registry.fault = always(is_a("PUT", "/blobs/"), lambda exchange: exchange.error(403, "DENIED"))
    shop.refuses(*APP, "--push", place, code="E-REGISTRY-DENIED")
    assert registry.tags == old
    registry.fault = None
    shop.build(*APP, "--push", place)
    assert registry.tags != old


def test_a_registry_that_is_not_there(shop: Shop) -> None:
    with FakeRegistry() as registry:
        place = f"{registry.address}/shop:1"
    shop.refuses(*APP, "--push", place, "--retries", "0", code="E-FETCH-TRIES")


def held(
    wanted: Callable[[Exchange], bool],
) -> tuple[Callable[[Exchange], bool], threading.Event, threading.Event]:
    """A fault that holds what matches until it may go on, an event for its arrival, and one to let it go."""
    arrived, go = threading.Event(), threading.Event()

    def fault(exchange: Exchange) -> bool:
        if not wanted(exchange):
            return False
        arrived.set()
        go.wait(60)
        exchange.cut()
        return True

    return fault, arrived, go


def wait_for(arrived: threading.Event, process: subprocess.Popen[str]) -> None:
    """Wait until a run has come to where it is held; say what it said if it ended before."""
    while not arrived.wait(0.1):
        assert process.poll() is None, process.communicate()


@pytest.mark.parametrize(
    ("how", "where"),
    [
        (signal.SIGINT, "/blobs/uploads/"),
        (signal.SIGTERM, "/manifests/"),
        (signal.SIGKILL, "/blobs/uploads/"),
        (signal.SIGKILL, "/manifests/"),
    ],
)
def test_a_push_that_is_broken_off_leaves_the_old_image(
    shop: Shop, registry: FakeRegistry, how: signal.Signals, where: str
) -> None:
    place = f"{registry.address}/shop:1"
    shop.build(*APP, "--push", place)
    old = dict(registry.tags)
    shop.bump("purelib")
    registry.fault, arrived, go = held(is_a("PUT", where))
    process = shop.popen("image", "pylock.toml", *BOTH, "--base", shop.base, *APP, "--push", place)
    try:
        wait_for(arrived, process)
        process.send_signal(how)
        go.set()
        said, errors = process.communicate(timeout=60)
    finally:
        go.set()
        process.kill()
        process.wait()
    assert process.returncode != 0
    assert said == ""
    assert "Traceback" not in errors
    assert registry.tags == old
    registry.fault = None
    # What is there under the tag is whole, and the next run ends what this one began.
    contents = Contents.of_registry(registry, "shop", "1")
    for platform in ("linux/amd64", "linux/arm64/v8"):
        assert contents.config(platform)
        assert all(digest in contents.blobs for _kind, digest in contents.layers(platform))
    done = shop.build(*APP, "--push", place, "--json")
    assert registry.tags["shop", "1"] == json.loads(done.stdout)["image"]["digest"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_layout_is_whole_whenever_its_writer_is_killed(
    shop: Shop, registry: FakeRegistry, how: signal.Signals
) -> None:
    """The base's layer comes slowly: while it is written the layout has its old index, or none."""
    shop.build(*APP, "-o", "out")
    old = shop.layout().top
    layout = base_layout({"etc/motd": b"another base\n"})
    push_base(registry, "python", "3.12", layout)
    base = f"{registry.address}/python:3.12"
    # Known to the store by what it brings; its bytes are fetched when they are written.
    shop.build(*APP, "--push", f"{registry.address}/shop:1", base=base)
    layer = json.loads(layout.blobs[layout.entries[0].digest])["manifests"][0]["digest"]
    manifest = json.loads(registry.manifests["python", layer][1])
    registry.fault, arrived, go = held(is_a("GET", manifest["layers"][0]["digest"]))
    for name in ("out", "fresh"):
        arrived.clear()
        go.clear()
        process = shop.popen("image", "pylock.toml", *BOTH, "--base", base, *APP, "-o", name)
        try:
            wait_for(arrived, process)
            process.send_signal(how)
            go.set()
            _said, errors = process.communicate(timeout=60)
        finally:
            go.set()
            process.kill()
            process.wait()
        assert "Traceback" not in errors
        if name == "out":
            assert shop.layout().top == old
        else:
            assert not (shop.work / name / "index.json").exists()
    registry.fault = None
    for name in ("out", "fresh"):
        shop.build(*APP, "-o", name, base=base)
        assert shop.layout(name).top == registry.tags["shop", "1"]
        assert not [path for path in names_below(shop.work / name) if ".crossdock" in path]
