from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from tests.fakes import NOON, new_ticket
from ticketctl.errors import QueueError
from ticketctl.tickets import operations
from ticketctl.tickets.protocols import StuckTicket
from ticketctl.tickets.queue_protocols import OutboxMessage
from ticketctl.tickets.statuses import TicketStatus

NOW = NOON + timedelta(hours=1)
UNTOUCHED = StuckTicket(
    ticket=new_ticket(1),
    since=NOON,
    message_id="m",
    receive_count=0,
    visible_at=NOON,
    dead=False,
    overtaken=False,
)
GONE = replace(UNTOUCHED, message_id=None, receive_count=None, visible_at=None)
FAILED = replace(UNTOUCHED, ticket=replace(new_ticket(1), attempt=2, error="too slow"), receive_count=2)
DYING = replace(UNTOUCHED, ticket=replace(new_ticket(1), status=TicketStatus.PROCESSING), receive_count=1)
LATER = NOW + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("stuck", "elsewhere", "reason"),
    [
        (UNTOUCHED, False, "no worker has polled"),
        (replace(UNTOUCHED, overtaken=True), False, "the workers are busy with other tickets"),
        (GONE, False, "it has no message"),
        (UNTOUCHED, True, "never sent"),
        (GONE, True, "no worker has reported on it"),
        (replace(UNTOUCHED, receive_count=3), False, "delivered 3 times, but no worker claimed it"),
        (FAILED, False, "last error: too slow; it waits for a worker"),
        (
            replace(FAILED, visible_at=LATER),
            False,
            "last error: too slow; the next delivery is in 30 s",
        ),
        (replace(FAILED, message_id=None, visible_at=None), True, "the queue will deliver its message again"),
        (replace(FAILED, dead=True), False, "its message is a dead letter (too slow)"),
        (replace(DYING, visible_at=LATER), False, "the lease ran out; the next delivery is in 30 s"),
    ],
)
def test_the_reason_of_a_stuck_ticket(stuck: StuckTicket, *, elsewhere: bool, reason: str) -> None:
    assert reason in operations.explain_stuck(stuck, now=NOW, elsewhere=elsewhere)


@dataclass
class FakeOutbox:
    """An outbox in memory."""

    messages: dict[str, OutboxMessage]
    taken: set[str] = field(default_factory=set)

    async def claim(self, limit: int, *, ticket_id: int | None = None) -> list[OutboxMessage]:  # noqa: ARG002
        free = [message for key, message in self.messages.items() if key not in self.taken][:limit]
        self.taken |= {message.message_id for message in free}
        return free

    async def delete(self, message_ids: list[str]) -> None:
        for message_id in message_ids:
            del self.messages[message_id]

    async def release(self, message_ids: list[str]) -> None:
        self.taken -= set(message_ids)

    async def count(self) -> int:
        return len(self.messages)


class FakeSender:
    """Accepts all messages except `refused`; raises if it is down."""

    def __init__(self, refused: tuple[str, ...] = (), *, down: bool = False) -> None:
        self.sent: list[str] = []
        self._refused = refused
        self._down = down

    async def send(self, messages: list[OutboxMessage]) -> list[str]:
        if self._down:
            raise QueueError("down")
        taken = [message.message_id for message in messages if message.message_id not in self._refused]
        self.sent += taken
        return taken


def outbox_of(number: int) -> FakeOutbox:
    return FakeOutbox(
        {str(n): OutboxMessage(message_id=str(n), body="{}", group=None) for n in range(number)}
    )


async def test_flushing_sends_each_message_once() -> None:
    outbox, sender = outbox_of(25), FakeSender()
    assert await operations.flush(outbox, sender) == 25
    assert len(sender.sent) == len(set(sender.sent)) == 25
    assert await outbox.count() == 0


async def test_a_refused_message_can_be_claimed_again() -> None:
    outbox = outbox_of(3)
    with pytest.raises(QueueError, match="refused 1"):
        await operations.flush(outbox, FakeSender(("1",)))
    assert [message.message_id for message in await outbox.claim(10)] == ["1"]


async def test_messages_stay_in_the_outbox_if_the_queue_is_down() -> None:
    outbox = outbox_of(3)
    with pytest.raises(QueueError, match="down"):
        await operations.flush(outbox, FakeSender(down=True))
    assert len(await outbox.claim(10)) == 3
