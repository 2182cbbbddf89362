"""The options of `simulate-warm-starts`."""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ticketctl.cli.commands import simulate_handler
from ticketctl.cli.options import check_pool
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS, require_extra
from ticketctl.event_loops import LOOPS
from ticketctl.postgres.pools import ALIASES, POOLS


class RuntimeKind(StrEnum):
    """Who calls the handler."""

    DIRECT = "direct"
    AWSLAMBDARIC = "awslambdaric"


class FreezeKind(StrEnum):
    """How connections are lost during a freeze."""

    CLOSED = "closed"
    SILENT = "silent"


def _check_pools(names: list[str] | None) -> list[str] | None:
    return None if names is None else [ALIASES.get(name, name) for name in names if check_pool(name)]


def _check_models(names: list[str] | None) -> list[str] | None:
    for name in names or ():
        if name not in EXECUTION_MODELS:
            raise typer.BadParameter(f"there is no loop {name!r}; it can be {', '.join(EXECUTION_MODELS)}")
        require_extra(name)
    return names


def _check_python(name: str | None) -> str | None:
    if name is not None and shutil.which(name) is None:
        raise typer.BadParameter(f"{name!r} is no program that can be run")
    return name


def _check_variables(variables: list[str] | None) -> list[str] | None:
    for variable in variables or ():
        if not variable.partition("=")[0] or "=" not in variable:
            raise typer.BadParameter(f"{variable!r} is not NAME=VALUE")
    return variables


PoolsOption = Annotated[
    list[str] | None,
    typer.Option(
        callback=_check_pools,
        autocompletion=lambda: [*POOLS, *ALIASES],
        help=f"Only this pool; may be repeated. One of: {', '.join(POOLS)}.",
    ),
]
LoopsOption = Annotated[
    list[str] | None,
    typer.Option(
        callback=_check_models,
        autocompletion=lambda: list(EXECUTION_MODELS),
        help=f"Only this execution model; may be repeated. The worker's: {', '.join(LOOPS)}. The API's: "
        f"{', '.join(name for name in EXECUTION_MODELS if name not in LOOPS)}. Default: the worker's.",
        show_default=False,
    ),
]
TimesOption = Annotated[int, typer.Option(min=1, max=100, help="Invocations of each environment.")]
EventsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="An event; several take turns. The worker's is an SQS event, whose records get new tickets "
        "each time.",
    ),
]
DatabaseUrlOption = Annotated[
    str | None, typer.Option(metavar="URL", help="Make the scratch database on this server.")
]
HandlerOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        callback=simulate_handler.check_handler,
        help="Try this Lambda handler instead of the worker; it needs --event, and no database.",
    ),
]
PathOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", exists=True, file_okay=False, help="The handler's folder. Default: this one."
    ),
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        callback=_check_variables,
        help="A variable for the handler; may be repeated.",
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option(metavar="PATH", callback=_check_python, help="The handler's interpreter, 3.11 or newer."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=900,
        help="Seconds after which an invocation of the handler hangs. Default: 60.",
        show_default=False,
    ),
]
FreezeOption = Annotated[
    FreezeKind | None,
    typer.Option(
        metavar="[=closed|silent]",
        help="Freeze the handler at the end, cut its connections, and invoke it once more. --freeze=silent: "
        "they are cut without a word.",
    ),
]
SnapstartOption = Annotated[
    bool,
    typer.Option(
        "--snapstart",
        help="Take a snapshot of the handler after its import, with its hooks, and restore it.",
    ),
]
RuntimeOption = Annotated[
    RuntimeKind, typer.Option(help="Who calls the handler: this program, or AWS's own runtime client.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
