"""The worker Lambda: `ticketctl.worker.handler`.

Lambda keeps an execution environment between invocations and calls the handler again: a warm start. What
lives with the process is made once, by the first invocation; what is bound to an event loop is composed anew
in each loop.
"""

import logging
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from ticketctl import event_loops
from ticketctl import settings as settings_module
from ticketctl.ai.budget import Budget
from ticketctl.errors import InvalidInputError
from ticketctl.event_loops import get_loop_policy
from ticketctl.logs import REQUEST_ID, log_on_lambda
from ticketctl.postgres.pools import get_pool
from ticketctl.processing.batch import Limits, RecordResult, fail_all, process
from ticketctl.runtime import Database, explain_unsafe_pair, open_operator_resources, worker_loop
from ticketctl.settings import Settings
from ticketctl.tickets.messages import Message, batch_response, parse_event
from ticketctl.tickets.pricing import parse_prices

log = logging.getLogger(__name__)


class Worker:
    """One execution environment: what one warm process keeps from invocation to invocation.

    `limit` is what its AI provider may cost; then no more is asked, and the records that need it fail.
    """

    def __init__(self, settings: Settings, *, limit: float | None = None) -> None:
        self.environment_id = str(uuid4())
        self.budget = Budget(parse_prices(settings), limit)
        self._settings = settings
        self._policy = get_loop_policy(settings.loop)
        self._loop = worker_loop(settings, self.budget)
        warning = explain_unsafe_pair(get_pool(settings.pool), self._policy)
        if warning is not None:
            log.warning(warning)

    def invoke(self, event: object, context: Any) -> list[RecordResult]:
        """Process an event's records; what became of each is in the answer, in their order.

        `context` is Lambda's, or None: then the visibility timeout bounds the invocation.
        """
        REQUEST_ID.set(getattr(context, "aws_request_id", None))
        try:
            messages = parse_event(event)
        except InvalidInputError as error:
            log.error("nothing was done: %s", error)  # noqa: TRY400 - a traceback would tell nothing
            return []
        limits = self._limits(context)
        results: list[RecordResult] = []
        for batch in _batches(messages, per_record=self._policy.per_record):
            results += self._process(batch, limits, results)
        return results

    def close(self) -> None:
        """End the environment: close what a persistent loop holds."""
        self._loop.close()

    def _process(
        self, messages: Sequence[Message], limits: Limits, before: Sequence[RecordResult]
    ) -> list[RecordResult]:
        failed_groups = {
            result.message.group for result in before if result.error is not None and result.message.group
        }
        work = partial(
            process,
            messages,
            limits=limits,
            environment_id=self.environment_id,
            failed_groups=failed_groups,
        )
        try:
            return self._loop.run(lambda pipeline: work(pipeline=pipeline))
        except Exception as error:  # noqa: BLE001 - the loop's resources failed, and each record must say so
            return fail_all(messages, error)

    def _limits(self, context: Any) -> Limits:
        settings = self._settings
        remaining = _remaining_seconds(context, settings.visibility_timeout)
        return Limits(
            deadline=time.monotonic() + remaining - settings.shutdown_reserve,
            lease=timedelta(seconds=min(remaining, settings.visibility_timeout)),
            max_receive_count=settings.max_receive_count,
            reserve=settings.shutdown_reserve,
        )


_worker: Worker | None = None


def handler(event: object, context: Any) -> dict[str, Any]:
    """Lambda's entry point: process an SQS event and answer with the messages to be delivered again.

    Raises:
        ConfigError: The environment's settings are wrong; Lambda then takes the whole batch as failed.
    """
    global _worker  # noqa: PLW0603 - the one thing that a warm start keeps
    if _worker is None:
        log_on_lambda(os.environ)
        _worker = Worker(settings_module.load(os.environ, folder=Path.cwd()))
    return response(_worker.invoke(event, context))


def spent() -> float | None:
    """What the AI provider has cost in this environment so far; None where nobody can know."""
    return 0.0 if _worker is None else _worker.budget.spent


def flush_outbox(event: object, context: Any) -> dict[str, int]:  # noqa: ARG001 - what Lambda passes
    """Entry point of the scheduled function: send what could not be sent when its ticket was made.

    Raises:
        TicketctlError: Not all was sent; what was not stays, and the next call sends it.
    """
    settings = settings_module.load(os.environ, folder=Path.cwd())

    async def flush() -> int:
        async with open_operator_resources(Database(settings, embedded=False)) as resources:
            return await resources.flush()

    return {"sent": event_loops.run(flush())}


def response(results: Sequence[RecordResult]) -> dict[str, Any]:
    """The partial batch response for these results."""
    failed = [result.message.message_id for result in results if result.error is not None]
    return batch_response(message_id for message_id in failed if message_id is not None)


def _batches(messages: Sequence[Message], *, per_record: bool) -> list[Sequence[Message]]:
    """What each event loop gets."""
    if per_record:
        return [[message] for message in messages]
    return [messages] if messages else []


def _remaining_seconds(context: Any, otherwise: float) -> float:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return remaining() / 1000 if callable(remaining) else otherwise
