"""Keeps sums in PostgreSQL and lets compiled code of four packages work; HOST and PORT say where it listens.

DATABASE is what libpq connects to: `postgresql://USER@HOST:PORT/NAME`.
"""

from __future__ import annotations

import io
import json
import os
import platform
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cairo
import ldap.dn
import MySQLdb
import psycopg2
import psycopg2.extensions
from MySQLdb import _mysql


def entries() -> dict[str, object]:
    """Write to the database what other packages computed, and read the sum of it back."""
    with (
        psycopg2.connect(os.environ["DATABASE"], connect_timeout=30) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("create temporary table entry (name text primary key, amount numeric not null)")
        cursor.executemany("insert into entry values (%s, %s)", [("rent", "850.10"), ("bread", "3.20")])
        cursor.execute("select count(*), sum(amount) from entry")
        count, total = cursor.fetchone()
        cursor.execute("select version()")
        (server,) = cursor.fetchone()
    return {"count": count, "total": str(total), "server": server}


def compute() -> dict[str, object]:
    """Use libmariadb, libldap and libcairo, each through its package."""
    surface = cairo.ImageSurface(cairo.FORMAT_ARGB32, 16, 16)
    canvas = cairo.Context(surface)
    canvas.set_source_rgb(1, 0, 0)
    canvas.rectangle(0, 0, 8, 16)
    canvas.fill()
    picture = io.BytesIO()
    surface.write_to_png(picture)
    return {
        "quoted": _mysql.escape_string(b"it's").decode(),
        "name": [rdn[0][:2] for rdn in ldap.dn.str2dn("cn=Ada,dc=example,dc=org")],
        "red": bytes(surface.get_data()).count(b"\x00\x00\xff\xff"),
        "png": picture.getvalue()[:8].hex(),
    }


def health() -> dict[str, object]:
    """Tell what the service runs on, and with which libraries."""
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libpq": psycopg2.extensions.libpq_version(),
        "libmariadb": MySQLdb.get_client_info(),
        "libcairo": cairo.cairo_version_string(),
        "libldap": ldap.get_option(ldap.OPT_API_INFO)["vendor_version"],
    }


_ANSWERS = {"/health": health, "/entries": entries, "/compute": compute}


class Ledger(BaseHTTPRequestHandler):
    """Answers GET with JSON."""

    def do_GET(self) -> None:
        """Answer one of the three paths."""
        answer = _ANSWERS.get(self.path)
        body = json.dumps(answer() if answer else {"error": "no such path"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until told to stop."""
    address = os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8000"))  # noqa: S104 - a container's own network
    ThreadingHTTPServer(address, Ledger).serve_forever()
