"""Back up a database to a file, and restore it, with Postgres's own pg_dump and pg_restore.

The file has pg_dump's custom format: https://www.postgresql.org/docs/current/app-pgdump.html. Owners and privileges are
not in it, so that it fits a database of another user.
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from ticketctl.errors import DatabaseError, InvalidInputError
from ticketctl.postgres.revision import REVISION

_REVISION = re.compile(r"^COPY [\w.]*alembic_version .*\n(\w+)\n", re.MULTILINE)
_PORTABLE = ("--no-owner", "--no-privileges")


class ClientPrograms(NamedTuple):
    """Postgres's client programs for one database: `find` returns a program's path, `environment` has the password."""

    find: Callable[[str], str]
    url: str
    environment: Mapping[str, str]

    def run(self, name: str, *arguments: str) -> str:
        """Run a program and return its output. Raise DatabaseError with the last line of its errors."""
        done = subprocess.run(  # noqa: S603 - the program is Postgres's
            [self.find(name), *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            lines = [
                line for line in done.stderr.splitlines() if "error:" in line
            ] or done.stderr.splitlines()
            reason = (
                lines[0].strip().removeprefix(f"{name}: error: ")
                if lines
                else f"{name} ended with status {done.returncode}"
            )
            raise DatabaseError(reason, hint="is the server running, and are its client programs as new?")
        return done.stdout


def write_backup(programs: ClientPrograms, file: Path) -> int:
    """Write all tables to a file, which is complete or not there; return its size in bytes.

    Raises:
        DatabaseError: pg_dump failed.
        InvalidInputError: The file cannot be written.
    """
    partial = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        partial.touch(mode=0o600)  # tickets are private
        programs.run(
            "pg_dump", "--format=custom", *_PORTABLE, f"--file={partial}", f"--dbname={programs.url}"
        )
        partial.replace(file)
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be written: {error.strerror}", hint="name a file in a folder that exists"
        ) from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return file.stat().st_size


def read_revision(programs: ClientPrograms, file: Path) -> str:
    """Return the revision of the tables in a backup.

    Raises:
        InvalidInputError: The file is no backup of ours, or its tables are newer than this program.
    """
    try:
        text = programs.run(
            "pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(file.absolute())
        )
    except DatabaseError as error:
        raise InvalidInputError(
            f"{file} is no backup: {error}", hint="ticketctl db backup FILE writes one"
        ) from None
    match = _REVISION.search(text)
    if match is None:
        raise InvalidInputError(f"{file} has no tickets", hint="ticketctl db backup FILE writes a backup")
    if match[1] > REVISION:
        raise InvalidInputError(
            f"{file} has tables of revision {match[1]}, which is newer; this version knows {REVISION}",
            hint="install a newer ticketctl",
        )
    return match[1]


def restore_backup(programs: ClientPrograms, file: Path) -> None:
    """Replace the tables by those of a backup, in one transaction. Raise DatabaseError; then nothing has changed."""
    programs.run(
        "pg_restore",
        "--clean",
        "--if-exists",
        "--single-transaction",
        "--exit-on-error",
        *_PORTABLE,
        f"--dbname={programs.url}",
        str(file.absolute()),
    )
