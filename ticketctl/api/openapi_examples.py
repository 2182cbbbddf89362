"""Examples in the OpenAPI document, built from the types that the API returns."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ticketctl.api.schemas import ListQuery, TicketListing, to_listing
from ticketctl.tickets.models import Attempt, Step, StepRecord, Ticket, TicketDetails
from ticketctl.tickets.protocols import TicketPage
from ticketctl.tickets.statuses import TicketStatus
from ticketctl.tickets.views import TicketView

_CREATED = datetime(2026, 1, 31, 12, tzinfo=UTC)
_PROCESSED = _CREATED + timedelta(seconds=2)
_TICKET = Ticket(
    id=4711,
    subject="I was charged twice for order 4711",
    body="Please refund 12.50 EUR.",
    requester="ada@example.com",
    status=TicketStatus.PROCESSED,
    category="billing",
    priority="normal",
    sentiment="negative",
    language="en",
    team="payments",
    confidence=0.94,
    extracted=[{"kind": "order_id", "value": "4711", "start": 30, "end": 34}],
    draft="Thank you for telling us. We look into the second charge.",
    set_by_human=[],
    error=None,
    attempt=1,
    lease_token=None,
    lease_until=None,
    idempotency_key="order-4711-refund",
    created_at=_CREATED,
    updated_at=_PROCESSED,
    processed_at=_PROCESSED,
)
_STEP = StepRecord(
    step=Step.ROUTE,
    output={"team": "payments", "rule": "billing", "reason": "its category is billing"},
    provider="rules",
    model="rules",
    prompt_hash="9f86d081884c7d65",
    duration_ms=0.1,
    created_at=_PROCESSED,
)
_ATTEMPT = Attempt(
    attempt=1,
    started_at=_CREATED,
    ended_at=_PROCESSED,
    outcome="processed",
    error=None,
    message_id="8f4c2f0e-5a40-4b7c-94ce-4a1d2f9a7c35",
    receive_count=1,
    environment_id="0d5e3c2a-7b1f-4c55-9f0e-2a6c1d8e4b90",
)
_DETAILS = TicketDetails(ticket=_TICKET, steps=[_STEP], attempts=[_ATTEMPT])
_PAGE = TicketPage(tickets=[_TICKET], next_cursor="4b0dQmFzZTY0WyItY3JlYXRlZCJd", total=214)
_EXAMPLES: dict[str, Any] = {
    type(example).__name__: msgspec.to_builtins(example) for example in (_TICKET, TicketView.of(_DETAILS, {}))
}
_EXAMPLES[TicketListing.__name__] = to_listing(_PAGE, ListQuery().to_fields())


def document_response(form: type, **attributes: Any) -> dict[str, Any]:
    """Return an OpenAPI response of that type."""
    return {"model": form} | attributes


def add_example(response: dict[str, Any]) -> None:
    """Add the example of the response's type, if there is one.

    FastAPI would leave out the fields of an example that are null.
    """
    for media in response.get("content", {}).values():
        name = media["schema"].get("$ref", "").rpartition("/")[2]
        if name in _EXAMPLES:
            media["example"] = _EXAMPLES[name]
