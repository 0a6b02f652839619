"""What the logs of failed builds ask for."""

from __future__ import annotations

import pytest

from crossdock.build.sysroot import libraries_asked, library_for_header, library_for_lib, library_hint
from crossdock.build.sysroot.headers import library_for_cmake, library_for_module

SAID = {
    "c/_cffi_backend.c:15:10: fatal error: 'ffi.h' file not found": "libffi-dev",
    "yaml/_yaml.h:2:10: fatal error: yaml.h: No such file or directory": "libyaml-dev",
    "src/x.c:1:10: fatal error: 'openssl/opensslv.h' file not found": "libssl-dev",
    "Exception: pkg-config package 'libusb-1.0 >= 1.0.9' not found": "libusb-1.0-0-dev",
    "./psycopg/psycopg.h:36:10: fatal error: 'libpq-fe.h' file not found": "libpq-dev",
    "src/lxml/etree.c:9:10: fatal error: 'libxml/xmlversion.h' file not found": "libxml2-dev",
    "MySQLdb/_mysql.c:46:10: fatal error: 'mysql.h' file not found": "libmariadb-dev",
    "h5py/defs.c:1:10: fatal error: 'hdf5.h' file not found": "libhdf5-dev",
    "ld.lld: error: unable to find library -lxml2": "libxml2-dev",
    "/usr/bin/ld: cannot find -lldap: No such file or directory": "libldap2-dev",
    "error: unable to find dynamic system library 'sodium' using strategy 'paths_first'.": "libsodium-dev",
    "Package libxml-2.0 was not found in the pkg-config search path.": "libxml2-dev",
    "Package 'cairo', required by 'virtual:world', not found": "libcairo2-dev",
    "No package 'dbus-1' found": "libdbus-1-dev",
    "-- Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)": "zlib1g-dev",
    'Could not find a package configuration file provided by "GEOS" with any': "libgeos-dev",
    '../meson.build:8:0: ERROR: Dependency "openblas" not found, tried pkgconfig': "libopenblas-dev",
    "../meson.build:3:0: ERROR: Dependency 'cairo' is required but not found.": "libcairo2-dev",
    "meson.build:10:13: ERROR: C shared or static library 'lzo2' not found": "liblzo2-dev",
    "The headers or library files could not be found for jpeg,": "libjpeg62-turbo-dev",
    "Could not find directory of OpenSSL installation, and this `-sys` crate": "libssl-dev",
    "The system library `libpq` required by crate `pq-sys` was not found.": "libpq-dev",
    "Error: pg_config executable not found.": "libpq-dev",
    "/bin/sh: 1: mysql_config: not found": "default-libmysqlclient-dev",
    "FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'": "libgdal-dev",
}


@pytest.mark.parametrize("text", SAID)
def test_what_a_tool_says_is_missing_is_a_package(text: str) -> None:
    assert libraries_asked(f"cc -c x.c\n{text}\ncompilation terminated.\n") == (SAID[text],)


@pytest.mark.parametrize(
    "text",
    [
        "x.c:1:10: fatal error: 'Python.h' file not found",
        "x.c:1:10: fatal error: 'no/such/thing.h' file not found",
        "ld.lld: error: unable to find library -lm",
        "Run-time dependency cairo found: NO",
        "error: command 'zig' failed with exit code 1",
        "",
    ],
)
def test_what_debian_has_not_or_nobody_missed_is_not_named(text: str) -> None:
    assert libraries_asked(text) == ()
    assert library_hint(text) is None


def test_each_is_named_once_in_the_order_of_the_log() -> None:
    log = """
a.c:1:10: fatal error: 'zlib.h' file not found
b.c:1:10: fatal error: 'ffi.h' file not found
ld.lld: error: unable to find library -lz
"""
    assert libraries_asked(log) == ("zlib1g-dev", "libffi-dev")
    hint = library_hint(log)
    assert hint is not None
    assert 'libraries = ["zlib1g-dev", "libffi-dev"]' in hint


def test_names_of_each_kind_are_found() -> None:
    assert library_for_header("ffi.h") == "libffi-dev"
    assert library_for_header("libxslt/xslt.h") == "libxslt1-dev"
    assert library_for_lib("ffi") == "libffi-dev"
    assert library_for_lib("jpeg") == "libjpeg62-turbo-dev"
    assert library_for_module("libxml-2.0") == "libxml2-dev"
    assert library_for_module("OpenSSL") == "libssl-dev"
    assert library_for_cmake("LibXml2") == "libxml2-dev"
    assert library_for_cmake("Nothing") is None
