"""What builds say to Microsoft's compiler and linker, in clang's words. Runs inside builds: the standard library only.

A setup.py that finds itself on Windows (`sys.platform == "win32"`) hands `/O2 /std:c++17` to whatever compiler there is.
Sources: Microsoft's lists of compiler options and linker options; those without a meaning to clang are dropped.
"""

from __future__ import annotations

import os
import re

# Options with a meaning, by the start of the word behind its `/`; the rest of the word is the value.
_MEANINGS = (
    ("std:", "-std="),
    ("D", "-D"),
    ("U", "-U"),
    ("I", "-I"),
    ("LIBPATH:", "-L"),
)
_EXACT = {
    "Od": ["-O0"], "O1": ["-Os"], "O2": ["-O2"], "Ox": ["-O2"], "Ot": ["-O2"], "Os": ["-Os"],
    "fp:fast": ["-ffast-math"], "arch:AVX": ["-mavx"], "arch:AVX2": ["-mavx2", "-mfma"],
    "arch:AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512cd"],
    "TP": ["-x", "c++"], "TC": ["-x", "c"], "J": ["-funsigned-char"], "LD": ["-shared"], "c": ["-c"],
    "std:c++latest": ["-std=c++23"], "std:clatest": ["-std=c23"], "experimental:c11atomics": [],
}  # fmt: skip
# Without a meaning here: warnings, debug information, the C run time's kind, checks, the linker's optimizations.
_DROPPED = re.compile(
    r"(?:W[0-4X]|Wall|WX-|w|w[deo1-4]\d+|nologo|EH[a-z]*-?|G[A-Za-z0-9]*-?|guard:.*|M[DT]d?|MP\d*|LDd|Z[7iIlpsW]\d?|Zc:.*"
    r"|permissive-?|bigobj|utf-8|FS|F[adpor].*|fp:.*|Q.*|O[bigdy]\S*|openmp.*|sdl-?|RTC.*|analyze.*|showIncludes|link"
    r"|std:.*|volatile:.*|diagnostics:.*|external:.*|favor:.*|source-charset:.*|execution-charset:.*|await.*|arch:.*"
    r"|[A-Z]{3,}(?:[:,].*)?)$"
)
# With a hyphen in place of the slash they are Microsoft's words all the same, where clang knows no such word.
_HYPHEN = re.compile(
    r"-(?:std:|w[deo1-4]\d+$|EH[a-z]+$|Zc:|nologo$|bigobj$|permissive-$|utf-8$|GL-?$|Gy$|GS-?$|LTCG$)"
)
# What the C library of Windows has in itself.
_WITHIN = {"m", "c", "dl", "rt", "util", "nsl", "crypt", "resolv", "pthread"}
# `/I2C/driver.o` is no directory of headers.
_FILES = (
    ".o",
    ".obj",
    ".a",
    ".lib",
    ".c",
    ".cc",
    ".cpp",
    ".cxx",
    ".s",
    ".S",
    ".asm",
    ".def",
    ".res",
    ".dll",
    ".pyd",
)
_POSITION = {
    "-fPIC",
    "-fpic",
    "-fPIE",
    "-fpie",
    "-pie",
    "-rdynamic",
    "-pthread",
    "-mthreads",
    "-static",
    "-mwindows",
}


def translate(word: str) -> list[str] | None:
    """Return what stands for a word of Microsoft's compiler or linker; None if it is none of them."""
    if word in _POSITION or word.startswith("-fvisibility"):
        return []
    if _HYPHEN.match(word):
        word = "/" + word[1:]
    if word.lower().endswith(".lib") and word[:1] != "-" and "/" not in word and not os.path.exists(word):
        return ["-l" + word[:-4]]
    if word[:1] != "/" or word.endswith(_FILES) or os.path.exists(word):
        return None
    name = word[1:]
    if name in _EXACT:
        return _EXACT[name]
    for start, meaning in _MEANINGS:
        # `/DNDEBUG`, but never `/Data/lib.o`, a file that is still to be made.
        if (
            name.startswith(start)
            and len(name) > len(start)
            and (start == "I" or "/" not in name.partition("=")[0])
        ):
            return [meaning + name[len(start) :]]
    return [] if _DROPPED.match(name) else None


def library(name: str, zig: str) -> list[str]:
    """Return the words for `-lNAME`; `zig` is the compiler, beside which the system's libraries are described."""
    if name in _WITHIN:
        return []
    # Names of files know no case on Windows, and packages write `Ws2_32`.
    small = name.lower()
    if name != small and _known(small, zig):
        name = small
    return ["-l" + name]


def _known(name: str, zig: str) -> bool:
    place = os.path.join(os.path.dirname(zig), "lib", "libc", "mingw")
    return any(
        os.path.isfile(f"{place}/{folder}/{name}.def{ending}")
        for folder in ("lib-common", "lib64", "lib32")
        for ending in ("", ".in")
    )


def import_libraries(words: list[str], version: str) -> list[str]:
    """Return Python's import libraries for a module: of the stable ABI alone where the module's name promises that.

    A module of the stable ABI has no version in its name (`_x.pyd`); it must not bind itself to one in its imports.
    """
    output = next((words[number + 1] for number, word in enumerate(words[:-1]) if word == "-o"), "")
    versioned = [f"-lpython{version}"]
    return versioned if re.search(r"\.cp\d+t?-[^/]*\.pyd$", output) else ["-lpython3", *versioned]
