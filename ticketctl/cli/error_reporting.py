"""The one place that tells a person what went wrong: a line, a hint, an exit status."""

import sys

import typer

from ticketctl.cli.rendering.escaping import visible
from ticketctl.errors import TicketctlError

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: whoever read the output has left."""
_BUG = 1


def report(error: BaseException, *, debug: bool) -> int:
    """Print what went wrong on stderr and answer the exit status."""
    if debug:
        import traceback

        traceback.print_exception(error)
    status, message, hint = _explain(error)
    _print("error", message)
    if hint:
        _print("hint", hint)
    return status


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


def line(kind: str, message: str) -> str:
    """A message on one line, safe for a terminal."""
    return f"{kind}: {visible(' '.join(message.split()))}"


def _print(kind: str, message: str) -> None:
    sys.stderr.write(line(kind, message) + "\n")
