"""`corrections`: what people decided, as labelled texts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketctl.cli.corrections import SinceOption, label_texts, read_corrections
from ticketctl.cli.rendering import output
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

corrections = typer.Typer(help="Export what people decided, to learn from it.", no_args_is_help=True)

_FORMATS = (".csv", ".jsonl")


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(corrections, name="corrections")


@corrections.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv|jsonl", show_default=False)],
    *,
    since: SinceOption = None,
) -> None:
    """Write people's decisions on categories as labelled texts.

    train and eval read such a file. Each row has the requester's own words (text), the category that a person chose
    (label), the engine's category, confidence and model before, who decided and when. Card and account numbers are
    masked. Piped, the columns are: file, number of rows.
    """
    if file.suffix.lower() not in _FORMATS:
        raise InvalidInputError(
            f"{file} is neither .csv nor .jsonl", hint="give the file the suffix of its format"
        )
    decided = read_corrections(since)
    rows = [
        {
            "text": text,
            "label": label,
            "predicted": one.predicted or "",
            "confidence": one.confidence,
            "model": one.model,
            "ticket_id": one.ticket_id,
            "decided_by": one.actor,
            "decided_at": one.decided_at.isoformat(),
        }
        for one, (text, label) in zip(decided, label_texts(decided), strict=True)
    ]
    try:
        _write(file, rows)
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be written: {error.strerror}", hint="name another file"
        ) from None
    if output.is_terminal():
        output.print_message(f"{file}: {len(rows):,} decisions; next: ticketctl train {file} -o desk.model")
    else:
        output.print_rows([[file, len(rows)]])


def _write(file: Path, rows: "Sequence[dict[str, Any]]") -> None:
    import csv
    import json

    with file.open("w", encoding="utf-8", newline="") as opened:
        if file.suffix.lower() == ".csv":
            writer = csv.DictWriter(opened, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            opened.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
