"""Fakes of the ports: a store in memory, a provider and a router with switches, Lambda's context."""
# ruff: noqa: ARG002 - a fake takes every argument of its port

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.processing.pipeline import Pipeline
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import (
    Classification,
    Draft,
    Entity,
    Extraction,
    NewTicket,
    Route,
    Step,
    StepRecord,
    Ticket,
    TicketDetails,
)
from ticketctl.tickets.protocols import Claim, PipelineResult, ProviderResponse, RecordFailure, TicketPage
from ticketctl.tickets.statuses import TicketStatus

Output = TypeVar("Output")

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
OUTCOME = PipelineResult(
    status=TicketStatus.PROCESSED,
    classification=Classification(
        category="billing",
        priority="normal",
        sentiment="neutral",
        language="en",
        confidence=1,
        method="rules",
    ),
    extraction=Extraction(),
    route=Route(team="billing", rule="r", reason="r"),
    draft=Draft(text="Hello", method="template"),
)
"""A result of the pipeline, for tests that do not look at it."""


def new_ticket(ticket_id: int, subject: str = "My printer is on fire") -> Ticket:
    """Return a new ticket."""
    return replace(ticket_from_text(subject), id=ticket_id, created_at=NOON, updated_at=NOON)


@dataclass
class FakeStore:
    """A ticket store in memory.

    `failing` maps the name of a method to the error that it raises. `sharing` is True while calls may share a
    connection.
    """

    tickets: dict[int, Ticket] = field(default_factory=dict)
    key_owners: dict[int, str] = field(default_factory=dict)
    steps: dict[int, dict[Step, StepRecord]] = field(default_factory=dict)
    failing: dict[str, Exception] = field(default_factory=dict)
    sharing: bool = False

    @classmethod
    def of(cls, *ticket_ids: int) -> "FakeStore":
        """Return a store with these new tickets."""
        return cls({ticket_id: new_ticket(ticket_id) for ticket_id in ticket_ids})

    def change(self, ticket_id: int, **values: object) -> None:
        """Change a ticket directly."""
        self.tickets[ticket_id] = replace(self.tickets[ticket_id], **values)  # type: ignore[arg-type]

    async def create(self, ticket: NewTicket) -> tuple[Ticket, bool]:
        self._raise_if_failing("create")
        for known in self.tickets.values():
            key = (known.idempotency_key, self.key_owners.get(known.id, ""))
            if known.idempotency_key is not None and key == (ticket.idempotency_key, ticket.key_owner):
                return known, False
        made = replace(
            new_ticket(len(self.tickets) + 1, ticket.subject),
            body=ticket.body,
            requester=ticket.requester,
            idempotency_key=ticket.idempotency_key,
        )
        self.tickets[made.id] = made
        self.key_owners[made.id] = ticket.key_owner
        return made, True

    async def list(
        self,
        wanted: TicketFilter,
        *,
        sort: str,
        limit: int,
        after: str | None,
        count: bool,
        **_bounds: object,
    ) -> TicketPage:
        self._raise_if_failing("list")
        matching = [t for t in self.tickets.values() if not wanted.status or t.status in wanted.status]
        matching.sort(key=lambda ticket: ticket.id, reverse=sort.startswith("-"))
        ids = [str(ticket.id) for ticket in matching]
        start = 0 if after is None else ids.index(after) + 1
        page = matching[start : start + limit]
        more = start + limit < len(matching)
        return TicketPage(
            tickets=page,
            next_cursor=str(page[-1].id) if more else None,
            total=len(matching) if count else None,
        )

    async def get_details(self, ticket_id: int) -> TicketDetails | None:
        self._raise_if_failing("get_details")
        ticket = self.tickets.get(ticket_id)
        return None if ticket is None else TicketDetails(ticket=ticket)

    @asynccontextmanager
    async def share_connection(self) -> AsyncIterator[None]:
        self.sharing = True
        yield
        self.sharing = False

    async def claim(
        self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
    ) -> Mapping[int, Claim]:
        self._raise_if_failing("claim")
        return {
            ticket_id: self._claim(ticket_id, token, lease)
            for ticket_id in dict.fromkeys(message.ticket_id for message in messages)
        }

    async def save_step(self, ticket_id: int, token: UUID, step: StepRecord) -> bool:
        self._raise_if_failing("save_step")
        return self._save(ticket_id, token, [step])

    async def finish(
        self, ticket_id: int, token: UUID, outcome: PipelineResult, steps: Sequence[StepRecord]
    ) -> bool:
        self._raise_if_failing("finish")
        if not self._save(ticket_id, token, steps):
            return False
        self.change(
            ticket_id,
            status=outcome.status,
            category=outcome.classification.category,
            team=outcome.route.team,
            draft=outcome.draft.text,
            error=None,
            lease_token=None,
            lease_until=None,
        )
        return True

    async def extend_leases(self, ticket_ids: Collection[int], *, token: UUID, lease: timedelta) -> None:
        self._raise_if_failing("extend_leases")
        for ticket_id in ticket_ids:
            if self.tickets[ticket_id].lease_token == token:
                self.change(ticket_id, lease_until=datetime.now(UTC) + lease)

    async def release(self, failures: Sequence[RecordFailure], *, token: UUID, environment_id: str) -> None:
        self._raise_if_failing("release")
        for failure in failures:
            ticket = self.tickets.get(failure.message.ticket_id)
            if ticket is not None and (ticket.lease_token == token or ticket.status is TicketStatus.NEW):
                counted = ticket.lease_token is not None
                self.change(
                    ticket.id,
                    status=TicketStatus.FAILED if failure.final else TicketStatus.NEW,
                    error=failure.error,
                    attempt=ticket.attempt + failure.attempted - counted,
                    lease_token=None,
                    lease_until=None,
                )

    def _raise_if_failing(self, method: str) -> None:
        error = self.failing.get(method)
        if error is not None:
            raise error

    def _claim(self, ticket_id: int, token: UUID, lease: timedelta) -> Claim:
        before = self.tickets.get(ticket_id)
        free = before is not None and before.status is TicketStatus.NEW
        if before is not None and free:
            self.change(
                ticket_id,
                status=TicketStatus.PROCESSING,
                attempt=before.attempt + 1,
                lease_token=token,
                lease_until=datetime.now(UTC) + lease,
            )
        return Claim(
            ticket_id=ticket_id,
            ticket=self.tickets[ticket_id] if free else None,
            status=None if before is None else before.status,
            lease_until=None if before is None else before.lease_until,
            steps=dict(self.steps.get(ticket_id, {})),
        )

    def _save(self, ticket_id: int, token: UUID, steps: Sequence[StepRecord]) -> bool:
        if self.tickets[ticket_id].lease_token != token:
            return False
        self.steps.setdefault(ticket_id, {}).update({step.step: step for step in steps})
        return True


@dataclass
class FakeProvider:
    """A provider that responds at once, unless a switch says otherwise.

    `failing` maps a ticket and a step to the error that is raised. Tickets in `stuck` never get a response. With
    `meeting` every classification waits until that many tickets wait. With `local=False` the responses are paid.
    `prompt` is part of every fingerprint. `asked` lists the requests.
    """

    local: bool = True
    prompt: str = "1"
    category: str = "billing"
    review: tuple[str, ...] = ()
    degraded: bool = False
    kind: str = "ticket"
    failing: dict[tuple[int, Step], Exception] = field(default_factory=dict)
    stuck: set[int] = field(default_factory=set)
    meeting: asyncio.Barrier | None = None
    asked: list[tuple[int, Step]] = field(default_factory=list)
    classifications: list[Classification] = field(default_factory=list)
    name = "fake"

    def fingerprint(self, step: Step, ticket: object = None) -> str:
        return f"{step}:{self.prompt}"

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        if self.meeting is not None:
            await self.meeting.wait()
        classification = Classification(
            category=self.category,
            priority="normal",
            sentiment="neutral",
            language="en",
            confidence=0.9,
            method="model",
            review=self.review,
            degraded=self.degraded,
            kind=self.kind,
        )
        return await self._answer(ticket, Step.CLASSIFY, classification)

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        entity = Entity(kind="order_id", value="A-1", start=0, end=3)
        return await self._answer(ticket, Step.EXTRACT, Extraction(entities=(entity,)))

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Draft]:
        self.classifications.append(classification)
        return await self._answer(ticket, Step.RESPOND, Draft(text=f"From {route.team}", method="model"))

    async def _answer(self, ticket: Ticket, step: Step, output: Output) -> ProviderResponse[Output]:
        self.asked.append((ticket.id, step))
        if ticket.id in self.stuck:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        error = self.failing.get((ticket.id, step))
        if error is not None:
            raise error
        sent = None if self.local else f"{step} {ticket.text}"
        return ProviderResponse(output=output, model="fake-1", input_tokens=7, output_tokens=3, sent=sent)


@dataclass
class FakeRouter:
    """Routes to a team named after the category."""

    version: str = "1"

    def fingerprint(self) -> str:
        return self.version

    def route(self, classification: Classification, extraction: Extraction) -> Route:
        return Route(team=f"{classification.category} team", rule="by category", reason="it is so named")


def pipeline_of(store: FakeStore, provider: FakeProvider, router: FakeRouter | None = None) -> Pipeline:
    """Return a pipeline over the fakes."""
    return Pipeline(store=store, provider=provider, router=router or FakeRouter())


@dataclass(frozen=True)
class FakeContext:
    """The context that Lambda passes to a handler; `remaining_ms` does not decrease."""

    remaining_ms: int = 30_000
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms
