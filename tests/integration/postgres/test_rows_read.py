"""The worker's statements read few rows, however large the tables are."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import uuid4

import pytest

from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.operations import PostgresOperations
from ticketctl.postgres.outbox import PostgresOutbox
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.settings import Settings
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.protocols import RecordFailure

MANY = 5000
FILL = f"""
with made as (
  insert into tickets (subject) select 'ticket ' || n from generate_series(1, {MANY}) n returning id
)
insert into messages (ticket_id, body) select id, '{{}}' from made
"""  # noqa: S608 - a number of the test's own

PUBLISH = "; select pg_stat_force_next_flush()"
"""Publishes the numbers of rows that the connection has read; otherwise they come some time after its end."""

Reading = Callable[[str], tuple[int, int]]


@pytest.fixture
def reading(ask: Callable[[str], str]) -> Reading:
    """Rows of a table read by sequential scans, and its number of index scans."""

    def read(table: str) -> tuple[int, int]:
        columns = "seq_tup_read || ' ' || idx_scan"
        found = ask(f"select {columns} from pg_stat_user_tables where relname = '{table}'")  # noqa: S608 - as above
        rows, looks = map(int, found.split())
        return rows, looks

    return read


@pytest.fixture
def many(ask: Callable[[str], str]) -> Sequence[int]:
    """The ids of three among thousands of tickets with messages."""
    ask(f"{FILL}{PUBLISH}")
    ask(f"analyze tickets; analyze messages{PUBLISH}")
    return [int(number) for number in ask("select id from tickets order by id desc limit 3").split()]


def rows_read(reading: Reading, table: str, before: tuple[int, int]) -> int:
    """Return the rows read by sequential scans since then; the server publishes a connection's numbers when it ends."""
    deadline = time.monotonic() + 5
    while (now := reading(table))[1] == before[1] and time.monotonic() < deadline:
        time.sleep(0.02)
    return now[0] - before[0]


async def test_claim_and_release_read_few_rows(
    store: PostgresStore, many: Sequence[int], reading: Reading
) -> None:
    messages = [TicketMessage(message_id=str(uuid4()), ticket_id=number) for number in many]
    before = reading("tickets")
    token = uuid4()
    claims = await store.claim(messages, token=token, lease=timedelta(seconds=30), environment_id="e")
    assert all(claim.ticket for claim in claims.values())
    assert rows_read(reading, "tickets", before) == 0
    before = reading("tickets")
    failures = [RecordFailure(message=message, error="it broke", final=False) for message in messages]
    await store.release(failures, token=token, environment_id="e")
    assert rows_read(reading, "tickets", before) == 0


@pytest.mark.parametrize(
    ("search", "sort", "number"),
    [
        ("nowhere", "-created", 0),
        ("nowhere", "subject", 0),
        ("4711", "created", 1),
        ("ticket", "-updated", 10),
        ("ticket nowhere", "-created", 0),
    ],
)
async def test_a_search_reads_few_rows_whether_or_not_its_words_occur(
    store: PostgresStore, ask: Callable[[str], str], search: str, sort: str, number: int
) -> None:
    ask(f"{FILL}; analyze tickets; analyze search_vectors{PUBLISH}")
    read = "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = 'tickets'"
    scans = "select seq_scan + idx_scan from pg_stat_user_tables where relname = 'tickets'"
    before, scanned = int(ask(read)), ask(scans)
    page = await store.list(TicketFilter(search=search), sort=sort, limit=10, after=None, count=False)
    assert len(page.tickets) == number
    deadline = time.monotonic() + 5
    while ask(scans) == scanned and time.monotonic() < deadline:  # noqa: ASYNC110 - Postgres sends no event
        await asyncio.sleep(0.02)
    assert int(ask(read)) - before < MANY / 10


async def test_listing_stuck_tickets_reads_few_rows(
    connections: Connections,
    emptied_url: str,
    ask: Callable[[str], str],
    reading: Reading,
) -> None:
    ask(f"{FILL}{PUBLISH}")
    operations = PostgresOperations(ErrorMappingConnections(connections, Address.parse(emptied_url)))
    ask(f"insert into attempts (ticket_id, attempt) select id, 1 from tickets; analyze{PUBLISH}")  # noqa: S608 - as above
    for older_than, number in ((timedelta(0), 10), (timedelta(days=1), 0)):
        before = {table: reading(table) for table in ("tickets", "messages", "attempts")}
        assert len(await operations.list_stuck(older_than, limit=10)) == number
        assert rows_read(reading, "tickets", before["tickets"]) == 0
        assert all(reading(table)[0] - before[table][0] < MANY / 100 for table in before)


async def test_settling_deliveries_reads_few_rows(
    connections: Connections, emptied_url: str, many: Sequence[int], reading: Reading
) -> None:
    queue = PostgresQueue(connections, Settings(database_url=emptied_url))
    deliveries = await queue.receive(3, wait=0)
    assert len(deliveries) == len(many)
    for settle in (queue.release, queue.delete):
        before = reading("messages")
        await settle(deliveries)
        assert rows_read(reading, "messages", before) == 0


async def test_deleting_sent_messages_reads_few_rows(
    connections: Connections, emptied_url: str, many: Sequence[int], reading: Reading
) -> None:
    outbox = PostgresOutbox(ErrorMappingConnections(connections, Address.parse(emptied_url)))
    unsent = await outbox.claim(3)
    assert len(unsent) == len(many)
    for settle in (outbox.release, outbox.delete):
        before = reading("messages")
        await settle([one.message_id for one in unsent])
        assert rows_read(reading, "messages", before) == 0
