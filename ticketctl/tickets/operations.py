"""What who runs the system does: find what is stuck, try again, bring dead letters back, empty the outbox."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ticketctl.errors import NotFoundError, QueueError
from ticketctl.tickets.models import LARGEST_ID
from ticketctl.tickets.protocols import DeadLetter, Operations, Outbox, Sender, StuckTicket, TicketQueue
from ticketctl.tickets.statuses import TicketStatus

LIMIT = 1000
"""Tickets or letters that one call looks at."""
_BATCH = 10
"""Messages that are taken from the outbox at once, as many as SQS takes in one request."""


def explain_stuck(stuck: StuckTicket, *, now: datetime, elsewhere: bool) -> str:
    """Why a ticket does not move, and what moves it; `elsewhere`: its messages go to a queue like SQS."""
    if stuck.dead:
        return f"its message is a dead letter{_because(stuck)}: ticketctl dlq redrive, or retry"
    if stuck.ticket.status is TicketStatus.PROCESSING:
        return f"its worker ended or froze: the lease ran out; {_again(stuck, now)}"
    if stuck.ticket.error is not None:
        return f"try {stuck.ticket.attempt} failed: {stuck.ticket.error}; {_again(stuck, now)}"
    return _why_unsent(stuck) if elsewhere else _why_unclaimed(stuck, now)


def _why_unsent(stuck: StuckTicket) -> str:
    if stuck.message_id is not None:
        return "its message was never sent: ticketctl outbox flush"
    return "its message was sent, but no worker tells of it: see ticketctl dlq list, or retry"


def _why_unclaimed(stuck: StuckTicket, now: datetime) -> str:
    if stuck.message_id is None:
        return "it has no message: ticketctl retry"
    if stuck.receive_count:
        return f"delivered {stuck.receive_count} times, but no worker wrote to it; {_again(stuck, now)}"
    return "workers are busy with others" if stuck.overtaken else "no worker has polled: ticketctl work"


def _because(stuck: StuckTicket) -> str:
    return "" if stuck.ticket.error is None else f" ({stuck.ticket.error})"


def _again(stuck: StuckTicket, now: datetime) -> str:
    if stuck.visible_at is None:
        return "it comes again when the queue delivers its message"
    left = (stuck.visible_at - now).total_seconds()
    return f"it comes again in {left:.0f} s" if left > 0 else "it waits for a worker: ticketctl work"


async def retry(operations: Operations, ticket_ids: Sequence[int]) -> Sequence[int]:
    """Give tickets another try. Answers those that get one: neither settled nor being worked on.

    Raises:
        NotFoundError: None of them does.
    """
    retried = await operations.retry([number for number in ticket_ids if 0 < number <= LARGEST_ID])
    if ticket_ids and not retried:
        named = ", ".join(str(ticket_id) for ticket_id in ticket_ids[:5])
        raise NotFoundError(
            f"nothing to try again: {named} is settled, being worked on, or not there",
            hint="ticketctl list --status failed, and list --stuck, show what can be",
        )
    return retried


async def select_retries(operations: Operations, *, failed: bool, stuck: timedelta | None) -> Sequence[int]:
    """The tickets that failed, those that are stuck for longer than `stuck`, or both."""
    found = list(await operations.list_ids(TicketStatus.FAILED, limit=LIMIT)) if failed else []
    if stuck is not None:
        found += [one.ticket.id for one in await operations.list_stuck(stuck, limit=LIMIT)]
    return found


async def select_dead_letters(queue: TicketQueue, message_ids: Sequence[str]) -> Sequence[DeadLetter]:
    """The dead letters with these ids, or all where none is named.

    Raises:
        NotFoundError: One of them is not there.
    """
    letters = {letter.message_id: letter for letter in await queue.list_dead_letters(LIMIT)}
    missing = [message_id for message_id in message_ids if message_id not in letters]
    if missing:
        raise NotFoundError(
            f"there is no dead letter {missing[0]}", hint="ticketctl dlq list shows those there are"
        )
    return [letters[message_id] for message_id in message_ids] if message_ids else list(letters.values())


async def redrive(
    queue: TicketQueue, operations: Operations, letters: Sequence[DeadLetter]
) -> tuple[int, Sequence[DeadLetter]]:
    """Bring dead letters back; answers how many, and which stay because they name no ticket.

    Their tickets are opened first: a worker takes a failed ticket as settled.
    """
    ours = [letter for letter in letters if letter.ticket_id is not None]
    await operations.reset_failed([letter.ticket_id for letter in ours if letter.ticket_id is not None])
    return await queue.redrive(ours), [letter for letter in letters if letter.ticket_id is None]


async def flush(outbox: Outbox, sender: Sender, *, ticket_id: int | None = None) -> int:
    """Send what the outbox holds, of one ticket or of all, and answer how many messages that were.

    Dying between sending and forgetting sends a message twice, which is harmless.

    Raises:
        QueueError: The queue did not take a message; it stays in the outbox.
    """
    sent = 0
    while unsent := await outbox.claim(_BATCH, ticket_id=ticket_id):
        taken: Sequence[str] = ()
        try:
            taken = await sender.send(unsent)
        finally:
            left = {message.message_id for message in unsent} - set(taken)
            await outbox.release(list(left))
        await outbox.delete(taken)
        sent += len(taken)
        if left:
            raise QueueError(
                f"the queue refused {len(left)} messages; they stay in the outbox",
                hint="try again: ticketctl outbox flush",
            )
    return sent
