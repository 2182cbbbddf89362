"""The options of `simulate-warm-starts`."""

import re
import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli.commands import simulate_handler
from ticketctl.cli.options import POOL_NAMES, choice
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS
from ticketctl.event_loops import LOOPS

if TYPE_CHECKING:
    from ticketctl.warmstart.runner.experiment import Freeze


class RuntimeKind(StrEnum):
    """The program that calls the handler."""

    DIRECT = "direct"
    AWSLAMBDARIC = "awslambdaric"


FREEZE = re.compile(r"(?:(?P<kind>closed|silent|kept)(?::|$))?(?P<seconds>\d+(?:\.\d+)?)?$")
"""What happens to connections during a freeze, and for how many seconds it lasts; one of them may be missing."""
MAX_FREEZE = 900.0
"""The longest freeze, in seconds."""


def parse_freeze(text: str | None) -> "tuple[Freeze | None, float | None]":
    """Return what `--freeze` says: what happens to connections, and the seconds; None where it says nothing."""
    if text is None:
        return None, None
    match = FREEZE.match(text)
    if match is None or not text or text.endswith(":"):
        raise typer.BadParameter(
            f"{text!r} is not closed, silent or kept, SECONDS, or both as closed:SECONDS",
            param_hint="--freeze",
        )
    seconds = float(match["seconds"]) if match["seconds"] else None
    if seconds is not None and seconds > MAX_FREEZE:
        raise typer.BadParameter(f"{seconds:g} seconds are more than {MAX_FREEZE:g}", param_hint="--freeze")
    kinds: dict[str | None, Freeze] = {"silent": "silent", "kept": "kept"}
    return kinds.get(match["kind"], "closed"), seconds


def _check_freeze(text: str | None) -> str | None:
    parse_freeze(text)
    return text


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
    str | None,
    typer.Option(
        metavar="[closed|silent|kept][:SECONDS]",
        callback=_check_freeze,
        help="After the last invocation, freeze the handler for SECONDS, and invoke it once more. Its connections are "
        "closed by the server (closed, the default), stop answering (silent), or stay (kept). Default: long enough "
        "for the timers that it left armed, at least one second.",
    ),
]
CallOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        callback=simulate_handler.check_handler,
        help="Test a function that takes no arguments and is not on Lambda: a task, a job, a command, a view.",
    ),
]
ConcurrencyOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=32,
        help="Invoke this many environments at the same time, as Lambda Managed Instances do; they share /tmp.",
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
