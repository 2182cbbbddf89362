"""What a client sends, as the OpenAPI document describes it. What a text may hold is for `service` to say."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter, parse_filter
from ticketctl.tickets.models import BODY_LIMIT, LARGEST_ID, SUBJECT_LIMIT, NewTicket
from ticketctl.tickets.service import FILTER_LIMIT, KEY_LIMIT, PAGE_LIMIT, REQUESTER_LIMIT

EXAMPLE: dict[str, JsonValue] = {
    "subject": "I was charged twice for order 4711",
    "body": "Please refund 12.50 EUR.",
    "requester": "ada@example.com",
}


def _limited(default: Any, meaning: str, **limits: Any) -> Any:
    """A field whose limits stand in the document; `service` is who checks them."""
    return Field(default, description=meaning, json_schema_extra=limits)


class TicketToCreate(BaseModel):
    """What a person writes."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE]})

    subject: str = _limited(..., "What it is about.", minLength=1, maxLength=SUBJECT_LIMIT, pattern=r"\S")
    body: str = _limited("", "The text.", maxLength=BODY_LIMIT)
    requester: str | None = _limited(
        None, "The e-mail address of who asks.", maxLength=REQUESTER_LIMIT, pattern="@"
    )

    def ticket(self, idempotency_key: str | None) -> NewTicket:
        """The ticket to be made."""
        return NewTicket(
            subject=self.subject, body=self.body, requester=self.requester, idempotency_key=idempotency_key
        )


def _query_parameter(spec: FilterSpec) -> Any:
    """The type and the field of one filter; `parse_filter` reads texts such as "2h" later."""
    kind = spec.kind if spec.choices else str
    limits = {"maxLength": FILTER_LIMIT} if spec.kind is str else {}
    examples = {"examples": list(spec.examples)} if spec.examples else {}
    return kind | None, _limited(None, spec.help, **limits, **examples)


_Filters: Any = create_model("_Filters", **{name: _query_parameter(spec) for name, spec in FILTERS.items()})


class ListQuery(_Filters):  # type: ignore[misc] # its fields come from the declared filters
    """Which tickets, in which order, and how many of them."""

    model_config = ConfigDict(extra="forbid")

    sort: Literal["-created", "created", "-updated", "updated"] = Field(
        "-created", description="The order; a minus puts the newest first."
    )
    limit: int = _limited(20, "Tickets on the page.", minimum=1, maximum=PAGE_LIMIT)
    after: str | None = Field(None, description="`next_cursor` of the page before this one.")

    def wanted(self) -> TicketFilter:
        """The filter. Raises InvalidInputError for a text that does not fit."""
        return parse_filter({name: getattr(self, name) for name in FILTERS}, now=datetime.now(UTC))


TicketId = Annotated[
    int,
    Path(description="The ticket's number.", json_schema_extra={"minimum": 1, "maximum": LARGEST_ID}),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="The same key again makes no second ticket: the first one is answered.",
        json_schema_extra={"minLength": 1, "maxLength": KEY_LIMIT},
    ),
]
