"""`simulate-warm-starts`: every pool and loop, each in processes of its own, on a throwaway database."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketctl.cli import matrix, output
from ticketctl.cli.choices import check_loop, check_pool
from ticketctl.cli.input import read_event
from ticketctl.cli.session import load_settings
from ticketctl.db.pools import ALIASES, POOLS, pool_named
from ticketctl.errors import UnsafeError
from ticketctl.loops import LOOPS, policy_named

if TYPE_CHECKING:
    from ticketctl.db.address import Address
    from ticketctl.settings import Settings
    from ticketctl.simulation import Cell


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("simulate-warm-starts")(simulate_warm_starts)


def _check_pools(names: list[str] | None) -> list[str] | None:
    return None if names is None else [ALIASES.get(name, name) for name in names if check_pool(name)]


def _check_loops(names: list[str] | None) -> list[str] | None:
    return None if names is None else [name for name in names if check_loop(name)]


def simulate_warm_starts(
    *,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_pools,
            autocompletion=lambda: [*POOLS, *ALIASES],
            help=f"Only this pool; may be repeated. One of: {', '.join(POOLS)}.",
        ),
    ] = None,
    loop: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_loops,
            autocompletion=lambda: list(LOOPS),
            help=f"Only this loop; may be repeated. One of: {', '.join(LOOPS)}.",
        ),
    ] = None,
    times: Annotated[int, typer.Option(min=1, max=100, help="Invocations of each environment.")] = 5,
    event: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="An SQS event; its records get new tickets each time."),
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Make the throwaway database on this server.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what warm starts do to the worker, with every pool under every execution model.

    Your own tickets are not touched: new ones are made in a database that is dropped at the end. The exit
    status is 8 where what you chose, or else what is configured, is not safe.

    Piped, the columns are: pool, loop, verdict, outcomes, connections left, first error.
    """
    from ticketctl import loops
    from ticketctl.simulation import Plan, simulate

    settings = load_settings()
    configured = (pool_named(settings.pool).name, policy_named(settings.loop).name)
    pairs = list(product(dict.fromkeys(pool or POOLS), dict.fromkeys(loop or LOOPS)))
    records = None if event is None else read_event(event)["Records"]
    with _server(settings, database_url) as (server, ours), output.progress(len(pairs)) as advance:
        plan = Plan(
            settings=settings, server=server, keep_template=ours, pairs=pairs, times=times, records=records
        )
        cells = loops.run(simulate(plan, advance))
    if as_json:
        output.print_json(_as_json(cells, configured))
    else:
        matrix.show(cells, configured)
    _judge(cells, configured, chosen=bool(pool or loop))


@contextmanager
def _server(settings: "Settings", database_url: str | None) -> Iterator[tuple["Address", bool]]:
    """The server to make the throwaway database on, and whether it is the embedded one."""
    from ticketctl.db.address import Address

    if database_url is not None:
        yield Address.parse(database_url), False
        return
    from ticketctl.db.embedded import EmbeddedServer

    with EmbeddedServer(settings.home_folder).running() as url:
        yield Address.parse(url), True


def _as_json(cells: "list[Cell]", configured: tuple[str, str]) -> dict[str, Any]:
    pool, loop = configured
    return {
        "cells": [cell.to_json() for cell in cells],
        "configured": {"pool": pool, "loop": loop, "verdict": _verdict(cells, configured)},
    }


def _verdict(cells: "list[Cell]", pair: tuple[str, str]) -> str | None:
    return next((cell.report.verdict.value for cell in cells if (cell.pool, cell.loop) == pair), None)


def _judge(cells: "list[Cell]", configured: tuple[str, str], *, chosen: bool) -> None:
    asked = [cell for cell in cells if chosen or (cell.pool, cell.loop) == configured]
    unsafe = [cell for cell in asked if cell.report.verdict != "safe"]
    if unsafe:
        named = ", ".join(f"{cell.pool} with {cell.loop} is {cell.report.verdict}" for cell in unsafe)
        raise UnsafeError(named, hint=_hint(cells))


def _hint(cells: "list[Cell]") -> str:
    safe = [cell for cell in cells if cell.report.verdict == "safe"]
    if not safe:
        return "ticketctl simulate-warm-starts, without options, tries every pair"
    return f"this pair was safe: TICKETCTL_POOL={safe[0].pool} TICKETCTL_LOOP={safe[0].loop}"
