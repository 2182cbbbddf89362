"""The options of `simulate-warm-starts`."""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ticketctl.cli.commands import simulate_handler
from ticketctl.cli.options import POOL_NAMES, choice
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS
from ticketctl.event_loops import LOOPS


class RuntimeKind(StrEnum):
    """The program that calls the handler."""

    DIRECT = "direct"
    AWSLAMBDARIC = "awslambdaric"


class FreezeKind(StrEnum):
    """How connections are lost during a freeze."""

    CLOSED = "closed"
    SILENT = "silent"


def _check_python(name: str | None) -> str | None:
    if name is not None and shutil.which(name) is None:
        raise typer.BadParameter(f"{name!r} is not a program that can be run")
    return name


def _check_variables(variables: list[str] | None) -> list[str] | None:
    for variable in variables or ():
        if not variable.partition("=")[0] or "=" not in variable:
            raise typer.BadParameter(f"{variable!r} is not NAME=VALUE")
    return variables


_API_MODELS = ", ".join(name for name in EXECUTION_MODELS if name not in LOOPS)

PoolsOption = Annotated[
    list[str] | None, choice(POOL_NAMES, "--pool", help="Test this pool; may be repeated. Default: all.")
]
LoopsOption = Annotated[
    list[str] | None,
    choice(
        tuple(EXECUTION_MODELS),
        "--loop",
        help=f"Test this execution model; may be repeated. {_API_MODELS} run the API, the others the worker. "
        "Default: all of the worker's.",
    ),
]
TimesOption = Annotated[int, typer.Option(min=1, max=100, help="Invocations of each execution environment.")]
EventsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="A file with an event; may be repeated, then the events take turns. The worker needs SQS events, and "
        "gets new tickets for their records each time.",
    ),
]
DatabaseUrlOption = Annotated[
    str | None, typer.Option(metavar="URL", help="Create the scratch database on this server.")
]
HandlerOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        callback=simulate_handler.check_handler,
        help="Test this Lambda handler instead of the worker. Needs --event, but no database.",
    ),
]
PathOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", exists=True, file_okay=False, help="The handler's folder. Default: this folder."
    ),
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        callback=_check_variables,
        help="An environment variable for the handler; may be repeated.",
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        metavar="PROGRAM", callback=_check_python, help="The handler's Python interpreter, 3.11 or newer."
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.1,
        max=900,
        help="Seconds before an invocation counts as hung. Default: 60.",
        show_default=False,
    ),
]
FreezeOption = Annotated[
    FreezeKind | None,
    typer.Option(
        metavar="[=closed|silent]",
        help="After the last invocation, freeze the handler, cut its connections and invoke it once more. "
        "closed: the server closes them; silent: they stop answering.",
    ),
]
SnapstartOption = Annotated[
    bool,
    typer.Option(
        "--snapstart",
        help="Snapshot the handler after its import, as SnapStart does, run its hooks and restore it.",
    ),
]
RuntimeOption = Annotated[
    RuntimeKind,
    typer.Option(help="What calls the handler: this program, or AWS's runtime client awslambdaric."),
]
ListOption = Annotated[
    bool,
    typer.Option(
        "--list", help="List the pools and execution models: their purpose, and when each is right."
    ),
]
