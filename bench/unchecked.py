"""crossdock without its checks, to learn what they cost: `python -m bench.unchecked install ..`.

Only for measuring, and only with a store of its own: RECORD is neither compared nor hashed against, and no binary is
read. Everything else is as it is, CRC and sizes of the zip among it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def _switch_off() -> None:
    from crossdock.archive import wheel
    from crossdock.inspect import binary

    def read(self: Any, file: Any) -> bytes:
        content: bytes = self.archive.read_bytes(file.member)
        return content

    def stream(self: Any, file: Any) -> Iterator[bytes]:
        yield from self.archive.stream(file.member)

    def nothing(*_arguments: object, **_named: object) -> tuple[()]:
        return ()

    def no_binary(*_arguments: object) -> None:
        return None

    changes: list[tuple[Any, str, Any]] = [
        (wheel.Wheel, "read", read),
        (wheel.Wheel, "stream", stream),
        (wheel, "compare", nothing),
        (binary, "examine", no_binary),
    ]
    for owner, name, replacement in changes:
        if not hasattr(owner, name):
            raise AttributeError(f"{owner.__name__} has no {name}: this measurement no longer fits the code")
        setattr(owner, name, replacement)


def main() -> int:
    from crossdock.cli.main import run

    _switch_off()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
