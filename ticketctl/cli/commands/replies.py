"""`replies`: approved replies, as mails for any mailer."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.replies import Reply

replies = typer.Typer(
    cls=CommandGroup, help="Write approved replies as mails; mark them as sent.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(replies, name="replies")


@replies.command("list")
def list_replies(*, as_json: JsonOption = False) -> None:
    """List the approved replies that were not sent.

    Piped, the columns are: ticket id, requester, subject.
    """
    found = _read(None)
    if as_json:
        output.print_json({"replies": found})
    elif not output.is_terminal():
        output.print_rows([one.ticket_id, one.requester, one.subject] for one in found)
    elif found:
        output.print_table(
            ("ID", "REQUESTER", "SUBJECT"),
            [(str(one.ticket_id), one.requester or "", one.subject) for one in found],
        )
    else:
        output.print_message("no approved reply waits to be sent")


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
    from ticketctl.tickets.replies import build_mail, parse_address

    parse_address(sender)
    if file_format == "eml" and path is None:
        raise InvalidInputError("eml writes one file per reply", hint="--output DIR names the folder")
    now, refused, number = datetime.now(UTC), 0, 0
    with _open_writer(file_format, path) as write:
        for reply in _read(parse_ids(ticket_ids) if ticket_ids else None):
            try:
                message = build_mail(reply, sender, now=now)
            except InvalidInputError as error:
                error_reporting.warn(f"ticket {reply.ticket_id} has no mail: {error}")
                refused += 1
                continue
            write.add(reply, message)
            number += 1
    sys.stdout.flush()
    output.print_message(f"{number:,} replies written; when they are sent: ticketctl replies sent ID...")
    if refused:
        raise UnsafeError(f"{refused} replies were not written", hint="the warnings say why for each")


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
        waiting = [str(one.ticket_id) for one in _read(None)]
        selection = Selection(waiting, EVERY, is_all=False, is_confirmed=yes)
        if not waiting:
            output.print_message("no approved reply waits to be sent")
            return
    apply_to(Decision(action="send"), selection, Action("mark as sent", "sent"), as_json=as_json)


def _read(ticket_ids: Sequence[int] | None) -> "list[Reply]":
    from ticketctl.runtime import open_operator_resources

    async def work(resources: "OperatorResources") -> "list[Reply]":
        return [reply async for reply in resources.replies.list_unsent(ticket_ids)]

    return run_with(open_operator_resources, work)


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
