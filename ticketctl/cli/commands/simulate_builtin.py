"""`simulate-warm-starts` without `--handler`: ticketctl's own worker and API, on a scratch database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import typer

from ticketctl.cli.input import read_event
from ticketctl.cli.rendering import matrix, output
from ticketctl.cli.rendering.export import Pictures
from ticketctl.cli.resources import load_settings
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS, require_extra
from ticketctl.errors import UnsafeError
from ticketctl.event_loops import LOOPS, get_loop_policy
from ticketctl.postgres.pools import ALIASES, POOLS, get_pool

if TYPE_CHECKING:
    from ticketctl.diagnostics.simulation import MatrixCell
    from ticketctl.postgres.address import Address
    from ticketctl.settings import Settings
    from ticketctl.warmstart.runner.experiment import Runtime


@dataclass(frozen=True, slots=True)
class BuiltinRequest:
    """What to test. `pools` None means all pools, `loops` None all loops of the worker."""

    pools: Sequence[str] | None
    loops: Sequence[str] | None
    times: int
    event_files: Sequence[str]
    database_url: str | None
    runtime: "Runtime"


def simulate(request: BuiltinRequest, pictures: Pictures, *, as_json: bool) -> None:
    """Test the worker with every pair of the requested pools and loops, and print the results.

    Raises:
        InvalidInputError: A file cannot be read or written.
        DatabaseError: The scratch database cannot be created.
        UnsafeError: A requested pair, or else the configured one, is not safe.
    """
    from ticketctl import event_loops
    from ticketctl.diagnostics import simulation

    for loop in request.loops or ():
        require_extra(loop)
    _refuse_events(request)
    settings = load_settings()
    configured = (get_pool(settings.pool).name, get_loop_policy(settings.loop).name)
    pools = [ALIASES.get(name, name) for name in request.pools or POOLS]
    pairs = list(product(dict.fromkeys(pools), dict.fromkeys(request.loops or LOOPS)))
    batches = [read_event(file)["Records"] for file in request.event_files]
    with (
        _server(settings, request.database_url) as (server, ours),
        output.show_progress(len(pairs)) as advance,
    ):
        plan = simulation.SimulationPlan(
            settings=settings,
            server=server,
            ours=ours,
            pairs=pairs,
            times=request.times,
            batches=batches,
            runtime=request.runtime,
        )
        cells = event_loops.run(simulation.simulate(plan, advance))
    pictures.draw_matrix(cells, configured)
    if as_json:
        output.print_json(_as_json(cells, configured))
    else:
        matrix.print_matrix(cells, configured)
    _raise_if_unsafe(cells, configured, chosen=bool(request.pools or request.loops))


def list_strategies(*, as_json: bool) -> None:
    """Print every pool and loop with its purpose and when it is right.

    Piped, the columns are: kind, name, purpose, right when.
    """
    strategies = [("pool", one.name, one.purpose, one.right_when) for one in POOLS.values()]
    strategies += [("loop", one.name, one.purpose, one.right_when) for one in LOOPS.values()]
    if as_json:
        names = ("kind", "name", "purpose", "right_when")
        output.print_json([dict(zip(names, row, strict=True)) for row in strategies])
    elif output.is_terminal():
        output.print_definitions(
            (f"{kind} {name}", (purpose, f"Right when: {right}")) for kind, name, purpose, right in strategies
        )
    else:
        output.print_rows(strategies)


def _refuse_events(request: BuiltinRequest) -> None:
    api_models = [loop for loop in request.loops or () if not EXECUTION_MODELS[loop].takes_records]
    if api_models and request.event_files:
        raise typer.BadParameter(
            f"is for the worker; {api_models[0]} gets an HTTP request", param_hint="--event"
        )


@contextmanager
def _server(settings: "Settings", database_url: str | None) -> Iterator[tuple["Address", bool]]:
    """Yield the server for the scratch database, and whether it is the embedded one."""
    from ticketctl.postgres.address import Address

    if database_url is not None:
        yield Address.parse(database_url), False
        return
    from ticketctl.postgres.embedded import EmbeddedServer

    with EmbeddedServer(settings.home_folder).use() as url:
        yield Address.parse(url), True


def _as_json(cells: "list[MatrixCell]", configured: tuple[str, str]) -> dict[str, Any]:
    pool, loop = configured
    return {
        "cells": [cell.to_json() for cell in cells],
        "configured": {"pool": pool, "loop": loop, "verdict": _verdict(cells, configured)},
    }


def _verdict(cells: "list[MatrixCell]", pair: tuple[str, str]) -> str | None:
    return next((cell.report.verdict.value for cell in cells if (cell.pool, cell.loop) == pair), None)


def _raise_if_unsafe(cells: "list[MatrixCell]", configured: tuple[str, str], *, chosen: bool) -> None:
    requested = [cell for cell in cells if chosen or (cell.pool, cell.loop) == configured]
    unsafe = [cell for cell in requested if cell.report.verdict != "safe"]
    if unsafe:
        named = ", ".join(f"{cell.pool} with {cell.loop} is {cell.report.verdict}" for cell in unsafe)
        raise UnsafeError(named, hint=_hint(cells, configured))


def _hint(cells: "list[MatrixCell]", configured: tuple[str, str]) -> str:
    """Return a hint that names a safe pair, with the configured loop if possible."""
    safe_cells = [cell for cell in cells if cell.report.verdict == "safe"]
    if not safe_cells:
        return "ticketctl simulate-warm-starts, without options, tests every pair"
    safe = next((cell for cell in safe_cells if cell.loop == configured[1]), safe_cells[0])
    model = EXECUTION_MODELS[safe.loop]
    settings = [f"{model.pool}={safe.pool}", *([f"{model.loop}={safe.loop}"] if model.loop else [])]
    return f"this pair is safe: {' '.join(settings)}"
