"""What Bazel must know of a wheel, by the names in it."""

from __future__ import annotations

import pytest

from crossdock.ship.bazel.inside import inside_of

DATA = "demo-1.0.data"


@pytest.mark.parametrize(
    ("names", "modules", "namespaces"),
    [
        (["demo/__init__.py", "demo/a.py"], ["demo"], []),
        (["six.py"], ["six"], []),
        (["_c.cpython-312-aarch64-linux-gnu.so", "_d.abi3.so", "_e.pyd"], ["_c", "_d", "_e"], []),
        (["google/api/__init__.py", "google/api/x.py"], ["google.api"], ["google"]),
        (["a/b/c.py"], ["a.b.c"], ["a", "a/b"]),
        (["a/b/__init__.py", "a/b/n/c.py"], ["a.b"], ["a"]),
        (["a/__init__.pyi", "a/x.py"], ["a"], []),
        (["a/data/x.json", "share/readme.txt"], [], []),
        (["not-a-module/x.py"], [], []),
        (["demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/sboms/x.py"], [], []),
        (["numpy.libs/libopenblas-r0-f650aae0.so"], [], []),
    ],
)
def test_modules_and_namespaces(names: list[str], modules: list[str], namespaces: list[str]) -> None:
    found = inside_of(names, data=DATA)
    assert (list(found.modules), list(found.namespaces)) == (modules, namespaces)
    assert found.imports == (".",)


def test_the_other_two_directories_of_imports() -> None:
    names = [f"{DATA}/purelib/a/b.py", f"{DATA}/platlib/c.abi3.so", f"{DATA}/scripts/run", "d.py"]
    found = inside_of(names, data=DATA)
    assert found.imports == (".", f"{DATA}/platlib", f"{DATA}/purelib")
    assert found.namespaces == (f"{DATA}/purelib/a",)
    assert found.modules == ("a.b", "c", "d")


def test_files_that_would_make_packages() -> None:
    names = ["demo/BUILD", "demo/x/BUILD.bazel", "demo/build", "demo/BUILD.py", "BUILD/x.py"]
    assert inside_of(names, data=DATA).build_files == ("demo/BUILD", "demo/x/BUILD.bazel")
