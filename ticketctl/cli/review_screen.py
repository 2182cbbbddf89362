"""`review` in full screen: the waiting tickets on one side, the ticket and its decisions, by one key each, on the other."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import ClassVar, TypeAlias

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import WorkerFailed

from ticketctl.cli.rendering.escaping import escape_controls
from ticketctl.cli.rendering.ticket_tables import render_ticket
from ticketctl.cli.review_dialogs import ChoiceDialog, LineDialog, TextDialog
from ticketctl.errors import DatabaseError, TicketctlError
from ticketctl.tickets import decisions, service, undo
from ticketctl.tickets.decisions import Decision, Outcome
from ticketctl.tickets.history import Actor
from ticketctl.tickets.models import TicketDetails
from ticketctl.tickets.review import ReviewService
from ticketctl.tickets.statuses import TicketStatus

Decide: TypeAlias = Callable[[Sequence[int], datetime], Awaitable[Sequence[Outcome]]]
"""Makes a decision on tickets by their ids, unless they have changed since a time."""
TRY_AGAIN = "F5 tries again, q quits."
NOTHING_LEFT = "No ticket needs a review.\n\nu takes your last decision back, q quits."


class ReviewApp(App[None]):
    """The review of up to `limit` tickets, over one event loop's stores. No connection is held while a person reads.

    Every decision rests on the ticket as it is shown: if someone else changed it meanwhile, it is shown again.
    """

    TITLE = "Review"
    CSS = """
    #waiting { width: 28%; max-width: 40; height: 100%; border: none; border-right: solid $primary; padding: 0 1 }
    #ticket { padding: 0 1; width: 1fr; height: 100% }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "Approve"),
        Binding("e", "edit", "Edit"),
        Binding("r", "reject", "Reject"),
        Binding("u", "undo", "Undo"),
        Binding("n", "note", "Note"),
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "show_help_panel", "Keys", key_display="?"),
        Binding("c", "choose('category')", "Category"),
        Binding("p", "choose('priority')", "Priority"),
        Binding("t", "choose('team')", "Team"),
        Binding("w", "assign", "Assign"),
        Binding("d", "redraft", "New draft"),
        Binding("j", "move(1)", "Next", show=False),
        Binding("k", "move(-1)", "Previous", show=False),
        Binding("space", "scroll", "Scroll", show=False),
        Binding("f5", "reload", "Reload", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self, reviews: ReviewService, waiting: Sequence[TicketDetails], *, by: Actor, limit: int
    ) -> None:
        super().__init__()
        self._reviews = reviews
        self._first = waiting
        self._by = by
        self._limit = limit
        self._shown: TicketDetails | None = None
        self._wanted: int | None = None
        self._decided: list[int] = []
        self._unsaved: dict[tuple[int, str], str] = {}
        self.problem: TicketctlError | None = None
        """The error of the last call, if the database was away."""
        self.bug: Exception | None = None
        """The exception that ended the review, if one did."""

    def compose(self) -> ComposeResult:
        """Lay out the list, the ticket, and the keys."""
        with Horizontal():
            yield OptionList(*map(_to_option, self._first), id="waiting")
            with VerticalScroll(id="ticket", can_focus=False):
                yield Static(id="details", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Show the first ticket."""
        self._waiting.focus()
        self._waiting.highlighted = 0

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the ticket that the reviewer moved to."""
        if event.option_list is self._waiting and event.option_id is not None:
            self._read(int(event.option_id))

    @property
    def _waiting(self) -> OptionList:
        return self.query_one("#waiting", OptionList)

    @work(exclusive=True)
    async def _read(self, ticket_id: int) -> None:
        await self._show(ticket_id)

    async def _show(self, ticket_id: int) -> None:
        """Show a ticket as it is now; leave it out of the list if it needs no review any more."""
        self._shown, self._wanted = None, ticket_id
        try:
            details = await service.show(self._reviews.tickets, ticket_id)
        except TicketctlError as error:
            self._report(error)
            self.query_one("#details", Static).update(Text(f"{escape_controls(str(error))}\n\n{TRY_AGAIN}"))
            return
        self.problem = None
        if details.ticket.status is not TicketStatus.NEEDS_REVIEW:
            self.notify(f"ticket {ticket_id} was decided by someone else", markup=False)
            self._leave_out(ticket_id)
            return
        self._shown = details
        self.query_one("#details", Static).update(render_ticket(details))
        self.query_one("#ticket", VerticalScroll).scroll_home(animate=False)

    def _leave_out(self, ticket_id: int) -> None:
        self._shown = None
        index = self._waiting.get_option_index(str(ticket_id))
        self._waiting.remove_option_at_index(index)
        left = self._waiting.option_count
        if not left:
            self.query_one("#details", Static).update(NOTHING_LEFT)
            return
        self._waiting.highlighted = min(index, left - 1)
        self._read(int(self._waiting.get_option_at_index(min(index, left - 1)).id or 0))

    @work
    async def action_approve(self) -> None:
        """Approve the ticket."""
        if details := self._shown:
            await self._decide(
                details, lambda ids, seen: self._reviews.approve(ids, by=self._by, seen=seen), "approved"
            )

    @work
    async def action_reject(self) -> None:
        """Ask for a reason, and delete the draft."""
        if details := self._shown:
            reason = await self.push_screen_wait(LineDialog("why is the draft rejected?"))
            if reason is not None:
                await self._decide(
                    details,
                    lambda ids, seen: self._reviews.reject(ids, reason or None, by=self._by, seen=seen),
                    "draft rejected",
                )

    @work
    async def action_edit(self) -> None:
        """Edit the draft."""
        if details := self._shown:
            before = escape_controls(details.ticket.draft or "", multiline=True)
            after = await self._write(details, "draft", before)
            if after is not None and after.strip() != before.strip():
                await self._set(details, "draft", after)

    @work
    async def action_redraft(self) -> None:
        """Replace the draft by the template that fits the ticket's fields."""
        if details := self._shown:
            await self._decide(
                details,
                lambda ids, seen: self._reviews.redraft(ids, by=self._by, seen=seen),
                "draft replaced",
            )

    @work
    async def action_choose(self, name: str) -> None:
        """Choose the category, the priority or the team."""
        if details := self._shown:
            word = await self.push_screen_wait(ChoiceDialog(name, self._reviews.allowed[name]))
            if word is not None:
                await self._set(details, name, word)

    @work
    async def action_assign(self) -> None:
        """Assign the ticket to a person; an empty name removes the assignee."""
        if details := self._shown:
            assignee = escape_controls(details.ticket.assignee or "")
            who = await self.push_screen_wait(LineDialog("assign to (empty: remove the assignee)", assignee))
            if who is not None:
                await self._apply(details, lambda: decisions.assign(who or None))

    @work
    async def action_note(self) -> None:
        """Write a note on the ticket."""
        if details := self._shown:
            text = await self._write(details, "note")
            if text:
                await self._apply(details, lambda: decisions.note(text))

    @work
    async def action_undo(self) -> None:
        """Take the reviewer's last decision back, and show its ticket."""
        if not self._decided:
            self.notify("there is no decision of this session to undo", severity="warning")
            return
        ticket_id = self._decided[-1]
        try:
            _, action = await undo.undo_last(self._reviews.decisions, ticket_id, by=self._by)
            waiting = await self._reviews.list_waiting(self._limit)
        except TicketctlError as error:
            self._report(error)
            return
        self._decided.pop()
        self.notify(f"ticket {ticket_id}: {action} undone", markup=False)
        self._waiting.clear_options()
        self._waiting.add_options(map(_to_option, waiting))
        numbers = [details.ticket.id for details in waiting]
        if numbers:
            self._waiting.highlighted = numbers.index(ticket_id) if ticket_id in numbers else 0

    def action_move(self, rows: int) -> None:
        """Move down or up in the list."""
        move = self._waiting.action_cursor_down if rows > 0 else self._waiting.action_cursor_up
        move()

    def action_scroll(self) -> None:
        """Scroll the ticket by a page."""
        self.query_one("#ticket", VerticalScroll).scroll_page_down(animate=False)

    def action_reload(self) -> None:
        """Read the ticket again."""
        if self._wanted is not None and self._waiting.option_count:
            self._read(self._wanted)

    async def _write(self, details: TicketDetails, what: str, before: str = "") -> str | None:
        """Ask for a text, and begin with what was typed before but could not be saved."""
        key = (details.ticket.id, what)
        text = await self.push_screen_wait(TextDialog(what, self._unsaved.pop(key, before)))
        if text is not None and text != before:
            self._unsaved[key] = text
        return text

    async def _set(self, details: TicketDetails, name: str, value: str) -> None:
        await self._decide(
            details,
            lambda ids, seen: self._reviews.set(ids, {name: value}, by=self._by, seen=seen),
            f"{name} set",
        )

    async def _apply(self, details: TicketDetails, make: Callable[[], Decision]) -> None:
        async def decide(ids: Sequence[int], seen: datetime) -> Sequence[Outcome]:
            return await decisions.apply(self._reviews.decisions, make(), ids, by=self._by, seen=seen)

        await self._decide(details, decide, "saved")

    async def _decide(self, details: TicketDetails, decide: Decide, done: str) -> None:
        """Make a decision, then show its ticket again, or the next one if this one is settled."""
        ticket_id = details.ticket.id
        try:
            ticket = decisions.get_ticket(await decide([ticket_id], details.ticket.updated_at))
        except DatabaseError as error:
            self._report(error)  # the ticket stays on the screen, so that the same key tries again
            return
        except TicketctlError as error:
            self._report(error)
            await self._show(ticket_id)
            return
        self.problem = None
        self._unsaved = {key: text for key, text in self._unsaved.items() if key[0] != ticket_id}
        self._decided.append(ticket_id)
        self.notify(f"ticket {ticket_id}: {done}", markup=False)
        if ticket.status is TicketStatus.NEEDS_REVIEW:
            await self._show(ticket_id)
        else:
            self._leave_out(ticket_id)

    def _report(self, error: TicketctlError) -> None:
        self.problem = error if isinstance(error, DatabaseError) else None
        message = f"{error}\n{error.hint}" if error.hint else str(error)
        self.notify(escape_controls(message, multiline=True), severity="error", markup=False)

    def _handle_exception(self, error: Exception) -> None:
        """End the review; the command reports the exception, with a traceback only if it is asked for one.

        Textual would print a traceback with the values of all local variables, and so with the text of tickets.
        """
        cause = error.error if isinstance(error, WorkerFailed) else error
        self.bug = self.bug or (cause if isinstance(cause, Exception) else error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()


def _to_option(details: TicketDetails) -> Option:
    ticket = details.ticket
    label = Text(f"{ticket.id:>5}  ", "bold", overflow="ellipsis", no_wrap=True)
    return Option(label.append(escape_controls(ticket.subject), "not bold"), id=str(ticket.id))
