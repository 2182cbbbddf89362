"""What clients send, as the OpenAPI document describes it. The ticket service checks the texts."""

from collections.abc import Collection
from dataclasses import dataclass, make_dataclass
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from ticketctl.errors import InvalidInputError
from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter, parse_filter
from ticketctl.tickets.history import Change
from ticketctl.tickets.models import BODY_LIMIT, LARGEST_ID, SUBJECT_LIMIT, NewTicket, Ticket
from ticketctl.tickets.protocols import TicketPage
from ticketctl.tickets.service import FILTER_LIMIT, KEY_LIMIT, PAGE_LIMIT, REQUESTER_LIMIT
from ticketctl.tickets.sorting import DEFAULT_SORT, SORTS

EXAMPLE: dict[str, JsonValue] = {
    "subject": "I was charged twice for order 4711",
    "body": "Please refund 12.50 EUR.",
    "requester": "ada@example.com",
}


def limited(default: Any, meaning: str, **limits: Any) -> Any:
    """Return a field whose limits are documented here and checked by the ticket service."""
    return Field(default, description=meaning, json_schema_extra=limits)


class TicketInput(BaseModel):
    """A new ticket as a client sends it."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE]})

    subject: str = limited(
        ...,
        "What the ticket is about, on one line.",
        minLength=1,
        maxLength=SUBJECT_LIMIT,
        pattern=r"^[^\r\n]*[^\r\n\s][^\r\n]*$",
    )
    body: str = limited("", "The text.", maxLength=BODY_LIMIT)
    requester: str | None = limited(
        None, "The requester's e-mail address.", maxLength=REQUESTER_LIMIT, pattern=r"^[^\r\n]*@[^\r\n]*$"
    )

    def to_new_ticket(self, idempotency_key: str | None, key_owner: str, created_by: str) -> NewTicket:
        """Return the ticket to create."""
        return NewTicket(
            subject=self.subject,
            body=self.body,
            requester=self.requester,
            idempotency_key=idempotency_key,
            key_owner=key_owner,
            created_by=created_by,
        )


def _query_parameter(spec: FilterSpec) -> Any:
    """The type and the field of one filter; `parse_filter` reads texts such as "2h" later."""
    kind: Any = spec.kind if spec.choices else str
    limits: dict[str, JsonValue] = {"maxLength": FILTER_LIMIT} if spec.kind is str else {}
    examples = {"examples": list(spec.examples)} if spec.examples else {}
    if spec.is_repeatable:
        item: Any = Annotated[kind, Field(json_schema_extra=limits)]
        return list[item], Field([], description=spec.help)
    return kind | None, limited(None, spec.help, **limits, **examples)


_Filters: Any = create_model("_Filters", **{name: _query_parameter(spec) for name, spec in FILTERS.items()})


TICKET_FIELDS = tuple(column.name for column in dataclass_fields(Ticket))
_LARGE_FIELDS = frozenset({"body", "draft"})
_FIELD = f"({'|'.join(TICKET_FIELDS)})"


class ListQuery(_Filters):  # type: ignore[misc] # its fields come from the declared filters
    """The query of a list: filters, order and page."""

    model_config = ConfigDict(extra="forbid")

    sort: Literal[SORTS] = Field(  # type: ignore[valid-type] # the declared orders
        DEFAULT_SORT, description="The order; a minus sign means descending, for times newest first."
    )
    limit: int = limited(20, "Tickets on the page.", minimum=1, maximum=PAGE_LIMIT)
    after: str | None = Field(None, description="`next_cursor` of the previous page.")
    fields: str | None = limited(
        None,
        "The fields of each ticket, separated by commas. Without it, all but `body` and `draft`.",
        pattern=f"^{_FIELD}(,{_FIELD})*$",
        examples=["id,subject,body"],
    )

    def to_filter(self) -> TicketFilter:
        """Return the filter. Raise InvalidInputError for a value that cannot be parsed."""
        return parse_filter({name: getattr(self, name) for name in FILTERS}, now=datetime.now(UTC))

    def to_fields(self) -> list[str]:
        """Return the fields of the listed tickets. Raise InvalidInputError for one that tickets do not have."""
        if self.fields is None:
            return [name for name in TICKET_FIELDS if name not in _LARGE_FIELDS]
        wanted = self.fields.split(",")
        unknown = next((name for name in wanted if name not in TICKET_FIELDS), None)
        if unknown is not None:
            raise InvalidInputError(
                "fields names one that tickets do not have", hint=f"they have {', '.join(TICKET_FIELDS)}"
            )
        return [name for name in TICKET_FIELDS if name in wanted]


ListedTicket = make_dataclass(
    "ListedTicket",
    [(column.name, column.type, None) for column in dataclass_fields(Ticket)],
    frozen=True,
    kw_only=True,
    namespace={"__doc__": "The fields of a ticket that a list has."},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketListing:
    """One page of a list; `total` is the number of all matches, `next_cursor` is null on the last page."""

    tickets: list[ListedTicket]  # type: ignore[valid-type] # it is made of the fields of Ticket
    next_cursor: str | None
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketHistory:
    """Every change of a ticket, the oldest first."""

    ticket_id: int
    changes: list[Change]


def to_listing(page: TicketPage, names: Collection[str]) -> dict[str, Any]:
    """Return the JSON form of a page whose tickets have these fields."""
    tickets = [{name: getattr(ticket, name) for name in names} for ticket in page.tickets]
    form: dict[str, Any] = msgspec.to_builtins(
        {"tickets": tickets, "next_cursor": page.next_cursor, "total": page.total}
    )
    return form


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
