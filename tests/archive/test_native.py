"""Which source distributions compile: told from their declarations."""

from __future__ import annotations

import tomllib

import pytest

from crossdock.archive.native import native_evidence, platform_questions, scripts_named, texts_needed

SETUP = "from setuptools import setup, Extension\n"

NATIVE = {
    "ext_modules": {"setup.py": SETUP + "setup(ext_modules=[Extension('x', ['x.c'])])"},
    "ext_modules by a name": {"setup.py": SETUP + "ext = [Extension('x', ['x.c'])]\nsetup(ext_modules=ext)"},
    "a list that grows": {
        "setup.py": SETUP + "ext = []\next.append(Extension('x', ['x.c']))\nsetup(ext_modules=ext)"
    },
    "a list that is added to": {
        "setup.py": SETUP + "ext = []\next += [Extension('x', [])]\nsetup(ext_modules=ext)"
    },
    "keywords in a dictionary": {"setup.py": SETUP + "kw = dict(ext_modules=[1])\nsetup(**kw)"},
    "keywords set by item": {
        "setup.py": SETUP + "kw = {}\nkw['ext_modules'] = cythonize('x.pyx')\nsetup(**kw)"
    },
    "a function's result": {
        "setup.py": "from mine import get\nfrom setuptools import setup\nsetup(ext_modules=get())"
    },
    "cffi": {"setup.py": "from setuptools import setup\nsetup(cffi_modules=['b.py:ffi'])"},
    "rust": {"setup.py": "from setuptools import setup\nsetup(rust_extensions=[RustExtension('x')])"},
    "has_ext_modules": {
        "setup.py": "class B(D):\n    def has_ext_modules(self):\n        return True\nsetup(distclass=B)"
    },
    "skbuild": {"setup.py": "from skbuild import setup\nsetup()"},
    "a setup.py of Python 2": {"setup.py": "print 'hello'\nsetup(ext_modules=[Extension('x', ['x.c'])])"},
    "maturin": {"pyproject.toml": "[build-system]\nbuild-backend='maturin'"},
    "scikit-build-core": {"pyproject.toml": "[build-system]\nbuild-backend='scikit_build_core.build'"},
    "meson": {
        "pyproject.toml": "[build-system]\nbuild-backend='mesonpy'",
        "src/meson.build": "py.extension_module('x', 'x.c')",
    },
    "ext-modules in pyproject.toml": {
        "pyproject.toml": "[[tool.setuptools.ext-modules]]\nname='x'\nsources=['x.c']"
    },
    "setuptools-rust in pyproject.toml": {
        "pyproject.toml": "[[tool.setuptools-rust.ext-modules]]\ntarget='x'"
    },
    "a hook of PDM": {
        "pyproject.toml": "[build-system]\nbuild-backend='pdm.backend'\n[tool.pdm.build]\nrun-setuptools=true",
        "pdm_build.py": "def pdm_build_update_setup_kwargs(context, kwargs):\n    kwargs['ext_modules'] = [1]\n",
    },
    "a hatch hook": {
        "pyproject.toml": "[build-system]\nbuild-backend='hatchling.build'\n[tool.hatch.build.hooks.cython]"
    },
    "a custom hatch hook": {
        "pyproject.toml": "[build-system]\nbuild-backend='hatchling.build'\n[tool.hatch.build.targets.wheel.hooks.custom]",
        "hatch_build.py": "build_data['pure_python'] = False",
    },
    "a poetry build script": {
        "pyproject.toml": "[build-system]\nbuild-backend='poetry.core.masonry.api'\n[tool.poetry.build]\nscript='build.py'",
        "build.py": "ext_modules = cythonize('x.pyx')",
    },
    "a backend in the tree": {
        "pyproject.toml": "[build-system]\nbuild-backend='be.hooks'\nbackend-path=['packaging']",
        "packaging/be/hooks.py": "from Cython.Build import cythonize",
    },
}

PURE = {
    "nothing": {},
    "a plain setup.py": {"setup.py": "from setuptools import setup\nsetup(name='x')", "tests/x.c": ""},
    "no extensions": {"setup.py": "from setuptools import setup\nsetup(ext_modules=[])"},
    "extensions by an empty name": {
        "setup.py": "from setuptools import setup\next = None\nsetup(ext_modules=ext)"
    },
    "mypyc on request": {
        "setup.py": "import os\nif os.environ.get('USE_MYPYC'):\n    ext = mypycify(['x'])\nelse:\n    ext = []\n"
        "setup(ext_modules=ext)"
    },
    "a mypyc hook that is off": {
        "pyproject.toml": "[build-system]\nbuild-backend='hatchling.build'\n"
        "[tool.hatch.build.targets.wheel.hooks.mypyc]\nenable-by-default=false"
    },
    "a stray source": {
        "src/x/fast.c": "",
        "src/x/fast.pyx": "",
        "pyproject.toml": "[build-system]\nrequires=[]",
    },
    "meson without a target": {
        "pyproject.toml": "[build-system]\nbuild-backend='mesonpy'",
        "meson.build": "project('x')",
    },
    "a setup.py that another backend ignores": {
        "pyproject.toml": "[build-system]\nbuild-backend='flit_core.buildapi'",
        "setup.py": SETUP + "setup(ext_modules=[Extension('x', ['x.c'])])",
    },
    "setuptools, which builds itself": {
        "pyproject.toml": "[build-system]\nbuild-backend='setuptools.build_meta'\nbackend-path=['.']",
        "setuptools/command/build_ext.py": "class build_ext: pass",
    },
    "tables of other types": {"pyproject.toml": "tool = 1\nbuild-system = 2"},
}


def evidence(files: dict[str, str]) -> tuple[str, ...]:
    pyproject = tomllib.loads(files.get("pyproject.toml", ""))
    named = scripts_named(pyproject)
    texts = {path: text for path, text in files.items() if texts_needed(path) or path.startswith(named)}
    return native_evidence(files, texts, pyproject)


@pytest.mark.parametrize("name", NATIVE)
def test_a_declaration_of_something_to_compile_counts(name: str) -> None:
    assert evidence(NATIVE[name])


@pytest.mark.parametrize("name", PURE)
def test_without_one_it_is_pure(name: str) -> None:
    assert evidence(PURE[name]) == ()


def test_declarations_come_first_and_then_sources() -> None:
    found = evidence({**NATIVE["ext_modules"], "src/x.c": "", "tests/t.c": "", "x.py": ""})
    assert found == ("setup.py: ext_modules", "src/x.c")


ASKS = {
    "the machine": "import platform\nif platform.machine() == 'x86_64': pass",
    "by name": "from platform import system",
    "the platform": "import sys\nx = sys . platform",
    "os.name": "import os\nreqs = ['a'] if os.name == 'nt' else []",
    "word size": "import struct\nstruct.calcsize('P')",
    "sysconfig": "from sysconfig import get_platform\nget_platform()",
}


@pytest.mark.parametrize("case", ASKS)
@pytest.mark.parametrize("path", ["setup.py", "hatch_build.py"])
def test_questions_about_the_machine_are_seen_where_a_build_asks_them(case: str, path: str) -> None:
    (found,) = platform_questions({path: ASKS[case]}, {})
    assert found.startswith(f"{path} asks for `")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("setup.py", "# platform.machine()\nsetup()"),
        ("setup.py", "import sys\nsys.version_info"),
        ("setup.py", "my_platform.machines()"),
        ("setup.cfg", "platform.machine()"),
        ("tests/meson.build", "platform.machine()"),
    ],
)
def test_comments_and_what_no_build_runs_ask_nothing(path: str, text: str) -> None:
    assert platform_questions({path: text}, {}) == ()


def test_a_project_s_own_backend_may_ask_too() -> None:
    pyproject = {"build-system": {"build-backend": "mine", "backend-path": ["build"]}}
    assert platform_questions({"build/mine.py": "import os\nos.uname()"}, pyproject)
