"""Commands that decide on many tickets: which tickets are meant, a question before, and a report after."""

import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from ticketctl.cli import completion, error_reporting
from ticketctl.cli.input import STDIN, is_interactive, read_text
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.errors import InvalidInputError, NotFoundError, UnsafeError
from ticketctl.tickets.filters import TicketFilter

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ticketctl.runtime import Database
    from ticketctl.tickets.decisions import Decision, Outcome
    from ticketctl.tickets.history import Operation
    from ticketctl.tickets.operator_resources import OperatorResources
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
_NAMED = 5
"""Tickets that a question names."""


class Selection(NamedTuple):
    """What a person selected: numbers, or a filter with `--all`."""

    texts: Sequence[str]
    wanted: TicketFilter
    is_all: bool
    is_confirmed: bool

    def check(self) -> None:
        """Raise InvalidInputError unless it is clear which tickets are meant."""
        has_filter = self.wanted != EVERY
        if bool(self.texts) == self.is_all:
            raise InvalidInputError(
                "name tickets, or filters with --all", hint="1-20, or --status failed --all"
            )
        if has_filter and not self.is_all:
            raise InvalidInputError(
                "the filters have no effect on named tickets", hint="--all applies the filters"
            )
        if self.is_all and not has_filter and not self.is_confirmed:
            raise InvalidInputError("--all without a filter is every ticket", hint="--yes confirms that")

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
    decide_on: "Callable[[Resource, Sequence[int], Operation], Awaitable[Sequence[Outcome]]]",
    selection: Selection,
    action: Action,
    *,
    as_json: bool,
) -> None:
    """Decide on tickets, and print what became of each, and how to undo it. One named ticket is printed as such.

    Raises:
        InvalidInputError: Nothing, or too much, is selected, or the person answers no.
        UnsafeError: Some of several tickets could not be changed.
    """
    selection.check()
    named = parse_ids(selection.texts)

    async def select(resource: Resource) -> list[int]:
        return await list_matching(get_store(resource), selection.wanted)

    ids = run_with(opener, select) if selection.is_all else named
    confirm(ids, selection, action.verb)
    with announce_undo(is_one=selection.is_one) as operation:
        outcomes = run_with(opener, lambda resource: decide_on(resource, ids, operation))
        if selection.is_one:
            _report_one(outcomes[0], as_json=as_json)
        else:
            report(outcomes, action, operation, as_json=as_json)


@contextmanager
def announce_undo(*, is_one: bool = False) -> "Iterator[Operation]":
    """Yield the operation of a command, and print how to undo it at the end, even if the command fails half-way.

    A command on one ticket (`is_one`) is undone by the number of the ticket.
    """
    from ticketctl.tickets.history import Operation

    operation, is_reported = Operation(), False
    try:
        yield operation
        is_reported = True
    except UnsafeError:
        is_reported = True
        raise
    finally:
        if operation.changed and not is_one:
            before = (
                ""
                if is_reported
                else f"{output.count(operation.changed, 'ticket')} changed before it stopped; "
            )
            output.print_message(f"{before}to undo: ticketctl undo --operation {operation.id}")


def apply_to(decision: "Decision", selection: Selection, action: Action, *, as_json: bool) -> None:
    """Apply a decision to the selected tickets, and send the messages that it queued. Raise as `decide`."""
    from ticketctl.cli.actor import current_actor
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets import decisions

    by = current_actor()

    async def decide_on(
        resources: "OperatorResources", ids: Sequence[int], operation: "Operation"
    ) -> "Sequence[Outcome]":
        outcomes = await decisions.apply(resources.decisions, decision, ids, by=by, operation=operation)
        if any(one.is_changed and one.ticket is not None and one.ticket.status == "new" for one in outcomes):
            unsent = await resources.try_flush()
            if unsent is not None:
                error_reporting.warn(f"messages wait in the outbox: {unsent}")
        return outcomes

    decide(
        open_operator_resources,
        lambda resources: resources.store,
        decide_on,
        selection,
        action,
        as_json=as_json,
    )


def _report_one(outcome: "Outcome", *, as_json: bool) -> None:
    from ticketctl.tickets.decisions import get_ticket

    ticket = get_ticket([outcome])
    if as_json:
        output.print_json(ticket)
    elif output.is_terminal():
        done = outcome.outcome if outcome.is_changed else f"was {outcome.outcome}"
        output.print_rows([[f"ticket {ticket.id} {done}; {ticket.status}, team {ticket.team or 'none'}"]])
    else:
        output.print_rows([[ticket.id]])


async def list_matching(store: "TicketStore", wanted: TicketFilter) -> list[int]:
    """Return the numbers of all tickets that match."""
    from ticketctl.tickets import service

    pages = service.read_all(store, wanted, without={"body", "draft"})
    return [ticket.id async for tickets in pages for ticket in tickets]


def confirm(ids: Sequence[int], selection: Selection, verb: str) -> None:
    """Ask on a terminal before several tickets change. Raises NotFoundError for none, InvalidInputError for a no."""
    if not ids:
        if not selection.is_all:
            raise NotFoundError("stdin names no ticket", hint="ticketctl list --fields id prints numbers")
        raise NotFoundError("no ticket matches", hint="ticketctl list with the same filters shows none")
    is_asked = not selection.is_one and output.is_terminal() and is_interactive()
    if selection.is_confirmed or not is_asked:
        return
    some = ", ".join(map(str, ids[:_NAMED])) + (" ..." if len(ids) > _NAMED else "")
    if not typer.confirm(f"{verb} {output.count(len(ids), 'ticket')} ({some})?", err=True):
        raise InvalidInputError("nothing was changed", hint="--yes does not ask")


def report(results: "Sequence[Outcome]", action: Action, operation: "Operation", *, as_json: bool) -> None:
    """Print what became of each ticket. Raise UnsafeError if some could not be changed."""
    rows = [(one.id, one.outcome, None if one.error is None else str(one.error)) for one in results]
    if as_json:
        names = ("id", "outcome", "error")
        number = operation.id if operation.changed else None
        output.print_json(
            {"operation": number, "results": [dict(zip(names, row, strict=True)) for row in rows]}
        )
    elif output.is_terminal():
        has_errors = any(error for *_, error in rows)
        output.print_table(
            ("ID", "OUTCOME", "ERROR") if has_errors else ("ID", "OUTCOME"),
            (
                (str(ticket_id), outcome, *([error or ""] if has_errors else []))
                for ticket_id, outcome, error in rows
            ),
        )
    else:
        output.print_rows(rows)
    sys.stdout.flush()
    unchanged = sum(result.error is not None for result in results)
    if unchanged:
        raise UnsafeError(
            f"{unchanged} of {len(results)} tickets were not {action.done}", hint="the list says why for each"
        )
