"""`db backup` and `db restore`: everything comes back, or nothing changes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.program import Program
from ticketctl.postgres.embedded import EmbeddedServer
from ticketctl.postgres.revision import REVISION

Ask = Callable[[str], str]


@pytest.fixture
def program(ticketctl: Program, server_home: Path) -> Program:
    """The program with the client programs of the server's own version on the path."""
    folder = EmbeddedServer(server_home).find_program("pg_dump").parent
    return ticketctl.with_env(PATH=f"{folder}{os.pathsep}{ticketctl.environment['PATH']}")


@pytest.fixture
def backup(program: Program) -> Path:
    """A backup of two tickets, one of which is processed."""
    program("create", "The bill is wrong", "--body", "I was charged twice.")
    program("work", "--drain")
    program("create", "It is broken")
    done = program("db", "backup", "tickets.dump")
    file = program.folder / "tickets.dump"
    assert (done.status, done.err, done.out) == (0, "", f"tickets.dump\t{file.stat().st_size}\n")
    assert file.stat().st_mode & 0o077 == 0
    return file


def test_a_restored_database_is_as_it_was(
    program: Program, backup: Path, rows: Callable[[], str], new_database: Callable[..., str]
) -> None:
    before = rows()
    later = program("create", "A later ticket").out
    refused = program("db", "restore", str(backup))
    assert (refused.status, refused.err.splitlines()[1]) == (2, "hint: --replace replaces their content")
    assert program("db", "restore", str(backup), "--replace").status == 0
    assert rows() == before
    assert program("create", "Numbers go on").out == later

    empty = program.with_env(TICKETCTL_DATABASE_URL=new_database())
    assert empty("db", "restore", str(backup)).status == 0
    restored, kept = (one("list", "--sort", "id").out.splitlines() for one in (empty, program))
    assert len(restored) == 2
    assert set(restored) < set(kept)


@pytest.mark.parametrize("size", [0, 100, -200])
def test_a_damaged_backup_changes_nothing(
    program: Program, backup: Path, rows: Callable[[], str], size: int
) -> None:
    backup.write_bytes(backup.read_bytes()[:size])
    before = rows()
    done = program("db", "restore", str(backup), "--replace")
    assert done.status in {2, 5}, done.err
    assert len(done.err.splitlines()) == 2
    assert rows() == before


@pytest.fixture
def other_revision(ask: Ask) -> Iterator[Callable[[str], str]]:
    """A function that makes the tables look like those of another version."""

    def write(revision: str) -> str:
        return ask(f"update alembic_version set version_num = '{revision}'")  # noqa: S608 - literals of this file

    yield write
    write(REVISION)


def test_a_backup_of_other_tables_is_refused(
    program: Program, backup: Path, other_revision: Callable[[str], str]
) -> None:
    other_revision("0003")
    done = program("db", "restore", str(backup), "--replace")
    assert done.status == 2
    assert "the database of 0003" in done.err
    other_revision("9999")
    assert program("db", "backup", "newer.dump").status == 5


def test_files_that_cannot_be_used_are_refused(program: Program, backup: Path) -> None:
    for arguments in (("backup", backup.name), ("backup", "none/x"), ("restore", "none")):
        done = program("db", *arguments)
        assert (done.status, len(done.err.splitlines())) == (2, 2), done.err
    assert program("db", "backup", backup.name, "--force").status == 0
    assert [path.name for path in program.folder.iterdir() if "dump" in path.name] == ["tickets.dump"]


def test_without_client_programs_it_says_what_to_install(ticketctl: Program) -> None:
    done = ticketctl.with_env(PATH="/nonexistent")("db", "backup", "x.dump")
    assert (done.status, done.err) == (
        4,
        "error: pg_dump is not installed\nhint: install PostgreSQL's client programs\n",
    )
