"""How a simulation looks: pools down, execution models across, a glyph per invocation, and why."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ticketctl.cli import output
from ticketctl.cli.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.text import Text

    from ticketctl.simulation import Cell
    from ticketctl.warmstart.report import Finding, Report

_GLYPHS = {"ok": "✓", "partial": "◐", "error": "✗"}
_PLAIN_GLYPHS = {"ok": ".", "partial": "o", "error": "x"}
_WIDTH = 100
"""Columns of a paragraph: longer lines are hard to read."""
_STYLES = {
    "safe": "green",
    "fragile": "yellow",
    "masked": "yellow",
    "leaking": "magenta",
    "broken": "bold red",
}


def show(cells: "Sequence[Cell]", configured: tuple[str, str]) -> None:
    """Print the matrix for a person, or a line a cell when piped."""
    if not output.on_terminal():
        output.print_rows(_row(cell) for cell in cells)
        return
    _print_matrix(cells, configured)
    _print_findings(cells)


def _row(cell: "Cell") -> list[object]:
    report = cell.report
    first = next((i for i in report.invocations if i.error_type is not None), None)
    return [
        cell.pool,
        cell.loop,
        report.verdict,
        ",".join(invocation.outcome for invocation in report.invocations),
        ",".join(str(count) for count in report.connections),
        "" if first is None else f"{first.error_type}: {first.error}",
    ]


def _print_matrix(cells: "Sequence[Cell]", configured: tuple[str, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    by_pair = {(cell.pool, cell.loop): cell for cell in cells}
    pools, loops = (list(dict.fromkeys(pair[i] for pair in by_pair)) for i in (0, 1))
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("", *loops):
        table.add_column(heading, no_wrap=True)
    for pool in pools:
        shown = [_cell(by_pair[pool, loop].report, marked=(pool, loop) == configured) for loop in loops]
        table.add_row(Text(pool, "bold"), *shown)
    console = output.console()
    console.print(table)
    glyphs = _glyphs()
    legend = (
        f"\n{glyphs['ok']} ok   {glyphs['partial']} some records returned   {glyphs['error']} all failed   "
        "after | : thawed, its connections closed by the server"
    )
    console.print(legend, style="dim")
    if configured in by_pair:
        console.print(f"{_mark()} configured: {configured[0]} with {configured[1]}", style="dim")


def _cell(report: "Report", *, marked: bool) -> "Text":
    from rich.text import Text

    glyphs = _glyphs()
    tried = "".join(glyphs[invocation.outcome] for invocation in report.invocations)
    thaw = "" if report.thaw is None else f"|{glyphs[report.thaw.outcome]}"
    style = _STYLES[report.verdict]
    return Text.assemble((f"{tried}{thaw} ", style), (report.verdict, style), f" {_mark()}" if marked else "")


def _print_findings(cells: "Sequence[Cell]") -> None:
    """One paragraph a kind of finding: where it was seen, the plainest case in full, what cures it."""
    groups: dict[str, list[tuple[Cell, Finding]]] = {}
    for cell in cells:
        for finding in cell.report.findings:
            groups.setdefault(finding.kind, []).append((cell, finding))
    told: dict[str, str] = {}
    for kind, members in groups.items():
        cell, finding = min(members, key=lambda member: len(member[0].report.findings))
        cure = f"as for {told[finding.cure]}" if finding.cure in told else finding.cure
        told.setdefault(finding.cure, kind)
        _print_finding(
            kind,
            {
                "seen in": _names((cell for cell, _ in members), len({cell.pool for cell in cells})),
                f"{cell.pool} with {cell.loop}" if len(members) > 1 else "here": finding.cause,
                "cure": cure,
            },
        )


def _print_finding(kind: str, parts: "Mapping[str, str]") -> None:
    from rich.padding import Padding
    from rich.text import Text

    console = output.console()
    console.print(f"\n{kind}", style="bold", width=_WIDTH)
    for name, text in parts.items():
        near = text.replace(f"{Path.cwd()}/", "")
        paragraph = Text.assemble((f"{name}: ", "green" if name == "cure" else "dim"), visible(near))
        console.print(Padding(paragraph, (0, 0, 0, 2)), width=min(_WIDTH, console.width))


def _names(cells: "Iterable[Cell]", of: int) -> str:
    by_loop: dict[str, dict[str, None]] = {}
    for cell in cells:
        by_loop.setdefault(cell.loop, {})[cell.pool] = None
    return "; ".join(
        f"{loop}: {'every pool' if len(pools) == of > 1 else ', '.join(pools)}"
        for loop, pools in by_loop.items()
    )


def _glyphs() -> dict[str, str]:
    return _GLYPHS if _unicode() else _PLAIN_GLYPHS


def _mark() -> str:
    return "◀" if _unicode() else "<"


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
