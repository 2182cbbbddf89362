"""The full-screen review, driven by keys, over a real database."""

import html
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

pytest.importorskip("textual", reason="the extra tui is not installed")

from textual.pilot import Pilot
from textual.worker import WorkerFailed

from ticketctl.cli.review_screen import ReviewApp
from ticketctl.runtime import Database, open_review_service
from ticketctl.settings import Settings
from ticketctl.tickets.history import Actor

FILL = r"""
with made as (
  insert into tickets (subject, body, status, category, priority, team, confidence, draft, extracted, requester)
  values
    ('It is broken', 'Order A-4711 never came', 'needs_review', 'bug', 'normal', 'technical', 0.4, 'Dear Ada',
     '[{"kind": "order", "value": "A-4711", "start": 20, "end": 26}]', 'ada@example.com'),
    (E'[bold]Hostile[/bold] \x1b[31m', 'a', 'needs_review', null, 'normal', null, 0.2, null, null, null),
    ('Third', '', 'needs_review', 'bug', 'normal', 'technical', 0.5, 'Dear Bob', null, null)
  returning id
)
insert into steps (ticket_id, step, output, provider, model, prompt_hash)
select id, 'classify', '{"review": ["confidence 0.4 is below 0.6"]}', 'offline', 'm', '' from made
"""

Ask = Callable[[str], str]


class Reviewer:
    """Presses keys, reads the screen, and waits until it shows what it should."""

    def __init__(self, pilot: Pilot[None], app: ReviewApp, ask: Ask) -> None:
        self.pilot = pilot
        self.app = app
        self._ask = ask

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if one == " " else one for one in text))

    def screen(self) -> str:
        return html.unescape(
            re.sub("(?s)<style>.*?</style>|<[^>]*>", "", self.pilot.app.export_screenshot())
        ).replace("\xa0", " ")

    async def see(self, text: str) -> None:
        await self._wait(lambda: text in self.screen(), f"the screen never shows {text!r}")

    async def find(self, condition: str) -> None:
        """Wait until a condition holds in the database."""
        await self._wait(
            lambda: self._ask(f"select {condition}") == "t", f"it never came to be that {condition}"
        )

    async def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, f"{problem}: {self.screen()}"
            await self.pilot.pause(0.02)


@asynccontextmanager
async def open_review(url: str, ask: Ask, size: tuple[int, int] = (130, 40)) -> AsyncIterator[Reviewer]:
    ask("alter sequence tickets_id_seq restart;" + FILL)
    async with open_review_service(Database(Settings(database_url=url), embedded=False)) as reviews:
        app = ReviewApp(reviews, await reviews.list_waiting(20), by=Actor.person("ada"), limit=20)
        async with app.run_test(size=size, notifications=True) as pilot:
            reviewer = Reviewer(pilot, app, ask)
            await reviewer.see("Order A-4711 never came")
            yield reviewer


@pytest.fixture
async def reviewer(emptied_url: str, ask: Ask) -> AsyncIterator[Reviewer]:
    async with open_review(emptied_url, ask) as opened:
        yield opened


@pytest.fixture
def socket_link(emptied_url: str, tmp_path: Path) -> tuple[str, Path]:
    """A URL through a link to the server's socket folder, and the link: without it the server cannot be reached."""
    parts = urlsplit(emptied_url)
    [folder] = parse_qs(parts.query)["host"]
    link = tmp_path / "socket"
    link.symlink_to(folder)
    return emptied_url.replace(
        parts.query, parts.query.replace(folder, str(link)).replace(quote(folder, ""), str(link))
    ), link


async def test_one_key_approves_and_the_next_ticket_follows(reviewer: Reviewer) -> None:
    await reviewer.see("why: confidence 0.4 is below 0.6")
    await reviewer.press("a")
    await reviewer.see("ticket 1: approved")
    await reviewer.see("#2")
    await reviewer.find("status = 'processed' from tickets where id = 1")
    await reviewer.press("u")
    await reviewer.see("#1")
    await reviewer.find("status = 'needs_review' from tickets where id = 1")


async def test_dialogs_correct_a_ticket(reviewer: Reviewer) -> None:
    await reviewer.press("c")
    await reviewer.see("type to filter")
    await reviewer.type("refu")
    await reviewer.press("enter")
    await reviewer.find("category = 'refund' from tickets where id = 1")
    await reviewer.see("category set")
    await reviewer.press("w")
    await reviewer.see("assign to")
    await reviewer.type("grace")
    await reviewer.press("enter")
    await reviewer.find("assignee = 'grace' from tickets where id = 1")
    await reviewer.see("assigneegrace")
    await reviewer.press("n")
    await reviewer.see("Ctrl+S")
    await reviewer.type("called back")
    await reviewer.press("ctrl+s")
    await reviewer.see("note by ada")
    await reviewer.press("e")
    await reviewer.see("Ctrl+S")
    await reviewer.type("Hello, ")
    await reviewer.press("ctrl+s")
    await reviewer.find("draft = 'Hello, Dear Ada' from tickets where id = 1")


async def test_the_keys_are_listed(reviewer: Reviewer) -> None:
    await reviewer.see("a Approve")
    await reviewer.press("question_mark")
    await reviewer.see("Previous")


async def test_a_cancelled_dialog_changes_nothing(reviewer: Reviewer) -> None:
    for key, title in (("c", "type to filter"), ("r", "why is the draft rejected"), ("e", "Ctrl+S")):
        await reviewer.press(key)
        await reviewer.see(title)
        await reviewer.press("escape")
        await reviewer.see("#1")
    await reviewer.find("count(*) = 0 from changes")


async def test_the_last_ticket_leaves_an_empty_screen(reviewer: Reviewer) -> None:
    for number in (1, 2, 3):
        await reviewer.see(f"#{number}")
        await reviewer.press("r")
        await reviewer.see("why is the draft rejected")
        await reviewer.press("enter")
        await reviewer.find(f"status = 'processed' from tickets where id = {number}")
    await reviewer.see("No ticket needs a review.")
    await reviewer.press("a", "c")
    await reviewer.see("No ticket needs a review.")


async def test_a_decision_on_an_old_state_is_refused(reviewer: Reviewer, ask: Ask) -> None:
    ask("update tickets set category = 'billing', updated_at = now() + interval '1 s' where id = 1")
    await reviewer.press("a")
    await reviewer.see("changed by someone else")
    await reviewer.see("categorybilling")
    ask("update tickets set status = 'processed', updated_at = now() + interval '2 s' where id = 1")
    await reviewer.press("a")
    await reviewer.see("decided by someone else")
    await reviewer.see("#2")


async def test_hostile_text_is_inert(reviewer: Reviewer) -> None:
    await reviewer.press("j")
    await reviewer.see("#2  [bold]Hostile[/bold] \\x1b[31m")
    assert "\x1b" not in reviewer.screen()


DISCONNECT = """select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()"""


async def test_a_database_that_goes_away_loses_nothing_that_was_typed(
    socket_link: tuple[str, Path], ask: Ask
) -> None:
    url, link = socket_link
    folder = link.readlink()
    async with open_review(url, ask) as reviewer:
        link.unlink()
        ask(DISCONNECT)
        await reviewer.press("n")
        await reviewer.see("Ctrl+S")
        await reviewer.type("called back")
        await reviewer.press("ctrl+s")
        await reviewer.see("cannot be reached")
        await reviewer.see("Order A-4711 never came")
        assert reviewer.app.problem is not None
        await reviewer.press("j")
        await reviewer.see("F5 tries again, q quits.")
        assert reviewer.app.problem.exit_status == 5
        link.symlink_to(folder)
        await reviewer.press("f5")
        await reviewer.see("#2")
        await reviewer.press("k")
        await reviewer.see("Order A-4711 never came")
        await reviewer.press("n")
        await reviewer.see("called back")
        await reviewer.press("ctrl+s")
        await reviewer.find("note = 'called back' from changes")
        await reviewer.see("note by ada")
        assert reviewer.app.problem is None


async def test_a_server_that_was_restarted_meanwhile_is_not_noticed(reviewer: Reviewer, ask: Ask) -> None:
    ask(DISCONNECT)
    await reviewer.press("a")
    await reviewer.see("ticket 1: approved")


async def test_the_reasons_are_seen_on_a_small_terminal(emptied_url: str, ask: Ask) -> None:
    async with open_review(emptied_url, ask, (80, 24)) as reviewer:
        ask("update tickets set body = repeat(E'a line of text\\n', 40)")
        await reviewer.press("f5")
        await reviewer.see("a line of text")
        await reviewer.see("why: confidence 0.4 is below 0.6")


async def test_a_bug_ends_the_review_without_a_traceback_of_textual(
    emptied_url: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps = []

    async def meet_the_bug() -> None:
        async with open_review(emptied_url, ask) as reviewer:
            apps.append(reviewer.app)
            monkeypatch.setattr(reviewer.app, "_leave_out", lambda _: 1 // 0)
            await reviewer.press("a")
            await reviewer.find("status = 'processed' from tickets where id = 1")
            await reviewer.pilot.pause()

    with pytest.raises(WorkerFailed):  # which Textual raises in tests only
        await meet_the_bug()
    [app] = apps
    assert isinstance(app.bug, ZeroDivisionError)
    assert app._exit_renderables == []
