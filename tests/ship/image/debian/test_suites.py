"""What is known of Debian's suites."""

from __future__ import annotations

import pytest

from crossdock.ship.image.debian.suites import library_package, suite_and_packages


@pytest.mark.parametrize(
    ("soname", "package"),
    [
        ("libXext.so.6", "libxext6"),
        ("libpq.so.5", "libpq5"),
        ("libcairo.so.2", "libcairo2"),
        ("libldap-2.5.so.0", "libldap-2.5-0"),
        ("libmagic.so.1", "libmagic1"),
        ("libGL.so.1", "libgl1"),
        ("libstdc++.so.6", "libstdc++6"),
    ],
)
def test_a_librarys_package_is_called_as_debians_policy_says(soname: str, package: str) -> None:
    assert library_package(soname) == package


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("debian:bookworm", ("bookworm", [])),
        ("debian:bookworm+libpq5+libxml2", ("bookworm", ["libpq5", "libxml2"])),
        ("debian:bookworm+libstdc++6", ("bookworm", ["libstdc++6"])),
        ("debian:trixie+libstdc++6+libpq5", ("trixie", ["libstdc++6", "libpq5"])),
        ("debian:trixie+g+++libpq5", ("trixie", ["g++", "libpq5"])),
        ("debian:bookworm+", None),
        ("debian:bookworm++libpq5", None),
        ("debian:bookworm+lib+pq", ("bookworm", ["lib", "pq"])),
        ("debian:", None),
        ("debian:bookworm+libPQ5", None),
    ],
)
def test_a_plus_parts_packages_and_two_belong_to_a_name(
    spec: str, parts: tuple[str, list[str]] | None
) -> None:
    assert suite_and_packages(spec) == parts
