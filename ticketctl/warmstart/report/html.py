"""Reports as a page: the matrix, and for each cell its timeline and what was found."""

from collections.abc import Sequence

from ticketctl.warmstart.report.model import Finding
from ticketctl.warmstart.report.svg import ReportCell, figure, matrix, most_telling, story
from ticketctl.warmstart.report.xml import STYLE, element

LAYOUT = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
svg { max-width: 100%; height: auto } h1 { font-size: 1.4rem } summary { cursor: pointer; padding: .3rem 0 }
dt { font-weight: 700; margin-top: 1rem } dd { margin: .2rem 0 .2rem 1.5rem; overflow-wrap: anywhere }
"""


def html(cells: Sequence[ReportCell]) -> str:
    """The whole page, with nothing to load from elsewhere."""
    head = element(
        "head",
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        element("title", text="Warm starts"),
        element("style", STYLE + LAYOUT),
    )
    body = element("h1", text="What warm starts do")
    if len(cells) > 1:
        body += figure(matrix(cells), "Verdicts")
    shown = most_telling(cells)
    body += "".join(_details(cell, opened=cell is shown) for cell in cells)
    return f"<!doctype html>\n{element('html', head, element('body', body), lang='en')}\n"


def _details(cell: ReportCell, *, opened: bool) -> str:
    summary = element("summary", text=f"{cell.title}: {cell.report.verdict}")
    inside = [summary, figure(story(cell), f"Timeline of {cell.title}")]
    if cell.report.findings:
        inside.append(element("dl", *(_finding(one) for one in cell.report.findings)))
    return element("details", *inside, **({"open": ""} if opened else {}))


def _finding(finding: Finding) -> str:
    said = [finding.cause, f"Fix: {finding.fix}"]
    return element("dt", text=finding.kind) + "".join(element("dd", text=text) for text in said)
