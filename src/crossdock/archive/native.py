"""Does a source distribution build native code? Told from its own declarations, without running any of it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Build backends that exist to compile. mesonpy also packs pure projects: there meson.build decides.
_NATIVE_BACKENDS = (
    "maturin",
    "scikit_build_core",
    "sipbuild",
    "pyqtbuild",
    "py_build_cmake",
    "setuptools_rust",
)
#: Backends that never look at setup.py.
_OWN_BACKENDS = ("hatchling", "flit", "poetry", "pdm", "mesonpy", "uv_build", "whey", "trampolim")
_MESON_TARGET = re.compile(
    r"^[^#\n]*\b(?:extension_module|shared_module|shared_library|static_library|executable|library)\s*\(",
    re.MULTILINE,
)
#: Keywords of `setup` that give the build something to compile.
_KEYWORDS = frozenset({"ext_modules", "cffi_modules", "rust_extensions", "libraries", "cmake_source_dir"})
_HATCH_HOOKS = frozenset({"mypyc", "cython", "cmake", "scikit-build", "zig", "rust", "cargo"})
_SOURCE = re.compile(r"\.(?:c|cc|cpp|cxx|pyx|rs|f|f90|f95|for|m|mm|s|asm|cu|go|zig)", re.IGNORECASE)
_BESIDE_THE_POINT = re.compile(r"(?:^|/)(?:tests?|docs?|examples?|benchmarks?)/", re.IGNORECASE)
_COMPILES = re.compile(r"\b(?:cythonize|build_ext|Extension\(|CMake|cargo)", re.IGNORECASE)
#: Builds itself from its own tree, with no extensions.
_NOT_IN_TREE = frozenset({"setuptools"})
_MAX_SOURCES = 5
#: PDM's own build hook, by the only name that it has without a setting; it hands extensions to a setup.py it writes.
_PDM_HOOK = "pdm_build.py"


#: What a build script reads of the machine that it runs on, where another target would answer otherwise.
_ASKS = re.compile(
    r"\bplatform\s*\.\s*(?:machine|system|processor|platform|uname|release|version|architecture|libc_ver|mac_ver)\b"
    r"|\bfrom\s+platform\s+import\b|\bsys\s*\.\s*(?:platform|maxsize|byteorder)\b|\bos\s*\.\s*(?:name|uname|cpu_count)\b"
    r"|\bget_platform\s*\(|\bcalcsize\s*\("
)


def texts_needed(path: str) -> bool:
    """Tell whether `native_evidence` wants the text of the file at `path` (below the top directory)."""
    return path in {"setup.py", "setup.cfg", "build.py", "hatch_build.py", _PDM_HOOK} or path.endswith(
        "meson.build"
    )


def scripts_named(pyproject: Mapping[str, Any]) -> tuple[str, ...]:
    """Return further files, or directories ending in a slash, that pyproject.toml names as running in a build."""
    system = _table(pyproject, "build-system")
    top = str(system.get("build-backend", "")).partition(":")[0].partition(".")[0]
    places = system.get("backend-path")
    found = []
    if isinstance(places, list) and top and top not in _NOT_IN_TREE:
        for place in map(str, places):
            prefix = "" if place in {".", ""} else place.removeprefix("./").rstrip("/") + "/"
            found += [f"{prefix}{top}.py", f"{prefix}{top}/"]
    found += [script for script in (_poetry_script(pyproject), _hatch_script(pyproject)) if script]
    return tuple(found)


def native_evidence(
    paths: Iterable[str], texts: Mapping[str, str], pyproject: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return why a build of this source distribution compiles, empty if it does not.

    `paths` are its files, `texts` the contents of those that `texts_needed` and `scripts_named` ask for,
    `pyproject` is pyproject.toml. A declaration counts, a stray source file does not: tests hold many. The first source files
    are named after the declarations.
    """
    reasons = list(_reasons(texts, pyproject))
    if not reasons:
        return ()
    sources = [path for path in paths if _is_source(path)]
    return (*dict.fromkeys(reasons), *sources[:_MAX_SOURCES])


def platform_questions(texts: Mapping[str, str], pyproject: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the scripts of a build ask of the machine they run on, empty if nothing: then any machine will do.

    `texts` and `pyproject` as in `native_evidence`. Comments do not count, and neither does what no build runs.
    """
    named = scripts_named(pyproject)
    found = []
    for path, text in sorted(texts.items()):
        runs = path in {"setup.py", "build.py", "hatch_build.py", _PDM_HOOK} or path.startswith(named)
        asked = _ASKS.search(re.sub(r"#[^\n]*", "", text)) if runs and path.endswith(".py") else None
        if asked is not None:
            found.append(f"{path} asks for `{''.join(asked[0].split())}`")
    return tuple(found)


def _is_source(path: str) -> bool:
    dot = path.rfind(".")
    return dot > 0 and _SOURCE.fullmatch(path[dot:]) is not None and not _BESIDE_THE_POINT.search(path)


def _reasons(texts: Mapping[str, str], pyproject: Mapping[str, Any]) -> Iterator[str]:
    system = _table(pyproject, "build-system")
    backend = str(system.get("build-backend", "setuptools.build_meta:__legacy__"))
    top = backend.partition(":")[0].partition(".")[0]
    tools = _table(pyproject, "tool")
    if top in _NATIVE_BACKENDS:
        yield f"pyproject.toml: build backend `{backend}`"
    elif top == "mesonpy":
        yield from (f"{path}: {found[0].strip()[:60]}…" for path, found in _meson(texts))
    elif "backend-path" in system and top not in _NOT_IN_TREE:
        yield from _in_tree(texts, pyproject)
    elif top == "hatchling":
        yield from _hatch(texts, tools)
    elif top == "poetry":
        yield from _poetry(texts, tools)
    elif top == "pdm" and re.search(r"ext_modules|Extension\(|cythonize", texts.get(_PDM_HOOK, "")):
        yield f"{_PDM_HOOK}: build hook that compiles"
    if not top.startswith(_OWN_BACKENDS) or _table(tools, "pdm", "build").get("run-setuptools"):
        yield from _setuptools(texts, tools)


def _table(value: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a table inside a TOML document, empty where something else stands there."""
    for key in keys:
        inner = value.get(key)
        value = inner if isinstance(inner, dict) else {}
    return value


def _meson(texts: Mapping[str, str]) -> Iterator[tuple[str, re.Match[str]]]:
    for path, text in texts.items():
        if _BESIDE_THE_POINT.search(path):
            continue
        if path.rpartition("/")[2] == "meson.build" and (found := _MESON_TARGET.search(text)):
            yield path, found


def _in_tree(texts: Mapping[str, str], pyproject: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a backend that lies in the source tree itself says of compiling."""
    for path, text in texts.items():
        if path.endswith(".py") and path.startswith(scripts_named(pyproject)) and _COMPILES.search(text):
            yield f"{path}: the project's own build backend compiles"


def _hatch(texts: Mapping[str, str], tools: Mapping[str, Any]) -> Iterator[str]:
    build = _table(tools, "hatch", "build")
    tables = [_table(build, "hooks"), _table(build, "targets", "wheel", "hooks")]
    for hooks in tables:
        for name, options in hooks.items():
            enabled = not isinstance(options, dict) or options.get("enable-by-default", True)
            if name in _HATCH_HOOKS and enabled:
                yield f"pyproject.toml: hatch build hook `{name}`"
    path = _hatch_script({"tool": tools})
    if path and re.search(r"pure_python|infer_tag|Extension\(|cythonize", texts.get(path, "")):
        yield f"{path}: builds a wheel that is not pure"


def _hatch_script(pyproject: Mapping[str, Any]) -> str | None:
    """Return the path of hatch's custom build hook, if one is on by default."""
    build = _table(pyproject, "tool", "hatch", "build")
    for hooks in (_table(build, "hooks"), _table(build, "targets", "wheel", "hooks")):
        custom = hooks.get("custom")
        if isinstance(custom, dict) and custom.get("enable-by-default", True):
            return str(custom.get("path", "hatch_build.py"))
    return None


def _poetry_script(pyproject: Mapping[str, Any]) -> str | None:
    """Return the path of poetry's build script, in either spelling."""
    build = _table(pyproject, "tool", "poetry").get("build")
    script = build.get("script") if isinstance(build, dict) else build
    return script if isinstance(script, str) else None


def _poetry(texts: Mapping[str, str], tools: Mapping[str, Any]) -> Iterator[str]:
    script = _poetry_script({"tool": tools})
    if script and re.search(r"ext_modules|Extension|cythonize|maturin|cmake", texts.get(script, "")):
        yield f"{script}: poetry build script that compiles"


def _setuptools(texts: Mapping[str, str], tools: Mapping[str, Any]) -> Iterator[str]:
    if _table(tools, "setuptools").get("ext-modules"):
        yield "pyproject.toml: [tool.setuptools] ext-modules"
    if "setuptools-rust" in tools:
        yield "pyproject.toml: [tool.setuptools-rust]"
    if re.search(r"^\[extension=", texts.get("setup.cfg", ""), re.MULTILINE):
        yield "setup.cfg: [extension=…]"
    text = texts.get("setup.py")
    if text is None:
        return
    try:
        yield from list(_SetupScript(ast.parse(text)).reasons())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Written for Python 2, or to break parsers: the words alone then.
        code = re.sub(r"#[^\n]*", "", text)
        yield from (
            f"setup.py: {word}"
            for word in sorted(_KEYWORDS - {"libraries"})
            if re.search(rf"\b{word}\b", code)
        )


class _SetupScript:
    """What a setup.py that parses hands to `setup`."""

    def __init__(self, tree: ast.Module) -> None:
        self._nodes = list(_live(tree))
        self._assigned: dict[str, list[ast.expr]] = {}
        for node in self._nodes:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AugAssign):
                targets = [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AugAssign):
                    self._assigned.setdefault(target.id, []).append(node.value)
        self._grown = {
            node.func.value.id
            for node in self._nodes
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"append", "extend", "insert"}
            and isinstance(node.func.value, ast.Name)
        }

    def reasons(self) -> Iterator[str]:
        for node in self._nodes:
            yield from (
                f"setup.py: {key}"
                for key, value in _settings(node)
                if key in _KEYWORDS and self._something(value)
            )
            match node:
                case ast.ImportFrom(module="skbuild") | ast.Import(names=[ast.alias(name="skbuild")]):
                    yield "setup.py: skbuild"
                case ast.FunctionDef(
                    name="has_ext_modules", body=[ast.Return(value=ast.Constant(value=True))]
                ):
                    yield "setup.py: has_ext_modules"
                case _:
                    pass

    def _something(self, value: ast.expr, depth: int = 0) -> bool:
        """Tell whether an expression may be something other than an empty list or None."""
        match value:
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return bool(items)
            case ast.Constant(value=constant):
                return bool(constant)
            case ast.IfExp(body=body, orelse=orelse):
                return self._something(body, depth) or self._something(orelse, depth)
            case ast.Name(id=name) if name in self._assigned and depth < 8:  # noqa: PLR2004  # no chain is longer
                values = self._assigned[name]
                return name in self._grown or any(self._something(one, depth + 1) for one in values)
            case _:
                return True


def _live(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, leaving out what only runs when a user asks for mypyc (pure by default: mypy, charset-normalizer)."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and re.search("mypyc", ast.unparse(child.test), re.IGNORECASE):
            for other in child.orelse:
                yield other
                yield from _live(other)
            continue
        yield child
        yield from _live(child)


def _settings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names and values that a node may hand to `setup`: keywords, dictionary items, `kwargs[..] = `."""
    match node:
        case ast.Call(func=function, keywords=keywords):
            # Extension(libraries=…) names what to link with; only setup's own `libraries` are built.
            builds = ast.unparse(function).endswith("setup")
            for keyword in keywords:
                if keyword.arg and (builds or keyword.arg != "libraries"):
                    yield keyword.arg, keyword.value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value != "libraries":
                    yield key.value, value
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(name)))], value=value):
            if name != "libraries":
                yield name, value
        case _:
            pass
