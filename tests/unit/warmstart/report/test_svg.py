import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from ticketctl.warmstart.child.ipc import LifecycleEvent
from ticketctl.warmstart.report.html import html
from ticketctl.warmstart.report.model import Finding, Invocation, InvocationOutcome, Report, Verdict
from ticketctl.warmstart.report.svg import ReportCell, most_telling, svg
from ticketctl.warmstart.report.timeline import MOST_COLUMNS, MOST_CONNECTIONS, timeline

A = "got Future <Future pending> attached to a different loop"
B = "cannot perform operation: another operation is in progress"
NOTHING = LifecycleEvent(loops=(), open=(), opened=(), held=())
HOSTILE = "</text><script>alert(1)</script>&amp;\x1b[31m\x00\ud800\u202e'\"]]>"


def call(number, error=None):
    outcome = InvocationOutcome.OK if error is None else InvocationOutcome.ERROR
    kind = None if error is None else "RuntimeError"
    return Invocation(number=number, outcome=outcome, duration_ms=1.0, error_type=kind, error=error)


def report(*errors, moments=(), verdict=Verdict.BROKEN, thaw=None, **options):
    return Report(
        handler=options.pop("handler", "app:handler"),
        times=len(errors),
        verdict=verdict,
        invocations=[call(number, error) for number, error in enumerate(errors, 1)],
        thaw=thaw,
        leftovers=[],
        connections=[],
        connections_gc=[],
        findings=options.pop("findings", []),
        moments=[NOTHING, *moments],
    )


def lifecycle_event(loops=(), opened=(), held=(), still_open=()):
    return LifecycleEvent(loops=loops, open=still_open, opened=opened, held=held)


STORY = [
    lifecycle_event(loops=[1], opened=[(1, 1)], held=[1]),
    lifecycle_event(loops=[2], opened=[(2, 2)], held=[1]),
    lifecycle_event(loops=[3], opened=[], held=[1]),
]


def test_the_story():
    shown = timeline(report(None, A, B, moments=STORY))
    assert [(one.name, one.start, one.end, one.closed) for one in shown.loops] == [
        ("L1", 0, 1, True),
        ("L2", 1, 2, True),
        ("L3", 2, 3, True),
    ]
    (connection,) = shown.connections
    assert (connection.label, connection.start, connection.bound_until, connection.end) == (
        "C1 of L1",
        0,
        1,
        3,
    )
    assert not connection.closed
    assert [(one.column, one.loop, one.connection) for one in shown.handings] == [
        (1, "L2", "C1"),
        (2, "L3", "C1"),
    ]
    assert shown.passing == [0, 1, 0]


def test_a_loop_that_lives_on():
    moments = [
        lifecycle_event(loops=[1], opened=[(1, 1)], held=[1], still_open=[1]),
        lifecycle_event(held=[1], still_open=[1]),
    ]
    shown = timeline(report(None, None, moments=moments))
    ((loop,), (connection,)) = shown.loops, shown.connections
    assert (loop.start, loop.end, loop.closed) == (0, 2, False)
    assert connection.bound_until == connection.end == 2
    assert shown.handings == []


def test_several_loops_in_one_invocation():
    moments = [lifecycle_event(loops=[1, 2], opened=[(1, 1), (2, 2)], held=[1])]
    shown = timeline(report(A, moments=moments))
    assert [(one.start, one.end) for one in shown.loops] == [(0, 0.5), (0.5, 1)]
    assert [(one.loop, one.connection) for one in shown.handings] == [("L2", "C1")]


def test_the_youngest_is_handed_out():
    moments = [
        lifecycle_event(loops=[1], opened=[(1, 1)], held=[1]),
        lifecycle_event(loops=[2], opened=[(2, 2)], held=[1, 2]),
        lifecycle_event(loops=[3], held=[1, 2]),
    ]
    assert [one.connection for one in timeline(report(None, None, A, moments=moments)).handings] == ["C2"]


def test_an_error_of_another_kind_blames_no_connection():
    assert timeline(report(None, "no such table", moments=STORY[:2])).handings == []


def test_what_is_closed_again():
    moments = [
        lifecycle_event(loops=[1], opened=[(1, 1)], held=[1], still_open=[1]),
        lifecycle_event(still_open=[1]),
    ]
    (connection,) = timeline(report(None, None, moments=moments)).connections
    assert (connection.end, connection.closed) == (1, True)


def test_what_c_code_opened_is_shown_without_a_loop():
    (connection,) = timeline(report(None, moments=[lifecycle_event(held=[-7])])).connections
    assert (connection.label, connection.start, connection.end) == ("C1", 0, 1)


def test_the_import_has_a_column_where_something_happened_in_it():
    one = report(None, moments=[lifecycle_event(held=[1])])
    busy = Report(
        **{
            **vars_of(one),
            "moments": [lifecycle_event(loops=[1], opened=[(1, 1)], held=[1]), *one.moments[1:]],
        }
    )
    assert [column and column.number for column in timeline(busy).columns] == [None, 1]
    assert [column and column.number for column in timeline(one).columns] == [1]


def vars_of(one):
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def test_a_process_that_ended_has_invocations_without_moments():
    assert len(timeline(report(None, "the process was ended by SIGSEGV", moments=STORY[:1])).columns) == 2
    nothing = Report(**{**vars_of(report("it could not be imported")), "moments": ()})
    assert len(timeline(nothing).columns) == 1


def test_much_is_not_drawn_but_counted():
    many = [lifecycle_event(loops=[n], opened=[(n, n)], held=list(range(1, n + 1))) for n in range(1, 21)]
    shown = timeline(report(*[None] * 20, moments=many, verdict=Verdict.LEAKING))
    assert len(shown.columns) == MOST_COLUMNS
    assert len(shown.connections) == MOST_CONNECTIONS
    assert shown.hidden == (20 - MOST_COLUMNS, 0)
    assert "10 more calls are not shown" in text_of(
        svg([ReportCell("app:handler", "", report(*[None] * 20, moments=many))])
    )


def text_of(drawing: str) -> str:
    root = ET.fromstring(drawing)  # noqa: S314 our own drawing
    return " ".join(
        "".join(one.itertext())
        for one in root.iter()
        if one.tag.endswith("}text") or one.tag.endswith("}title")
    )


def test_a_drawing_says_in_words_what_its_colours_say():
    cells = [
        ReportCell("queue", "run", report(None, A, B, moments=STORY, thaw=call(4, "closed"))),
        ReportCell("null", "run", report(None, None, verdict=Verdict.SAFE), configured=True),
    ]
    drawing = svg(cells)
    said = text_of(drawing)
    for word in (
        "queue",
        "null",
        "run",
        "broken",
        "safe ◀",
        "✗",
        "✓",
        "C1 of L1",
        "L2 is handed C1",
        "thawed",
        "cut",
    ):
        assert word in said
    assert "prefers-color-scheme: dark" in drawing


@pytest.mark.parametrize("draw", [svg, html])
def test_hostile_text_stays_text(draw):
    findings = [Finding(kind=HOSTILE, cause=HOSTILE, fix=HOSTILE)]
    one = report(None, HOSTILE, handler=HOSTILE, findings=findings)
    drawing = draw([ReportCell(HOSTILE, HOSTILE, one), ReportCell("other", HOSTILE, one)])
    assert "<script" not in drawing
    assert all(letter.isprintable() or letter == "\n" for letter in drawing)
    drawing.encode()
    if draw is svg:
        assert "alert(1)" in text_of(drawing)


def test_a_page_tells_every_finding_and_loads_nothing():
    findings = [Finding(kind="leak", cause="Connections grow.", fix="Close them.")]
    page = html([ReportCell("app:handler", "", report(None, A, moments=STORY, findings=findings))])
    assert "Connections grow." in page
    assert "Fix: Close them." in page
    loads = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            loads.extend(
                name for name, _ in attributes if name in {"src", "href"} or tag in {"script", "link"}
            )

    Reader().feed(page)
    assert loads == []


def test_the_timeline_is_that_of_who_works_cold_and_fails_warm():
    def cell(name, *errors, verdict=Verdict.BROKEN):
        return ReportCell(name, "", report(*errors, verdict=verdict))

    safe = cell("safe", None, None, None, verdict=Verdict.SAFE)
    leaking = cell("leaking", None, None, None, verdict=Verdict.LEAKING)
    always, alternating, warm = (
        cell("always", A, A, A),
        cell("alternating", None, A, None),
        cell("warm", None, A, B),
    )
    assert most_telling([safe, always, alternating, warm]).row == "warm"
    assert most_telling([safe, always, alternating]).row == "alternating"
    assert most_telling([safe, leaking]).row == "leaking"
    assert most_telling([safe]).row == "safe"
