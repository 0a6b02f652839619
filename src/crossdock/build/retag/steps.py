"""`retag`: from a wheel's file to one whose tags are true, or to a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.build.repair.prove import rename_modules
from crossdock.build.repair.writing import finish
from crossdock.build.retag.code import Weight, code_of, heaviest, places_of, words_of
from crossdock.build.retag.floors import beyond
from crossdock.build.retag.judge import job_of, judge
from crossdock.build.retag.libraries import missing, take_in
from crossdock.build.retag.old import Old, read_old
from crossdock.build.retag.places import tags_of
from crossdock.build.retag.pythons import claim_of, expanded, told_by_modules
from crossdock.build.retag.wish import untruths
from crossdock.errors import BuildError, RetagError
from crossdock.inspect.finding import Severity, ordered
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from crossdock.build.model import Sysroot
    from crossdock.build.repair.job import Grafted
    from crossdock.build.repair.pythons import Pair
    from crossdock.build.retag.code import CodeFile
    from crossdock.build.retag.judge import Judged
    from crossdock.build.retag.places import Place, Version
    from crossdock.build.retag.wish import Wish
    from crossdock.inspect.finding import Finding

    #: From a place to the libraries that may be taken in there.
    SysrootFor = Callable[[Place], Sysroot]

#: Places of an error; more say no more.
_FEW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Retagged:
    """What became of a wheel. `content` is None where its tags are true already: its bytes stay as they are.

    `because` says what sets the tags, `notes` what was wrong or is lost, in words; both are for people.
    """

    source: str
    filename: str
    tags: tuple[str, ...]
    content: bytes | None = field(default=None, repr=False)
    because: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    grafted: tuple[Grafted, ...] = ()
    findings: tuple[Finding, ...] = ()


def retag(path: Path, *, wish: Wish | None = None, sysroot: SysrootFor | None = None) -> Retagged:
    """Return the wheel with tags that are true: those of `wish`, or the best there are.

    `sysroot` gives libraries to take in where the wheel needs some that are not promised. The same wheel gives the same
    bytes on any host. Raise `RetagError` (E-RETAG-UNTRUE, -NONE, -LIBRARY, -PYTHON, -SYSTEM), `ArchiveError` for a
    wheel that is not sound, `InspectError` for a binary that cannot be read.
    """
    old = read_old(path)
    code = code_of(old.contents.members.values())
    if not code:
        return _without_code(old, wish)
    if wish.is_any if wish is not None else "any" in old.platforms:
        stays, said = _is_any(code)
        if stays:
            return _any(old, wish, said)
        if wish is not None:
            raise _untrue(old, wish, said, None)
    return _Work(old, code, wish, sysroot).done()


def _is_any(code: Sequence[CodeFile]) -> tuple[bool, tuple[str, ...]]:
    """Tell whether a wheel with binaries may be for `any`, and what they are, in words.

    It may with programs alone (launchers of an installer), and with modules and libraries for several systems: it takes
    its own at run time (debugpy's). With those of one system it is for that.
    """
    loaded = [one for one in code if one.weight is not Weight.PROGRAM]
    systems = {place.os for one in loaded for place in places_of([one], ())}
    said = tuple(words_of(one) for one in loaded or code)
    return not loaded or len(systems) > 1, said


def _any(old: Old, wish: Wish | None, said: tuple[str, ...]) -> Retagged:
    notes = (f"`any` stays, and its binaries serve some machines only: {'; '.join(_few(said))}",)
    pairs = wish.pairs if wish is not None and wish.pairs else _without_abi(old.pairs)
    return _written(old, pairs, ("any",), purelib=old.purelib, notes=notes)


def _without_code(old: Old, wish: Wish | None) -> Retagged:
    """Return a wheel without binaries: nothing in it contradicts a tag, and nothing but its tag binds it to a platform."""
    pairs, platforms = old.pairs, old.platforms
    notes: tuple[str, ...] = ()
    if wish is not None:
        platforms = wish.tags
        pairs = wish.pairs or (_without_abi(pairs) if wish.is_any else pairs)
    elif old.stated != old.named and any(tag.endswith("-any") for tag in old.stated):
        # Renamed by hand, and it was right before.
        platforms, pairs = ("any",), tuple(sorted({(tag.partition("-")[0], "none") for tag in old.stated}))
    elif platforms != ("any",):
        notes = ("no binary binds it to a platform: `--to any`, if its code runs on every one",)
    return _written(old, pairs, platforms, purelib=old.purelib, notes=notes)


def _without_abi(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted({(python, "none") for python, _ in pairs}))


class _Work:
    """A wheel with binaries on its way."""

    def __init__(
        self, old: Old, code: Sequence[CodeFile], wish: Wish | None, sysroot: SysrootFor | None
    ) -> None:
        self._old, self._code, self._wish, self._sysroot = old, code, wish, sysroot
        self._contents = old.contents
        self._claims = tuple(claim_of(pair) for pair in (wish.pairs if wish and wish.pairs else old.pairs))
        self._wanted = old.claimed if wish is None else wish.places
        self._grafted: tuple[Grafted, ...] = ()
        self._mended = False

    def done(self) -> Retagged:
        """Judge, mend what can be mended, judge again, and write."""
        judged = self._judge()
        if self._rename(judged):
            judged = self._judge()
        if self._graft(judged):
            judged = self._judge()
        if self._wish is not None:
            reasons = untruths(self._wish, judged, self._code, self._contents)
            if reasons:
                raise self._refusal(self._wish, judged, reasons)
        true = [one for one in judged if self._serves(one)]
        if not true:
            raise self._nothing(judged)
        return self._result(judged, true)

    def _judge(self) -> list[Judged]:
        places = places_of(self._code, self._wanted)
        if not places:
            raise RetagError(
                f"`{self._old.filename}` is for no system that wheels are tagged for here",
                code="E-RETAG-SYSTEM",
                places=_few([words_of(one) for one in heaviest(self._code)]),
                hint="wheels for Linux, macOS and Windows are retagged",
            )
        return [judge(self._contents, place, self._claims, self._wanted.get(place)) for place in places]

    def _rename(self, judged: Sequence[Judged]) -> bool:
        """Give modules with the suffix of another platform their own; tell if any was."""
        if len(judged) != 1 or judged[0].claims:
            return False
        (one,) = judged
        told = told_by_modules(one.survey, self._contents)
        if len(told) != 1 or told[0].python is None:
            return False
        job = job_of(self._contents, one.place, one.version, told[0].python)
        try:
            renamed = rename_modules(one.survey, self._contents, job)
        except BuildError:
            return False
        if renamed:
            self._code = code_of(self._contents.members.values())
            self._mended = True
        return renamed

    def _graft(self, judged: Sequence[Judged]) -> bool:
        if self._sysroot is None:
            return False
        for one in judged:
            if one.place.os is not Os.LINUX or not one.lacks_libraries or one.version is None:
                continue
            version = max(one.version, self._wanted.get(one.place) or one.version)
            taken = take_in(self._contents, one, version, self._sysroot(one.place))
            self._grafted += taken
            self._mended = True
        if self._mended:
            self._code = code_of(self._contents.members.values())
        return self._mended

    def _serves(self, one: Judged) -> bool:
        """Tell whether a place is among what the wheel will be tagged for."""
        if self._wish is None:
            return one.is_true
        bare = any(tag.bare and tag.places[0][:2] == one.place[:2] for tag in self._wish.platforms)
        return bool(one.claims) if bare else one.place in self._wish.places and one.is_true

    def _refusal(self, wish: Wish, judged: Sequence[Judged], reasons: Sequence[str]) -> RetagError:
        """Return why a wish is refused; where libraries that are nowhere are all, what to do about them."""
        lacking = [one for one in judged if one.place in wish.places and not one.is_true]
        other = any(
            beyond(one.survey, self._contents, one.place, wish.places.get(one.place)) for one in judged
        )
        if lacking and not other and all(_lacks_only(one) for one in lacking):
            return missing(self._old.filename, lacking[0])
        return _untrue(self._old, wish, reasons, _best(judged))

    def _nothing(self, judged: Sequence[Judged]) -> RetagError:
        first = next((one for one in judged if one.place in self._wanted), judged[0])
        if _lacks_only(first):
            return missing(self._old.filename, first)
        if not first.errors:
            return RetagError(
                f"`{self._old.filename}` has modules, and nothing tells which Python they are for",
                code="E-RETAG-PYTHON",
                places=_few(first.doubts),
                hint=f"say it, if you know: `--to cp312-cp312-{tags_of({first.place: first.version})[0]}`",
            )
        return RetagError(
            f"no platform tag is true of `{self._old.filename}`",
            code="E-RETAG-NONE",
            places=_few([line for one in judged for line in one.reasons()]),
            hint=next((found.hint for one in judged for found in one.errors if found.hint), None),
        )

    def _result(self, judged: Sequence[Judged], true: Sequence[Judged]) -> Retagged:
        promised = {one.place: one.version for one in true}
        pairs = self._pairs(true)
        if self._wish is not None:
            platforms = self._wish.tags
        elif self._old.is_exact and self._old.claimed == promised:
            platforms = self._old.platforms
        else:
            platforms = tags_of(promised)
        return _written(
            self._old,
            pairs,
            platforms,
            purelib=False,
            mended=self._mended,
            because=tuple(str(one.floor) for one in true if one.floor is not None and one.floor.path),
            notes=tuple(self._corrections(judged, promised)),
            grafted=self._grafted,
            findings=ordered([*self._contents.findings, *(found for one in true for found in one.findings)]),
        )

    def _pairs(self, true: Sequence[Judged]) -> tuple[Pair, ...]:
        common = set.intersection(*({claim.pair for claim in one.claims} for one in true))
        every, too_much = expanded(common)
        if not common or too_much:
            words = ", ".join(
                "-".join(pair) for pair in sorted(too_much or {one.pair for j in true for one in j.claims})
            )
            raise RetagError(
                f"no one file name says which Pythons `{self._old.filename}` is for",
                code="E-RETAG-PYTHON",
                places=[f"it would say {words}" if common else f"its systems differ: {words}"],
                hint="say it by `--to PYTHON-ABI-PLATFORM`, or make a wheel for each",
            )
        return every

    def _corrections(self, judged: Sequence[Judged], promised: dict[Place, Version | None]) -> list[str]:
        """Say what of the old tags was not true, and why."""
        found: dict[str, None] = {}
        claimed = self._old.claimed
        for one in judged:
            found |= dict.fromkeys(one.doubts)
            if one.place in claimed and one.place not in promised and self._wish is None:
                found |= dict.fromkeys(f"not for {one.place}: {why}" for why in one.reasons())
        if self._wish is None:
            gone = {
                place: version
                for place, version in claimed.items()
                if place not in {one.place for one in judged}
            }
            for tag in tags_of(gone):
                found[f"`{tag}` is not true: no binary is for it"] = None
        return list(found)


def _lacks_only(one: Judged) -> bool:
    return bool(one.errors) and all(error.code == "E-FIT-LIBRARY" for error in one.errors)


def _best(judged: Sequence[Judged]) -> tuple[str, ...]:
    return tags_of({one.place: one.version for one in judged if one.is_true})


def _untrue(old: Old, wish: Wish, reasons: Sequence[str], best: Sequence[str] | None) -> RetagError:
    return RetagError(
        f"`{old.filename}` cannot truly be tagged `{'.'.join(wish.tags)}`",
        code="E-RETAG-UNTRUE",
        places=_few(reasons),
        hint=f"`{'.'.join(best)}` is true: leave `--to` out" if best else "leave `--to` out for what is true",
    )


def _written(
    old: Old,
    pairs: Iterable[Pair],
    platforms: Iterable[str],
    *,
    purelib: bool,
    mended: bool = False,
    because: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    grafted: tuple[Grafted, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> Retagged:
    """Write the wheel if anything of it changes."""
    tags = {f"{python}-{abi}-{platform}" for python, abi in pairs for platform in platforms}
    told = tuple(one for one in findings if one.severity is not Severity.NOTE)
    if not mended and tags == old.named == old.stated:
        return Retagged(
            source=old.filename,
            filename=old.filename,
            tags=tuple(sorted(tags)),
            because=because,
            notes=notes,
            findings=told,
        )
    built, all_tags = finish(old.contents, pairs, platforms, purelib=purelib, keep_generator=True)
    return Retagged(
        source=old.filename,
        filename=built.filename,
        tags=all_tags,
        content=built.content,
        because=because,
        notes=(*notes, *old.lost),
        grafted=grafted,
        findings=told,
    )


def _few(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _FEW
    return list(lines) if more <= 0 else [*lines[:_FEW], f"and {more} more"]
