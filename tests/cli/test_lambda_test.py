"""`crossdock lambda --test`: what was written is unpacked and run in AWS's own emulator, natively and under qemu."""

from __future__ import annotations

import errno
import io
import json
import os
import platform
import shutil
import signal
import sys
import time
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_live import crossdock
from tests.support.emulation import foreign_python
from tests.support.wheels import make_wheel
from tests.trial.worlds import is_gone, machine_means

from crossdock.cli.lambda_test import trial_command, trial_event, unpack_zip
from crossdock.errors import ArchiveError, TrialError, UsageError
from crossdock.target.names import parse_target
from crossdock.trial.client import client_wheels
from crossdock.trial.emulator import _pinned
from crossdock.trial.means import PinnedWheel, fetch_pinned
from crossdock.trial.outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World

ARCH = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
HERE = f"lambda-python{sys.version_info[0]}.{sys.version_info[1]}-{ARCH}"
APP = """
import greet
def handler(event, context):
    print("seen", event)
    return greet.hello(event.get("name", "nobody"))
def fail(event, context):
    raise RuntimeError("as asked")
def cloud(event, context):
    import boto3
"""


class Options:
    """A session's options and directory, and nothing else of it."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.options = options
        self.quiet = False


@pytest.fixture
def app(bare: World) -> World:
    """An index with a package and all that trials take, and an application that uses the package."""
    make_wheel(bare.files, "greet", files={"greet.py": "def hello(name): return f'hello {name}'\n"})
    wheels = [*client_wheels(parse_target(HERE)), PinnedWheel.of(_pinned()["wheel"])]
    for wheel, path in zip(wheels, fetch_pinned(wheels, machine_means()), strict=True):
        shutil.copyfile(path, bare.files / wheel.filename)
    (bare.work / "requirements.txt").write_text("greet\n")
    (bare.work / "code").mkdir()
    (bare.work / "code" / "app.py").write_text(APP)
    return bare


def words(*more: str, handler: str = "app.handler") -> list[str]:
    return [
        "lambda", "requirements.txt", "--app", "code", "--for", HERE, "-o", "f.zip", "--test", handler, *more,
    ]  # fmt: skip


@pytest.mark.index
def test_a_function_answers(app: World) -> None:
    done = app.run(*words("--event", '{"name": "you"}'))
    assert "seen {'name': 'you'}" in done.stderr
    assert f"ok {HERE}: app.handler ran natively in" in done.stderr
    assert '"hello you"' in done.stderr
    assert "hello" not in done.stdout
    assert "f.zip" in done.stdout
    # Once more without a network: everything is in the store.
    (app.work / "event.json").write_text('{"name": "file"}')
    (bundle,) = app.json(*words("--event", "event.json", "--offline"))["bundles"]
    assert (bundle["test"]["ok"], bundle["test"]["response"]) == (True, "hello file")
    assert (bundle["test"]["handler"], bundle["test"]["log"]) == ("app.handler", "seen {'name': 'file'}\n")


@pytest.mark.index
@pytest.mark.parametrize("shape", ["--split", "--with-layer"])
def test_layers_are_there_too(shape: str, app: World) -> None:
    more = ["--split"]
    if shape == "--with-layer":
        app.run("lambda", "requirements.txt", "--layer", "--for", HERE, "-o", "layer.zip")
        (app.work / "requirements.txt").write_text("")
        more = ["--with-layer", "layer.zip"]
    (bundle,) = app.json(*words(*more))["bundles"]
    assert bundle["test"]["response"] == "hello nobody"


@pytest.mark.index
def test_a_failure_is_told_and_the_exit_status_is_1(app: World) -> None:
    said, _printed = failed(app, *words(handler="app.fail"))
    assert f"failed {HERE}: app.fail ran natively" in said
    assert "RuntimeError: as asked" in said
    # The trace stands there once, and names the file as it will lie.
    assert said.count('  File "/var/task/app.py", line 7, in fail') == 1
    assert "crossdock-zips-" not in said
    said, _printed = failed(app, *words("--quiet", handler="app.nowhere"))
    assert "Runtime.HandlerNotFound" in said
    assert "LAMBDA_WARNING" not in said
    _said, printed = failed(app, *words("--json", handler="nowhere.f"))
    test = json.loads(printed)["bundles"][0]["test"]
    assert (test["ok"], test["error"]["type"]) == (False, "Runtime.ImportModuleError")
    # boto3 is the runtime's, and this machine's own site-packages are not there, whatever they hold.
    said, _printed = failed(app, *words(handler="app.cloud"))
    assert "hint: `boto3` is the runtime's own" in said


def failed(world: World, *said: str) -> tuple[str, str]:
    """What a run with exit status 1 wrote and printed. `World.run` takes any trace for one of crossdock's own."""
    process = world.popen(*said)
    printed, written = process.communicate()
    assert process.returncode == 1, written
    return written, printed


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--event", "{"), "E-TRIAL-EVENT"),
        (("--event", "nowhere.json"), "E-TRIAL-EVENT"),
        pytest.param(("--event", "[" * 100_000), "E-TRIAL-EVENT", id="deep"),
        (("--event", os.fsdecode(b"\xff")), "E-TRIAL-EVENT"),
        (("--event", ""), "E-TRIAL-EVENT"),
        (("--test", ""), "E-TRIAL-HANDLER"),
        (("--test", os.fsdecode(b"\xff.handler")), "E-TRIAL-HANDLER"),
        (("--for", "azure-functions-python3.12"), "E-TRIAL-TARGET"),
    ],
)
def test_words_that_cannot_be_followed_are_refused_before_any_work(
    more: tuple[str, ...], code: str, bare: World
) -> None:
    bare.refused(
        "lambda", ".", "--for", HERE, "-o", "{target}.zip", "--test", "a.b", *more, code=code, status=2
    )
    assert bare.index.requests == []


def test_an_event_without_a_handler_is_refused(bare: World) -> None:
    bare.refused("lambda", ".", "--for", HERE, "-o", "f.zip", "--event", "{}", code="E-TRIAL-EVENT", status=2)


def test_an_event_is_a_file_or_json(tmp_path: Path) -> None:
    def event(text: str | None) -> bytes:
        return trial_event(Options(tmp_path, event=text))  # type: ignore[arg-type]

    assert event(None) == b"{}"
    assert event('{"a": "' + "x" * 5000 + '"}').startswith(b'{"a"')
    (tmp_path / "event.json").write_bytes(b"[1]")
    assert event("event.json") == b"[1]"
    assert event("1") == b"1"
    assert event(" null ") == b" null "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("event.json", "the event is no JSON: Expecting ',' delimiter: line 1 column 3 (char 2)"),
        ("deep.json", "the event is no JSON: it is nested too deeply"),
        ("latin.json", "the event is no JSON: byte 1 is not UTF-8"),
        ("folder", "is no regular file"),
        ("pipe", "is no regular file"),
        ("missing.json", "there is no file `missing.json`, and it is no JSON"),
        ("event.json/x", "there is no file `event.json/x`, and it is no JSON"),
        pytest.param("x" * 5000, "there is no file `xxxx", id="long"),
        ("\0", r"there is no file `\x00`, and it is no JSON"),
        (os.fsdecode(b"\xff"), r"there is no file `\udcff`, and it is no JSON"),
        ("key=value", "there is no file `key=value`, and it is no JSON"),
        ("", "there is no file ``, and it is no JSON"),
        ("[", "the event is no JSON: Expecting value: line 1 column 2 (char 1)"),
        pytest.param("[" * 1_000_000, "the event is no JSON: it is nested too deeply", id="deep"),
        (os.fsdecode(b'{"\xff": 1}'), "the event is no JSON: byte 2 is not UTF-8"),
        ("[NaN]", "the event is no JSON: `NaN` is no number of JSON"),
    ],
)
def test_an_event_that_is_neither_is_told_as_what_it_seems(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_bytes(b"[1")
    (tmp_path / "deep.json").write_bytes(b"[" * 1_000_000)
    (tmp_path / "latin.json").write_bytes(b'"\xe9"')
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError) as caught:
        trial_event(Options(tmp_path, event=text))  # type: ignore[arg-type]
    assert caught.value.code == "E-TRIAL-EVENT"
    assert message in caught.value.message


def test_an_event_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "event.json").write_bytes(b"1")
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(UsageError) as caught:
        trial_event(Options(tmp_path, event="event.json"))  # type: ignore[arg-type]
    assert caught.value.message.endswith("event.json`: Permission denied")


def write(path: Path, **members: bytes) -> Path:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name.replace("__", "/"))
            info.create_system = 3
            info.external_attr = (0o100755 if content.startswith(b"#!") else 0o100644) << 16
            archive.writestr(info, content)
    path.write_bytes(out.getvalue())
    return path


def test_later_layers_replace_files_of_earlier_ones(tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    opt.mkdir()
    unpack_zip(write(tmp_path / "one.zip", python__a=b"1", python__b=b"1", bin__x=b"#!x"), opt)
    unpack_zip(write(tmp_path / "two.zip", python__a=b"22"), opt)
    assert [(opt / "python" / name).read_bytes() for name in "ab"] == [b"22", b"1"]
    assert [(opt / name).stat().st_mode & 0o777 for name in ("bin/x", "python/a")] == [0o755, 0o644]
    hostile = write(tmp_path / "three.zip", **{"..__x": b"1"})
    with pytest.raises(ArchiveError):
        unpack_zip(hostile, opt)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("first", "second"), [("pkg", "pkg__a"), ("pkg__a", "pkg"), ("pkg", "pkg__a__b")])
def test_a_file_and_a_directory_of_one_name_are_refused(first: str, second: str, tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    opt.mkdir()
    unpack_zip(write(tmp_path / "one.zip", **{f"python__{first}": b"1"}), opt)
    two = write(tmp_path / "two.zip", **{f"python__{second}": b"2"})
    with pytest.raises(TrialError) as caught:
        unpack_zip(two, opt)
    assert caught.value.code == "E-TRIAL-LAYERS"
    assert caught.value.places == (f"two.zip: `python/{second.replace('__', '/')}`",)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.index
def test_nothing_outlives_a_command_that_is_killed(app: World) -> None:
    """Neither the emulator nor the function, nor what it started in a session of its own."""
    told = app.work / "told"
    (app.work / "code" / "app.py").write_text(
        "import os, subprocess, sys, time\n"
        "def handler(event, context):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "    with open(event, 'w') as file:\n"
        "        print(os.getppid(), os.getpid(), child.pid, file=file)\n"
        "    time.sleep(600)\n"
    )
    process = app.popen(*words("--event", json.dumps(str(told))))
    end = time.monotonic() + 60
    pids: list[str] = []
    while len(pids) < 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
        pids = told.read_text().split() if told.exists() else []
    process.kill()
    _printed, written = process.communicate()
    assert len(pids) == 3, written
    end = time.monotonic() + 20
    while (left := [pid for pid in pids if not is_gone(pid)]) and time.monotonic() < end:
        time.sleep(0.01)
    for pid in left:
        os.kill(int(pid), signal.SIGKILL)
    assert left == []


def test_a_function_whose_client_lacks_its_library_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Session(Options):
        targets = (parse_target(HERE),)

        def place(self, _target: object) -> Any:
            return SimpleNamespace(
                kind="lambda", provided=("boto3",), task_root="/var/task", layer_root="/opt"
            )

        def tell(self, text: str) -> None:
            sys.stderr.write(f"{text}\n")

    log = "AttributeError: 'NoneType' object has no attribute 'next'\n"
    outcome = Outcome(ok=False, status=502, body=b"", error_type="Runtime.ExitError", log=log, note="so")
    monkeypatch.setattr("crossdock.cli.lambda_test.trial_means", lambda _session: None)
    monkeypatch.setattr("crossdock.trial.invoke.try_function", lambda _trial, _means: outcome)
    session: Any = Session(tmp_path, test="app.f")
    told = trial_command(session, session.targets[0], function=None)
    assert told["ok"] is False
    assert "libstdc++6" in capsys.readouterr().err


@pytest.mark.index
@pytest.mark.emulation
@pytest.mark.slow
def test_lxml_as_a_layer_for_arm64_is_imported_under_the_emulator(tmp_path: Path) -> None:
    """The seed case: a requirements.txt with lxml for python3.11 on arm64, as a layer."""
    found = foreign_python("arm64")
    assert found is not None
    (tmp_path / "requirements.txt").write_text("lxml\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(
        "import platform\nfrom lxml import etree\n"
        "def handler(event, context):\n"
        "    return [platform.machine(), etree.fromstring(event['xml'])[0].tag, etree.__file__]\n"
    )
    target = ["--for", "lambda-python3.11-arm64"]
    done = crossdock(tmp_path, "lambda", "requirements.txt", *target, "--layer", "-o", "layer.zip")
    assert "binaries fit" in done.stderr
    words = [*target, "--app", "code", "--with-layer", "layer.zip", "-o", "f.zip", "--test", "app.handler"]
    done = crossdock(tmp_path, "lambda", "empty.txt", *words, "--event", '{"xml": "<a><b/></a>"}', "--json")
    test = json.loads(done.stdout)["bundles"][0]["test"]
    machine, tag, place = test["response"]
    assert (machine, tag) == ("aarch64", "b")
    assert "/opt/python/lxml/" in place
    assert test["seconds"] < 60
    assert "newer than the runtime's" in test["note"]
    assert test["how"] == ("native" if ARCH == "arm64" else "qemu")
