"""What lies in a wheel, directory, zip or image, whoever made it, and whether it fits a target."""

from __future__ import annotations

from crossdock.contents.collect import Contents
from crossdock.contents.read import read_contents
from crossdock.contents.verify import Verdict, verify

__all__ = ["Contents", "Verdict", "read_contents", "verify"]
