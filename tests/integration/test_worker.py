"""The worker from end to end: real settings, real engine, real database, the offline provider."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes import NOON, FakeContext
from ticketctl.event_loops import LOOPS
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.worker import Worker, response

SAFE = [
    ("null", "run-per-record"),
    ("null", "run-per-invocation"),
    ("null", "runner"),
    ("dispose", "run-per-invocation"),
    ("pgbouncer", "run-per-invocation"),
    ("rds-proxy", "runner"),
    ("queue", "runner"),
    ("queue-pre-ping", "runner"),
]
CLEAR = "I was charged twice this month, please check the second payment"

Ask = Callable[[str], str]
NewWorker = Callable[..., Worker]


@pytest.fixture
def new_worker(emptied_url: str) -> Iterator[NewWorker]:
    made: list[Worker] = []

    def make(**chosen: Any) -> Worker:
        made.append(Worker(Settings(**({"database_url": emptied_url} | chosen))))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def make_ticket(ask: Ask, subject: str = CLEAR) -> int:
    return int(ask(f"insert into tickets (subject) values ('{subject}') returning id").split()[0])  # noqa: S608 - a subject of the test's own


def event(*ticket_ids: int, **fields: Any) -> dict[str, Any]:
    messages = [
        TicketMessage(message_id=f"m-{number}", ticket_id=ticket_id, **fields)
        for number, ticket_id in enumerate(ticket_ids, 1)
    ]
    return build_event(messages, sent_at=NOON)


def failed(worker: Worker, *ticket_ids: int, **fields: Any) -> list[str]:
    answer = response(worker.invoke(event(*ticket_ids, **fields), FakeContext()))
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


@pytest.mark.parametrize(("pool", "loop"), SAFE)
def test_tickets_go_from_new_to_processed_in_warm_invocations(
    new_worker: NewWorker, ask: Ask, pool: str, loop: str
) -> None:
    worker = new_worker(pool=pool, loop=loop)
    for _ in range(3):
        assert failed(worker, make_ticket(ask), make_ticket(ask)) == []
    assert ask("select distinct status from tickets") == "processed"
    assert ask("select count(*) from tickets where category is null or team is null or draft is null") == "0"
    assert ask("select step, count(*) from steps group by step order by step") == (
        "classify|6\nextract|6\nrespond|6\nroute|6"
    )
    assert ask("select distinct attempt, outcome, environment_id from attempts") == (
        f"1|processed|{worker.environment_id}"
    )


@pytest.mark.parametrize("pool", [pool for pool, loop in SAFE if loop == "runner"])
def test_a_closed_worker_leaves_no_connection(
    emptied_url: str, ask: Ask, settled: Callable[[str, int], int], pool: str
) -> None:
    worker = Worker(Settings(database_url=emptied_url, pool=pool, loop="runner", application_name="ending"))
    assert failed(worker, make_ticket(ask)) == []
    worker.close()
    assert settled("ending", 0) == 0


def test_a_processed_ticket_is_not_processed_again(new_worker: NewWorker, ask: Ask) -> None:
    worker, ticket_id = new_worker(), make_ticket(ask)
    failed(worker, ticket_id)
    before = ask("select * from tickets")
    assert failed(worker, ticket_id) == []
    assert ask("select * from tickets") == before


def test_a_batch_with_every_kind_of_record(new_worker: NewWorker, ask: Ask) -> None:
    good, closed, leased, twice = (make_ticket(ask) for _ in range(4))
    ask(f"update tickets set status = 'closed' where id = {closed}")  # noqa: S608 - a number
    lease = "lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour'"
    ask(f"update tickets set status = 'processing', {lease} where id = {leased}")  # noqa: S608 - a number
    sent = event(good, closed, leased, twice, twice, 2**62)
    sent["Records"].append({"messageId": "malformed", "body": "?"})
    results = new_worker().invoke(sent, FakeContext())
    errors = {r.message.message_id: None if r.error is None else str(r.error) for r in results}
    assert errors.pop("m-3", "").startswith(f"another worker has ticket {leased} until ")  # type: ignore[union-attr]
    assert errors.pop("malformed", "").startswith("the body is not a ticket message")  # type: ignore[union-attr]
    assert errors == {
        "m-1": None,
        "m-2": None,
        "m-4": None,
        "m-5": None,
        "m-6": f"there is no ticket {2**62}",
    }
    assert ask("select status, attempt from tickets order by id") == (
        "processed|1\nclosed|0\nprocessing|0\nprocessed|1"
    )


def test_a_failing_ticket_fails_at_its_last_delivery(
    new_worker: NewWorker, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    ticket_id = make_ticket(ask)
    ask(
        "create function refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'no steps today'; end $$; "
        "create trigger refuse before insert on steps for each row execute function refuse()"
    )
    try:
        worker = new_worker(max_receive_count=2)
        assert failed(worker, ticket_id, receive_count=1) == ["m-1"]
        first = ask("select status, attempt, error from tickets")
        assert failed(worker, ticket_id, receive_count=2) == ["m-1"]
        second = ask("select status, attempt, error from tickets")
    finally:
        ask("drop function refuse cascade")
    assert first.startswith("new|1|")
    assert second.startswith("failed|2|")
    assert first.endswith("no steps today")
    assert [r.__dict__["message_id"] for r in caplog.records if r.levelno == logging.ERROR] == ["m-1", "m-1"]
    assert ask("select attempt, outcome, receive_count from attempts order by 1") == "1|failed|1\n2|failed|2"
    assert ask("select count(*) from steps") == "0"


def test_a_retry_reuses_saved_steps(new_worker: NewWorker, ask: Ask) -> None:
    ticket_id = make_ticket(ask)
    worker = new_worker()
    failed(worker, ticket_id)
    saved = ask("select step, prompt_hash, created_at from steps order by step")
    ask("update tickets set status = 'new'")
    assert failed(worker, ticket_id) == []
    assert ask("select step, prompt_hash, created_at from steps order by step") == saved
    assert ask("select attempt, outcome from attempts order by 1") == "1|processed\n2|processed"


def test_a_lease_ends_with_the_invocation(
    new_worker: NewWorker, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies leaves its ticket free when Lambda would have ended it anyway."""
    ticket_id = make_ticket(ask)
    leases = []

    async def die(*_: object) -> None:
        leases.append(ask("select lease_until - now() <= interval '3 s' from tickets"))
        raise RuntimeError("struck by lightning")

    monkeypatch.setattr("ticketctl.processing.pipeline.Pipeline.run", die)
    worker = new_worker()
    worker.invoke(event(ticket_id), FakeContext(remaining_ms=3_000))
    assert leases == ["t"]


@pytest.mark.parametrize("loop", LOOPS)
def test_every_store_call_fits_through_one_connection(new_worker: NewWorker, ask: Ask, loop: str) -> None:
    """Ten tickets at once, and never more than one connection."""
    worker = new_worker(loop=loop, max_connections=1, application_name="narrow")
    ask(
        "create table held (n bigint); create function note() returns trigger language plpgsql as "
        "$$ begin insert into held select count(*) from pg_stat_activity where application_name = 'narrow'; "
        "return new; end $$; create trigger note after update on tickets for each row execute function note()"
    )
    try:
        assert failed(worker, *(make_ticket(ask) for _ in range(10))) == []
        assert ask("select max(n) from held") == "1"
    finally:
        ask("drop function note cascade; drop table held")


def test_the_handler_keeps_its_environment_between_calls(emptied_url: str, ask: Ask) -> None:
    """In a process of its own, because the environment is an object of the module."""
    make_ticket(ask)
    make_ticket(ask)
    program = (
        "import json, sys; from ticketctl.worker import handler\n"
        "print([handler(event, None) for event in json.load(sys.stdin)])"
    )
    first, second = (int(number) for number in ask("select id from tickets order by id").split())
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps([event(first), event(second)]),
        env={**os.environ, "TICKETCTL_DATABASE_URL": emptied_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{[{'batchItemFailures': []}] * 2}\n"
    assert ask("select count(*), count(distinct environment_id) from attempts") == "2|1"
