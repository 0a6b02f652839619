"""entry_points.txt, by grammar: what becomes code on the target is an identifier and nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

from crossdock.archive.refusal import refuse
from crossdock.errors import ArchiveError
from crossdock.safepath import PathRules, PathSet, parse_member_path

_CODE = "E-WHEEL-ENTRY-POINT"
_SCRIPT_GROUPS = {"console_scripts": False, "gui_scripts": True}

#: Entry points specification, "Data model": names of scripts are letters, digits, `_`, `.`, `-`.
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_VALUE = re.compile(rf"(?P<module>{_DOTTED})\s*:\s*(?P<attribute>{_DOTTED})\s*(?:\[[\w\s,.-]*\])?")
#: What starts Python on the target, with the suffixes that Windows finds by itself.
_INTERPRETER = re.compile(
    r"(?:python|pypy)w?(?:\d+(?:[._]\d+)*)?[tdmu]{0,3}(?:-config|w)?(?:\.(?:exe|com|bat|cmd|ps1))?",
    re.IGNORECASE | re.ASCII,
)


class ScriptEntryPoint(NamedTuple):
    """One line of console_scripts or gui_scripts."""

    name: str
    module: str
    attribute: str
    gui: bool


class EntryPoint(NamedTuple):
    """One line of entry_points.txt, its value as it stands there."""

    group: str
    name: str
    value: str


def starts_python(name: str) -> bool:
    """Tell whether a script of this name would stand in for the interpreter (`python3`, `pypy.exe`)."""
    return _INTERPRETER.fullmatch(name) is not None


def parse_entry_points(content: bytes, *, filename: str, member: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of `content`, an INI file with `=` only; raise `ArchiveError` if it is malformed."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(filename, _CODE, f"not UTF-8 at byte {error.start}", member=member)
    points: dict[tuple[str, str], EntryPoint] = {}
    group = ""
    indent = None
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        item = line.strip()
        if not item or item[0] in "#;":
            continue
        deep = len(line) - len(line.lstrip())
        if indent is not None and deep > indent:
            refuse(filename, _CODE, f"line {number} continues another line", member=member)
        if item[0] == "[" and item[-1] == "]":
            group, indent = item[1:-1].strip(), None
            continue
        name, equals, value = (part.strip() for part in item.partition("="))
        if not (group and equals and name and value) or not item.isprintable():
            refuse(
                filename,
                _CODE,
                f"line {number} is not `name = value` in a group: `{item[:140]}`",
                member=member,
            )
        if (group, name) in points:
            refuse(filename, _CODE, f"`{name}` comes twice in `{group}`", member=member)
        points[group, name] = EntryPoint(group, name, value)
        indent = deep
    return tuple(points.values())


def script_entry_points(
    points: tuple[EntryPoint, ...], rules: PathRules, *, filename: str, member: str
) -> tuple[ScriptEntryPoint, ...]:
    """Return the scripts among `points`; raise `ArchiveError` unless name and value follow the grammar.

    pip wrote a value of `m:f() or …` into bin/ as code, and took names that climb (CVE-2026-8643,
    GHSA-4gg8-gxpx-9rph).
    """
    scripts = []
    names = PathSet(rules)
    for point in points:
        if point.group not in _SCRIPT_GROUPS:
            continue
        found = _VALUE.fullmatch(point.value)
        if not _NAME.fullmatch(point.name) or found is None:
            what = f"a script that is not `name = module:attribute`: `{point.name} = {point.value}`"
            refuse(filename, _CODE, what[:300], member=member)
        if starts_python(point.name):
            what = f"a script `{point.name}` would stand in for the interpreter"
            refuse(filename, "E-WHEEL-INTERPRETER", what, member=member)
        try:
            names.add_file(parse_member_path(point.name, rules))
        except ArchiveError as error:
            refuse(filename, error.code, f"script name: {error.message}", member=member)
        gui = _SCRIPT_GROUPS[point.group]
        scripts.append(ScriptEntryPoint(point.name, found["module"], found["attribute"], gui))
    return tuple(scripts)
