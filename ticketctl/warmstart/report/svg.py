"""Reports as a picture: a matrix of verdicts, and a timeline that shows where one of them comes from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Report, Verdict
from ticketctl.warmstart.report.timeline import Bar, Handing, Timeline, timeline
from ticketctl.warmstart.report.xml import STYLE, element

GLYPHS = {InvocationOutcome.OK: "✓", InvocationOutcome.PARTIAL: "◐", InvocationOutcome.ERROR: "✗"}
LEGEND = "✓ ok · ◐ some records returned · ✗ failed · after | thawed, its connections cut · ◀ configured"
MARGIN = 20.0
LINE = 24.0
"""Height of a row, in pixels."""
LETTER = 8.2
"""Width of a letter of the style's font, in pixels, with some to spare."""
FOOT = 4.5
"""Pixels from the middle of a letter to its foot."""
GUTTER = 120.0
COLUMN = 104.0
BAR = 16.0
NOTE = 60
"""Letters of an error that a note quotes."""
KEY = "filled: open, as its loop is · dashed: open, its loop is closed · stroke: closed · ✗ used on another loop"
MOST_NOTES = 3


@dataclass(frozen=True, slots=True)
class ReportCell:
    """A report, and where it stands in the matrix."""

    row: str
    column: str
    report: Report
    configured: bool = False

    @property
    def title(self) -> str:
        """What the report is of."""
        return f"{self.row} with {self.column}" if self.column else self.row


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a drawing, with its size in pixels."""

    markup: str
    width: float
    height: float


def most_telling(cells: Sequence[ReportCell]) -> ReportCell:
    """The cell whose timeline tells most: one that works cold and fails warm, else the worst.

    Of several, the one that keeps failing longest; then the first.
    """

    def fails_warm(cell: ReportCell) -> int:
        cold, *warm = [one.outcome is InvocationOutcome.OK for one in cell.report.invocations]
        return warm.count(False) if cold else 0

    worst_first = list(Verdict)
    return max(cells, key=lambda cell: (fails_warm(cell), -worst_first.index(cell.report.verdict)))


def svg(cells: Sequence[ReportCell]) -> str:
    """The whole picture as an SVG file: the matrix where there is more than one cell, and one timeline."""
    parts = [matrix(cells)] if len(cells) > 1 else []
    parts.append(story(most_telling(cells)))
    width = max(part.width for part in parts) + 2 * MARGIN
    height = sum(part.height + MARGIN for part in parts) + MARGIN
    placed, y = [], MARGIN
    for part in parts:
        placed.append(element("g", part.markup, transform=f"translate({MARGIN:g} {y:g})"))
        y += part.height + MARGIN
    title = element(
        "title", text="What warm starts do: " + ", ".join(f"{c.title} {c.report.verdict}" for c in cells)
    )
    back = element("rect", width="100%", height="100%", class_="back")
    return _document(title + element("style", STYLE) + back + "".join(placed), width, height)


def figure(part: Part, title: str) -> str:
    """A part as an SVG of its own, to stand in a page that has the style."""
    return _document(element("title", text=title) + part.markup, part.width, part.height)


def _document(inside: str, width: float, height: float) -> str:
    return element(
        "svg",
        inside,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
    )


def matrix(cells: Sequence[ReportCell]) -> Part:
    """Rows down, columns across; in each cell a sign for each invocation, and the verdict in words."""
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    first = (max(map(len, rows)) + 3) * LETTER
    signs = max(len(_signs(cell.report)) for cell in cells)
    wide = max(signs + len(" leaking ◀") + 3, *(len(column) + 3 for column in columns)) * LETTER
    drawn = [_text(first + x * wide, LINE / 2, column, "strong") for x, column in enumerate(columns)]
    drawn += [_text(0, (y + 1.5) * LINE, row, "strong") for y, row in enumerate(rows)]
    for cell in cells:
        x, y = first + columns.index(cell.column) * wide, (rows.index(cell.row) + 1.5) * LINE
        drawn.append(_verdict(cell, x, y, signs))
    height = (len(rows) + 1) * LINE
    drawn.append(_text(0, height + LINE, LEGEND, "dim"))
    return Part("".join(drawn), max(first + wide * len(columns), len(LEGEND) * LETTER), height + 1.5 * LINE)


def _signs(report: Report) -> list[tuple[str, str]]:
    """The sign of each invocation with its class, the thaw's after a bar."""
    tried = [(GLYPHS[one.outcome], one.outcome.value) for one in report.invocations]
    thaw = (
        []
        if report.thaw is None
        else [("|", "dim"), (GLYPHS[report.thaw.outcome], report.thaw.outcome.value)]
    )
    return [*tried, *thaw]


def _verdict(cell: ReportCell, x: float, y: float, signs: int) -> str:
    drawn = [
        _text(x + (place + 0.5) * LETTER * 1.1, y, sign, name, anchor="middle")
        for place, (sign, name) in enumerate(_signs(cell.report))
    ]
    said = f"{cell.report.verdict}{' ◀' if cell.configured else ''}"
    return "".join(drawn) + _text(x + (signs * 1.1 + 1) * LETTER, y, said, cell.report.verdict.value)


def story(cell: ReportCell) -> Part:
    """The timeline of one cell: loops above, the connections that stayed below, and what went wrong with them."""
    shown = timeline(cell.report)
    sketch = _Sketch(shown)
    return sketch.draw(cell)


class _Sketch:
    """Draws one timeline from top to bottom."""

    def __init__(self, shown: Timeline) -> None:
        self._shown = shown
        self._ends = len(shown.columns) + (shown.thaw is not None)
        self._places: dict[str, tuple[Bar, float]] = {}
        self._y = 0.0

    def draw(self, cell: ReportCell) -> Part:
        shown = self._shown
        drawn = [
            _text(0, LINE / 2, f"{cell.title}: ", "strong"),
            _text((len(cell.title) + 2) * LETTER, LINE / 2, cell.report.verdict, cell.report.verdict.value),
        ]
        self._y = 1.5 * LINE
        drawn += self._headings()
        grid_from = self._y
        drawn += self._bars("loops", _lanes(shown.loops), self._loop)
        self._y += LINE if shown.connections else 0  # room for the arrows
        drawn += self._bars("connections", [[one] for one in shown.connections], self._connection)
        drawn += self._passing()
        grid = self._grid(grid_from)
        drawn += [self._handing(one) for one in shown.handings]
        notes = list(_notes(shown))
        for note in notes:
            self._y += LINE
            drawn.append(_text(0, self._y, note, "dim"))
        width = max([self._x(self._ends), *(len(note) * LETTER for note in notes)])
        return Part(grid + "".join(drawn), width, self._y + LINE / 2)

    def _x(self, column: float) -> float:
        return GUTTER + column * COLUMN

    def _headings(self) -> Iterator[str]:
        for number, column in enumerate(
            [*self._shown.columns, *([self._shown.thaw] if self._shown.thaw else [])]
        ):
            thawed = number == len(self._shown.columns)
            name = "import" if column is None else "thawed" if thawed else f"call {column.number}"
            middle = self._x(number + 0.5)
            yield _text(middle, self._y, name, "strong", anchor="middle")
            if column is not None:
                said = f"{GLYPHS[column.outcome]} {column.outcome}"
                yield _text(middle, self._y + LINE * 0.8, said, column.outcome.value, anchor="middle")
        self._y += 1.6 * LINE

    def _grid(self, top: float) -> str:
        lines = [
            element(
                "line", x1=self._x(x), x2=self._x(x), y1=top - LINE / 2, y2=self._y + LINE / 2, class_="grid"
            )
            for x in range(self._ends + 1)
        ]
        return "".join(lines)

    def _bars(
        self, name: str, lanes: Sequence[Sequence[Bar]], draw: Callable[[Bar], Iterator[str]]
    ) -> Iterator[str]:
        if not lanes:
            return
        yield _text(0, self._y + BAR / 2 - (LINE if name == "connections" else 0), name, "dim")
        for lane in lanes:
            for bar in lane:
                self._places[bar.name] = bar, self._y
                yield from draw(bar)
            self._y += LINE

    def _loop(self, bar: Bar) -> Iterator[str]:
        end = bar.end if bar.closed else self._ends
        yield self._box(bar.start, end, "loop")
        yield from self._end(bar)
        yield _text(self._x((bar.start + end) / 2), self._y + BAR / 2, bar.label, anchor="middle")

    def _connection(self, bar: Bar) -> Iterator[str]:
        if bar.bound_until < bar.end:
            yield self._box(bar.bound_until, bar.end, "dead")
        yield self._box(bar.start, bar.bound_until, "live")
        yield from self._end(bar)
        if self._shown.thaw and not bar.closed:
            yield _text(self._x(self._ends - 0.5), self._y + BAR / 2, "cut", "dim", anchor="middle")
        yield _text(GUTTER - 10, self._y + BAR / 2, bar.label, anchor="end")

    def _box(self, start: float, end: float, name: str) -> str:
        x, width = self._x(start) + 4, (end - start) * COLUMN - 8
        return element("rect", x=x, y=self._y, width=max(width, 4.0), height=BAR, rx=3, class_=name)

    def _end(self, bar: Bar) -> Iterator[str]:
        """A stroke at the end of what was closed."""
        if bar.closed:
            x = self._x(bar.end) - 4
            yield element("line", x1=x, x2=x, y1=self._y - 3, y2=self._y + BAR + 3, class_="end")

    def _passing(self) -> Iterator[str]:
        if any(self._shown.passing):
            yield _text(0, self._y + BAR / 2, "closed at once", "dim")
            for column, count in enumerate(self._shown.passing):
                said = str(count) if count else ""
                yield _text(self._x(column + 0.5), self._y + BAR / 2, said, "dim", anchor="middle")
            self._y += LINE

    def _handing(self, handing: Handing) -> str:
        """An arrow from the loop to the connection that it was handed."""
        (loop, above), (_, below) = self._places[handing.loop], self._places[handing.connection]
        x = self._x((loop.start + loop.end) / 2)
        line = element("path", d=f"M{x:g} {above + BAR:g} V{below - 6:g}", class_="handed")
        tip = element("path", d=f"M{x - 5:g} {below - 8:g} h10 l-5 8 z", class_="tip")
        name = _text(x + 8, below - LINE / 2 - 4, handing.connection, "error")
        cross = _text(x, below + BAR / 2 + 1, "✗", "error", anchor="middle")
        return line + tip + name + cross


def _lanes(bars: Sequence[Bar]) -> list[list[Bar]]:
    """Put bars that do not overlap into one row."""
    lanes: list[list[Bar]] = []
    for bar in bars:
        lane = next((lane for lane in lanes if lane[-1].end <= bar.start), None)
        if lane is None:
            lanes.append([bar])
        else:
            lane.append(bar)
    return lanes


def _notes(shown: Timeline) -> Iterator[str]:
    if any(one.bound_until < one.end for one in shown.connections):
        yield KEY
    handed = {one.column: f"{one.loop} is handed {one.connection}: " for one in shown.handings}
    told: dict[str, str] = {}
    for column, invocation in enumerate([*shown.columns, shown.thaw]):
        if invocation is not None and invocation.error is not None:
            name = "thawed" if column == len(shown.columns) else f"call {invocation.number}"
            told.setdefault(_short(invocation), f"{name}: {handed.get(column, '')}")
    yield from (f"{who}{error}" for error, who in list(told.items())[:MOST_NOTES])
    for count, name in zip(shown.hidden, ("calls", "connections"), strict=True):
        if count:
            yield f"{count} more {name} are not shown"


def _short(invocation: Invocation) -> str:
    """The error on one line; of a long one its end, where a library says what is wrong after whom it happened to."""
    line = " ".join((invocation.error or "").partition("\n[SQL:")[0].split())
    if len(line) > NOTE:
        line = f"... {line[-NOTE:].partition(' ')[2]}"
    return f"{invocation.error_type}: {line}"


def _text(x: float, y: float, text: str, class_: str = "", *, anchor: str = "start") -> str:
    """A line of text whose middle is at `y`: not every viewer knows of other baselines than the letters' foot."""
    return element("text", text=text, x=x, y=y + FOOT, class_=class_, text_anchor=anchor)
