"""Say where this runs and what it runs with; with DATABASE_URL set, ask the database for its name."""

import os
import platform

import jinja2
import psycopg2

PAGE = jinja2.Template(
    "{{ machine }}, Python {{ python }}, jinja2 {{ jinja2 }}, psycopg2 {{ psycopg2 }}, libpq {{ libpq }}"
)


def database() -> str:
    """Return the name of the database that is connected to."""
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        return cursor.fetchone()[0]


def main() -> None:
    """Print what there is to say."""
    print(
        PAGE.render(
            machine=platform.machine(),
            python=platform.python_version(),
            jinja2=jinja2.__version__,
            psycopg2=psycopg2.__version__.split()[0],
            libpq=psycopg2.__libpq_version__,
        )
    )
    if "DATABASE_URL" in os.environ:
        print(database())


if __name__ == "__main__":
    main()
