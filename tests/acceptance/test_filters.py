"""Every declared filter works on every edge: the store, the API and the program."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.program import Program
from tests.serving import open_client
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.api import schemas
from ticketctl.cli import filter_options
from ticketctl.cli.app import run
from ticketctl.postgres.engine import Engines
from ticketctl.postgres.pools import POOLS
from ticketctl.postgres.store import PostgresStore
from ticketctl.runtime import get_address
from ticketctl.settings import Settings
from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter, parse_filter

List = Callable[[Mapping[str, Any]], set[int]]
"""An edge: the ids that it lists for these filters."""


def values_of(spec: FilterSpec) -> tuple[str, str, str]:
    """A filter's value, the value of a ticket that matches it, and that of one that does not."""
    if spec.name == "priority":  # the command accepts the taxonomy's priorities only
        low, high, *_ = (priority.name for priority in default_taxonomy().priorities)
        return low, low, high
    if spec.choices:
        return spec.choices[0], spec.choices[0], spec.choices[1]
    if spec.match == "words":
        return "printer fi", "My printer is on fire", "My screen is dark"
    if spec.kind is datetime:
        return "2026-01-31T12:00Z", "2026-01-31 12:00Z", "2026-01-31 11:59Z"
    if spec.match == "below":
        return "0.5", "0.4", "0.5"
    pattern = '["{}-TAG", "x"]'.replace("TAG", spec.name) if spec.match == "has" else f"{{}}-{spec.name}"
    return f"this-{spec.name}", pattern.format("this"), pattern.format("other")


def option(name: str) -> str:
    """The option of the command line for a filter."""
    return f"--{name.replace('_', '-')}"


@pytest.fixture
def matching(ask: Callable[[str], str]) -> dict[str, set[int]]:
    """The tickets that each filter must find: all but one, which differs in that filter alone."""
    columns = {name: "subject" if spec.match == "words" else spec.column for name, spec in FILTERS.items()}
    differing: dict[str, int] = {}
    everything = set()
    for differs in (None, *FILTERS):
        values = [
            values_of(spec)[2 if name == differs else 1].replace("'", "''") for name, spec in FILTERS.items()
        ]
        quoted = "', '".join(values)
        answer = ask(f"insert into tickets ({', '.join(columns.values())}) values ('{quoted}') returning id")  # noqa: S608 - the test's own values
        made = int(answer.split()[0])
        everything.add(made)
        if differs is not None:
            differing[differs] = made
    return {name: everything - {ticket_id} for name, ticket_id in differing.items()}


@pytest.fixture
def by_store(emptied_url: str) -> List:
    async def found(wanted: TicketFilter) -> set[int]:
        settings = Settings(database_url=emptied_url)
        engines = Engines(get_address(settings), POOLS["null"], settings)
        async with engines.open_connections() as connections:
            page = await PostgresStore(connections).list(
                wanted, sort="created", limit=100, after=None, count=True
            )
        assert page.total == len(page.tickets)
        return {ticket.id for ticket in page.tickets}

    return lambda filters: asyncio.run(found(parse_filter(filters, now=datetime.now(UTC))))


@pytest.fixture
def by_api(emptied_url: str) -> List:
    async def found(filters: Mapping[str, str]) -> set[int]:
        async with open_client(Settings(database_url=emptied_url)) as client:
            answer = (await client.get("/tickets", params={**filters})).raise_for_status()
        return {ticket["id"] for ticket in answer.json()["tickets"]}

    return lambda filters: asyncio.run(found(filters))


@pytest.fixture
def by_program(ticketctl: Program) -> List:
    def found(filters: Mapping[str, Any]) -> set[int]:
        given = [(name, [value] if isinstance(value, str) else value) for name, value in filters.items()]
        options = [part for name, values in given for value in values for part in (option(name), value)]
        done = ticketctl("list", *options)
        assert done.status == 0, done.err
        return {int(line.split("\t")[0]) for line in done.out.splitlines()}

    return found


@pytest.mark.parametrize("edge", ["by_store", "by_program"])
def test_a_repeated_filter_matches_either_value(
    edge: str, ask: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    """The API's list has a test of its own, since a mapping holds one text per filter."""
    made = {}
    for status in ("new", "processed", "failed"):
        answer = ask(f"insert into tickets (subject, status) values ('x', '{status}') returning id")  # noqa: S608 - the test's own values
        made[status] = int(answer.split()[0])
    found: List = request.getfixturevalue(edge)
    assert found({"status": ["new", "processed"]}) == {made["new"], made["processed"]}


def test_a_repeated_query_parameter_matches_either_value(emptied_url: str, ask: Callable[[str], str]) -> None:
    for status in ("new", "processed", "failed"):
        ask(f"insert into tickets (subject, status) values ('x', '{status}')")  # noqa: S608 - the test's own values

    async def listed() -> list[str]:
        async with open_client(Settings(database_url=emptied_url)) as client:
            answer = await client.get("/tickets?status=new&status=processed&sort=status")
        return [ticket["status"] for ticket in answer.raise_for_status().json()["tickets"]]

    assert asyncio.run(listed()) == ["new", "processed"]


@pytest.mark.parametrize("text", ["much", "-0.1", "1.1", "nan"])
def test_a_confidence_out_of_range_is_refused(ticketctl: Program, text: str) -> None:
    done = ticketctl("list", "--confidence-below", text)
    assert done.status == 2
    assert done.err.startswith(f"error: confidence below cannot be '{text}'\n")


def wrong(edge: List, matching: Mapping[str, set[int]]) -> list[str]:
    """The filters that the edge forgets, or takes for another."""
    return [name for name, spec in FILTERS.items() if edge({name: values_of(spec)[0]}) != matching[name]]


@pytest.mark.parametrize("edge", ["by_store", "by_api", "by_program"])
def test_every_filter_works_on_every_edge(
    edge: str, matching: dict[str, set[int]], request: pytest.FixtureRequest
) -> None:
    found: List = request.getfixturevalue(edge)
    assert wrong(found, matching) == []
    every = {name: values_of(spec)[0] for name, spec in FILTERS.items()}
    assert found(every) == set.intersection(*matching.values())


def test_an_api_that_forgets_a_filter_is_noticed(
    by_api: List, matching: dict[str, set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(texts: Mapping[str, str | None], **options: Any) -> TicketFilter:
        return parse_filter({**texts, "team": None}, **options)

    monkeypatch.setattr(schemas, "parse_filter", forgetful)
    assert wrong(by_api, matching) == ["team"]


def test_a_command_that_swaps_two_filters_is_noticed(
    emptied_url: str,
    matching: dict[str, set[int]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def swapping(texts: Mapping[str, str | None], **options: Any) -> TicketFilter:
        return parse_filter({**texts, "priority": texts["team"], "team": texts["priority"]}, **options)

    def in_this_process(filters: Mapping[str, str]) -> set[int]:
        assert (
            run(["list", *(part for name, value in filters.items() for part in (option(name), value))]) == 0
        )
        return {int(line.split("\t")[0]) for line in capsys.readouterr().out.splitlines()}

    monkeypatch.setenv("TICKETCTL_DATABASE_URL", emptied_url)
    assert wrong(in_this_process, matching) == []
    monkeypatch.setattr(filter_options, "parse_filter", swapping)
    assert wrong(in_this_process, matching) == ["priority", "team"]


@pytest.mark.parametrize("name", FILTERS)
def test_stuck_refuses_a_filter_that_it_would_ignore(ticketctl: Program, name: str) -> None:
    done = ticketctl("list", "--stuck", option(name), values_of(FILTERS[name])[0])
    assert (done.status, done.out) == (2, "")
    assert f"--stuck cannot be combined with {option(name)}" in done.err


@pytest.mark.parametrize("options", [["--sort", "-created"], ["--after", "x"], ["--fields", "id"]])
def test_stuck_refuses_an_order_and_a_cursor(ticketctl: Program, options: list[str]) -> None:
    done = ticketctl("list", "--stuck", *options)
    assert (done.status, f"--stuck cannot be combined with {options[0]}" in done.err) == (2, True)
