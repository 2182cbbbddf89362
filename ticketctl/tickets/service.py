"""The use cases of a ticket: create, list, show. The command line and the API both call them."""

from collections.abc import AsyncIterator, Collection, Sequence

from ticketctl.errors import ConflictError, InvalidInputError, NotFoundError
from ticketctl.tickets.filters import FILTERS, TicketFilter
from ticketctl.tickets.models import BODY_LIMIT, LARGEST_ID, SUBJECT_LIMIT, NewTicket, Ticket, TicketDetails
from ticketctl.tickets.protocols import TicketPage, TicketStore

REQUESTER_LIMIT = 320
"""The maximum length of an e-mail address in characters: 254 by RFC 3696 (erratum 1690), with some room."""
KEY_LIMIT = 255
"""The maximum length of an idempotency key, in characters."""
FILTER_LIMIT = 1000
"""The maximum length of a filter's text: a search for tens of thousands of words exhausts Postgres's stack."""
PAGE_LIMIT = 1000
"""The maximum number of tickets on one page."""
_LINE_BREAKS = frozenset("\r\n")


async def create(store: TicketStore, ticket: NewTicket) -> tuple[Ticket, bool]:
    """Create a ticket and its message. Return the ticket, and True if it is new.

    The same idempotency key again returns the first ticket and creates nothing.

    Raises:
        InvalidInputError: A field is invalid.
        ConflictError: The key belongs to a ticket with other content.
    """
    check_ticket(ticket)
    made, new = await store.create(ticket)
    if not new and (made.subject, made.body, made.requester) != (
        ticket.subject,
        ticket.body,
        ticket.requester,
    ):
        raise ConflictError(
            f"the idempotency key belongs to ticket {made.id}, which has other content",
            hint="send the same content again, or choose another key",
        )
    return made, new


async def list_tickets(
    store: TicketStore,
    wanted: TicketFilter,
    *,
    sort: str = "-created",
    limit: int = 20,
    after: str | None = None,
    count: bool = False,
    without: Collection[str] = (),
    max_bytes: int | None = None,
) -> TicketPage:
    """Return one page of tickets; `count` adds the number of all matches.

    `without` and `max_bytes` bound the page, as `TicketStore.list` says.

    Raises:
        InvalidInputError: The limit, the order, the cursor or a filter is invalid.
    """
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidInputError(f"a page cannot have {limit} tickets", hint=f"it can have 1 to {PAGE_LIMIT}")
    for name, spec in FILTERS.items():
        if spec.kind is str:
            value = getattr(wanted, name)
            for text in value if spec.is_repeatable else [value]:
                check_text(name, text, limit=FILTER_LIMIT)
    return await store.list(
        wanted, sort=sort, limit=limit, after=after, count=count, without=without, max_bytes=max_bytes
    )


async def read_all(
    store: TicketStore, wanted: TicketFilter, *, without: Collection[str] = (), max_bytes: int | None = None
) -> AsyncIterator[Sequence[Ticket]]:
    """Yield all matching tickets page by page, by number. Parameters and errors are those of `list_tickets`."""
    after: str | None = None
    while True:
        page = await list_tickets(
            store, wanted, sort="id", limit=PAGE_LIMIT, after=after, without=without, max_bytes=max_bytes
        )
        yield page.tickets
        after = page.next_cursor
        if after is None:
            return


async def show(store: TicketStore, ticket_id: int) -> TicketDetails:
    """Return a ticket with its steps and attempts. Raise NotFoundError."""
    details = await store.get_details(require_id(ticket_id))
    if details is None:
        raise no_ticket(ticket_id)
    return details


def check_ticket(ticket: NewTicket) -> None:
    """Raise InvalidInputError for a ticket that cannot be created."""
    if not ticket.subject.strip():
        raise InvalidInputError(
            "the subject is empty", hint=f"give a subject of 1 to {SUBJECT_LIMIT} characters"
        )
    check_text("subject", ticket.subject, limit=SUBJECT_LIMIT, one_line=True)
    check_text("body", ticket.body, limit=BODY_LIMIT)
    check_text("requester", ticket.requester, limit=REQUESTER_LIMIT, one_line=True)
    check_text("idempotency key", ticket.idempotency_key, limit=KEY_LIMIT, one_line=True)
    if ticket.requester is not None and "@" not in ticket.requester:
        raise InvalidInputError("the requester is not an e-mail address", hint="example: ada@example.com")
    if ticket.idempotency_key is not None and not ticket.idempotency_key:
        raise InvalidInputError("the idempotency key is empty", hint="omit it, or give it a value")


def check_text(name: str, value: str | None, *, limit: int, one_line: bool = False) -> None:
    """Raise InvalidInputError for a text that is too long or that the database cannot store.

    `one_line` refuses line breaks: in an e-mail, a line break in the subject or an address starts another header.
    """
    if value is None:
        return
    if len(value) > limit:
        raise InvalidInputError(
            f"the {name} has {len(value):,} characters", hint=f"it may have {limit:,} at most"
        )
    if "\0" in value:
        raise InvalidInputError(
            f"the {name} has a NUL character, which the database cannot store", hint="remove it"
        )
    if one_line and not _LINE_BREAKS.isdisjoint(value):
        raise InvalidInputError(f"the {name} has a line break", hint="write it on one line")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"the {name} is not valid text", hint="send it as UTF-8") from None


def require_id(ticket_id: int) -> int:
    """Return the id. Raise NotFoundError if no ticket can have it: Postgres would refuse a larger number."""
    if not 1 <= ticket_id <= LARGEST_ID:
        raise no_ticket(ticket_id)
    return ticket_id


def no_ticket(ticket_id: int) -> NotFoundError:
    """Return the error for a ticket that does not exist."""
    return NotFoundError(f"there is no ticket {ticket_id}", hint="ticketctl list shows all tickets")
