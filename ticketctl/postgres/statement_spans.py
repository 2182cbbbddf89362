"""A span for each statement of an engine, and counts of its connections.

SQLAlchemy's events tell of both whatever the pool strategy; they hold nothing and await nothing, so that a strategy behaves
as it does without telemetry. Names and attributes: https://opentelemetry.io/docs/specs/semconv/db/postgresql/.
"""

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketctl.postgres.address import Address
from ticketctl.postgres.schema import metadata
from ticketctl.telemetry.metrics import CONNECTIONS_HELD, CONNECTIONS_OPENED
from ticketctl.telemetry.protocols import Attributes, Span, Telemetry

_TARGET = re.compile(r"\b(insert\s+into|update|delete\s+from|from|join)\s+(\w+)", re.IGNORECASE)
_MAX_SUMMARY = 255  # characters; the conventions say so
_ATTRIBUTE = "ticketctl_span"


class EngineWatch:
    """Watches the engines of one execution environment. `held` is the number of their open connections."""

    def __init__(self, telemetry: Telemetry, address: Address, pool: str) -> None:
        self.held = 0
        self._telemetry = telemetry
        self._pool: Attributes = {"db.client.connection.pool.name": pool}
        options = address.connect_args
        self._server: dict[str, str | int] = {
            "db.system.name": "postgresql",
            "db.namespace": str(options.get("database") or ""),
            "server.address": str(options.get("host") or ""),
        }

    def add(self, engine: AsyncEngine) -> None:
        """Watch an engine from now on; nothing happens if telemetry is off."""
        if not self._telemetry.is_on:
            return
        core: Any = engine.sync_engine
        event.listen(core, "before_cursor_execute", self._start)
        event.listen(core, "after_cursor_execute", self._end)
        event.listen(core, "handle_error", self._fail)
        event.listen(core.pool, "connect", self._count_opened)
        event.listen(core.pool, "close", self._count_closed)

    def _start(self, _: Any, __: Any, statement: str, ___: Any, execution: Any, ____: Any) -> None:
        # what polls a queue belongs to no trace: each poll would be one of its own
        if self._telemetry.traceparent is None:
            return
        summary = summarize(statement)
        attributes = {**self._server, "db.query.text": statement, "db.query.summary": summary}
        setattr(execution, _ATTRIBUTE, self._telemetry.start_span(summary, "client", attributes))

    def _end(self, _: Any, __: Any, ___: Any, ____: Any, execution: Any, _____: Any) -> None:
        _end_span(execution, None)

    def _fail(self, failure: Any) -> None:
        _end_span(failure.execution_context, failure.original_exception)

    def _count_opened(self, *_: Any) -> None:
        self.held += 1
        self._telemetry.record(CONNECTIONS_OPENED, 1, self._pool)
        self._telemetry.record(CONNECTIONS_HELD, 1, self._pool)

    def _count_closed(self, *_: Any) -> None:
        self.held -= 1
        self._telemetry.record(CONNECTIONS_HELD, -1, self._pool)


def _end_span(execution: Any, error: BaseException | None) -> None:
    span: Span | None = execution.__dict__.pop(_ATTRIBUTE, None) if execution is not None else None
    if span is not None:
        span.end(error)


@lru_cache(maxsize=256)
def summarize(statement: str) -> str:
    """Return what a statement does to which tables, like `INSERT tickets INSERT messages`; reads only if it writes none.

    Names of common table expressions are no tables.
    """
    writes, reads = [], []
    for verb, name in _TARGET.findall(statement):
        if name in metadata.tables:
            word = verb.split()[0].upper()
            if word in {"FROM", "JOIN"}:
                reads.append(f"SELECT {name}")
            else:
                writes.append(f"{word} {name}")
    summary = " ".join(dict.fromkeys(writes or reads)) or statement.split(maxsplit=1)[0].upper()
    return summary[:_MAX_SUMMARY]
