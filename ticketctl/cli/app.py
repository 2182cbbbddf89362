"""The command line as a whole: options of every command, exit statuses, and how the program ends."""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from ticketctl.cli import error_reporting, parameters
from ticketctl.cli.lazy_group import LazyGroup
from ticketctl.errors import InvalidInputError

EPILOG = """\
Settings come from TICKETCTL_... variables and ticketctl.toml; ticketctl config show lists them.

Exit status: 0 done, 1 a bug, 2 usage or invalid input, 3 not found, 4 configuration, 5 database, 6 queue,
7 AI provider, 8 records failed or not safe, 130 interrupted.
"""

app = typer.Typer(
    name="ticketctl",
    cls=LazyGroup,
    help="Process support tickets with a worker that survives AWS Lambda warm starts, and test whether any "
    "Lambda handler survives them.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
"""The program; its commands are those of `command_index`."""


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
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
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    import logging

    if debug:
        global _debug  # noqa: PLW0603 - one process is one call of the program
        _debug = True
        from ticketctl.cli.rendering.log_lines import DebugFormatter

        handler = logging.StreamHandler()
        handler.setFormatter(DebugFormatter(logging.BASIC_FORMAT))
        logging.basicConfig(level=logging.DEBUG, handlers=[handler])
    else:
        logging.getLogger().addHandler(logging.NullHandler())


_debug = False
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_OUTPUT_HINT = "free some space, or send the output elsewhere"


def run(arguments: Sequence[str]) -> int:
    """Run the program and return its exit status; every error is reported here."""
    _prepare_streams()
    try:
        program = get_command(app)
        parameters.adapt(program)
        result = program(list(arguments), standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        result = error_reporting.INTERRUPTED
    except BrokenPipeError:
        return _discard_output()
    except SystemExit as end:  # Typer exits when the reader of the output has left
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        return _discard_output()
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            return error_reporting.report(error, debug=_debug)
        _discard_output()
        full = InvalidInputError(f"the output cannot be written: {error.strerror}", hint=_OUTPUT_HINT)
        return error_reporting.report(full, debug=_debug)
    except Exception as error:  # noqa: BLE001 - the last place that can report a bug
        return error_reporting.report(error, debug=_debug)
    if result == error_reporting.INTERRUPTED:  # Typer turns a KeyboardInterrupt into this status
        sys.stderr.write("interrupted\n")
    return result if isinstance(result, int) else 0


def _prepare_streams() -> None:
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # the caller closed it
            setattr(sys, stream, Path(os.devnull).open("w"))  # noqa: SIM115 - it is open as long as the program runs
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a text stream at the edge


def _discard_output() -> int:
    """Drop what is still buffered, since Python would report that it cannot write it; return the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return error_reporting.PIPE_CLOSED
