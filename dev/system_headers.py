"""Write `build/sysroot/headers.toml`: which Debian package has a header, library or pkg-config module.

    python dev/system_headers.py Contents-arm64.gz >src/crossdock/build/sysroot/headers.toml

The list of contents is that of Debian's bookworm for arm64, in `dists/bookworm/main` of any mirror. Packages are those
of `libraries.toml` and those named below; where two have one name, the earlier keeps it.
"""

from __future__ import annotations

import gzip
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

TABLE = Path(__file__).parent.parent / "src/crossdock/build/sysroot/libraries.toml"
FIRST: list[str] = """
zlib1g-dev libssl-dev libffi-dev libxml2-dev libxslt1-dev libjpeg62-turbo-dev libpng-dev libpq-dev libmariadb-dev
libbz2-dev liblzma-dev libzstd-dev liblz4-dev libsqlite3-dev libexpat1-dev libcurl4-openssl-dev libyaml-dev
libfreetype-dev libtiff-dev libopenblas-dev libhdf5-dev libpcre2-dev libgmp-dev libuv1-dev libev-dev
""".split()  # noqa: SIM905  # a list of words reads better as one
MORE = """
libacl1-dev libaio-dev libapr1-dev libaprutil1-dev libarb-dev libarchive-dev libassuan-dev libatomic-ops-dev
libattr1-dev libaudit-dev libavahi-client-dev libavif-dev libblas-dev libboost-dev libbrotli-dev libbsd-dev libc-ares-dev
libcap-ng-dev libcdio-dev libcereal-dev libcryptsetup-dev libcups2-dev libczmq-dev libdb-dev libdeflate-dev libdrm-dev
libdw-dev libedit-dev libeigen3-dev libelf-dev libenchant-2-dev libevdev-dev libevent-dev libexif-dev libfann-dev
libflac-dev libfmt-dev libfontconfig-dev libfribidi-dev libftdi1-dev libgc-dev libgcrypt20-dev libgd-dev libgdbm-dev
libgeoip-dev libgif-dev libglew-dev libglfw3-dev libglu1-mesa-dev libgnutls28-dev libgpg-error-dev libgphoto2-dev
libgraphite2-dev libgrpc-dev libgsf-1-dev libgtest-dev libgtk-3-dev libgtk2.0-dev libgudev-1.0-dev libharfbuzz-dev
libhiredis-dev libhttp-parser-dev libhwloc-dev libidn2-dev libimagequant-dev libinput-dev libiodbc2-dev libjansson-dev
libjson-c-dev libjsoncpp-dev libjudy-dev libjxl-dev libkeyutils-dev liblapack-dev liblapacke-dev libleptonica-dev
liblttng-ust-dev libluajit-5.1-dev liblua5.4-dev libmad0-dev libmagic-dev libmagickwand-dev libmaxminddb-dev
libmbedtls-dev libmetis-dev libmicrohttpd-dev libmodbus-dev libmosquitto-dev libmpdec-dev libmpg123-dev libmsgpack-dev
libmtp-dev libmuparser-dev libncurses-dev libnetfilter-conntrack-dev libnghttp2-dev libnlohmann-json3-dev
nlohmann-json3-dev libnl-genl-3-dev libnspr4-dev libnss3-dev libnuma-dev libogg-dev libopencv-dev libopenexr-dev
libopenmpi-dev libopus-dev liborc-0.4-dev libosmesa6-dev libp11-kit-dev libpam0g-dev libpcre3-dev libpci-dev libpixman-1-dev
libplist-dev libpolyclipping-dev libpopt-dev libprocps-dev libprotobuf-dev libprotobuf-c-dev libpsl-dev libpulse-dev
libqhull-dev libqrencode-dev libraqm-dev librabbitmq-dev libraw1394-dev libreadline-dev librsvg2-dev librtlsdr-dev
librtmp-dev libsamplerate0-dev libscotch-dev libseccomp-dev libselinux1-dev libsecret-1-dev libserialport-dev
libsndfile1-dev libsodium-dev libsoup2.4-dev libsoxr-dev libspatialindex-dev libspdlog-dev libspeex-dev libspeexdsp-dev
libssh2-1-dev libsuperlu-dev libtag1-dev libtbb-dev libtclap-dev libtheora-dev libthrift-dev libtirpc-dev libtre-dev
libturbojpeg0-dev libunistring-dev liburing-dev libusb-dev libusb-1.0-0-dev libutf8proc-dev libuuid1 uuid-dev libv4l-dev
libva-dev libvorbis-dev libvpx-dev libvulkan-dev libwayland-dev libwebsockets-dev libwrap0-dev libx264-dev libx265-dev
libxcb-shape0-dev libxcb-xfixes0-dev libxcomposite-dev libxcursor-dev libxdamage-dev libxext-dev libxfixes-dev libxft-dev
libxi-dev libxinerama-dev libxkbcommon-dev libxmlrpc-core-c3-dev libxrandr-dev libxrender-dev libxss-dev libxtst-dev
libxxf86vm-dev libyajl-dev libzip-dev libzimg-dev libzookeeper-mt-dev pybind11-dev rapidjson-dev tcl-dev tcl8.6-dev
tk8.6-dev unixodbc-dev xxhash libxxhash-dev libflint-dev libgoogle-glog-dev libgflags-dev
libdouble-conversion-dev libsimdjson-dev libsuitesparse-dev libarpack2-dev libmumps-dev libgmsh-dev
libnetcdf-dev libhts-dev libsdl1.2-dev libsdl2-gfx-dev libfreenect-dev libi2c-dev libiio-dev
""".split()  # noqa: SIM905  # a list of words reads better as one
#: Names that say nothing of a package.
COMMON = re.compile(
    r"(config|version|types?|common|utils?|error|errors|export|api|debug|log|list|string|memory|main|core|base|"
    r"config\w*|macros?|compat|platform|defs?|global|hash|file|buffer|time|io|math)\.(h|hpp|hh)"
)
COMMON_FOLDERS = {
    "bits",
    "detail",
    "details",
    "impl",
    "internal",
    "sys",
    "linux",
    "private",
    "include",
    "asm",
    "net",
    "util",
    "utils",
    "core",
    "common",
    "base",
    "c++",
    "python3.11",
    "config",
}
TRIPLET = "aarch64-linux-gnu"
#: More names of one package than this say no more.
MOST = 30
#: `usr/include/hdf5/serial/hdf5.h` is the deepest that is included by its bare name.
MOST_FOLDERS = 4
BARE_FOLDERS = 2
#: What the packages with the files are called in all suites, or whom to ask for instead of one of several.
CALLED = {
    "libboost1.74-dev": "libboost-dev",
    "libdb5.3-dev": "libdb-dev",
    "libldap-dev": "libldap2-dev",
    "libopenblas-pthread-dev": "libopenblas-dev",
    "libpcap0.8-dev": "libpcap-dev",
}
#: Headers in folders that are named otherwise than their package.
NAMED = {
    "libfreetype-dev": {"ft2build.h"},
    "libgdal-dev": {"cpl_conv.h", "ogr_api.h", "ogr_core.h", "ogr_srs_api.h"},
    "libmariadb-dev": {"mysql.h"},
    "libpq-dev": {"postgres_ext.h"},
    "libsuitesparse-dev": {"amd.h", "cholmod.h", "klu.h", "umfpack.h"},
}


def wanted() -> list[str]:
    packages = tomllib.loads(TABLE.read_text("utf-8"))["packages"].values()
    named = {name for one in packages for name in (one if isinstance(one, list) else one["libraries"])}
    return list(dict.fromkeys([*FIRST, *sorted(named), *MORE]))


def contents(path: str, names: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("usr/"):
                file, _space, owners = line.rstrip().rpartition(" ")
                for owner in owners.split(","):
                    name = owner.rpartition("/")[2]
                    if (name := CALLED.get(name, name)) in names:
                        found[name].append(file.rstrip())
    return found


def headers_of(name: str, files: list[str]) -> list[str]:
    whole = re.sub(r"^lib|-dev$", "", name)
    stem = (re.match(r"[a-z]{2,}", whole) or re.match(".*", whole))[0]  # type: ignore[index]
    bare: set[str] = set()
    in_folders: set[str] = set()
    folders: set[str] = set()
    for file in files:
        if not file.startswith("usr/include/"):
            continue
        path = file.removeprefix("usr/include/").removeprefix(f"{TRIPLET}/").split("/")
        folders |= {one + "/" for one in path[:-1][:2] if one not in COMMON_FOLDERS}
        header = path[-1]
        if len(path) == 1:
            bare.add(header)
        elif (
            header in NAMED.get(name, set()) | {f"{whole}.h", f"{whole}_api.h"} and len(path) <= MOST_FOLDERS
        ):
            in_folders.add(header)
        elif len(path) == BARE_FOLDERS and re.fullmatch(rf"(?i).*{stem}.*\.h", header):
            in_folders |= {header} if not COMMON.fullmatch(header) else set()
    if len(in_folders) > MOST:
        in_folders = {one for one in in_folders if one.lower().startswith((f"{stem}.", f"{whole}."))}
    if len(bare) > MOST:
        bare = {one for one in bare if stem in one.lower()}
    return sorted(bare | in_folders) + sorted(folders)


def lines(path: str) -> list[str]:
    names = wanted()
    found = contents(path, set(names))
    taken: dict[str, set[str]] = defaultdict(set)
    out = []
    for name in names:
        files = found.get(name, [])
        parts = {
            "headers": headers_of(name, files),
            "libraries": sorted(
                {
                    m[1]
                    for f in files
                    if (
                        m := re.fullmatch(
                            rf"usr/lib/(?:{TRIPLET}/)?(?:openblas-pthread/)?lib([^/]+)\.(?:so|a)", f
                        )
                    )
                }
            ),
            "modules": sorted(
                {
                    m[1]
                    for f in files
                    if (m := re.fullmatch(r"usr/(?:lib|share)/(?:.*/)?pkgconfig/([^/]+)\.pc", f))
                }
            ),
        }
        fields = []
        for kind, values in parts.items():
            own = [one for one in values if one not in taken[kind]]
            taken[kind] |= set(own)
            if own:
                fields.append(f'{kind} = "{" ".join(own)}"')
        if fields:
            out.append(
                f'"{name}" = {{ {", ".join(fields)} }}'
                if re.search(r"[^a-z0-9-]", name)
                else f"{name} = {{ {', '.join(fields)} }}"
            )
    return sorted(out)


if __name__ == "__main__":
    print(
        "# Which of Debian's development packages has a header, a library to link with, or a module of pkg-config: by the"
    )
    print(
        "# list of contents of bookworm for arm64, read 2026-11 by `dev/system_headers.py`. A name with a slash is a folder."
    )
    print("[packages]")
    print("\n".join(lines(sys.argv[1])))
