"""Exceptions that the user's code catches and does not raise again.

Python 3.12 and later report handled exceptions through sys.monitoring. Python 3.11 needs a trace function, which is
called for each Python function call, but traces only frames of the user's code, and lines only after an exception.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from .exceptions import describe
from .ipc import ErrorInfo
from .user_code import UserCode

CONTROL_FLOW = (
    "StopIteration",
    "StopAsyncIteration",
    "GeneratorExit",
    "CancelledError",
    "KeyError",
    "IndexError",
)
"""Exceptions that are caught as a part of normal control flow."""
LIMIT = 20
"""Exceptions described per invocation: the text of each is built when it is caught."""


_Key = tuple[int, type[BaseException], tuple[int, ...]]


class SwallowedExceptions:
    """Records the exceptions that the user's code swallows while `record` is active."""

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self._handled: dict[_Key, ErrorInfo] = {}
        self._raised: dict[int, BaseException] = {}

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record within the block."""
        self._handled.clear()
        if hasattr(sys, "monitoring"):
            with self._monitor(sys.monitoring):
                yield
        elif sys.gettrace() is not None:  # a debugger, or a coverage tool: it must not be replaced
            yield
        else:
            threading.settrace(self._trace_call)
            sys.settrace(self._trace_call)
            try:
                yield
            finally:
                sys.settrace(None)
                threading.settrace(None)
                self._raised.clear()

    def take(self) -> list[ErrorInfo]:
        """Return the exceptions of the last block."""
        handled, self._handled = list(self._handled.values()), {}
        return handled

    @contextmanager
    def _monitor(self, monitoring: Any) -> Iterator[None]:
        tool = next((number for number in range(6) if monitoring.get_tool(number) is None), None)
        if tool is None:
            yield
            return
        events = monitoring.events
        monitoring.use_tool_id(tool, "ticketctl")
        monitoring.register_callback(tool, events.EXCEPTION_HANDLED, self._on_handled)
        monitoring.register_callback(tool, events.RERAISE, self._on_reraised)
        monitoring.set_events(tool, events.EXCEPTION_HANDLED | events.RERAISE)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)

    def _on_handled(self, code: CodeType, _offset: int, error: BaseException) -> None:
        if self._user_code.name(code.co_filename):
            self._add(error)

    def _on_reraised(self, _code: CodeType, _offset: int, error: BaseException) -> None:
        self._handled.pop(_key(error), None)

    def _add(self, error: BaseException) -> None:
        if type(error).__name__ in CONTROL_FLOW or len(self._handled) >= LIMIT:
            return
        self._handled[_key(error)] = describe(error, self._user_code.line_of(error))

    def _trace_call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if self._user_code.name(frame.f_code.co_filename) is None:
            return None
        frame.f_trace_lines = False
        return self._trace_frame

    def _trace_frame(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Record an exception when a line runs after it in the same frame; a frame that it leaves runs no line."""
        if event == "exception":
            error = argument[1]
            if isinstance(error, BaseException):
                self._handled.pop(_key(error), None)  # it is raised again, in a finally or an except block
                self._raised[id(frame)] = error
                frame.f_trace_lines = True
        elif event == "line":
            frame.f_trace_lines = False
            if error := self._raised.pop(id(frame), None):
                self._add(error)
        elif event == "return":
            self._raised.pop(id(frame), None)
        return self._trace_frame


def _key(error: BaseException) -> _Key:
    """Return what tells an exception from others; a later one may have the address of one that is gone."""
    return id(error), type(error), tuple(map(id, error.args))
