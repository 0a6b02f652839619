"""Links within the documentation resolve; no file of the repository names a registry's host."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(?ms)^ *```.*?^ *```")

# Put together here, so that this file does not hold what it forbids. A mirror, a proxy or a private index is what
# many users have: nothing of ours may bypass it by naming a host.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("registry", "npmjs", "org"),
        ("registry-1", "docker", "io"),
        ("auth", "docker", "io"),
        ("deb", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("conda", "anaconda", "org"),
    )
]


def _text(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def _anchors(page: Path) -> set[str]:
    """GitHub's anchors: lower case, punctuation dropped, blanks to dashes."""
    titles = re.findall(r"(?m)^#+ +(.*)$", _text(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_resolve(page: Path) -> None:
    for link in _LINK.findall(_text(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in _anchors(target), f"{link}: no such heading"


def test_every_page_can_be_reached() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        links = [link.partition("#")[0] for link in _LINK.findall(_text(page)) if "://" not in link]
        waiting += [(page.parent / link).resolve() for link in links if link]
    lonely = {page.relative_to(ROOT).as_posix() for page in PAGES if page not in seen}
    assert lonely <= {"docs/benchmarks.md"}, lonely


def _files() -> list[Path]:
    """What is or would be committed."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the repository cannot be told")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    return [ROOT / name.decode() for name in listed.split(b"\0") if name]


def test_no_file_names_a_registry_host() -> None:
    forbidden = re.compile("|".join(re.escape(name) for name in REGISTRIES).encode(), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT).as_posix()}: {match[0].decode()}"
        for path in _files()
        if path.is_file() and (match := forbidden.search(path.read_bytes()))
    ]
    assert not found, found
