"""The command line as a whole: its commands in the order of a ticket's life, and how it ends."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.commands import (
    config,
    db,
    deploy,
    dlq,
    doctor,
    event,
    process,
    retry,
    review,
    route,
    serve,
    simulate,
    tickets,
    train,
    work,
)
from ticketctl.errors import TicketctlError

EPILOG = (
    "Settings come from TICKETCTL_... variables and ticketctl.toml; ticketctl config show lists them.  "
    "Exit status: 0 done, 1 a bug, 2 usage or invalid input, 3 not found, 4 configuration, 5 database, "
    "6 queue, 7 AI provider, 8 records failed or not safe, 130 interrupted."
)

app = typer.Typer(
    name="ticketctl",
    help="A ticket processor whose worker survives AWS Lambda warm starts, and the instrument that shows "
    "whether yours does.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
"""The whole program, for documentation and for completion."""


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    if wanted:
        import ticketctl

        sys.stdout.write(f"ticketctl {ticketctl.__version__}\n")
        raise typer.Exit


@app.callback()
def _program(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="TICKETCTL_DEBUG", help="Show logs and tracebacks on stderr.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    import logging

    if debug:
        global _debug  # noqa: PLW0603 - one process is one call of the program
        _debug = True
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    else:
        logging.getLogger().addHandler(logging.NullHandler())


_debug = False

for group in (
    tickets,
    event,
    process,
    work,
    serve,
    review,
    route,
    retry,
    dlq,
    train,
    simulate,
    doctor,
    db,
    config,
    deploy,
):
    group.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run the program and answer its exit status; every failure is told in one place."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # closed by the caller: nobody listens
            setattr(sys, stream, Path(os.devnull).open("w"))  # noqa: SIM115 - it is open as long as the program runs
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a text stream at the edge
    try:
        result = app(list(arguments), standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        result = error_reporting.INTERRUPTED
    except BrokenPipeError:
        return _without_reader()
    except SystemExit as end:  # so Typer ends a command whose reader has left
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        return _without_reader()
    except (TicketctlError, typer.TyperException) as error:
        return error_reporting.report(error, debug=_debug)
    except Exception as error:  # noqa: BLE001 - the last place that can tell of a bug
        return error_reporting.report(error, debug=_debug)
    if result == error_reporting.INTERRUPTED:  # Typer makes this of a KeyboardInterrupt
        sys.stderr.write("interrupted\n")
    return result if isinstance(result, int) else 0


def _without_reader() -> int:
    """Leave to nobody what is still buffered: Python would complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return error_reporting.PIPE_CLOSED
