"""The CPU that a compiler command asks for, in zig's words. Runs inside builds: the standard library only.

gcc and clang say `-march=armv8.2-a+fp16`, zig says `-mcpu=generic+v8_2a+fullfp16`. A flag that is dropped here would
leave a project without its CPU dispatch, and nobody would see it: what cannot be said in zig's words is an error.
"""

from __future__ import annotations

# Of gcc's extensions those that LLVM calls otherwise (AArch64TargetParser; gcc's manual, AArch64 options).
_ARM64_FEATURES = {
    "fp16": "fullfp16",
    "simd": "neon",
    "fp": "fp_armv8",
    "memtag": "mte",
    "rng": "rand",
    "profile": "spe",
    "rdma": "rdm",
    "tme": "tme",
}
# gcc's names of CPUs that LLVM calls otherwise.
_POWER = {"power7": "pwr7", "power8": "pwr8", "power9": "pwr9", "power10": "pwr10", "power11": "pwr11"}
_IGNORED = ("-mtune=", "-mfpu=", "-mfloat-abi=", "-mabi=", "-mcmodel=")
_SIZES = ("-m64", "-m32", "-mzarch", "-marm", "-mthumb")
# The host's own CPU is no CPU of the target's.
_HOST = ("native", "host")


def translate(word: str, family: str) -> list[str] | None:
    """Return the words for one `-m` flag on a CPU family (zig's name of it); None if it is none of ours."""
    if word in _SIZES or word.startswith(_IGNORED):
        return []
    for flag in ("-march=", "-mcpu="):
        if word.startswith(flag):
            value = word[len(flag) :]
            if value in _HOST or value.partition("+")[0] in _HOST:
                return []
            return _machine(value, family)
    return None


def _machine(value: str, family: str) -> list[str]:
    name, *features = value.split("+")
    if family == "aarch64":
        return [_arm64(name, features)]
    if family == "arm":
        # Wheels are for ARMv7 with VFPv3 throughout; NEON is asked for by name.
        return ["-mcpu=baseline+neon"] if "neon" in features or "simd" in features else []
    if family.startswith("powerpc"):
        return ["-mcpu=" + _POWER.get(name, name)]
    if family.startswith("riscv"):
        return [_riscv(name)]
    return ["-mcpu=" + "+".join([name.replace("-", "_"), *features])]


def _arm64(name: str, features: list[str]) -> str:
    kept = []
    for feature in features:
        # gcc's +nofp is LLVM's -fp.
        plain = feature.removeprefix("no")
        sign = "-" if feature.startswith("no") else "+"
        kept.append(sign + _ARM64_FEATURES.get(plain, plain).replace("-", "_"))
    if name.startswith("armv") and name.endswith("-a"):
        base = "generic+" + name[3:-2].replace(".", "_") + "a"
    else:
        base = name.replace("-", "_")
    return "-mcpu=" + base + "".join(kept)


def _riscv(name: str) -> str:
    letters = name[4:].split("_")
    first = letters[0].replace("g", "imafd")
    names = [letter for letter in first if letter != "i"] + letters[1:]
    base = "generic_rv64" if name.startswith("rv64") else "generic_rv32"
    return "-mcpu=" + "+".join([base, *names])
