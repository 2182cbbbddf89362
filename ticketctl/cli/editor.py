"""Write a ticket, or change a text, in the user's editor."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from ticketctl.cli.input import read_text
from ticketctl.errors import InvalidInputError

_FORM = """

# The first line is the subject, the rest is the body.
# Lines that start with # are left out. If nothing else is there, no ticket is created.
"""


def write_ticket() -> tuple[str, str]:
    """Open $VISUAL or $EDITOR on an empty ticket and return subject and body.

    Raises:
        InvalidInputError: The editor cannot be run, it failed, or nothing was written.
    """
    text = edit(_FORM, hint="set EDITOR to an editor, or give SUBJECT and --body")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    subject, _, body = "\n".join(lines).strip().partition("\n")
    if not subject:
        raise InvalidInputError(
            "nothing was written, so no ticket was created", hint="write a subject, then save"
        )
    return subject.strip(), body.strip()


def edit(text: str, *, hint: str = "set EDITOR to an editor") -> str:
    """Open $VISUAL or $EDITOR on a text and return what was saved.

    Raises:
        InvalidInputError: The editor cannot be run or failed; `hint` is the error's hint.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ticket.txt")
        path.write_text(text, "utf-8")
        _run([*_split(command, hint), str(path)], hint)
        return read_text(str(path))


def _split(command: str, hint: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise InvalidInputError(f"EDITOR cannot be read: {error}", hint=hint) from None


def _run(command: list[str], hint: str) -> None:
    try:
        status = subprocess.run(command, check=False).returncode  # noqa: S603 - the user's own editor
    except OSError as error:
        raise InvalidInputError(
            f"the editor {command[0]} cannot be run: {error.strerror}", hint=hint
        ) from None
    if status != 0:
        raise InvalidInputError(f"the editor {command[0]} ended with status {status}", hint=hint)
