"""Database restarts, failing queues, duplicate messages, frozen workers, blocked claims."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ticketctl.postgres.embedded import EmbeddedServer

pytestmark = pytest.mark.chaos
TICKETS = 40
CONTENT = "select md5(string_agg(t::text, '' order by id)) from tickets t"
LEASED = "exists(select from tickets where status = 'processing' and lease_until > now())"


@pytest.mark.parametrize("seconds", [5, 10, 30, 180])
def test_an_environment_is_killed_while_it_holds_a_lease(
    run: Any, chance: random.Random, seconds: int
) -> None:
    run.plan(seed=chance.randrange(1000), latency=1)
    run.make(4)
    process = run.start(CONCURRENCY="1", VISIBILITY_TIMEOUT=str(seconds), FUNCTION_TIMEOUT=str(seconds - 1))
    run.wait_until(LEASED)
    os.kill(run.environments()[0], signal.SIGKILL)
    assert run.ask(f"select {LEASED}") == "t"
    if seconds > 5:
        run.wait_until(
            "count(*) = 4 from messages m join tickets t on m.ticket_id = t.id "
            "where m.visible_at = t.lease_until and t.lease_until > now() + interval '2 seconds'"
        )
        # as if the lease had expired meanwhile
        run.ask("update tickets set lease_until = now(); update messages set visible_at = now()")
    assert process.wait(120) == 0
    run.check(tickets=4)
    assert run.ask("select count(*) = 4 from attempts where outcome = 'lost'") == "t"
    assert len(run.environments()) == 2


@pytest.mark.parametrize("copies", [2, 3])
def test_duplicate_and_reordered_messages_are_processed_once(
    run: Any, chance: random.Random, copies: int
) -> None:
    run.plan(seed=chance.randrange(1000))
    run.make(TICKETS, copies)
    other = run.start()
    run.drain()
    assert other.wait(120) == 0
    run.check(tickets=TICKETS)


def test_failing_queue_calls_lose_nothing(run: Any, chance: random.Random) -> None:
    run.plan(seed=chance.randrange(1000), refusals=0.3)
    run.make(TICKETS)
    run.drain()
    run.check(tickets=TICKETS)
    assert any(line["what"] == "refused" for line in run.journal)


def test_a_worker_that_freezes_past_its_lease_changes_nothing_afterwards(
    run: Any, chance: random.Random
) -> None:
    run.plan(seed=chance.randrange(1000), latency=0.5)
    run.make(TICKETS)
    frozen = run.start(CONCURRENCY="1")
    run.wait_until(LEASED)
    asleep = [frozen.pid, *run.environments()]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    held = int(run.ask("select count(*) from tickets where status = 'processing'"))
    assert held > 0
    run.drain()
    assert run.ask("select count(*) from tickets where status = 'processed'") == str(TICKETS)
    written = run.ask(CONTENT)
    for pid in reversed(asleep):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert frozen.wait(120) == 0
    assert run.ask(CONTENT) == written
    # questions asked before the freeze, or right after it, are wasted
    run.check(tickets=TICKETS, wasted=3 * held)


async def test_a_frozen_transaction_blocks_only_its_own_tickets(run: Any, chance: random.Random) -> None:
    run.plan(seed=chance.randrange(1000))
    run.make(TICKETS)
    stranger = await asyncpg.connect(run.url)
    try:
        async with stranger.transaction():
            await stranger.execute("select from tickets where id in (3, 4) for update")
            draining = run.start()
            run.wait_until(f"count(*) = {TICKETS - 2} from tickets where status = 'processed'")
        assert draining.wait(120) == 0
    finally:
        await stranger.close()
    run.check(tickets=TICKETS)


def test_a_database_restart_during_a_batch_loses_nothing(
    run: Any, chance: random.Random, server_home: Path
) -> None:
    run.plan(seed=chance.randrange(1000), latency=0.2)
    run.make(TICKETS)
    process = run.start()
    run.wait_until(LEASED)
    postmaster = int((server_home / "postgres" / "postmaster.pid").read_text("utf-8").split()[0])
    # the signal of `pg_ctl restart -m immediate`: Postgres recovers its data at the next start
    os.kill(postmaster, signal.SIGQUIT)
    server = EmbeddedServer(server_home)
    while server.is_running:
        time.sleep(0.05)
    with server.use():
        assert process.wait(120) == 0
    run.check(tickets=TICKETS)


def test_work_goes_on_after_an_external_server_was_killed_and_started_again(
    run: Any, server_home: Path
) -> None:
    """`work` gets the server by its URL, so that starting it again is the operator's task."""
    run.make(TICKETS)
    work = run.operate("work", "--drain", BATCH_SIZE="1", FUNCTION_TIMEOUT="4", VISIBILITY_TIMEOUT="5")
    run.wait_until("exists(select from tickets where processed_at is not null)")
    postmaster = int((server_home / "postgres" / "postmaster.pid").read_text("utf-8").split()[0])
    os.kill(postmaster, signal.SIGKILL)
    server = EmbeddedServer(server_home)
    run.wait_for_stderr("trying again")
    assert not server.is_running
    with server.use():
        assert work.wait(120) == 0
    run.check_settled(tickets=TICKETS, kills=1)


def test_dead_letters_are_redriven_while_workers_run(run: Any, chance: random.Random) -> None:
    run.plan(seed=chance.randrange(1000))
    run.make(TICKETS)
    run.ask("update messages set dead_at = now(), receive_count = 20 where ticket_id % 2 = 0")
    run.ask("update tickets set status = 'failed', error = 'no luck' where id % 2 = 0")
    process = run.start()
    run.wait_until("exists(select from tickets where status = 'processed')")
    commands = [run.operate("dlq", "redrive", "--all"), run.operate("retry", "--failed")]
    assert all(command.wait(60) in {0, 3} for command in commands)
    assert process.wait(120) == 0
    run.drain()
    run.check(tickets=TICKETS)
