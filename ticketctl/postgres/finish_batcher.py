"""Writing what runs end with: those that end together are written together, in one statement."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import as_jsonb
from ticketctl.postgres.sql import worker


@dataclass(eq=False, slots=True)
class _Ending:
    """One run's end: what is to be written, then whether its lease still held, or why it could not be written."""

    outcome: dict[str, Any]
    held: bool = False
    error: Exception | None = None

    @property
    def lease(self) -> tuple[int, UUID]:
        """The ticket, and the token under which it is written."""
        return self.outcome["ticket_id"], self.outcome["token"]


class FinishBatcher:
    """The ends of one event loop's runs; an outcome names its ticket, its token and what the statement writes."""

    def __init__(self, connections: Connections | ErrorMappingConnections) -> None:
        self._connections = connections
        self._turn = asyncio.Lock()
        self._unwritten: list[_Ending] = []

    async def finish(self, outcome: dict[str, Any]) -> bool:
        """Write one outcome; False where its lease is lost. Whoever comes first writes for all who wait.

        What keeps one outcome from being written is raised to its own caller alone.
        """
        mine = _Ending(outcome)
        self._unwritten.append(mine)
        try:
            await asyncio.sleep(0)  # runs that end in the same turn of the loop come along
            async with self._turn:
                if mine in self._unwritten:
                    await self._write(list(self._unwritten))
        finally:
            self._forget([mine])  # for who gave up waiting nobody else writes
        if mine.error is not None:
            raise mine.error
        return mine.held

    async def _write(self, endings: Sequence[_Ending]) -> None:
        """Write them together; where that fails, each by itself. If this is cancelled, the next who waits goes on."""
        try:
            await self._execute(endings)
        except Exception as error:  # noqa: BLE001 - it is raised where it belongs
            if len(endings) > 1:
                for one in endings:
                    await self._write([one])
                return
            endings[0].error = error
        self._forget(endings)

    async def _execute(self, endings: Sequence[_Ending]) -> None:
        first = {one.lease: one for one in reversed(endings)}  # a lease ends once
        outcomes = as_jsonb([one.outcome for one in first.values()])
        async with self._connections.acquire() as connection:
            rows = await connection.execute(worker.FINISH, {"outcomes": outcomes})
            for row in rows:
                first[row.id, row.token].held = True

    def _forget(self, endings: Sequence[_Ending]) -> None:
        self._unwritten = [one for one in self._unwritten if one not in endings]
