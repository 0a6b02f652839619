from __future__ import annotations

import pytest

from crossdock.errors import UsageError
from crossdock.lock.formats import FormatPolicy

# As pip's format_control: a name counts before `:all:`.
CASES = [
    ([], [], True, True),
    ([":all:"], [], True, False),
    ([], [":all:"], False, True),
    (["numpy"], [], True, False),
    ([], ["numpy"], False, True),
    ([":all:"], ["numpy"], False, True),
    (["numpy"], [":all:"], True, False),
    (["other"], [], True, True),
    (["numpy", ":none:"], [], True, True),
    (["Num_Py,numpy"], [], True, False),
]


@pytest.mark.parametrize(("only", "no", "wheel", "sdist"), CASES)
def test_policy_follows_pip(only: list[str], no: list[str], wheel: bool, sdist: bool) -> None:
    policy = FormatPolicy.parse(only_binary=only, no_binary=no)
    assert (policy.allows_wheel("numpy"), policy.allows_sdist("numpy")) == (wheel, sdist)


def test_names_are_normalized() -> None:
    assert FormatPolicy.parse(linux_tags=["Ruamel.YAML"]).allows_linux_tag("ruamel-yaml")


@pytest.mark.parametrize("text", ["-x", "a b", "../x", ":some:"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a package name"):
        FormatPolicy.parse(only_binary=[text])
