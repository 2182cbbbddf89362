"""Commands that decide on many tickets: which tickets are meant, a question before, and a report after."""

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from ticketctl.cli import completion
from ticketctl.cli.input import STDIN, is_interactive, read_text
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.errors import InvalidInputError, NotFoundError, UnsafeError
from ticketctl.tickets.filters import TicketFilter

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ticketctl.runtime import Database
    from ticketctl.tickets.models import Ticket
    from ticketctl.tickets.protocols import TicketStore

Resource = TypeVar("Resource")

EVERY = TicketFilter()
"""The filter that every ticket matches."""

TicketIdsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ID|FIRST-LAST|-",
        help="Tickets, such as 7, #7 or 1-20; - reads them from stdin.",
        show_default=False,
        autocompletion=completion.list_ticket_ids,
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="All tickets that match the filters.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing several tickets.")]
_LARGEST_RANGE = 10_000
_PAGE = 1000
_NAMED = 5
"""Tickets that a question names."""


class Selection(NamedTuple):
    """What a person selected: numbers, or a filter with `--all`."""

    texts: Sequence[str]
    wanted: TicketFilter
    is_all: bool
    is_confirmed: bool

    @property
    def is_one(self) -> bool:
        """Return whether one ticket is named by its number."""
        return (
            not self.is_all
            and len(self.texts) == 1
            and re.fullmatch(r"#?-?[0-9]+", self.texts[0]) is not None
        )


class Action(NamedTuple):
    """A command's work on a ticket: its verb in a question, and what the ticket is afterwards."""

    verb: str
    done: str


class _Result(NamedTuple):
    id: int
    outcome: str
    error: str | None


def parse_ids(texts: Sequence[str]) -> list[int]:
    """Return the numbers that the texts mean, each once, in their order. Raises InvalidInputError."""
    ids: dict[int, None] = {}
    for text in texts:
        words = read_text(STDIN).split() if text == STDIN else [text]
        for word in words:
            ids |= dict.fromkeys(_expand(word))
    return list(ids)


def _expand(word: str) -> Sequence[int]:
    if (single := re.fullmatch(r"#?(-?[0-9]{1,40})", word)) is not None:
        return [int(single[1])]
    if (ends := re.fullmatch(r"#?([0-9]{1,18})-#?([0-9]{1,18})", word)) is None:
        raise InvalidInputError(f"{word!r} is not the number of a ticket", hint="it looks like 7, #7 or 1-20")
    first, last = int(ends[1]), int(ends[2])
    if not first <= last < first + _LARGEST_RANGE:
        raise InvalidInputError(
            f"the range {word} cannot be used",
            hint=f"it goes upwards, over {_LARGEST_RANGE:,} tickets at most",
        )
    return range(first, last + 1)


def decide(
    opener: "Callable[[Database], AbstractAsyncContextManager[Resource]]",
    get_store: "Callable[[Resource], TicketStore]",
    decide_on: "Callable[[Resource, int], Awaitable[Ticket]]",
    selection: Selection,
    action: Action,
    *,
    as_json: bool,
) -> None:
    """Decide on each of several tickets, and print what became of each.

    Raises:
        InvalidInputError: Nothing, or too much, is selected, or the person answers no.
        UnsafeError: Some tickets could not be changed.
    """
    _check(selection)
    named = parse_ids(selection.texts)

    async def select(resource: Resource) -> list[int]:
        return await _list_matching(get_store(resource), selection.wanted)

    ids = run_with(opener, select) if selection.is_all else named
    _ask(ids, selection, action)

    async def work(resource: Resource) -> list[_Result]:
        results = []
        for ticket_id in ids:
            try:
                await decide_on(resource, ticket_id)
                results.append(_Result(ticket_id, action.done, None))
            except (NotFoundError, InvalidInputError) as error:
                results.append(_Result(ticket_id, "unchanged", str(error)))
        return results

    _report(run_with(opener, work), action, as_json=as_json)


def _check(selection: Selection) -> None:
    has_filter = selection.wanted != EVERY
    if bool(selection.texts) == selection.is_all:
        raise InvalidInputError("name tickets, or filters with --all", hint="1-20, or --status failed --all")
    if has_filter and not selection.is_all:
        raise InvalidInputError(
            "the filters have no effect on named tickets", hint="--all applies the filters"
        )
    if selection.is_all and not has_filter and not selection.is_confirmed:
        raise InvalidInputError("--all without a filter is every ticket", hint="--yes confirms that")


async def _list_matching(store: "TicketStore", wanted: TicketFilter) -> list[int]:
    ids: list[int] = []
    after: str | None = None
    while True:
        page = await store.list(wanted, sort="id", limit=_PAGE, after=after, count=False)
        ids += [ticket.id for ticket in page.tickets]
        after = page.next_cursor
        if after is None:
            return ids


def _ask(ids: Sequence[int], selection: Selection, action: Action) -> None:
    if not ids:
        raise NotFoundError("no ticket matches", hint="ticketctl list with the same filters shows none")
    is_asked = not selection.is_one and output.is_terminal() and is_interactive()
    if selection.is_confirmed or not is_asked:
        return
    some = ", ".join(map(str, ids[:_NAMED])) + (" ..." if len(ids) > _NAMED else "")
    tickets = "1 ticket" if len(ids) == 1 else f"{len(ids)} tickets"
    if not typer.confirm(f"{action.verb} {tickets} ({some})?", err=True):
        raise InvalidInputError("nothing was changed", hint="--yes does not ask")


def _report(results: Sequence[_Result], action: Action, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"results": [result._asdict() for result in results]})
    elif output.is_terminal():
        output.print_table(
            ("ID", "OUTCOME", "ERROR"), ((str(one.id), one.outcome, one.error or "") for one in results)
        )
    else:
        output.print_rows(results)
    sys.stdout.flush()
    unchanged = sum(result.error is not None for result in results)
    if unchanged:
        raise UnsafeError(
            f"{unchanged} of {len(results)} tickets were not {action.done}", hint="the list says why for each"
        )
