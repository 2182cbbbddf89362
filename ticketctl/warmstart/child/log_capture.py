"""Records errors that a handler does not raise: logged ones, warnings, and those that Python can only print."""

import logging
import sys
import threading
import warnings
from typing import Any

from .exceptions import describe
from .ipc import ErrorInfo, LoggedError
from .user_code import UserCode, walk_stack

WARNINGS_LOGGER = "py.warnings"
"""The logger that receives warnings after logging.captureWarnings(True)."""


class LogCapture:
    """Records errors and warnings; each of them then takes its usual way.

    It wraps Logger.handle, which every enabled log record passes: a handler on the root logger would miss loggers that
    do not propagate, and configurations that remove the root logger's handlers.
    """

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self._logged: list[LoggedError] = []
        self._texts: list[str] = []
        self._lost: list[ErrorInfo] = []
        self._wrap_logger()
        self._wrap_handler()
        self._wrap_warnings()
        self._wrap_hooks()

    def take(self) -> tuple[list[LoggedError], list[str]]:
        """Return what was recorded since the last call: logged errors, and the texts of everything, each once."""
        logged, texts = self._logged, list(dict.fromkeys(self._texts))
        self._logged, self._texts = [], []
        return logged, texts

    def take_lost(self) -> list[ErrorInfo]:
        """Return the exceptions since the last call with which records were lost; logging only prints them."""
        lost, self._lost = self._lost, []
        return lost

    def _wrap_handler(self) -> None:
        original = logging.Handler.handleError

        def handle_error(handler: logging.Handler, record: logging.LogRecord) -> None:
            if (error := sys.exc_info()[1]) is not None:
                self._lost.append(describe(error, self._user_code.line(walk_stack(sys._getframe(1)))))  # noqa: SLF001 the way to the caller
            original(handler, record)

        logging.Handler.handleError = handle_error  # type: ignore[method-assign,assignment]

    def _wrap_logger(self) -> None:
        original = logging.Logger.handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR or record.name == WARNINGS_LOGGER:
                self._record(record)
            original(logger, record)

        logging.Logger.handle = handle  # type: ignore[method-assign,assignment]
        # Lambda's runtime gives the root logger a handler, which makes logging.basicConfig do nothing; so does this
        logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))

    def _wrap_warnings(self) -> None:
        original = warnings.showwarning

        def showwarning(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            self._texts.append(f"{category.__name__}: {message}")
            original(message, category, *rest)

        warnings.showwarning = showwarning  # type: ignore[assignment]
        # ignored by default; a filter that the user adds later takes precedence
        warnings.simplefilter("always", ResourceWarning)

    def _wrap_hooks(self) -> None:
        original_unraisable, original_thread = sys.unraisablehook, threading.excepthook

        def record_unraisable(args: Any) -> None:
            where = args.err_msg or "Exception ignored in"
            self._texts.append(f"{where}: {type(args.exc_value).__name__}: {args.exc_value}")
            original_unraisable(args)

        def record_in_thread(args: Any) -> None:
            self._texts.append(f"Exception in thread: {type(args.exc_value).__name__}: {args.exc_value}")
            original_thread(args)

        sys.unraisablehook = record_unraisable
        threading.excepthook = record_in_thread

    def _record(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        info = describe(error, self._user_code.line_of(error)) if error else None
        text = f"{record.name}: {_message(record)}"
        self._texts.append(f"{text}: {info['error_type']}: {info['error']}" if info else text)
        if record.levelno >= logging.ERROR:
            message_id = record.__dict__.get("message_id")
            self._logged.append(
                {"message_id": message_id if isinstance(message_id, str) else None, "exception": info}
            )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 a wrong format string: the record counts all the same
        return str(record.msg)
