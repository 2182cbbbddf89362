"""The worker Lambda: `ticketctl.worker.handler`.

Lambda keeps an execution environment between invocations and calls the handler again: a warm start. The first
invocation makes the objects that live as long as the process. Objects bound to an event loop (connections, HTTP
clients) are made once per event loop.
"""

import gc

# No object of the imports becomes garbage: looking for it takes an eighth of their time.
_is_collecting = gc.isenabled()
gc.disable()

import logging
import math
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
from ticketctl.ai.providers.account_status import AccountStatus
from ticketctl.errors import ConfigError, DatabaseError
from ticketctl.event_loops import Loop, get_loop_policy
from ticketctl.postgres.pools import explain_unsafe_pair, get_pool
from ticketctl.processing.batch import Limits, RecordResult, fail_all, process
from ticketctl.processing.emf import InvocationMetrics, write_metrics
from ticketctl.processing.invocation_spans import open_invocation_span, record_invocation
from ticketctl.processing.record_errors import describe_error
from ticketctl.runtime import (
    Database,
    OpenPipeline,
    make_telemetry,
    open_operator_resources,
    resources,
)
from ticketctl.settings import PREFIX, Settings
from ticketctl.telemetry.logs import REQUEST_ID, log_on_lambda
from ticketctl.telemetry.metrics import COST
from ticketctl.telemetry.protocols import Telemetry, get_seconds_to_flush
from ticketctl.telemetry.shutdown import flush_at_sigterm
from ticketctl.tickets.messages import Message, TicketMessage, batch_response, parse_event
from ticketctl.tickets.pricing import parse_prices

if _is_collecting:
    gc.freeze()
    gc.unfreeze()  # the imported objects are now in the oldest generation: the next collections do not visit them
    gc.enable()

log = logging.getLogger(__name__)


class Worker:
    """One execution environment: the state that a process keeps between invocations.

    `limit` bounds the cost of the AI provider; records that would exceed it fail. `pipelines` makes the pipeline of
    each event loop; by default the settings decide. `telemetry` is by default that of the OTEL_ variables.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        limit: float | None = None,
        pipelines: OpenPipeline | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.environment_id = str(uuid4())
        self.budget = Budget(parse_prices(settings), limit)
        self.account = AccountStatus()
        self.telemetry = telemetry or make_telemetry(self.environment_id)
        self._settings = settings
        self._policy = get_loop_policy(settings.loop)
        self._loop = Loop(
            self._policy, pipelines or resources(settings, self.budget, self.account, self.telemetry)
        )
        warning = explain_unsafe_pair(get_pool(settings.pool), self._policy)
        if warning is not None:
            log.warning(warning)

    def invoke(self, event: object, context: Any) -> list[RecordResult]:
        """Process the records of an event and return a result for each, in their order.

        `context` is Lambda's context. Without one, the visibility timeout limits the invocation.

        Raises:
            InvalidInputError: The event is not an SQS event.
        """
        REQUEST_ID.set(getattr(context, "aws_request_id", None))
        messages = parse_event(event)
        limits = self._limits(context)
        results: list[RecordResult] = []
        with open_invocation_span(self.telemetry, messages, context):
            for batch in _batches(messages, per_record=self._policy.per_record):
                results += self._process(batch, limits, results)
            record_invocation(self.telemetry, results)
        return results

    def handle(self, event: object, context: Any) -> dict[str, Any]:
        """Process an SQS event and return the partial batch response.

        Raises:
            InvalidInputError: The event is not an SQS event.
            ConfigError: The function's timeout leaves no time for work.
            DatabaseError: No ticket could be claimed, and that could not be written on the tickets either. An error of
                the invocation is visible on Lambda, and the queue delivers the whole batch again.
        """
        self._require_time(context)
        started, spent = time.perf_counter(), self.budget.spent
        try:
            results = self.invoke(event, context)
            self._record_cost(spent)
        finally:
            self.telemetry.flush(get_seconds_to_flush(context))
        if self._settings.metrics == "emf":
            self._write_metrics(results, context, time.perf_counter() - started, spent)
        records = [result for result in results if isinstance(result.message, TicketMessage)]
        if records and all(result.is_lost for result in records):
            error = records[0].error or AssertionError("a lost record has an error")
            raise DatabaseError(f"the batch was not attempted: {describe_error(error)}") from error
        return response(results)

    def _record_cost(self, spent_before: float | None) -> None:
        if self.budget.spent and spent_before is not None:
            self.telemetry.record(COST, self.budget.spent - spent_before)

    def _write_metrics(
        self, results: Sequence[RecordResult], context: Any, seconds: float, spent_before: float | None
    ) -> None:
        spent = self.budget.spent
        returned = sum(result.error is not None for result in results)
        metrics = InvocationMetrics(
            done=len(results) - returned,
            returned=returned,
            seconds=seconds,
            cost=None if spent is None or spent_before is None else spent - spent_before,
            account_refusals=self.account.failures,
        )
        write_metrics(metrics, getattr(context, "function_name", "ticketctl"))

    def _require_time(self, context: Any) -> None:
        remaining, grace_period = _get_remaining_seconds(context, math.inf), self._settings.shutdown_reserve
        if remaining <= grace_period:
            raise ConfigError(
                f"the function has {remaining:g} s left at its start, and the grace period takes {grace_period:g} s",
                hint=f"raise the function's timeout, or lower {PREFIX}SHUTDOWN_RESERVE",
            )

    def close(self) -> None:
        """Close the resources of a persistent event loop, and send the last metrics."""
        self._loop.close()
        self.telemetry.flush(is_last=True)

    def _process(
        self, messages: Sequence[Message], limits: Limits, earlier: Sequence[RecordResult]
    ) -> list[RecordResult]:
        failed_groups = {
            result.message.group for result in earlier if result.error is not None and result.message.group
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
        except Exception as error:  # noqa: BLE001 - the loop's resources failed: the error of each record
            return fail_all(messages, error)

    def _limits(self, context: Any) -> Limits:
        settings = self._settings
        remaining = _get_remaining_seconds(context, settings.visibility_timeout)
        return Limits(
            deadline=time.monotonic() + remaining - settings.shutdown_reserve,
            lease=timedelta(seconds=min(remaining, settings.visibility_timeout)),
            max_receive_count=settings.max_receive_count,
            reserve=settings.shutdown_reserve,
            counts_every_delivery=settings.queue_url is not None,
        )


_worker: Worker | None = None


def handler(event: object, context: Any) -> dict[str, Any]:
    """Process an SQS event and return the messages that must be delivered again. Lambda calls this function.

    Raises:
        TicketctlError: A setting is wrong, the event is not an SQS event, or the batch was not attempted. Lambda then
            delivers the whole batch again.
    """
    global _worker  # noqa: PLW0603 - a warm start reuses the execution environment
    if _worker is None:
        log_on_lambda(os.environ)
        _worker = Worker(settings_module.load(os.environ, folder=Path.cwd()))
        flush_at_sigterm(_worker.telemetry)
    return _worker.handle(event, context)


def status() -> dict[str, Any]:
    """Return what `ticketctl work` reads after each invocation of this environment.

    `spent` is the cost of the AI provider so far, None if it is unknown. `account_failures` counts refusals of the
    account in a row, and `account_error` is the last one.
    """
    if _worker is None:
        return {"spent": 0.0, "account_failures": 0, "account_error": None}
    account = _worker.account
    return {
        "spent": _worker.budget.spent,
        "account_failures": account.failures,
        "account_error": account.error,
    }


def flush_outbox(event: object, context: Any) -> dict[str, int]:  # noqa: ARG001 - what Lambda passes
    """Send the messages in the outbox to the queue. A schedule calls this function on Lambda.

    Raises:
        TicketctlError: Some messages were not sent. They stay in the outbox for the next call.
    """
    settings = settings_module.load(os.environ, folder=Path.cwd())

    async def flush() -> int:
        async with open_operator_resources(Database(settings, embedded=False)) as opened:
            try:
                return await opened.flush()
            finally:
                await opened.record_waiting()

    return {"sent": event_loops.run(flush())}


def response(results: Sequence[RecordResult]) -> dict[str, Any]:
    """Return the partial batch response for these results."""
    return batch_response(result.message.message_id for result in results if result.error is not None)


def _batches(messages: Sequence[Message], *, per_record: bool) -> list[Sequence[Message]]:
    """Return the batches, one per event loop."""
    if per_record:
        return [[message] for message in messages]
    return [messages] if messages else []


def _get_remaining_seconds(context: Any, default: float) -> float:
    get_remaining = getattr(context, "get_remaining_time_in_millis", None)
    return get_remaining() / 1000 if callable(get_remaining) else default
