"""Pruning takes what no program needs when it runs, says what it took, and keeps what something imports or names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.bundled import application, bundled, unpack
from tests.support.wheels import make_wheel

from crossdock.errors import ShipError, StoreError, UsageError
from crossdock.oci.blob import FileSource
from crossdock.ship.bundle.layout import together, zip_files
from crossdock.ship.bundle.model import BundledPackage, BundleFile
from crossdock.ship.bundle.prune import Pruned, possible, prune
from crossdock.ship.bundle.prune_rules import RULES, rules_named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NATIVE = "cp311-cp311-manylinux_2_17_aarch64"
#: A package of the scientific kind in small.
DEMO: dict[str, bytes | str] = {
    "demo/__init__.py": "from demo.testing import check\n",
    "demo/testing/__init__.py": "def check(): return 1\n",
    "demo/_core.cpython-311-aarch64-linux-gnu.so": b"\x7fELF not really",
    "demo/_core.pyi": "x: int\n",
    "demo/_core.pyx": "cdef int x\n",
    "demo/py.typed": "",
    "demo/include/demo.h": "int x;\n",
    "demo/lib/libdemo.a": b"!<arch>\n...",
    "demo/__pycache__/__init__.cpython-311.pyc": b"compiled",
    "demo/tests/__init__.py": "",
    "demo/tests/test_demo.py": "import demo\n",
    "demo/tests/data/table.csv": "1,2\n",
    "demo/tests/_helper.cpython-311-aarch64-linux-gnu.so": b"\x7fELF not really",
    "demo/sub/tests/test_sub.py": "from ..tests import test_demo\n",
    "demo-1.0.dist-info/licenses/tests/test_licence.py": "never\n",
    "demo-1.0.dist-info/licenses/notice.h": "never\n",
}
REMOVED = {
    "demo/_core.pyi": "stubs",
    "demo/_core.pyx": "headers",
    "demo/include/demo.h": "headers",
    "demo/lib/libdemo.a": "static",
    "demo/tests/__init__.py": "tests",
    "demo/tests/test_demo.py": "tests",
    "demo/tests/data/table.csv": "tests",
    "demo/tests/_helper.cpython-311-aarch64-linux-gnu.so": "tests",
    "demo/sub/tests/test_sub.py": "tests",
}


def made(
    directory: Path, files: Mapping[str, bytes | str], name: str = "demo", prefix: str = "", **more: Any
) -> BundledPackage:
    return bundled(make_wheel(directory, name, tag=NATIVE, files=files, **more), prefix)


def left(pruned: Pruned) -> set[str]:
    return {file.path for package in pruned.packages for file in package.files}


@pytest.mark.parametrize("prefix", ["", "python/", ".python_packages/lib/site-packages/"])
def test_all_rules_take_what_they_say_and_nothing_else(tmp_path: Path, prefix: str) -> None:
    package = made(tmp_path, DEMO, prefix=prefix)
    pruned = prune([package], ["all"])
    assert {one.path: one.rule for one in pruned.removed} == {
        f"{prefix}{path}": rule for path, rule in REMOVED.items()
    }
    [after] = pruned.packages
    assert {file.path for file in package.files} - {file.path for file in after.files} == {
        f"{prefix}{path}" for path in REMOVED
    }
    # The audit sees what is left.
    assert [path for path, _facts in after.binaries] == [
        f"{prefix}demo/_core.cpython-311-aarch64-linux-gnu.so"
    ]
    sizes = {file.path: (file.size, file.zipped) for file in package.files}
    assert all(sizes[one.path] == (one.size, one.compressed) for one in pruned.removed)
    assert {one.package for one in pruned.removed} == {"demo"}
    assert package.size - after.size == sum(one.size for one in pruned.removed)


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_a_rule_takes_its_own_kind_only(tmp_path: Path, rule: str) -> None:
    pruned = prune([made(tmp_path, DEMO)], [rule])
    assert {path for path, its in REMOVED.items() if its == rule} <= {one.path for one in pruned.removed}
    assert {one.rule for one in pruned.removed} <= {rule}


def test_what_is_left_unpacks_and_imports(tmp_path: Path) -> None:
    pruned = prune([made(tmp_path, DEMO)], ["all"])
    unpack(pruned.packages, tmp_path / "out")
    assert (tmp_path / "out/demo/testing/__init__.py").read_text() == DEMO["demo/testing/__init__.py"]
    assert not (tmp_path / "out/demo/tests").exists()


def test_no_rule_and_unknown_rules(tmp_path: Path) -> None:
    package = made(tmp_path, DEMO)
    assert prune([package], []) == Pruned([package], [], [])
    with pytest.raises(UsageError) as caught:
        prune([package], ["tests", "docs"])
    assert caught.value.code == "E-BUNDLE-PRUNE"
    assert len(caught.value.places) == len(RULES)
    assert [rule.name for rule in rules_named(["stubs", "tests"])] == ["tests", "stubs"]


def test_possible_says_what_each_rule_would_save(tmp_path: Path) -> None:
    package = made(tmp_path, DEMO)
    found = {one.rule: one for one in possible([package])}
    assert list(found) == [rule.name for rule in RULES]
    removed = prune([package], ["all"]).removed
    assert sum(one.files for one in found.values()) == len(removed)
    assert sum(one.size for one in found.values()) == sum(one.size for one in removed)
    assert found["static"].size == 11
    assert found["pycache"].files == 0  # no wheel's bytecode is installed at all


def test_the_users_own_code_is_never_touched(tmp_path: Path) -> None:
    own = application(
        {"app.py": "", "tests/test_app.py": "", "app/tests/test_it.py": "", "app/fast.pyx": "", "x.pyi": ""}
    )
    pruned = prune([own, made(tmp_path, DEMO)], ["all"])
    assert pruned.packages[0] == own


def test_bytecode_is_known_by_its_directory(tmp_path: Path) -> None:
    package = made(tmp_path, {"demo/__init__.py": ""})
    extra = application({"demo/__pycache__/a.cpython-311.pyc": b"1", "demo/only.pyc": b"2"}).files
    package = replace(package, files=(*package.files, *extra))
    # A module that comes as bytecode alone is a module.
    assert [one.path for one in prune([package], ["pycache"]).removed] == [
        "demo/__pycache__/a.cpython-311.pyc"
    ]


def test_files_that_two_packages_share_leave_both(tmp_path: Path) -> None:
    first = made(tmp_path, {"ns/tests/test_a.py": ""}, "one")
    second = replace(made(tmp_path, {"ns/b.py": ""}, "two"), shared=(first.files[0],))
    assert first.files[0].path == "ns/tests/test_a.py"
    assert prune([first, second], ["tests"]).packages[1].shared == ()


IMPORTS = {
    "import demo.tests": True,
    "import os, demo.tests.util as util": True,
    "import os; import demo.tests": True,
    "from demo import tests": True,
    "from demo.tests import util": True,
    "from demo.tests.util import *": True,
    "from . import tests": True,
    "from .tests import util": True,
    "from .tests.util import x as y": True,
    "from . import (\n    api,  # one (of two)\n    tests,\n)": True,
    "from . import api, \\\n    tests": True,
    "def run():\n    from .tests import main\n    main()": True,
    "try: from .tests import util\nexcept ImportError: pass": True,
    "import importlib\nimportlib.import_module('demo.tests.util')": True,
    "import importlib\nimportlib.import_module('.tests', __name__)": True,
    'import importlib\nimportlib.import_module(f"{__name__}.tests")': True,
    "__import__('demo.tests')": True,
    # By name: whoever gets the string imports it.
    "SUITES = ['demo.tests']": True,
    "SETTINGS = {'backend': \"demo.tests.util.Backend\"}": True,
    "run = load('demo.tests.util:main')": True,
    # No imports of it, though they speak of tests.
    "SUITES = ['other.tests', 'tests', 'demo.testsuite', 'demo. tests']": False,
    "about = 'see demo.tests.util for more'": False,
    "# SUITES = ['demo.tests']": False,
    "from demo.testing import tests_done": False,
    "import demo.testing": False,
    "import tests": False,
    "from other.tests import util": False,
    "from .api import test": False,
    "# from .tests import util": False,
    "'''Run the tests:\n\n>>> from demo.tests import util\n'''": False,
    "def test(): pass": False,
    "import os\npath = os.path.join('demo', 'tests')": False,
}


@pytest.mark.parametrize(("source", "stays"), IMPORTS.items(), ids=range(len(IMPORTS)))
def test_a_package_that_imports_its_tests_keeps_them(tmp_path: Path, source: str, stays: bool) -> None:
    files = {
        "demo/__init__.py": source,
        "demo/api.py": "",
        "demo/tests/__init__.py": "",
        "demo/tests/util.py": "",
        "demo/tests/test_demo.py": "",
    }
    pruned = prune([made(tmp_path, files)], ["tests"])
    assert ("demo/tests/util.py" in left(pruned)) == stays
    notes = ["tests: `demo/tests` stays, since `demo/__init__.py` imports or names it"] if stays else []
    assert pruned.notes == notes


def test_a_source_that_this_python_cannot_parse_is_read_all_the_same(tmp_path: Path) -> None:
    # The next Python's grammar must give the same bytes.
    files = {"demo/__init__.py": "x = t'{1}' ??? \nfrom .tests import util\n", "demo/tests/test_demo.py": ""}
    assert "demo/tests/test_demo.py" in left(prune([made(tmp_path, files)], ["tests"]))


def test_only_the_directory_that_is_imported_stays_and_what_that_one_imports(tmp_path: Path) -> None:
    files = {
        "demo/__init__.py": "",
        "demo/a/__init__.py": "from demo.b.tests.util import x\n",
        "demo/b/tests/util.py": "from ...c.tests import y\n",
        "demo/b/tests/test_b.py": "",
        "demo/c/tests/__init__.py": "",
        "demo/c/tests/test_c.py": "",
        "demo/d/tests/test_d.py": "from ...a import tests\n",
    }
    pruned = prune([made(tmp_path, files)], ["tests"])
    assert [one.path for one in pruned.removed] == ["demo/d/tests/test_d.py"]
    assert pruned.notes == [
        "tests: `demo/b/tests` stays, since `demo/a/__init__.py` imports or names it",
        "tests: `demo/c/tests` stays, since `demo/b/tests/util.py` imports or names it",
    ]


def test_others_may_import_a_packages_tests_too(tmp_path: Path) -> None:
    tests = {"demo/__init__.py": "", "demo/tests/test_demo.py": ""}
    demo = made(tmp_path, tests)
    other = made(tmp_path, {"other.py": "import demo.tests.test_demo\n"}, "other")
    own = application({"app.py": "from demo.tests import test_demo\n"})
    hook = made(tmp_path, {"hook.pth": "import demo.tests\n"}, "hook")
    point = made(
        tmp_path,
        {"point.py": ""},
        "point",
        entry_points="[console_scripts]\ncheck = demo.tests.test_demo:main\n",
    )
    assert prune([demo], ["tests"]).removed
    for one in (other, own, hook, point):
        for order in ([demo, one], [one, demo]):
            pruned = prune(order, ["tests"])
            assert not pruned.removed
            assert len(pruned.notes) == 1


def test_pytests_own_modules_keep_nothing(tmp_path: Path) -> None:
    files = {
        "demo/conftest.py": "from demo.tests import util\n",
        "demo/tests/test_demo.py": "import demo.tests.util\n",
    }
    assert [one.path for one in prune([made(tmp_path, files)], ["tests"]).removed] == [
        "demo/tests/test_demo.py"
    ]


def test_directories_called_test_that_are_none_stay(tmp_path: Path) -> None:
    files = {
        "demo/test/__init__.py": "",  # an interface, as django.test
        "demo/test/client.py": "",
        "demo/data/train/a.csv": "1",
        "demo/data/test/a.csv": "1",  # a set of data
        "demo/tests.py": "",  # a module, as jinja2.tests
        "demo/latest/test_b.py": "",
    }
    assert not prune([made(tmp_path, files)], ["tests"]).removed


def test_an_interface_around_tests_loses_only_the_tests(tmp_path: Path) -> None:
    files = {"demo/test/__init__.py": "", "demo/test/sub/tests/test_x.py": ""}
    assert [one.path for one in prune([made(tmp_path, files)], ["all"]).removed] == [
        "demo/test/sub/tests/test_x.py"
    ]


def test_files_that_a_module_names_stay(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "demo/__init__.py": "ffi.cdef(open(os.path.join(here, 'decl.h')).read())\nlib = 'lib/libdemo.a'\n",
        "demo/decl.h": "int x;",
        "demo/other.h": "int y;",
        "demo/lib/libdemo.a": b"!<arch>\n",
        "demo/lib/liby.a": b"!<arch>\n",
        "demo/lib/data.a": b"not an archive",
        "demo/tests/test_demo.py": "open('other.h')\n",
    }
    pruned = prune([made(tmp_path, files)], ["all"])
    assert {one.path for one in pruned.removed} == {
        "demo/other.h",
        "demo/lib/liby.a",
        "demo/tests/test_demo.py",
    }
    assert pruned.notes == [
        "headers: demo keeps `demo/decl.h`, which its modules name",
        "static: demo keeps `demo/lib/data.a`, which is no archive",
        "static: demo keeps `demo/lib/libdemo.a`, which its modules name",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import lazy_loader as lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)\n",
        "text = open(f'{base}.pyi').read()\n",
    ],
)
def test_stubs_that_are_read_when_the_package_is_imported_stay(tmp_path: Path, source: str) -> None:
    files = {"demo/__init__.py": source, "demo/__init__.pyi": "from .a import b\n", "demo/a.pyi": ""}
    other = made(tmp_path, {"other.py": "", "other.pyi": ""}, "other")
    pruned = prune([made(tmp_path, files), other], ["stubs"])
    assert [one.path for one in pruned.removed] == ["other.pyi"]
    assert pruned.notes == [
        "stubs: demo keeps `demo/__init__.pyi`, `demo/a.pyi`, which it may read when it runs"
    ]


def test_the_order_of_the_packages_changes_nothing(tmp_path: Path) -> None:
    packages = [
        made(
            tmp_path,
            {f"{name}/__init__.py": f"import {name}.tests", f"{name}/tests/test_x.py": "import a.tests"},
            name,
        )
        for name in "abc"
    ]
    packages.append(made(tmp_path, DEMO))
    one, other = prune(packages, ["all"]), prune(packages[::-1], ["all"])
    assert sorted(one.removed) == sorted(other.removed)
    assert sorted(one.notes) == sorted(other.notes)


def test_bytes_that_are_gone_are_a_refusal(tmp_path: Path) -> None:
    package = made(tmp_path, DEMO)
    [file] = [file for file in package.files if file.path == "demo/tests/test_demo.py"]
    assert file.raw is not None
    own = BundleFile("app.py", "0" * 64, 3, executable=False, source=FileSource(tmp_path / "gone.py"))
    with pytest.raises(ShipError) as caught:
        prune([BundledPackage(package=None, files=(own,)), package], ["tests"])
    assert caught.value.code == "E-APP-CHANGED"
    file.raw.blob.unlink()
    with pytest.raises(StoreError) as lost:
        prune([package], ["tests"])
    assert lost.value.code == "E-STORE-DAMAGED"


def test_what_another_ships_alike_stays_its_own(tmp_path: Path) -> None:
    """A file of the application with the bytes of a pruned one is the application's."""
    files: dict[str, bytes | str] = {
        "tests/__init__.py": "",
        "tests/test_a.py": "import a\n",
        "tests/data.json": "{}",
    }
    package = made(tmp_path, {"aaa.py": "", **files}, "aaa")
    mine = application({"tests/__init__.py": b"", "tests/data.json": b"{}", "tests/mine.py": b"import aaa\n"})
    first, second = together([package, mine])
    assert {file.path for file in second.shared} == {"tests/__init__.py", "tests/data.json"}
    pruned = prune([first, second], ["tests"])
    assert [file.path for file in pruned.packages[1].files] == [
        "tests/__init__.py",
        "tests/data.json",
        "tests/mine.py",
    ]
    assert {one.path for one in pruned.removed} == {"tests/test_a.py"}
    assert len(zip_files(pruned.packages)) == len({file.path for file in zip_files(pruned.packages)})


def test_what_two_packages_ship_alike_goes_if_both_lose_it(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"tests/__init__.py": "", "tests/test_a.py": "import a\n"}
    both = together([made(tmp_path, {f"{name}.py": "", **files}, name) for name in ("aaa", "bbb")])
    pruned = prune(both, ["tests"])
    assert not any(path.startswith("tests/") for path in left(pruned))


def test_data_among_tests_that_a_module_names_stays(tmp_path: Path) -> None:
    package = made(
        tmp_path,
        {
            "bbb/core.py": "from importlib.resources import files\n"
            "SCHEMA = files('bbb').joinpath(kind, 'schema.json').read_text()\n",
            "bbb/test/test_core.py": "import bbb\n",
            "bbb/test/schema.json": "{}",
            "bbb/test/other.json": "{}",
        },
        "bbb",
    )
    pruned = prune([package], ["tests"])
    assert {"bbb/core.py", "bbb/test/schema.json"} <= left(pruned)
    assert not {"bbb/test/other.json", "bbb/test/test_core.py"} & left(pruned)
    assert any("bbb/test/schema.json" in note for note in pruned.notes)


HERE = "import os\nHERE = os.path.dirname(__file__)\n"
#: What a module says, and which data of the package it then may read.
COMPOSED = {
    "text = open(os.path.join(HERE, 'data', name)).read()": {"demo/data/a.c", "demo/tests/data/b.csv"},
    'text = (files("demo") / "data" / name).read_text()': {"demo/data/a.c", "demo/tests/data/b.csv"},
    "text = open(f'{HERE}/data/{name}').read()": {"demo/data/a.c", "demo/tests/data/b.csv"},
    "text = open(os.path.join(HERE, 'tests', name)).read()": {"demo/tests/data/b.csv", "demo/tests/c.txt"},
    "found = glob(os.path.join(HERE, '*.txt'))": {"demo/tests/c.txt"},
    "found = glob('**/*.txt', recursive=True)": {"demo/tests/c.txt"},
    "text = open(name + '.txt').read()": {"demo/tests/c.txt"},
    "text = open(f'{name}.txt').read()": {"demo/tests/c.txt"},
    "text = open('%s.txt' % name).read()": {"demo/tests/c.txt"},
    "found = name.endswith(('.pyi', '.h'))": {"demo/a.pyi", "demo/include/a.h"},
    "found = glob('*.pyi')": {"demo/a.pyi"},
    # The package's own name, a directory of modules and one for compilers are everywhere.
    "names = ['demo', 'sub', 'include', 'lib', 'x.csv', 'data.', 'a data set', '.', '/']": set(),
    "import data, tests": set(),
}


@pytest.mark.parametrize(("source", "kept"), COMPOSED.items(), ids=range(len(COMPOSED)))
def test_what_a_computed_path_may_lead_to_stays(tmp_path: Path, source: str, kept: set[str]) -> None:
    files: dict[str, bytes | str] = {
        "demo/__init__.py": f"{HERE}{source}\n",
        "demo/a.pyi": "",
        "demo/data/a.c": "int x;",
        "demo/include/a.h": "int x;",
        "demo/lib/a.a": b"!<arch>\n",
        "demo/sub/__init__.py": "",
        "demo/sub/fast.pyx": "",
        "demo/tests/test_a.py": "DATA = 'data', '.csv'\n",
        "demo/tests/data/b.csv": "1",
        "demo/tests/c.txt": "",
        "demo/tests/ext.cpython-311-aarch64-linux-gnu.so": b"\x7fELF not really",
    }
    # Another package's strings say nothing of this one's files.
    other = made(tmp_path, {"other.py": "X = 'data', '.txt', '.pyi', 'tests'\n"}, "other")
    pruned = prune([made(tmp_path, files), other], ["all"])
    assert left(pruned) & (files.keys() - {"demo/__init__.py", "demo/sub/__init__.py"}) == kept
    assert bool(pruned.notes) == bool(kept)
    assert all("demo keeps" in note and "which" in note for note in pruned.notes)
