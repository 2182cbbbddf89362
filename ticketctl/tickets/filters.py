"""The filters of a ticket list. Each is declared once, as a field of `TicketFilter`.

The command line, the API, the store and the indexes derive their form of a filter from its declaration: a
field added here becomes an option, a query parameter and an SQL condition. A filter with an index of its own
needs a migration that creates it; a test compares the two.

The command line imports this module to build its help, so the module stays cheap to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple

from ticketctl.errors import InvalidInputError
from ticketctl.tickets.durations import parse_since
from ticketctl.tickets.statuses import TicketStatus

Match = Literal["equals", "at_least", "below", "words", "has"]
"""How a filter compares a ticket: its column with the value, every word of the value with the text, or whether its
list has the value."""
_REPEATABLE = frozenset({"equals", "has"})
FilterTexts = Mapping[str, str | Sequence[str] | None]
"""What a person wrote for each filter; a sequence if the filter was repeated."""


class FilterSpec(NamedTuple):
    """The declaration of one filter.

    `kind` is the type of its value; `column` is the column of `tickets` that it compares (a search in the text
    compares none). `metavar` stands for the value in the command's help; `examples` are values for the API's document.
    `is_indexed` says whether the column has an index with the creation time, which few distinct values do not need.
    """

    name: str
    kind: type
    help: str
    column: str
    match: Match = "equals"
    metavar: str | None = None
    examples: tuple[str, ...] = ()
    is_indexed: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Return whether the filter takes several values, of which a ticket must have one."""
        return self.match in _REPEATABLE

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
        if self.kind is float:
            return self._parse_share(text)
        return parse_since(text, now=now) if self.kind is datetime else self.kind(text)

    def _parse_share(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise InvalidInputError(
                f"{self.name.replace('_', ' ')} cannot be {text!r}", hint="it is a number from 0 to 1"
            )
        return value


def _filter(kind: type, meaning: str, **attributes: Any) -> Any:
    """Declare a filter as a field; `attributes` are those of `FilterSpec`, the column by default the field's name."""
    default: Any = () if attributes.get("match", "equals") in _REPEATABLE else None
    return field(default=default, metadata={"kind": kind, "help": meaning} | attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFilter:
    """Which tickets a list contains; None and no values mean any. Several values mean one of them."""

    status: tuple[TicketStatus, ...] = _filter(
        TicketStatus, "Only this status; may be repeated.", is_indexed=True
    )
    category: tuple[str, ...] = _filter(str, "Only this category; may be repeated.", is_indexed=True)
    priority: tuple[str, ...] = _filter(str, "Only this priority; may be repeated.", is_indexed=True)
    team: tuple[str, ...] = _filter(str, "Only this team; may be repeated.", is_indexed=True)
    requester: tuple[str, ...] = _filter(
        str, "Only this requester; may be repeated.", metavar="EMAIL", is_indexed=True
    )
    language: tuple[str, ...] = _filter(
        str, "Only this language, such as en; may be repeated.", metavar="CODE"
    )
    assignee: tuple[str, ...] = _filter(str, "Only tickets of this person; may be repeated.", metavar="WHO")
    tag: tuple[str, ...] = _filter(
        str, "Only tickets with this tag; may be repeated.", column="tags", match="has", metavar="NAME"
    )
    confidence_below: float | None = _filter(
        float,
        "Only classified with less than this confidence, 0 to 1.",
        column="confidence",
        match="below",
        metavar="SHARE",
        examples=("0.6",),
    )
    search: str | None = _filter(
        str, "Every word must begin a word of the subject, requester or body.", match="words", metavar="WORDS"
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


def parse_filter(texts: FilterTexts, *, now: datetime) -> TicketFilter:
    """Build a filter from what a person wrote, by the filters' names; None and an empty sequence mean any.

    Raises:
        InvalidInputError: A text does not fit its filter.
    """
    return TicketFilter(
        **{name: _parse(FILTERS[name], text, now) for name, text in texts.items() if text is not None}
    )


def _parse(spec: FilterSpec, text: str | Sequence[str], now: datetime) -> Any:
    if not spec.is_repeatable:
        return spec.parse(str(text), now=now)
    texts = [text] if isinstance(text, str) else text
    return tuple(dict.fromkeys(spec.parse(one, now=now) for one in texts))
