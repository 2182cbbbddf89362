"""`import` and `export`: tickets from files, and to files."""

import io
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.filter_options import with_filter_options
from ticketctl.cli.input import STDIN
from ticketctl.cli.options import JsonOption, choice, fields_option
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.cli.selection import EVERY
from ticketctl.errors import InvalidInputError, NotFoundError, UnsafeError
from ticketctl.tickets.filters import TicketFilter

if TYPE_CHECKING:
    from rich.status import Status

    from ticketctl.tickets.importing.records import Records, Refused
    from ticketctl.tickets.importing.service import ImportSummary
    from ticketctl.tickets.models import Ticket
    from ticketctl.tickets.operator_resources import OperatorResources

_SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".eml": "eml",
    ".mbox": "mbox",
}
_FORMATS = ("csv", "jsonl", "eml", "mbox")
_EXPORT_FORMATS = ("csv", "jsonl")
_PAGE_BYTES = 8_000_000

MappingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="The column of a field, such as subject=Betreff; repeated."
    ),
]
EncodingOption = Annotated[str, typer.Option(metavar="NAME", help="Of CSV and JSON Lines, such as latin-1.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("import")(import_tickets)
    app.command("export")(export)


def import_tickets(
    source: Annotated[
        str, typer.Argument(metavar="FILE|DIR|-", help="A file, a folder with mails, or - for stdin.")
    ],
    *,
    file_format: Annotated[
        str | None, choice(_FORMATS, "--format", help="Default: from the file's name.")
    ] = None,
    mapping: MappingOption = None,
    encoding: EncodingOption = "utf-8",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of each record.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create tickets from CSV, JSON Lines or mail.

    A mail that answers an imported one becomes a note on its ticket and reopens it. Automatic mails are skipped. The
    same file again creates nothing twice. Piped, the columns are: place, outcome, reason; one line for each record
    that became no ticket.
    """
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets.importing.service import Importer

    refused: list[Refused] = []

    def report(record: "Refused") -> None:
        if as_json:
            refused.append(record)
        else:
            outcome = "skipped" if record.is_skipped else "refused"
            output.print_rows([[record.place, outcome, record.reason]])

    with ExitStack() as stack:
        records = _open_records(source, file_format, _parse_mapping(mapping or ()), encoding, stack)
        status = stack.enter_context(_show_status())

        def advance(summary: "ImportSummary") -> None:
            if status is not None:
                status.update(f"{summary.total:,} records, {summary.created:,} tickets")

        async def work(resources: "OperatorResources") -> "ImportSummary":
            importer = Importer(
                store=resources.imports,
                decisions=resources.decisions,
                source="stdin" if source == STDIN else Path(source).name[:80],
                is_dry_run=dry_run,
                report=report,
                advance=advance,
            )
            summary = await importer.run(records)
            unsent = None if dry_run else await resources.try_flush()
            if unsent is not None:
                error_reporting.warn(f"messages wait in the outbox: {unsent}")
            return summary

        summary = run_with(open_operator_resources, work)
    _report(summary, refused, is_dry_run=dry_run, as_json=as_json)


def _report(summary: "ImportSummary", refused: "list[Refused]", *, is_dry_run: bool, as_json: bool) -> None:
    import dataclasses

    if as_json:
        output.print_json(dataclasses.asdict(summary) | {"dry_run": is_dry_run, "no_ticket": refused})
    else:
        sys.stdout.flush()
        would = "would be " if is_dry_run else ""
        output.print_message(
            f"{output.count(summary.created, 'ticket')} {would}created, "
            f"{output.count(summary.replies, 'reply', 'replies')}, {summary.known:,} known "
            f"already, {summary.skipped:,} skipped, {summary.refused:,} refused"
        )
    if summary.refused:
        raise UnsafeError(
            f"{summary.refused:,} of {output.count(summary.total, 'record')} became no ticket",
            hint="the output says why for each; correct them and import the file again",
        )


def _show_status() -> "AbstractContextManager[Status | None]":
    if not sys.stderr.isatty():
        return nullcontext()
    return output.make_console(stderr=True).status("reading")


def _parse_mapping(texts: "list[str] | tuple[()]") -> dict[str, str]:
    from ticketctl.tickets.importing.records import IMPORTED_FIELDS

    mapping = {}
    for text in texts:
        name, equals, column = text.partition("=")
        if name not in IMPORTED_FIELDS or not equals or not column:
            raise InvalidInputError(
                f"--map cannot be {text!r}",
                hint=f"it looks like subject=Betreff; fields: {', '.join(IMPORTED_FIELDS)}",
            )
        mapping[name] = column
    return mapping


def _open_records(
    source: str, file_format: str | None, mapping: Mapping[str, str], encoding: str, stack: ExitStack
) -> "Records":
    """Return the records of a file, a folder or stdin; the file stays open in the `stack`."""
    from ticketctl.tickets.importing import mailboxes, tables
    from ticketctl.tickets.importing.mail import SIZE_LIMIT, parse_mail

    path = Path(source)
    if source != STDIN and path.is_dir():
        paths = mailboxes.list_mails(path)
        if not paths:
            raise InvalidInputError(
                f"the folder {source} has no mails", hint="name a Maildir, or a folder with .eml files"
            )
        return mailboxes.read_mail_folder(paths)
    kind = file_format or _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise InvalidInputError(
            f"the format of {source} is unknown", hint=f"--format names it: {', '.join(_FORMATS)}"
        )
    file, name = _open_file(source, stack), "stdin" if source == STDIN else path.name
    if kind == "mbox":
        return mailboxes.read_mbox(file, name)
    if kind == "eml":
        return iter([parse_mail(file.read(SIZE_LIMIT + 1), name, is_last=True)])
    try:
        # characters of another encoding become lone surrogates, which the check of each ticket refuses
        decoded = io.TextIOWrapper(
            file,
            encoding="utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding,
            errors="surrogateescape",
            newline="" if kind == "csv" else None,
        )
    except LookupError:
        raise InvalidInputError(f"there is no encoding {encoding!r}", hint="utf-8, latin-1, cp1252") from None
    return (tables.read_csv if kind == "csv" else tables.read_json_lines)(decoded, name, mapping)


def _open_file(source: str, stack: ExitStack) -> BinaryIO:
    if source == STDIN:
        if sys.stdin is None:
            raise InvalidInputError("stdin is closed", hint="name a file")
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(source).open("rb"))
    except FileNotFoundError:
        raise InvalidInputError(f"there is no file {source}", hint="name a file, a folder, or -") from None
    except OSError as error:
        raise InvalidInputError(
            f"{source} cannot be read: {error.strerror}", hint="name another file"
        ) from None


@with_filter_options
def export(
    wanted: TicketFilter = EVERY,
    *,
    file_format: Annotated[
        str | None, choice(_EXPORT_FORMATS, "--format", help="Default: csv, or by --output.")
    ] = None,
    fields: Annotated[str | None, fields_option("Only these columns, such as id,subject,draft.")] = None,
    path: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: stdout.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV: leave formulas and control characters as they are.")
    ] = False,
) -> None:
    """Write tickets as CSV or JSON Lines, oldest first.

    In CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe, unless --raw. Tickets are
    read page by page, so that any number of them needs little memory.
    """
    from ticketctl.cli.rendering import tabular_export
    from ticketctl.runtime import open_store
    from ticketctl.tickets import service
    from ticketctl.tickets.protocols import TicketStore

    chosen = file_format or (None if path is None else _SUFFIXES.get(path.suffix.lower())) or "csv"
    if chosen not in _EXPORT_FORMATS:
        raise InvalidInputError(f"tickets cannot be written as {chosen}", hint="--format csv or jsonl")
    names = tabular_export.list_fields() if fields is None else fields.split(",")

    async def work(store: TicketStore) -> int:
        pages = service.read_all(store, wanted, max_bytes=_PAGE_BYTES)
        first: Sequence[Ticket] = await anext(pages, ())
        if not first and wanted != EVERY:  # an existing file stays as it is
            raise NotFoundError("no ticket matches", hint="ticketctl list with the same filters shows none")
        with tabular_export.open_output(path) as stream:
            writer = tabular_export.make_writer(chosen, stream, names, is_raw=raw)
            writer(first)
            number = len(first)
            async for tickets in pages:
                writer(tickets)
                number += len(tickets)
            return number

    number = run_with(open_store, work)
    if path is not None or output.is_terminal():
        output.print_message(f"{output.count(number, 'ticket')} written")
