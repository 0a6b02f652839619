"""What goes into `.dist-info` for libraries that were grafted or linked in: licences, and a bill of materials (PEP 770)."""

from __future__ import annotations

import re
import uuid
from hashlib import sha256
from importlib import resources
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.build.canonical import WheelMember
from crossdock.build.repair.sysrooted import Libraries
from crossdock.build.sysroot.table import suites
from crossdock.oci.model import canonical_json
from crossdock.purl import debian_purl, pypi_purl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.build.model import Sysroot, SystemPackage
    from crossdock.build.repair.job import Grafted, RepairJob
    from crossdock.build.repair.survey import Contents

#: PEP 770: any file below `sboms`, its type by its ending.
_BILL = "sboms/crossdock{}.cdx.json"
_ENDS = re.compile(rb"\r?\n(?=\r?\n|\Z)")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "dev.crossdock.sbom")
#: Debian Policy 12.5: copyright files refer to these texts and do not repeat them; `base-files` has them.
_COMMON = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9])")
#: Names without a version are links to the newest there.
_NEWEST = {"GPL": "GPL-3", "LGPL": "LGPL-3", "GFDL": "GFDL-1.3"}
#: The first core metadata with License-File (PEP 639).
_LICENSE_FILE = (2, 4)


def add_licences(contents: Contents, grafted: Sequence[Grafted], job: RepairJob) -> None:
    """Put the copyright file of each package that is in it into the wheel, and name it in METADATA (PEP 639).

    The licences that it refers to by Debian's place for them come along, since that place is on no one else's machine.
    """
    if job.sysroot is None:
        return
    libraries = Libraries(job.sysroot, frozenset())
    added: list[str] = []
    common: set[str] = set()
    for package in _packages(grafted, job):
        text = libraries.text(f"usr/share/doc/{package.name}/copyright")
        if text is None:
            contents.tell("E-BUILD-LICENCE", f"no copyright file of {package.name} is in the sysroot")
            continue
        name = f"grafted/{package.name}/copyright"
        contents.put(WheelMember(f"{contents.dist_info}/licenses/{name}", text))
        added.append(name)
        common |= {found.decode() for found in _COMMON.findall(text)}
    added += _add_common(contents, common)
    for one in grafted:
        if one.package is None:
            contents.tell("E-BUILD-LICENCE", "is of no known package: add its licence yourself", one.path)
    if added:
        _name_licences(contents, added)


def _add_common(contents: Contents, names: set[str]) -> list[str]:
    """Put licences of `/usr/share/common-licenses` into the wheel; return what they are called there."""
    added = []
    for one in sorted({_NEWEST.get(name, name) for name in names}):
        text = resources.files(__package__) / "common_licenses" / one
        if not text.is_file():
            contents.tell("E-BUILD-LICENCE", f"a copyright file refers to `{one}`, which is not known here")
            continue
        name = f"grafted/common-licenses/{one}"
        contents.put(WheelMember(f"{contents.dist_info}/licenses/{name}", text.read_bytes()))
        added.append(name)
    return added


def _packages(grafted: Sequence[Grafted], job: RepairJob) -> list[SystemPackage]:
    return sorted({*job.linked, *(one.package for one in grafted if one.package is not None)})


def _name_licences(contents: Contents, names: Sequence[str]) -> None:
    name = f"{contents.dist_info}/METADATA"
    old = contents.members[name]
    version = re.match(rb"(?:.*\n)*?Metadata-Version:[ \t]*(\d+)\.(\d+)", old.content)
    if version is None or (int(version[1]), int(version[2])) < _LICENSE_FILE:
        return
    stated = set(re.findall(rb"(?m)^License-File:[ \t]*(.*?)\r?$", old.content))
    lines = "".join(f"\nLicense-File: {one}" for one in names if one.encode() not in stated).encode()
    ends = _ENDS.search(old.content)
    at = ends.start() if ends else len(old.content)
    contents.put(old._replace(content=old.content[:at] + lines + old.content[at:]))


def add_bill(contents: Contents, grafted: Sequence[Grafted], job: RepairJob) -> None:
    """Write a CycloneDX 1.6 document of what was grafted or linked in: the same bytes for the same libraries."""
    if not (grafted or job.linked) or job.sysroot is None:
        return
    wheel = {
        "type": "library",
        "bom-ref": "wheel",
        "name": contents.name,
        "version": contents.version,
        "purl": pypi_purl(contents.name, contents.version),
    }
    components = [_component(package, job.sysroot, grafted) for package in _packages(grafted, job)]
    components += [_loose(one, contents) for one in grafted if one.package is None]
    tool = {"type": "application", "name": "crossdock", "version": __version__}
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": wheel, "tools": {"components": [tool]}},
        "components": components,
        "dependencies": [{"ref": "wheel", "dependsOn": sorted(one["bom-ref"] for one in components)}],
    }
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, canonical_json(document).decode())}"
    contents.put(WheelMember(_free_name(contents), canonical_json(document)))


def _free_name(contents: Contents) -> str:
    """Return a name that no bill in the wheel has: one of an earlier repair stays true of what that took in."""
    numbers = chain([""], (f"-{number}" for number in count(2)))
    names = (f"{contents.dist_info}/{_BILL.format(number)}" for number in numbers)
    return next(name for name in names if name not in contents.members)


def _component(package: SystemPackage, sysroot: Sysroot, grafted: Sequence[Grafted]) -> dict[str, Any]:
    purl = debian_purl(
        package.name,
        package.version,
        architecture=package.architecture,
        distribution=next((suite.name for suite in suites() if suite.glibc == sysroot.floor), ""),
    )
    files = sorted(one.path for one in grafted if one.package == package)
    properties = [{"name": "dev.crossdock.file", "value": path} for path in files]
    if package.source and package.source != package.name:
        properties.append({"name": "dev.crossdock.source-package", "value": package.source})
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "properties": properties,
    }


def _loose(one: Grafted, contents: Contents) -> dict[str, Any]:
    """Return a library of a sysroot that somebody gave: all that is known is its name and bytes."""
    digest = sha256(contents.members[one.path].content).hexdigest()
    return {
        "type": "library",
        "bom-ref": one.path,
        "name": one.soname,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "properties": [{"name": "dev.crossdock.file", "value": one.path}],
    }
