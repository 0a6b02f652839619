"""What a project asks to be built with: names and versions for the index, before uv sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.requirements import Requirement

#: Characters of one requirement, and how many a project may have: they become a command line.
_LONGEST, _MOST = 4096, 500

#: What uv replaces in a URL by the variable of that name, a token's too.
_VARIABLE = "${"


def checked_requirements(requirements: Iterable[str], *, what: str, own: bool) -> list[str]:
    """Return build requirements (PEP 508) as uv is given them, sorted, each once.

    They are a stranger's words, and uv runs outside of the sandbox with the network: a URL in them would tell whoever
    it names what it is made of, reach the user's own hosts, and have git run. So all come from the index. `own` says
    that the project is a directory of the user's, who may name URLs. Raise `BuildError`: E-BUILD-REQUIRES for what is
    no requirement, E-BUILD-REQUIRES-URL for a URL.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    for text in requirements:
        try:
            if len(text) > _LONGEST or len(found) >= _MOST:
                raise InvalidRequirement("beyond all measure")  # noqa: TRY301  said as the others are
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise BuildError(
                f"`{what}` asks to be built with what is no requirement: `{_shown(text)}`",
                code="E-BUILD-REQUIRES",
                places=str(error).splitlines()[:1],
                hint="requirements are as PEP 508 says; report it to the project",
            ) from error
        _check_url(requirement, what, own=own)
        # A name with an ending, `x.whl` or `x.zip`, is a file of the current directory to uv.
        requirement.name = canonicalize_name(requirement.name)
        found.add(str(requirement))
    return sorted(found)


def _check_url(requirement: Requirement, what: str, *, own: bool) -> None:
    if requirement.url is None:
        return
    if not own:
        _refuse(requirement, what, "a source distribution's come from the package index")
    if _VARIABLE in requirement.url:
        _refuse(requirement, what, "uv would put the variable's value into it")


def _refuse(requirement: Requirement, what: str, why: str) -> NoReturn:
    raise BuildError(
        f"`{what}` asks to be built with `{_shown(requirement.name)}` from a URL of its own: {why}",
        code="E-BUILD-REQUIRES-URL",
        places=[_shown(str(requirement))],
        hint="put a wheel of it into a directory that --find-links names, if you trust it; report it to the project",
    )


def _shown(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text[:200])
