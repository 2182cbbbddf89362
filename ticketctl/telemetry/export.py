"""Send spans and metrics to the collector while the caller waits, for a bounded time.

The SDK's batch processor would export from a thread of its own, which Lambda freezes with the process between two
invocations. Here the caller says when to send: at the end of an invocation.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Thread

from ticketctl.telemetry.collector import Collector, CollectorError
from ticketctl.telemetry.metric_recorder import MetricRecorder
from ticketctl.telemetry.otlp_encoding import OtlpEncoder
from ticketctl.telemetry.spans import MAX_SPANS, RecordedSpan

log = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds that one export may take, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""
PAUSE = 30.0
"""Seconds without an export after one that failed or took too long."""
METRICS_INTERVAL = 1.0
"""Seconds between two exports of metrics: they are sums since the start, so the next export makes up for those that are left out."""


def read_timeout(environment: Mapping[str, str]) -> float:
    """Return the timeout of one export in seconds: OTEL_EXPORTER_OTLP_TIMEOUT if it is a positive number."""
    try:
        timeout = float(environment.get("OTEL_EXPORTER_OTLP_TIMEOUT") or TIMEOUT)
    except ValueError:
        return TIMEOUT
    return timeout if 0 < timeout < math.inf else TIMEOUT


class SpanExport:
    """Sends spans that have ended to a collector."""

    def __init__(self, spans: deque[RecordedSpan], encoder: OtlpEncoder, collector: Collector) -> None:
        self.collector = collector
        self._spans = spans
        self._encoder = encoder

    def send(self, deadline: float, *, is_last: bool) -> None:  # noqa: ARG002 - as MetricExport
        """Send what waits. Raise CollectorError; spans that may be accepted later wait again."""
        spans = [self._spans.popleft() for _ in range(len(self._spans))]
        if not spans:
            return
        try:
            self.collector.post(self._encoder.encode_spans(spans), deadline)
        except CollectorError as error:
            if not error.is_final:
                room = MAX_SPANS - len(self._spans)
                self._spans.extendleft(reversed(spans[max(0, len(spans) - room) :]))
            raise


class MetricExport:
    """Sends the values of metrics to a collector."""

    def __init__(
        self,
        recorder: MetricRecorder,
        encoder: OtlpEncoder,
        collector: Collector,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.collector = collector
        self._recorder = recorder
        self._encoder = encoder
        self._clock = clock
        self._resume_at = -math.inf

    def send(self, deadline: float, *, is_last: bool) -> None:
        """Send the metrics if METRICS_INTERVAL has passed, or `is_last`. Raise CollectorError."""
        if self._clock() < self._resume_at and not is_last:
            return
        self.collector.post(self._encoder.encode_metrics(self._recorder), deadline)
        self._resume_at = self._clock() + METRICS_INTERVAL


class BoundedExport:
    """Sends spans and metrics, never for longer than `timeout` seconds.

    A collector that fails is left alone for PAUSE seconds, so that it costs each environment little.
    """

    def __init__(
        self,
        exports: Sequence[SpanExport | MetricExport],
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exports = exports
        self._timeout = timeout
        self._clock = clock
        self._resume_at = -math.inf
        self._thread: Thread | None = None
        self._error: str | None = None
        self._is_failing = False

    def run(self, seconds: float = math.inf, *, is_last: bool = False) -> None:
        """Send what is there and wait for it. While an earlier export still runs, return at once."""
        seconds = min(seconds, self._timeout)
        if self._is_running():
            return
        if seconds > 0 and self._clock() >= self._resume_at:
            self._run(seconds, is_last=is_last)
        if is_last and not self._is_running():
            for export in self._exports:
                export.collector.close()

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self, seconds: float, *, is_last: bool) -> None:
        send = partial(self._send, time.monotonic() + seconds, is_last=is_last)
        if all(export.collector.is_connected for export in self._exports):
            send()
        else:
            self._run_in_thread(send, seconds)
        self._note(self._error)

    def _run_in_thread(self, send: Callable[[], None], seconds: float) -> None:
        """Send in a thread, because opening a connection may take longer than the caller can wait."""
        self._error = f"no answer within {seconds:g} s"
        self._thread = Thread(target=send, name="telemetry", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter ends, or there are too many threads
            return
        self._thread.join(seconds)

    def _send(self, deadline: float, *, is_last: bool) -> None:
        error = None
        try:
            for export in self._exports:
                export.send(deadline, is_last=is_last)
        except CollectorError as caught:
            error = str(caught)
        except Exception as caught:
            error = type(caught).__name__
            log.exception("telemetry could not be sent")
        self._error = error

    def _note(self, error: str | None) -> None:
        """Pause after an error, and log it unless the export before failed, too."""
        if error is None:
            if self._is_failing:
                log.info("the telemetry collector answers again")
        else:
            self._resume_at = self._clock() + PAUSE
            if not self._is_failing:
                log.warning("the telemetry collector fails (%s); it is tried again every %g s", error, PAUSE)
        self._is_failing = error is not None
