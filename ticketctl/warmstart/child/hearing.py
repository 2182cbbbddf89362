"""Hears what a handler logs and does not raise."""

import logging
import sys
from collections.abc import Callable
from typing import TypedDict

from .errors import Said, describe


class Logged(TypedDict):
    """An ERROR record: its logger and message, the SQS message it is about, and its exception where it has one."""

    logger: str
    message: str
    message_id: str | None
    exception: Said | None


class Ears:
    """Notes every log record of level ERROR and above.

    It listens where every enabled record passes, so that a logger that does not propagate, or a configuration that
    throws the root logger's handlers away, is heard as well; the record goes its way unchanged.
    """

    def __init__(self, locate: Callable[[BaseException], str | None]) -> None:
        self._locate = locate
        self._logged: list[Logged] = []
        pass_on = logging.Logger.handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                self._note(record)
            pass_on(logger, record)

        logging.Logger.handle = handle  # type: ignore[method-assign,assignment]
        # Lambda's runtime gives the root logger a handler; without one, basicConfig would act otherwise than there
        logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))

    def take(self) -> list[Logged]:
        """Return what was heard since the last call, in order."""
        logged, self._logged = self._logged, []
        return logged

    def _note(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        message_id = record.__dict__.get("message_id")
        self._logged.append(
            {
                "logger": record.name,
                "message": _text(record),
                "message_id": message_id if isinstance(message_id, str) else None,
                "exception": describe(error, self._locate(error)) if error else None,
            }
        )


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 a wrong format string is the handler's business; the record is still heard
        return str(record.msg)
