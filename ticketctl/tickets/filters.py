"""The filters of a ticket list. Each is declared once, as a field of `TicketFilter`.

The command line, the API, the store and the indexes derive their form of a filter from its declaration: a
field added here becomes an option, a query parameter and an SQL condition. A filter that matches by "equals"
also needs an index, which a migration creates; a test compares the two.

The command line imports this module to build its help, so the module stays cheap to import.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple

from ticketctl.errors import InvalidInputError
from ticketctl.tickets.durations import parse_since
from ticketctl.tickets.statuses import TicketStatus

Match = Literal["equals", "at_least", "words"]
"""How a filter compares a ticket: its column with the value, or every word of the value with the text."""


class FilterSpec(NamedTuple):
    """The declaration of one filter.

    `kind` is the type of its value; `column` is the column of `tickets` that it compares (a search in the text
    compares none). `metavar` stands for the value in the command's help; `examples` are values for the API's document.
    """

    name: str
    kind: type
    help: str
    column: str
    match: Match = "equals"
    metavar: str | None = None
    examples: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the allowed values; empty where any text is allowed."""
        return tuple(self.kind) if issubclass(self.kind, TicketStatus) else ()

    def parse(self, text: str, *, now: datetime) -> Any:
        """Convert the text that a person wrote to the filter's type. Raise InvalidInputError if it does not fit."""
        if self.choices and text not in self.choices:
            raise InvalidInputError(
                f"there is no {self.name} {text}", hint=f"it can be {', '.join(self.choices)}"
            )
        return parse_since(text, now=now) if self.kind is datetime else self.kind(text)


def _filter(kind: type, meaning: str, **attributes: Any) -> Any:
    """Declare a filter as a field; `attributes` are those of `FilterSpec`, the column by default the field's name."""
    return field(default=None, metadata={"kind": kind, "help": meaning} | attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFilter:
    """Which tickets a list contains; None means any."""

    status: TicketStatus | None = _filter(  # noqa: RUF009 - it is a field
        TicketStatus, "Only this status."
    )
    category: str | None = _filter(str, "Only this category.")
    priority: str | None = _filter(str, "Only this priority.")
    team: str | None = _filter(str, "Only this team.")
    search: str | None = _filter(
        str, "Every word must begin a word of the subject or the body.", match="words", metavar="WORDS"
    )
    since: datetime | None = _filter(  # noqa: RUF009 - it is a field
        datetime,
        "Created since: 15m, 2h, 3d, or a date or time in ISO 8601.",
        column="created_at",
        match="at_least",
        metavar="TIME",
        examples=("2h", "2026-01-31"),
    )


def _read_declaration(declared: Field[Any]) -> FilterSpec:
    attributes: dict[str, Any] = {"name": declared.name, "column": declared.name, **declared.metadata}
    return FilterSpec(**attributes)


FILTERS: Mapping[str, FilterSpec] = {
    declared.name: _read_declaration(declared) for declared in fields(TicketFilter)
}
"""The declaration of each filter by its name, in the order of the help."""


def parse_filter(texts: Mapping[str, str | None], *, now: datetime) -> TicketFilter:
    """Build a filter from what a person wrote, by the filters' names; None means any.

    Raises:
        InvalidInputError: A text does not fit its filter.
    """
    return TicketFilter(
        **{name: FILTERS[name].parse(text, now=now) for name, text in texts.items() if text is not None}
    )
