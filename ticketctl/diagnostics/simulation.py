"""Run our own worker and API in the laboratory: each pair of pool and execution model in its own processes.

All of them use one scratch database.
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
"""The body of a request to the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """What to simulate.

    `pairs` are (pool, execution model). `batches` are the records of the worker's events; invocations use them in
    turn, each time with new tickets; without any, the default batch is used. `server` creates the scratch database;
    `ours` says whether it is the embedded server. `runtime` says what calls the handler: "direct" or "awslambdaric".
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
    """One pair and the laboratory's report on it."""

    pool: str
    loop: str
    report: Report
    ticket_ids: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the report's JSON form with the ticket of each record."""
        form = self.report.to_json()
        for invocation in [*form["invocations"], *([form["thaw"]] if form["thaw"] else [])]:
            for record in invocation["records"]:
                record["ticket_id"] = self.ticket_ids.get(record["message_id"])
        return form


async def simulate(plan: SimulationPlan, on_progress: Callable[[], None]) -> list[MatrixCell]:
    """Examine every pair and return the cells in the order of the plan; call `on_progress` after each.

    Raises:
        DatabaseError: The scratch database cannot be created.
        ConfigError: The embedding model cannot be used.
    """
    if plan.settings.ai_embeddings is not None:
        _train_before(plan.settings)
    # the template process imports modules while the database is created
    async with (
        Laboratory(preload=_modules_to_preload(plan)) as laboratory,
        scratch_database(plan.server, plan.settings, ours=plan.ours) as database,
    ):
        ids = iter(await database.make_tickets(_count_tickets(plan)))
        environments = 2 * (os.cpu_count() or 1)
        slots = asyncio.Semaphore(environments if _is_matrix(plan) else environments // 2)

        async def examine(pool: str, loop: str) -> MatrixCell:
            setup = _CellSetup(plan, database, pool, loop, ids)
            async with slots:
                report = await laboratory.examine(setup.experiment())
            on_progress()
            findings = [*report.findings, *setup.side_effects.findings()]
            return MatrixCell(pool, loop, replace(report, findings=findings), setup.ticket_ids)

        async with asyncio.TaskGroup() as group:
            cells = [group.create_task(examine(pool, loop)) for pool, loop in plan.pairs]
        return [cell.result() for cell in cells]


def _train_before(settings: Settings) -> None:
    """Let the offline engine train now and cache its model: an invocation has no time for it. Raises ConfigError."""
    from ticketctl.ai.providers.factory import ProviderFactory, load_taxonomy

    ProviderFactory(replace(settings, ai_provider="offline"), load_taxonomy(settings))


class _CellSetup:
    """Prepares the two environments of one pair: events with separate tickets, and separate application names."""

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
        self.side_effects = SideEffectObserver(database.monitor(self._name), self.ticket_ids)

    def experiment(self) -> Experiment:
        without_gc = self._environment(self._plan.times + 1, self._name)
        with_gc = self._environment(self._plan.times, f"{self._name}-gc")
        return Experiment(
            handler=self._model.handler,
            events=without_gc.events,
            times=self._plan.times,
            environment=without_gc.environment,
            server=without_gc.server,
            observer=self.side_effects.observe,
            with_gc=with_gc,
            runtime=self._plan.runtime,
            # the worker and its pools are known: counts after `times` invocations say enough, in little time
            max_times=self._plan.times,
            is_thorough=False,
            skip_gc_if_known=_is_matrix(self._plan),
            labels={"pool": self._pool, "loop": self._model.name},
        )

    def _environment(self, events: int, name: str) -> EnvironmentConfig:
        variables = {
            "TICKETCTL_DATABASE_URL": self._database.address.dsn,
            self._model.pool: self._pool,
            "TICKETCTL_APPLICATION_NAME": name,
            "TICKETCTL_AI_PROVIDER": "offline",
            "TICKETCTL_API_AUTH": "gateway",
            "AWS_LAMBDA_LOG_LEVEL": "ERROR",  # the simulation reads errors only
        }
        if self._model.loop is not None:
            variables[self._model.loop] = self._model.name
        records = [self._event(number) for number in range(events)]
        return EnvironmentConfig(events=records, environment=variables, server=self._database.monitor(name))

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
        return {"Records": [self._with_new_ticket(record) for record in batches[number % len(batches)]]}

    def _with_new_ticket(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the record with a new ticket; a record that names no ticket stays unchanged."""
        if not _names_ticket(record):
            return record
        message_id, ticket_id = str(uuid4()), next(self._ids)
        self.ticket_ids[message_id] = ticket_id
        return {**record, "messageId": message_id, "body": message_body(ticket_id)}


def _is_matrix(plan: SimulationPlan) -> bool:
    """Return whether there are so many environments that one less saves time; those of one pair run at once."""
    return len(plan.pairs) > 1


def _modules_to_preload(plan: SimulationPlan) -> list[str]:
    """Return the modules that the environments import, each once."""
    return list(
        dict.fromkeys(module for _, model in plan.pairs for module in EXECUTION_MODELS[model].imports)
    )


def _count_tickets(plan: SimulationPlan) -> int:
    batch = max((sum(map(_names_ticket, records)) for records in plan.batches), default=BATCH)
    pairs = sum(EXECUTION_MODELS[model].takes_records for _, model in plan.pairs)
    return pairs * (2 * plan.times + 1) * batch


def _names_ticket(record: Mapping[str, Any]) -> bool:
    return isinstance(parse_event({"Records": [record]})[0], TicketMessage)
