"""Our worker and API in the laboratory: pools and execution models, each pair in processes of its own.

They work on a scratch database.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import uuid4

from ticketctl.diagnostics.execution_models import EXECUTION_MODELS, request_event
from ticketctl.diagnostics.side_effects import SideEffectObserver
from ticketctl.postgres.address import Address
from ticketctl.postgres.scratch_database import BODY, SUBJECT, ScratchDatabase, scratch_database
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event, message_body, parse_event
from ticketctl.warmstart.report.model import Report
from ticketctl.warmstart.runner.experiment import EnvironmentConfig, Experiment, Runtime
from ticketctl.warmstart.runner.lab import Laboratory

BATCH = 3
"""Records of the default event."""
REQUEST = {"subject": SUBJECT, "body": BODY}
"""What a request to the API creates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """What is to be simulated.

    `pairs` are (pool, execution model); `batches` the records of the worker's events that take turns, replayed with
    new tickets (none: the default batch); `server` is where the scratch database is made, `ours` whether it is the
    embedded one. `runtime` is who calls the handler, "direct" or "awslambdaric".
    """

    settings: Settings
    server: Address
    ours: bool
    pairs: Sequence[tuple[str, str]]
    times: int
    batches: Sequence[Sequence[Mapping[str, Any]]] = ()
    runtime: Runtime = "direct"


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One pair, and what the laboratory says of it."""

    pool: str
    loop: str
    report: Report
    ticket_ids: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The report's JSON form, the ticket of each record added."""
        form = self.report.to_json()
        for invocation in [*form["invocations"], *([form["thaw"]] if form["thaw"] else [])]:
            for record in invocation["records"]:
                record["ticket_id"] = self.ticket_ids.get(record["message_id"])
        return form


async def simulate(plan: SimulationPlan, advance: Callable[[], None]) -> list[MatrixCell]:
    """Examine every pair, in the order of the plan; `advance` is called as each is done.

    Raises:
        DatabaseError: The scratch database cannot be made.
    """
    # the template process imports while the database is being made
    async with (
        Laboratory(preload=_imports(plan)) as laboratory,
        scratch_database(plan.server, plan.settings, ours=plan.ours) as database,
    ):
        ids = iter(await database.make_tickets(_tickets_needed(plan)))
        turns = asyncio.Semaphore(os.cpu_count() or 1)

        async def examine(pool: str, loop: str) -> MatrixCell:
            bench = _Bench(plan, database, pool, loop, ids)
            async with turns:
                report = await laboratory.examine(bench.experiment())
            advance()
            findings = [*report.findings, *bench.side_effects.findings()]
            return MatrixCell(pool, loop, replace(report, findings=findings), bench.ticket_ids)

        async with asyncio.TaskGroup() as group:
            cells = [group.create_task(examine(pool, loop)) for pool, loop in plan.pairs]
        return [cell.result() for cell in cells]


class _Bench:
    """What one pair's two environments get: events with tickets of their own, and names of their own."""

    def __init__(
        self, plan: SimulationPlan, database: ScratchDatabase, pool: str, loop: str, ids: Iterator[int]
    ) -> None:
        self._plan = plan
        self._database = database
        self._pool = pool
        self._model = EXECUTION_MODELS[loop]
        self._ids = ids
        self.ticket_ids: dict[str, int] = {}
        self._name = f"ticketctl-{uuid4().hex[:12]}"
        self.side_effects = SideEffectObserver(database.backend(self._name), self.ticket_ids)

    def experiment(self) -> Experiment:
        alone = self._stage(self._plan.times + 1, self._name)
        with_gc = self._stage(self._plan.times, f"{self._name}-gc")
        return Experiment(
            handler=self._model.handler,
            events=alone.events,
            times=self._plan.times,
            environment=alone.environment,
            server=alone.server,
            observer=self.side_effects.observe,
            with_gc=with_gc,
            runtime=self._plan.runtime,
            labels={"pool": self._pool, "loop": self._model.name},
        )

    def _stage(self, events: int, name: str) -> EnvironmentConfig:
        environment = {
            "TICKETCTL_DATABASE_URL": self._database.address.dsn,
            self._model.pool: self._pool,
            "TICKETCTL_APPLICATION_NAME": name,
            "TICKETCTL_AI_PROVIDER": "offline",
            "TICKETCTL_API_AUTH": "gateway",
            "AWS_LAMBDA_LOG_LEVEL": "ERROR",  # nobody reads more of it
        }
        if self._model.loop is not None:
            environment[self._model.loop] = self._model.name
        made = [self._event(number) for number in range(events)]
        return EnvironmentConfig(events=made, environment=environment, server=self._database.backend(name))

    def _event(self, number: int) -> dict[str, Any]:
        if not self._model.takes_records:
            return request_event("POST", "/tickets", REQUEST)
        batches = self._plan.batches
        if not batches:
            messages = [
                TicketMessage(message_id=str(uuid4()), ticket_id=ticket_id)
                for ticket_id in islice(self._ids, BATCH)
            ]
            self.ticket_ids |= {message.message_id: message.ticket_id for message in messages}
            return build_event(messages, sent_at=datetime.now(UTC))
        return {"Records": [self._renewed(record) for record in batches[number % len(batches)]]}

    def _renewed(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same record for a new ticket; one that names no ticket stays as it is."""
        if not _names_ticket(record):
            return record
        message_id, ticket_id = str(uuid4()), next(self._ids)
        self.ticket_ids[message_id] = ticket_id
        return {**record, "messageId": message_id, "body": message_body(ticket_id)}


def _imports(plan: SimulationPlan) -> list[str]:
    """What the environments import, each module once."""
    return list(
        dict.fromkeys(module for _, model in plan.pairs for module in EXECUTION_MODELS[model].imports)
    )


def _tickets_needed(plan: SimulationPlan) -> int:
    batch = max((sum(map(_names_ticket, records)) for records in plan.batches), default=BATCH)
    pairs = sum(EXECUTION_MODELS[model].takes_records for _, model in plan.pairs)
    return pairs * (2 * plan.times + 1) * batch


def _names_ticket(record: Mapping[str, Any]) -> bool:
    return isinstance(parse_event({"Records": [record]})[0], TicketMessage)
