"""A wheel, opened once with every check that needs no payload, then read file by file with the rest of them."""

from __future__ import annotations

import re
from hashlib import new as new_hash
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from crossdock.archive.entrypoints import (
    EntryPoint,
    ScriptEntryPoint,
    parse_entry_points,
    script_entry_points,
    starts_python,
)
from crossdock.archive.hooks import PTH_CAP, may_be_hook, runs_code
from crossdock.archive.limits import DEFAULT_LIMITS, Limits
from crossdock.archive.metadata import Headers, parse_headers
from crossdock.archive.names import WheelName, canonical, expand_tag, is_name, is_version, same_version
from crossdock.archive.record import Problem, RecordRow, compare, parse_record
from crossdock.archive.refusal import REBUILD, few, refuse, within
from crossdock.archive.zipread import Member, ZipArchive
from crossdock.digest import ALGORITHMS
from crossdock.errors import ArchiveError
from crossdock.safepath import MemberPath, PathRules, PathSet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from typing import Self

    from packaging.tags import Tag

__all__ = ["Wheel", "WheelFile", "WheelName"]

_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
#: RECORD cannot hash itself, and signatures of it come after it (binary distribution format, "The .dist-info directory").
_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_METADATA = "E-WHEEL-METADATA"


class WheelFile(NamedTuple):
    """A file that installing the wheel writes: where it goes, and what RECORD says of it."""

    member: Member
    scheme: str  # purelib, platlib, scripts, data or headers
    path: MemberPath  # below the scheme
    sha256: str  # lower-case hex
    size: int
    executable: bool


class Wheel:
    """A wheel whose names, metadata and RECORD agree. Made by `open`; safe to read from several threads.

    Usage::

        with Wheel.open(buffer, "demo-1.0-py3-none-any.whl", rules=PathRules.POSIX) as wheel:
            for file in wheel.files:
                content = wheel.read(file)
    """

    archive: ZipArchive
    filename: WheelName
    #: Name and version as METADATA spells them.
    name: str
    version: str
    #: `name-version.dist-info` and `name-version.data` as they stand in the wheel.
    dist_info: str
    data_dir: str
    #: METADATA, byte for byte.
    metadata: bytes
    root_is_purelib: bool
    entry_points: tuple[EntryPoint, ...]
    files: tuple[WheelFile, ...]
    #: Members that are never installed: bytecode of somebody's interpreter.
    dropped: tuple[MemberPath, ...]
    #: Files that run code whenever Python starts.
    start_up_hooks: tuple[MemberPath, ...]
    #: What is wrong with RECORD, where that was allowed by name.
    record_problems: tuple[str, ...]
    #: Every tag that WHEEL states: those of the file name, unless others were allowed.
    stated_tags: frozenset[str]

    def __init__(
        self,
        archive: ZipArchive,
        name: WheelName,
        rules: PathRules,
        limits: Limits,
        *,
        allow_bad_record: bool,
        allow_other_tags: bool,
    ) -> None:
        self.archive = archive
        self.filename = name
        self._rules = rules
        self._limits = limits
        self._hash_all = allow_bad_record
        self._allow_other_tags = allow_other_tags
        self._rows: dict[str, RecordRow] = {}
        self._by_name = {member.name: member for member in archive.members if not member.is_dir}
        self._identify()
        self._read_metadata()
        self._read_wheel_file()
        problems = self._read_record()
        self._place_files(problems)
        self.record_problems = tuple(problem.text for problem in problems)
        if problems and not allow_bad_record:
            self._refuse_record(problems)
        self._read_entry_points()
        self._find_hooks()

    @classmethod
    def open(
        cls,
        buffer: bytes | bytearray | memoryview | mmap,
        filename: str,
        *,
        rules: PathRules = PathRules.ANY,
        limits: Limits = DEFAULT_LIMITS,
        allow_bad_record: bool = False,
        allow_other_tags: bool = False,
    ) -> Self:
        """Open the wheel in `buffer` for a target with the path rules `rules`; raise `ArchiveError` if it is not sound.

        Checked are the zip's structure, the file name against METADATA and WHEEL, RECORD as a set, `.data`
        schemes and entry points; `read` and `stream` check the contents. With `allow_bad_record` what is wrong
        with RECORD goes to `record_problems` and every hash is computed here. With `allow_other_tags` WHEEL may state
        other tags than the file name does (`stated_tags`): a wheel that was renamed. The buffer is in use until `close`.
        """
        name = WheelName.parse(filename, limit=limits.tags)
        archive = ZipArchive.parse(buffer, filename=filename, limits=limits, rules=rules)
        try:
            return cls(
                archive,
                name,
                rules,
                limits,
                allow_bad_record=allow_bad_record,
                allow_other_tags=allow_other_tags,
            )
        except BaseException:
            archive.close()
            raise

    def close(self) -> None:
        """Let go of the buffer."""
        self.archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tags(self) -> frozenset[Tag]:
        """The tags that file name and WHEEL agree on."""
        return self.filename.tags

    @property
    def requires_dist(self) -> tuple[str, ...]:
        """Every Requires-Dist as it stands in METADATA."""
        return self._headers.all("Requires-Dist")

    @property
    def requires_python(self) -> str | None:
        """Requires-Python as it stands in METADATA."""
        return self._headers.optional("Requires-Python")

    @property
    def headers(self) -> Headers:
        """The fields of METADATA."""
        return self._headers

    def script_entry_points(self) -> tuple[ScriptEntryPoint, ...]:
        """Return the console and GUI scripts, their grammar checked."""
        return self._scripts

    def unportable(self) -> tuple[MemberPath, ...]:
        """Return names that are fine for this wheel's rules and would be refused for some other target."""
        return self.archive.unportable()

    def read(self, file: WheelFile) -> bytes:
        """Return a file's content; raise `ArchiveError` unless stream, size, CRC and RECORD's hash agree."""
        content = self.archive.read_bytes(file.member)
        self._check_hash(file, sha256(content).hexdigest())
        return content

    def stream(self, file: WheelFile) -> Iterator[bytes]:
        """Yield a file's content in chunks with memory flat; what is wrong is raised at the latest at the end."""
        hasher = sha256()
        for chunk in self.archive.stream(file.member):
            hasher.update(chunk)
            yield chunk
        self._check_hash(file, hasher.hexdigest())

    def _check_hash(self, file: WheelFile, found: str) -> None:
        if found != file.sha256:
            self._refuse_record([_hash_problem(file.member.name, "sha256", found, file.sha256)])

    # What follows runs once, in this order.

    def _identify(self) -> None:
        """Find the one .dist-info directory, which is named like the wheel, and the .data directory beside it."""
        tops = {member.name.partition("/")[0] for member in self.archive.members}
        found = sorted(top for top in tops if top.lower().endswith(".dist-info"))
        if len(found) != 1:
            # Installers that take the first, the last or the matching one install different things.
            self._refuse(
                "E-WHEEL-DIST-INFO", f"{len(found)} .dist-info directories, a wheel has one", places=found
            )
        self.dist_info = found[0]
        stem = self.dist_info[: -len(".dist-info")]
        name, dash, version = stem.partition("-")
        if not dash or canonical(name) != self.filename.canonical_name or not self._is_version(version):
            self._refuse("E-WHEEL-DIST-INFO", f"`{self.dist_info}` is not named like the wheel")
        self.data_dir = f"{stem}.data"
        self._unhashed = {f"{self.dist_info}/{name}" for name in _UNHASHED}
        foreign = [top for top in tops if top.lower().endswith(".data") and top != self.data_dir]
        if foreign:
            # pip installs every top-level `*.data` by its schemes, others only the one of this name.
            self._refuse("E-WHEEL-DATA", f"a data directory other than `{self.data_dir}`", places=foreign)

    def _is_version(self, version: str) -> bool:
        return is_version(version) and same_version(version, self.filename.version)

    def _small(self, name: str, cap: int, code: str) -> bytes:
        """Return a metadata file of the .dist-info, which must be there and stay below `cap` bytes."""
        path = f"{self.dist_info}/{name}"
        member = self._by_name.get(MemberPath(path))
        if member is None:
            self._refuse(code, f"no {name}", member=path)
        if member.size > cap:
            self._refuse(
                "E-WHEEL-LIMIT-METADATA", f"{name} has {member.size} bytes, more than {cap}", member=path
            )
        return self.archive.read_bytes(member)

    def _read_metadata(self) -> None:
        """METADATA names the project and version that the file name does."""
        self.metadata = self._small("METADATA", self._limits.metadata_size, _METADATA)
        member = f"{self.dist_info}/METADATA"
        self._headers = parse_headers(
            self.metadata, filename=self.filename.filename, member=member, code=_METADATA
        )
        self.name, self.version = self._headers.one("Name"), self._headers.one("Version")
        self._headers.one("Metadata-Version")
        self._headers.optional("Requires-Python")
        if not is_name(self.name) or canonical(self.name) != self.filename.canonical_name:
            what = f"METADATA is of `{self.name[:140]}`, the file name of `{self.filename.name}`"
            self._refuse("E-WHEEL-NAME", what, member=member)
        if not self._is_version(self.version):
            what = f"METADATA has version `{self.version[:140]}`, the file name `{self.filename.version}`"
            self._refuse("E-WHEEL-VERSION", what, member=member)

    def _read_wheel_file(self) -> None:
        """WHEEL is of version 1 and has the tags of the file name."""
        member = f"{self.dist_info}/WHEEL"
        content = self._small("WHEEL", self._limits.metadata_size, "E-WHEEL-WHEEL")
        headers = parse_headers(content, filename=self.filename.filename, member=member, code="E-WHEEL-WHEEL")
        version = headers.one("Wheel-Version")
        if not re.fullmatch(r"1\.\d{1,4}", version, re.ASCII):
            # Binary distribution format: "abort if Wheel-Version has a greater major version".
            self._refuse("E-WHEEL-FORMAT", f"Wheel-Version `{version[:40]}`, known is 1.0", member=member)
        # sip leaves it out (PyQt5's wheels); pip and uv read that as false.
        pure = (headers.optional("Root-Is-Purelib") or "false").lower()
        if pure not in {"true", "false"}:
            self._refuse("E-WHEEL-WHEEL", f"Root-Is-Purelib is `{pure[:40]}`", member=member)
        self.root_is_purelib = pure == "true"
        build = headers.optional("Build")
        if build and self.filename.build and build != self.filename.build:
            self._refuse(
                "E-WHEEL-BUILD", f"build `{build[:40]}` in WHEEL, `{self.filename.build}` in the name"
            )
        self._check_tags(headers.all("Tag"), member)

    def _check_tags(self, stated: tuple[str, ...], member: str) -> None:
        filename, limit = self.filename.filename, self._limits.tags
        if len(stated) > limit:
            self._refuse("E-WHEEL-TAG-LIMIT", f"more than {limit} tags", member=member)
        found: set[str] = set()
        for tag in stated:
            found |= expand_tag(tag, filename, limit=limit)
            if len(found) > limit:
                self._refuse("E-WHEEL-TAG-LIMIT", f"more than {limit} tags", member=member)
        self.stated_tags = frozenset(found)
        if found != self.filename.tag_names and not self._allow_other_tags:
            self._refuse(
                "E-WHEEL-TAGS",
                "the tags in WHEEL are not those of the file name",
                member=member,
                places=[
                    f"only in WHEEL: {' '.join(few(sorted(found - self.filename.tag_names))) or '-'}",
                    f"only in the file name: {' '.join(few(sorted(self.filename.tag_names - found))) or '-'}",
                ],
            )

    def _read_record(self) -> list[Problem]:
        """Return what is wrong with RECORD: it lists exactly the wheel's files, each once, with hash and size."""
        if f"{self.dist_info}/RECORD" not in self._by_name:
            return [Problem("E-RECORD-MISSING", "no RECORD")]
        content = self._small("RECORD", self._limits.record_size, "E-RECORD-MISSING")
        self._rows, problems = parse_record(content)
        if problems and not self._rows:
            # Nothing of it could be read: that every file is unlisted says no more.
            return problems
        files = [(name, member.size) for name, member in self._by_name.items()]
        directories = {str(member.name) for member in self.archive.members if member.is_dir}
        problems.extend(compare(self._rows, files, directories=directories, unhashed=self._unhashed))
        return problems

    def _refuse_record(self, problems: list[Problem]) -> NoReturn:
        codes = {problem.code for problem in problems}
        name = self.filename.canonical_name
        self._refuse(
            codes.pop() if len(codes) == 1 else "E-RECORD-MISMATCH",
            "RECORD does not fit the files",
            places=[problem.text for problem in problems],
            hint=f"report it to the project; to accept it all the same: --allow-bad-record {name}",
        )

    def _place_files(self, problems: list[Problem]) -> None:
        """Sort the members into the schemes that an installer knows; add to `problems` what hashing finds."""
        root = "purelib" if self.root_is_purelib else "platlib"
        data_prefix = f"{self.data_dir}/"
        files, dropped = [], []
        for name, member in self._by_name.items():
            if "__pycache__" in name and "__pycache__" in name.split("/"):
                dropped.append(name)
                continue
            scheme, path = root, name
            if name.startswith(data_prefix):
                scheme, path = self._scheme(name, name[len(data_prefix) :])
            row = self._rows.get(name)
            if row is not None and row.algorithm == "sha256" and not self._hash_all:
                digest = row.hex
            else:
                digest = self._hash(member, row, problems)
            files.append(WheelFile(member, scheme, path, digest, member.size, member.executable))
        self.files = tuple(files)
        self.dropped = tuple(dropped)
        self._check_placed_twice()

    def _scheme(self, name: str, below: str) -> tuple[str, MemberPath]:
        """Return scheme and path of a member of the .data directory."""
        scheme, slash, path = below.partition("/")
        if scheme not in _SCHEMES or not slash:
            self._refuse("E-WHEEL-DATA", f"no scheme `{scheme}` of a data directory is known", member=name)
        parent, _, last = path.rpartition("/")
        if (scheme == "scripts" or parent.lower() in {"bin", "scripts"}) and starts_python(last):
            self._refuse(
                "E-WHEEL-INTERPRETER", f"a script `{last}` would stand in for the interpreter", member=name
            )
        return scheme, MemberPath(path)

    def _hash(self, member: Member, row: RecordRow | None, problems: list[Problem]) -> str:
        """Return the SHA-256 of a member for which RECORD does not vouch with one, and compare what it does say."""
        hasher = sha256()
        accepted = row is not None and row.algorithm in ALGORITHMS
        other = new_hash(row.algorithm) if row is not None and accepted else None
        for chunk in self.archive.stream(member):
            hasher.update(chunk)
            if other is not None:
                other.update(chunk)
        if (
            row is not None
            and other is not None
            and other.hexdigest() != row.hex
            and member.name not in self._unhashed
        ):
            problems.append(_hash_problem(member.name, row.algorithm, other.hexdigest(), row.hex))
        return hasher.hexdigest()

    def _check_placed_twice(self) -> None:
        """Refuse two members that an installer puts in one place, at the root and through the .data directory."""
        site = {"purelib", "platlib"}
        if not any(file.scheme in site and file.path != file.member.name for file in self.files):
            return
        paths = PathSet(self._rules)
        for file in self.files:
            if file.scheme in site:
                try:
                    paths.add_file(file.path)
                except ArchiveError as error:
                    raise within(error, self.filename.filename, file.member.name) from None

    def _read_entry_points(self) -> None:
        self.entry_points = ()
        member = f"{self.dist_info}/entry_points.txt"
        if member in self._by_name:
            content = self._small("entry_points.txt", self._limits.metadata_size, "E-WHEEL-ENTRY-POINT")
            self.entry_points = parse_entry_points(content, filename=self.filename.filename, member=member)
        self._scripts = script_entry_points(
            self.entry_points, self._rules, filename=self.filename.filename, member=member
        )

    def _find_hooks(self) -> None:
        self.start_up_hooks = tuple(file.member.name for file in self.files if self._is_hook(file))

    def _is_hook(self, file: WheelFile) -> bool:
        if not may_be_hook(file.scheme, file.path):
            return False
        quiet = file.path.endswith(".pth") and file.size <= PTH_CAP
        return not quiet or runs_code(self.archive.read_bytes(file.member))

    def _refuse(
        self,
        code: str,
        what: str,
        *,
        member: str | None = None,
        places: list[str] | None = None,
        hint: str = REBUILD,
    ) -> NoReturn:
        refuse(self.filename.filename, code, what, member=member, places=places or (), hint=hint)


def _hash_problem(name: str, algorithm: str, found: str, stated: str) -> Problem:
    return Problem("E-RECORD-HASH", f"`{name}` has {algorithm} {found}, RECORD says {stated}")
