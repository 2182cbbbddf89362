"""A report as an SVG image: a matrix of verdicts, and a timeline that shows how one of them comes about."""

from collections.abc import Sequence
from dataclasses import dataclass

from ticketctl.warmstart.report.charts import render_charts
from ticketctl.warmstart.report.model import InvocationOutcome, Report, Verdict
from ticketctl.warmstart.report.svg_shapes import (
    GLYPHS,
    LETTER_WIDTH,
    ROW_HEIGHT,
    Fragment,
    render_text,
)
from ticketctl.warmstart.report.svg_timeline import TimelineRenderer
from ticketctl.warmstart.report.timeline import build_timeline
from ticketctl.warmstart.report.xml import STYLE, render_element

LEGEND = "✓ ok · ◐ some records returned · ✗ failed · after | thawed, its connections closed · ◀ configured"
MARGIN = 20.0


@dataclass(frozen=True, slots=True)
class ReportCell:
    """A report and its place in the matrix."""

    row: str
    column: str
    report: Report
    configured: bool = False

    @property
    def title(self) -> str:
        """Return the cell's name."""
        return f"{self.row} with {self.column}" if self.column else self.row


def select_most_informative(cells: Sequence[ReportCell]) -> ReportCell:
    """Return the cell whose timeline explains most: one that succeeds cold and fails warm, else the worst.

    Of several, it is the one with the most failures; then the first.
    """

    def count_warm_failures(cell: ReportCell) -> int:
        cold, *warm = [one.outcome is InvocationOutcome.OK for one in cell.report.invocations]
        return warm.count(False) if cold else 0

    worst_first = list(Verdict)
    return max(cells, key=lambda cell: (count_warm_failures(cell), -worst_first.index(cell.report.verdict)))


def render_svg(cells: Sequence[ReportCell]) -> str:
    """Return an SVG file with the matrix, if there is more than one cell, and one timeline."""
    fragments = [render_matrix(cells)] if len(cells) > 1 else []
    selected = select_most_informative(cells)
    fragments.append(render_timeline(selected))
    if charts := render_charts(selected.report.series):
        fragments.append(charts)
    width = max(fragment.width for fragment in fragments) + 2 * MARGIN
    height = sum(fragment.height + MARGIN for fragment in fragments) + MARGIN
    groups, y = [], MARGIN
    for fragment in fragments:
        groups.append(render_element("g", fragment.markup, transform=f"translate({MARGIN:g} {y:g})"))
        y += fragment.height + MARGIN
    verdicts = ", ".join(f"{cell.title} {cell.report.verdict}" for cell in cells)
    title = render_element("title", text=f"Warm starts: {verdicts}")
    background = render_element("rect", width="100%", height="100%", class_="back")
    return _render_document(
        title + render_element("style", STYLE) + background + "".join(groups), width, height
    )


def render_standalone(fragment: Fragment, title: str) -> str:
    """Return a fragment as an SVG element of its own, for a page that has the style."""
    return _render_document(
        render_element("title", text=title) + fragment.markup, fragment.width, fragment.height
    )


def _render_document(content: str, width: float, height: float) -> str:
    return render_element(
        "svg",
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
    )


def render_matrix(cells: Sequence[ReportCell]) -> Fragment:
    """Render rows and columns; each cell has a glyph for each invocation, and the verdict in words."""
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    first_width = (max(map(len, rows)) + 3) * LETTER_WIDTH
    glyphs = max(len(_list_glyphs(cell.report)) for cell in cells)
    width = max(glyphs + len(" leaking ◀") + 3, *(len(column) + 3 for column in columns)) * LETTER_WIDTH
    markup = [
        render_text(first_width + x * width, ROW_HEIGHT / 2, column, "strong")
        for x, column in enumerate(columns)
    ]
    markup += [render_text(0, (y + 1.5) * ROW_HEIGHT, row, "strong") for y, row in enumerate(rows)]
    for cell in cells:
        x = first_width + columns.index(cell.column) * width
        markup.append(_render_cell(cell, x, (rows.index(cell.row) + 1.5) * ROW_HEIGHT, glyphs))
    height = (len(rows) + 1) * ROW_HEIGHT
    markup.append(render_text(0, height + ROW_HEIGHT, LEGEND, "dim"))
    total_width = max(first_width + width * len(columns), len(LEGEND) * LETTER_WIDTH)
    return Fragment("".join(markup), total_width, height + 1.5 * ROW_HEIGHT)


def _list_glyphs(report: Report) -> list[tuple[str, str]]:
    """Return each invocation's glyph and style class, and that of the thaw after a bar."""
    glyphs = [(GLYPHS[one.outcome], one.outcome.value) for one in report.invocations]
    if report.thaw is not None:
        glyphs += [("|", "dim"), (GLYPHS[report.thaw.outcome], report.thaw.outcome.value)]
    return glyphs


def _render_cell(cell: ReportCell, x: float, y: float, glyphs: int) -> str:
    markup = [
        render_text(x + (place + 0.5) * LETTER_WIDTH * 1.1, y, glyph, name, anchor="middle")
        for place, (glyph, name) in enumerate(_list_glyphs(cell.report))
    ]
    verdict = f"{cell.report.verdict}{' ◀' if cell.configured else ''}"
    after_glyphs = x + (glyphs * 1.1 + 1) * LETTER_WIDTH
    return "".join(markup) + render_text(after_glyphs, y, verdict, cell.report.verdict.value)


def render_timeline(cell: ReportCell) -> Fragment:
    """Render one cell's timeline: loops above, connections that stayed open below, and the uses of stale ones."""
    return TimelineRenderer(build_timeline(cell.report)).render(cell.title, cell.report.verdict)
