"""Connections run short: no delivery is spent, no ticket fails, and tickets name the true cause."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytestmark = pytest.mark.chaos
TICKETS = 40
FAILURES = 6
"""Failed invocations to wait for: more than the deliveries that a message has."""
ROLE = "scarce"


@pytest.fixture
def limited(run: Any) -> Iterator[Any]:
    """The run under a role that may have one connection. The event source mapping holds it, so no worker gets any."""
    run.ask(
        f"create role {ROLE} login connection limit 1; "
        f"grant select, insert, update, delete on all tables in schema public to {ROLE}; "
        f"grant usage on all sequences in schema public to {ROLE}"
    )
    yield replace(run, url=run.url.replace("postgres@", f"{ROLE}@"), observer_url=run.url)
    run.ask(f"alter role {ROLE} connection limit 0")
    run.ask(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{ROLE}'")  # noqa: S608 - a constant
    run.ask(f"drop owned by {ROLE}; drop role {ROLE}")


def test_workers_without_connections_spend_no_delivery_and_fail_no_ticket(
    limited: Any, chance: random.Random
) -> None:
    limited.plan(seed=chance.randrange(1000))
    limited.make(TICKETS)
    process = limited.start(MAX_RECEIVE_COUNT="2")
    limited.wait_until("exists(select from tickets where error like '%too many connections%')")
    limited.wait_for_journal("failed", FAILURES)
    assert limited.ask("select max(receive_count) <= 1 from messages") == "t"
    assert limited.ask("select count(*) from attempts") == "0"
    assert limited.ask("select distinct status from tickets") == "new"
    limited.ask(f"alter role {ROLE} connection limit 20")
    assert process.wait(120) == 0
    limited.check(tickets=TICKETS)
    assert limited.ask("select count(*) from tickets where error is not null") == "0"
