"""The program as a user or a script runs it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chat_server import ChatServer, serve_chat
from tests.program import ForkServer, Program, start_fork_server


@pytest.fixture(scope="session")
def imported() -> Iterator[ForkServer]:
    """A process that has imported the program."""
    with start_fork_server() as made:
        yield made


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Environment variables of a shell, without settings of the program."""
    kept = ("PATH", "LANG", "LC_ALL", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(tmp_path)}


@pytest.fixture
def ticketctl(emptied_url: str, environment: dict[str, str], tmp_path: Path, imported: ForkServer) -> Program:
    """The program on a database with empty tables, in an empty folder."""
    return Program(environment | {"TICKETCTL_DATABASE_URL": emptied_url}, tmp_path, imported)


@pytest.fixture
def rows(ask: Callable[[str], str]) -> Callable[[], str]:
    """Return all rows of the database as one text, for comparison."""
    tables = ("tickets", "messages", "steps", "attempts", "changes")
    return lambda: ask("; ".join(f"table {table} order by 1, 2" for table in tables))


@pytest.fixture
def model() -> Iterator[ChatServer]:
    """A chat server on this machine."""
    with serve_chat() as made:
        yield made
