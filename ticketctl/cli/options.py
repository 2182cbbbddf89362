"""Options that commands share: pools, loops, a budget."""

from typing import Annotated, Any

import typer

from ticketctl.event_loops import LOOPS
from ticketctl.postgres.pools import ALIASES, POOLS, find_pool


def check_pool(name: str | None) -> str | None:
    """Refuse a pool that is not there, with the choices."""
    if name is not None and find_pool(name) is None:
        raise typer.BadParameter(f"there is no pool {name!r}; it can be {', '.join([*POOLS, *ALIASES])}")
    return name


def check_loop(name: str | None) -> str | None:
    """Refuse a loop that is not there, with the choices."""
    if name is not None and name not in LOOPS:
        raise typer.BadParameter(f"there is no loop {name!r}; it can be {', '.join(LOOPS)}")
    return name


def _pool_option(default: str) -> Any:
    return typer.Option(
        "--pool",
        callback=check_pool,
        autocompletion=lambda: [*POOLS, *ALIASES],
        help=f"One of: {', '.join(POOLS)}. Default: {default}.",
        show_default=False,
    )


PoolOption = Annotated[str | None, _pool_option("TICKETCTL_POOL, else null")]
ServerPoolOption = Annotated[str | None, _pool_option("TICKETCTL_SERVER_POOL, else queue-pre-ping")]
LoopOption = Annotated[
    str | None,
    typer.Option(
        "--loop",
        callback=check_loop,
        autocompletion=lambda: list(LOOPS),
        help=f"One of: {', '.join(LOOPS)}. Default: TICKETCTL_LOOP, else run-per-invocation.",
        show_default=False,
    ),
]
BudgetOption = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="AMOUNT", help="Stop when the AI provider has cost that, at TICKETCTL_AI_PRICES."
    ),
]
