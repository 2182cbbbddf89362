"""`stats --html`: the statistics as one static page with SVG charts, without scripts and without anything from elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from string import Template
from typing import Any

from ticketctl.cli.rendering.output import format_amount
from ticketctl.tickets.corrections import Agreement
from ticketctl.tickets.statistics import Week, Workload
from ticketctl.warmstart.report.xml import DARK, LIGHT, render_element

MAX_BARS = 20
"""Categories or teams that have a bar of their own; the rest share one."""
_LABEL_WIDTH, _BAR_WIDTH, _VALUE_WIDTH, _ROW_HEIGHT = 170, 340, 90, 26
_MAX_LABEL = 22
"""Characters of a name that fit beside its bar; the tooltip has the whole name."""
_PLOT_HEIGHT, _COLUMN_WIDTH, _AXIS_HEIGHT = 160, 40, 58
_SERIES = {"done": "processed without a review", "bar": "sent to review", "rest": "not processed"}
"""The parts of a week's column from the bottom: the class of their colour, and their name."""
_UNPROCESSED = "No ticket has been processed yet."
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_LAYOUT = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin: 0 0 .5rem }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1rem; align-items: start }
section { border: 1px solid; border-radius: 8px; padding: 1rem; overflow-x: auto }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1.5rem 0; padding: 0 }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0 0 .75rem; padding: 0; list-style: none }
.legend svg { vertical-align: -1px; margin-right: .4rem }
.figures div { display: flex; flex-direction: column-reverse }
dd { margin: 0; font-size: 1.7rem; font-weight: 600 }
table { border-collapse: collapse; width: 100% } th, td { text-align: right; padding: .25rem .6rem }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 1px solid }
svg { max-width: 100%; height: auto } svg text { font: 13px system-ui, sans-serif }
"""
_COLOURS = Template("""
body { background: $back; color: $text } section, thead th { border-color: $line } dt, p { color: $dim }
svg text { fill: $text } svg .dim { fill: $dim } svg .bar { fill: $live } svg .done { fill: $good } svg .rest { fill: $line }
""")
_STYLE = (
    f"{_LAYOUT}{_COLOURS.substitute(LIGHT)}"
    f"@media (prefers-color-scheme: dark) {{{_COLOURS.substitute(DARK)}}}\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFigures:
    """What the page shows. `statistics` is the JSON form of `stats`, costs included."""

    made_at: datetime
    statistics: Mapping[str, Any]
    workload: Workload
    agreements: Sequence[Agreement]


def render_page(figures: PageFigures) -> str:
    """Return the page as HTML. Names that come from tickets are escaped."""
    head = render_element(
        "head",
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        render_element("title", text="Tickets"),
        render_element("style", _STYLE),
    )
    workload = figures.workload
    by_category = [one for one in figures.agreements if one.field == "category"]
    medians = {f"{one.start:%d %b %Y}": one.median_seconds for one in workload.weeks}
    steps = figures.statistics["steps"]
    sections = [
        _render_section("By status", _render_bars(figures.statistics["tickets"])),
        _render_section(
            "By category", workload.categories and _render_bars(_name_missing(workload.categories))
        ),
        _render_section("By team", workload.teams and _render_bars(_name_missing(workload.teams))),
        _render_section(
            "By week of creation",
            any(one.created for one in workload.weeks) and _render_legend() + _render_columns(workload.weeks),
        ),
        _render_section(
            "Median time to process, by week",
            any(medians.values()) and _render_bars(medians, duration=True),
            _UNPROCESSED,
        ),
        _render_section("Steps and cost", steps and _render_steps(steps), _UNPROCESSED),
        _render_section(
            "Agreement of people with the engine, by category",
            by_category
            and _render_table(
                ("Category", "Decisions", "Agreed"),
                [(one.value, one.decisions, f"{one.share:.1%}") for one in by_category],
            ),
            "No person has decided on a category yet.",
        ),
    ]
    title = render_element("h1", text="Tickets")
    made_at = render_element("p", text=f"{figures.made_at:%d %B %Y, %H:%M} UTC")
    body = render_element("body", title, made_at, _render_totals(figures), render_element("main", *sections))
    return f"<!doctype html>\n{render_element('html', head, body, lang='en')}\n"


def format_duration(seconds: float | None) -> str:
    """Return a duration in its largest useful unit: "0.3 s", "12 min", "3.5 h", "2.1 d"."""
    if seconds is None:
        return "-"
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} d"


def _render_totals(figures: PageFigures) -> str:
    weeks = figures.workload.weeks
    processed = sum(one.processed for one in weeks)
    automated = sum(one.automated for one in weeks)
    overall = next((one for one in figures.agreements if one.field == "all"), None)
    totals = {
        "tickets": str(sum(figures.statistics["tickets"].values())),
        f"created in {len(weeks)} weeks": str(sum(one.created for one in weeks)),
        "processed without a review": f"{automated / processed:.0%}" if processed else "-",
        "cost of all steps": format_amount(figures.statistics["cost"]),
        "agreement with the engine": f"{overall.share:.0%}" if overall else "-",
    }
    pairs = (
        render_element("div", render_element("dt", text=name), render_element("dd", text=value))
        for name, value in totals.items()
    )
    return render_element("dl", *pairs, class_="figures")


def _render_section(title: str, content: object, nothing: str = "No tickets yet.") -> str:
    """Return a section; `nothing` stands in it if the content is false."""
    shown = content if isinstance(content, str) and content else render_element("p", text=nothing)
    return render_element("section", render_element("h2", text=title), shown)


def _name_missing(numbers: Mapping[str | None, int]) -> dict[str, int]:
    """Return the most frequent names with their numbers; the others together, and "none" for tickets without one."""
    rows = [("none" if name is None else name, number) for name, number in numbers.items()]
    if len(rows) > MAX_BARS:
        rows = [
            *rows[:MAX_BARS],
            (f"{len(rows) - MAX_BARS} more", sum(number for _, number in rows[MAX_BARS:])),
        ]
    return dict(rows)


def _render_bars(numbers: Mapping[str, float | None], *, duration: bool = False) -> str:
    """Return a horizontal bar for each number, with its name and value as text."""
    largest = max((number or 0 for number in numbers.values()), default=0) or 1
    markup = []
    for row, (name, number) in enumerate(numbers.items()):
        top, width = row * _ROW_HEIGHT, (number or 0) / largest * _BAR_WIDTH
        label = name if len(name) <= _MAX_LABEL else f"{name[: _MAX_LABEL - 1]}…"
        value = format_duration(number) if duration else str(number)
        markup += [
            _text(_LABEL_WIDTH - 8, top + 17, label, anchor="end", title="" if label == name else name),
            render_element(
                "rect", x=_LABEL_WIDTH, y=top + 4, width=round(width, 1), height=18, rx=2, class_="bar"
            ),
            _text(_LABEL_WIDTH + width + 8, top + 17, value),
        ]
    return _render_svg(markup, _LABEL_WIDTH + _BAR_WIDTH + _VALUE_WIDTH, len(numbers) * _ROW_HEIGHT)


def _render_columns(weeks: Sequence[Week]) -> str:
    """Return a column for each week: tickets automated, reviewed and not processed, from the bottom."""
    largest = max((one.created for one in weeks), default=0) or 1
    markup = []
    for index, week in enumerate(weeks):
        left, bottom = index * _COLUMN_WIDTH + 6, float(_PLOT_HEIGHT + 20)
        middle = left + 14
        parts = (week.automated, week.processed - week.automated, week.created - week.processed)
        top = bottom - week.created / largest * _PLOT_HEIGHT
        markup.append(
            _text(middle, top - 5, str(week.created), anchor="middle", title=_describe(week.start, parts))
        )
        for class_, number in zip(_SERIES, parts, strict=True):
            height = number / largest * _PLOT_HEIGHT
            bottom -= height
            markup.append(
                render_element(
                    "rect", x=left, y=round(bottom, 1), width=28, height=round(height, 1), class_=class_
                )
            )
        markup.append(_text(middle, _PLOT_HEIGHT + 36, f"{week.start:%d}", "dim", anchor="middle"))
        if index == 0 or week.start.month != weeks[index - 1].start.month:
            markup.append(_text(middle, _PLOT_HEIGHT + 52, f"{week.start:%b}", "dim", anchor="middle"))
    return _render_svg(markup, len(weeks) * _COLUMN_WIDTH + 12, _PLOT_HEIGHT + _AXIS_HEIGHT)


def _render_legend() -> str:
    """Return what the colours of the columns stand for, in their order from the top."""
    entries = []
    for class_, name in reversed(_SERIES.items()):
        swatch = render_element("rect", width=12, height=12, rx=2, class_=class_)
        svg = render_element("svg", swatch, viewBox="0 0 12 12", width=12, aria_hidden="true")
        entries.append(render_element("li", svg, render_element("span", text=name)))
    return render_element("ul", *entries, class_="legend")


def _describe(start: date, parts: tuple[int, int, int]) -> str:
    automated, reviewed, rest = parts
    return (
        f"week of {start:%d %b %Y}: {automated} without a review, {reviewed} reviewed, {rest} not processed"
    )


def _render_steps(steps: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            f"{one['step']} ({one['provider']})",
            one["runs"],
            f"{one['mean_ms']:.1f}",
            f"{one['p95_ms']:.1f}",
            one["input_tokens"] + one["output_tokens"],
            format_amount(one["cost"]),
        )
        for one in steps
    ]
    return _render_table(("Step", "Runs", "Mean ms", "p95 ms", "Tokens", "Cost"), rows)


def _render_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = render_element("tr", *(render_element("th", text=name, scope="col") for name in columns))
    body = (render_element("tr", *(render_element("td", text=str(value)) for value in row)) for row in rows)
    return render_element("table", render_element("thead", head), render_element("tbody", *body))


def _render_svg(markup: Iterable[str], width: float, height: float) -> str:
    return render_element(
        "svg", *markup, viewBox=f"0 0 {width:g} {max(height, 1):g}", width=width, role="img"
    )


def _text(x: float, y: float, text: str, class_: str = "", *, anchor: str = "start", title: str = "") -> str:
    hint = render_element("title", text=title) if title else ""
    return render_element(
        "text", hint, text=text, x=round(x, 1), y=round(y, 1), class_=class_, text_anchor=anchor
    )
