from __future__ import annotations

import io

from tests.support.debian import Member, deb, directory, link

from crossdock.archive.deb import read_deb
from crossdock.ship.image.debian.tree import placed

CONTROL = "Package: a\nVersion: 1\n"


def test_what_stays_out_and_where_the_rest_goes() -> None:
    kept = placed(
        read_deb(
            io.BytesIO(
                deb(
                    CONTROL,
                    [
                        directory("lib"),
                        Member("lib/x.so"),
                        Member("sbin/tool"),
                        Member("usr/share/doc/a/copyright"),
                        Member("usr/share/doc/a/changelog.gz"),
                        link("usr/share/doc/b", "a"),
                        Member("usr/share/man/man1/a.1.gz"),
                        Member("usr/share/locale/de/x"),
                        Member("etc/a.conf"),
                    ],
                )
            ),
            "a.deb",
        ).entries
    )
    assert [entry.path for entry in kept] == [
        "usr/lib/x.so",
        "usr/sbin/tool",
        "usr/share/doc/a/copyright",
        "usr/share/doc/b",
        "etc/a.conf",
    ]
