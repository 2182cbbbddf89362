"""Logs on Lambda: JSON, a line an event."""

import json
import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

# json.dumps would make an encoder for each line
_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the invocation that is being served."""


def log_on_lambda(environment: Mapping[str, str]) -> None:
    """Where these are the environment variables of a Lambda function, log as JSON, from the level that Lambda is told.

    "Configuring advanced logging controls for Lambda functions" in the AWS Lambda developer guide: without a word of
    who owns the function, the level is INFO.
    """
    if environment.get("AWS_LAMBDA_FUNCTION_NAME"):
        levels = logging.getLevelNamesMapping()
        _log_json(levels.get(environment.get("AWS_LAMBDA_LOG_LEVEL", ""), logging.INFO))


def _log_json(level: int) -> None:
    """Write what this package logs as JSON, a line an event, on Lambda's handlers or on stderr."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for log_handler in root.handlers:
        log_handler.setFormatter(JsonFormatter())
    logging.getLogger("ticketctl").setLevel(level)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, message, request, and what `extra` names."""

    EXTRA = ("message_id", "ticket_id", "step", "status", "duration_ms", "same_error_as")

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; its exception becomes `error_type`, `error` and `traceback`.

        The traceback is left out where `same_error_as` names the message whose record has it.
        """
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
        }
        line |= {name: getattr(record, name) for name in self.EXTRA if hasattr(record, name)}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line |= {"error_type": type(error).__name__, "error": str(error)}
            if "same_error_as" not in line:
                line["traceback"] = self.formatException(record.exc_info)
        text = _as_json(line)
        return text.encode(
            "utf-8", "backslashreplace"
        ).decode()  # what this writes of a surrogate is JSON too
