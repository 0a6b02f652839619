"""Runs the packer of layers that lies beside this file; `layer.bzl` does it."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # it is run by whatever Python the workspace has
    sys.exit(
        "the packer of layers needs Python 3.11 or newer on the machine that builds, not "
        + sys.version.split()[0]
    )

sys.dont_write_bytecode = True
# Not resolved: Bazel shows both as links, and only there they lie beside each other.
sys.path.insert(0, str(Path(__file__).absolute().with_name("packer.zip")))

from crossdock.ship.bazel.packing import main  # noqa: E402  # found only now

sys.exit(main(sys.argv[1:]))
