"""Rust for a target: a compiler with the target's standard library, crates fetched beforehand, zig as the linker."""

from crossdock.build.rust.parts import RustParts, prepare_rust, rust_of

__all__ = ["RustParts", "prepare_rust", "rust_of"]
