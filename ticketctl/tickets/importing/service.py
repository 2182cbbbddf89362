"""Import records: create tickets, thread replies onto theirs, and count what became of each record."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ticketctl.tickets import decisions
from ticketctl.tickets.decisions import NAME_LIMIT, Decision, DecisionStore
from ticketctl.tickets.history import Actor, ActorKind
from ticketctl.tickets.importing.records import ImportedTicket, Refused

BATCH = 1000
"""Tickets per statement."""
_BATCH_LENGTH = 4_000_000
"""Characters of text per statement."""


class ImportStore(Protocol):
    """Creates imported tickets. All methods raise DatabaseError."""

    async def find_keys(self, keys: Sequence[str]) -> Mapping[str, int]:
        """Return the tickets that have these idempotency keys, or were replied to by mails with these ids."""

    async def create_many(self, tickets: Sequence[ImportedTicket], *, created_by: str) -> Mapping[str, int]:
        """Create tickets and their messages in one statement; return the new ids by idempotency key.

        A ticket whose key exists already is left out.
        """


@dataclass(slots=True)
class ImportSummary:
    """How many records became what. `known` were imported before; `skipped` are automatic mails."""

    created: int = 0
    replies: int = 0
    known: int = 0
    skipped: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        """Return the number of records."""
        return self.created + self.replies + self.known + self.skipped + self.refused


@dataclass(slots=True)
class _Plan:
    """What to do with a batch: tickets to create, and replies with the key of the ticket or mail that they answer."""

    creating: list[ImportedTicket] = field(default_factory=list)
    replying: list[tuple[str, ImportedTicket]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """Imports records into a store, or only counts them (`is_dry_run`).

    `report` gets each record that becomes no ticket, `advance` the summary after each batch.
    """

    store: ImportStore
    decisions: DecisionStore
    source: str
    is_dry_run: bool
    report: Callable[[Refused], None]
    advance: Callable[[ImportSummary], None]

    async def run(self, records: Iterable[ImportedTicket | Refused]) -> ImportSummary:
        """Import all records. An interruption loses none: the next import goes on where this one ended."""
        summary, batches = ImportSummary(), _split(records)
        batch = await asyncio.to_thread(next, batches, None)
        while batch is not None:
            # the next batch is read and parsed while the database writes this one
            following = asyncio.create_task(asyncio.to_thread(next, batches, None))
            try:
                await self._take(batch, summary)
            finally:
                await asyncio.wait([following])
            self.advance(summary)
            batch = await following
        return summary

    async def _take(self, batch: Sequence[ImportedTicket | Refused], summary: ImportSummary) -> None:
        tickets = []
        for record in batch:
            if isinstance(record, Refused):
                summary.skipped += record.is_skipped
                summary.refused += not record.is_skipped
                self.report(record)
            else:
                tickets.append(record)
        await self._import(tickets, summary)

    async def _import(self, batch: Sequence[ImportedTicket], summary: ImportSummary) -> None:
        ids: dict[str, int] = {}
        # the statement that creates tickets leaves out known keys by itself
        if self.is_dry_run or any(one.references for one in batch):
            wanted = {key for one in batch for key in (_key(one), *one.references)}
            ids |= await self.store.find_keys(sorted(wanted))
        plan = self._plan(batch, ids, summary)
        if self.is_dry_run:
            summary.created += len(plan.creating)
            summary.replies += len(plan.replying)
            return
        if plan.creating:
            created = await self.store.create_many(plan.creating, created_by=f"import:{self.source}")
            summary.created += len(created)
            summary.known += len(plan.creating) - len(created)
            ids |= created
        for answered, reply in plan.replying:
            await self._reply(ids, answered, reply, summary)

    def _plan(self, batch: Sequence[ImportedTicket], ids: Mapping[str, int], summary: ImportSummary) -> _Plan:
        plan, planned = _Plan(), set[str]()
        for one in batch:
            key = _key(one)
            if key in ids or key in planned:
                summary.known += 1
                continue
            planned.add(key)
            parents = (
                parent for parent in reversed(one.references) if parent in ids or parent in planned - {key}
            )
            parent = next(parents, None)
            if parent is None:
                plan.creating.append(one)
            else:
                plan.replying.append((parent, one))
        return plan

    async def _reply(
        self, ids: dict[str, int], answered: str, reply: ImportedTicket, summary: ImportSummary
    ) -> None:
        """Write a reply as a note on its ticket, and let later replies of the batch find the ticket by it."""
        if answered not in ids:  # another import created the ticket meanwhile
            ids |= await self.store.find_keys([answered])
        ticket_id, key = ids[answered], _key(reply)
        text = reply.ticket.body or reply.ticket.subject
        decision = Decision(action="reply", note=text, message_ids={ticket_id: key})
        sender = (reply.ticket.requester or self.source)[:NAME_LIMIT]
        by = Actor(ActorKind.IMPORT, sender)
        [outcome] = await decisions.apply(self.decisions, decision, [ticket_id], by=by)
        ids[key] = ticket_id
        summary.replies += outcome.is_changed
        summary.known += not outcome.is_changed


def _key(one: ImportedTicket) -> str:
    return one.ticket.idempotency_key or ""


def _split(records: Iterable[ImportedTicket | Refused]) -> Iterator[list[ImportedTicket | Refused]]:
    batch: list[ImportedTicket | Refused] = []
    length = 0
    for record in records:
        batch.append(record)
        length += 0 if isinstance(record, Refused) else len(record.ticket.body)
        if len(batch) >= BATCH or length >= _BATCH_LENGTH:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch
