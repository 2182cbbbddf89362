"""`route`: which team gets a ticket, and why."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ticketctl.cli.commands.tickets import AsJson, TicketId
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings, with_store
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.ai.taxonomy.schema import Conditions, Taxonomy
    from ticketctl.tickets.models import Classification, Extraction, TicketDetails
    from ticketctl.tickets.protocols import TicketStore


class _Tried(NamedTuple):
    """One rule, and why it matched or did not."""

    rule: str
    team: str
    matched: bool
    reason: str


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("route")(route)


def route(
    ticket_id: TicketId,
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Show the rules before it too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell which team the rules choose for a ticket, as it stands now; nothing is changed.

    Piped, the columns are: rule, team, matched or not, reason.
    """
    from ticketctl.ai.providers.factory import load_taxonomy
    from ticketctl.tickets import service
    from ticketctl.tickets.review import read_analysis

    taxonomy = load_taxonomy(load_settings())

    async def work(store: "TicketStore") -> "TicketDetails":
        return await service.show(store, ticket_id)

    details = with_store(work)
    found = read_analysis(details)
    if found is None:
        raise InvalidInputError(
            f"ticket {ticket_id} has not been read yet: its status is {details.ticket.status}",
            hint="ticketctl work processes it",
        )
    tried = list(_tried(taxonomy, *found))
    _print(details, tried if explain else tried[-1:], as_json=as_json)


def _tried(
    taxonomy: "Taxonomy", classification: "Classification", extraction: "Extraction"
) -> Iterator[_Tried]:
    """The rules in their order, up to the one that matched."""
    for rule, unmet in taxonomy.explain(classification, extraction):
        if unmet is None:
            yield _Tried(rule.name, rule.team, matched=True, reason=_met(rule.when, classification))
            return
        yield _Tried(rule.name, rule.team, matched=False, reason=unmet)
    yield _Tried("default", taxonomy.default_team, matched=True, reason="no rule matched")


def _met(when: "Conditions", classification: "Classification") -> str:
    from ticketctl.tickets.models import CLASSIFIED_FIELDS

    held = [f"{name} is {getattr(classification, name)}" for name in CLASSIFIED_FIELDS if getattr(when, name)]
    if when.confidence_below is not None or when.confidence_from is not None:
        held.append(f"confidence is {classification.confidence:.2f}")
    held += [f"there is a {kind}" for kind in when.entities]
    return " and ".join(held) or "it asks for nothing"


def _print(details: "TicketDetails", tried: list[_Tried], *, as_json: bool) -> None:
    chosen, ticket = tried[-1], details.ticket
    if as_json:
        output.print_json(
            {
                "ticket_id": ticket.id,
                "team": ticket.team,
                "team_set_by_human": "team" in ticket.set_by_human,
                "chosen": {"rule": chosen.rule, "team": chosen.team, "reason": chosen.reason},
                "rules": [rule._asdict() for rule in tried],
            }
        )
    elif not output.on_terminal():
        output.print_rows((r.rule, r.team, "matched" if r.matched else "no match", r.reason) for r in tried)
    else:
        _print_table(tried)
        if "team" in ticket.set_by_human:
            output.say(f"a human set the team: {ticket.team}")
        elif ticket.team != chosen.team:
            output.say(f"the ticket is with {ticket.team}: it was routed by other rules")


def _print_table(tried: list[_Tried]) -> None:
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
            for rule in tried
        ],
    )
