"""The connections of `serve`: uvicorn's HTTP/1.1 protocol with deadlines, and a limit on their number."""

import asyncio
import logging
import resource
import time
from typing import Any

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from ticketctl.api.problems import problem_for
from ticketctl.settings import Settings

log = logging.getLogger(__name__)

_RESERVED_DESCRIPTORS = 200
"""Descriptors for everything but accepted connections: files, the event loop, and connections accepted in one go."""
_BODY_GRACE = 5.0
"""Seconds beyond the deadline of a body: the application answers a late body, unless it has answered already."""
_LOG_SECONDS = 10.0


class ConnectionLimit:
    """The connections of one server, and which of them wait for a request, the longest first.

    When there are too many, the one that waits longest for the rest of its request is closed. Whoever holds connections
    without using them loses them to clients that send a request.
    """

    def __init__(self, maximum: int, seconds: float) -> None:
        self.seconds = seconds
        self._maximum = maximum
        self._open: set[LimitedProtocol] = set()
        self._waiting: dict[LimitedProtocol, None] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> "ConnectionLimit":
        """Return the limit of the settings, or what the process's limit on descriptors leaves."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = descriptors - settings.server_connections - _RESERVED_DESCRIPTORS
        maximum = settings.api_connections
        return cls(
            maximum if descriptors == resource.RLIM_INFINITY else max(1, min(maximum, spare)),
            settings.api_read_timeout,
        )

    def add(self, connection: "LimitedProtocol") -> bool:
        """Note a new connection and close another if there are too many. Return False if none can be closed."""
        self._open.add(connection)
        if len(self._open) <= self._maximum:
            return True
        log.warning("the API has %d connections and closes those that wait for a request", self._maximum)
        return self.close_longest_waiting()

    def close_longest_waiting(self) -> bool:
        """Close the connection that waits longest for a request. Return False if none does."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        self.remove(longest)
        longest.transport.abort()
        return True

    def remove(self, connection: "LimitedProtocol") -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def note_waiting(self, connection: "LimitedProtocol", *, is_waiting: bool) -> None:
        """Note whether a connection waits for a request, from now on."""
        self._waiting.pop(connection, None)
        if is_waiting and connection in self._open:
            self._waiting[connection] = None


class LimitedProtocol(H11Protocol):
    """One connection: a request's headers, its body, and the reading of the response each have a deadline.

    The deadlines hold from the beginning of their phase: a client that sends a byte now and then does not extend them.
    """

    def __init__(self, limit: ConnectionLimit, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limit = limit
        self._phase: object = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Close another connection if there are too many, or refuse this one."""
        super().connection_made(transport)
        if self._limit.add(self):
            self._note_phase()
        else:
            self._refuse()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline."""
        self._limit.remove(self)
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and begin the deadline of the next phase."""
        super().data_received(data)
        self._note_phase()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._note_phase()

    def pause_writing(self) -> None:
        """Give the client time to read the response."""
        super().pause_writing()
        self._set_deadline(self._limit.seconds)

    def resume_writing(self) -> None:
        """Stop the deadline for reading the response."""
        super().resume_writing()
        self._set_deadline(None)
        self._phase = None
        self._note_phase()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also if the client has not read the last response."""
        super().timeout_keep_alive_handler()
        self._set_deadline(self._limit.seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem, and close."""
        self._send_and_close(problem_for(400, msg.lower().rstrip(".")).to_response())

    def _note_phase(self) -> None:
        """Begin a deadline when the connection begins to wait for headers or for a body."""
        if self.transport.is_closing():  # what is not sent yet keeps a closing connection open
            self._limit.note_waiting(self, is_waiting=True)
            self._set_deadline(self._limit.seconds)
            return
        if self.flow.write_paused or self.conn.their_state is self._phase:
            return
        self._phase = self.conn.their_state
        receives_body = self._phase is h11.SEND_BODY
        is_waiting = receives_body or self._phase is h11.IDLE
        self._limit.note_waiting(self, is_waiting=is_waiting)
        if is_waiting:
            self._set_deadline(self._limit.seconds + (_BODY_GRACE if receives_body else 0))
        else:
            self._set_deadline(None)

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _refuse(self) -> None:
        self._send_and_close(problem_for(503, "the API has too many connections").to_response())

    def _send_and_close(self, response: Response) -> None:
        """Send a response that belongs to no request of the application."""
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        events = (
            h11.Response(status_code=response.status_code, headers=headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        )
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()
        self._set_deadline(self._limit.seconds)


class RepeatFilter(logging.Filter):
    """Lets a message pass once in ten seconds: hostile clients must not fill the log."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether no record with the same text passed in the last ten seconds; errors always pass."""
        if record.levelno >= logging.ERROR:
            return True
        now = time.monotonic()
        if now - self._last.get(str(record.msg), -_LOG_SECONDS) < _LOG_SECONDS:
            return False
        self._last[str(record.msg)] = now
        return True
