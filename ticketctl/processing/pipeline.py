"""What the worker does to one ticket: classify and extract at the same time, route, respond, finish.

No connection is held while a provider is being waited for. An answer that was paid for is saved before the
work goes on; what a local engine said is saved with the next write, for asking it again costs nothing.
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

from ticketctl.tickets.models import (
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
"""What `steps` names as the provider of a route: plain code."""


class LeaseLostError(Exception):
    """The ticket's lease ended while it was being worked on: another worker has it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The four steps over one event loop's store and provider."""

    store: TicketStore
    provider: Provider
    router: Router

    async def run(self, ticket: Ticket, claim: Claim, token: UUID) -> TicketStatus:
        """Run a claimed ticket to its end, from after the steps that are saved.

        Raises:
            LeaseLostError: Nothing more was written.
            ProviderError: The provider failed; what the other step gave is saved.
        """
        return await _Run(self, ticket, claim, token).finish()


class _Run:
    """One try at one ticket."""

    def __init__(self, pipeline: Pipeline, ticket: Ticket, claim: Claim, token: UUID) -> None:
        self._store, self._provider, self._router = pipeline.store, pipeline.provider, pipeline.router
        self._ticket = ticket
        self._claim = claim
        self._token = token
        self._unsaved: list[StepRecord] = []

    async def finish(self) -> TicketStatus:
        provider, ticket = self._provider, self._ticket
        said, extraction = await _both(
            self._step(Step.CLASSIFY, Classification, lambda: provider.classify(ticket)),
            self._step(Step.EXTRACT, Extraction, lambda: provider.extract(ticket)),
        )
        classification = apply_human_edits(said, ticket)
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
            raise _lost(ticket)
        return outcome.status

    async def _draft(self, classification: Classification, extraction: Extraction, route: Route) -> Draft:
        """Nobody asks for a draft where a human wrote it, or wants none."""
        if "draft" in self._ticket.set_by_human:
            return Draft(text=self._ticket.draft or "", method="human")
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
        """Answer from what is saved while it still holds, else ask and keep the answer.

        What a stand-in said holds only for the try that needed it.
        """
        by_code = step is Step.ROUTE
        fingerprint = self._router.fingerprint() if by_code else self._provider.fingerprint(step)
        prompt_hash = _hash(fingerprint, inputs)
        saved = self._claim.steps.get(step)
        if saved is not None and saved.prompt_hash == prompt_hash and not saved.output.get("degraded"):
            return msgspec.convert(saved.output, kind)
        started = time.perf_counter()
        answer = await ask()
        record = StepRecord(
            step=step,
            output=msgspec.to_builtins(answer.output),
            provider=ROUTED_BY if by_code else self._provider.name,
            model=answer.model,
            prompt_hash=prompt_hash,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
            sent=answer.sent,
        )
        log.info(
            "step done",
            extra={"ticket_id": self._ticket.id, "step": step.value, "duration_ms": record.duration_ms},
        )
        await self._keep(record, paid=not (by_code or self._provider.local))
        return answer.output

    async def _keep(self, record: StepRecord, *, paid: bool) -> None:
        if not paid or record.step is Step.RESPOND:
            # finishing writes it: for a paid draft too, that is the very next statement
            self._unsaved.append(record)
        elif not await self._store.save_step(self._ticket.id, self._token, record):
            raise _lost(self._ticket)


async def _both(
    first: Coroutine[Any, Any, First], second: Coroutine[Any, Any, Second]
) -> tuple[First, Second]:
    """Run two steps at once; where one fails the other still ends, so that its answer is saved."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(other, BaseException):
        raise other
    return one, other


def _hash(fingerprint: str, inputs: tuple[object, ...]) -> str:
    return hashlib.sha256(fingerprint.encode() + b"\0" + msgspec.json.encode(inputs)).hexdigest()


def _lost(ticket: Ticket) -> LeaseLostError:
    return LeaseLostError(f"the lease on ticket {ticket.id} ended before its work did")
