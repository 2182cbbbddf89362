"""What clients send, as the OpenAPI document describes it. The ticket service checks the texts."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter, parse_filter
from ticketctl.tickets.models import BODY_LIMIT, LARGEST_ID, SUBJECT_LIMIT, NewTicket
from ticketctl.tickets.service import FILTER_LIMIT, KEY_LIMIT, PAGE_LIMIT, REQUESTER_LIMIT
from ticketctl.tickets.sorting import DEFAULT_SORT, SORTS

EXAMPLE: dict[str, JsonValue] = {
    "subject": "I was charged twice for order 4711",
    "body": "Please refund 12.50 EUR.",
    "requester": "ada@example.com",
}


def _limited(default: Any, meaning: str, **limits: Any) -> Any:
    """Return a field whose limits are documented here and checked by the ticket service."""
    return Field(default, description=meaning, json_schema_extra=limits)


class TicketInput(BaseModel):
    """A new ticket as a client sends it."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE]})

    subject: str = _limited(
        ..., "What the ticket is about.", minLength=1, maxLength=SUBJECT_LIMIT, pattern=r"\S"
    )
    body: str = _limited("", "The text.", maxLength=BODY_LIMIT)
    requester: str | None = _limited(
        None, "The requester's e-mail address.", maxLength=REQUESTER_LIMIT, pattern="@"
    )

    def to_new_ticket(self, idempotency_key: str | None) -> NewTicket:
        """Return the ticket to create."""
        return NewTicket(
            subject=self.subject, body=self.body, requester=self.requester, idempotency_key=idempotency_key
        )


def _query_parameter(spec: FilterSpec) -> Any:
    """The type and the field of one filter; `parse_filter` reads texts such as "2h" later."""
    kind: Any = spec.kind if spec.choices else str
    limits: dict[str, JsonValue] = {"maxLength": FILTER_LIMIT} if spec.kind is str else {}
    examples = {"examples": list(spec.examples)} if spec.examples else {}
    if spec.is_repeatable:
        item: Any = Annotated[kind, Field(json_schema_extra=limits)]
        return list[item], Field([], description=spec.help)
    return kind | None, _limited(None, spec.help, **limits, **examples)


_Filters: Any = create_model("_Filters", **{name: _query_parameter(spec) for name, spec in FILTERS.items()})


class ListQuery(_Filters):  # type: ignore[misc] # its fields come from the declared filters
    """The query of a list: filters, order and page."""

    model_config = ConfigDict(extra="forbid")

    sort: Literal[SORTS] = Field(  # type: ignore[valid-type] # the declared orders
        DEFAULT_SORT, description="The order; a minus sign means descending, for times newest first."
    )
    limit: int = _limited(20, "Tickets on the page.", minimum=1, maximum=PAGE_LIMIT)
    after: str | None = Field(None, description="`next_cursor` of the previous page.")

    def to_filter(self) -> TicketFilter:
        """Return the filter. Raise InvalidInputError for a value that cannot be parsed."""
        return parse_filter({name: getattr(self, name) for name in FILTERS}, now=datetime.now(UTC))


TicketId = Annotated[
    int,
    Path(description="The ticket's number.", json_schema_extra={"minimum": 1, "maximum": LARGEST_ID}),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A key that was used before creates no second ticket; the response is the first one.",
        json_schema_extra={"minLength": 1, "maxLength": KEY_LIMIT},
    ),
]
