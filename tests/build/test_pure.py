"""Pure source distributions become wheels, through a backend that lies in them; everything else is refused."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv
from tests.cli.sdists import native_sdist, pure_sdist, sources
from tests.cli.world import elf
from tests.support.wheels import make_sdist

from crossdock.archive.sdist import Sdist
from crossdock.build import cached
from crossdock.build.backend import BuildTools
from crossdock.build.pure import build_pure_directory, build_pure_sdist
from crossdock.digest import Digest
from crossdock.errors import BuildError, CrossdockError
from crossdock.store import Store

if TYPE_CHECKING:
    from crossdock.build.pure import BuiltWheel

SECRETS = {"AWS_SECRET_ACCESS_KEY": "canary-1", "HOME": "/home/canary-2", "PYTHONPATH": "/canary-3"}


@pytest.fixture
def tools(tmp_path: Path) -> BuildTools:
    environ = {
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "UV_NO_INDEX": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "PATH": os.defpath,
        **SECRETS,
    }
    return BuildTools(uv=uv.find_uv_bin(), uv_arguments=(), uv_environ=environ)


def build(path: Path, tools: BuildTools) -> BuiltWheel:
    opened = Sdist.open(path.read_bytes(), path.name)
    return build_pure_sdist(opened, tools, python=sys.executable, log=path.with_suffix(".log"))


def refused(path: Path, tools: BuildTools) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build(path, tools)
    return caught.value


def test_a_pure_sdist_becomes_a_plain_wheel_that_is_the_same_each_time(
    tmp_path: Path, tools: BuildTools
) -> None:
    path = pure_sdist(tmp_path, "demo")
    built = build(path, tools)
    assert built.filename == "demo-1.0-py3-none-any.whl"
    assert build(path, tools) == built
    with zipfile.ZipFile(BytesIO(built.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names)[:-1] + names[-1:] or names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        record = archive.read("demo-1.0.dist-info/RECORD").decode().splitlines()
    assert len(record) == len(names)
    assert record[-1] == "demo-1.0.dist-info/RECORD,,"


def test_what_the_build_sees_of_its_environment(
    tmp_path: Path, tools: BuildTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable of the user's gets in, HOME is a directory of the build's own, and nothing is on standard input."""
    for name, value in {**SECRETS, "CANARY": "canary-4", "SSH_AUTH_SOCK": "/canary-5"}.items():
        monkeypatch.setenv(name, value)
    body = (
        "import json, sys\n"
        "    EXTRA['seen.json'] = json.dumps([dict(os.environ), os.getcwd(), sys.stdin.read(), sys.path]).encode()"
    )
    built = build(pure_sdist(tmp_path, "demo", body=body), tools)
    with zipfile.ZipFile(BytesIO(built.content)) as archive:
        text = archive.read("seen.json").decode()
    environ, directory, standard_input, path = json.loads(text)
    assert "canary" not in text
    assert standard_input == ""
    known = {
        "PATH", "HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "TZ", "PYTHONHASHSEED",
        "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "SOURCE_DATE_EPOCH", "PWD",
    }  # fmt: skip
    hooks = {name for name in environ if name.startswith(("_PYPROJECT_HOOKS_", "PEP517_"))}
    assert set(environ) - hooks - {"LC_CTYPE"} <= known
    assert environ["SOURCE_DATE_EPOCH"] == "315532800"
    for name in ("HOME", "TMPDIR"):
        assert Path(environ[name]).name in ("home", "tmp")
        assert not Path(environ[name]).exists()
    assert not Path(directory).exists()
    assert not [entry for entry in path if entry.startswith(str(Path.cwd()))]


LIES: dict[str, dict[str, object]] = {
    "a binary in a wheel that says any": {"extra": {"demo_core.so": elf("x86_64")}},
    "a binary without a suffix": {"extra": {"demo/data": elf("x86_64")}},
    "a platform tag": {"tag": "cp311-cp311-linux_x86_64", "pure": "false"},
    "a platform tag and a binary": {
        "tag": "cp311-cp311-linux_x86_64",
        "pure": "false",
        "extra": {"demo_core.cpython-311-x86_64-linux-gnu.so": elf("x86_64")},
    },
    "platlib": {"pure": "false"},
}


@pytest.mark.parametrize("lie", list(LIES))
def test_a_build_that_yields_something_of_the_host_is_refused(
    tmp_path: Path, tools: BuildTools, lie: str
) -> None:
    error = refused(pure_sdist(tmp_path, "demo", **LIES[lie]), tools)
    assert error.code == "E-BUILD-NOT-PURE"
    assert "demo-1.0.tar.gz" in error.message
    assert error.hint


def test_native_sources_are_refused_before_any_code_runs(
    tmp_path: Path, tools: BuildTools, builds: list[str]
) -> None:
    error = refused(native_sdist(tmp_path, "demo"), tools)
    assert builds == []
    assert error.code == "E-BUILD-NATIVE"
    assert error.places
    assert error.hint


def test_a_failing_build_shows_the_end_of_its_output(tmp_path: Path, tools: BuildTools) -> None:
    error = refused(pure_sdist(tmp_path, "demo", body="print('x' * 10); raise SystemExit('no luck')"), tools)
    assert error.code == "E-BUILD-BACKEND"
    assert any("no luck" in line for line in error.places)


BAD_SYSTEMS = {
    "not TOML": ("[build-system", "E-SDIST-PYPROJECT"),
    "requires is no list": ('[build-system]\nrequires = "x"\n', "E-BUILD-PYPROJECT"),
    "no requires": ('[build-system]\nbuild-backend = "backend"\n', "E-BUILD-PYPROJECT"),
    "backend is no string": ("[build-system]\nrequires = []\nbuild-backend = 1\n", "E-BUILD-PYPROJECT"),
    "a table that is none": ("build-system = 1\n", "E-BUILD-PYPROJECT"),
    "no such backend": ('[build-system]\nrequires = []\nbuild-backend = "nowhere"\n', "E-BUILD-BACKEND"),
    "backend-path outside": (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = [".."]\n',
        "E-BUILD-PYPROJECT",
    ),
    "absolute backend-path": (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["/"]\n',
        "E-BUILD-PYPROJECT",
    ),
    "a requirement that cannot be had": (
        '[build-system]\nrequires = ["no-such-thing"]\nbuild-backend = "x"\n',
        "E-BUILD-REQUIRES",
    ),
    "a requirement that is an option": (
        '[build-system]\nrequires = ["--index-url=http://127.0.0.1:9"]\nbuild-backend = "x"\n',
        "E-BUILD-REQUIRES",
    ),
}


_URL = "leak @ http://127.0.0.1:9/${AWS_SECRET_ACCESS_KEY}/leak-1.0-py3-none-any.whl"


@pytest.mark.parametrize("hook", [False, True])
def test_a_requirement_that_names_a_url_is_refused_wherever_it_stands(
    tmp_path: Path, tools: BuildTools, hook: bool
) -> None:
    """uv would put the user's variables into it, and fetch it with the user's network."""
    files = sources("demo")
    if hook:
        text = str(files["backend/backend.py"])
        files["backend/backend.py"] = text.replace("return []", f"return [{_URL!r}]", 1)
    else:
        text = str(files["pyproject.toml"])
        files["pyproject.toml"] = text.replace("requires = []", f"requires = ['{_URL}']")
    error = refused(make_sdist(tmp_path, "demo", files=files), tools)
    assert error.code == "E-BUILD-REQUIRES-URL"
    assert "demo" in error.message
    assert not any(value in f"{error.message}{error.places}" for value in SECRETS.values())


@pytest.mark.parametrize("case", list(BAD_SYSTEMS))
def test_a_broken_build_system_is_refused_by_name(tmp_path: Path, tools: BuildTools, case: str) -> None:
    text, code = BAD_SYSTEMS[case]
    path = make_sdist(tmp_path, "demo", files={**sources("demo"), "pyproject.toml": text})
    with pytest.raises(CrossdockError) as caught:
        build(path, tools)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        "return 'nothing-1.0-py3-none-any.whl'",
        "return '../../escape-1.0-py3-none-any.whl'",
        "return ''",
        "return 1",
        "return None",
        "os._exit(0)",
        "return {'a': []}",
        "return 'x' * 5000 + '.whl'",
        "return 'x\\0.whl'",
    ],
)
def test_a_backend_that_names_no_wheel_is_refused(tmp_path: Path, tools: BuildTools, body: str) -> None:
    assert refused(pure_sdist(tmp_path, "demo", body=body), tools).code == "E-BUILD-BACKEND"


@pytest.mark.parametrize("more", ["1", "'pip'", "[1]", "{}", "None", "os._exit(0)"])
def test_requirements_that_are_none_are_refused(tmp_path: Path, tools: BuildTools, more: str) -> None:
    files = sources("demo")
    text = str(files["backend/backend.py"]).replace("return []", f"return {more}", 1)
    path = make_sdist(tmp_path, "demo", files={**files, "backend/backend.py": text})
    assert refused(path, tools).code == "E-BUILD-BACKEND"


@pytest.mark.parametrize("fails", [False, True])
def test_whatever_a_build_leaves_behind_is_removed(
    tmp_path: Path, tools: BuildTools, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Directories deeper than Python's stack, closed ones, links to others' (CVE-2023-6597)."""
    scratch, theirs = tmp_path / "scratch", tmp_path / "theirs"
    scratch.mkdir()
    theirs.mkdir(0o500)
    (tmp_path / "log").write_text("")
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    body = f"""here = os.getcwd()
    os.makedirs("closed/inner")
    os.symlink({str(theirs)!r}, "closed/link")
    for _level in range(3000):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)
    os.chmod("closed", 0)
    assert not {fails}"""
    path = pure_sdist(tmp_path, "demo", body=body)
    if fails:
        assert refused(path, tools).code == "E-BUILD-BACKEND"
    else:
        build(path, tools)
    assert list(scratch.iterdir()) == []
    assert theirs.stat().st_mode & 0o777 == 0o500


def test_the_log_of_a_failed_build_is_there_afterwards(tmp_path: Path, tools: BuildTools) -> None:
    path = pure_sdist(tmp_path, "demo", body="raise SystemExit('no luck')")
    with (
        closing(Store.open(tmp_path / "store", warn=pytest.fail)) as store,
        pytest.raises(BuildError) as caught,
    ):
        cached.sdist(
            store,
            path,
            path.name,
            Digest.of(path.read_bytes()),
            tools,
            python=sys.executable,
            version=(3, 12),
        )
    (log,) = (tmp_path / "store" / "logs").iterdir()
    assert str(log) in (caught.value.hint or "")
    assert "no luck" in log.read_text()


#: What a backend may leave as its answer, behind the back of the program that would write it.
ANSWERS = {
    "a list": "[]",
    "a text": '"x"',
    "no value": "{}",
    "excuses that are none": '{"no_backend": false, "hook_missing": 0}',
    "no hook": '{"hook_missing": true, "missing_hook_name": 5}',
    "unsupported": '{"unsupported": true}',
    "no backend": '{"no_backend": true, "traceback": 5}',
    "lists in lists": "[" * 200_000,
    "tables in tables": '{"return_val": ' + "[" * 900 + "]" * 900 + "}",
    "a number without end": '{"return_val": ' + "9" * 5000 + "}",
    "no JSON": "x",
    "no text": "\\xff",
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_is_none_is_refused(tmp_path: Path, tools: BuildTools, what: str) -> None:
    body = (
        "import sys\n"
        f"    pathlib.Path(sys.argv[-1], 'output.json').write_bytes({ANSWERS[what]!r}.encode('latin-1'))\n"
        "    os._exit(0)"
    )
    error = refused(pure_sdist(tmp_path, "demo", body=body), tools)
    assert error.code == "E-BUILD-BACKEND"
    assert "`backend`" in error.message


def test_a_wheel_of_another_project_is_refused(tmp_path: Path, tools: BuildTools) -> None:
    """The backend says it built something else than it was asked for."""
    files = sources("demo", body="global NAME\n    NAME = 'other'\n    pathlib.Path('other.py').touch()")
    path = make_sdist(tmp_path, "demo", files=files)
    with pytest.raises(CrossdockError):
        build(path, tools)


def test_a_source_tree_is_built_from_a_copy(tmp_path: Path, tools: BuildTools) -> None:
    tree = tmp_path / "tree"
    for name, content in sources("demo", body="pathlib.Path('left-behind').touch()").items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else content.decode())
    before = sorted(path.name for path in tree.rglob("*"))
    built = build_pure_directory(tree, tools, python=sys.executable, log=tmp_path / "log")
    assert built.filename == "demo-1.0-py3-none-any.whl"
    assert sorted(path.name for path in tree.rglob("*")) == before
    with pytest.raises(BuildError) as caught:
        build_pure_directory(tmp_path / "nowhere", tools, python=sys.executable, log=tmp_path / "log")
    assert caught.value.code == "E-BUILD-NO-SOURCE"


def test_a_build_is_remembered_and_made_again_when_the_store_lost_it(
    tmp_path: Path, tools: BuildTools, builds: list[str]
) -> None:
    path = pure_sdist(tmp_path, "demo")
    digest = Digest.of(path.read_bytes())

    def warn(text: str) -> None:
        pytest.fail(text)

    store = Store.open(tmp_path / "store", warn=warn)
    with closing(store):
        first = cached.sdist(store, path, path.name, digest, tools, python=sys.executable, version=(3, 12))
        assert (
            cached.sdist(store, path, path.name, digest, tools, python=sys.executable, version=(3, 12))
            == first
        )
        assert len(builds) == 1
        blob = store.blob(Digest("sha256", first.sha256))
        assert blob is not None
        blob.chmod(0o644)
        blob.write_bytes(b"rot")
        assert (
            cached.sdist(store, path, path.name, digest, tools, python=sys.executable, version=(3, 12))
            == first
        )
        assert len(builds) == 2
