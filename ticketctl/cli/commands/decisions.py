"""`approve`, `reject`, `set`: a reviewer's decisions on tickets."""

from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import completion
from ticketctl.cli.actor import current_actor
from ticketctl.cli.filter_options import read_filter, with_filter_options
from ticketctl.cli.input import read_text
from ticketctl.cli.options import JsonOption, choice
from ticketctl.cli.selection import (
    EVERY,
    Action,
    AllOption,
    Selection,
    TicketIdsArgument,
    YesOption,
    decide,
)
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.filters import FILTERS, TicketFilter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ticketctl.tickets.decisions import Outcome
    from ticketctl.tickets.history import Operation
    from ticketctl.tickets.review import ReviewService

SENTIMENTS = ("negative", "neutral", "positive")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("set")(set_fields)


@with_filter_options
def approve(
    ticket_ids: TicketIdsArgument = None,
    wanted: TicketFilter = EVERY,
    *,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Accept tickets as they are and end their review.

    All their fields count as set by a human then: the tickets are processed, and no later run changes them.
    """
    by = current_actor()

    async def decide_on(
        reviews: "ReviewService", ids: "Sequence[int]", operation: "Operation"
    ) -> "Sequence[Outcome]":
        return await reviews.approve(ids, by=by, operation=operation)

    selection = Selection(ticket_ids or (), wanted, everything, yes)
    _decide(decide_on, selection, Action("approve", "approved"), as_json=as_json)


@with_filter_options
def reject(
    ticket_ids: TicketIdsArgument = None,
    wanted: TicketFilter = EVERY,
    *,
    reason: Annotated[
        str | None, typer.Option(help="Why; kept with the last attempt.", show_default=False)
    ] = None,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Drop the draft replies of tickets, end their review.

    You answer them yourself: the tickets are processed, and no later run drafts another reply. Category, priority
    and the other fields stay; `ticketctl set` corrects them.
    """
    by = current_actor()

    async def decide_on(
        reviews: "ReviewService", ids: "Sequence[int]", operation: "Operation"
    ) -> "Sequence[Outcome]":
        return await reviews.reject(ids, reason, by=by, operation=operation)

    selection = Selection(ticket_ids or (), wanted, everything, yes)
    _decide(decide_on, selection, Action("reject the drafts of", "rejected"), as_json=as_json)


def set_fields(
    ticket_ids: TicketIdsArgument = None,
    *,
    category: Annotated[
        str | None,
        typer.Option(help="A category of the taxonomy.", autocompletion=completion.list_categories),
    ] = None,
    priority: Annotated[str | None, choice(completion.list_priorities, help="The new priority.")] = None,
    team: Annotated[
        str | None, typer.Option(help="A team of the taxonomy.", autocompletion=completion.list_teams)
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="en, de, und, ...")] = None,
    sentiment: Annotated[str | None, choice(SENTIMENTS, help="The new sentiment.")] = None,
    draft_file: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Read the reply from a file, or from stdin.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FILTER=VALUE", help="With --all: a filter of list; may be repeated."),
    ] = None,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Correct fields of tickets; no run overwrites them.

    The team follows the routing rules, unless you set it too. The status stays; `ticketctl approve` ends a
    review.
    """
    options = {
        "category": category,
        "priority": priority,
        "team": team,
        "language": language,
        "sentiment": sentiment,
        "draft": None if draft_file is None else read_text(draft_file),
    }
    values = {name: value for name, value in options.items() if value is not None}

    if not values:
        raise InvalidInputError("there is nothing to set", hint="ticketctl set ID --category billing")
    wanted, by = _parse_where(where or ()), current_actor()

    async def decide_on(
        reviews: "ReviewService", ids: "Sequence[int]", operation: "Operation"
    ) -> "Sequence[Outcome]":
        return await reviews.set(ids, values, by=by, operation=operation)

    selection = Selection(ticket_ids or (), wanted, everything, yes)
    _decide(decide_on, selection, Action(f"set {', '.join(values)} of", "set"), as_json=as_json)


def _parse_where(texts: "Sequence[str]") -> TicketFilter:
    """Return the filter of `--where`: the names of the filters are taken by the options that set fields."""
    values: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        spec = FILTERS.get(name.replace("-", "_"))
        if spec is None or not equals:
            raise InvalidInputError(
                f"--where cannot be {text!r}",
                hint=f"it looks like status=failed; filters: {', '.join(FILTERS)}",
            )
        values.setdefault(spec.name, []).append(value)
    chosen = {name: given if FILTERS[name].is_repeatable else given[-1] for name, given in values.items()}
    return read_filter(chosen)


def _decide(
    decide_on: "Callable[[ReviewService, Sequence[int], Operation], Awaitable[Sequence[Outcome]]]",
    selection: Selection,
    action: Action,
    *,
    as_json: bool,
) -> None:
    from ticketctl.runtime import open_review_service

    decide(
        open_review_service, lambda reviews: reviews.tickets, decide_on, selection, action, as_json=as_json
    )
