"""Traces and metrics for a collector that speaks OTLP. Imported only if one is configured.

OpenTelemetry's SDK is not used: with it, a warm invocation took a quarter longer, and its import 0.2 s. What is sent is
encoded with OpenTelemetry's own schema, the package opentelemetry-proto.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from urllib.parse import unquote

import ticketctl
from ticketctl.telemetry.collector import SIGNALS, Collector, find_endpoint
from ticketctl.telemetry.export import BoundedExport, MetricExport, SpanExport, read_timeout
from ticketctl.telemetry.metric_recorder import MetricRecorder
from ticketctl.telemetry.otlp_encoding import OtlpEncoder
from ticketctl.telemetry.protocols import NO_ATTRIBUTES, Attributes, Metric, SpanKind
from ticketctl.telemetry.spans import RecordedSpan, SpanRecorder, make_sampler

INTERVAL = 5.0
"""Seconds between two exports of a long-lived process."""


class OtlpTelemetry:
    """Records for an OpenTelemetry collector; implements `protocols.Telemetry`.

    Raises:
        ValueError: An endpoint is not an HTTP URL. OSError: A certificate cannot be read.
    """

    is_on = True

    def __init__(self, environment: Mapping[str, str], environment_id: str) -> None:
        timeout = read_timeout(environment)
        encoder = OtlpEncoder(describe_resource(environment, environment_id))
        traces, metrics = (find_endpoint(environment, signal) for signal in SIGNALS)
        self._spans = SpanRecorder(make_sampler(environment) if traces else _sample_none)
        self._metrics = MetricRecorder()
        exports: list[SpanExport | MetricExport] = []
        if traces is not None:
            exports.append(SpanExport(self._spans.ended, encoder, Collector(traces)))
        if metrics is not None:
            exports.append(MetricExport(self._metrics, encoder, Collector(metrics)))
        self._export = BoundedExport(exports, timeout=timeout)

    @property
    def traceparent(self) -> str | None:
        """The current span as a traceparent."""
        return self._spans.traceparent

    def start_span(
        self,
        name: str,
        kind: SpanKind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Collection[str] = (),
    ) -> RecordedSpan:
        """Start a span under `parent`, or else under the current one."""
        return self._spans.start(name, kind, attributes, parent=parent, links=links)

    span = start_span  # a recorded span is a context manager, too

    def record(self, metric: Metric, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        """Add to a counter, or record a value."""
        self._metrics.record(metric, value, attributes)

    def flush(self, seconds: float = math.inf, *, is_last: bool = False) -> None:
        """Send what was recorded, within bounds."""
        self._export.run(seconds, is_last=is_last)

    @contextmanager
    def keep_flushing(self) -> Iterator[None]:
        """Send every INTERVAL seconds in a thread, and once more at the end."""
        ended = Event()

        def run() -> None:
            while not ended.wait(INTERVAL):
                self.flush()

        thread = Thread(target=run, name="telemetry-interval", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.flush(is_last=True)


def describe_resource(environment: Mapping[str, str], environment_id: str) -> Attributes:
    """Return what the spans and metrics come from. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    described: dict[str, str | int | float | bool] = {
        "service.name": "ticketctl",
        "service.version": ticketctl.__version__,
        "service.instance.id": environment_id,
        "telemetry.sdk.name": "ticketctl",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": ticketctl.__version__,
    }
    if environment.get("AWS_LAMBDA_FUNCTION_NAME"):
        on_lambda = {
            "cloud.region": environment.get("AWS_REGION"),
            "faas.name": environment.get("AWS_LAMBDA_FUNCTION_NAME"),
            "faas.version": environment.get("AWS_LAMBDA_FUNCTION_VERSION"),
            "faas.instance": environment.get("AWS_LAMBDA_LOG_STREAM_NAME"),
        }
        described |= {"cloud.provider": "aws", "cloud.platform": "aws_lambda"}
        described |= {name: value for name, value in on_lambda.items() if value}
    for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, separator, value = pair.partition("=")
        if separator:
            described[name.strip()] = unquote(value.strip())
    if service := environment.get("OTEL_SERVICE_NAME"):
        described["service.name"] = service
    return described


def _sample_none(_trace_id: int, _parent: bool | None) -> bool:  # noqa: FBT001 - as spans.IsSampled
    return False
