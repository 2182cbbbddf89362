"""`simulate-warm-starts`: test every pool with every loop, or with `--handler` a Lambda handler of the user.

Each pair runs in processes of its own. The worker's tickets are in a scratch database.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from ticketctl.cli.commands import simulate_builtin, simulate_handler
from ticketctl.cli.commands.simulate_options import (
    CallOption,
    ConcurrencyOption,
    DatabaseUrlOption,
    EnvOption,
    EventsOption,
    FreezeOption,
    HandlerOption,
    ListOption,
    LoopsOption,
    PathOption,
    PoolsOption,
    PythonOption,
    RuntimeKind,
    RuntimeOption,
    SnapstartOption,
    TimeoutOption,
    TimesOption,
    parse_freeze,
)
from ticketctl.cli.options import JsonOption
from ticketctl.cli.rendering.export import HtmlOption, Pictures, SvgOption
from ticketctl.errors import ConfigError

_BUILTIN_ONLY = ("pool", "loop", "database_url")
_HANDLER_ONLY = ("path", "env", "python", "timeout", "freeze", "snapstart", "concurrency")


class _Command(TyperCommand):
    """Accepts `--freeze` with or without a value, which Typer's options do not."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        joined: list[str] = []
        for argument in args:
            if joined and joined[-1] == "--freeze":
                is_value = not argument.startswith("-")
                joined[-1] = f"--freeze={argument if is_value else 'closed'}"
                if is_value:
                    continue
            joined.append(argument)
        if joined and joined[-1] == "--freeze":
            joined[-1] = "--freeze=closed"
        return super().parse_args(ctx, joined)


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
    call: CallOption = None,
    path: PathOption = None,
    env: EnvOption = None,
    python: PythonOption = None,
    timeout: TimeoutOption = None,
    freeze: FreezeOption = None,
    snapstart: SnapstartOption = False,
    concurrency: ConcurrencyOption = 1,
    runtime: RuntimeOption = RuntimeKind.DIRECT,
    svg: SvgOption = None,
    html: HtmlOption = None,
    show_list: ListOption = False,
    as_json: JsonOption = False,
) -> None:
    """Test what warm starts do to a worker or handler.

    Without --handler, ticketctl's own worker runs with every pool under every loop. With --handler, your own
    Lambda handler runs; with --call, any function of yours.

    Your tickets are not touched: the worker gets new ones in a scratch database. The exit status is 8 if a pair that
    you chose, or else the configured one, or your handler is not safe.

    Piped, the columns are: pool, loop (or handler), verdict, outcomes, connections left, first error.
    """
    if show_list:
        simulate_builtin.list_strategies(as_json=as_json)
        return
    _check_runtime(runtime, python)
    if not _names_own_function(ctx, handler, call):
        builtin = simulate_builtin.BuiltinRequest(pool, loop, times, event or (), database_url, runtime.value)
        simulate_builtin.simulate(builtin, Pictures(svg, html), as_json=as_json)
        return
    freeze_kind, freeze_seconds = parse_freeze(freeze)
    request = simulate_handler.HandlerRequest(
        handler=handler or call or "",
        is_call=handler is None,
        event_files=event or (),
        times=times,
        path=path or Path.cwd(),
        environment=dict(variable.split("=", 1) for variable in env or ()),
        python=python,
        timeout=timeout or 60.0,
        freeze=freeze_kind,
        freeze_seconds=freeze_seconds,
        concurrency=concurrency,
        runtime=runtime.value,
        snapstart=snapstart,
    )
    simulate_handler.simulate(request, Pictures(svg, html), as_json=as_json)


def _names_own_function(ctx: typer.Context, handler: str | None, call: str | None) -> bool:
    """Return whether the caller names a function; refuse options that are for the other kind of test."""
    if handler is not None and call is not None:
        raise typer.BadParameter(
            "tests another function than --handler: name one of them", param_hint="--call"
        )
    if handler is None and call is None:
        _refuse(ctx, _HANDLER_ONLY, "needs a handler of your own: name it with --handler or --call")
        return False
    _refuse(
        ctx, _BUILTIN_ONLY, "is for ticketctl's own worker and API; your handler makes its own connections"
    )
    return True


def _refuse(ctx: typer.Context, names: Sequence[str], reason: str) -> None:
    for name in names:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(reason, param_hint=f"--{name.replace('_', '-')}")


def _check_runtime(runtime: RuntimeKind, python: str | None) -> None:
    import importlib.util

    is_needed = runtime is RuntimeKind.AWSLAMBDARIC and python is None
    if is_needed and importlib.util.find_spec("awslambdaric") is None:
        raise ConfigError("awslambdaric is not installed", hint="pip install 'ticketctl[aws]'")
