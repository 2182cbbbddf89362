"""`simulate-warm-starts` without `--handler`: our own worker and API, on a scratch database."""

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
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS
from ticketctl.errors import UnsafeError
from ticketctl.event_loops import LOOPS, get_loop_policy
from ticketctl.postgres.pools import POOLS, get_pool

if TYPE_CHECKING:
    from ticketctl.diagnostics.simulation import MatrixCell
    from ticketctl.postgres.address import Address
    from ticketctl.settings import Settings
    from ticketctl.warmstart.runner.experiment import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What of our own is to be tried; where none are named, all pools, and all loops of the worker."""

    pools: Sequence[str] | None
    loops: Sequence[str] | None
    times: int
    event_files: Sequence[str]
    database_url: str | None
    runtime: "Runtime"


def simulate(request: Request, pictures: Pictures, *, as_json: bool) -> None:
    """Try the worker with every pair of pool and loop that was asked for, and print what came of it.

    Raises:
        InvalidInputError: A file cannot be read or written.
        DatabaseError: The scratch database cannot be made.
        UnsafeError: A pair that was chosen, or else the configured one, is not safe.
    """
    from ticketctl import event_loops
    from ticketctl.diagnostics import simulation

    _refuse_events(request)
    settings = load_settings()
    configured = (get_pool(settings.pool).name, get_loop_policy(settings.loop).name)
    pairs = list(product(dict.fromkeys(request.pools or POOLS), dict.fromkeys(request.loops or LOOPS)))
    batches = [read_event(file)["Records"] for file in request.event_files]
    with _server(settings, request.database_url) as (server, ours), output.progress(len(pairs)) as advance:
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
        matrix.show(cells, configured)
    _judge(cells, configured, chosen=bool(request.pools or request.loops))


def _refuse_events(request: Request) -> None:
    asked = [loop for loop in request.loops or () if not EXECUTION_MODELS[loop].takes_records]
    if asked and request.event_files:
        raise typer.BadParameter(
            f"is for the worker: {asked[0]} gets a request of its own", param_hint="--event"
        )


@contextmanager
def _server(settings: "Settings", database_url: str | None) -> Iterator[tuple["Address", bool]]:
    """The server to make the scratch database on, and whether it is the embedded one."""
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


def _judge(cells: "list[MatrixCell]", configured: tuple[str, str], *, chosen: bool) -> None:
    asked = [cell for cell in cells if chosen or (cell.pool, cell.loop) == configured]
    unsafe = [cell for cell in asked if cell.report.verdict != "safe"]
    if unsafe:
        named = ", ".join(f"{cell.pool} with {cell.loop} is {cell.report.verdict}" for cell in unsafe)
        raise UnsafeError(named, hint=_hint(cells, configured))


def _hint(cells: "list[MatrixCell]", configured: tuple[str, str]) -> str:
    """Name a pair that was safe: with the loop that is configured, if there is one."""
    found = [cell for cell in cells if cell.report.verdict == "safe"]
    if not found:
        return "ticketctl simulate-warm-starts, without options, tries every pair"
    safe = next((cell for cell in found if cell.loop == configured[1]), found[0])
    model = EXECUTION_MODELS[safe.loop]
    settings = [f"{model.pool}={safe.pool}", *([f"{model.loop}={safe.loop}"] if model.loop else [])]
    return f"this pair was safe: {' '.join(settings)}"
