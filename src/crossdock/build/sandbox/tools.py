"""The plain programs of a POSIX system that builds may call: none of them tells about the host's libraries."""

from __future__ import annotations

from functools import cache
from pathlib import Path

#: Where a host keeps its programs. Not /usr/local: what lies there is somebody's own.
_DIRECTORIES = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")

#: No compiler, linker, `*-config`, pkg-config, cmake, python or git: those answer for the host.
NAMES = (  # noqa: SIM905  one name a line would fill a screen
    # coreutils
    "[ b2sum base32 base64 basename basenc cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dircolors "
    "dirname du echo env expand expr factor false fmt fold groups head hostname id install join link ln logname ls "
    "md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pr printenv printf pwd readlink "
    "realpath rm rmdir seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stty sum "
    "sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink users vdir wc whoami "
    "yes "
    # shells, text, files, archives
    "sh bash dash awk gawk mawk sed grep egrep fgrep find xargs diff diff3 cmp patch ed bc dc perl file which "
    "getopt hexdump xxd rev tput locale iconv getconf "
    "tar gzip gunzip zcat bzip2 bunzip2 bzcat xz unxz xzcat zstd cpio unzip zip "
    # what makes programs from text
    "make gmake m4 flex lex bison yacc gperf autoconf autoheader autom4te automake aclocal autoreconf autoscan "
    "autoupdate ifnames libtoolize"
).split()


@cache
def found() -> dict[str, Path]:
    """Return the plain tools that this host has, by name: where each is, its links not followed."""
    there = {}
    for name in NAMES:
        for directory in _DIRECTORIES:
            path = Path(directory, name)
            if path.exists():
                there[name] = path
                break
    return there


def plain_tools(directory: Path) -> tuple[str, ...]:
    """Fill `directory` with links to the plain tools of this host and return their names.

    The links hold inside a sandbox of each kind and outside. The directory is made if it is not there; it is the last
    one of a build's PATH.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, path in found().items():
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(path)
    return tuple(found())
