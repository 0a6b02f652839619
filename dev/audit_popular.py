"""Audits the newest wheels of popular native packages, each for the target its own tag names.

No finding may be untrue, so each one is read by a person. uv resolves the names to files, with the
index it is set up for; each wheel is fetched, its facts are kept, and it is deleted.

    python dev/audit_popular.py [--packages FILE] [--python 3.12] [--most-megabytes 80] [--only TEXT] [--jobs 4] FACTS_DIR
"""

# A tool of the developers, not part of the package: it prints, and its functions speak for themselves.
# ruff: noqa: S310

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

from crossdock.contents.distributions import find_distributions
from crossdock.contents.read import read_contents
from crossdock.contents.verify import audit_files
from crossdock.inspect.audit import AuditFile, Finding, audit
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target

POPULAR = [
    "numpy",
    "pandas",
    "lxml",
    "cryptography",
    "cffi",
    "pydantic-core",
    "pyyaml",
    "markupsafe",
    "charset-normalizer",
    "psutil",
    "grpcio",
    "protobuf",
    "pillow",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "contourpy",
    "kiwisolver",
    "fonttools",
    "pyarrow",
    "sqlalchemy",
    "greenlet",
    "aiohttp",
    "yarl",
    "multidict",
    "frozenlist",
    "propcache",
    "msgpack",
    "ujson",
    "orjson",
    "rpds-py",
    "regex",
    "bcrypt",
    "pynacl",
    "argon2-cffi-bindings",
    "psycopg2-binary",
    "psycopg-binary",
    "asyncpg",
    "pymssql",
    "mysqlclient",
    "pyodbc",
    "duckdb",
    "polars",
    "lz4",
    "zstandard",
    "brotli",
    "python-snappy",
    "cramjam",
    "h5py",
    "tables",
    "numba",
    "llvmlite",
    "numexpr",
    "bottleneck",
    "shapely",
    "pyproj",
    "rasterio",
    "fiona",
    "gevent",
    "uvloop",
    "httptools",
    "watchfiles",
    "websockets",
    "tornado",
    "pyzmq",
    "debugpy",
    "ruff",
    "uv",
    "mypy",
    "black",
    "cython",
    "ninja",
    "cmake",
    "pybind11",
    "tiktoken",
    "tokenizers",
    "safetensors",
    "sentencepiece",
    "onnxruntime",
    "opencv-python-headless",
    "scikit-image",
    "xgboost",
    "lightgbm",
    "catboost",
    "statsmodels",
    "spacy",
    "thinc",
    "murmurhash",
    "cymem",
    "preshed",
    "blis",
    "wordcloud",
    "rapidfuzz",
    "levenshtein",
    "xxhash",
    "mmh3",
    "pycryptodome",
    "pycryptodomex",
    "simplejson",
    "wrapt",
    "coverage",
    "setproctitle",
    "pymongo",
    "confluent-kafka",
    "grpcio-tools",
    "ddtrace",
    "sentry-streams",
    "maxminddb",
    "geoip2",
    "pydantic",
    "faiss-cpu",
    "gensim",
    "pywavelets",
    "netcdf4",
    "cftime",
    "playwright",
    "jiter",
    "tree-sitter",
    "pyside6-essentials",
    "pymupdf",
    "pypdfium2",
    "zope-interface",
    "peewee",
    "persistent",
]
WHEEL = re.compile(r"[^-]+-[^-]+(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl")
ARCHES = {
    "x86_64": Arch.X86_64,
    "amd64": Arch.X86_64,
    "aarch64": Arch.AARCH64,
    "arm64": Arch.AARCH64,
    "universal2": Arch.AARCH64,
    "intel": Arch.X86_64,
}


def targets_of(filename: str, python: Python) -> list[Target]:
    """Return the targets that a wheel's file name claims, at the lowest floor of each kind."""
    match = WHEEL.fullmatch(filename)
    if match is None or not python_fits(match["python"], match["abi"], python):
        return []
    lowest: dict[tuple[str, Arch], tuple[int, int]] = {}
    for platform in match["platform"].split("."):
        for key, floor in floors(platform):
            lowest[key] = min(floor, lowest.get(key, floor))
    return [target(kind, arch, floor, python) for (kind, arch), floor in lowest.items()]


def python_fits(tag: str, abi: str, python: Python) -> bool:
    own = f"cp3{python.minor}"
    if "abi3" in abi.split("."):
        return any(int(one[3:]) <= python.minor for one in tag.split(".") if one.startswith("cp3"))
    return (own in tag.split(".") and abi in {own, "none"}) or ("py3" in tag.split(".") and abi == "none")


def floors(platform: str) -> list[tuple[tuple[str, Arch], tuple[int, int]]]:
    platform = re.sub(
        r"manylinux(1|2010|2014)(?=_)",
        lambda m: {"1": "manylinux_2_5", "2010": "manylinux_2_12"}.get(m[1], "manylinux_2_17"),
        platform,
    )
    match = re.fullmatch(
        r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_(x86_64|aarch64|arm64|universal2|intel)", platform
    )
    if match:
        kind, floor = match[1], (int(match[2]), int(match[3]))
        if match[4] == "universal2":
            return [((kind, Arch.X86_64), floor), ((kind, Arch.AARCH64), max(floor, (11, 0)))]
        return [((kind, ARCHES[match[4]]), floor)]
    match = re.fullmatch(r"win_(amd64|arm64)", platform)
    return [(("win", ARCHES[match[1]]), (0, 0))] if match else []


def target(kind: str, arch: Arch, floor: tuple[int, int], python: Python) -> Target:
    match kind:
        case "manylinux":
            return Target(os=Os.LINUX, arch=arch, python=python, libc=Libc(LibcKind.GLIBC, *floor))
        case "musllinux":
            return Target(os=Os.LINUX, arch=arch, python=python, libc=Libc(LibcKind.MUSL, *floor))
        case "macosx":
            return Target(os=Os.MACOS, arch=arch, python=python, os_version=floor)
        case _:
            return Target(os=Os.WINDOWS, arch=arch, python=python)


def lock(name: str, python: Python, store: Path) -> list[dict[str, str]]:
    """Return the wheels of a package's newest version, as uv locks it; kept beside the facts."""
    kept = store / f"lock-{name}-{python.short}.json"
    if not kept.exists():
        kept.write_text(json.dumps(resolve(name, python)))
    return list(json.loads(kept.read_text()))


def resolve(name: str, python: Python) -> list[dict[str, str]]:
    command = [uv(), "pip", "compile", "--no-deps", "--universal", "--python-version", python.short]
    command += ["--format", "pylock.toml", "--quiet", "--no-header", "-"]
    done = subprocess.run(command, input=name, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}: not resolved: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr, flush=True)
        return []
    wheels = []
    for package in tomllib.loads(done.stdout)["packages"]:
        for wheel in package.get("wheels", []):
            file = wheel.get("name") or wheel["url"].rpartition("/")[2]
            wheels.append(
                {
                    "name": file,
                    "url": urljoin(package.get("index", ""), wheel["url"]),
                    "size": wheel.get("size", 0),
                }
            )
    return wheels


def uv() -> str:
    from uv import find_uv_bin

    return find_uv_bin()


def facts_of(wheel: dict[str, str], store: Path) -> list[AuditFile]:
    """Return the binaries of a wheel, from the store of facts or by fetching it."""
    kept = store / f"{wheel['name']}.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, wheel["name"])
            with urllib.request.urlopen(wheel["url"], timeout=180) as answer:
                path.write_bytes(answer.read())
            contents = read_contents(path)
        files = audit_files(contents, *find_distributions(contents))
        partial = kept.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps([file.to_json() for file in files]))
        partial.replace(kept)
    return [AuditFile.from_json(item) for item in json.loads(kept.read_text())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("facts", type=Path)
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--most-megabytes", type=float, default=80)
    parser.add_argument("--only", default="", help="only wheels with this in their name")
    parser.add_argument("--jobs", type=int, default=4)
    arguments = parser.parse_args()
    arguments.facts.mkdir(parents=True, exist_ok=True)
    python = Python(minor=int(arguments.python.partition(".")[2]))
    names = arguments.packages.read_text().split() if arguments.packages else POPULAR
    counts: Counter[str] = Counter()

    def judge(name: str) -> None:
        try:
            for wheel in lock(name, python, arguments.facts):
                targets = targets_of(wheel["name"], python) if arguments.only in wheel["name"] else []
                if targets and float(wheel["size"]) < arguments.most_megabytes * 1e6:
                    report(wheel, targets, arguments.facts, counts)
        except Exception as error:  # noqa: BLE001  (one package must not end the run)
            print(f"{name}: {error!r}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(judge, names))
    print(json.dumps(dict(sorted(counts.items())), indent=1))
    return 0


def report(wheel: dict[str, str], targets: list[Target], store: Path, counts: Counter[str]) -> list[Finding]:
    """Audit one wheel for its targets, print and return the findings, and count."""
    files = facts_of(wheel, store)
    counts["wheels"] += 1
    counts["binaries"] += len(files)
    told = []
    for one in targets:
        counts["audits"] += 1
        counts[f"audits for {one.os} {one.libc.kind if one.libc else ''} {one.arch}"] += 1
        for finding in audit(files, one, complete=False):
            told.append(finding)
            counts[f"{finding.severity} {finding.code}"] += 1
            place = f"[{one.os} {one.arch} {one.libc or one.os_version}]"
            print(f"{finding.severity} {finding.code} {wheel['name']} {place} {finding}", flush=True)
    return told


if __name__ == "__main__":
    sys.exit(main())
