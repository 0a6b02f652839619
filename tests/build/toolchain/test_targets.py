"""What zig is told of a target."""

from __future__ import annotations

from crossdock.build.toolchain.targets import machine_words
from crossdock.target.model import Python
from crossdock.target.names import parse_target


def test_functions_that_ask_for_avx_512_themselves_may_have_it() -> None:
    python = Python(minor=11)
    assert machine_words(parse_target("linux/amd64", default_python=python)) == ("-mevex512",)
    assert machine_words(parse_target("linux/arm64", default_python=python)) == ()
