"""The limit of draining: the very statements that `work` sends for a batch, in the same batches, through bare asyncpg.

They are recorded from a real batch, so they cannot drift from what the worker does.
"""

import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from tests.benchmarks.bench import CHILDREN, Bench
from tests.benchmarks.children.raw_drain import ROWS
from tests.benchmarks.measure import timed_program
from ticketctl.event_loops import Loop, get_loop_policy
from ticketctl.queues.batch_size import LARGEST_BATCH_SIZE
from ticketctl.runtime import Database, open_operator_resources
from ticketctl.settings import Settings
from ticketctl.worker import Worker

Statement = tuple[str, tuple[Any, ...]]
"""SQL with the driver's own placeholders, and its parameters in their order."""


class RawDrain:
    """Drains the queue without the worker. The queue must hold a batch when it is made; recording uses that up."""

    def __init__(self, bench: Bench, processes: int) -> None:
        self._environment = bench.environment
        self._command = (sys.executable, str(CHILDREN / "raw_drain.py"), bench.url, str(processes))
        receive, *settle = _record_batch(Settings(database_url=bench.url))
        # every later statement says what was received, so only the first has parameters of its own
        self._plan = pickle.dumps({"receive": receive, "settle": [_templates(one) for one in settle]})

    def drain(self) -> float:
        """Return the seconds that the whole program takes."""
        return timed_program(self._command, self._environment, self._plan)


def _record_batch(settings: Settings) -> list[Statement]:
    """Receive, process and delete one batch; return the statements. Raises RuntimeError if it is not sound."""
    loop = Loop(
        get_loop_policy("runner"), lambda: open_operator_resources(Database(settings, embedded=False))
    )
    worker = Worker(settings)
    with closing(loop), _recording() as statements:
        deliveries = loop.run(lambda opened: opened.queue.receive(LARGEST_BATCH_SIZE, wait=0))
        statements[:-1] = []  # what opening the resources sent
        failures = worker.handle({"Records": [delivery.record for delivery in deliveries]}, None)
        loop.run(lambda opened: opened.queue.delete(deliveries))
    if len(deliveries) < LARGEST_BATCH_SIZE or failures["batchItemFailures"]:
        raise RuntimeError(f"{len(deliveries)} messages were received; the worker returned {failures}")
    return statements


@contextmanager
def _recording() -> Iterator[list[Statement]]:
    statements: list[Statement] = []

    def keep(_: Connection, _cursor: object, sql: str, parameters: tuple[Any, ...], *_more: object) -> None:
        statements.append((sql, tuple(parameters)))

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", keep)


def _templates(statement: Statement) -> Statement:
    """Replace each JSON list of rows by its first row."""
    sql, parameters = statement
    return sql, tuple(_template(value) for value in parameters)


def _template(value: Any) -> Any:
    if not (isinstance(value, str) and value.startswith("[{")):
        return value
    rows = json.loads(value)
    if len(rows) < LARGEST_BATCH_SIZE:
        raise RuntimeError(f"a statement was sent for {len(rows)} of {LARGEST_BATCH_SIZE} messages")
    return ROWS, rows[0]
