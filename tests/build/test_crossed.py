"""What is remembered of a cross build, and what makes it another one. The builds themselves: tests/cli/test_build_native.py."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.wheels import wheel_files, zip_bytes

from crossdock.build import crossed
from crossdock.build.carried import export_wheels, import_wheels
from crossdock.build.crossed import CrossJob, ask_of, find_built, keep_built, log_path
from crossdock.build.model import PackageSettings
from crossdock.digest import Digest
from crossdock.errors import ArchiveError
from crossdock.store import Store
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPORT = {"tags": ["cp312-cp312-manylinux_2_17_aarch64"], "floor": None, "grafted": [], "findings": []}


class Tools:
    source_date_epoch = 315_532_800


class World:
    """What a question needs of a world: the builds are not run here."""

    target_python = None
    sysroot = None
    tools = Tools()
    resolution = "an index"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "store", warn=pytest.fail)) as opened:
        yield opened


def job(**changed: Any) -> CrossJob:
    values = {
        "what": "demo-1.0.tar.gz",
        "name": "demo",
        "version": "1.0",
        "identity": f"sha256:{'a' * 64}",
        "archive": lambda: pytest.fail("not unpacked to be looked up"),
        "target": parse_target("cp312-linux-aarch64-glibc2.28"),
        "settings": PackageSettings(),
    }
    return CrossJob(**{**values, **changed})


def ask(**changed: Any) -> dict[str, Any]:
    return ask_of(job(**changed), World())  # type: ignore[arg-type]


def wheel(question: dict[str, Any], **parts: object) -> tuple[str, bytes]:
    """A wheel that says that it was built for a question."""
    provenance = {"source": {"digest": question["source"]}, "target": question["target"], **parts}
    files = {"demo/__init__.py": "", f"demo-1.0.dist-info/{crossed.PROVENANCE}": json.dumps(provenance)}
    tag = "cp312-cp312-manylinux_2_17_aarch64"
    return f"demo-1.0-{tag}.whl", zip_bytes(wheel_files("demo", "1.0", tag, files=files))


def keep(store: Store, question: dict[str, Any], **parts: object) -> Digest:
    filename, content = wheel(question, **parts)
    return keep_built(store, question, filename, content, REPORT)[0]


def test_a_built_wheel_is_found_by_the_same_question(store: Store) -> None:
    assert find_built(store, ask()) is None
    digest = keep(store, ask(), compiler={"zig": "1"})
    found = find_built(store, ask())
    assert found is not None
    assert (found.digest, found.report, found.from_store, found.imported) == (digest, REPORT, True, False)


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": f"sha256:{'b' * 64}"},
        {"version": "1.1"},
        {"subdirectory": "below"},
        {"target": parse_target("cp313-linux-aarch64-glibc2.28")},
        {"target": parse_target("cp312-linux-x86_64-glibc2.28")},
        {"target": parse_target("cp312-linux-aarch64-glibc2.31")},
        {"target": parse_target("cp312-linux-aarch64-musl1.2")},
        {"target": parse_target("cp313t-linux-aarch64-glibc2.28")},
        {"glibc": (2, 17)},
        {"settings": PackageSettings(libraries=("libffi-dev",))},
        {"settings": PackageSettings(config_settings={"a": ["b"]})},
        {"settings": PackageSettings(environment={"A": "b"})},
        {"settings": PackageSettings(requires=("cython<3",))},
        {"settings": PackageSettings(release="bookworm")},
        {"settings": PackageSettings(pure=True)},
    ],
)
def test_another_question_does_not_find_it(store: Store, changed: dict[str, Any]) -> None:
    keep(store, ask())
    assert find_built(store, ask(**changed)) is None


def test_the_compiler_and_our_own_version_are_part_of_the_question(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, ask())
    for place, value in (
        ("crossdock.build.toolchain.zig.VERSION", "9.9"),
        ("crossdock.build.crossed.__version__", "9.9"),
        ("crossdock.build.toolchain.made.programs", lambda: "other"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, value)
            assert find_built(store, ask()) is None, place
    assert find_built(store, ask()) is not None


def test_another_index_may_give_other_build_requirements(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, ask())
    monkeypatch.setattr(World, "resolution", "another")
    assert find_built(store, ask()) is None


def test_an_imported_wheel_answers_whatever_the_index(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = keep(store, ask(), compiler={"zig": "1"})
    out = io.BytesIO()
    export_wheels(store, out)
    out.seek(0)
    with closing(Store.open(tmp_path / "other", warn=pytest.fail)) as other:
        import_wheels(other, out, "wheels.tar")
        for name in ("an index", "another"):
            monkeypatch.setattr(World, "resolution", name)
            found = find_built(other, ask())
            assert found is not None
            assert (found.digest, found.imported) == (digest, True)


def test_values_of_variables_are_in_no_question(store: Store) -> None:
    """A question is in the store, in exports, and its settings are in the wheel."""
    told = ask(settings=PackageSettings(environment={"TOKEN": "canary", "B": ""}))
    assert "canary" not in json.dumps(told)
    assert set(told["settings"]["environment"]) == {"TOKEN", "B"}
    assert told != ask(settings=PackageSettings(environment={"TOKEN": "other", "B": ""}))


def test_other_parts_are_another_wheel_and_the_newest_is_found(store: Store) -> None:
    first = keep(store, ask(), **{"target-python": {"digest": "1"}})
    second = keep(store, ask(), **{"target-python": {"digest": "2"}})
    found = find_built(store, ask())
    assert first != second
    assert found is not None
    assert found.digest == second
    assert len(list(store.facts(crossed.BUILT))) == 2


def test_what_the_store_lost_is_not_found(store: Store) -> None:
    digest = keep(store, ask())
    blob = store.blob(digest)
    assert blob is not None
    blob.unlink()
    assert find_built(store, ask()) is None


def test_a_source_that_cannot_be_named_is_not_remembered(store: Store) -> None:
    question = ask(identity=None)
    keep(store, question)
    assert find_built(store, question) is None
    assert list(store.facts(crossed.BUILT)) == []


def test_logs_are_told_apart_counted_and_pruned(store: Store) -> None:
    logs = [log_path(store, question) for question in (ask(), ask(glibc=(2, 31)))]
    assert len(set(logs)) == 2
    assert all(path.name.startswith("demo-1.0-linux-aarch64-glibc-py3.12-") for path in logs)
    for path in logs:
        path.write_text("compiled")
    info = store.info()
    assert (info.logs, info.log_bytes) == (2, 16)
    assert store.verify().damaged == ()
    store.prune(max_size=0)
    assert store.info().logs == 0


def test_names_of_packages_lead_nowhere_else(store: Store) -> None:
    path = log_path(store, ask(name="../../x", version="1/../.."))
    assert path.parent == store.root / "logs"


# Carried to other machines


def exported(store: Store) -> bytes:
    out = io.BytesIO()
    export_wheels(store, out)
    return out.getvalue()


def test_an_export_is_the_same_wherever_it_comes_from(store: Store, tmp_path: Path) -> None:
    for minor in (12, 13):
        keep(store, ask(target=parse_target(f"cp3{minor}-linux-aarch64-glibc2.28")), compiler={"zig": "1"})
    content = exported(store)
    with closing(Store.open(tmp_path / "other", warn=pytest.fail)) as other:
        assert import_wheels(other, io.BytesIO(content), "x.tar").wheels == 2
        assert exported(other) == content
        found = find_built(other, ask())
        assert found is not None
        assert found.imported
        assert import_wheels(other, io.BytesIO(content), "x.tar").known == 2


def test_an_import_does_not_replace_what_was_built_here(store: Store, tmp_path: Path) -> None:
    keep(store, ask(), compiler={"zig": "theirs"})
    with closing(Store.open(tmp_path / "other", warn=pytest.fail)) as other:
        own = keep(other, ask(), compiler={"zig": "ours"})
        import_wheels(other, io.BytesIO(exported(store)), "x.tar")
        found = find_built(other, ask())
        assert found is not None
        assert (found.digest, found.imported) == (own, False)


def rewritten(content: bytes, change: Any) -> bytes:
    """The tar with its members as `change` returns them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=out, mode="w") as new:
        members = []
        for member in old:
            reader = old.extractfile(member)
            assert reader is not None
            members.append((member.name, reader.read()))
        for name, data in change(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    return out.getvalue()


def listing(members: Any, change: Any) -> Any:
    value = json.loads(members[0][1])
    change(value)
    return [(members[0][0], json.dumps(value).encode()), *members[1:]]


def for_another_target(value: Any) -> None:
    value["wheels"][0]["ask"]["target"]["arch"] = "x86_64"


def of_another_source(value: Any) -> None:
    value["wheels"][0]["ask"]["source"] = f"sha256:{'b' * 64}"


def with_other_parts(value: Any) -> None:
    value["wheels"][0]["parts"]["compiler"] = {"zig": "2"}


def of_another_project(value: Any) -> None:
    value["wheels"][0]["ask"]["name"] = "other"


def of_another_version(value: Any) -> None:
    value["wheels"][0]["ask"]["version"] = "2.0"


def without(*keys: str) -> Any:
    """A list whose only row lacks what `keys` lead to."""

    def change(value: Any) -> None:
        *above, last = keys
        found = value["wheels"][0]
        for key in above:
            found = found[key]
        del found[last]

    return lambda members: listing(members, change)


def not_as_a_wheel_is(members: Any) -> Any:
    """Another file in the wheel's place, with its provenance and hash."""
    value = json.loads(members[0][1])
    row = value["wheels"][0]
    _name, content = wheel(row["ask"], compiler={"zig": "1"})
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        name = f"demo-1.0.dist-info/{crossed.PROVENANCE}"
        content = zip_bytes({name: whole.read(name)})
    row["sha256"] = Digest.of(content).hex
    name = f"wheels/{row['sha256']}/{row['filename']}"
    return [(members[0][0], json.dumps(value).encode()), (name, content)]


def named_elsewhere(value: Any) -> None:
    value["wheels"][0]["filename"] = "../../demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda members: [members[0], (members[1][0], members[1][1] + b"x")], "is not what its hash says"),
        (lambda members: members[:1], "it ends before"),
        (lambda members: members[1:], "does not begin with"),
        (lambda members: [members[0], ("more", b""), members[1]], "not in its list: `more`"),
        (lambda members: [(members[0][0], b"{"), members[1]], "its list is damaged"),
        (lambda members: [(members[0][0], b"[]"), members[1]], "its list is damaged"),
        (lambda members: listing(members, for_another_target), "was not built for what the list says"),
        (lambda members: listing(members, of_another_source), "was not built for what the list says"),
        (lambda members: listing(members, with_other_parts), "was not built for what the list says"),
        (lambda members: listing(members, named_elsewhere), "its list is damaged"),
        (lambda members: listing(members, of_another_project), "was not built for what the list says"),
        (lambda members: listing(members, of_another_version), "was not built for what the list says"),
        (without("ask", "name"), "its list is damaged"),
        (without("ask", "version"), "its list is damaged"),
        (without("ask", "settings"), "its list is damaged"),
        (without("ask", "target", "python"), "its list is damaged"),
        (without("ask", "target", "libc"), "its list is damaged"),
        (without("report", "grafted"), "its list is damaged"),
        (without("parts", "compiler"), "its list is damaged"),
        (lambda members: [(members[0][0], b"[" * 100_000), members[1]], "its list is damaged"),
        (not_as_a_wheel_is, "is damaged: "),
        (
            lambda members: listing(members, lambda value: value.update(form=99)),
            "another version of crossdock",
        ),
    ],
)
def test_a_changed_export_is_refused(store: Store, tmp_path: Path, change: Any, says: str) -> None:
    keep(store, ask(), compiler={"zig": "1"})
    content = rewritten(exported(store), change)
    with closing(Store.open(tmp_path / "other", warn=pytest.fail)) as other:
        with pytest.raises(ArchiveError, match=says) as caught:
            import_wheels(other, io.BytesIO(content), "x.tar")
        assert caught.value.code == "E-CACHE-FILE"
        assert list(other.facts(crossed.BUILT)) == []


def test_a_sparse_member_is_not_unfolded(store: Store, tmp_path: Path) -> None:
    """A few bytes of tar would stand for as many as its header says."""
    keep(store, ask(), compiler={"zig": "1"})
    content = bytearray(exported(store))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        place = archive.getmembers()[1].offset_data - 512
    header = tarfile.TarInfo.frombuf(bytes(content[place : place + 512]), "utf-8", "strict")
    header.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % (1 << 32)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    content[place : place + 512] = block
    with closing(Store.open(tmp_path / "other", warn=pytest.fail)) as other:
        with pytest.raises(ArchiveError) as caught:
            import_wheels(other, io.BytesIO(bytes(content)), "x.tar")
        assert caught.value.code == "E-CACHE-FILE"


def test_a_provenance_without_end_is_not_read(store: Store, tmp_path: Path) -> None:
    """Zeros: 1.5 MB of a wheel unpack to more than the memory."""
    keep(store, ask(), compiler={"zig": "1"}, padding="0" * (crossed.PROVENANCE_LIMIT + 1))
    content = exported(store)
    assert len(content) < 100_000
    with closing(Store.open(tmp_path / "other", warn=pytest.fail)) as other:
        with pytest.raises(ArchiveError, match="was not built for what the list says") as caught:
            import_wheels(other, io.BytesIO(content), "x.tar")
        assert caught.value.code == "E-CACHE-FILE"


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b\x08\x00"])
def test_what_is_no_tar_is_refused(store: Store, content: bytes) -> None:
    with pytest.raises(ArchiveError) as caught:
        import_wheels(store, io.BytesIO(content), "x.tar")
    assert caught.value.code == "E-CACHE-FILE"


def test_a_job_is_a_value(store: Store) -> None:
    assert replace(job(), version="2").label == "demo 2"
    assert job(version=None).label == "demo"
