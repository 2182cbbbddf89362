"""Pause `ticketctl work` while the AI provider refuses the account: each ticket would need a review for no reason."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from ticketctl.errors import TicketctlError

MIN_FAILURES = 3
"""Refusals of the account in a row after which no more tickets are received."""
_MAX_PAUSE = 60.0  # seconds between two checks of the account


class Pausable(Protocol):
    """What is paused."""

    def pause(self) -> None:
        """Receive nothing more."""

    def resume(self) -> None:
        """Receive again."""


class ProviderPause:
    """Pauses `mapping` after several refusals in a row, and resumes it once `check` returns no error.

    `check` returns why the provider refuses the account, or None if it accepts it; it is called after `first_pause`
    seconds, then after twice as many, up to a minute. `report` shows a message.
    """

    def __init__(
        self,
        mapping: Pausable,
        check: Callable[[], Awaitable[str | None]],
        report: Callable[[str], None],
        *,
        first_pause: float = 1.0,
    ) -> None:
        self._mapping = mapping
        self._check = check
        self._report = report
        self._first_pause = first_pause
        self._seen: list[int] = []
        self._task: asyncio.Task[None] | None = None

    def observe(self, statuses: Sequence[dict[str, Any]]) -> None:
        """Pause if a worker process reports more refusals than before; `statuses` are of ticketctl.worker.status."""
        failures = [status["account_failures"] for status in statuses]
        before = self._seen + [0] * len(failures)
        # a process that has not worked since the last pause still reports the refusals from before it
        current = [
            status["account_error"]
            for status, count, old in zip(statuses, failures, before, strict=False)
            if count >= MIN_FAILURES and count != old
        ]
        self._seen = failures
        if current and self._task is None:
            self._mapping.pause()
            self._report(
                f"{current[0]}; no more tickets are received until the AI provider accepts the account"
            )
            self._task = asyncio.create_task(self._resume_later())

    async def close(self) -> None:
        """End the checks."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _resume_later(self) -> None:
        pause = self._first_pause
        while True:
            await asyncio.sleep(pause)
            pause = next_pause(pause)
            with suppress(TicketctlError):  # an unreachable provider says nothing about the account
                if await self._check() is None:
                    break
        self._report("the AI provider accepts the account again: receiving tickets")
        self._mapping.resume()
        self._task = None


def next_pause(seconds: float) -> float:
    """Return the seconds before the next check of the account."""
    return min(_MAX_PAUSE, 2 * seconds)
