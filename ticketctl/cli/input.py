"""Text from files and from stdin."""

import errno
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from ticketctl.errors import InvalidInputError

STDIN = "-"
_EVENT_HINT = "ticketctl event --status new > event.json writes an SQS event"


def is_interactive() -> bool:
    """Return whether stdin is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def is_piped() -> bool:
    """Return whether stdin is a pipe or a file that somebody redirected; /dev/null is neither."""
    if sys.stdin is None:
        return False
    mode = os.fstat(sys.stdin.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def read_text(path: str) -> str:
    """Return the UTF-8 text in a file, or on stdin for "-".

    Raises:
        InvalidInputError: It cannot be read, or is not UTF-8.
    """
    shown = "stdin" if path == STDIN else path
    try:
        return (_read_stdin() if path == STDIN else Path(path).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"{shown} cannot be read: {reason}", hint="name a file that can be read, or - for stdin"
        ) from None
    except ValueError as error:
        raise InvalidInputError(f"{shown} is not UTF-8 text: {error}", hint="convert it to UTF-8") from None


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdin.buffer.read()


def read_event(path: str) -> dict[str, Any]:
    """Return the SQS event in a file, or on stdin for "-"; it has at least one record.

    Raises:
        InvalidInputError: It cannot be read, or is not an SQS event with records.
    """
    from ticketctl.tickets.messages import parse_event

    try:
        event = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is not JSON: {error}", hint=_EVENT_HINT) from None
    if not parse_event(event):
        raise InvalidInputError(f"{path} is an SQS event without Records", hint=_EVENT_HINT)
    return dict(event)
