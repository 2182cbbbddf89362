"""`work` outlives its own database server: the embedded Postgres is killed and stopped under it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.program import ForkServer, Program
from tests.server_folder import server_folder
from ticketctl.postgres.embedded import EmbeddedServer

TIMEOUT = 90
SUBJECT = "I was charged twice for order 4711"


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder that the embedded server's account can enter."""
    with server_folder() as folder:
        yield folder / "home"


@pytest.fixture
def embedded(environment: dict[str, str], home: Path, tmp_path: Path, imported: ForkServer) -> Program:
    """The program with an embedded server of its own."""
    return Program(environment | {"TICKETCTL_HOME": str(home)}, tmp_path, imported)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.1)


def read_pid(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text("utf-8").split()[0])


def is_processed(program: Program, number: int) -> bool:
    done = program.run_in_new_process("list", "--json")
    return (
        done.status == 0 and [ticket["status"] for ticket in done.json["tickets"]] == ["processed"] * number
    )


@contextmanager
def working(program: Program) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `work` until the end of the context, which must then end it with status 0."""
    with program.popen("work", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as work:
        try:
            yield work
            assert work.poll() is None, "work ended by itself"
            work.send_signal(signal.SIGINT)
            _, error = work.communicate(timeout=TIMEOUT)
            assert work.returncode == 0, error
        finally:
            with suppress(ProcessLookupError):
                work.kill()


def test_work_starts_its_killed_server_again_and_continues(embedded: Program, home: Path) -> None:
    assert embedded.run_in_new_process("create", SUBJECT).status == 0
    server = EmbeddedServer(home)
    with working(embedded), working(embedded):
        wait_until(lambda: is_processed(embedded, 1))
        for _ in range(2):
            killed = read_pid(home)
            os.kill(killed, signal.SIGKILL)
            # no other command runs here: only `work` can start the server again
            wait_until(lambda killed=killed: server.is_running and read_pid(home) != killed)  # type: ignore[misc]
        assert embedded.run_in_new_process("create", SUBJECT).status == 0
        wait_until(lambda: is_processed(embedded, 2))
    assert not server.is_running


def test_db_stop_leaves_the_server_to_a_running_work(embedded: Program, home: Path) -> None:
    assert embedded.run_in_new_process("db", "start").status == 0
    assert embedded.run_in_new_process("create", SUBJECT).status == 0
    with working(embedded):
        wait_until(lambda: is_processed(embedded, 1))  # before that, `work` may not be using the server yet
        embedded.run_in_new_process("db", "stop")
        assert EmbeddedServer(home).is_running
        assert embedded.run_in_new_process("create", SUBJECT).status == 0
        wait_until(lambda: is_processed(embedded, 2))
    assert not EmbeddedServer(home).is_running


def test_stderr_of_work_in_a_pipe_is_a_summary_instead_of_the_workers_log(embedded: Program) -> None:
    assert embedded.run_in_new_process("create", SUBJECT).status == 0
    done = embedded.run_in_new_process("work", "--drain")
    assert done.err.splitlines()[-1].startswith("1 done, 0 returned, 0 dead")
    assert '"level"' not in done.err


def test_a_log_level_shows_the_workers_log(embedded: Program) -> None:
    assert embedded.run_in_new_process("create", SUBJECT).status == 0
    done = embedded.run_in_new_process("work", "--drain", "--log-level", "INFO")
    assert '"level":"INFO"' in done.err.replace(" ", "")
