"""`replies`: approved replies, as mails for any mailer."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.lazy_group import CommandGroup
from ticketctl.cli.options import JsonOption, choice
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.cli.selection import (
    EVERY,
    Action,
    AllOption,
    Selection,
    TicketIdsArgument,
    YesOption,
    apply_to,
    parse_ids,
)
from ticketctl.errors import InvalidInputError, UnsafeError

if TYPE_CHECKING:
    from email.message import EmailMessage

    from ticketctl.runtime import Database
    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.replies import Reply

replies = typer.Typer(
    cls=CommandGroup, help="Write approved replies as mails; mark them as sent.", no_args_is_help=True
)

_NONE = "no approved reply waits to be sent"
_PAGE = 500
"""Replies that are printed at a time."""


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(replies, name="replies")


@replies.command("list")
def list_replies(*, as_json: JsonOption = False) -> None:
    """List the approved replies that were not sent.

    Piped, the columns are: ticket id, requester, subject.
    """
    if as_json:
        run_with(_open(), lambda resources: output.stream_json("replies", resources.replies.list_unsent()))
        return
    run_with(_open(), _print_waiting)


async def _print_waiting(resources: "OperatorResources") -> None:
    """Print the replies page by page: a terminal's columns fit those of the page."""
    is_empty = True
    async for page in _read_pages(resources.replies.list_unsent()):
        is_empty = False
        if output.is_terminal():
            output.print_table(
                ("ID", "REQUESTER", "SUBJECT"),
                [(str(one.ticket_id), one.requester or "", one.subject) for one in page],
            )
        else:
            output.print_rows([one.ticket_id, one.requester, one.subject] for one in page)
    if is_empty and output.is_terminal():
        output.print_message(_NONE)


async def _read_pages(found: "AsyncIterator[Reply]") -> "AsyncIterator[list[Reply]]":
    page: list[Reply] = []
    async for reply in found:
        page.append(reply)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


@replies.command("export")
def export_replies(
    ticket_ids: TicketIdsArgument = None,
    *,
    sender: Annotated[str, typer.Option("--from", metavar="EMAIL", help="The address of your desk.")],
    file_format: Annotated[
        str, choice(("mbox", "eml"), "--format", help="One file, or one per reply; default mbox.")
    ] = "mbox",
    path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="Default: stdout, for mbox."),
    ] = None,
) -> None:
    """Write approved replies that were not sent as mails.

    Without IDs, all of them. Sending is up to your mailer; `ticketctl replies sent` then marks them.
    """
    from ticketctl.tickets.replies import parse_address

    parse_address(sender)
    if file_format == "eml" and path is None:
        raise InvalidInputError("eml writes one file per reply", hint="--output DIR names the folder")
    ids = parse_ids(ticket_ids) if ticket_ids else None
    written = run_with(_open(), lambda resources: _export(resources, ids, sender, file_format, path))
    sys.stdout.flush()
    if not written.found:
        output.print_message(_NONE)
    else:
        output.print_message(
            f"{output.count(written.number, 'reply', 'replies')} written; when sent: ticketctl replies sent ID..."
        )
    if written.refused:
        raise UnsafeError(
            f"{output.count(written.refused, 'reply was', 'replies were')} not written",
            hint="the warnings say why for each",
        )


async def _export(
    resources: "OperatorResources",
    ids: Sequence[int] | None,
    sender: str,
    file_format: str,
    path: Path | None,
) -> "_Written":
    """Write the replies of these tickets, or all, one by one. An existing file stays as it is if there is none."""
    from ticketctl.tickets.replies import build_mail

    written, missing, now = _Written(), set(ids or ()), datetime.now(UTC)
    with ExitStack() as stack:
        writer: _MailWriter | None = None
        async for reply in resources.replies.list_unsent(ids):
            written.found += 1
            missing.discard(reply.ticket_id)
            writer = writer or stack.enter_context(_open_writer(file_format, path))
            try:
                message = build_mail(reply, sender, now=now)
            except InvalidInputError as error:
                error_reporting.warn(f"ticket {reply.ticket_id} has no mail: {error}")
                written.refused += 1
            else:
                writer.add(reply, message)
                written.number += 1
    for ticket_id in sorted(missing):
        error_reporting.warn(f"ticket {ticket_id} has no approved reply that was not sent")
        written.refused += 1
    return written


@dataclass(slots=True)
class _Written:
    """Counts of an export: replies that were found, written, and refused or not there."""

    found: int = 0
    number: int = 0
    refused: int = 0


@replies.command("sent")
def mark_sent(
    ticket_ids: TicketIdsArgument = None,
    *,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Mark approved replies as sent.

    With --all, every approved reply that was not sent. `ticketctl undo ID` takes it back.
    """
    from ticketctl.tickets.decisions import Decision

    selection = Selection(ticket_ids or (), EVERY, everything, yes)
    if everything and not ticket_ids:
        waiting = run_with(_open(), _list_numbers)
        selection = Selection(waiting, EVERY, is_all=False, is_confirmed=yes)
        if not waiting:
            output.print_message(_NONE)
            return
    apply_to(Decision(action="send"), selection, Action("mark as sent", "sent"), as_json=as_json)


async def _list_numbers(resources: "OperatorResources") -> list[str]:
    return [str(reply.ticket_id) async for reply in resources.replies.list_unsent()]


def _open() -> "Callable[[Database], AbstractAsyncContextManager[OperatorResources]]":
    from ticketctl.runtime import open_operator_resources

    return open_operator_resources


class _MailWriter:
    """Writes mails into an mbox stream, or into files of a folder."""

    def __init__(self, stream: BinaryIO | None, folder: Path | None) -> None:
        self._stream, self._folder = stream, folder

    def add(self, reply: "Reply", message: "EmailMessage") -> None:
        """Write one mail."""
        raw = message.as_bytes()
        if self._folder is not None:
            (self._folder / f"{reply.ticket_id}.eml").write_bytes(raw)
        if self._stream is None:
            return
        self._stream.write(f"From ticketctl {datetime.now(UTC):%a %b %d %H:%M:%S %Y}\n".encode())
        for line in raw.splitlines(keepends=True):
            # mboxrd: a reader removes one ">" from each such line
            quoted = line.lstrip(b">").startswith(b"From ")
            self._stream.write(b">" + line if quoted else line)
        self._stream.write(b"\n")


@contextmanager
def _open_writer(file_format: str, path: Path | None) -> "Iterator[_MailWriter]":
    try:
        if file_format == "eml" and path is not None:
            path.mkdir(parents=True, exist_ok=True)
            yield _MailWriter(None, path)
        elif path is None:
            yield _MailWriter(sys.stdout.buffer, None)
        else:
            with path.open("wb") as file:
                yield _MailWriter(file, None)
    except OSError as error:
        if path is None:
            raise
        raise InvalidInputError(
            f"{path} cannot be written: {error.strerror}", hint="name another place"
        ) from None
