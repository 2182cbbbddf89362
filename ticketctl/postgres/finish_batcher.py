"""Group commit: the results of runs that end at about the same time are written in one statement.

Each caller awaits its own result. The caller that holds the lock writes everything that is pending, so that the results which
arrive during one write share the next. A batch of ten tickets costs two or three round trips instead of ten.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import worker


@dataclass(eq=False, slots=True)
class _PendingResult:
    """A result to write; afterwards whether its lease still held, or why it could not be written.

    Compared by identity: two results with the same content are two callers.
    """

    result: dict[str, Any]
    held: bool = False
    error: Exception | None = None

    @property
    def lease(self) -> tuple[int, UUID]:
        """The ticket id and the lease token."""
        return self.result["ticket_id"], self.result["token"]


class FinishBatcher:
    """Writes the results of one event loop's runs; a result is the JSON row that `worker.FINISH` reads."""

    def __init__(self, connections: Connections | ErrorMappingConnections) -> None:
        self._connections = connections
        self._lock = asyncio.Lock()
        self._pending: list[_PendingResult] = []

    async def finish(self, result: dict[str, Any]) -> bool:
        """Write one result, together with all that wait; return False where its lease is lost.

        An error is raised to the caller whose result could not be written, and to no other.
        """
        own = _PendingResult(result)
        self._pending.append(own)
        try:
            await asyncio.sleep(0)  # lets runs that end in the same turn of the loop join
            async with self._lock:
                # the previous holder of the lock may have written it already
                if own in self._pending:
                    await self._write(list(self._pending))
        finally:
            self._remove([own])  # a cancelled caller's result must not be written by another one later
        if own.error is not None:
            raise own.error
        return own.held

    async def _write(self, batch: Sequence[_PendingResult]) -> None:
        """Write a batch in one statement or, where that fails, each result in its own.

        If this task is cancelled, the results stay pending and the next waiting caller writes them.
        """
        try:
            await self._execute(batch)
        except Exception as error:  # noqa: BLE001 - it is raised to the caller whose result it concerns
            if len(batch) > 1:
                for pending in batch:
                    await self._write([pending])
                return
            batch[0].error = error
        self._remove(batch)

    async def _execute(self, batch: Sequence[_PendingResult]) -> None:
        # one row per lease: a second result under the same lease finds it ended, so the first one counts
        first = {pending.lease: pending for pending in reversed(batch)}
        results = encode_jsonb([pending.result for pending in first.values()])
        async with self._connections.acquire() as connection:
            rows = await connection.execute(worker.FINISH, {"results": results})
            for row in rows:
                first[row.id, row.token].held = True

    def _remove(self, batch: Sequence[_PendingResult]) -> None:
        self._pending = [pending for pending in self._pending if pending not in batch]
