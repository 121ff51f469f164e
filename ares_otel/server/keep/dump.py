"""Back-up of a PostgreSQL database by its own programs, which know all of its versions: pg_dump and pg_restore."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url

from ares_otel.server.keep.files import new_file, set_aside_name
from ares_otel.server.store.databases import database_of
from ares_otel.server.store.version import DatabaseError, check

__all__ = ["dump", "undump"]

PLAIN: Final = ("--no-owner", "--no-privileges", "--no-password")
VERSION: Final = re.compile(r"^COPY \S+alembic_version \(version_num\) FROM stdin;\n(\S+)\n", re.MULTILINE)
SHOWN: Final = 500


def dump(location: str, target: Path) -> int:
    """Write an archive of a database as of one moment; return its size in bytes.

    A server may go on writing meanwhile.

    Raises:
        DatabaseError: the database cannot be read, pg_dump is missing or fails.
        FileError: the target exists or cannot be written.
    """
    database_of(location).read().dispose()
    url = make_url(location)
    with new_file(target) as part:
        _run(url, "pg_dump", "--format=custom", *PLAIN, f"--file={part}", f"--dbname={_place(url)}")
        _check(url, part)
        return part.stat().st_size


def undump(source: Path, location: str) -> Path | None:
    """Put an archive in the place of what is in a database, in one transaction; return where the old content is kept.

    Raises:
        DatabaseError: a server has the database, or the archive cannot be used; nothing is changed then.
        FileError: the old content cannot be kept.
    """
    database, url = database_of(location), make_url(location)
    if not source.exists():
        raise DatabaseError(f"there is no file {source}")
    right = database.open()
    try:
        _check(url, source)
        kept = _kept(location, url, source)
        options = ("--clean", "--if-exists", "--single-transaction", "--exit-on-error", *PLAIN)
        _run(url, "pg_restore", *options, f"--dbname={_place(url)}", str(source))
    finally:
        right.close()
    return kept


def _kept(location: str, url: URL, source: Path) -> Path | None:
    """Write what a database holds beside the archive; None if it holds nothing."""
    tables = _run(
        url, "psql", "--no-psqlrc", "--no-password", "--tuples-only", f"--dbname={_place(url)}", "--command=\\d"
    )
    if "segment" not in tables:
        return None
    kept = set_aside_name(source.parent, str(url.database), ".dump")
    dump(location, kept)
    return kept


def _check(url: URL, archive: Path) -> None:
    """Refuse an archive that is none of the ares server, or newer than this code."""
    told = _run(url, "pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(archive))
    found = VERSION.search(told)
    if found is None:
        raise DatabaseError(f"{archive} is no back-up of the ares server")
    check(str(archive), found[1], write=True)


def _place(url: URL) -> str:
    """Return the address of a database without its password, which other users of the machine could read."""
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _run(url: URL, program: str, *options: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise DatabaseError(f"{program} is not installed; on Debian: apt-get install postgresql-client")
    environ = dict(os.environ)
    if url.password is not None:
        environ["PGPASSWORD"] = str(url.password)
    made = subprocess.run(  # noqa: S603  PostgreSQL's own program, no shell
        [found, *options], check=False, capture_output=True, text=True, env=environ, stdin=subprocess.DEVNULL
    )
    if made.returncode:
        said = " ".join(made.stderr.split())[:SHOWN]
        raise DatabaseError(f"{program} failed: {said.replace(str(url.password), '***') if url.password else said}")
    return made.stdout
