"""People's commands on tickets, on a real database."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import people
from tests.unit.cli.test_output import HOSTILE
from ticketctl.errors import InvalidInputError
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.store import PostgresStore
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.models import BODY_LIMIT, SUBJECT_LIMIT, NewTicket, Ticket
from ticketctl.tickets.protocols import TicketPage
from ticketctl.tickets.sorting import SORT_COLUMNS, SORTS
from ticketctl.tickets.statuses import TicketStatus

FULL = """
insert into tickets (subject, status, category, priority, team, created_at, updated_at)
select 'ticket ' || n, (array['new', 'processed', 'failed'])[n % 3 + 1], (array['billing', 'outage'])[n % 2 + 1],
  (array['low', 'high'])[n % 2 + 1], (array['red', 'blue', null])[n % 3 + 1],
  timestamptz '2026-01-31 12:00Z' + n / 10 * interval '1 hour',
  timestamptz '2026-01-31 12:00Z' - n % 4 * interval '1 hour'
from generate_series(1, 40) n
"""
"""Forty tickets, ten of them with each of four creation times."""


EVERY = TicketFilter()


async def listed(store: PostgresStore, wanted: TicketFilter = EVERY, **options: Any) -> TicketPage:
    chosen: dict[str, Any] = {"sort": "created", "limit": 100, "after": None, "count": True}
    return await store.list(wanted, **(chosen | options))


def ids(page: TicketPage) -> list[int]:
    return [ticket.id for ticket in page.tickets]


class TestCreate:
    async def test_create_writes_a_ticket_and_its_message(
        self, store: PostgresStore, ask: Callable[[str], str]
    ) -> None:
        ticket, new = await store.create(NewTicket(subject="Fire", body="Help", requester="ada@example.com"))
        assert new
        assert (ticket.subject, ticket.body, ticket.requester) == ("Fire", "Help", "ada@example.com")
        assert (ticket.status, ticket.attempt, ticket.set_by_human) == (TicketStatus.NEW, 0, [])
        assert ticket.created_at.utcoffset() == timedelta(0)
        assert ask("select ticket_id, body, receive_count from messages") == (
            f'{ticket.id}|{{"ticket_id": {ticket.id}}}|0'
        )

    @pytest.mark.parametrize(
        "ticket",
        [
            NewTicket(subject="x" * SUBJECT_LIMIT, body="y" * BODY_LIMIT),
            NewTicket(subject="😀" * SUBJECT_LIMIT, body="é" * BODY_LIMIT),
            NewTicket(subject="many words", body=" ".join(f"word{n}" for n in range(25_000))[:BODY_LIMIT]),
            NewTicket(subject=HOSTILE.replace("\0", ""), body="'; drop table tickets; -- %s :x $1"),
        ],
        ids=["longest", "longest in bytes", "many words", "hostile"],
    )
    async def test_any_allowed_text_is_stored_unchanged(
        self, store: PostgresStore, ticket: NewTicket
    ) -> None:
        made, _ = await store.create(ticket)
        details = await store.get_details(made.id)
        assert details is not None
        assert (details.ticket.subject, details.ticket.body) == (ticket.subject, ticket.body)

    async def test_the_same_idempotency_key_returns_the_first_ticket_and_creates_nothing(
        self, store: PostgresStore, ask: Callable[[str], str]
    ) -> None:
        first, _ = await store.create(NewTicket(subject="Fire", idempotency_key="k"))
        again, new = await store.create(NewTicket(subject="Water", idempotency_key="k"))
        assert (again, new) == (first, False)
        assert ask("select (select count(*) from tickets), (select count(*) from messages)") == "1|1"

    async def test_concurrent_creates_with_one_key_make_one_ticket_and_one_message(
        self, store: PostgresStore, ask: Callable[[str], str]
    ) -> None:
        ticket = NewTicket(subject="Fire", idempotency_key="k")
        made = await asyncio.gather(*(store.create(ticket) for _ in range(20)))
        assert {answered.id for answered, _ in made} == {made[0][0].id}
        assert [new for _, new in made].count(True) == 1
        assert ask("select (select count(*) from tickets), (select count(*) from messages)") == "1|1"


class TestList:
    @pytest.fixture(autouse=True)
    def tickets(self, ask: Callable[[str], str]) -> None:
        ask(FULL)

    @pytest.mark.parametrize(
        ("wanted", "condition"),
        [
            (TicketFilter(), "true"),
            (TicketFilter(status=(TicketStatus.FAILED,)), "status = 'failed'"),
            (TicketFilter(category=("billing",)), "category = 'billing'"),
            (TicketFilter(priority=("high",)), "priority = 'high'"),
            (TicketFilter(team=("red",)), "team = 'red'"),
            (TicketFilter(team=("nobody's",)), "false"),
            (TicketFilter(since=datetime(2026, 1, 31, 14, tzinfo=UTC)), "created_at >= '2026-01-31 14:00Z'"),
            (TicketFilter(search="ticket 3"), "subject ~ ' 3'"),
            (
                TicketFilter(status=(TicketStatus.NEW, TicketStatus.FAILED), category=("billing", "outage")),
                "status in ('new', 'failed') and category in ('billing', 'outage')",
            ),
            (TicketFilter(confidence_below=0.5), "confidence < 0.5"),
            (
                TicketFilter(
                    status=(TicketStatus.NEW,), category=("outage",), priority=("high",), search="ticket"
                ),
                "status = 'new' and category = 'outage' and priority = 'high'",
            ),
        ],
    )
    async def test_each_filter_selects_its_tickets(
        self, store: PostgresStore, ask: Callable[[str], str], wanted: TicketFilter, condition: str
    ) -> None:
        expected = ask(f"select id from tickets where {condition} order by created_at, id").split()  # noqa: S608 - conditions of the test's own
        page = await listed(store, wanted)
        assert ids(page) == [int(number) for number in expected]
        assert page.total == len(expected)
        assert page.next_cursor is None

    @pytest.mark.parametrize("sort", SORTS)
    async def test_pages_in_every_order_contain_each_ticket_once(
        self, store: PostgresStore, ask: Callable[[str], str], sort: str
    ) -> None:
        column, direction = SORT_COLUMNS[sort.removeprefix("-")], "desc" if sort.startswith("-") else "asc"
        nulls = "nulls last" if direction == "desc" else "nulls first"
        order = f"{column} {direction} {nulls}, id {direction}"
        expected = ask(f"select id from tickets order by {order}").split()  # noqa: S608 - orders of the program's own
        seen: list[int] = []
        after: str | None = None
        while after is not None or not seen:
            page = await listed(store, sort=sort, limit=7, after=after, count=False)
            seen += ids(page)
            after = page.next_cursor
        assert seen == [int(number) for number in expected]

    async def test_a_filter_applies_to_every_page_and_the_total_counts_all_matches(
        self, store: PostgresStore
    ) -> None:
        wanted = TicketFilter(category=("billing",))
        first = await listed(store, wanted, limit=15)
        second = await listed(store, wanted, limit=15, after=first.next_cursor)
        assert (len(first.tickets), len(second.tickets)) == (15, 5)
        assert first.total == second.total == 20
        assert second.next_cursor is None
        assert not set(ids(first)) & set(ids(second))

    async def test_a_full_last_page_has_no_cursor(self, store: PostgresStore) -> None:
        assert (await listed(store, limit=40)).next_cursor is None
        assert (await listed(store, limit=39)).next_cursor is not None

    async def test_the_total_is_counted_only_on_request(self, store: PostgresStore) -> None:
        assert (await listed(store, count=False)).total is None

    async def test_a_ticket_created_between_two_pages_neither_repeats_nor_hides_others(
        self, store: PostgresStore
    ) -> None:
        first = await listed(store, sort="-created", limit=20)
        newest, _ = await store.create(NewTicket(subject="new"))
        second = await listed(store, sort="-created", limit=20, after=first.next_cursor)
        assert newest.id not in ids(second)
        assert len(set(ids(first)) | set(ids(second))) == 40

    async def test_a_cursor_of_another_order_or_a_forged_one_is_refused(self, store: PostgresStore) -> None:
        cursor = (await listed(store, sort="created", limit=1)).next_cursor
        for after in (cursor, "nonsense", f"{cursor}x"):
            with pytest.raises(InvalidInputError, match="cursor"):
                await listed(store, sort="-created", after=after)

    async def test_an_unknown_sort_order_is_refused_with_the_choices(self, store: PostgresStore) -> None:
        with pytest.raises(InvalidInputError, match="no order body") as raised:
            await listed(store, sort="body")
        assert all(sort in str(raised.value.hint) for sort in SORTS)


class TestSearch:
    @pytest.mark.parametrize(
        ("subject", "search"),
        [
            ("order A-4711 is lost", "4711"),
            ("who may read /etc/passwd?", "passwd"),
            ("My printer is on fire", "printer"),
            ("My printer is on fire", "FIRE prin"),
            ("My printer, it burns!", "burns"),
            ("naïve café", "CAFÉ"),
            ("日本語のテキスト", "日本"),
            ("mail of ada@example.com today", "ada@example.com"),
            ("since version 3.14 of it", "3.14"),
            ("order A-4711/x is late", "A-4711/x"),
            ("see https://example.org/a?b=c", "https://example.org/a?b=c"),
            ("it doesn't work", "doesn't"),
            (r"in C:\temp\x.log", r"C:\temp\x.log"),
            ("C++ & C#", "C++ & C#"),
            ("foo bar", "foo:* bar | !baz"),
            ("foo", "(foo"),
            ("foo", "foo \u202e"),
        ],
    )
    async def test_words_of_a_ticket_find_it(self, store: PostgresStore, subject: str, search: str) -> None:
        made, _ = await store.create(NewTicket(subject="unrelated", body=subject))
        words = TicketFilter(search=search.replace(" | !baz", ""))
        assert ids(await listed(store, words)) == [made.id]

    async def test_words_that_were_corrected_by_hand_are_found(
        self, store: PostgresStore, ask: Callable[[str], str]
    ) -> None:
        made, _ = await store.create(NewTicket(subject="the printr burns"))
        ask("update tickets set subject = 'the printer burns'")
        assert ids(await listed(store, TicketFilter(search="printer"))) == [made.id]
        assert ids(await listed(store, TicketFilter(search="printr"))) == []

    @pytest.mark.parametrize(
        "search", ["fire water", "ire", "x' | 'fire", "fire & water", "fire | water", "!water"]
    )
    async def test_a_search_requires_every_word_and_has_no_operators(
        self, store: PostgresStore, search: str
    ) -> None:
        await store.create(NewTicket(subject="fire"))
        assert ids(await listed(store, TicketFilter(search=search))) == []

    @pytest.mark.parametrize("search", ["", " ", "&", "'", "\\", "(((", ":*", "\u202e", "!!!"])
    async def test_a_search_without_words_is_refused(self, store: PostgresStore, search: str) -> None:
        with pytest.raises(InvalidInputError, match="no words"):
            await listed(store, TicketFilter(search=search))

    @pytest.mark.parametrize(
        "search",
        ["x" * 3000, "w " * 500, "½", "²", "a\u0301", HOSTILE.replace("\0", ""), "'' \\' \\\\ a"],
    )
    async def test_any_search_text_is_a_valid_query(self, store: PostgresStore, search: str) -> None:
        assert (await listed(store, TicketFilter(search=search))).total == 0


class TestOne:
    async def test_details_of_a_ticket_without_attempts(self, store: PostgresStore) -> None:
        made, _ = await store.create(NewTicket(subject="Fire"))
        details = await store.get_details(made.id)
        assert details is not None
        assert (details.ticket, details.steps, details.attempts) == (made, [], [])

    async def test_details_of_an_unknown_ticket_are_none(
        self, store: PostgresStore, decisions: PostgresDecisions
    ) -> None:
        for ticket_id in (7, 2**63 - 1):
            assert await store.get_details(ticket_id) is None
            assert await people.close(decisions, ticket_id) is None

    async def test_close_releases_the_lease_whatever_the_status(
        self, store: PostgresStore, decisions: PostgresDecisions
    ) -> None:
        made, _ = await store.create(NewTicket(subject="Fire"))
        closed = await people.close(decisions, made.id)
        assert closed is not None
        assert closed.status is TicketStatus.CLOSED
        assert closed.updated_at >= made.updated_at
        assert _less(closed) == _less(made)


def _less(ticket: Ticket) -> Ticket:
    """The ticket without the fields that closing changes."""
    return replace(ticket, status=TicketStatus.NEW, updated_at=ticket.created_at)
