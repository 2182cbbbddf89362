"""The SVG of one timeline."""

from collections.abc import Callable, Iterator, Sequence

from ticketctl.warmstart.report.model import Invocation, Verdict
from ticketctl.warmstart.report.svg_shapes import GLYPHS, LETTER_WIDTH, ROW_HEIGHT, Fragment, render_text
from ticketctl.warmstart.report.timeline import Lifespan, StaleUse, Timeline
from ticketctl.warmstart.report.xml import render_element

LABEL_WIDTH = 120.0
COLUMN_WIDTH = 104.0
BAR_HEIGHT = 16.0
MAX_QUOTE = 60
"""Letters of an error that a note quotes."""
MAX_NOTES = 3
LEGEND = "filled: open, and so is its loop · dashed: open, its loop is closed · line: closed · ✗ used on another loop"


class TimelineRenderer:
    """Renders one timeline from top to bottom."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._column_count = len(timeline.columns) + (timeline.thaw is not None)
        self._places: dict[str, tuple[Lifespan, float]] = {}
        self._y = 0.0

    def render(self, title: str, verdict: Verdict) -> Fragment:
        """Return the timeline's markup and size."""
        timeline = self._timeline
        markup = [
            render_text(0, ROW_HEIGHT / 2, f"{title}: ", "strong"),
            render_text((len(title) + 2) * LETTER_WIDTH, ROW_HEIGHT / 2, verdict, verdict.value),
        ]
        self._y = 1.5 * ROW_HEIGHT
        markup += self._render_headings()
        grid_top = self._y
        markup += self._render_rows("loops", _pack_rows(timeline.loops), self._render_loop)
        self._y += ROW_HEIGHT if timeline.connections else 0  # room for the arrows
        markup += self._render_rows(
            "connections", [[one] for one in timeline.connections], self._render_connection
        )
        markup += self._render_closed_counts()
        grid = self._render_grid(grid_top)
        markup += [self._render_stale_use(one) for one in timeline.stale_uses]
        notes = list(_list_notes(timeline))
        for note in notes:
            self._y += ROW_HEIGHT
            markup.append(render_text(0, self._y, note, "dim"))
        width = max([self._x(self._column_count), *(len(note) * LETTER_WIDTH for note in notes)])
        return Fragment(grid + "".join(markup), width, self._y + ROW_HEIGHT / 2)

    def _x(self, column: float) -> float:
        return LABEL_WIDTH + column * COLUMN_WIDTH

    def _render_headings(self) -> Iterator[str]:
        timeline = self._timeline
        for number, column in enumerate([*timeline.columns, *([timeline.thaw] if timeline.thaw else [])]):
            is_thaw = number == len(timeline.columns)
            name = "import" if column is None else "thawed" if is_thaw else f"call {column.number}"
            middle = self._x(number + 0.5)
            yield render_text(middle, self._y, name, "strong", anchor="middle")
            if column is not None:
                outcome = f"{GLYPHS[column.outcome]} {column.outcome}"
                y = self._y + ROW_HEIGHT * 0.8
                yield render_text(middle, y, outcome, column.outcome.value, anchor="middle")
        self._y += 1.6 * ROW_HEIGHT

    def _render_grid(self, top: float) -> str:
        y1, y2 = top - ROW_HEIGHT / 2, self._y + ROW_HEIGHT / 2
        lines = [
            render_element("line", x1=self._x(x), x2=self._x(x), y1=y1, y2=y2, class_="grid")
            for x in range(self._column_count + 1)
        ]
        return "".join(lines)

    def _render_rows(
        self,
        name: str,
        rows: Sequence[Sequence[Lifespan]],
        render: Callable[[Lifespan], Iterator[str]],
    ) -> Iterator[str]:
        if not rows:
            return
        y = self._y + BAR_HEIGHT / 2 - (ROW_HEIGHT if name == "connections" else 0)
        yield render_text(0, y, name, "dim")
        for row in rows:
            for lifespan in row:
                self._places[lifespan.name] = lifespan, self._y
                yield from render(lifespan)
            self._y += ROW_HEIGHT

    def _render_loop(self, lifespan: Lifespan) -> Iterator[str]:
        end = lifespan.end if lifespan.closed else self._column_count
        yield self._render_bar(lifespan.start, end, "loop")
        yield from self._render_end(lifespan)
        middle = self._x((lifespan.start + end) / 2)
        yield render_text(middle, self._y + BAR_HEIGHT / 2, lifespan.label, anchor="middle")

    def _render_connection(self, lifespan: Lifespan) -> Iterator[str]:
        if lifespan.bound_until < lifespan.end:
            yield self._render_bar(lifespan.bound_until, lifespan.end, "dead")
        yield self._render_bar(lifespan.start, lifespan.bound_until, "live")
        yield from self._render_end(lifespan)
        middle = self._y + BAR_HEIGHT / 2
        if self._timeline.thaw and not lifespan.closed:
            yield render_text(self._x(self._column_count - 0.5), middle, "cut", "dim", anchor="middle")
        yield render_text(LABEL_WIDTH - 10, middle, lifespan.label, anchor="end")

    def _render_bar(self, start: float, end: float, name: str) -> str:
        x, width = self._x(start) + 4, max((end - start) * COLUMN_WIDTH - 8, 4.0)
        return render_element("rect", x=x, y=self._y, width=width, height=BAR_HEIGHT, rx=3, class_=name)

    def _render_end(self, lifespan: Lifespan) -> Iterator[str]:
        """Yield a vertical line at the end of a closed loop or connection."""
        if lifespan.closed:
            x = self._x(lifespan.end) - 4
            y1, y2 = self._y - 3, self._y + BAR_HEIGHT + 3
            yield render_element("line", x1=x, x2=x, y1=y1, y2=y2, class_="end")

    def _render_closed_counts(self) -> Iterator[str]:
        if any(self._timeline.closed_counts):
            middle = self._y + BAR_HEIGHT / 2
            yield render_text(0, middle, "closed at once", "dim")
            for column, count in enumerate(self._timeline.closed_counts):
                text = str(count) if count else ""
                yield render_text(self._x(column + 0.5), middle, text, "dim", anchor="middle")
            self._y += ROW_HEIGHT

    def _render_stale_use(self, use: StaleUse) -> str:
        """Return an arrow from the loop to the stale connection that it used."""
        (loop, loop_y), (_, connection_y) = self._places[use.loop], self._places[use.connection]
        x = self._x((loop.start + loop.end) / 2)
        line = render_element(
            "path", d=f"M{x:g} {loop_y + BAR_HEIGHT:g} V{connection_y - 6:g}", class_="stale-use"
        )
        head = render_element("path", d=f"M{x - 5:g} {connection_y - 8:g} h10 l-5 8 z", class_="arrowhead")
        name = render_text(x + 8, connection_y - ROW_HEIGHT / 2 - 4, use.connection, "error")
        cross = render_text(x, connection_y + BAR_HEIGHT / 2 + 1, "✗", "error", anchor="middle")
        return line + head + name + cross


def _pack_rows(lifespans: Sequence[Lifespan]) -> list[list[Lifespan]]:
    """Put lifespans that do not overlap into one row."""
    rows: list[list[Lifespan]] = []
    for one in lifespans:
        row = next((row for row in rows if row[-1].end <= one.start), None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    return rows


def _list_notes(timeline: Timeline) -> Iterator[str]:
    if any(one.bound_until < one.end for one in timeline.connections):
        yield LEGEND
    uses = {one.column: f"{one.loop} uses {one.connection}: " for one in timeline.stale_uses}
    first_with: dict[str, str] = {}
    for column, invocation in enumerate([*timeline.columns, timeline.thaw]):
        if invocation is not None and invocation.error is not None:
            name = "thawed" if column == len(timeline.columns) else f"call {invocation.number}"
            first_with.setdefault(_shorten(invocation), f"{name}: {uses.get(column, '')}")
    yield from (f"{prefix}{error}" for error, prefix in list(first_with.items())[:MAX_NOTES])
    for count, name in zip(timeline.hidden, ("calls", "connections"), strict=True):
        if count:
            yield f"{count} more {name} are not shown"


def _shorten(invocation: Invocation) -> str:
    """Return the error on one line; of a long one the end, where libraries put the reason."""
    line = " ".join((invocation.error or "").partition("\n[SQL:")[0].split())
    if len(line) > MAX_QUOTE:
        line = f"... {line[-MAX_QUOTE:].partition(' ')[2]}"
    return f"{invocation.error_type}: {line}"
