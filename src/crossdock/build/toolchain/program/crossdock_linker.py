"""What a build tells the linker through its compiler, in zig's words. Runs inside builds: the standard library only."""

from __future__ import annotations

# zig's linker does not know these. They change nothing that a build depends on, or cannot hold for an extension
# module, which takes its Py* symbols from the interpreter that loads it.
_LINKER_DROPPED = {
    "--fatal-warnings", "--no-fatal-warnings", "-Bsymbolic-functions", "--warn-common", "--no-undefined", "defs",
    "--push-state", "--pop-state", "--threads", "--no-threads", "--stats", "--no-keep-memory", "--relax", "--no-relax",
    "--reduce-memory-overheads", "-dynamic-list-data", "--warn-once", "--cref", "--no-warn-mismatch", "-x", "-X",
    "--no-undefined-version", "--no-copy-dt-needed-entries", "--copy-dt-needed-entries", "--add-needed",
    "--no-add-needed", "--enable-new-dtags", "--disable-new-dtags", "-headerpad_max_install_names", "-headerpad",
    "-search_paths_first", "-dead_strip_dylibs", "--enable-auto-image-base", "--enable-auto-import", "-no_fixup_chains",
    "--enable-runtime-pseudo-reloc-v2", "--nxcompat", "--dynamicbase", "--high-entropy-va", "-O1", "-O2", "-O0",
    "--color-diagnostics", "--no-gc-sections", "--sort-common", "--no-dynamic-linker", "--discard-all",
    "--disable-auto-import", "--kill-at", "-no_compact_unwind", "-export_dynamic", "--fix-cortex-a53-843419",
    "--fix-cortex-a53-835769", "--fix-cortex-a8", "--no-fix-cortex-a8", "-v", "-ld_classic", "-ld_new", "--verbose",
}  # fmt: skip
_LINKER_DROPPED_STARTS = (
    "--exclude-libs", "--icf", "--threads=", "-rpath-link", "--rpath-link", "-plugin-opt", "--plugin-opt",
    "--package-metadata", "-Map", "--undefined=", "--retain-symbols-file", "--dynamic-list", "--thread-count",
    "--sort-section", "--build-id", "-headerpad", "--out-implib", "--output-def", "-z,pack-relative-relocs",
    "--no-insert-timestamp", "--insert-timestamp", "--major-image-version", "--minor-image-version",
)  # fmt: skip
# Options whose value is a word of its own: those that are handed on, and those that are dropped with it.
_LINKER_TAKES = {
    "-soname": "-soname", "--soname": "-soname", "-h": "-soname", "-install_name": "-install_name",
    "--version-script": "--version-script", "-exported_symbols_list": "-exported_symbols_list",
    "-dynamic-linker": "--dynamic-linker", "--dynamic-linker": "--dynamic-linker", "-e": "-e", "--entry": "-e",
    "-undefined": "-undefined",
}  # fmt: skip
_LINKER_WITH_VALUE = {"-rpath-link", "--rpath-link", "-Map", "--exclude-libs", "-plugin", "-plugin-opt", "-T"}
_Z_DROPPED = {
    "defs",
    "nodlopen",
    "separate-code",
    "noseparate-code",
    "pack-relative-relocs",
    "undefs",
    "text",
    "execstack",
}


def together(words: list[str]) -> list[str | list[str]]:
    """Return the words with those for the linker as lists: `-Wl,-z -Wl,relro` is one option with its value."""
    found: list[str | list[str]] = []
    rest = iter(words)
    for word in rest:
        if word.startswith("-Wl,"):
            parts = word[4:].split(",")
        elif word == "-Xlinker":
            parts = [next(rest, "")]
        else:
            found.append(word)
            continue
        last = found[-1] if found else None
        if isinstance(last, list):
            last += parts
        else:
            found.append(parts)
    return found


def translate(parts: list[str]) -> list[str]:
    """Translate what `-Wl,` and `-Xlinker` hand to the linker."""
    kept = []
    words = iter(parts)
    for word in words:
        if word in _LINKER_WITH_VALUE:
            next(words, None)
        elif word == "-z":
            value = next(words, "")
            if value not in _Z_DROPPED:
                kept.append("-Wl,-z," + value)
        elif word in ("-rpath", "--rpath", "-R"):
            kept += _search_path(next(words, ""))
        elif word.startswith(("-R", "-rpath=", "--rpath=")):
            kept += _search_path(word.partition("=")[2] if "=" in word else word[2:])
        elif word in _LINKER_TAKES:
            kept.append(f"-Wl,{_LINKER_TAKES[word]},{next(words, '')}")
        elif word == "-m":
            next(words, None)
        elif not _is_dropped(word):
            # What a DLL exports is a file of its own to zig.
            kept.append(word if word.endswith(".def") and word[:1] != "-" else "-Wl," + word)
    return kept


def _is_dropped(word: str) -> bool:
    return word in _LINKER_DROPPED or word.startswith(_LINKER_DROPPED_STARTS)


def _search_path(value: str) -> list[str]:
    """Keep what is beside the module: any other directory is one of this machine."""
    return ["-Wl,-rpath," + value] if value.startswith(("$ORIGIN", "@loader_path", "@rpath")) else []
