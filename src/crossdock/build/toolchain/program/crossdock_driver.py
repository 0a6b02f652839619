"""zig as the compiler, linker and archiver that build backends expect. Runs inside builds: the standard library only.

The program's name says what it is: `cc`, `c++`, `ar`, `ranlib`, `pkg-config` ..., each also with the target's triple in
front, and `host-cc`, `host-c++` for helpers that a build compiles and runs itself. A backend must be able to take the
compiler as one word: CMake, Meson, autoconf and cc-rs mishandle `zig cc -target ...`.

`crossdock_settings` is written beside this file for one target: plain names and lists.
"""

from __future__ import annotations

import itertools
import os
import sys

import crossdock_linker as linker  # type: ignore[import-not-found]
import crossdock_machine as machine  # type: ignore[import-not-found]
import crossdock_settings as settings  # type: ignore[import-not-found]
import crossdock_windows as windows  # type: ignore[import-not-found]

_DROPPED = {
    "-Werror", "-fno-fat-lto-objects", "-ffat-lto-objects", "-fuse-linker-plugin",
    "-fno-use-linker-plugin", "-static-libgcc", "-static-libstdc++", "-shared-libgcc", "-fcf-protection",
    "-fcf-protection=full", "-fcf-protection=branch", "-mbranch-protection=standard", "-fstack-clash-protection",
    "-fno-stack-clash-protection", "-Wl,-headerpad_max_install_names", "-fno-var-tracking", "-fprofile-partial-training",
    "-fvar-tracking", "-fno-semantic-interposition", "-fsemantic-interposition", "-fno-plt", "-pipe", "-mno-omit-leaf-frame-pointer",
    "-fno-keep-inline-dllexport", "-fweb", "-frename-registers", "-fno-tree-vectorize-loop", "-mms-bitfields", "-municode",
    "-fdebug-default-version=4", "-grecord-gcc-switches", "-gno-record-gcc-switches", "-fno-canonical-system-headers",
    "-nolibc",
}  # fmt: skip
# Link-time optimization would compile zig's runtime libraries anew in each build, a minute of work.
_DROPPED_STARTS = (
    "-flto",
    "-fno-lto",
    "--target=", "-fuse-ld=", "-flto-partition=", "-flto-compression", "-fdebug-prefix-map=", "-ffile-prefix-map=",
    "-fmacro-prefix-map=", "-specs=", "--sysroot=", "-isysroot=",
    "-fplugin", "--param=", "-fno-tree-", "-gdwarf", "-ggdb", "-mmacosx-version-min=", "-fvisibility-inlines-hidden=",
    "--unwindlib=",
)  # fmt: skip
_DROPPED_WITH_VALUE = {
    "-u",
    "-target",
    "-arch",
    "-isysroot",
    "--sysroot",
    "--target",
    "-Xassembler",
    "--param",
}
# `-Wp,-v` is how scripts ask where headers are.
_SPELLED = {"-bundle": "-shared", "-mdll": "-shared", "-dynamiclib": "-shared", "-Wp,-v": "-v"}
# zig brings its own of these, or has them in the C library.
_LIBRARIES = {"atomic", "gcc", "gcc_s", "gcc_eh", "ssp", "ssp_nonshared", "msvcrt", "ucrt", "vcruntime140", "msvcr140", "mingwex",
              "mingw32", "moldname", "quadmath"}  # fmt: skip
_DIRECTORIES = ("-I", "-L", "-isystem", "-idirafter", "-iquote")
_COMPILES_ONLY = {"-c", "-E", "-S", "-M", "-MM", "-fsyntax-only"}
#: Directories that the command searches for libraries and that lie in the build itself.
_own_places: list[str] = []
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".C", ".c++", ".m", ".mm", ".s", ".S")
_TOOLS = {
    "cc": "cc", "gcc": "cc", "clang": "cc", "c89": "cc", "c99": "cc",
    "c++": "c++", "g++": "c++", "clang++": "c++", "cpp": "cpp",
    "ar": "ar", "gcc-ar": "ar", "llvm-ar": "ar", "ranlib": "ranlib", "gcc-ranlib": "ranlib", "llvm-ranlib": "ranlib",
    "lib": "lib", "dlltool": "dlltool", "rc": "rc", "windres": "rc", "objcopy": "objcopy", "ld": "ld", "strip": "strip",
    "pkg-config": "pkg-config", "pkgconf": "pkg-config",
    # Of macOS: install names, signatures and symbols are right as they are linked.
    "install_name_tool": "strip", "codesign": "strip", "dsymutil": "strip",
}  # fmt: skip


def main() -> int:
    """Become what the program's name says."""
    name = os.path.basename(sys.argv[0])
    host = name.startswith("host-")
    tool = _tool(name.removeprefix("host-") if host else name.removeprefix(settings.TRIPLE + "-"))
    arguments = sys.argv[1:]
    if tool == "strip":
        return 0  # links are stripped already, and no strip here reads the target's files
    if tool == "pkg-config":
        return _pkg_config(arguments)
    if tool not in ("cc", "c++", "cpp", "ld"):
        return _become([settings.ZIG, tool, *arguments])
    answer = None if host else _answer(arguments)
    if answer is not None:
        sys.stdout.write(answer + "\n")
        return 0
    if tool == "cpp":
        tool, arguments = "cc", ["-E", *arguments]
    if tool == "ld":
        tool, arguments = "cc", [_to_linker(word) for word in arguments]
    return _compile(tool, arguments, host=host)


def _to_linker(word: str) -> str:
    """Return a word of `ld` as a compiler takes it."""
    return word if word[:1] != "-" or word[:2] in ("-L", "-l", "-o") else "-Wl," + word


def _tool(name: str) -> str:
    if name in _TOOLS:
        return _TOOLS[name]
    # With a version (`gcc-12`) or somebody's triple (`aarch64-unknown-linux-gnu-gcc`).
    for part in (name.rstrip("0123456789.").rstrip("-"), name.rpartition("-")[2]):
        if part in _TOOLS:
            return _TOOLS[part]
    sys.exit(f"crossdock: no tool is called {name!r}")


def _answer(arguments: list[str]) -> str | None:
    """Return what a compiler says of itself, where zig would speak of its own triple or not at all."""
    if arguments in (["-dumpmachine"], ["-print-multiarch"], ["--print-multiarch"]):
        return str(settings.TRIPLE)
    if arguments in (["-dumpversion"], ["-dumpfullversion"]):
        return "12"
    if arguments == ["-print-sysroot"]:
        return str(settings.SYSROOT)
    return None


def _become(command: list[str]) -> int:
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"crossdock: cannot start {command[0]}: {error}")


def _pkg_config(arguments: list[str]) -> int:
    """Show pkg-config the target's libraries only, with paths in the sysroot."""
    os.environ["PKG_CONFIG_LIBDIR"] = ":".join(settings.PKG_CONFIG)
    os.environ["PKG_CONFIG_SYSROOT_DIR"] = settings.SYSROOT
    return _become([settings.PKG_CONF, *arguments])


def _compile(tool: str, arguments: list[str], *, host: bool) -> int:
    words = _expanded(arguments)
    kept = _host_words(words) if host else filtered(words)
    compiles = not _COMPILES_ONLY.isdisjoint(kept)
    # zig turns undefined behaviour into traps and links a runtime for it wherever nothing asks for optimization.
    before = [
        settings.ZIG,
        tool,
        "-target",
        settings.HOST_TARGET if host else settings.TARGET,
        "-fno-sanitize=all",
    ]
    if "-E" in kept and "-" in kept and not any(word.startswith("-x") for word in kept):
        # zig hands input of no known language to clang, with a target in words that clang does not know.
        before += ["-x", "c++" if tool == "c++" else "c"]
    after = ["-g0"]
    for from_, to in settings.PREFIX_MAP:
        after.append(f"-ffile-prefix-map={from_}={to}")
    if not host:
        before += settings.MACHINE
        before += settings.DEFINES
        for directory in settings.INCLUDE:
            after += ["-idirafter", directory]  # behind zig's own headers of the C library
        if settings.SYSTEM == "macos" and settings.SYSROOT:
            after += ["-F" + settings.SYSROOT + "/System/Library/Frameworks"]
    if compiles or not _has_input(kept):
        return _become([*before, *kept, *after])
    if not host:
        after += ["-L" + directory for directory in settings.LIBRARY_PATH]
        after += settings.LINK
        if "-shared" in kept:
            after += _of_modules(kept)
            if settings.SYSTEM == "windows":
                # setuptools names the library of one version for modules of the stable ABI too.
                kept = [word for word in kept if word not in ("-lpython3", "-lpython" + settings.PYTHON)]
    # Without -s zig's own runtime libraries keep their debug information, with the paths of its installation in it.
    return _link([*before, *_linked_only(kept), *after, "-s"], kept)


def _has_input(words: list[str]) -> bool:
    """Tell a link from a question such as `cc --version` or `cc -v`; CMake links with -v to learn what is linked."""
    output = _value_of("-o", words)
    return any(word[:1] != "-" and word != output for word in words)


def _of_modules(words: list[str]) -> list[str]:
    """Return how a module gets at the interpreter: by its name on Windows, on macOS by what loads it."""
    if settings.SYSTEM == "windows":
        return windows.import_libraries(words, settings.PYTHON)  # type: ignore[no-any-return]
    if settings.SYSTEM != "macos":
        return []
    found = ["-undefined", "dynamic_lookup"]
    output = _value_of("-o", words)
    if output and not any("-install_name" in word for word in words):
        # The linker would write down the path that it is told, a directory of the build.
        found.append("-Wl,-install_name,@rpath/" + os.path.basename(output))
    return found


def _linked_only(words: list[str]) -> list[str]:
    """Give links of objects one level: zig makes its runtime libraries anew for each."""
    if any(word.endswith(_SOURCES) and word[:1] != "-" for word in words):
        return words
    return [word for word in words if not (word.startswith("-O") and len(word) < 6)] + ["-O2"]


def _link(command: list[str], words: list[str]) -> int:
    """Run a link; what a failed one leaves is no file."""
    pid = os.posix_spawn(command[0], command, os.environ)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        output = _value_of("-o", words)
        if output and os.path.isfile(output) and not os.path.getsize(output):
            os.unlink(output)
    return 1 if status < 0 else status


def _value_of(flag: str, words: list[str]) -> str | None:
    for number, word in enumerate(words):
        if word == flag and number + 1 < len(words):
            return words[number + 1]
    return None


def _expanded(arguments: list[str]) -> list[str]:
    """Take response files apart: what is in them has to be translated too."""
    words = []
    for word in arguments:
        if word.startswith("@") and os.path.isfile(word[1:]):
            import shlex

            with open(word[1:], encoding="utf-8", errors="surrogateescape") as file:
                words += _expanded(shlex.split(file.read()))
        else:
            words.append(word)
    return words


def _host_words(words: list[str]) -> list[str]:
    return [word for word in filtered(words, host=True) if not word.startswith(("-m", "-fcf"))]


def filtered(words: list[str], *, host: bool = False) -> list[str]:
    """Return a gcc or clang command's words as zig takes them for the target; `host`: for this machine."""
    kept: list[str] = []
    elsewhere = (settings.SYSROOT, *settings.SHOWN, *settings.HOST_DIRECTORIES)
    _own_places[:] = [place for place in _searches(words) if not _below(os.path.normpath(place), elsewhere)]
    rest = iter(linker.together(words))
    for word in rest:
        if isinstance(word, list):
            kept += linker.translate(_searched(word, host=host))
        elif word in _DROPPED_WITH_VALUE:
            next(rest, None)
        elif word == "-undefined":
            kept += [word, _text(next(rest, ""))]
        elif word == "-z":
            kept += linker.translate([word, _text(next(rest, ""))])
        elif word in _DIRECTORIES:
            place = _place(_text(next(rest, "")), host=host)
            kept += [word, place] if place else []
        else:
            kept += _one(word, host=host)
    return kept


def _searches(words: list[str]) -> list[str]:
    """Return the directories of `-L`, joined to it or after it."""
    after = [word for before, word in itertools.pairwise(words) if before == "-L"]
    return [*after, *(word[2:] for word in words if word.startswith("-L") and len(word) > 2)]


def _searched(parts: list[str], *, host: bool) -> list[str]:
    """Let zig find import libraries: told `-Bdynamic`, it looks for the DLL itself, which is on the target alone."""
    if host or settings.SYSTEM != "windows":
        return parts
    return [part for part in parts if part not in ("-Bdynamic", "-Bstatic")]


def _text(word: str | list[str]) -> str:
    return word if isinstance(word, str) else ""


def _one(word: str, *, host: bool) -> list[str]:
    """Return what stands for a word that has no value after it."""
    meant = windows.translate(word) if settings.SYSTEM == "windows" and not host else None
    if meant is not None:
        return [part for one in meant for part in _common(one, host=host)]
    return _common(word, host=host)


def _common(word: str, *, host: bool) -> list[str]:
    if word in _DROPPED or word.startswith(_DROPPED_STARTS):
        return []
    if word in _SPELLED:
        return [_SPELLED[word]]
    if word[:2] in ("-I", "-L") and len(word) > 2:
        place = _place(word[2:], host=host)
        return [word[:2] + place] if place else []
    if word.startswith("-l"):
        return _library(word[2:], host=host)
    if word.startswith("/") and word.endswith(".so"):
        return _named(word, host=host)
    said = None if host or not word.startswith("-m") else machine.translate(word, settings.FAMILY)
    return [word] if said is None else said


def _library(name: str, *, host: bool) -> list[str]:
    if name in _LIBRARIES:
        # Rust asks libgcc for unwinding, which zig has in libunwind.
        return ["-lunwind"] if name in ("gcc_s", "gcc_eh") else []
    if settings.SYSTEM == "windows" and not host:
        return windows.library(name, settings.ZIG)  # type: ignore[no-any-return]
    if host or name not in settings.STATIC or _has_own(name):
        return ["-l" + name]
    _note(name)
    return list(settings.STATIC[name])


def _has_own(name: str) -> bool:
    """Tell whether a directory that the command searches, and that is the build's own, has a library of that name."""
    files = [f"lib{name}{suffix}" for suffix in (".a", ".so")]
    return any(os.path.exists(os.path.join(place, file)) for place in _own_places for file in files)


def _named(path: str, *, host: bool) -> list[str]:
    """Take a library of the target by its path, as CMake and Meson name it: static too where it can be."""
    name = os.path.basename(path)[:-3].removeprefix("lib")
    if host or name not in settings.STATIC or not _below(path, (settings.SYSROOT, *settings.SHOWN)):
        return [path]
    _note(name)
    return list(settings.STATIC[name])


def _note(name: str) -> None:
    """Leave word of a library that becomes part of a module: its licence and its origin go with it."""
    with open(settings.NOTES, "a", encoding="utf-8") as file:
        file.write(name + "\n")


def _place(path: str, *, host: bool) -> str | None:
    """Return the directory to search for what may be one of the host's; None where the target has none there."""
    path = os.path.normpath(path)
    if host or not _below(path, settings.HOST_DIRECTORIES) or _below(path, settings.SHOWN):
        return path
    inside = settings.SYSROOT + path
    return inside if settings.SYSROOT and os.path.isdir(inside) else None


def _below(path: str, directories: list[str] | tuple[str, ...]) -> bool:
    return any(path == directory or path.startswith(directory + "/") for directory in directories)
