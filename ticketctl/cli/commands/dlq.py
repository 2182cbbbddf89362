"""`dlq` and `outbox`: messages that were delivered too often, and messages that were not sent yet."""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.actor import current_actor
from ticketctl.cli.lazy_group import CommandGroup
from ticketctl.cli.options import JsonOption
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.timestamps import format_iso
from ticketctl.cli.resources import run_with
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.queue_protocols import DeadLetter

Result = TypeVar("Result")

dlq = typer.Typer(cls=CommandGroup, help="List, redrive and purge dead letters.", no_args_is_help=True)
outbox = typer.Typer(
    cls=CommandGroup, help="Count and send messages that the queue lacks.", no_args_is_help=True
)

MessageIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MESSAGE_ID]...", help="Dead letters.", show_default=False),
]
AllOption = Annotated[bool, typer.Option("--all", help="All dead letters.")]


def register(app: typer.Typer) -> None:
    """Add the groups of this module."""
    app.add_typer(dlq, name="dlq")
    app.add_typer(outbox, name="outbox")


@dlq.command("list")
def list_letters(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Dead letters to show at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the dead letters, oldest first.

    Piped, the columns are: message id, ticket id, deliveries, enqueued, reason, body.
    """

    async def work(resources: "OperatorResources") -> "Sequence[DeadLetter]":
        return await resources.queue.list_dead_letters(limit)

    letters = _run(work)
    if as_json:
        output.print_json({"dead_letters": letters})
    elif output.is_terminal() and letters:
        output.print_table(
            ("MESSAGE", "TICKET", "DELIVERIES", "REASON"),
            ([_text(c) for c in _row(x)[:3]] + [x.reason or ""] for x in letters),
        )
    else:
        output.print_rows(_row(letter) for letter in letters)
        if output.is_terminal():
            output.print_message("no dead letters")


@dlq.command()
def show(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID")], *, as_json: JsonOption = False
) -> None:
    """Show one dead letter."""
    (letter,) = _run(lambda resources: _select(resources, [message_id], everything=False))
    if as_json:
        output.print_json(letter)
        return
    names = ("message_id", "ticket_id", "receive_count", "enqueued_at", "reason", "body")
    output.print_rows(zip(names, _row(letter), strict=True))


@dlq.command()
def redrive(
    message_ids: MessageIds = None, *, everything: AllOption = False, as_json: JsonOption = False
) -> None:
    """Put dead letters back into the queue, and make their failed tickets new again."""
    from ticketctl.tickets import operations

    async def work(resources: "OperatorResources") -> "tuple[int, Sequence[DeadLetter]]":
        letters = await _select(resources, message_ids, everything=everything)
        done = await operations.redrive(resources.queue, resources.operations, letters, by=current_actor())
        await resources.flush()
        return done

    number, left = _run(work)
    for letter in left:
        error_reporting.warn(
            f"{letter.message_id} stays a dead letter, since it names no ticket: "
            f"ticketctl dlq purge {letter.message_id}"
        )
    _print_count("redriven", number, "redriven", as_json=as_json)


@dlq.command()
def purge(
    message_ids: MessageIds = None, *, everything: AllOption = False, as_json: JsonOption = False
) -> None:
    """Delete dead letters; their tickets stay as they are."""

    async def work(resources: "OperatorResources") -> int:
        letters = await _select(resources, message_ids, everything=everything)
        return await resources.queue.purge(letters)

    _print_count("purged", _run(work), "deleted", as_json=as_json)


@outbox.command()
def flush(*, as_json: JsonOption = False) -> None:
    """Send the messages that could not be sent when their tickets were created."""
    _print_count("sent", _run(lambda resources: resources.flush()), "sent", as_json=as_json)


@outbox.command()
def status(*, as_json: JsonOption = False) -> None:
    """Count the messages that are not sent yet."""

    async def work(resources: "OperatorResources") -> int:
        return await resources.outbox.count() if resources.sender is not None else 0

    _print_count("waiting", _run(work), "waiting", as_json=as_json)


def _run(work: "Callable[[OperatorResources], Awaitable[Result]]") -> Result:
    from ticketctl.runtime import open_operator_resources

    return run_with(open_operator_resources, work)


async def _select(
    resources: "OperatorResources", message_ids: "Sequence[str] | None", *, everything: bool
) -> "Sequence[DeadLetter]":
    from ticketctl.tickets import operations

    if bool(message_ids) == everything:
        raise InvalidInputError("name dead letters, or --all", hint="ticketctl dlq list shows them")
    return await operations.select_dead_letters(resources.queue, message_ids or [])


def _print_count(name: str, number: int, what: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json({name: number})
    else:
        output.print_rows([[f"{number} {what}" if output.is_terminal() else number]])


def _row(letter: "DeadLetter") -> list[Any]:
    return [
        letter.message_id,
        letter.ticket_id,
        letter.receive_count,
        format_iso(letter.enqueued_at),
        letter.reason,
        letter.body,
    ]


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)
