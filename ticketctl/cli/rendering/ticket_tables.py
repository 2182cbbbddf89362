"""Print tickets: a list, or one with its steps and attempts."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.escaping import escape_controls
from ticketctl.cli.rendering.timestamps import format_iso, format_relative

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

    from ticketctl.tickets.models import Ticket, TicketDetails
    from ticketctl.tickets.pricing import Prices

STYLES = {
    "new": "cyan",
    "processing": "yellow",
    "processed": "green",
    "needs_review": "magenta",
    "failed": "bold red",
    "closed": "dim",
}


def print_list(tickets: "Sequence[Ticket]") -> None:
    """Print tickets, one per line."""
    if not output.is_terminal():
        output.print_rows(_row(ticket) for ticket in tickets)
        return
    if not tickets:
        return
    now = datetime.now(UTC)
    output.print_table(
        ("ID", "STATUS", "PRIORITY", "CATEGORY", "TEAM", "CREATED", "SUBJECT"),
        (
            (
                str(ticket.id),
                _status(ticket),
                ticket.priority or "",
                ticket.category or "",
                ticket.team or "",
                format_relative(ticket.created_at, now=now),
                ticket.subject,
            )
            for ticket in tickets
        ),
        optional=("CREATED", "PRIORITY", "TEAM", "CATEGORY"),
    )


def print_fields(tickets: "Sequence[Ticket]", names: Sequence[str]) -> None:
    """Print the named columns of tickets, one ticket per line."""
    rows = [[_format_field(getattr(ticket, name)) for name in names] for ticket in tickets]
    if not output.is_terminal():
        output.print_rows(rows)
    elif rows:
        output.print_table([name.upper() for name in names], rows)


def print_ticket_fields(ticket: "Ticket", names: Sequence[str]) -> None:
    """Print the named columns of one ticket: on a terminal below each other and in full, piped on one line."""
    if not output.is_terminal():
        print_fields([ticket], names)
        return
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2, 0, 0))
    for name in names:
        value = escape_controls(_format_field(getattr(ticket, name)), multiline=True)
        facts.add_row(Text(name, "dim"), Text(value, overflow="fold"))
    output.make_console().print(facts)


def choose_fields(ticket: "Ticket", names: Sequence[str]) -> dict[str, Any]:
    """Return the JSON form of the named columns of a ticket."""
    return {name: getattr(ticket, name) for name in names}


def _format_field(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime):
        return format_iso(value)
    return _compact(value) if isinstance(value, list | dict) else str(value)


def print_details(details: "TicketDetails", prices: "Prices") -> None:
    """Print everything about one ticket."""
    if not output.is_terminal():
        output.print_rows(_lines(details, prices))
        return
    print_ticket(details)
    _print_steps(details, prices)
    _print_attempts(details)


def print_ticket(details: "TicketDetails") -> None:
    """Print a ticket on a terminal, as `render_ticket`."""
    output.make_console().print(render_ticket(details))


def render_ticket(details: "TicketDetails") -> "Group":
    """Return a ticket for a terminal, with its entities marked and the reasons for its review; without steps and attempts."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from ticketctl.tickets.review import list_review_reasons

    ticket = details.ticket
    subject, body = _mark_entities(ticket)
    subject.stylize("bold")
    facts = Table.grid(padding=(0, 2, 0, 2))
    for name, value in _facts(ticket):
        facts.add_row(Text(name, "dim", justify="right"), Text(escape_controls(value), overflow="fold"))
    parts: list[RenderableType] = [
        Text.assemble((f"#{ticket.id}  ", "bold"), subject, "  ", _status(ticket)),
    ]
    for reason in list_review_reasons(details) if ticket.status == "needs_review" else ():
        why = Text.assemble(("why: ", "bold"), (escape_controls(reason), "magenta"), overflow="fold")
        parts.append(why)
    parts.append(facts)
    if ticket.body:
        parts += [Text("\nbody", "bold"), body]
    if ticket.draft:
        draft = Text(escape_controls(ticket.draft, multiline=True), overflow="fold")
        parts += [Text(f"\n{_draft_title(ticket)}", "bold"), draft]
    for note in details.notes:
        when = format_relative(note.written_at, now=datetime.now(UTC))
        parts.append(Text(f"\nnote by {escape_controls(note.actor)}, {when}", "bold"))
        parts.append(Text(escape_controls(note.text, multiline=True), overflow="fold"))
    return Group(*parts)


def _mark_entities(ticket: "Ticket") -> "tuple[Text, Text]":
    """Return the subject and the body, escaped, with the entities underlined where they were found."""
    from rich.text import Text

    begin = len(ticket.subject) + 2  # an empty line separates the body in the text that the pipeline reads
    spans = sorted((entity["start"], entity["end"]) for entity in ticket.extracted or [])
    parts = []
    for text, offset in ((ticket.subject, 0), (ticket.body, begin)):
        marked, place = Text(overflow="fold"), 0
        for start, end in ((start - offset, end - offset) for start, end in spans):
            if place <= start < end <= len(text):
                marked.append(escape_controls(text[place:start], multiline=True))
                marked.append(escape_controls(text[start:end], multiline=True), "underline cyan")
                place = end
        parts.append(marked.append(escape_controls(text[place:], multiline=True)))
    return parts[0], parts[1]


def _costs(details: "TicketDetails", prices: "Prices") -> list[float | None]:
    """Return the cost of each step."""
    from ticketctl.tickets.views import StepView

    return [StepView.of(step, prices).cost for step in details.steps]


def _row(ticket: "Ticket") -> list[object]:
    return [
        ticket.id,
        ticket.status,
        ticket.priority,
        ticket.category,
        ticket.team,
        None if ticket.confidence is None else f"{ticket.confidence:.2f}",
        ticket.requester,
        format_iso(ticket.created_at),
        ticket.subject,
    ]


def _status(ticket: "Ticket") -> "Text":
    from rich.text import Text

    return Text(ticket.status, STYLES[ticket.status])


def _facts(ticket: "Ticket") -> Iterator[tuple[str, str]]:
    now = datetime.now(UTC)
    extracted = ", ".join(f"{entity['kind']} {entity['value']}" for entity in ticket.extracted or [])
    for name, value in (
        ("requester", ticket.requester),
        ("category", _category(ticket)),
        ("priority", ticket.priority),
        ("sentiment", ticket.sentiment),
        ("language", None if ticket.language == "und" else ticket.language),
        ("team", ticket.team),
        ("assignee", ticket.assignee),
        ("tags", ", ".join(ticket.tags)),
        ("set by a human", ", ".join(ticket.set_by_human)),
        ("extracted", extracted),
        ("error", ticket.error),
        ("created", format_relative(ticket.created_at, now=now)),
        ("processed", format_relative(ticket.processed_at, now=now)),
    ):
        if value:
            yield name, value


def _draft_title(ticket: "Ticket") -> str:
    return "draft reply, not sent" if ticket.sent_at is None else "reply, sent"


def _category(ticket: "Ticket") -> str | None:
    if ticket.confidence is None or "category" in ticket.set_by_human:
        return ticket.category
    return f"{ticket.category or 'unknown'} (confidence {ticket.confidence:.2f})"


def _print_steps(details: "TicketDetails", prices: "Prices") -> None:
    if not details.steps:
        return
    costs = _costs(details, prices)
    output.make_console().print("\nsteps", style="bold")
    output.print_table(
        ("STEP", "PROVIDER", "MODEL", "TOOK", "TOKENS", "COST", "OUTPUT"),
        (
            (
                step.step.value,
                step.provider,
                step.model,
                f"{step.duration_ms:.1f} ms",
                str(step.input_tokens + step.output_tokens),
                output.format_amount(price),
                _compact(step.output),
            )
            for step, price in zip(details.steps, costs, strict=True)
        ),
    )
    for step in details.steps:
        if step.sent is not None:
            title = f"text that {step.step} sent to {escape_controls(step.provider)}"
            output.make_console().print(f"\n{title}", style="bold")
            output.make_console().print(escape_controls(step.sent, multiline=True), overflow="fold")


def _print_attempts(details: "TicketDetails") -> None:
    if not details.attempts:
        return
    output.make_console().print("\nattempts", style="bold")
    now = datetime.now(UTC)
    output.print_table(
        ("ATTEMPT", "STARTED", "OUTCOME", "DELIVERY", "ERROR"),
        (
            (
                str(attempt.attempt),
                format_relative(attempt.started_at, now=now),
                attempt.outcome or "running",
                "" if attempt.receive_count is None else str(attempt.receive_count),
                attempt.error or "",
            )
            for attempt in details.attempts
        ),
    )


def _lines(details: "TicketDetails", prices: "Prices") -> Iterable[Sequence[object]]:
    """Yield a `name<TAB>value` line per column, then a line per step, attempt and note, then the total cost."""
    from ticketctl.tickets.pricing import sum_costs

    for name, value in msgspec.to_builtins(details.ticket).items():
        yield name, value if value is None or isinstance(value, str | int | float) else _compact(value)
    costs = _costs(details, prices)
    for step, price in zip(details.steps, costs, strict=True):
        yield (
            "step",
            step.step.value,
            step.provider,
            step.model,
            f"{step.duration_ms:.3f}",
            _compact(step.output),
            step.sent,
            output.format_amount(price),
        )
    for attempt in details.attempts:
        yield "try", attempt.attempt, format_iso(attempt.started_at), attempt.outcome, attempt.error
    for note in details.notes:
        yield "note", note.actor, format_iso(note.written_at), note.text
    if costs:
        yield "cost", output.format_amount(sum_costs(costs))


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()
