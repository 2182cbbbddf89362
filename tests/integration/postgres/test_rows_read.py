"""The worker's statements read few rows, however large the tables are."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import uuid4

import pytest

from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.outbox import PostgresOutbox
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.protocols import RecordFailure

MANY = 5000
FILL = f"""
with made as (
  insert into tickets (subject) select 'ticket ' || n from generate_series(1, {MANY}) n returning id
)
insert into messages (ticket_id, body) select id, '{{}}' from made
"""  # noqa: S608 - a number of the test's own

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
    ask(FILL)
    ask("analyze tickets; analyze messages")
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
