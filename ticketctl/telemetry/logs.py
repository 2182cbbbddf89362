"""JSON logs on Lambda, one line per log record."""

import json
import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

# json.dumps with options would make a new encoder for each line
_encode_json = json.JSONEncoder(ensure_ascii=False, default=str).encode

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request id of the current invocation."""


def log_on_lambda(environment: Mapping[str, str]) -> None:
    """Configure JSON logs if these are the environment variables of a Lambda function.

    AWS_LAMBDA_LOG_LEVEL sets the level, INFO by default. Source: "Configuring advanced logging controls for Lambda
    functions" in the AWS Lambda developer guide.
    """
    if environment.get("AWS_LAMBDA_FUNCTION_NAME"):
        levels = logging.getLevelNamesMapping()
        _log_json(levels.get(environment.get("AWS_LAMBDA_LOG_LEVEL", ""), logging.INFO))


def _log_json(level: int) -> None:
    """Log this package's records as JSON, through Lambda's handlers or to stderr."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for log_handler in root.handlers:
        log_handler.setFormatter(JsonFormatter())
    logging.getLogger("ticketctl").setLevel(level)


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time, level, message, request id and the fields of `EXTRA`."""

    EXTRA = (
        *("message_id", "ticket_id", "step", "status", "duration_ms", "same_error_as"),
        *("method", "path", "client"),
    )

    def format(self, record: logging.LogRecord) -> str:
        """Format one record. An exception becomes `error_type`, `error` and `traceback`.

        With `same_error_as` there is no traceback: the record of that message has it.
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
        # UTF-8 cannot encode half of a surrogate pair; its replacement (a \u escape) is valid JSON
        return _encode_json(line).encode("utf-8", "backslashreplace").decode()
