"""Bills of materials: valid by the formats' own rules, the same for the same image, and safe whatever wheels say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import oci_schemas, spdx_schema
from tests.support.bills import MadeUp, made_up, origin, record
from tests.support.images import make_layer

from crossdock.digest import Digest
from crossdock.errors import UsageError
from crossdock.oci import media
from crossdock.oci.model import parse_manifest
from crossdock.purl import debian_purl, image_purl, pypi_purl
from crossdock.ship.image.attach import sbom_attachments
from crossdock.ship.image.components import debian_component, public_url, requirements_of
from crossdock.ship.image.embedded import embedded_components
from crossdock.ship.image.licences import licence_of
from crossdock.ship.image.model import LayerKind

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)

AUDITWHEEL = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.4",
    "components": [
        {"type": "library", "name": "numpy", "version": "2.0", "purl": "pkg:pypi/numpy@2.0?file_name=x.whl"},
        {
            "type": "library",
            "name": "libgfortran",
            "version": "8.5.0",
            "purl": "pkg:rpm/almalinux/libgfortran@8.5.0-28.el8",
            "licenses": [{"license": {"id": "GPL-3.0-or-later"}}],
            "hashes": [{"alg": "MD5", "content": "a" * 32}, {"alg": "SHA-256", "content": "A" * 64}],
        },
    ],
}
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {
            "SPDXID": "SPDXRef-openblas",
            "name": "openblas",
            "versionInfo": "0.3",
            "licenseDeclared": "BSD-3-Clause",
            "checksums": [{"algorithm": "SHA1", "checksumValue": "b" * 40}],
            "externalRefs": [
                {"referenceType": "purl", "referenceLocator": "pkg:github/openmathlib/openblas@0.3"}
            ],
        }
    ],
}


def application() -> MadeUp:
    """An image with one of everything."""
    numpy = record(
        "numpy",
        "2.0",
        metadata={"License-Expression": ("bsd-3-clause AND mit",)},
        sboms={
            "numpy-2.0.dist-info/sboms/auditwheel.cdx.json": json.dumps(AUDITWHEEL),
            "numpy-2.0.dist-info/sboms/blas.spdx.json": json.dumps(SPDX),
            "numpy-2.0.dist-info/sboms/odd name.xml": "<bom/>",
        },
    )
    pandas = record(
        "pandas",
        "1.0+local.1",
        metadata={
            "License-Expression": ("LicenseRef-House OR MIT",),
            "Requires-Dist": ("NumPy>=1.26; python_version >= '3.11'", "pytest; extra == 'test'", "tzdata"),
        },
    )
    built = record("only-sdist", "3", metadata={"Classifier": ("License :: OSI Approved :: BSD License",)})
    direct = record("direct", "1")
    return made_up(
        [pandas, numpy, built, direct],
        origins=[
            origin(pandas, "https://user:secret@index.example.com/p.whl?token=hush#sha256=1"),
            origin(numpy),
            origin(built, "https://index.example.com/only-sdist-3.tar.gz", built_from="only-sdist-3.tar.gz"),
            origin(direct, "https://example.com/d.whl", direct_url=b"{}"),
        ],
    )


def documents(made: MadeUp, **more: Any) -> dict[str, bytes]:
    found = sbom_attachments(made, kinds="both", **more)
    return {one.descriptor.artifact_type: b"".join(one.blobs[1].source.chunks()) for one in found}


def valid(made: MadeUp, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both documents, held to their formats."""
    found = documents(made, **more)
    cyclonedx = found["application/vnd.cyclonedx+json"]
    problem = VALIDATOR.validate_str(cyclonedx.decode())
    assert problem is None, str(problem)[:500]
    return json.loads(cyclonedx), spdx_schema.check(found["application/spdx+json"])


def test_cyclonedx_lists_what_is_in_the_image() -> None:
    made = application()
    document, _ = valid(made)
    assert document["metadata"]["component"]["version"] == str(made.image.descriptor.digest)
    assert "timestamp" not in document["metadata"]
    rows = {one["bom-ref"]: one for one in document["components"]}
    assert list(rows) == [
        "base", "wheel-direct", "wheel-numpy", "wheel-only-sdist", "wheel-pandas", "application",
    ]  # fmt: skip
    assert rows["base"]["hashes"][0]["content"] == Digest.of(b"base").hex
    assert rows["base"]["purl"].startswith("pkg:oci/python@sha256%3A")
    numpy = rows["wheel-numpy"]
    assert numpy["purl"] == "pkg:pypi/numpy@2.0?file_name=numpy-2.0-py3-none-any.whl"
    assert numpy["licenses"] == [{"expression": "BSD-3-Clause AND MIT"}]
    assert numpy["hashes"] == [{"alg": "SHA-256", "content": made.records[1].digest.hex}]
    # A local build is no file of the release; one from a URL says so.
    assert rows["wheel-only-sdist"]["purl"] == "pkg:pypi/only-sdist@3"
    assert rows["wheel-only-sdist"]["properties"] == [
        {"name": "dev.crossdock.built-from", "value": "only-sdist-3.tar.gz"}
    ]
    assert rows["wheel-only-sdist"]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert rows["wheel-direct"]["purl"] == "pkg:pypi/direct@1?download_url=https://example.com/d.whl"
    assert rows["wheel-pandas"]["purl"].startswith("pkg:pypi/pandas@1.0%2Blocal.1?")
    assert "purl" not in rows["application"]
    assert document["dependencies"] == [
        {"ref": "image", "dependsOn": list(rows)},
        {"ref": "wheel-pandas", "dependsOn": ["wheel-numpy"]},
    ]


def test_bills_that_wheels_bring_are_merged() -> None:
    document, spdx = valid(application())
    (numpy,) = [one for one in document["components"] if one["bom-ref"] == "wheel-numpy"]
    assert [(one["bom-ref"], one["name"]) for one in numpy["components"]] == [
        ("wheel-numpy-part-1", "libgfortran"),
        ("wheel-numpy-part-2", "openblas"),
    ]
    fortran, blas = numpy["components"]
    # The strong hash is taken, the weak one is not.
    assert fortran["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert fortran["licenses"] == [{"expression": "GPL-3.0-or-later"}]
    assert "hashes" not in blas
    assert blas["purl"] == "pkg:github/openmathlib/openblas@0.3"
    bills = [one["url"] for one in numpy["externalReferences"] if one["type"] == "bom"]
    assert bills[2] == "numpy-2.0.dist-info/sboms/odd%20name.xml"
    assert "not read" in numpy["properties"][0]["value"]
    related = [tuple(row.values()) for row in spdx["relationships"] if "part-1" in str(row)]
    assert sorted(related[0]) == ["CONTAINS", "SPDXRef-wheel-numpy", "SPDXRef-wheel-numpy-part-1"]


def test_spdx_lists_the_same() -> None:
    made = application()
    _, document = valid(made)
    rows = {one["SPDXID"]: one for one in document["packages"]}
    pandas = rows["SPDXRef-wheel-pandas"]
    assert pandas["licenseDeclared"] == "LicenseRef-House OR MIT"
    assert pandas["downloadLocation"] == "https://index.example.com/p.whl"
    assert rows["SPDXRef-wheel-only-sdist"]["licenseDeclared"] == "NOASSERTION"
    assert rows["SPDXRef-wheel-only-sdist"]["licenseComments"] == "The package says: BSD License"
    kinds = {
        (row["spdxElementId"], row["relationshipType"], row["relatedSpdxElement"])
        for row in document["relationships"]
    }
    assert ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image") in kinds
    assert ("SPDXRef-image", "DESCENDANT_OF", "SPDXRef-base") in kinds
    assert ("SPDXRef-wheel-pandas", "DEPENDS_ON", "SPDXRef-wheel-numpy") in kinds
    assert document["creationInfo"]["created"] == "1980-01-01T00:00:00Z"


def test_debian_packages_of_a_base_made_here() -> None:
    libc = debian_component("libc6", "2.36-9+deb12u10", "arm64", suite="bookworm", digest=Digest.of(b"deb"))
    document, spdx = valid(application(), packages=[libc])
    rows = {one["bom-ref"]: one for one in document["components"]}
    assert rows["deb-libc6"]["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=arm64&distro=bookworm"
    assert {"ref": "base", "dependsOn": ["deb-libc6"]} in document["dependencies"]
    assert {
        "spdxElementId": "SPDXRef-base", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-deb-libc6",
    } in spdx["relationships"]  # fmt: skip


def test_a_base_made_here_tells_its_packages_by_its_layers() -> None:
    made = application()
    layer = make_layer("debian bookworm", 9, ("libc6", "2.36", 5), ("", "", 1), kind=LayerKind.BASE)
    base = replace(made.image.base, name="debian:bookworm+libpq5", layers=(layer,))
    document, _ = valid(replace(made, image=replace(made.image, base=base)))
    rows = {one["bom-ref"]: one for one in document["components"]}
    assert rows["base"]["name"] == "debian:bookworm+libpq5"
    assert "purl" not in rows["base"]
    assert [rows[key]["purl"] for key in rows if key.startswith("deb-")] == [
        "pkg:deb/debian/libc6@2.36?distro=bookworm"
    ]


def test_no_secret_and_no_path_comes_in() -> None:
    for content in documents(application()).values():
        for word in (
            b"secret",
            b"hush",
            b"user:",
            str(Path.cwd()).encode(),
            os.environ.get("HOME", "/root").encode() + b"/",
        ):
            assert word not in content
    assert public_url("file:///home/me/x.whl") == ""
    assert public_url("https://u:p@h.example/x.whl?sig=1#a") == "https://h.example/x.whl"


def test_no_base_and_no_application() -> None:
    made = application()
    made = replace(made, application=replace(made.application, entries=()))
    image = replace(made.image, base=replace(made.image.base, name="", digest=None))
    document, _ = valid(replace(made, image=image))
    assert all(one["bom-ref"].startswith("wheel-") for one in document["components"])


def test_order_of_the_input_does_not_matter() -> None:
    made = application()
    turned = replace(made, records=made.records[::-1], wheels=made.wheels[::-1])
    assert documents(made) == documents(turned)


def test_a_time_only_where_one_is_given() -> None:
    before, timed = documents(application()), documents(application(), created=1_700_000_000)
    assert all(before[kind] != timed[kind] for kind in before)
    assert b"2023-11-14T22:13:20Z" in timed["application/vnd.cyclonedx+json"]
    assert b"2023-11-14T22:13:20Z" in timed["application/spdx+json"]
    valid(application(), created=1_700_000_000)


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from tests.ship.image.test_sbom import application, documents; from crossdock.digest import Digest;"
        "print(*sorted(str(Digest.of(one)) for one in documents(application()).values()))"
    )
    root = Path(__file__).parents[3]
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={
                **os.environ,
                "PYTHONPATH": f"{root}/src:{root}",
                "PYTHONHASHSEED": seed,
                "TZ": zone,
                "LC_ALL": "C",
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert said == {" ".join(sorted(str(Digest.of(one)) for one in documents(application()).values()))}


def test_attachments_are_artifacts_that_refer_to_the_manifest() -> None:
    made = application()
    for one in sbom_attachments(made, kinds="both", created=0):
        oci_schemas.check(one.manifest, "image-manifest")
        manifest = parse_manifest(one.manifest, media.MANIFEST)
        assert manifest.subject is not None
        assert manifest.subject.digest == made.image.descriptor.digest
        assert manifest.subject.platform is None
        assert manifest.artifact_type == one.descriptor.artifact_type == one.blobs[1].descriptor.media_type
        assert manifest.annotations == {"org.opencontainers.image.created": "1970-01-01T00:00:00Z"}
        assert [blob.descriptor.digest for blob in one.blobs] == [
            Digest.of(b"".join(blob.source.chunks())) for blob in one.blobs
        ]
    assert sbom_attachments(made, kinds="none") == ()
    assert [one.descriptor.artifact_type for one in sbom_attachments(made, kinds="spdx")] == [
        "application/spdx+json"
    ]
    with pytest.raises(UsageError) as caught:
        sbom_attachments(made, kinds="swid")
    assert caught.value.code == "E-IMAGE-OPTION"


@pytest.mark.parametrize(
    ("metadata", "expression", "words"),
    [
        ({"License-Expression": ("mit",)}, "MIT", ()),
        ({"License": ("Apache-2.0",)}, "Apache-2.0", ()),
        ({"License": ("Apache 2.0",)}, "", ("Apache 2.0",)),
        (
            {"License": ("BSD",), "Classifier": ("License :: OSI Approved :: BSD License",)},
            "",
            ("BSD", "BSD License"),
        ),
        ({"Classifier": ("License :: OSI Approved", "License :: OSI Approved :: MIT License")}, "MIT", ()),
        # Two may mean "and" or "or".
        (
            {
                "Classifier": (
                    "License :: OSI Approved :: MIT License",
                    "License :: OSI Approved :: ISC License (ISCL)",
                )
            },
            "",
            ("ISC License (ISCL)", "MIT License"),
        ),
        (
            {"Classifier": ("License :: OSI Approved :: Apache Software License",)},
            "",
            ("Apache Software License",),
        ),
        ({"License": ("Copyright\n" * 50,)}, "", ()),
        ({"License-Expression": ("(" * 400 + "MIT" + ")" * 400,)}, "", ()),
        ({"License-Expression": ("MIT OR",)}, "", ("MIT OR",)),
        ({}, "", ()),
    ],
)
def test_licences(metadata: dict[str, tuple[str, ...]], expression: str, words: tuple[str, ...]) -> None:
    found = licence_of(metadata)
    assert (found.expression, found.words) == (expression, words)


def test_package_urls() -> None:
    assert (
        pypi_purl("Django_x", "1!2+cu", filename="a+b.whl")
        == "pkg:pypi/django-x@1%212%2Bcu?file_name=a%2Bb.whl"
    )
    assert debian_purl("libstdc++6", "12", architecture="amd64", distribution="trixie") == (
        "pkg:deb/debian/libstdc%2B%2B6@12?arch=amd64&distro=trixie"
    )
    digest = Digest.of(b"")
    assert image_purl("a/B", digest, repository="r.example:5000/a/b", tag="1", architecture="arm64") == (
        f"pkg:oci/b@sha256%3A{digest.hex}?arch=arm64&repository_url=r.example:5000/a/b&tag=1"
    )


def test_requirements_are_names_without_extras() -> None:
    rows = (
        "A.b_C [x] >=1",
        "d; python_version<'3'",
        "e; extra == 'e'",
        " f@ https://example.com/f.whl",
        "???",
    )
    assert requirements_of({"Requires-Dist": rows}) == ["a-b-c", "d", "f"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nothing",
        "[" * 100_000,
        '{"bomFormat":"SWID"}',
        '{"spdxVersion":"SPDX-3.0.1"}',
        '{"a":' + "9" * 5000 + "}",
    ],
)
def test_documents_that_are_not_read_are_only_referred_to(text: str) -> None:
    found = embedded_components({"x/sboms/a": text}, owner="x", prefix="wheel-x")
    assert found.components == ()
    assert found.evidence == (("x/sboms/a", Digest.of(text.encode())),)
    assert "not read" in found.notes[0]


def test_hostile_bills_stay_within_bounds() -> None:
    nested: dict[str, Any] = {"name": "deep"}
    for number in range(50):
        nested = {"name": f"n{number}", "components": [nested]}
    many = {
        "bomFormat": "CycloneDX",
        "components": [nested, *({"name": f"c{number}"} for number in range(5000))],
    }
    odd = {
        "bomFormat": "CycloneDX",
        "components": [
            None,
            {"name": 7},
            {"name": "x\x00y\ud800" + "z" * 9000, "purl": "javascript:alert(1)", "version": ["1"]},
            {
                "name": "h",
                "hashes": [{"alg": "SHA-256", "content": "../../etc"}, 3],
                "licenses": [{"license": 1}, 2],
            },
            {"name": "l", "licenses": [{"license": {"name": "<script>"}}, {"expression": "MIT OR ("}]},
        ],
    }
    sboms = {f"x/{number}": json.dumps(odd) for number in range(30)} | {"w": json.dumps(many)}
    found = embedded_components(sboms, owner="x", prefix="wheel-x")
    assert len(found.components) == 2000
    assert len(found.evidence) == 31
    assert sum("one document of too many" in note for note in found.notes) == 11
    assert not any(one.name == "deep" for one in found.components)
    valid(made_up([record("x", sboms=sboms)]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "version", "purl", "hashes", "alg", "content", "licenses", "license", "id", "components",
                         "expression", "packages", "externalRefs", "checksums", "group"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(JSON, max_size=4), words=st.text(max_size=30), version=st.text(max_size=20))
def test_whatever_wheels_say_the_documents_are_valid(rows: list[Any], words: str, version: str) -> None:
    bills = {
        "a.json": json.dumps({"bomFormat": "CycloneDX", "components": rows}),
        words: json.dumps({"spdxVersion": "SPDX-2.2", "packages": rows}),
    }
    one = record(
        "pkg",
        metadata={
            "License": (words,),
            "License-Expression": (words,),
            "Requires-Dist": (words,),
        },
        sboms=bills,
    )
    valid(
        made_up(
            [replace(one, version=version, filename=words)],
            origins=[origin(one, f"https://h.example/{words}")],
        )
    )
