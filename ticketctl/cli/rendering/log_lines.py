"""Log records on a terminal, with control characters escaped: they may quote text from outside."""

import logging

from ticketctl.cli import error_reporting
from ticketctl.cli.rendering.escaping import escape_controls


class DebugFormatter(logging.Formatter):
    """Formats a record with its traceback, for `--debug`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text of several lines."""
        return escape_controls(super().format(record), multiline=True)


class ErrorLineFormatter(logging.Formatter):
    """Formats a record as the command line reports errors, on one line and without its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record on one line."""
        text, error = record.getMessage(), record.exc_info and record.exc_info[1]
        if error and str(error) not in text:
            text = f"{text}: {type(error).__name__}: {error}"
        return error_reporting.format_line(record.levelname.lower(), text)
