"""Print data on stdout: a table on a terminal, tab-separated lines in a pipe, JSON with --json."""

import sys
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ticketctl.cli import error_reporting
from ticketctl.cli.rendering.escaping import escape_controls, escape_json_controls

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_LEAST_WIDTH = 20
"""Characters that the last column keeps before optional columns are dropped."""
_GAP = 2
"""Spaces between columns."""


def is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout.isatty()


def make_console(*, stderr: bool = False) -> "Console":
    """Return a Rich console that honours NO_COLOR and treats no text as markup."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def print_json(value: Any, program: str | None = None) -> None:
    """Print a value as JSON, indented on a terminal, on one line in a pipe; or what a jq program makes of it."""
    if program is not None:
        from ticketctl.cli.rendering.json_filter import print_filtered

        print_filtered(value, program)
        return
    encoded = msgspec.json.encode(value)
    text = msgspec.json.format(encoded, indent=2 if is_terminal() else 0)
    sys.stdout.write(escape_json_controls(text.decode()) + "\n")


async def stream_json(name: str, items: AsyncIterable[Any]) -> None:
    """Print `{name: [items]}` as `print_json` does, one item at a time."""
    indent = 2 if is_terminal() else 0
    newline, comma = ("\n", ",") if indent else ("", ", ")
    sys.stdout.write(f'{{{newline}{" " * indent}"{name}": [')
    is_first = True
    async for item in items:
        text = msgspec.json.format(msgspec.json.encode(item), indent=indent).decode()
        lines = escape_json_controls(text).split("\n")
        margin = newline + " " * (2 * indent)
        sys.stdout.write(("" if is_first else comma) + margin + margin.join(lines))
        is_first = False
    sys.stdout.write(f"{'' if is_first else newline + ' ' * indent}]{newline}}}\n")


def print_rows(rows: Iterable[Sequence[object]]) -> None:
    """Print tab-separated lines without a header. Nothing is cut; tabs and line ends in a cell are escaped."""
    for row in rows:
        sys.stdout.write("\t".join(escape_controls(_plain(cell)) for cell in row) + "\n")


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence["str | Text"]],
    *,
    optional: Sequence[str] = (),
    wrap: bool = False,
) -> None:
    """Print a table.

    If the terminal is too narrow, drop `optional` columns in their order, then cut the last column, or `wrap` it. In a
    terminal that is too narrow even for that, the columns in the middle go, from the right. The first is never cut.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(escape_controls(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [
        max([len(name), *(row[number].cell_len for row in cells)]) for number, name in enumerate(columns)
    ]
    terminal = make_console()
    for name in (*optional, *(name for name in reversed(columns[1:-1]) if name not in optional)):
        least = _LEAST_WIDTH if name in optional else len(columns[-1])
        if sum(widths[:-1]) + _GAP * len(widths) + min(widths[-1], least) <= terminal.width:
            break
        dropped = columns.index(name)
        columns = [*columns[:dropped], *columns[dropped + 1 :]]
        cells = [[*row[:dropped], *row[dropped + 1 :]] for row in cells]
        del widths[dropped]
    left = terminal.width - sum(widths[:-1]) - _GAP * (len(columns) - 1)
    widths[-1] = max(_LEAST_WIDTH if wrap else len(columns[-1]), min(widths[-1], left))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for name, width in zip(columns, widths, strict=True):
        is_wrapped = wrap and name == columns[-1]
        table.add_column(
            name, no_wrap=not is_wrapped, overflow="fold" if is_wrapped else "ellipsis", width=width
        )
    for row in cells:
        table.add_row(*row)
    width = sum(widths) + _GAP * len(columns)
    # Rich would shorten every column, and so the numbers of tickets, to fit a narrower terminal
    terminal.width = max(terminal.width, width)
    terminal.print(table, width=width, crop=False)


def print_definitions(entries: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Print terms, each with its paragraphs indented below it."""
    from rich.padding import Padding
    from rich.text import Text

    terminal = make_console()
    for term, paragraphs in entries:
        terminal.print(Text(escape_controls(term), "bold"))
        for paragraph in paragraphs:
            terminal.print(Padding(Text(escape_controls(paragraph)), (0, 0, 0, 4)))


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 ticket", "2,000 tickets"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def format_amount(cost: float | None) -> str:
    """Return an amount of money as text, in the currency of the prices."""
    return "unknown" if cost is None else f"{cost:.6f}" if cost else "0"


def print_message(message: str) -> None:
    """Print a message on stderr: it is not data."""
    error_reporting.write_stderr(escape_controls(message, multiline=True) + "\n")


@contextmanager
def show_progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr, if that is a terminal; yields a function to call after each of `total` parts."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=make_console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _plain(cell: object) -> str:
    return "" if cell is None else str(cell)
