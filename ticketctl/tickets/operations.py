"""The use cases of the operator: explain stuck tickets, retry, redrive dead letters, flush the outbox."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ticketctl.errors import NotFoundError, QueueError
from ticketctl.tickets.history import Actor
from ticketctl.tickets.protocols import Operations, StuckTicket
from ticketctl.tickets.queue_protocols import DeadLetter, Outbox, Sender, TicketQueue
from ticketctl.tickets.statuses import TicketStatus

LIMIT = 1000
"""The maximum number of tickets or dead letters that one call handles."""
_BATCH = 10
"""Messages that one flush claims at a time: the limit of an SQS SendMessageBatch request."""


def explain_stuck(stuck: StuckTicket, *, now: datetime, elsewhere: bool) -> str:
    """Return why a ticket is stuck and what to do about it.

    `elsewhere` means that messages go to a queue outside the database, such as SQS.
    """
    if stuck.dead:
        return f"its message is a dead letter{_error_suffix(stuck)}: ticketctl dlq redrive, or retry"
    if stuck.ticket.status is TicketStatus.PROCESSING:
        return f"its worker ended or froze: the lease ran out; {_next_delivery(stuck, now)}"
    if stuck.ticket.error is not None:
        return f"last error: {stuck.ticket.error}; {_next_delivery(stuck, now)}"
    return _explain_unsent(stuck) if elsewhere else _explain_unclaimed(stuck, now)


def _explain_unsent(stuck: StuckTicket) -> str:
    if stuck.message_id is not None:
        return "its message was never sent: ticketctl outbox flush"
    return "its message was sent, but no worker has reported on it: see ticketctl dlq list, or retry"


def _explain_unclaimed(stuck: StuckTicket, now: datetime) -> str:
    if stuck.message_id is None:
        return "it has no message: ticketctl retry"
    if stuck.receive_count:
        return (
            f"delivered {stuck.receive_count} times, but no worker claimed it; {_next_delivery(stuck, now)}"
        )
    return (
        "the workers are busy with other tickets"
        if stuck.overtaken
        else "no worker has polled: ticketctl work"
    )


def _error_suffix(stuck: StuckTicket) -> str:
    return "" if stuck.ticket.error is None else f" ({stuck.ticket.error})"


def _next_delivery(stuck: StuckTicket, now: datetime) -> str:
    if stuck.visible_at is None:
        return "the queue will deliver its message again"
    left = (stuck.visible_at - now).total_seconds()
    return f"the next delivery is in {left:.0f} s" if left > 0 else "it waits for a worker: ticketctl work"


async def select_retries(operations: Operations, *, failed: bool, stuck: timedelta | None) -> Sequence[int]:
    """Return the ids of tickets that failed, of tickets that are stuck for longer than `stuck`, or of both."""
    ids = list(await operations.list_ids(TicketStatus.FAILED, limit=LIMIT)) if failed else []
    if stuck is not None:
        ids += [one.ticket.id for one in await operations.list_stuck(stuck, limit=LIMIT)]
    return ids


async def select_dead_letters(queue: TicketQueue, message_ids: Sequence[str]) -> Sequence[DeadLetter]:
    """Return the dead letters with these ids, or all if there are no ids.

    Raises:
        NotFoundError: There is no dead letter with one of the ids.
    """
    letters = {letter.message_id: letter for letter in await queue.list_dead_letters(LIMIT)}
    missing = [message_id for message_id in message_ids if message_id not in letters]
    if missing:
        raise NotFoundError(
            f"there is no dead letter {missing[0]}", hint="ticketctl dlq list shows all dead letters"
        )
    return [letters[message_id] for message_id in message_ids] if message_ids else list(letters.values())


async def redrive(
    queue: TicketQueue, operations: Operations, letters: Sequence[DeadLetter], *, by: Actor
) -> tuple[int, Sequence[DeadLetter]]:
    """Move dead letters back to the queue. Return how many moved, and the letters that name no ticket and stay.

    Failed tickets become new first: a worker treats a failed ticket as settled and would skip it.
    """
    ours = [letter for letter in letters if letter.ticket_id is not None]
    await operations.reset_failed(
        [letter.ticket_id for letter in ours if letter.ticket_id is not None], by=by
    )
    return await queue.redrive(ours), [letter for letter in letters if letter.ticket_id is None]


async def flush(outbox: Outbox, sender: Sender, *, ticket_id: int | None = None) -> int:
    """Send the messages in the outbox, of one ticket or of all, and return how many were sent.

    A process that dies after sending and before deleting sends a message twice; the worker skips the second one.

    Raises:
        QueueError: The queue refused a message; it stays in the outbox.
    """
    sent = 0
    while messages := await outbox.claim(_BATCH, ticket_id=ticket_id):
        accepted: Sequence[str] = ()
        try:
            accepted = await sender.send(messages)
        finally:
            refused = {message.message_id for message in messages} - set(accepted)
            await outbox.release(list(refused))
        await outbox.delete(accepted)
        sent += len(accepted)
        if refused:
            raise QueueError(
                f"the queue refused {len(refused)} messages; they stay in the outbox",
                hint="try again: ticketctl outbox flush",
            )
    return sent
