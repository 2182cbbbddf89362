"""Find what failed invocations of our worker changed in the database all the same."""

from collections.abc import Iterator, Mapping

from ticketctl.postgres.scratch_database import BackendMonitor
from ticketctl.warmstart.report.model import Finding, Invocation, InvocationOutcome


class SideEffectObserver:
    """Checks the database after each invocation of one environment; `ticket_ids` maps its messages to tickets."""

    def __init__(self, backend: BackendMonitor, ticket_ids: Mapping[str, int]) -> None:
        self._backend = backend
        self._ticket_ids = ticket_ids
        self._claimed: dict[int, int] = {}
        self._idle: dict[int, int] = {}

    async def observe(self, invocation: Invocation) -> None:
        """Record what the database shows about the records that the invocation reported as failed."""
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
        """Yield a finding for each kind of side effect."""
        if self._claimed:
            yield Finding(
                kind="side-effect",
                cause=f"{_invocations(self._claimed)} reported failure, and changed the database: "
                f"{_tickets(sum(self._claimed.values()))} claimed by a statement whose caller saw an error. A "
                "connection of a closed loop sends its statement first and errors when it waits for the answer.",
                fix="Do not conclude from an error that nothing was written. Make each write one statement, guarded by a "
                "token of its caller, so that it can be repeated or undone over another connection. The worker does "
                "that; the pool must still leave no connection to the next loop.",
            )
        if self._idle:
            yield Finding(
                kind="idle-in-transaction",
                cause=f"{_invocations(self._idle)} reported failure, and left {max(self._idle.values())} backends idle in "
                "transaction: their locks stay until the connection ends.",
                fix="Use autocommit with one statement for each write, set idle_in_transaction_session_timeout on the "
                "server, and use a pool that leaves no connection to the next loop.",
            )


def _invocations(numbers: Mapping[int, int]) -> str:
    return f"Invocation{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _tickets(count: int) -> str:
    return "1 ticket was" if count == 1 else f"{count} tickets were"
