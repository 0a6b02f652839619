"""From a wheel that anybody made to the tags that are true of it: read from its binaries, never from its name.

places     platform tags taken apart into the systems that they promise, and put together again
old        the wheel as it came
rewriting  repairwheel on strangers' files
code       which systems and CPUs a wheel's binaries are for
floors     what keeps a wheel from an older system than it is for, file by file
pythons    the Python and ABI tags that its modules bear out
judge      one system: what is true on it, or why nothing is
libraries  libraries taken in from a sysroot
wish       what a user asks for, and whether that is true
steps      `retag`: from a file to a file
"""

from crossdock.build.retag.steps import Retagged, retag
from crossdock.build.retag.wish import Wish

__all__ = ["Retagged", "Wish", "retag"]
