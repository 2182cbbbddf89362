"""Data on stdout: a table on a terminal, tab-separated lines when piped, JSON where it is asked for."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ticketctl.cli.rendering.escaping import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2
"""Spaces between columns."""


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def console(*, stderr: bool = False) -> "Console":
    """A Rich console; it honours NO_COLOR, and treats nothing as markup."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """Print a value as JSON: indented for a person, on one line for a program."""
    encoded = msgspec.json.encode(value)
    text = msgspec.json.format(encoded, indent=2 if on_terminal() else 0)
    sys.stdout.write(visible_json(text.decode()) + "\n")


def print_rows(rows: Iterable[Sequence[object]]) -> None:
    """Print tab-separated lines: no header, nothing cut; tabs and line ends in a cell are written out."""
    for row in rows:
        sys.stdout.write("\t".join(visible(_plain(cell)) for cell in row) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence["str | Text"]]) -> None:
    """Print a table for a person; where it is too wide, the last column is cut."""
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(visible(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [
        max([len(name), *(row[number].cell_len for row in cells)]) for number, name in enumerate(columns)
    ]
    shown = console()
    left = shown.width - sum(widths[:-1]) - _GAP * (len(columns) - 1)
    widths[-1] = max(len(columns[-1]), min(widths[-1], left))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for name, width in zip(columns, widths, strict=True):
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=width)
    for row in cells:
        table.add_row(*row)
    shown.print(table, width=sum(widths) + _GAP * len(columns), crop=False)


def amount(cost: float | None) -> str:
    """A sum of money in the currency of the prices."""
    return "unknown" if cost is None else f"{cost:.6f}" if cost else "0"


def say(message: str) -> None:
    """Tell a person something that is no data: on stderr."""
    sys.stderr.write(visible(message, multiline=True) + "\n")


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Show how far a long command is, to a person, on stderr; call what this yields as each part is done."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total)
        yield lambda: shown.advance(task)


def _plain(cell: object) -> str:
    return "" if cell is None else str(cell)
