"""The target's system libraries: Debian's packages of its architecture unpacked without root, or a directory given.

table      which libraries a package of the index needs (`libraries.toml`)
found      `find_sysroot`: from a package's name to a directory
releases   which suite serves the target, and what its packages come to today
unpacked   packages laid out in the store, without what would stand in zig's way
scripts    programs of the target (`pg_config`) as scripts that run anywhere
given      a directory that the user names, checked
headers    which Debian package has a header, library or pkg-config module (`headers.toml`)
asked      what the log of a failed build asked for
"""

from __future__ import annotations

from crossdock.build.sysroot.asked import libraries_asked, library_hint
from crossdock.build.sysroot.found import find_sysroot
from crossdock.build.sysroot.headers import library_for_header, library_for_lib
from crossdock.build.sysroot.releases import newest_release
from crossdock.build.sysroot.static import static_links, static_packages

__all__ = [
    "find_sysroot",
    "libraries_asked",
    "library_for_header",
    "library_for_lib",
    "library_hint",
    "newest_release",
    "static_links",
    "static_packages",
]
