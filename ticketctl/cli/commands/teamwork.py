"""`assign`, `tag`, `note`, `history`: people who share the work on tickets."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ticketctl.cli import completion
from ticketctl.cli.actor import resolve_name
from ticketctl.cli.filter_options import with_filter_options
from ticketctl.cli.input import STDIN, read_text
from ticketctl.cli.options import JqOption, JsonOption, TicketIdArgument
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.timestamps import format_iso, format_relative
from ticketctl.cli.resources import run_with
from ticketctl.cli.selection import EVERY, Action, AllOption, Selection, YesOption, apply_to
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.filters import TicketFilter

if TYPE_CHECKING:
    from ticketctl.tickets.history import Change
    from ticketctl.tickets.operator_resources import OperatorResources

_SHOWN = 60
"""Characters of an old or new value that a terminal shows; piped, nothing is cut."""


def _words(last: str) -> Any:
    return typer.Argument(
        metavar=f"[ID|FIRST-LAST|-]... {last}",
        help=f"Tickets, such as 7, #7 or 1-20; - reads them from stdin. {last} comes last.",
        show_default=False,
        autocompletion=completion.list_ticket_ids,
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("assign")(assign)
    app.command("tag")(tag)
    app.command("note")(note)
    app.command("history")(history)


@with_filter_options
def assign(
    words: Annotated[list[str] | None, _words("WHO")] = None,
    wanted: TicketFilter = EVERY,
    *,
    nobody: Annotated[bool, typer.Option("--nobody", help="Remove the assignee; WHO is left out.")] = False,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say who takes care of tickets.

    WHO is a name, or @me: TICKETCTL_USER, else your login name. Of several tickets the piped columns are: id,
    outcome, error.
    """
    from ticketctl.tickets import decisions

    ids, who = (list(words or ()), None) if nobody else _split(words, "WHO", "ticketctl assign 7 @me")
    decision = decisions.assign(None if who is None else resolve_name(who))
    action = Action("unassign" if nobody else f"assign to {who}:", "assigned")
    apply_to(decision, Selection(ids, wanted, everything, yes), action, as_json=as_json)


@with_filter_options
def tag(
    words: Annotated[list[str] | None, _words("NAME")] = None,
    wanted: TicketFilter = EVERY,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tag.")] = False,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a tag to tickets, or remove it.

    `ticketctl list --tag NAME` finds them. Of several tickets the piped columns are: id, outcome, error.
    """
    from ticketctl.tickets import decisions

    ids, name = _split(words, "NAME", "ticketctl tag 7 refund")
    action = Action(f"remove {name} from", "untagged") if remove else Action(f"tag {name}:", "tagged")
    apply_to(
        decisions.tag(name, remove=remove),
        Selection(ids, wanted, everything, yes),
        action,
        as_json=as_json,
    )


def _split(words: Sequence[str] | None, last: str, example: str) -> tuple[list[str], str]:
    """Return the tickets and the last word."""
    if not words:
        raise InvalidInputError(f"{last} is missing", hint=example)
    return list(words[:-1]), words[-1]


def note(
    ticket_id: TicketIdArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT|-", help="The note; - reads it from stdin.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Write a note on a ticket.

    Notes are for the people who work on it: no provider reads them, and no reply contains them.
    """
    from ticketctl.tickets import decisions

    decision = decisions.note(read_text(STDIN) if text == STDIN else text)
    selection = Selection([str(ticket_id)], EVERY, is_all=False, is_confirmed=True)
    apply_to(decision, selection, Action("note", "noted"), as_json=as_json)


def history(ticket_id: TicketIdArgument, *, as_json: JsonOption = False, program: JqOption = None) -> None:
    """Show every change of a ticket, and who made it.

    Piped, there is one line per changed field; the columns are: time, actor's kind (person, worker, rule, import),
    actor, action, field, old value, new value, note, and the
    number of the command that made the change, for `ticketctl undo --operation`.
    """
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets import decisions

    async def work(resources: "OperatorResources") -> "list[Change]":
        return await decisions.get_history(resources.store, resources.decisions, ticket_id)

    changes = run_with(open_operator_resources, work)
    if as_json or program is not None:
        output.print_json({"ticket_id": ticket_id, "changes": changes}, program)
        return
    if output.is_terminal():
        now = datetime.now(UTC)
        output.print_definitions((_title(change, now), _describe(change)) for change in changes)
    else:
        output.print_rows(row for change in changes for row in _rows(change))


def _rows(change: "Change") -> list[tuple[str, ...]]:
    start = (format_iso(change.changed_at), change.actor_kind, change.actor, change.action)
    names = [name for name in change.new | change.old if name != "set_by_human"] or [""]
    end = (change.note or "", "" if change.operation is None else str(change.operation))
    return [(*start, name, _text(change.old.get(name)), _text(change.new.get(name)), *end) for name in names]


def _title(change: "Change", now: datetime) -> str:
    """Return time, actor and action on one line. The start of its id identifies an execution environment."""
    name = change.actor[:8] if change.actor_kind == "worker" else change.actor
    number = "" if change.operation is None else f" (operation {change.operation})"
    return (
        f"{format_relative(change.changed_at, now=now)}, {change.actor_kind} {name}: {change.action}{number}"
    )


def _describe(change: "Change") -> list[str]:
    """Return a line per changed field, and the note."""
    lines = [
        f"{field}: {_shorten(old) or '-'} → {_shorten(new) or '-'}"
        for *_, field, old, new, _note, _operation in _rows(change)
        if field
    ]
    return [*lines, *([change.note] if change.note else [])]


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()
