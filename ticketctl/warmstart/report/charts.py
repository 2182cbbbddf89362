"""Small charts of the counts after each invocation: as text, and as SVG."""

from collections.abc import Mapping, Sequence

from ticketctl.warmstart.report.svg_shapes import LETTER_WIDTH, ROW_HEIGHT, Fragment, render_text
from ticketctl.warmstart.report.xml import render_element

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-=+*#@"
MAX_CHARTS = 6
LABEL_WIDTH = 160.0
CHART_WIDTH = 320.0
MEGABYTE = 1024 * 1024
BYTE_SERIES = frozenset({"memory", "tmp"})
"""Series that count bytes; the others count objects."""


def select_series(series: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """Return the series that change after the first invocation: the others say nothing."""
    changing = {name: one for name, one in series.items() if len(set(one)) > 1}
    return dict(list(changing.items())[:MAX_CHARTS])


def render_sparkline(series: Sequence[int], *, ascii_only: bool = False) -> str:
    """Return one character for each count, the higher the larger it is: "▁▂▄▆█"."""
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    low, high = min(series), max(series)
    steps = len(blocks) - 1
    return "".join(blocks[(one - low) * steps // max(1, high - low)] for one in series)


def describe_range(name: str, series: Sequence[int]) -> str:
    """Return the first and the last count: "1 to 30"."""
    if name in BYTE_SERIES:
        return f"{series[0] / MEGABYTE:.1f} to {series[-1] / MEGABYTE:.1f} MB"
    return f"{series[0]} to {series[-1]}"


def render_charts(series: Mapping[str, Sequence[int]]) -> Fragment | None:
    """Return a line chart for each series that changes; None if none does."""
    selected = select_series(series)
    if not selected:
        return None
    markup = [render_text(0, ROW_HEIGHT / 2, "after each invocation", "strong")]
    for row, (name, counts) in enumerate(selected.items(), 1):
        top = row * 1.5 * ROW_HEIGHT
        text = f"{describe_range(name, counts)} in {len(counts)}"
        markup.append(render_text(0, top + ROW_HEIGHT / 2, name, "dim"))
        markup.append(_render_line(counts, top))
        markup.append(render_text(LABEL_WIDTH + CHART_WIDTH + 12, top + ROW_HEIGHT / 2, text, "dim"))
    width = LABEL_WIDTH + CHART_WIDTH + 12 + 24 * LETTER_WIDTH
    return Fragment("".join(markup), width, (len(selected) + 1) * 1.5 * ROW_HEIGHT)


def _render_line(counts: Sequence[int], top: float) -> str:
    low, high = min(counts), max(counts)
    step = CHART_WIDTH / max(1, len(counts) - 1)
    points = [
        f"{LABEL_WIDTH + index * step:.1f},{top + ROW_HEIGHT - (one - low) / max(1, high - low) * ROW_HEIGHT:.1f}"
        for index, one in enumerate(counts)
    ]
    return render_element("polyline", points=" ".join(points), class_="series")
