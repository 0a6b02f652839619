"""The development files of the target's Python: found, fetched, or made from the host's by what differs."""

from crossdock.build.target_python.find import find_target_python
from crossdock.build.target_python.variables import sysconfig_module

__all__ = ["find_target_python", "sysconfig_module"]
