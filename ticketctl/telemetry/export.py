"""Send spans and metrics to the collector, in a thread that the caller waits for a bounded time.

The SDK's batch processor would export from a thread of its own, which Lambda freezes with the process between two
invocations. Here the caller says when to send: at the end of an invocation.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Thread

from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds that one export may take, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""
PAUSE = 30.0
"""Seconds without an export after one that failed or took too long."""
MAX_SPANS = 2048
"""Spans that wait for an export; of more, the oldest are dropped."""


def read_timeout(environment: Mapping[str, str]) -> float:
    """Return the timeout of one export in seconds: OTEL_EXPORTER_OTLP_TIMEOUT if it is a positive number."""
    try:
        timeout = float(environment.get("OTEL_EXPORTER_OTLP_TIMEOUT") or TIMEOUT)
    except ValueError:
        return TIMEOUT
    return timeout if 0 < timeout < math.inf else TIMEOUT


class SpanBuffer(SpanProcessor):
    """Keeps ended spans until they are exported."""

    def __init__(self) -> None:
        self.spans: deque[ReadableSpan] = deque(maxlen=MAX_SPANS)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span if it was sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self.spans.append(span)


class BoundedExport:
    """Exports a buffer and a metric reader (None: not that signal), never for longer than `timeout` seconds.

    A collector that fails is left alone for PAUSE seconds, so that it costs each environment little.
    """

    def __init__(
        self,
        buffer: SpanBuffer,
        exporter: SpanExporter | None,
        reader: MetricReader | None,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buffer = buffer
        self._exporter = exporter
        self._reader = reader
        self._timeout = timeout
        self._clock = clock
        self._resume_at = -math.inf
        self._thread: Thread | None = None
        self._has_failed = False

    def run(self, seconds: float = math.inf) -> None:
        """Export what is there and wait for it. While an earlier export still runs, return at once."""
        if self._clock() < self._resume_at or (self._thread is not None and self._thread.is_alive()):
            return
        self._has_failed = False
        self._thread = Thread(target=self._export, name="telemetry", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter ends, or there are too many threads
            return
        self._thread.join(max(0.0, min(seconds, self._timeout)))
        if self._has_failed or self._thread.is_alive():
            log.warning("the telemetry collector does not answer; the next attempt is in %g s", PAUSE)
            self._resume_at = self._clock() + PAUSE

    def _export(self) -> None:
        try:
            spans = [self._buffer.spans.popleft() for _ in range(len(self._buffer.spans))]
            if spans and self._exporter is not None:
                self._has_failed = self._exporter.export(spans) is not SpanExportResult.SUCCESS
            if self._reader is not None and not self._has_failed:
                self._reader.collect()
        except Exception:
            self._has_failed = True
            log.exception("telemetry could not be exported")


def make_reader(timeout: float) -> MetricReader:
    """Return a reader that exports over OTLP when it is asked to collect; an infinite interval starts no thread."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return PeriodicExportingMetricReader(OTLPMetricExporter(timeout=timeout), export_interval_millis=math.inf)


def make_span_exporter(timeout: float) -> SpanExporter:
    """Return the exporter of spans over OTLP; the environment names the endpoint."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(timeout=timeout)
