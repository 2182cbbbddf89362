"""`simulate-warm-starts`: every pool and loop, each in processes of its own, on a throwaway database.

With `--handler` it is a handler of the user's own that is tried instead.
"""

import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ticketctl.cli import foreign, own
from ticketctl.cli.choices import check_loop, check_pool
from ticketctl.cli.pictures import HtmlOption, Pictures, SvgOption
from ticketctl.db.pools import ALIASES, POOLS
from ticketctl.errors import ConfigError
from ticketctl.loops import LOOPS


class RuntimeKind(StrEnum):
    """Who calls the handler."""

    DIRECT = "direct"
    AWSLAMBDARIC = "awslambdaric"


class FreezeKind(StrEnum):
    """How connections are lost during a freeze."""

    CLOSED = "closed"
    SILENT = "silent"


class _Command(TyperCommand):
    """Takes `--freeze` with or without a value, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["--freeze=closed" if one == "--freeze" else one for one in args])


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("simulate-warm-starts", cls=_Command)(simulate_warm_starts)


def _check_pools(names: list[str] | None) -> list[str] | None:
    return None if names is None else [ALIASES.get(name, name) for name in names if check_pool(name)]


def _check_loops(names: list[str] | None) -> list[str] | None:
    return None if names is None else [name for name in names if check_loop(name)]


def _check_python(name: str | None) -> str | None:
    if name is not None and shutil.which(name) is None:
        raise typer.BadParameter(f"{name!r} is no program that can be run")
    return name


def _check_variables(variables: list[str] | None) -> list[str] | None:
    for variable in variables or ():
        if not variable.partition("=")[0] or "=" not in variable:
            raise typer.BadParameter(f"{variable!r} is not NAME=VALUE")
    return variables


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
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="An event; several take turns. The worker's is an SQS event, whose records get new tickets "
            "each time.",
        ),
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Make the throwaway database on this server.")
    ] = None,
    handler: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            callback=foreign.check_handler,
            help="Try this Lambda handler instead of the worker; it needs --event, and no database.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", exists=True, file_okay=False, help="The handler's folder. Default: this one."
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            callback=_check_variables,
            help="A variable for the handler; may be repeated.",
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", callback=_check_python, help="The handler's interpreter, 3.11 or newer."
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=900,
            help="Seconds after which an invocation of the handler hangs. Default: 60.",
            show_default=False,
        ),
    ] = None,
    freeze: Annotated[
        FreezeKind | None,
        typer.Option(
            metavar="[=closed|silent]",
            help="Freeze the handler at the end, cut its connections, and invoke it once more. --freeze=silent: "
            "they are cut without a word.",
        ),
    ] = None,
    snapstart: Annotated[
        bool,
        typer.Option(
            "--snapstart",
            help="Take a snapshot of the handler after its import, with its hooks, and restore it.",
        ),
    ] = False,
    runtime: Annotated[
        RuntimeKind, typer.Option(help="Who calls the handler: this program, or AWS's own runtime client.")
    ] = RuntimeKind.DIRECT,
    svg: SvgOption = None,
    html: HtmlOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what warm starts do to the worker, with every pool under every execution model.

    With --handler: what they do to a Lambda handler of your own.

    Your own tickets are not touched: new ones are made in a database that is dropped at the end. The exit
    status is 8 where what you chose, or else what is configured, is not safe.

    Piped, the columns are: pool, loop (with --handler: handler), verdict, outcomes, connections left, first
    error.
    """
    theirs: dict[str, object] = {
        "--path": path,
        "--env": env,
        "--python": python,
        "--timeout": timeout,
        "--freeze": freeze,
    }
    theirs["--snapstart"] = snapstart or None
    if runtime is RuntimeKind.AWSLAMBDARIC and python is None:
        _require_awslambdaric()
    if handler is None:
        _refuse(theirs, "is for a handler of your own: name one with --handler")
        tried = own.Request(
            pools=pool,
            loops=loop,
            times=times,
            event_files=event or (),
            database_url=database_url,
            runtime=runtime.value,
        )
        own.simulate(tried, Pictures(svg, html), as_json=as_json)
        return
    _refuse(
        {"--pool": pool, "--loop": loop, "--database-url": database_url},
        "is for ticketctl's own worker: a handler of your own chooses for itself",
    )
    if snapstart and runtime is not RuntimeKind.DIRECT:
        raise typer.BadParameter("takes the direct runtime", param_hint="--snapstart")
    if not event:
        raise typer.BadParameter("a handler needs at least one event: --event FILE", param_hint="--event")
    request = foreign.Request(
        handler=handler,
        event_files=event,
        times=times,
        path=path or Path.cwd(),
        environment=dict(variable.split("=", 1) for variable in env or ()),
        python=python,
        timeout=timeout or 60.0,
        freeze=None if freeze is None else freeze.value,
        runtime=runtime.value,
        snapstart=snapstart,
    )
    foreign.simulate(request, Pictures(svg, html), as_json=as_json)


def _refuse(options: Mapping[str, object], reason: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise typer.BadParameter(reason, param_hint=name)


def _require_awslambdaric() -> None:
    import importlib.util

    if importlib.util.find_spec("awslambdaric") is None:
        raise ConfigError("awslambdaric is not installed", hint="pip install 'ticketctl[aws]'")
