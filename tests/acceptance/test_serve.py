"""`ticketctl serve`: beside the command line, and how it ends."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.program import COMMAND, Program
from tests.serving import served

WRITTEN = {"subject": "Zażółć \x1b[31m\u202e🔥", "body": "a\tb\n\x7f", "requester": "ada@example.com"}
CHOSEN_BY_THE_DATABASE = {"id", "created_at", "updated_at", "idempotency_key"}
USAGE, CONFIG = 2, 4


def test_a_ticket_is_the_same_by_whichever_edge_it_came(ticketctl: Program) -> None:
    options = [
        "--body",
        WRITTEN["body"],
        "--requester",
        WRITTEN["requester"],
        "--idempotency-key",
        "by command",
    ]
    with served(ticketctl.environment) as url, httpx.Client(base_url=url) as client:
        printed = ticketctl("create", WRITTEN["subject"], *options, "--json").json
        sent = client.post("/tickets", json=WRITTEN, headers={"Idempotency-Key": "by request"}).json()
        assert list(sent) == list(printed)
        for name in sent.keys() - CHOSEN_BY_THE_DATABASE:
            assert sent[name] == printed[name]

        ticketctl("work", "--drain")
        for made in (printed, sent):
            shown = ticketctl("show", str(made["id"]), "--json").json
            assert client.get(f"/tickets/{made['id']}").json() == shown
            assert len(shown["steps"]) == 4
        listed = ticketctl("list", "--json", "--sort", "created", "--limit", "1").json
        page = client.get("/tickets", params={"sort": "created", "limit": 1}).json()
        assert page == listed
        after = page["next_cursor"]
        assert (
            client.get("/tickets", params={"sort": "created", "after": after}).json()
            == ticketctl("list", "--json", "--sort", "created", "--after", after).json
        )
        again = ticketctl("create", WRITTEN["subject"], *options[:4], "--idempotency-key", "by request")
        assert int(again.out) == sent["id"]


LOCK = """
import asyncio, sys

import asyncpg


async def main():
    connection = await asyncpg.connect(sys.argv[1])
    async with connection.transaction():
        await connection.execute("lock table tickets")
        print("locked", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    await connection.close()

asyncio.run(main())
"""
WAITING = """
select count(*) from pg_stat_activity where application_name = 'served' and wait_event_type = 'Lock'
"""


@pytest.fixture
def stuck_request(
    ticketctl: Program, sql: Callable[..., str], emptied_url: str
) -> Iterator[tuple["subprocess.Popen[str]", "Future[httpx.Response]", Callable[[], None]]]:
    """A server with a request that waits for a lock: its process, the request, and what lets go of the lock."""
    environment = ticketctl.environment | {"TICKETCTL_APPLICATION_NAME": "served"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with (
        ThreadPoolExecutor(1) as beside,
        subprocess.Popen([sys.executable, "-c", LOCK, emptied_url], **pipes) as locker,
        subprocess.Popen([*COMMAND, "serve", "--port", "0"], env=environment, **pipes) as server,
    ):
        try:
            url = server.stdout.readline().strip()
            assert locker.stdout.readline() == "locked\n"
            request = beside.submit(httpx.post, f"{url}/tickets", json={"subject": "late"}, timeout=60)
            deadline = time.monotonic() + 30
            while sql(WAITING, emptied_url) != "1":
                assert time.monotonic() < deadline, "the request never came to the lock"
                time.sleep(0.02)
            yield server, request, locker.stdin.close
        finally:
            server.kill()
            locker.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_answered_before_it_ends(stuck_request, ask, number: signal.Signals) -> None:
    server, request, let_go = stuck_request
    server.send_signal(number)
    assert "finishing what is in flight" in server.stderr.readline()
    let_go()
    assert request.result().status_code == 201
    assert server.wait(timeout=30) == 0
    assert server.stderr.read() == ""
    assert ask("select subject from tickets") == "late"


def test_a_second_signal_does_not_wait(stuck_request) -> None:
    server, request, _ = stuck_request
    server.send_signal(signal.SIGINT)
    assert "finishing what is in flight" in server.stderr.readline()
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=30) == 130
    assert request.result().status_code == 503
    assert server.stderr.read() == "interrupted\n"


def test_a_database_that_goes_away_is_told_in_the_log_and_not_to_who_asks(
    ticketctl: Program, database_url: str, sql: Callable[..., str], tmp_path: Path
) -> None:
    environment = ticketctl.with_env(TICKETCTL_DATABASE_URL=database_url).environment
    name = urlsplit(database_url).path.lstrip("/")
    log = tmp_path / "log"
    with log.open("w") as file, served(environment, log=file.fileno()) as url:
        assert httpx.get(f"{url}/readyz").status_code == 200
        sql(f"drop database {name} with (force)")
        answers = [httpx.get(f"{url}{path}") for path in ("/readyz", "/tickets", "/healthz")]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert not [answer for answer in answers if name in answer.text]
    told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line["error_type"] for line in told] == ["DatabaseError"] * 2
    assert all(name in line["error"] and "Traceback" in line["traceback"] for line in told)


def refused(ticketctl: Program, *options: str, status: int, said: str) -> None:
    done = ticketctl("serve", *options)
    assert (done.status, done.out) == (status, ""), done
    error, hint = done.err.splitlines()
    assert error.startswith("error: ")
    assert said in error
    assert hint.startswith("hint: ")


def test_a_port_that_is_taken_is_told(ticketctl: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused(ticketctl, "--port", port, status=USAGE, said=f"port {port} of 127.0.0.1 is not available")


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--host", "no such host"], USAGE, "there is no host no such host"),
        (["--host", "\x1b[31m"], USAGE, "there is no host \\x1b[31m"),
        (["--host", "a" * 300], USAGE, "there is no host"),
        (["--port", "65536"], USAGE, "--port"),
        (["--pool", "bigger"], USAGE, "'bigger' is not one of null, queue,"),
        (["--host", "0.0.0.0"], CONFIG, "without tokens"),  # noqa: S104 - refused
        (["--host", "::"], CONFIG, "without tokens"),
        (["--host", ""], CONFIG, "without tokens"),
    ],
)
def test_what_cannot_be_served_is_refused(
    ticketctl: Program, options: list[str], status: int, said: str
) -> None:
    refused(ticketctl, *options, status=status, said=said)


def test_a_gateway_does_not_replace_tokens_here(ticketctl: Program) -> None:
    gateway = ticketctl.with_env(TICKETCTL_API_AUTH="gateway")
    refused(gateway, "--host", "0.0.0.0", status=CONFIG, said="without tokens")  # noqa: S104 - refused


def test_tables_of_another_version_are_told_before_anything_is_served(
    ticketctl: Program, empty_database_url: str
) -> None:
    empty = ticketctl.with_env(TICKETCTL_DATABASE_URL=empty_database_url)
    refused(empty, "--port", "0", status=5, said="has no tables yet")


def test_tokens_are_not_shown(ticketctl: Program) -> None:
    shown = ticketctl.with_env(TICKETCTL_API_TOKENS="rw:hunter2")("config", "show")
    assert "hunter2" not in shown.out
    assert "TICKETCTL_API_TOKENS\t********\tenvironment" in shown.out
    told = ticketctl.with_env(TICKETCTL_API_TOKENS="hunter2")("serve")
    assert (told.status, "hunter2" in told.err) == (CONFIG, False)
