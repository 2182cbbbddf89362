"""Hears what a handler does not raise: logged errors, warnings, and what Python prints because nobody can catch it."""

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypedDict

from .exceptions import ErrorInfo, describe

WARNINGS = "py.warnings"
"""The logger that takes warnings over where logging.captureWarnings was asked for."""


class LoggedError(TypedDict):
    """A log record of level ERROR: the SQS message that it is about, and its exception, where it has them."""

    message_id: str | None
    exception: ErrorInfo | None


class LogCapture:
    """Notes errors that are logged, warnings, and exceptions that were ignored; each goes its way unchanged.

    It listens where every enabled log record passes, so that a logger that does not propagate, or a configuration
    that throws the root logger's handlers away, is heard as well.
    """

    def __init__(self, locate: Callable[[BaseException], str | None]) -> None:
        self._locate = locate
        self._logged: list[LoggedError] = []
        self._heard: list[str] = []
        self._listen_to_logs()
        self._listen_to_warnings()
        self._listen_to_hooks()

    def take(self) -> dict[str, Any]:
        """Return what was heard since the last call: `logged`, and all of it in words as `heard`."""
        answer = {"logged": self._logged, "heard": list(dict.fromkeys(self._heard))}
        self._logged, self._heard = [], []
        return answer

    def _listen_to_logs(self) -> None:
        pass_on = logging.Logger.handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR or record.name == WARNINGS:
                self._note(record)
            pass_on(logger, record)

        logging.Logger.handle = handle  # type: ignore[method-assign,assignment]
        # Lambda's runtime gives the root logger a handler; without one, basicConfig would act otherwise than there
        logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))

    def _listen_to_warnings(self) -> None:
        show = warnings.showwarning

        def showwarning(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            self._heard.append(f"{category.__name__}: {message}")
            show(message, category, *rest)

        warnings.showwarning = showwarning  # type: ignore[assignment]
        # they are ignored by default; a filter of the user's own comes before this one
        warnings.simplefilter("always", ResourceWarning)

    def _listen_to_hooks(self) -> None:
        ignored, ended = sys.unraisablehook, threading.excepthook

        def unraisable(args: Any) -> None:
            where = args.err_msg or "Exception ignored in"
            self._heard.append(f"{where}: {type(args.exc_value).__name__}: {args.exc_value}")
            ignored(args)

        def in_thread(args: Any) -> None:
            self._heard.append(f"Exception in thread: {type(args.exc_value).__name__}: {args.exc_value}")
            ended(args)

        sys.unraisablehook = unraisable
        threading.excepthook = in_thread

    def _note(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        said = describe(error, self._locate(error)) if error else None
        text = f"{record.name}: {_text(record)}"
        self._heard.append(f"{text}: {said['error_type']}: {said['error']}" if said else text)
        if record.levelno >= logging.ERROR:
            message_id = record.__dict__.get("message_id")
            self._logged.append(
                {"message_id": message_id if isinstance(message_id, str) else None, "exception": said}
            )


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 a wrong format string is the handler's business; the record is still heard
        return str(record.msg)
