"""People's decisions on categories, read from the history."""

from datetime import UTC, datetime, timedelta

from tests.integration.postgres.test_history import decide, make, process
from tests.people import BY
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.store import PostgresStore
from ticketctl.tickets.undo import undo_last


async def test_the_last_decision_on_each_category_counts(
    store: PostgresStore, decisions: PostgresDecisions
) -> None:
    corrected, confirmed, undone, other = [await make(store) for _ in range(4)]
    for ticket_id in (corrected, confirmed, undone, other):
        await process(store, ticket_id)
    await decide(decisions, corrected, "set", category="refund")
    await decide(decisions, corrected, "set", category="login")
    await decide(decisions, confirmed, "approve")
    await decide(decisions, undone, "set", category="refund")
    await undo_last(decisions, undone, by=BY)
    await decide(decisions, other, "set", priority="low")
    found = {one.ticket_id: one for one in await decisions.list_corrections()}
    assert sorted(found) == [corrected, confirmed]
    one = found[corrected]
    assert (one.category, one.predicted, one.confidence, one.model) == ("login", "bug", 0.4, "m-1")
    assert (one.actor, one.action, one.is_confirmed) == ("ada", "set", False)
    assert await decisions.list_corrections(datetime.now(UTC) + timedelta(hours=1)) == []
