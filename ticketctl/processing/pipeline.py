"""Process one ticket: classify and extract concurrently, then route, respond and finish.

The pipeline holds no connection while it waits for a provider. It saves a paid response before it goes on; the free
outputs of a local engine are written together at the end.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from ticketctl.telemetry.metrics import STEP_DURATION
from ticketctl.telemetry.protocols import OFF, Span, Telemetry
from ticketctl.tickets.models import (
    TICKET_KIND,
    Classification,
    Draft,
    Extraction,
    Route,
    Step,
    StepRecord,
    Ticket,
    apply_human_edits,
)
from ticketctl.tickets.protocols import Claim, PipelineResult, Provider, ProviderResponse, Router, TicketStore
from ticketctl.tickets.statuses import TicketStatus

log = logging.getLogger(__name__)

Output = TypeVar("Output", Classification, Extraction, Route, Draft)
First = TypeVar("First")
Second = TypeVar("Second")

ROUTED_BY = "rules"
"""The provider of the routing step in `steps`."""


class LeaseLostError(Exception):
    """The ticket's lease ended while the pipeline ran: another worker may have the ticket now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The four steps over one event loop's store and provider."""

    store: TicketStore
    provider: Provider
    router: Router
    telemetry: Telemetry = OFF

    async def run(self, ticket: Ticket, claim: Claim, token: UUID) -> TicketStatus:
        """Run a claimed ticket through the steps that are not saved yet, and write the result.

        Raises:
            LeaseLostError: The lease is lost; nothing was written since.
            ProviderError: The provider failed; the paid output of a concurrent step is saved.
        """
        return await _Attempt(self, ticket, claim, token).run()


class _Attempt:
    """One attempt to process one ticket."""

    def __init__(self, pipeline: Pipeline, ticket: Ticket, claim: Claim, token: UUID) -> None:
        self._store, self._provider, self._router = pipeline.store, pipeline.provider, pipeline.router
        self._telemetry = pipeline.telemetry
        self._ticket = ticket
        self._claim = claim
        self._token = token
        self._unsaved: list[StepRecord] = []

    async def run(self) -> TicketStatus:
        provider, ticket = self._provider, self._ticket
        analysis, extraction = await _gather_both(
            self._step(Step.CLASSIFY, Classification, lambda: provider.classify(ticket)),
            self._step(Step.EXTRACT, Extraction, lambda: provider.extract(ticket)),
        )
        classification = apply_human_edits(analysis, ticket)
        route = await self._step(
            Step.ROUTE, Route, lambda: self._route(classification, extraction), classification, extraction
        )
        draft = await self._draft(classification, extraction, route)
        review = classification.review or extraction.review or draft.review
        outcome = PipelineResult(
            status=TicketStatus.NEEDS_REVIEW if review else TicketStatus.PROCESSED,
            classification=classification,
            extraction=extraction,
            route=route,
            draft=draft,
        )
        if not await self._store.finish(ticket.id, self._token, outcome, self._unsaved):
            raise _lease_lost(ticket)
        return outcome.status

    async def _draft(self, classification: Classification, extraction: Extraction, route: Route) -> Draft:
        """Return the person's draft, or none, if a person wrote or rejected it; otherwise ask the provider.

        A message that is no ticket gets no draft.
        """
        if "draft" in self._ticket.set_by_human:
            return Draft(text=self._ticket.draft or "", method="human")
        if classification.kind != TICKET_KIND:
            return Draft(text="", method="none")  # an answer to a bounce or an auto-reply starts a mail loop
        return await self._step(
            Step.RESPOND,
            Draft,
            lambda: self._provider.respond(self._ticket, classification, extraction, route),
            classification,
            extraction,
            route,
        )

    async def _route(self, classification: Classification, extraction: Extraction) -> ProviderResponse[Route]:
        return ProviderResponse(output=self._router.route(classification, extraction), model=ROUTED_BY)

    async def _step(
        self,
        step: Step,
        kind: type[Output],
        ask: Callable[[], Awaitable[ProviderResponse[Output]]],
        *inputs: object,
    ) -> Output:
        with self._telemetry.span(step.value, attributes={"ticketctl.ticket.id": self._ticket.id}) as span:
            return await self._reuse_or_ask(step, kind, ask, inputs, span)

    async def _reuse_or_ask(
        self,
        step: Step,
        kind: type[Output],
        ask: Callable[[], Awaitable[ProviderResponse[Output]]],
        inputs: tuple[object, ...],
        span: Span,
    ) -> Output:
        """Return the saved output if it is still valid; otherwise ask the provider and keep its response.

        An output is valid while the prompt hash is the same. The output of a fallback is never reused.
        """
        is_routing = step is Step.ROUTE
        if is_routing:
            fingerprint = self._router.fingerprint()
        else:
            fingerprint = self._provider.fingerprint(step, self._ticket)
        prompt_hash = _hash(fingerprint, inputs)
        saved = self._claim.steps.get(step)
        if saved is not None and saved.prompt_hash == prompt_hash and not saved.output.get("degraded"):
            span.set_attributes({"ticketctl.step.is_reused": True})
            return msgspec.convert(saved.output, kind)
        started = time.perf_counter()
        response = await ask()
        record = StepRecord(
            step=step,
            output=msgspec.to_builtins(response.output),
            provider=ROUTED_BY if is_routing else self._provider.name,
            model=response.model,
            prompt_hash=prompt_hash,
            input_tokens=response.input_tokens,
            output_tokens=response.output_tokens,
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
            sent=response.sent,
        )
        log.info(
            "step done",
            extra={"ticket_id": self._ticket.id, "step": step.value, "duration_ms": record.duration_ms},
        )
        self._record(record, span)
        await self._keep(record, paid=not (is_routing or self._provider.local))
        return response.output

    def _record(self, record: StepRecord, span: Span) -> None:
        names = {"ticketctl.step": record.step.value, "ticketctl.provider": record.provider}
        span.set_attributes({**names, "ticketctl.model": record.model})
        self._telemetry.record(STEP_DURATION, record.duration_ms / 1000, names)

    async def _keep(self, record: StepRecord, *, paid: bool) -> None:
        if not paid or record.step is Step.RESPOND:
            # `finish` writes it. A paid draft is safe too: `finish` is the next statement after it.
            self._unsaved.append(record)
        elif not await self._store.save_step(self._ticket.id, self._token, record):
            raise _lease_lost(self._ticket)


async def _gather_both(
    first: Coroutine[Any, Any, First], second: Coroutine[Any, Any, Second]
) -> tuple[First, Second]:
    """Run two steps concurrently. If one fails, wait for the other, so that its paid response is saved."""
    left, right = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(left, BaseException):
        raise left
    if isinstance(right, BaseException):
        raise right
    return left, right


def _hash(fingerprint: str, inputs: tuple[object, ...]) -> str:
    return hashlib.sha256(fingerprint.encode() + b"\0" + msgspec.json.encode(inputs)).hexdigest()


def _lease_lost(ticket: Ticket) -> LeaseLostError:
    return LeaseLostError(f"the lease on ticket {ticket.id} ended before the work was done")
