"""Post OTLP requests to a collector over a kept HTTP connection.

A warm invocation waits for the answer, so a request must be cheap and bounded. `requests` takes twenty times the processor
time of this, `http.client` five times; and both bound each read, not the sum of them. The answer's body is not needed.
"""

import gzip
import os
import re
import select
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

Signal = Literal["traces", "metrics"]
SIGNALS: tuple[Signal, Signal] = ("traces", "metrics")

_MAX_IDLE = 30.0
"""Seconds after which a connection is not used again: a router may have forgotten it while Lambda froze the process."""
_MAX_HEAD, _MAX_ANSWER = 16_384, 65_536  # bytes
_STATUS = re.compile(rb"http/1\.[01] ([1-5]\d\d)(?= |\r|$)")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?:\r|$)")
_COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {"gzip": gzip.compress, "deflate": zlib.compress}
)
_RETRYABLE = frozenset({408, 429})
"""Statuses below 500 after which the same request may be accepted later."""
_SUCCESS, _SERVER_ERROR = range(200, 300), 500


class CollectorError(Exception):
    """The collector did not accept a request. `is_final`: it will not accept it later either."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one signal is sent, and how."""

    url: SplitResult
    headers: Mapping[str, str]
    compress: Callable[[bytes], bytes] | None = None
    tls: ssl.SSLContext | None = None


def find_endpoint(environment: Mapping[str, str], signal: Signal) -> Endpoint | None:
    """Return a signal's endpoint as the standard OTEL_EXPORTER_OTLP_* variables name it, None if it is not to be sent.

    Raises:
        ValueError: The endpoint is not an HTTP URL. OSError: A certificate cannot be read.
    """

    def read(name: str) -> str:
        names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", f"OTEL_EXPORTER_OTLP_{name}")
        return next((environment[name] for name in names if environment.get(name)), "").strip()

    if environment.get(f"OTEL_{signal.upper()}_EXPORTER") == "none" or not read("ENDPOINT"):
        return None
    is_own = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    url = urlsplit(read("ENDPOINT") if is_own else f"{read('ENDPOINT').removesuffix('/')}/v1/{signal}")
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError(f"the endpoint of the {signal} is not an HTTP URL: {read('ENDPOINT')!r}")
    headers = {"content-type": "application/x-protobuf", **_parse_headers(read("HEADERS"))}
    compression = read("COMPRESSION").lower()
    if compression in _COMPRESSIONS:
        headers["content-encoding"] = compression
    tls = None
    if url.scheme == "https":
        tls = ssl.create_default_context(cafile=read("CERTIFICATE") or None)
        if read("CLIENT_CERTIFICATE"):
            tls.load_cert_chain(read("CLIENT_CERTIFICATE"), read("CLIENT_KEY") or None)
    return Endpoint(url, headers, _COMPRESSIONS.get(compression), tls)


def _parse_headers(text: str) -> dict[str, str]:
    """Return the headers in a text like `api-key=secret,tenant=a%20b`."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name.strip().lower(): unquote(value.strip()) for name, separator, value in pairs if separator}


class Collector:
    """A connection to one endpoint. One thread at a time may post. A forked process opens a connection of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        url = endpoint.url
        self._endpoint = endpoint
        self._address = (url.hostname or "", url.port or (80 if endpoint.tls is None else 443))
        target = f"{url.path or '/'}?{url.query}".removesuffix("?")
        headers = {"host": url.netloc.rpartition("@")[2], **endpoint.headers}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._head = "\r\n".join([*lines, "content-length: "]).encode("latin-1", "replace")
        self._socket: socket.socket | None = None
        self._answered_at = 0.0
        self._process_id = 0

    @property
    def is_connected(self) -> bool:
        """Whether a kept connection can be used: then a request takes no longer than it may.

        Opening one can: the name is looked up without a limit.
        """
        idle = time.time() - self._answered_at  # this clock runs on during a freeze, unlike the monotonic one
        if self._socket is None or self._process_id != os.getpid() or not 0 <= idle < _MAX_IDLE:
            return False
        readable, _, _ = select.select([self._socket], [], [], 0)
        return not readable  # otherwise the collector has closed it

    def post(self, body: bytes, deadline: float) -> None:
        """Send a request and wait for the answer until `deadline`, a time on the monotonic clock.

        Raises:
            CollectorError: The collector cannot be reached in time, or did not accept the request.
        """
        if self._endpoint.compress is not None:
            body = self._endpoint.compress(body)
        try:
            status = self._exchange(body, deadline)
        except (OSError, ValueError) as error:
            self.close()
            raise CollectorError(f"{type(error).__name__}: {error}") from error
        if status not in _SUCCESS:
            is_final = status < _SERVER_ERROR and status not in _RETRYABLE
            raise CollectorError(f"it answered with status {status}", is_final=is_final)

    def _exchange(self, body: bytes, deadline: float) -> int:
        """Send the request and return the answer's status. The connection is kept if the answer's end is certain."""
        if not self.is_connected:
            self.close()
            self._connect(deadline)
        sock = self._socket
        if sock is None:
            raise ConnectionError("the connection was closed")
        sock.settimeout(_get_remaining(deadline))
        sock.sendall(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += _receive(sock, deadline)
            if len(answer) > _MAX_HEAD:
                raise ValueError("it is no HTTP server")
        head = answer[:end].lower()
        status = _STATUS.match(head)
        if status is None:
            raise ValueError("it is no HTTP server")
        length = _LENGTH.search(head)
        if length is None or int(length[1]) > _MAX_ANSWER or b"\r\nconnection: close" in head:
            self.close()
            return int(status[1])
        missing = int(length[1]) - (len(answer) - end - 4)
        while missing > 0:
            missing -= len(_receive(sock, deadline))
        self._answered_at = time.time()
        return int(status[1])

    def _connect(self, deadline: float) -> None:
        opened = socket.create_connection(self._address, timeout=_get_remaining(deadline))
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._endpoint.tls is not None:
                opened.settimeout(_get_remaining(deadline))
                opened = self._endpoint.tls.wrap_socket(opened, server_hostname=self._address[0])
        except BaseException:
            opened.close()
            raise
        self._socket, self._process_id = opened, os.getpid()
        self._answered_at = time.time()

    def close(self) -> None:
        """Close this process's descriptor; a process that it was forked from keeps the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive(sock: socket.socket, deadline: float) -> bytes:
    sock.settimeout(_get_remaining(deadline))
    received = sock.recv(_MAX_ANSWER)
    if not received:
        raise ConnectionError("the connection was closed before the answer's end")
    return received


def _get_remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("no answer in time")
    return remaining
