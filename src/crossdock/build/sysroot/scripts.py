"""`pg_config` and its like: the target's programs do not run here, so scripts answer what builds ask of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIG = re.compile(r"[A-Za-z0-9_.+-]+[-_]config(\.mit)?")


def is_config_program(name: str) -> bool:
    """Tell whether a program is one that says how to compile with a library."""
    return bool(_CONFIG.fullmatch(name))


def scripts_of(
    programs: Mapping[str, str], versions: Mapping[str, str], triplet: str
) -> dict[str, tuple[str, str]]:
    """Return scripts by name, each with the package it stands for; they print paths as on the target.

    `programs` are the config programs of the packages with their owners, `versions` the packages' versions.
    """
    made: dict[str, tuple[str, str]] = {}
    if "pg_config" in programs and "libpq-dev" in versions:
        made["pg_config"] = (_pg_config(upstream(versions["libpq-dev"]), triplet), "libpq-dev")
    for name in ("mariadb_config", "mysql_config"):
        if name in programs and "libmariadb-dev" in versions:
            made[name] = (_mariadb_config(upstream(versions["libmariadb-dev"]), triplet), "libmariadb-dev")
    return made


def upstream(version: str) -> str:
    """Return the upstream version in one of Debian's (policy, 5.6.12), without what Debian adds to it."""
    plain = version.partition(":")[2] or version
    return plain.rpartition("-")[0].partition("+")[0].partition("~")[0] or plain


def _pg_config(version: str, triplet: str) -> str:
    major = version.partition(".")[0]
    answers = {
        "bindir": f"/usr/lib/postgresql/{major}/bin",
        "docdir": "/usr/share/doc/postgresql-doc",
        "htmldir": "/usr/share/doc/postgresql-doc",
        "includedir": "/usr/include/postgresql",
        "pkgincludedir": "/usr/include/postgresql",
        "includedir-server": f"/usr/include/postgresql/{major}/server",
        "libdir": f"/usr/lib/{triplet}",
        "pkglibdir": f"/usr/lib/postgresql/{major}/lib",
        "localedir": "/usr/share/locale",
        "mandir": f"/usr/share/postgresql/{major}/man",
        "sharedir": f"/usr/share/postgresql/{major}",
        "sysconfdir": "/etc/postgresql-common",
        "pgxs": f"/usr/lib/postgresql/{major}/lib/pgxs/src/makefiles/pgxs.mk",
        "configure": "'--with-openssl'",
        "cc": "cc",
        "cppflags": "-D_GNU_SOURCE",
        "cflags": "",
        "cflags_sl": "-fPIC",
        "ldflags": "",
        "ldflags_ex": "",
        "ldflags_sl": "",
        "libs": "-lpq",
        "version": f"PostgreSQL {version}",
    }
    return _script("pg_config", answers, everything=True)


def _mariadb_config(version: str, triplet: str) -> str:
    include = "-I/usr/include/mariadb -I/usr/include/mariadb/mysql"
    libraries = f"-L/usr/lib/{triplet}/ -lmariadb"
    answers = {
        "cflags": include,
        "include": include,
        "libs": libraries,
        "libs_r": libraries,
        "libs_sys": "-lz -ldl -lm -lpthread -lssl -lcrypto",
        "version": version,
        "cc_version": version,
        "socket": "/run/mysqld/mysqld.sock",
        "port": "3306",
        "plugindir": f"/usr/lib/{triplet}/libmariadb3/plugin",
        "tlsinfo": "OpenSSL",
        "variable=pkgincludedir": "/usr/include/mariadb",
        "variable=pkglibdir": f"/usr/lib/{triplet}",
        "variable=pkgplugindir": f"/usr/lib/{triplet}/libmariadb3/plugin",
    }
    return _script("mariadb_config", answers, everything=False)


def _script(name: str, answers: Mapping[str, str], *, everything: bool) -> str:
    """Return a script that prints an answer for each option, and all of them without one if `everything`."""
    lines = ["#!/bin/sh", f"# {name} of the target does not run here: this answers in its place."]
    if everything:
        lines.append('if [ "$#" -eq 0 ]; then')
        lines += [
            f"  printf '%s\\n' {_quoted(f'{option.upper()} = {answer}')}"
            for option, answer in answers.items()
        ]
        lines.append("fi")
    lines += ["for option; do", '  case "$option" in']
    lines += [f"    --{option}) printf '%s\\n' {_quoted(answer)} ;;" for option, answer in answers.items()]
    lines += [f'    *) echo "{name}: invalid argument: $option" >&2; exit 1 ;;', "  esac", "done", ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
