"""Print a simulation: a row per pool, a column per execution model, a glyph per invocation, then the findings."""

from typing import TYPE_CHECKING

from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.verdicts import STYLES, choose_glyphs, choose_mark, print_finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.table import Table
    from rich.text import Text

    from ticketctl.diagnostics.simulation import MatrixCell
    from ticketctl.warmstart.report.model import Finding, Report

_GAP = 3
"""Spaces between two columns."""


def print_matrix(cells: "Sequence[MatrixCell]", configured: tuple[str, str]) -> None:
    """Print the matrix on a terminal, or one line per cell in a pipe."""
    if not output.is_terminal():
        output.print_rows(_row(cell) for cell in cells)
        return
    _print_matrix(cells, configured)
    _print_findings(cells)


def _row(cell: "MatrixCell") -> list[object]:
    return [cell.pool, cell.loop, *summarize(cell.report)]


def summarize(report: "Report") -> list[object]:
    """Return the cells of a report's line: verdict, outcomes, connections left, first error."""
    first = next((one for one in report.invocations if one.error_type is not None), None)
    return [
        report.verdict,
        ",".join(invocation.outcome for invocation in report.invocations),
        ",".join(str(count) for count in report.connections),
        "" if first is None else f"{first.error_type}: {first.error}",
    ]


def _print_matrix(cells: "Sequence[MatrixCell]", configured: tuple[str, str]) -> None:
    by_pair = {(cell.pool, cell.loop): cell for cell in cells}
    rendered = {pair: _cell(cell.report, marked=pair == configured) for pair, cell in by_pair.items()}
    console = output.make_console()
    for number, table in enumerate(_tables(rendered, console.width)):
        console.print(*([""] if number else []), table, sep="\n")
    glyph = choose_glyphs()
    legend = (
        f"\n{glyph['ok']} ok   {glyph['partial']} some records returned   {glyph['error']} all failed   "
        "after | : thawed, after the server closed its connections"
    )
    console.print(legend, style="dim")
    if configured in by_pair:
        console.print(f"{choose_mark()} configured: {configured[0]} with {configured[1]}", style="dim")


def _tables(rendered: "Mapping[tuple[str, str], Text]", width: int) -> "Iterator[Table]":
    """Yield the matrix, split between execution models if one table would be wider than `width`."""
    from rich.table import Table
    from rich.text import Text

    pools, loops = (list(dict.fromkeys(pair[i] for pair in rendered)) for i in (0, 1))
    column = _GAP + max(*map(len, loops), *(text.cell_len for text in rendered.values()))
    max_concurrency = max(1, (width - _GAP - max(map(len, pools))) // column)
    for start in range(0, len(loops), max_concurrency):
        part = loops[start : start + max_concurrency]
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for heading in ("", *part):
            table.add_column(heading, no_wrap=True)
        for pool in pools:
            table.add_row(Text(pool, "bold"), *(rendered[pool, loop] for loop in part))
        yield table


def _cell(report: "Report", *, marked: bool) -> "Text":
    from rich.text import Text

    glyph = choose_glyphs()
    invocations = "".join(glyph[invocation.outcome] for invocation in report.invocations)
    thaw = "" if report.thaw is None else f"|{glyph[report.thaw.outcome]}"
    style = STYLES[report.verdict]
    return Text.assemble(
        (f"{invocations}{thaw} ", style), (report.verdict, style), f" {choose_mark()}" if marked else ""
    )


def _print_findings(cells: "Sequence[MatrixCell]") -> None:
    """Print a paragraph per kind of finding: where it occurs, the cause in the simplest cell, and the fix."""
    groups: dict[str, list[tuple[MatrixCell, Finding]]] = {}
    for cell in cells:
        for finding in cell.report.findings:
            groups.setdefault(finding.kind, []).append((cell, finding))
    fixes: dict[str, str] = {}
    for kind, members in groups.items():
        cell, finding = min(members, key=lambda member: len(member[0].report.findings))
        fix = f"as for {fixes[finding.fix]}, above" if finding.fix in fixes else finding.fix
        fixes.setdefault(finding.fix, kind)
        print_finding(
            kind,
            {
                "seen in": _names((cell for cell, _ in members), len({cell.pool for cell in cells})),
                f"{cell.pool} with {cell.loop}" if len(members) > 1 else "here": finding.cause,
                "fix": fix,
            },
        )


def _names(cells: "Iterable[MatrixCell]", of: int) -> str:
    by_loop: dict[str, dict[str, None]] = {}
    for cell in cells:
        by_loop.setdefault(cell.loop, {})[cell.pool] = None
    return "; ".join(
        f"{loop}: {'every pool' if len(pools) == of > 1 else ', '.join(pools)}"
        for loop, pools in by_loop.items()
    )
