"""`ticketctl serve`: it agrees with the command line, makes a token, and ends cleanly."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.program import COMMAND, Program
from tests.serving import read_address, serve

SENT = {"subject": "Zażółć \x1b[31m\u202e🔥", "body": "a\tb\n\x7f", "requester": "ada@example.com"}
SET_BY_THE_DATABASE = {"created_by", "id", "created_at", "updated_at", "idempotency_key"}
USAGE, CONFIG = 2, 4


def test_the_api_and_the_command_line_have_the_same_json(ticketctl: Program) -> None:
    options = [
        "--body",
        SENT["body"],
        "--requester",
        SENT["requester"],
        "--idempotency-key",
        "by command",
    ]
    with serve(ticketctl.environment) as server, server.open_client() as client:
        printed = ticketctl("create", SENT["subject"], *options, "--json").json
        sent = client.post("/tickets", json=SENT, headers={"Idempotency-Key": "by request"}).json()
        assert list(sent) == list(printed)
        for name in sent.keys() - SET_BY_THE_DATABASE:
            assert sent[name] == printed[name]

        ticketctl("work", "--drain")
        for made in (printed, sent):
            shown = ticketctl("show", str(made["id"]), "--json").json
            assert client.get(f"/tickets/{made['id']}").json() == shown
            assert len(shown["steps"]) == 4
        listed = ticketctl("list", "--json", "--sort", "created", "--limit", "1").json
        query = {"sort": "created", "fields": ",".join(listed["tickets"][0])}
        page = client.get("/tickets", params=query | {"limit": 1}).json()
        assert page == listed
        after = page["next_cursor"]
        assert (
            client.get("/tickets", params=query | {"after": after}).json()
            == ticketctl("list", "--json", "--sort", "created", "--after", after).json
        )
        again = ticketctl("create", SENT["subject"], *options[:4], "--idempotency-key", "by request")
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
    """A server with a request that waits for a lock: its process, the request, and a function that releases the lock."""
    environment = ticketctl.environment | {"TICKETCTL_APPLICATION_NAME": "served"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with (
        ThreadPoolExecutor(1) as beside,
        subprocess.Popen([sys.executable, "-c", LOCK, emptied_url], **pipes) as locker,
        subprocess.Popen([*COMMAND, "serve", "--port", "0"], env=environment, **pipes) as server,
    ):
        try:
            running = read_address(server.stdout)
            assert locker.stdout.readline() == "locked\n"
            client = running.open_client()
            request = beside.submit(client.post, "/tickets", json={"subject": "late"})
            deadline = time.monotonic() + 30
            while sql(WAITING, emptied_url) != "1":
                assert time.monotonic() < deadline, "the request never waited for the lock"
                time.sleep(0.02)
            yield server, request, locker.stdin.close
            client.close()
        finally:
            server.kill()
            locker.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_answered_before_the_server_ends(
    stuck_request, ask, number: signal.Signals
) -> None:
    server, request, release = stuck_request
    server.send_signal(number)
    assert "finishing what is in flight" in server.stderr.readline()
    release()
    assert request.result().status_code == 201
    assert server.wait(timeout=30) == 0
    assert server.stderr.read() == ""
    assert ask("select subject from tickets") == "late"


def test_a_second_signal_ends_the_server_at_once(stuck_request) -> None:
    server, request, _ = stuck_request
    server.send_signal(signal.SIGINT)
    assert "finishing what is in flight" in server.stderr.readline()
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=30) == 130
    assert request.result().status_code == 503
    assert server.stderr.read() == "interrupted\n"


def test_a_lost_database_is_named_in_the_log_and_not_in_the_response(
    ticketctl: Program, database_url: str, sql: Callable[..., str], tmp_path: Path
) -> None:
    environment = ticketctl.with_env(TICKETCTL_DATABASE_URL=database_url).environment
    name = urlsplit(database_url).path.lstrip("/")
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        serve(environment, log=file.fileno()) as server,
        server.open_client() as client,
    ):
        assert client.get("/readyz").status_code == 200
        sql(f"drop database {name} with (force)")
        responses = [client.get(path) for path in ("/readyz", "/tickets", "/healthz")]
    assert [response.status_code for response in responses] == [503, 503, 200]
    assert not [response for response in responses if name in response.text]
    logged = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line["error_type"] for line in logged] == ["DatabaseError"] * 2
    assert all(name in line["error"] and "Traceback" in line["traceback"] for line in logged)


def assert_refused(ticketctl: Program, *options: str, status: int, error_text: str) -> None:
    done = ticketctl("serve", *options)
    assert (done.status, done.out) == (status, ""), done
    error, hint = done.err.splitlines()
    assert error.startswith("error: ")
    assert error_text in error
    assert hint.startswith("hint: ")


def test_a_port_in_use_is_refused(ticketctl: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert_refused(
            ticketctl, "--port", port, status=USAGE, error_text=f"port {port} of 127.0.0.1 is not available"
        )


@pytest.mark.parametrize(
    ("options", "status", "error_text"),
    [
        (["--host", "no such host"], USAGE, "there is no host no such host"),
        (["--host", "\x1b[31m"], USAGE, "there is no host \\x1b[31m"),
        (["--host", "a" * 300], USAGE, "there is no host"),
        (["--port", "65536"], USAGE, "--port"),
        (["--pool", "bigger"], USAGE, "'bigger' is not one of null, queue,"),
        (["--no-token", "--host", "0.0.0.0"], CONFIG, "without tokens"),  # noqa: S104 - refused
        (["--no-token", "--host", "::"], CONFIG, "without tokens"),
        (["--no-token", "--host", ""], CONFIG, "without tokens"),
    ],
)
def test_invalid_options_are_refused(
    ticketctl: Program, options: list[str], status: int, error_text: str
) -> None:
    assert_refused(ticketctl, *options, status=status, error_text=error_text)


def test_a_gateway_does_not_replace_tokens_on_this_machine(ticketctl: Program) -> None:
    gateway = ticketctl.with_env(TICKETCTL_API_AUTH="gateway")
    assert_refused(gateway, "--no-token", "--host", "0.0.0.0", status=CONFIG, error_text="without tokens")  # noqa: S104 - refused


def test_the_server_does_not_start_without_the_tables_of_this_version(
    ticketctl: Program, empty_database_url: str
) -> None:
    empty = ticketctl.with_env(TICKETCTL_DATABASE_URL=empty_database_url)
    assert_refused(empty, "--port", "0", status=5, error_text="has no tables yet")


def test_configured_tokens_are_never_printed(ticketctl: Program) -> None:
    shown = ticketctl.with_env(TICKETCTL_API_TOKENS="rw:hunter2")("config", "show")
    assert "hunter2" not in shown.out
    assert "TICKETCTL_API_TOKENS\t********\tenvironment" in shown.out
    failed = ticketctl.with_env(TICKETCTL_API_TOKENS="hunter2")("serve")
    assert (failed.status, "hunter2" in failed.err) == (CONFIG, False)


def test_without_configured_tokens_it_makes_one_for_each_start(ticketctl: Program) -> None:
    with serve(ticketctl.environment) as one, serve(ticketctl.environment) as two:
        assert len(one.token) > 40
        assert one.token != two.token
        statuses = [
            httpx.get(f"{one.url}/tickets", headers=headers).status_code
            for headers in ({}, two.headers, one.headers)
        ]
    assert statuses == [401, 401, 200]


def test_with_configured_tokens_it_makes_none(ticketctl: Program) -> None:
    configured = ticketctl.with_env(TICKETCTL_API_TOKENS="rw:hunter2")
    with serve(configured.environment) as server:
        assert server.token == ""
        assert httpx.get(f"{server.url}/tickets").status_code == 401
        headers = {"Authorization": "Bearer hunter2"}
        assert httpx.get(f"{server.url}/tickets", headers=headers).status_code == 200
    assert_refused(configured, "--no-token", status=USAGE, error_text="--no-token contradicts")


def test_no_token_serves_programs_on_this_machine_without_one(ticketctl: Program) -> None:
    with serve(ticketctl.environment, "--no-token") as server:
        assert server.token == ""
        assert httpx.post(f"{server.url}/tickets", json={"subject": "a"}).status_code == 201
        foreign = {"Origin": "https://evil.example.com"}
        assert httpx.get(f"{server.url}/tickets", headers=foreign).status_code == 403


def test_a_half_sent_body_gets_a_problem_when_the_server_stops(ticketctl: Program) -> None:
    head = "POST /tickets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with (
        subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--no-token"],
            env=ticketctl.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as server,
        ExitStack() as stack,
    ):
        parts = urlsplit(read_address(server.stdout).url)
        connections = [
            stack.enter_context(socket.create_connection((parts.hostname, parts.port))) for _ in range(3)
        ]
        for connection, length in zip(connections, ("9", "1000", "2000000"), strict=True):
            connection.sendall(f"{head}Content-Length: {length}\r\n\r\n{{".encode())
        time.sleep(0.5)  # until the server has read what was sent
        begin = time.monotonic()
        server.terminate()
        for connection in connections:
            response = connection.makefile("rb").read()
            assert response.startswith(b"HTTP/1.1 503 ")
            assert b"application/problem+json" in response
            assert b"the server is stopping" in response
        assert server.wait(timeout=30) == 0
        assert time.monotonic() - begin < 10
        assert "Traceback" not in server.stderr.read()


@pytest.mark.parametrize(
    ("proxies", "statuses"), [("", [201, 429, 429]), ("127.0.0.0/8, ::1", [201, 201, 201])]
)
def test_x_forwarded_for_is_believed_only_from_configured_proxies(
    ticketctl: Program, proxies: str, statuses: list[int]
) -> None:
    limited = ticketctl.with_env(TICKETCTL_API_RATE="0.01", TICKETCTL_API_PROXIES=proxies)
    with serve(limited.environment, "--no-token") as server:
        responses = [
            httpx.post(
                f"{server.url}/tickets",
                json={"subject": "a"},
                headers={"X-Forwarded-For": f"192.0.2.{number}"},
            )
            for number in range(3)
        ]
    assert [response.status_code for response in responses] == statuses


@pytest.mark.parametrize("proxies", ["10.0.0.0/99", "proxy.example.com", "1.2.3"])
def test_an_invalid_proxy_is_refused(ticketctl: Program, proxies: str) -> None:
    wrong = ticketctl.with_env(TICKETCTL_API_PROXIES=proxies)
    assert_refused(wrong, status=CONFIG, error_text="the setting api_proxies is invalid")


def test_the_access_log_has_a_line_for_each_request(ticketctl: Program) -> None:
    log = ticketctl.folder / "log"
    with (
        log.open("w") as file,
        serve(ticketctl.environment, "--access-log", log=file.fileno()) as server,
        server.open_client() as client,
    ):
        client.get("/tickets/7", headers={"X-Request-ID": "mine"})
        client.get("/%1b%5b1m")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    shown = [(line["path"], line["status"], line["request_id"] == "mine") for line in lines]
    assert shown == [("/tickets/7", 404, True), ("/\x1b[1m", 404, False)]
