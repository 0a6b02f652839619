"""Where the code of a package's author runs: without the user's home, environment, network and host libraries."""

from crossdock.build.sandbox.model import Limits, Mount, Sandbox
from crossdock.build.sandbox.opening import open_sandbox, sandbox_kind
from crossdock.build.sandbox.tools import plain_tools

__all__ = ["Limits", "Mount", "Sandbox", "open_sandbox", "plain_tools", "sandbox_kind"]
