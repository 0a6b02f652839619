"""The words of every ecosystem for one architecture, where a name of a target is written out."""

from __future__ import annotations

from dataclasses import dataclass

from crossdock.target.model import Arch


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchWords:
    """One architecture's names; None where an ecosystem does not have it.

    `zig_lowest_glibc` is the oldest minor of glibc 2 that zig has for it, where wheels go below that.
    """

    bazel: str
    zig: str
    rust: str
    oci: str | None = None
    oci_variant: str = ""
    debian: str | None = None
    zig_lowest_glibc: int = 0

    @property
    def platform(self) -> str:
        """What stands behind `linux/` in an OCI platform."""
        return f"{self.oci}/{self.oci_variant}" if self.oci_variant else str(self.oci)


#: Sources: the OCI image-index specification and Go's GOARCH; `@platforms//cpu` of Bazel's `platforms` module;
#: zig 0.17's targets, compiled for; Rust's platform support page; Debian's port names. Read 2026-11.
WORDS = {
    Arch.X86_64: ArchWords(oci="amd64", debian="amd64", bazel="x86_64", zig="x86_64", rust="x86_64"),
    Arch.AARCH64: ArchWords(oci="arm64", debian="arm64", bazel="aarch64", zig="aarch64", rust="aarch64"),
    Arch.ARMV7L: ArchWords(
        oci="arm", oci_variant="v7", debian="armhf", bazel="armv7", zig="arm", rust="armv7"
    ),
    Arch.ARMV6L: ArchWords(oci="arm", oci_variant="v6", bazel="armv6", zig="arm", rust="arm"),
    Arch.I686: ArchWords(oci="386", debian="i386", bazel="x86_32", zig="x86", rust="i686"),
    Arch.PPC64LE: ArchWords(
        oci="ppc64le",
        debian="ppc64el",
        bazel="ppc64le",
        zig="powerpc64le",
        rust="powerpc64le",
        zig_lowest_glibc=19,
    ),
    Arch.S390X: ArchWords(oci="s390x", debian="s390x", bazel="s390x", zig="s390x", rust="s390x"),
    Arch.RISCV64: ArchWords(
        oci="riscv64", debian="riscv64", bazel="riscv64", zig="riscv64", rust="riscv64gc", zig_lowest_glibc=27
    ),
    Arch.LOONGARCH64: ArchWords(
        oci="loong64", debian="loong64", bazel="loongarch64", zig="loongarch64", rust="loongarch64"
    ),
    Arch.WASM32: ArchWords(bazel="wasm32", zig="wasm32", rust="wasm32"),
}
