"""Report errors and warnings on stderr: one line, a hint, and an exit status."""

import os
import sys
from typing import Any

import typer

from ticketctl.cli.rendering.escaping import escape_controls
from ticketctl.errors import TicketctlError

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: the reader of the output has left."""
_BUG = 1


def report(error: Any, *, debug: bool) -> int:
    """Print the error and its hint on stderr and return the exit status."""
    if debug:
        import traceback

        text = "".join(traceback.format_exception(error))
        write_stderr(escape_controls(text, multiline=True))
    if _is_bare_call(error):
        # a command group without a command: its help, laid out, which the exception carries as its message
        write_stderr(f"{error.format_message()}\n")
        return int(error.exit_code)
    status, message, hint = _explain(error)
    _print("error", message)
    if hint:
        _print("hint", hint)
    return status


def _is_bare_call(error: BaseException) -> bool:
    # the class has no public name
    return type(error).__name__ == "NoArgsIsHelpError"


def _explain(error: BaseException) -> tuple[int, str, str | None]:
    if isinstance(error, TicketctlError):
        return error.exit_status, str(error), error.hint
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        program = context.command_path if context is not None else "ticketctl"
        message = error.format_message().rstrip(".")
        return error.exit_code, message[:1].lower() + message[1:], f"{program} --help shows how to call it"
    return (
        _BUG,
        f"this is a bug in ticketctl: {type(error).__name__}: {error}",
        "run it again as `ticketctl --debug ...` and report what it prints",
    )


def warn(message: str) -> None:
    """Print a warning on stderr."""
    _print("warning", message)


def format_line(kind: str, message: str) -> str:
    """Return a message on one line, safe for a terminal."""
    return f"{kind}: {escape_controls(' '.join(message.split()))}"


def _print(kind: str, message: str) -> None:
    write_stderr(format_line(kind, message) + "\n")


def write_stderr(text: str) -> None:
    """Write text on stderr, if that can be written: there is no other place to report it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        # Python would try again at exit, and end with a status of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
