import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from ticketctl.warmstart.child.ipc import LifecycleEvent
from ticketctl.warmstart.report.html import render_html
from ticketctl.warmstart.report.model import Finding, Invocation, InvocationOutcome, Report, Verdict
from ticketctl.warmstart.report.svg import ReportCell, render_svg, select_most_informative
from ticketctl.warmstart.report.timeline import MAX_COLUMNS, MAX_CONNECTIONS, build_timeline

A = "got Future <Future pending> attached to a different loop"
B = "cannot perform operation: another operation is in progress"
NOTHING = LifecycleEvent(loops=(), open=(), opened=(), held=())
HOSTILE = "</text><script>alert(1)</script>&amp;\x1b[31m\x00\ud800\u202e'\"]]>"


def call(number, error=None):
    outcome = InvocationOutcome.OK if error is None else InvocationOutcome.ERROR
    kind = None if error is None else "RuntimeError"
    return Invocation(number=number, outcome=outcome, duration_ms=1.0, error_type=kind, error=error)


def report(*errors, events=(), verdict=Verdict.BROKEN, thaw=None, **options):
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
        lifecycle_events=[NOTHING, *events],
    )


def lifecycle_event(loops=(), opened=(), held=(), still_open=()):
    return LifecycleEvent(loops=loops, open=still_open, opened=opened, held=held)


EVENTS = [
    lifecycle_event(loops=[1], opened=[(1, 1)], held=[1]),
    lifecycle_event(loops=[2], opened=[(2, 2)], held=[1]),
    lifecycle_event(loops=[3], opened=[], held=[1]),
]


def test_a_pool_with_a_new_loop_for_each_invocation_uses_a_stale_connection():
    shown = build_timeline(report(None, A, B, events=EVENTS))
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
    assert [(one.column, one.loop, one.connection) for one in shown.stale_uses] == [
        (1, "L2", "C1"),
        (2, "L3", "C1"),
    ]
    assert shown.closed_counts == [0, 1, 0]


def test_a_persistent_loop_has_no_stale_connection():
    events = [
        lifecycle_event(loops=[1], opened=[(1, 1)], held=[1], still_open=[1]),
        lifecycle_event(held=[1], still_open=[1]),
    ]
    shown = build_timeline(report(None, None, events=events))
    ((loop,), (connection,)) = shown.loops, shown.connections
    assert (loop.start, loop.end, loop.closed) == (0, 2, False)
    assert connection.bound_until == connection.end == 2
    assert shown.stale_uses == []


def test_several_loops_in_one_invocation():
    events = [lifecycle_event(loops=[1, 2], opened=[(1, 1), (2, 2)], held=[1])]
    shown = build_timeline(report(A, events=events))
    assert [(one.start, one.end) for one in shown.loops] == [(0, 0.5), (0.5, 1)]
    assert [(one.loop, one.connection) for one in shown.stale_uses] == [("L2", "C1")]


def test_the_youngest_stale_connection_is_assumed_to_be_used():
    events = [
        lifecycle_event(loops=[1], opened=[(1, 1)], held=[1]),
        lifecycle_event(loops=[2], opened=[(2, 2)], held=[1, 2]),
        lifecycle_event(loops=[3], held=[1, 2]),
    ]
    assert [one.connection for one in build_timeline(report(None, None, A, events=events)).stale_uses] == [
        "C2"
    ]


def test_an_unrelated_error_is_no_stale_use():
    assert build_timeline(report(None, "no such table", events=EVENTS[:2])).stale_uses == []


def test_a_closed_connection_ends():
    events = [
        lifecycle_event(loops=[1], opened=[(1, 1)], held=[1], still_open=[1]),
        lifecycle_event(still_open=[1]),
    ]
    (connection,) = build_timeline(report(None, None, events=events)).connections
    assert (connection.end, connection.closed) == (1, True)


def test_a_connection_of_c_code_has_no_loop():
    (connection,) = build_timeline(report(None, events=[lifecycle_event(held=[-7])])).connections
    assert (connection.label, connection.start, connection.end) == ("C1", 0, 1)


def test_the_import_has_a_column_if_it_created_something():
    one = report(None, events=[lifecycle_event(held=[1])])
    busy = Report(
        **{
            **vars_of(one),
            "lifecycle_events": [
                lifecycle_event(loops=[1], opened=[(1, 1)], held=[1]),
                *one.lifecycle_events[1:],
            ],
        }
    )
    assert [column and column.number for column in build_timeline(busy).columns] == [None, 1]
    assert [column and column.number for column in build_timeline(one).columns] == [1]


def vars_of(one):
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def test_a_process_that_ended_has_invocations_without_moments():
    assert (
        len(build_timeline(report(None, "the process was ended by SIGSEGV", events=EVENTS[:1])).columns) == 2
    )
    nothing = Report(**{**vars_of(report("it could not be imported")), "lifecycle_events": ()})
    assert len(build_timeline(nothing).columns) == 1


def test_invocations_beyond_the_limit_are_counted():
    many = [lifecycle_event(loops=[n], opened=[(n, n)], held=list(range(1, n + 1))) for n in range(1, 21)]
    shown = build_timeline(report(*[None] * 20, events=many, verdict=Verdict.LEAKING))
    assert len(shown.columns) == MAX_COLUMNS
    assert len(shown.connections) == MAX_CONNECTIONS
    assert shown.hidden == (20 - MAX_COLUMNS, 0)
    assert "10 more calls are not shown" in text_of(
        render_svg([ReportCell("app:handler", "", report(*[None] * 20, events=many))])
    )


def text_of(drawing: str) -> str:
    root = ET.fromstring(drawing)  # noqa: S314 our own drawing
    return " ".join(
        "".join(one.itertext())
        for one in root.iter()
        if one.tag.endswith("}text") or one.tag.endswith("}title")
    )


def test_words_and_glyphs_repeat_what_the_colours_say():
    cells = [
        ReportCell("queue", "run", report(None, A, B, events=EVENTS, thaw=call(4, "closed"))),
        ReportCell("null", "run", report(None, None, verdict=Verdict.SAFE), configured=True),
    ]
    drawing = render_svg(cells)
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
        "L2 uses C1",
        "thawed",
        "cut",
    ):
        assert word in said
    assert "prefers-color-scheme: dark" in drawing


@pytest.mark.parametrize("draw", [render_svg, render_html])
def test_hostile_text_is_escaped(draw):
    findings = [Finding(kind=HOSTILE, cause=HOSTILE, fix=HOSTILE)]
    one = report(None, HOSTILE, handler=HOSTILE, findings=findings)
    drawing = draw([ReportCell(HOSTILE, HOSTILE, one), ReportCell("other", HOSTILE, one)])
    assert "<script" not in drawing
    assert all(letter.isprintable() or letter == "\n" for letter in drawing)
    drawing.encode()
    if draw is render_svg:
        assert "alert(1)" in text_of(drawing)


def test_a_page_has_every_finding_and_loads_nothing():
    findings = [Finding(kind="leak", cause="Connections grow.", fix="Close them.")]
    page = render_html([ReportCell("app:handler", "", report(None, A, events=EVENTS, findings=findings))])
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


def test_the_timeline_shows_the_cell_that_fails_warm():
    def cell(name, *errors, verdict=Verdict.BROKEN):
        return ReportCell(name, "", report(*errors, verdict=verdict))

    safe = cell("safe", None, None, None, verdict=Verdict.SAFE)
    leaking = cell("leaking", None, None, None, verdict=Verdict.LEAKING)
    always, alternating, warm = (
        cell("always", A, A, A),
        cell("alternating", None, A, None),
        cell("warm", None, A, B),
    )
    assert select_most_informative([safe, always, alternating, warm]).row == "warm"
    assert select_most_informative([safe, always, alternating]).row == "alternating"
    assert select_most_informative([safe, leaking]).row == "leaking"
    assert select_most_informative([safe]).row == "safe"
