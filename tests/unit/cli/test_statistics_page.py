"""The page of `stats --html`: whole, inert, and with the figures as text."""

from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from ticketctl.cli.rendering.statistics_page import PageFigures, format_duration, render_page
from ticketctl.tickets.corrections import Agreement
from ticketctl.tickets.statistics import Week, Workload

ATTACK = "<script>alert(1)</script>\x1b[31m\"'&"
VOID = {"meta"}


class Page(HTMLParser):
    """Reads a page: its tags, its text, and whether all elements are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def figures(**changed: Any) -> PageFigures:
    week = Week(
        start=date(2026, 1, 5), created=9, processed=8, automated=6, median_seconds=90.0, p95_seconds=7e5
    )
    empty = Week(
        start=date(2026, 2, 2), created=0, processed=0, automated=0, median_seconds=None, p95_seconds=None
    )
    step = {"step": "classify", "provider": ATTACK, "runs": 8, "mean_ms": 2.0, "p95_ms": 3.0}
    step |= {"input_tokens": 1, "output_tokens": 2, "cost": None}
    return PageFigures(
        **{
            "made_at": datetime(2026, 2, 7, 9, 30, tzinfo=UTC),
            "statistics": {"tickets": {"new": 1, "processed": 8}, "steps": [step], "cost": 0.5},
            "workload": Workload(categories={ATTACK: 7, None: 2}, teams={"red": 9}, weeks=[week, empty]),
            "agreements": [
                Agreement(field="all", value="", decisions=4, agreed=3),
                Agreement(field="category", value=ATTACK, decisions=4, agreed=3),
            ],
        }
        | changed
    )


def test_the_page_is_whole_and_shows_every_figure() -> None:
    page = Page(render_page(figures()))
    assert page.open == []
    lines = page.text.splitlines()
    for expected in (
        "9",
        "75%",
        "0.500000",
        "1.5 min",
        "none",
        "red",
        "unknown",
        "07 February 2026, 09:30 UTC",
    ):
        assert expected in lines
    assert "week of 05 Jan 2026: 6 without a review, 2 reviewed, 1 not processed" in lines


def test_names_from_tickets_are_inert_and_nothing_is_loaded() -> None:
    html = render_page(figures())
    page = Page(html)
    assert "\x1b" not in html
    assert {"script", "img", "link", "iframe"}.isdisjoint(tag for tag, _ in page.tags)
    assert not any(
        name.startswith("on") or name in {"href", "src"} for _, names in page.tags for name in names
    )
    policies = [names["content"] for tag, names in page.tags if tag == "meta" and "http-equiv" in names]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_an_empty_database_has_a_page() -> None:
    empty = Workload(categories={}, teams={}, weeks=[])
    page = Page(
        render_page(
            figures(workload=empty, agreements=[], statistics={"tickets": {}, "steps": [], "cost": 0.0})
        )
    )
    assert page.open == []
    assert "No person has decided on a category yet." in page.text


def test_many_categories_share_a_last_bar() -> None:
    workload = Workload(categories={f"c{number}": 1 for number in range(30)}, teams={}, weeks=[])
    lines = Page(render_page(figures(workload=workload))).text.splitlines()
    assert "c19" in lines
    assert "c20" not in lines
    assert lines[lines.index("10 more") + 1] == "10"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.25, "0.25 s"), (90, "1.5 min"), (7200, "2 h"), (180000, "2.08 d")]
)
def test_a_duration_has_its_largest_unit(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


def test_the_colours_of_the_weeks_are_named_in_their_order() -> None:
    page = Page(render_page(figures()))
    legend = [tag["class"] for name, tag in page.tags if name == "rect" and tag.get("width") == "12"]
    assert legend == ["rest", "bar", "done"]
    names = [
        page.text.index(name)
        for name in ("not processed\n", "sent to review\n", "processed without a review\n")
    ]
    assert len(set(names)) == 3


def test_what_has_no_tickets_says_so() -> None:
    statistics = {"tickets": {"new": 0}, "steps": [], "cost": 0}
    empty = Workload(categories={}, teams={}, weeks=[])
    page = Page(render_page(figures(statistics=statistics, workload=empty, agreements=[])))
    assert page.text.count("No tickets yet.") == 3
    assert page.text.count("No ticket has been processed yet.") == 2
    assert not any(tag.get("class") == "legend" for _, tag in page.tags)
