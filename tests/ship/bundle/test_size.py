"""Where a bundle's bytes are, and whether the place takes it: what is counted is what is written."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.bundled import application, bundled
from tests.support.wheels import make_wheel

from crossdock.errors import ShipError
from crossdock.ship.bundle.layout import together, zip_files
from crossdock.ship.bundle.model import BundledPackage, BundleFile, Raw
from crossdock.ship.bundle.places import Limits, Place
from crossdock.ship.bundle.prune import prune
from crossdock.ship.bundle.size import (
    FileKind,
    LayerSize,
    OneZip,
    SizeReport,
    check_limits,
    kind_of,
    layer_size,
    size_html,
    size_report,
    size_text,
)
from crossdock.ship.bundle.size_page import regions
from crossdock.ship.bundle.write import write_zip
from crossdock.ship.receipt import ShippedPackage
from crossdock.ship.report.treemap import Rect

if TYPE_CHECKING:
    from collections.abc import Sequence

UNZIPPED, ZIPPED = 262_144_000, 52_428_800
LAMBDA = Place(
    kind="lambda",
    name="lambda-python3.12",
    os="Amazon Linux 2023",
    layout="root",
    limits=Limits(zipped=ZIPPED, unzipped=UNZIPPED, unzipped_exclusive=True, layers=5),
)
NATIVE = "cp312-cp312-manylinux_2_17_aarch64"
FILES: dict[str, bytes | str] = {
    "demo/__init__.py": "x = 1\n" * 50,
    "demo/core.cpython-312-aarch64-linux-gnu.so": bytes(range(256)) * 40,
    "demo/data.json": "[]",
    "demo/types.pyi": "x: int\n",
    "demo/include/demo.h": "int x;\n",
    "demo/lib/libx.a": b"!<arch>\n",
    "demo/tests/test_demo.py": "assert True\n" * 30,
}
#: Names are anybody's word.
NASTY = '<script>alert("x")</script>&\x1b[31m'


def fake(name: str, unzipped: int, zipped: int | None = None) -> BundledPackage:
    """Return a package of one file, of which nothing but the size is there."""
    raw = Raw(Path("gone"), 0, unzipped if zipped is None else zipped, 8, 0)
    file = BundleFile(f"{name}/data.bin", "0" * 64, unzipped, executable=False, raw=raw)
    package = ShippedPackage(name=name, version="1.0", wheel=f"{name}-1.0-py3-none-any.whl", sha256="0" * 64)
    return BundledPackage(package=package, files=(file,))


def report(
    *packages: BundledPackage,
    place: Place = LAMBDA,
    layers: Sequence[LayerSize] = (),
    zipped: int | None = None,
    role: str = "function",
    provided: Sequence[str] = (),
) -> SizeReport:
    zips = [OneZip(name=f"{role}.zip", role=role, packages=packages, zipped=zipped)]
    return size_report("lambda-python3.12-arm64", place, zips, layers=layers, provided=provided)


def demo(directory: Path, prefix: str = "") -> BundledPackage:
    return bundled(make_wheel(directory, tag=NATIVE, files=FILES), prefix)


def test_what_is_counted_is_what_is_written(tmp_path: Path) -> None:
    packages = together([demo(tmp_path, "python/"), bundled(make_wheel(tmp_path, "other"), "python/")])
    before = report(*packages)
    written = write_zip(tmp_path / "out.zip", zip_files(packages))
    after = report(*packages, zipped=written.size)
    assert before.unzipped == after.unzipped == written.unzipped
    assert before.size.files == written.files
    [estimate], [real] = before.zips, after.zips
    # RECORD is compressed here: until then its zipped size is between two bounds.
    assert estimate.least < written.size <= estimate.size.zipped
    assert (real.size.zipped, real.least, real.is_written) == (written.size, written.size, True)
    assert sum(one.size.unzipped for one in after.packages) == written.unzipped
    assert sum(size.unzipped for _kind, size in after.kinds) == written.unzipped


def test_a_zip_of_copied_members_is_foretold_to_the_byte(tmp_path: Path) -> None:
    package = replace(demo(tmp_path), record_path="")
    written = write_zip(tmp_path / "out.zip", package.files)
    [one] = report(package).zips
    assert one.size.zipped == one.least == written.size


def test_kinds_of_files(tmp_path: Path) -> None:
    found = {kind: size.files for kind, size in report(demo(tmp_path)).kinds}
    assert found == {
        FileKind.LIBRARY: 1,
        FileKind.PYTHON: 1,
        FileKind.DATA: 1,
        FileKind.STUBS: 1,
        FileKind.HEADERS: 1,
        FileKind.STATIC: 1,
        FileKind.TESTS: 1,
        FileKind.METADATA: 3,
    }
    assert kind_of("x.libs/libz-1a.so.1.3.1", in_tests=False, is_binary=False) is FileKind.LIBRARY
    assert kind_of("bin/tool", in_tests=False, is_binary=True) is FileKind.LIBRARY
    assert kind_of("a/__pycache__/b.cpython-312.pyc", in_tests=False, is_binary=False) is FileKind.BYTECODE
    assert kind_of("a-1.dist-info/licenses/x.h", in_tests=False, is_binary=False) is FileKind.METADATA


def test_what_pruning_takes_is_what_it_was_said_to_save(tmp_path: Path) -> None:
    package = demo(tmp_path)
    savings = report(package).savings
    pruned = prune([package], ["all"])
    zips = [OneZip(name="f.zip", role="function", packages=pruned.packages)]
    after = size_report("t", LAMBDA, zips, removed=pruned.removed)
    assert after.pruned == savings
    assert not after.savings
    # RECORD is shorter too.
    assert report(package).unzipped - after.unzipped >= sum(one.size for one in savings)
    assert {one.rule for one in savings} == {"tests", "headers", "stubs", "static"}


def test_a_function_must_be_smaller_than_the_limit() -> None:
    below = fake("a", UNZIPPED - 1, 1000)
    assert check_limits(report(below)) == ()
    with pytest.raises(ShipError) as caught:
        check_limits(report(fake("a", UNZIPPED, 1000)))
    assert caught.value.code == "E-BUNDLE-SIZE"
    assert "262,144,000" in caught.value.message
    assert "less than" in caught.value.message
    # Elsewhere the limit itself is allowed, or there is none.
    at_most = replace(LAMBDA, limits=replace(LAMBDA.limits, unzipped_exclusive=False))
    assert check_limits(report(fake("a", UNZIPPED, 1000), place=at_most)) == ()
    assert check_limits(report(fake("a", UNZIPPED * 9, 1000), place=replace(LAMBDA, limits=Limits()))) == ()


def test_other_layers_count(tmp_path: Path) -> None:
    layers = [LayerSize("tools.zip", 10, 1_000)]
    assert check_limits(report(fake("a", UNZIPPED - 1_001, 1000), layers=layers)) == ()
    with pytest.raises(ShipError) as caught:
        check_limits(report(fake("a", UNZIPPED - 1_000, 1000), layers=layers))
    assert caught.value.places[0] == "function.zip 250.0 MiB + tools.zip 1000 B"


def test_the_function_and_its_own_layer_count_together() -> None:
    zips = [
        OneZip(name="f.zip", role="function", packages=[fake("a", UNZIPPED // 2, 10)]),
        OneZip(name="f-layer.zip", role="layer", packages=[fake("b", UNZIPPED // 2, 10)]),
    ]
    with pytest.raises(ShipError) as caught:
        check_limits(size_report("t", LAMBDA, zips))
    assert caught.value.places[0] == "f.zip 125.0 MiB + f-layer.zip 125.0 MiB"


def test_at_most_five_layers() -> None:
    layers = [LayerSize(f"{number}.zip", 1, 1) for number in range(5)]
    assert check_limits(report(fake("a", 1), layers=layers)) == ()
    assert check_limits(report(fake("a", 1), layers=layers[1:], role="layer")) == ()
    with pytest.raises(ShipError) as caught:
        check_limits(report(fake("a", 1), layers=layers, role="layer"))
    assert caught.value.code == "E-BUNDLE-LAYERS"
    assert caught.value.places == ("layer.zip", "0.zip", "1.zip", "2.zip", "3.zip", "4.zip")


def test_the_api_takes_fifty_megabytes() -> None:
    assert check_limits(report(fake("a", 100), zipped=ZIPPED)) == ()
    large = report(fake("a", 100), zipped=ZIPPED + 1)
    with pytest.raises(ShipError) as caught:
        check_limits(large)
    assert caught.value.code == "E-BUNDLE-SIZE"
    assert "52,428,801" in caught.value.message
    assert caught.value.hint is not None
    assert "--s3" in caught.value.hint
    [note] = check_limits(large, through_s3=True)
    assert note.startswith("`function.zip` has 50.0 MiB")
    with pytest.raises(ShipError) as elsewhere:
        check_limits(
            report(fake("a", 1), zipped=ZIPPED + 1, place=replace(LAMBDA, kind="agentcore")), through_s3=True
        )
    assert elsewhere.value.hint == "leave packages out"


def test_a_zip_that_is_not_written_is_refused_only_if_it_is_too_large_for_certain() -> None:
    # What is compressed here may come out small.
    own = application({"text.txt": b"a" * (ZIPPED + 1)})
    assert check_limits(report(own)) == ()
    assert "too large" not in size_text(report(own))
    assert "up to" in size_text(report(own))
    certain = report(fake("a", ZIPPED))
    with pytest.raises(ShipError) as caught:
        check_limits(certain)
    assert "at least 50.0 MiB" in caught.value.message
    # Noted once: when its size is known.
    assert check_limits(certain, through_s3=True) == ()


def test_the_refusal_names_the_largest_packages_and_what_would_be_saved(tmp_path: Path) -> None:
    tests = make_wheel(
        tmp_path, "tested", files={"tested/tests/test_x.py": "#" * 2_000_000, "tested/a.py": ""}
    )
    others = [fake(f"p{number}", 1000 + number) for number in range(9)]
    found = report(fake("huge", UNZIPPED - 1_000_000, 1000), bundled(tests), *others)
    with pytest.raises(ShipError) as caught:
        check_limits(found)
    lines = [" ".join(place.split()) for place in caught.value.places]
    assert lines[0] == "huge 1.0 249.0 MiB"
    assert lines[1] == "tested 1.0 1.9 MiB"
    assert lines[8] == "3 more 2.9 KiB"
    assert lines[9] == "`--prune tests` saves 1.9 MiB"
    assert caught.value.hint == "`--prune all` makes it fit; else ship a container image: `--image`"


def test_what_the_runtime_brings_may_make_it_fit() -> None:
    sdk = [fake("boto3", 1_000, 10), fake("botocore", 20_000_000, 10)]
    with pytest.raises(ShipError) as caught:
        check_limits(report(fake("huge", UNZIPPED - 1_000_000, 10), *sdk, provided=["boto3", "botocore"]))
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(
        "`--without-provided` makes it fit: boto3, botocore are those of the runtime"
    )
    assert any("`--without-provided` saves" in place for place in caught.value.places)
    with pytest.raises(ShipError) as hopeless:
        check_limits(report(fake("huge", UNZIPPED * 2, 10), *sdk, provided=["boto3", "botocore"]))
    assert hopeless.value.hint == "ship a container image: `--image`"


def test_the_size_of_another_layer(tmp_path: Path) -> None:
    path = tmp_path / "layer.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("python")
        archive.writestr("python/a.py", "x" * 5000)
        archive.writestr("python/b.py", "y" * 70)
    assert layer_size(path) == LayerSize("layer.zip", path.stat().st_size, 5070)


def nasty(directory: Path) -> SizeReport:
    package = demo(directory)
    assert package.package is not None
    named = replace(package, package=replace(package.package, version=NASTY))
    zips = [OneZip(name=f"{NASTY}.zip", role="function", packages=[named, fake("big", 90_000, 10)])]
    return size_report(NASTY, LAMBDA, zips, layers=[LayerSize(NASTY, 10, 40_000)], provided=["big"])


class Page(HTMLParser):
    """Reads a page as a browser does, and refuses what is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _value in attrs}
        if tag not in {"meta", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _value in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_but_itself_and_runs_nothing(tmp_path: Path) -> None:
    text = size_html(nasty(tmp_path))
    page = Page()
    page.feed(text)
    assert not page.open
    assert all(line.isprintable() for line in text.splitlines())
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not {"src", "href", "style", "onload", "onclick"} & page.attributes
    assert not re.search(r"url\(|@import|https?:", text)
    assert 'alert("x")' in page.text
    [css] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{allowed}'" in text
    assert css.count("prefers-color-scheme: dark") == 2
    # Every class that is drawn has a colour in both schemes.
    for name in {name for one in re.findall(r'class="(?:slice )?(k-[a-z]+)"', text) for name in [one]}:
        [variable] = re.findall(rf"\.{name} {{ fill: var\((--[a-z]+)\)", css)
        assert css.count(f"{variable}:") == 2, name
    assert size_html(nasty(tmp_path)) == text


def test_the_page_says_what_the_report_has(tmp_path: Path) -> None:
    page = Page()
    page.feed(size_html(report(demo(tmp_path), fake("huge", UNZIPPED, 10))))
    for words in (
        "huge 1.0",
        "demo 1.0",
        "too large by",
        "100 % of 250.0 MiB",
        "--prune tests",
        "shared libraries",
    ):
        assert words in page.text
    empty = Page()
    empty.feed(size_html(report(place=replace(LAMBDA, limits=Limits()))))
    assert "0 packages" in empty.text


def test_areas_are_the_unzipped_bytes_of_packages_and_their_kinds(tmp_path: Path) -> None:
    found = report(demo(tmp_path), fake("big", 90_000, 10), layers=[LayerSize("other.zip", 1, 40_000)])
    laid = regions(found, Rect(0.0, 0.0, 1000.0, 480.0))
    assert {one.title for one in laid} == {"demo 1.0", "big 1.0", "other.zip"}
    for one in laid:
        assert abs(one.rect.area / 480_000 - one.size / found.unzipped) < 1e-9
        assert abs(sum(part.rect.area for _css, part in one.parts) - one.rect.area) < 1e-6
        assert sum(part.size for _css, part in one.parts) == one.size


@pytest.mark.parametrize("width", [20, 70, 80, 200])
def test_the_text_keeps_its_width_and_prints_nothing_odd(tmp_path: Path, width: int) -> None:
    text = size_text(nasty(tmp_path), width=width)
    assert max(map(len, text.splitlines())) <= max(width, 70)
    assert all(line.isprintable() for line in text.splitlines())
    assert "--without-provided" in text
    assert "too large" in size_text(report(fake("huge", UNZIPPED, 10)), width=width)


def test_many_packages_are_counted_in_the_text() -> None:
    text = size_text(report(*(fake(f"p{number}", 1024 * (number + 1)) for number in range(30))))
    assert re.search(r"^10 more +10 +55\.0 KiB", text, re.MULTILINE)


def test_json_has_the_numbers(tmp_path: Path) -> None:
    found = report(demo(tmp_path), layers=[LayerSize("other.zip", 1, 2)])
    value = found.to_json()
    assert value["unzipped"] == found.unzipped
    assert value["layers"] == [{"name": "other.zip", "zipped": 1, "unzipped": 2}]
    assert value["packages"][0]["unzipped"] + 2 == found.unzipped
