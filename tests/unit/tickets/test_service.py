import pytest

from tests.fakes import FakeStore
from ticketctl.errors import ConflictError, InvalidInputError, NotFoundError
from ticketctl.tickets import service
from ticketctl.tickets.filters import FILTERS, TicketFilter
from ticketctl.tickets.models import BODY_LIMIT, SUBJECT_LIMIT, NewTicket
from ticketctl.tickets.statuses import TicketStatus


@pytest.mark.parametrize(
    "ticket",
    [
        NewTicket(subject="x"),
        NewTicket(subject="é" * SUBJECT_LIMIT, body="😀" * BODY_LIMIT, requester="ada@example.com"),
        NewTicket(subject=" padded\t", body="\r\n"),
        NewTicket(subject="x", idempotency_key="k" * 255),
    ],
)
async def test_a_ticket_has_the_given_fields(ticket: NewTicket) -> None:
    made, new = await service.create(FakeStore(), ticket)
    assert new
    assert (made.subject, made.body, made.requester) == (ticket.subject, ticket.body, ticket.requester)


@pytest.mark.parametrize(
    ("ticket", "complaint"),
    [
        (NewTicket(subject=""), "the subject is empty"),
        (NewTicket(subject=" \t\n\u2003"), "the subject is empty"),
        (NewTicket(subject="x" * (SUBJECT_LIMIT + 1)), "the subject has 501 characters"),
        (NewTicket(subject="x", body="x" * (BODY_LIMIT + 1)), "the body has 200,001 characters"),
        (NewTicket(subject="a\0b"), "the subject has a NUL character"),
        (NewTicket(subject="x", body="\0"), "the body has a NUL character"),
        (NewTicket(subject="x", requester="\0@x"), "the requester has a NUL character"),
        (NewTicket(subject="x", idempotency_key="\0"), "the idempotency key has a NUL character"),
        (NewTicket(subject="\udcff"), "the subject is not valid text"),
        (NewTicket(subject="x", body="\ud800"), "the body is not valid text"),
        (NewTicket(subject="x", requester="nobody"), "not an e-mail address"),
        (NewTicket(subject="x", requester=""), "not an e-mail address"),
        (NewTicket(subject="x", requester="a@" + "b" * 320), "the requester has 322 characters"),
        (NewTicket(subject="a\r\nBcc: b@example.com"), "the subject has a line break"),
        (NewTicket(subject="x", requester="a@example.com\nBcc: b"), "the requester has a line break"),
        (NewTicket(subject="x", idempotency_key="a\nb"), "the idempotency key has a line break"),
        (NewTicket(subject="x", idempotency_key=""), "the idempotency key is empty"),
        (NewTicket(subject="x", idempotency_key="k" * 256), "the idempotency key has 256 characters"),
    ],
)
async def test_invalid_input_creates_no_ticket(ticket: NewTicket, complaint: str) -> None:
    store = FakeStore()
    with pytest.raises(InvalidInputError, match=complaint) as raised:
        await service.create(store, ticket)
    assert raised.value.hint
    assert store.tickets == {}


async def test_the_same_key_returns_the_first_ticket() -> None:
    store = FakeStore()
    ticket = NewTicket(subject="x", body="y", requester="ada@example.com", idempotency_key="k")
    first, _ = await service.create(store, ticket)
    again, new = await service.create(store, ticket)
    assert (again, new) == (first, False)
    assert len(store.tickets) == 1


async def test_the_same_key_of_another_owner_is_another_key() -> None:
    store = FakeStore()
    tickets = [
        NewTicket(subject=f"of {owner}", idempotency_key="k", key_owner=owner) for owner in ("", "one", "two")
    ]
    made = [await service.create(store, ticket) for ticket in tickets * 2]
    assert [new for _, new in made] == [True] * 3 + [False] * 3
    assert [ticket.subject for ticket, _ in made] == ["of ", "of one", "of two"] * 2


@pytest.mark.parametrize(
    "other",
    [
        NewTicket(subject="z", idempotency_key="k"),
        NewTicket(subject="x", body="z", idempotency_key="k"),
        NewTicket(subject="x", requester="ada@example.com", idempotency_key="k"),
    ],
)
async def test_the_same_key_with_other_content_is_an_error(other: NewTicket) -> None:
    store = FakeStore()
    await service.create(store, NewTicket(subject="x", idempotency_key="k"))
    with pytest.raises(ConflictError, match="belongs to ticket 1, which has other content"):
        await service.create(store, other)
    assert len(store.tickets) == 1


async def test_the_same_content_without_a_key_is_another_ticket() -> None:
    store = FakeStore()
    made = [await service.create(store, NewTicket(subject="x")) for _ in range(2)]
    assert [(ticket.id, new) for ticket, new in made] == [(1, True), (2, True)]


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_size_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(InvalidInputError, match=f"cannot have {limit} tickets"):
        await service.list_tickets(FakeStore(), TicketFilter(), limit=limit)


@pytest.mark.parametrize("text", ["a\0b", "\udcff", "x" * 1001], ids=["NUL", "no text", "long"])
@pytest.mark.parametrize("name", [name for name, spec in FILTERS.items() if spec.kind is str])
async def test_a_filter_that_the_database_cannot_read(name: str, text: str) -> None:
    store = FakeStore(failing={"list": AssertionError("the database was asked")})
    with pytest.raises(InvalidInputError, match=f"the {name} "):
        await service.list_tickets(
            store, TicketFilter(**{name: (text,) if FILTERS[name].is_repeatable else text})
        )


async def test_pages_follow_the_order_the_limit_and_the_cursor() -> None:
    store = FakeStore.of(1, 2, 3, 4)
    store.change(4, status=TicketStatus.CLOSED)
    new = TicketFilter(status=(TicketStatus.NEW,))
    first = await service.list_tickets(store, new, sort="created", limit=2, count=True)
    assert ([ticket.id for ticket in first.tickets], first.total) == ([1, 2], 3)
    second = await service.list_tickets(store, new, sort="created", limit=2, after=first.next_cursor)
    assert ([ticket.id for ticket in second.tickets], second.total) == ([3], None)


async def test_show() -> None:
    store = FakeStore.of(1)
    assert (await service.show(store, 1)).ticket.id == 1


@pytest.mark.parametrize("ticket_id", [2, 0, -1, 2**63 - 1])
async def test_an_unknown_ticket_is_not_found(ticket_id: int) -> None:
    store = FakeStore.of(1)
    with pytest.raises(NotFoundError, match=f"there is no ticket {ticket_id}$") as raised:
        await service.show(store, ticket_id)
    assert raised.value.hint == "ticketctl list shows all tickets"


async def test_an_id_beyond_bigint_does_not_reach_the_database() -> None:
    store = FakeStore(failing={"get_details": AssertionError("the database was asked")})
    with pytest.raises(NotFoundError):
        await service.show(store, 2**63)
