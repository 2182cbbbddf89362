"""Options and arguments that several commands share, and options whose value is one of a few words."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

import typer

from ticketctl.cli import completion
from ticketctl.errors import InvalidInputError
from ticketctl.event_loops import LOOPS
from ticketctl.postgres.pools import ALIASES, POOLS
from ticketctl.tickets.durations import parse_since
from ticketctl.tickets.statuses import TicketStatus

POOL_NAMES = (*POOLS, *ALIASES)
STATUSES = tuple(status.value for status in TicketStatus)
_SHOWN_IN_LINE = 64
"""Characters of all choices together that fit beside the option in a terminal of 80 columns."""


def choice(names: Sequence[str] | Callable[[], Sequence[str]], *declarations: str, **settings: Any) -> Any:
    """Return a Typer option that takes one of `names`: its help shows them, and the shell completes them.

    `names` may be a function, for words that depend on the configuration; it is called when they are needed.
    """
    read = names if callable(names) else lambda: names

    def check(value: Any) -> Any:
        chosen = value if isinstance(value, list) else [] if value is None else [value]
        known = read() if chosen else ()
        for one in chosen:
            if known and one not in known:
                raise typer.BadParameter(f"{one!r} is not one of {', '.join(known)}")
        return value

    metavar: str = _Choices(read)
    if not callable(names) and len("|".join(names)) > _SHOWN_IN_LINE:
        metavar = "NAME"
        settings["help"] += f" One of: {', '.join(names)}."
    return typer.Option(
        *declarations,
        metavar=metavar,
        callback=check,
        autocompletion=lambda: list(read()),
        show_default=False,
        **settings,
    )


class _Choices(str):  # noqa: SLOT000 - one object per option
    """The choices as the help shows them. They are read when the help is formatted, not when it is declared."""

    _read: Callable[[], Sequence[str]]

    def __new__(cls, read: Callable[[], Sequence[str]]) -> Self:
        made = super().__new__(cls, "TEXT")
        made._read = read
        return made

    def __format__(self, _: str) -> str:
        names = self._read()
        return f"[{'|'.join(names)}]" if names else str(self)


def parse_ticket_id(text: str) -> int:
    """Return the number of a ticket that is written as 7 or #7. Raises BadParameter."""
    match = re.fullmatch(r"#?(-?[0-9]{1,40})", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not the number of a ticket, such as 7 or #7")
    return int(match[1])


TicketIdArgument = Annotated[
    int,
    typer.Argument(
        metavar="ID",
        parser=parse_ticket_id,
        help="The ticket's number.",
        show_default=False,
        autocompletion=completion.list_ticket_ids,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JqOption = Annotated[
    str | None,
    typer.Option("--jq", metavar="EXPR", help="Print what a jq program makes of the JSON (extra jq)."),
]
PoolOption = Annotated[
    str | None, choice(POOL_NAMES, "--pool", help="The pool strategy; default TICKETCTL_POOL, else null.")
]
ServerPoolOption = Annotated[
    str | None,
    choice(
        POOL_NAMES, "--pool", help="The pool strategy; default TICKETCTL_SERVER_POOL, else queue-pre-ping."
    ),
]
LoopOption = Annotated[
    str | None,
    choice(
        tuple(LOOPS),
        "--loop",
        help="The event loop policy. Default: TICKETCTL_LOOP, else run-per-invocation.",
    ),
]
BudgetOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="AMOUNT",
        help="Stop once the AI provider has cost this much, at the prices of TICKETCTL_AI_PRICES.",
    ),
]
OlderThanOption = Annotated[
    str, typer.Option(metavar="AGE", help="With --stuck: stuck for at least this long.")
]
STUCK_AFTER = "15m"
"""Default of `--older-than`."""


def check_fields(text: str | None) -> str | None:
    """Return the value of `--fields`. Raises BadParameter for a column that tickets do not have."""
    from ticketctl.cli.rendering.tabular_export import list_fields

    for name in [] if text is None else text.split(","):
        if name not in list_fields():
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(list_fields())}")
    return text


def complete_fields(incomplete: str) -> list[str]:
    """Return the columns that can follow those typed so far."""
    from ticketctl.cli.rendering.tabular_export import list_fields

    before, comma, _ = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in list_fields()]


def fields_option(help_text: str) -> Any:
    """Return `--fields`, which chooses columns of tickets."""
    return typer.Option(
        "--fields",
        metavar="NAME,...",
        callback=check_fields,
        autocompletion=complete_fields,
        help=help_text,
    )


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether the person gave an option, rather than leave it at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def require_stuck(context: typer.Context, *, stuck: bool) -> None:
    """Raise InvalidInputError for an `--older-than` that has no effect."""
    if is_given(context, "older_than") and not stuck:
        raise InvalidInputError(
            "--older-than has no effect without --stuck",
            hint=f"ticketctl {context.info_name} --stuck --older-than 1h",
        )


def parse_age(text: str) -> timedelta:
    """Return the length of time that `--older-than` means: "90s", "15m", "2h".

    Raises:
        InvalidInputError: It is none.
    """
    now = datetime.now(UTC)
    try:
        return max(timedelta(0), now - parse_since(text, now=now))
    except InvalidInputError:
        raise InvalidInputError(
            f"--older-than cannot be {text!r}", hint="it looks like 90s, 15m, 2h"
        ) from None
