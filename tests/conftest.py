"""Fixtures of all tests: a real Postgres with a migrated template database, copied for each test that needs one."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings as examples

from tests.server_folder import server_folder
from ticketctl.postgres.embedded import EmbeddedServer

examples.register_profile("untimed", deadline=None)
examples.load_profile("untimed")

TEMPLATE = "template_tickets"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums of the figures that the chaos tests recorded in all processes."""
    totals: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, figures in report.user_properties:
            if name == "chaos":
                totals.update(figures)
    if totals:
        figures = ", ".join(f"{number} {what}" for what, number in totals.items())
        terminalreporter.write_line(f"chaos: {figures}; nothing lost, nothing done twice")


def pytest_configure() -> None:
    """End a run that gets SIGTERM as Ctrl-C ends it: through its fixtures.

    A shell starts background jobs with SIGINT ignored, and a program inherits that: tests of Ctrl-C would fail there.
    """
    with suppress(ValueError):  # only the main thread may set a handler
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run named files in this process, which starts sooner; run whole folders in four processes, since most tests wait."""
    named_files = [argument for argument in config.args if Path(argument.split("::")[0]).is_file()]
    return 0 if named_files and len(named_files) == len(config.args) else 4


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's own settings from the environment."""
    for name in [name for name in os.environ if name.startswith(("TICKETCTL_", "AWS_", "PG"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A folder that the server's user account can enter; pytest's temporary folders are private."""
    with server_folder(0o755) as folder:
        yield folder


@pytest.fixture(scope="session")
def server(server_home: Path) -> Iterator[str]:
    """The URL of a Postgres server that runs as long as the tests."""
    server = EmbeddedServer(server_home)
    with server.use() as url:
        # processes are killed here, never the machine, so that nothing depends on what reached the disk
        commands = (
            "alter system set fsync = off",
            "alter system set full_page_writes = off",
            "select pg_reload_conf()",
        )
        options = [f"--command={command}" for command in commands]
        subprocess.run([server.psql, "--no-psqlrc", *options, url], check=True, capture_output=True)
        yield url


@pytest.fixture(scope="session")
def sql(server_home: Path, server: str) -> Callable[..., str]:
    """A function that runs SQL with psql (without an event loop) and returns the output."""
    psql = str(EmbeddedServer(server_home).psql)

    def run(statement: str, url: str = server) -> str:
        command = [psql, "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", url]
        done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def template(server: str, sql: Callable[..., str]) -> str:
    """The name of a template database, migrated by the program itself."""
    sql(f"create database {TEMPLATE}")
    environment = {**os.environ, "TICKETCTL_DATABASE_URL": server.replace("/ticketctl?", f"/{TEMPLATE}?")}
    subprocess.run(
        [sys.executable, "-m", "ticketctl", "db", "upgrade"], env=environment, check=True, capture_output=True
    )
    return TEMPLATE


_numbers = count(1)


@pytest.fixture
def new_database(server: str, sql: Callable[..., str]) -> Iterator[Callable[..., str]]:
    """A function that creates a database, by default a copy of template1, and returns its URL."""
    made: list[str] = []

    def make(template: str = "template1") -> str:
        name = f"test_{next(_numbers)}"
        sql(f"create database {name} template {template}")
        made.append(name)
        return server.replace("/ticketctl?", f"/{name}?")

    yield make
    for name in made:
        sql(f"drop database if exists {name} with (force)")


@pytest.fixture
def database_url(new_database: Callable[..., str], template: str) -> str:
    """A new database with empty tables."""
    return new_database(template)


@pytest.fixture
def empty_database_url(new_database: Callable[..., str]) -> str:
    """A new database without tables."""
    return new_database()


@pytest.fixture(scope="session")
def shared_database_url(server: str, sql: Callable[..., str], template: str) -> Iterator[str]:
    """A database that tests share, one after the other."""
    sql(f"create database shared template {template}")
    yield server.replace("/ticketctl?", "/shared?")
    sql("drop database shared with (force)")


@pytest.fixture
def emptied_url(shared_database_url: str, sql: Callable[..., str]) -> str:
    """The shared database with empty tables, a hundred times cheaper than a new one."""
    # the numbers of rows that this reads must not be published while a test reads them
    sql("delete from tickets; delete from messages; select pg_stat_force_next_flush()", shared_database_url)
    return shared_database_url


@pytest.fixture
def ask(sql: Callable[..., str], emptied_url: str) -> Callable[[str], str]:
    """A function that runs SQL on the database of `emptied_url`."""
    return lambda statement: sql(statement, emptied_url)
