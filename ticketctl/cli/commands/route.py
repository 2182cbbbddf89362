"""`route`: show which team the routing rules choose for a ticket, and why."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ticketctl.cli.options import JsonOption, TicketIdArgument
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings, run_with
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.ai.taxonomy.schema import Conditions, Taxonomy
    from ticketctl.tickets.models import Classification, Extraction, TicketDetails
    from ticketctl.tickets.protocols import TicketStore


class _RuleMatch(NamedTuple):
    """A rule, and why it matched or did not match."""

    rule: str
    team: str
    matched: bool
    reason: str


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("route")(route)


def route(
    ticket_id: TicketIdArgument,
    *,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the rules that did not match too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which team the routing rules choose, and why.

    The rules see the ticket's fields as they are now. The ticket does not change.

    Piped, the columns are: rule, team, matched or not, reason.
    """
    from ticketctl.ai.providers.factory import load_taxonomy
    from ticketctl.runtime import open_store
    from ticketctl.tickets import service
    from ticketctl.tickets.review import read_analysis

    taxonomy = load_taxonomy(load_settings())

    async def work(store: "TicketStore") -> "TicketDetails":
        return await service.show(store, ticket_id)

    details = run_with(open_store, work)
    routed_by = read_analysis(details)
    if routed_by is None:
        raise InvalidInputError(
            f"ticket {ticket_id} is {details.ticket.status}: no worker has classified it yet",
            hint="ticketctl work processes it",
        )
    matches = list(_match_rules(taxonomy, *routed_by))
    _print(details, matches if explain else matches[-1:], as_json=as_json)


def _match_rules(
    taxonomy: "Taxonomy", classification: "Classification", extraction: "Extraction"
) -> Iterator[_RuleMatch]:
    """Yield the rules in their order, up to the first that matches."""
    for rule, unmet in taxonomy.explain(classification, extraction):
        if unmet is None:
            yield _RuleMatch(
                rule.name, rule.team, matched=True, reason=_describe_match(rule.when, classification)
            )
            return
        yield _RuleMatch(rule.name, rule.team, matched=False, reason=unmet)
    yield _RuleMatch("default", taxonomy.default_team, matched=True, reason="no rule matched")


def _describe_match(when: "Conditions", classification: "Classification") -> str:
    from ticketctl.tickets.models import CLASSIFIED_FIELDS

    conditions = [
        f"{name} is {getattr(classification, name)}" for name in CLASSIFIED_FIELDS if getattr(when, name)
    ]
    if when.confidence_below is not None or when.confidence_from is not None:
        conditions.append(f"confidence is {classification.confidence:.2f}")
    conditions += [f"there is a {kind}" for kind in when.entities]
    return " and ".join(conditions) or "it has no conditions"


def _print(details: "TicketDetails", matches: list[_RuleMatch], *, as_json: bool) -> None:
    chosen, ticket = matches[-1], details.ticket
    if as_json:
        output.print_json(
            {
                "ticket_id": ticket.id,
                "team": ticket.team,
                "team_set_by_human": "team" in ticket.set_by_human,
                "chosen": {"rule": chosen.rule, "team": chosen.team, "reason": chosen.reason},
                "rules": [rule._asdict() for rule in matches],
            }
        )
    elif not output.is_terminal():
        output.print_rows((r.rule, r.team, "matched" if r.matched else "no match", r.reason) for r in matches)
    else:
        _print_table(matches)
        if "team" in ticket.set_by_human:
            output.print_message(f"a human set the team: {ticket.team}")
        elif ticket.team != chosen.team:
            output.print_message(f"the ticket is with team {ticket.team}: other rules routed it")


def _print_table(matches: list[_RuleMatch]) -> None:
    from rich.text import Text

    output.print_table(
        ("", "RULE", "TEAM", "WHY"),
        [
            (
                Text("✓", "green") if rule.matched else Text("✗", "dim"),
                rule.rule,
                rule.team,
                rule.reason,
            )
            for rule in matches
        ],
        wrap=True,
    )
