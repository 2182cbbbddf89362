"""`simulate-warm-starts`: every pool and loop, each in processes of its own, on a scratch database.

With `--handler` it is a handler of the user's own that is tried instead.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from ticketctl.cli.commands import simulate_builtin, simulate_handler
from ticketctl.cli.commands.simulate_options import (
    DatabaseUrlOption,
    EnvOption,
    EventsOption,
    FreezeOption,
    HandlerOption,
    JsonOption,
    LoopsOption,
    PathOption,
    PoolsOption,
    PythonOption,
    RuntimeKind,
    RuntimeOption,
    SnapstartOption,
    TimeoutOption,
    TimesOption,
)
from ticketctl.cli.rendering.export import HtmlOption, Pictures, SvgOption
from ticketctl.errors import ConfigError

_OURS = ("pool", "loop", "database_url")
_THEIRS = ("path", "env", "python", "timeout", "freeze", "snapstart")
"""Options for what is ours alone, and for a handler of the user's own alone."""


class _Command(TyperCommand):
    """Takes `--freeze` with or without a value, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["--freeze=closed" if one == "--freeze" else one for one in args])


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("simulate-warm-starts", cls=_Command)(simulate_warm_starts)


def simulate_warm_starts(
    ctx: typer.Context,
    *,
    pool: PoolsOption = None,
    loop: LoopsOption = None,
    times: TimesOption = 5,
    event: EventsOption = None,
    database_url: DatabaseUrlOption = None,
    handler: HandlerOption = None,
    path: PathOption = None,
    env: EnvOption = None,
    python: PythonOption = None,
    timeout: TimeoutOption = None,
    freeze: FreezeOption = None,
    snapstart: SnapstartOption = False,
    runtime: RuntimeOption = RuntimeKind.DIRECT,
    svg: SvgOption = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what warm starts do to the worker, with every pool under every execution model.

    With --handler: what they do to a Lambda handler of your own.

    Your own tickets are not touched: new ones are made in a database that is dropped at the end. The exit
    status is 8 where what you chose, or else what is configured, is not safe.

    Piped, the columns are: pool, loop (with --handler: handler), verdict, outcomes, connections left, first
    error.
    """
    pictures = Pictures(svg, html)
    if runtime is RuntimeKind.AWSLAMBDARIC and python is None:
        _require_awslambdaric()
    if handler is None:
        _refuse(ctx, _THEIRS, "is for a handler of your own: name one with --handler")
        worker = simulate_builtin.Request(
            pools=pool,
            loops=loop,
            times=times,
            event_files=event or (),
            database_url=database_url,
            runtime=runtime.value,
        )
        simulate_builtin.simulate(worker, pictures, as_json=as_json)
        return
    _refuse(ctx, _OURS, "is for ticketctl's own worker and API: a handler of your own chooses for itself")
    theirs = simulate_handler.Request(
        handler=handler,
        event_files=event or (),
        times=times,
        path=path or Path.cwd(),
        environment=dict(variable.split("=", 1) for variable in env or ()),
        python=python,
        timeout=timeout or 60.0,
        freeze=None if freeze is None else freeze.value,
        runtime=runtime.value,
        snapstart=snapstart,
    )
    simulate_handler.simulate(theirs, pictures, as_json=as_json)


def _refuse(ctx: typer.Context, names: Sequence[str], reason: str) -> None:
    for name in names:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(reason, param_hint=f"--{name.replace('_', '-')}")


def _require_awslambdaric() -> None:
    import importlib.util

    if importlib.util.find_spec("awslambdaric") is None:
        raise ConfigError("awslambdaric is not installed", hint="pip install 'ticketctl[aws]'")
