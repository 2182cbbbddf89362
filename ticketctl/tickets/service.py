"""What a person does with tickets: the command line and the API both come through here."""

from ticketctl.errors import ConflictError, InvalidInputError, NotFoundError
from ticketctl.tickets.filters import FILTERS, TicketFilter
from ticketctl.tickets.models import BODY_LIMIT, LARGEST_ID, SUBJECT_LIMIT, NewTicket, Ticket, TicketDetails
from ticketctl.tickets.protocols import Operations, TicketPage, TicketStore

REQUESTER_LIMIT = 320
"""Characters of an e-mail address, after RFC 3696's erratum 1690 rounded up."""
KEY_LIMIT = 255
"""Characters of an idempotency key."""
FILTER_LIMIT = 1000
"""Characters that a list may be asked for: tens of thousands of words exhaust the server's stack."""
PAGE_LIMIT = 1000
"""Tickets on one page at most."""


async def create(store: TicketStore, ticket: NewTicket) -> tuple[Ticket, bool]:
    """Make a ticket and its message; True where it is new.

    The same idempotency key again answers the first ticket and makes nothing.

    Raises:
        InvalidInputError: A field cannot be used, or its key was used with another content.
    """
    _check(ticket)
    made, new = await store.create(ticket)
    if not new and (made.subject, made.body, made.requester) != (
        ticket.subject,
        ticket.body,
        ticket.requester,
    ):
        raise InvalidInputError(
            f"the idempotency key was used before, for ticket {made.id} with another content",
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
) -> TicketPage:
    """Read one page of tickets; `count` asks for the number of all matches too.

    Raises:
        InvalidInputError: The limit, order, cursor or search cannot be used.
    """
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidInputError(f"a page cannot have {limit} tickets", hint=f"it can have 1 to {PAGE_LIMIT}")
    for name, spec in FILTERS.items():
        if spec.kind is str:
            check_text(name, getattr(wanted, name), limit=FILTER_LIMIT)
    return await store.list(wanted, sort=sort, limit=limit, after=after, count=count)


async def show(store: TicketStore, ticket_id: int) -> TicketDetails:
    """Read a ticket with its steps and tries. Raises NotFoundError."""
    details = await store.get_details(require_id(ticket_id))
    if details is None:
        raise _no_ticket(ticket_id)
    return details


async def close(store: TicketStore, ticket_id: int) -> Ticket:
    """Close a ticket. Raises NotFoundError."""
    ticket = await store.close(require_id(ticket_id))
    if ticket is None:
        raise _no_ticket(ticket_id)
    return ticket


async def retry(store: TicketStore, operations: Operations, ticket_id: int) -> Ticket:
    """Give a ticket another try, and answer it as it is then.

    Raises:
        NotFoundError: There is none.
        ConflictError: It is settled, or being worked on.
    """
    retried = await operations.retry([require_id(ticket_id)])
    ticket = (await show(store, ticket_id)).ticket
    if not retried:
        raise ConflictError(
            f"ticket {ticket_id} is {ticket.status} and cannot be tried again",
            hint="what failed, needs review, or waits for a worker can be",
        )
    return ticket


def _check(ticket: NewTicket) -> None:
    if not ticket.subject.strip():
        raise InvalidInputError(
            "the subject is empty", hint=f"give a subject of 1 to {SUBJECT_LIMIT} characters"
        )
    check_text("subject", ticket.subject, limit=SUBJECT_LIMIT)
    check_text("body", ticket.body, limit=BODY_LIMIT)
    check_text("requester", ticket.requester, limit=REQUESTER_LIMIT)
    check_text("idempotency key", ticket.idempotency_key, limit=KEY_LIMIT)
    if ticket.requester is not None and "@" not in ticket.requester:
        raise InvalidInputError("the requester is no e-mail address", hint="it looks like ada@example.com")
    if ticket.idempotency_key is not None and not ticket.idempotency_key:
        raise InvalidInputError("the idempotency key is empty", hint="leave it out, or give it a value")


def check_text(name: str, value: str | None, *, limit: int) -> None:
    """Raise InvalidInputError for a text that is too long, or that the database cannot keep."""
    if value is None:
        return
    if len(value) > limit:
        raise InvalidInputError(
            f"the {name} has {len(value):,} characters", hint=f"it may have {limit:,} at most"
        )
    if "\0" in value:
        raise InvalidInputError(
            f"the {name} has a NUL character, which the database cannot keep", hint="take it out"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"the {name} is not valid text", hint="send it as UTF-8") from None


def require_id(ticket_id: int) -> int:
    """The number itself. Raises NotFoundError for one that no ticket can have, so that nobody asks for it."""
    if not 1 <= ticket_id <= LARGEST_ID:
        raise _no_ticket(ticket_id)
    return ticket_id


def _no_ticket(ticket_id: int) -> NotFoundError:
    return NotFoundError(f"there is no ticket {ticket_id}", hint="ticketctl list shows the tickets there are")
