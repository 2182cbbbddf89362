"""What our worker's failed invocations did to the database all the same, as the database itself tells it."""

from collections.abc import Iterator, Mapping

from ticketctl.postgres.scratch_database import Backend
from ticketctl.warmstart.report.model import Finding, Invocation, InvocationOutcome


class SideEffectObserver:
    """Looks after each invocation of one environment; `ticket_ids` are those of its messages."""

    def __init__(self, backend: Backend, ticket_ids: Mapping[str, int]) -> None:
        self._backend = backend
        self._ticket_ids = ticket_ids
        self._claimed: dict[int, int] = {}
        self._idle: dict[int, int] = {}

    async def observe(self, invocation: Invocation) -> None:
        """Ask the database about the records that the invocation reported as failed, if there are any."""
        failed = [one.message_id for one in invocation.records if one.outcome is not InvocationOutcome.OK]
        tickets = [self._ticket_ids[one] for one in failed if one in self._ticket_ids]
        if invocation.outcome is InvocationOutcome.OK:
            return
        effects = await self._backend.effects(tickets)
        if effects.claimed:
            self._claimed[invocation.number] = len(effects.claimed)
        if effects.idle_in_transaction:
            self._idle[invocation.number] = effects.idle_in_transaction

    def findings(self) -> Iterator[Finding]:
        """Yield what was found, in words."""
        if self._claimed:
            yield Finding(
                kind="side-effect",
                cause=f"{_numbers(self._claimed)} reported failure, and changed the database: "
                f"{_tickets(sum(self._claimed.values()))} claimed by a statement whose caller saw an error. A "
                "connection of a closed loop sends its statement first and errors when it waits for the answer.",
                fix="Take no error for nothing done: let each write be one statement, under a token of its caller's "
                "own, that can be repeated or undone over another connection. The worker does; the pool still has to "
                "be one that leaves no connection to the next loop.",
            )
        if self._idle:
            yield Finding(
                kind="idle-in-transaction",
                cause=f"{_numbers(self._idle)} reported failure, and left {max(self._idle.values())} backends idle in "
                "transaction: what they have locked stays locked until the connection ends.",
                fix="Use autocommit with one statement for each write, and idle_in_transaction_session_timeout on the "
                "server; and a pool that leaves no connection to the next loop.",
            )


def _numbers(found: Mapping[int, int]) -> str:
    return f"Invocation{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def _tickets(count: int) -> str:
    return "1 ticket was" if count == 1 else f"{count} tickets were"
