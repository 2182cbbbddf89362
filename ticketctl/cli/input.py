"""Text from files and from stdin."""

import sys
from pathlib import Path

from ticketctl.errors import InvalidInputError

STDIN = "-"


def read_text(path: str) -> str:
    """The UTF-8 text in a file, or on stdin for "-".

    Raises:
        InvalidInputError: It cannot be read, or is not UTF-8.
    """
    shown = "stdin" if path == STDIN else path
    try:
        content = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"{shown} cannot be read: {reason}", hint="name a file that can be read, or - for stdin"
        ) from None
    except ValueError as error:
        raise InvalidInputError(f"{shown} is not UTF-8 text: {error}", hint="convert it to UTF-8") from None
