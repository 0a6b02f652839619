"""What is known of Debian's suites."""

from __future__ import annotations

import pytest

from crossdock.ship.image.debian.suites import library_package


@pytest.mark.parametrize(
    ("soname", "package"),
    [
        ("libXext.so.6", "libxext6"),
        ("libpq.so.5", "libpq5"),
        ("libcairo.so.2", "libcairo2"),
        ("libldap-2.5.so.0", "libldap-2.5-0"),
        ("libmagic.so.1", "libmagic1"),
        ("libGL.so.1", "libgl1"),
    ],
)
def test_a_librarys_package_is_called_as_debians_policy_says(soname: str, package: str) -> None:
    assert library_package(soname) == package
