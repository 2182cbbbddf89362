"""A report as a web page: the matrix, and the timeline and the findings of each cell."""

from collections.abc import Sequence

from ticketctl.warmstart.report.charts import render_charts
from ticketctl.warmstart.report.model import Finding
from ticketctl.warmstart.report.svg import (
    ReportCell,
    render_matrix,
    render_standalone,
    render_timeline,
    select_most_informative,
)
from ticketctl.warmstart.report.xml import STYLE, render_element

LAYOUT = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
svg { max-width: 100%; height: auto } h1 { font-size: 1.4rem } summary { cursor: pointer; padding: .3rem 0 }
dt { font-weight: 700; margin-top: 1rem } dd { margin: .2rem 0 .2rem 1.5rem; overflow-wrap: anywhere }
"""


def render_html(cells: Sequence[ReportCell]) -> str:
    """Return the whole page; it loads nothing from elsewhere."""
    head = render_element(
        "head",
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        render_element("title", text="Warm starts"),
        render_element("style", STYLE + LAYOUT),
    )
    body = render_element("h1", text="Warm starts")
    if len(cells) > 1:
        body += render_standalone(render_matrix(cells), "Verdicts")
    selected = select_most_informative(cells)
    body += "".join(_render_details(cell, is_open=cell is selected) for cell in cells)
    page = render_element("html", head, render_element("body", body), lang="en")
    return f"<!doctype html>\n{page}\n"


def _render_details(cell: ReportCell, *, is_open: bool) -> str:
    summary = render_element("summary", text=f"{cell.title}: {cell.report.verdict}")
    content = [summary, render_standalone(render_timeline(cell), f"Timeline of {cell.title}")]
    if charts := render_charts(cell.report.series):
        content.append(render_standalone(charts, f"Counts of {cell.title}"))
    if cell.report.findings:
        content.append(render_element("dl", *(_render_finding(one) for one in cell.report.findings)))
    return render_element("details", *content, **({"open": ""} if is_open else {}))


def _render_finding(finding: Finding) -> str:
    paragraphs = [finding.cause, f"Fix: {finding.fix}"]
    return render_element("dt", text=finding.kind) + "".join(
        render_element("dd", text=text) for text in paragraphs
    )
