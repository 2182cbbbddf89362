"""No statement uses session state, according to the server's log, and each one works through a pooler."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest
from sqlalchemy import TextClause
from sqlalchemy.sql.expression import TextualSelect

from tests.fakes import OUTCOME
from tests.people import BY
from tests.pgbouncer import installed, pgbouncer, through
from ticketctl.postgres import decisions, imports, operations, outbox
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Engines
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.pools import POOLS
from ticketctl.postgres.replies import PostgresReplies
from ticketctl.postgres.sql import changes as change_statements
from ticketctl.postgres.sql import decisions as decision_statements
from ticketctl.postgres.sql import imports as import_statements
from ticketctl.postgres.sql import queue as queue_statements
from ticketctl.postgres.sql import replies as reply_statements
from ticketctl.postgres.sql import undo as undo_statements
from ticketctl.postgres.sql import worker
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.runtime import Database, upgrade
from ticketctl.settings import Settings
from ticketctl.tickets.decisions import Decision
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.importing.records import ImportedTicket
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import NewTicket, Step, StepRecord
from ticketctl.tickets.protocols import RecordFailure
from ticketctl.tickets.statuses import TicketStatus

MODULES = (
    worker,
    operations,
    outbox,
    decision_statements,
    change_statements,
    import_statements,
    reply_statements,
    undo_statements,
    queue_statements,
)
LOGGED = re.compile(
    r"^\S+ \S+ \S+ \[\d+\] LOG:  (?:statement|execute ([^:]+)): (.*?)(?=^\S+ \S+ \S+ \[\d+\] |\Z)",
    re.DOTALL | re.MULTILINE,
)
SESSION = re.compile(
    r"^\s*(?:set|reset|discard|listen|unlisten|prepare|deallocate|declare|load|lock)\b"
    r"|\bcreate\s+(?:local\s+|global\s+)?temp"
    r"|\bpg_(?:try_)?advisory_lock|\bset_config\b|\bwith\s+hold\b|\bpg_temp\b",
    re.IGNORECASE,
)
"""Session features that break under a pooler in transaction mode: https://www.pgbouncer.org/features.html."""


async def every_statement(database: Database) -> None:
    """Create the tables and execute every statement of the program."""
    settings = database.settings
    await upgrade(database)
    address = Address.parse(settings.database_url or "")
    async with Engines(address, POOLS["dispose"], settings).open_connections() as connections:
        mapped = ErrorMappingConnections(connections, address)
        store, queue = PostgresStore(mapped), PostgresQueue(mapped, replace(settings, max_receive_count=1))
        first, second, third = [
            (await store.create(NewTicket(subject=f"Ticket {n}")))[0].id for n in range(3)
        ]
        await people(
            store,
            decisions.PostgresDecisions(connections),
            imports.PostgresImports(connections),
            PostgresReplies(connections),
            third,
        )
        await worker(store, first, second)
        await watching(operations.PostgresOperations(mapped), first)
        await messages(queue, outbox.PostgresOutbox(mapped))


async def people(
    store: PostgresStore,
    decided: decisions.PostgresDecisions,
    importing: imports.PostgresImports,
    replies: PostgresReplies,
    ticket_id: int,
) -> None:
    wanted = TicketFilter(status=(TicketStatus.NEW,), search="ticket")
    page = await store.list(wanted, sort="created", limit=1, after=None, count=True)
    await store.list(wanted, sort="created", limit=1, after=page.next_cursor, count=False)
    await store.get_details(ticket_id)
    await store.list_analyses([ticket_id])
    for action in decision_statements.DECISIONS:
        decision = Decision(action=action, values={"tags": ["vip"], "team": "sales"}, note="x")
        await decided.apply(decision, [ticket_id], by=BY)
    imported = ImportedTicket(place="1", ticket=NewTicket(subject="x", idempotency_key="k"))
    await importing.create_many([imported], created_by="import:x")
    await importing.find_keys(["k"])
    assert [one async for one in replies.list_unsent([ticket_id])] == []
    await decided.undo([ticket_id], by=BY)
    await decided.get_operation(1)
    await decided.find_last_operation(BY)
    await decided.list_changes(ticket_id)
    await decided.list_corrections()


async def worker(store: PostgresStore, first: int, second: int) -> None:
    token, environment = uuid4(), "here"
    delivered = [TicketMessage(message_id=str(n), ticket_id=n) for n in (first, second)]
    claims = await store.claim(delivered, token=token, lease=timedelta(minutes=1), environment_id=environment)
    assert claims.keys() == {first, second}
    step = StepRecord(step=Step.CLASSIFY, output={}, provider="p", model="m", prompt_hash="h")
    await store.extend_leases([first], token=token, lease=timedelta(minutes=1))
    assert await store.save_step(first, token, step)
    assert await store.finish(first, token, OUTCOME, [step])
    for final in (False, True):
        failure = RecordFailure(message=delivered[1], error="x", final=final)
        await store.release([failure], token=token, environment_id=environment)
        # once more, for the attempts before and for settled tickets
        claims = await store.claim(
            delivered, token=token, lease=timedelta(minutes=1), environment_id=environment
        )
    await store.write_error([second], "x")
    assert claims[second].status is TicketStatus.FAILED
    assert (await store.get_details(second)).ticket.status == "failed"


async def watching(watched: operations.PostgresOperations, ticket_id: int) -> None:
    await watched.list_stuck(timedelta(0), limit=10)
    await watched.list_ids(TicketStatus.NEW, limit=10)
    await watched.reset_failed([ticket_id], by=BY)
    await watched.get_statistics()
    await watched.get_connection_limit()


async def messages(queue: PostgresQueue, sender: outbox.PostgresOutbox) -> None:
    assert await queue.count_backlog() == await sender.count()
    taken = await sender.claim(1)
    await sender.release([one.message_id for one in taken])
    delivered = await queue.receive(1, wait=0)
    await queue.extend(delivered)
    await queue.release(delivered)
    await queue.delete(await queue.receive(1, wait=0))
    await queue.receive(10, wait=0)
    await queue.redrive(await queue.list_dead_letters(10))
    await queue.purge(await queue.list_dead_letters(10))
    await sender.delete([one.message_id for one in await sender.claim(10)])


def database(url: str) -> Database:
    return Database(Settings(database_url=url, pool="pgbouncer"), embedded=False)


@pytest.fixture
def logged(
    empty_database_url: str, server_home: Path, sql: Callable[..., str]
) -> Callable[[], list[tuple[str, str]]]:
    """Return what the server executed since: (name of the prepared statement, SQL)."""
    name = Address.parse(empty_database_url).display_name.rpartition("/")[2]
    sql(f"alter database {name} set log_statement = 'all'")
    log = server_home / "postgres.log"
    start = log.stat().st_size

    def since() -> list[tuple[str, str]]:
        with log.open() as lines:
            lines.seek(start)
            return [(match[1], match[2]) for match in LOGGED.finditer(lines.read())]

    return since


def ours() -> Iterator[tuple[ModuleType, str, str]]:
    for module in MODULES:
        for name, value in {**vars(module), **getattr(module, "DECISIONS", {})}.items():
            if isinstance(value, TextClause | TextualSelect):
                yield module, name, str(getattr(value, "element", value))


def shape(sql: str) -> str:
    """Normalise a statement so that ours equals what the driver sends."""
    return " ".join(re.sub(r"(?<![:\w]):\w+|\$\d+(?:::[\w ]+(?:\[\])?)?", "?", sql).split())


async def test_no_statement_uses_session_state(
    empty_database_url: str, logged: Callable[[], list[tuple[str, str]]]
) -> None:
    await every_statement(database(empty_database_url))
    executed = logged()
    seen = {shape(statement) for _, statement in executed}
    assert [f"{module.__name__}.{name}" for module, name, sql in ours() if shape(sql) not in seen] == []
    assert {name for name, _ in executed} <= {None, "<unnamed>"}
    assert [statement for _, statement in executed if SESSION.search(statement)] == []


@pytest.mark.skipif(installed() is None, reason="pgbouncer is not installed")
async def test_every_statement_works_through_one_pooled_connection(
    server: str, empty_database_url: str
) -> None:
    with pgbouncer(server, default_pool_size=1) as port:
        await every_statement(database(through(port, empty_database_url)))
