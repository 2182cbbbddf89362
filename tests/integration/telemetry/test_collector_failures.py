"""A collector that is down, silent, slow or broken: invocations succeed, are bounded, and log one line."""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from threading import Thread

import pytest

from tests.fakes import NOON
from tests.otlp_receiver import otlp_receiver
from ticketctl.settings import Settings
from ticketctl.telemetry.collector import SIGNALS, Collector, CollectorError, find_endpoint
from ticketctl.telemetry.export import PAUSE, BoundedExport, SpanExport
from ticketctl.telemetry.otlp_encoding import OtlpEncoder
from ticketctl.telemetry.selection import open_telemetry
from ticketctl.telemetry.spans import SpanRecorder, make_sampler
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.worker import Worker

Behave = Callable[[socket.socket], None]


def stay_silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drip(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nx-long: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def answer(text: bytes) -> Behave:
    def behave(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(text)

    return behave


def hang_up(connection: socket.socket) -> None:
    connection.recv(10)


EMPTY = b"\r\ncontent-length: 0\r\n\r\n"
BEHAVIOURS: dict[str, Behave | None] = {
    "refuses connections": None,
    "silent": stay_silent,
    "drips": drip,
    "500": answer(b"HTTP/1.1 500 Internal Server Error" + EMPTY),
    "429": answer(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600" + EMPTY),
    "400": answer(b"HTTP/1.1 400 Bad Request" + EMPTY),
    "garbage": answer(b"\x00\xffgarbage\r\n\r\n"),
    "endless garbage": answer(b"x" * 70_000),
    "short answer": answer(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nfew"),
    "hangs up": hang_up,
}


@contextmanager
def misbehaving(behave: Behave | None) -> Iterator[str]:
    """A server on a port of its own; its URL. Without a behaviour its port is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if behave is None:
        listener.close()
        yield url
        return

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=treat, args=(connection,), daemon=True).start()

    def treat(connection: socket.socket) -> None:
        with closing(connection):
            try:
                behave(connection)
            except OSError:
                return

    Thread(target=serve, daemon=True).start()
    try:
        yield url
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_no_ticket_suffers_from_the_collector(
    emptied_url: str, ask: Callable[[str], str], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.INFO, "ticketctl.telemetry")
    with misbehaving(BEHAVIOURS[name]) as url:
        chosen = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"}
        telemetry = open_telemetry(chosen, "test")
        with closing(Worker(Settings(database_url=emptied_url), telemetry=telemetry)) as worker:
            for number in range(3):
                made = ask("insert into tickets (subject) values ('I was charged twice') returning id")
                message = TicketMessage(message_id=f"m-{number}", ticket_id=int(made.split()[0]))
                response = worker.handle(build_event([message], sent_at=NOON), None)
                assert response == {"batchItemFailures": []}
    assert ask("select count(*) from tickets where status <> 'processed'") == "0"
    logged = [(record.levelname, record.name) for record in caplog.records]
    assert logged == [("WARNING", "ticketctl.telemetry.export")]


@pytest.mark.parametrize("name", ["silent", "drips"])
def test_a_collector_that_takes_its_time_is_waited_for_once(name: str) -> None:
    recorder = SpanRecorder(make_sampler({}))
    with misbehaving(BEHAVIOURS[name]) as url:
        export = make_export(url, recorder, clock=lambda: 0.0, timeout=0.2)
        started = time.monotonic()
        for _ in range(100):
            recorder.start("span").end()
            export.run()
        assert time.monotonic() - started < 10, "100 waits would take 20 s"
        wait_until(lambda: len(recorder.ended) == 100)  # what was not sent waits


@pytest.mark.parametrize(("status", "kept"), [(503, 1), (429, 1), (408, 1), (400, 0)])
def test_what_may_be_accepted_later_is_sent_after_the_pause(
    caplog: pytest.LogCaptureFixture, status: int, kept: int
) -> None:
    caplog.set_level(logging.INFO, "ticketctl.telemetry")
    recorder = SpanRecorder(make_sampler({}))
    moments = count(step=PAUSE / 2)
    with otlp_receiver() as receiver:
        export = make_export(receiver.url, recorder, clock=lambda: next(moments))
        receiver.status = status
        recorder.start("first").end()
        export.run()
        receiver.status = 200
        for name in ("second", "third", "fourth"):
            recorder.start(name).end()
            export.run(is_last=name == "fourth")
    expected = ["first", "second", "third", "fourth"]
    assert [span.name for span in receiver.spans] == expected[0 if kept else 1 :]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_connection_is_kept_until_the_collector_closes_it() -> None:
    served: list[int] = []

    def serve_two(connection: socket.socket) -> None:
        served.append(0)
        for _ in range(2):
            connection.recv(65536)
            served[-1] += 1
            connection.sendall(b"HTTP/1.1 200 OK" + EMPTY)

    with misbehaving(serve_two) as url:
        collector = make_collector(url)
        for number in range(4):
            collector.post(b"body", time.monotonic() + 10)
            wait_until(lambda expected=number % 2 == 0: collector.is_connected is expected)
        collector.close()
    assert served == [2, 2]


@pytest.mark.parametrize("name", [name for name in BEHAVIOURS if not name.isdigit()])
def test_a_broken_connection_is_not_kept(name: str) -> None:
    with misbehaving(BEHAVIOURS[name]) as url:
        collector = make_collector(url)
        with pytest.raises(CollectorError):
            collector.post(b"body", time.monotonic() + 0.2)
        assert not collector.is_connected


def make_collector(url: str) -> Collector:
    endpoint = find_endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, SIGNALS[0])
    assert endpoint is not None
    return Collector(endpoint)


def make_export(
    url: str, recorder: SpanRecorder, clock: Callable[[], float], timeout: float = 10
) -> BoundedExport:
    spans = SpanExport(recorder.ended, OtlpEncoder({}), make_collector(url))
    return BoundedExport([spans], timeout=timeout, clock=clock)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
