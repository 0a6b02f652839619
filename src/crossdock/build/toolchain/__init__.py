"""zig as the compiler for a target, and what tells every build system so."""
