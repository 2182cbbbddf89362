"""Traces and metrics through OpenTelemetry's SDK. Imported only if a collector is configured."""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import Event, Thread
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import ticketctl
from ticketctl.telemetry.export import (
    BoundedExport,
    SpanBuffer,
    make_reader,
    make_span_exporter,
    read_timeout,
)
from ticketctl.telemetry.protocols import NO_ATTRIBUTES, Attributes, Metric, Span, SpanKind

INTERVAL = 5.0
"""Seconds between two exports of a long-lived process."""
_KINDS = {kind.name.lower(): kind for kind in trace.SpanKind}
_HEADER = "traceparent"
_propagator = TraceContextTextMapPropagator()


class OtelTelemetry:
    """Records for an OpenTelemetry collector; implements `protocols.Telemetry`."""

    is_on = True

    def __init__(self, environment: Mapping[str, str], environment_id: str) -> None:
        timeout = read_timeout(environment)
        with_traces = environment.get("OTEL_TRACES_EXPORTER") != "none"
        with_metrics = environment.get("OTEL_METRICS_EXPORTER") != "none"
        resource = make_resource(environment, environment_id)
        buffer = SpanBuffer()
        traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        traces.add_span_processor(buffer)
        reader = make_reader(timeout) if with_metrics else None
        readers = [] if reader is None else [reader]
        self._tracer = traces.get_tracer("ticketctl", ticketctl.__version__)
        meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._meter = meters.get_meter("ticketctl", ticketctl.__version__)
        self._instrument = cache(self._make_instrument)
        exporter = make_span_exporter(timeout) if with_traces else None
        self._export = BoundedExport(buffer, exporter, reader, timeout=timeout)

    @property
    def traceparent(self) -> str | None:
        """The current span as a traceparent."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get(_HEADER)

    def start_span(
        self,
        name: str,
        kind: SpanKind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Collection[str] = (),
    ) -> "OtelSpan":
        """Start a span under `parent`, or else under the current one."""
        span = self._tracer.start_span(
            name,
            context=None if parent is None else _propagator.extract({_HEADER: parent}),
            kind=_KINDS[kind],
            attributes=attributes,
            links=[trace.Link(linked) for linked in map(_parse, sorted(links)) if linked.is_valid],
        )
        return OtelSpan(span)

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Collection[str] = (),
    ) -> Iterator[Span]:
        """Make a new span the current one."""
        started = self.start_span(name, kind, attributes, parent=parent, links=links)
        token = context.attach(trace.set_span_in_context(started.span))
        error: BaseException | None = None
        try:
            yield started
        except BaseException as caught:
            error = caught
            raise
        finally:
            context.detach(token)
            started.end(error)

    def record(self, metric: Metric, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        """Add to a counter, or record a value."""
        self._instrument(metric)(value, attributes)

    def flush(self, seconds: float = math.inf) -> None:
        """Export what was recorded, within bounds."""
        self._export.run(seconds)

    @contextmanager
    def keep_flushing(self) -> Iterator[None]:
        """Export every INTERVAL seconds in a thread, and once more at the end."""
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
            self.flush()

    def _make_instrument(self, metric: Metric) -> Any:
        described: Any = {"unit": metric.unit, "description": metric.description}
        match metric.kind:
            case "counter":
                return self._meter.create_counter(metric.name, **described).add
            case "up_down_counter":
                return self._meter.create_up_down_counter(metric.name, **described).add
            case "gauge":
                return self._meter.create_gauge(metric.name, **described).set
        return self._meter.create_histogram(metric.name, **described).record


class OtelSpan:
    """A span of the SDK; implements `protocols.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span

    def set_attributes(self, attributes: Attributes) -> None:
        """Add attributes."""
        self.span.set_attributes(attributes)

    def set_name(self, name: str) -> None:
        """Rename the span."""
        self.span.update_name(name)

    def end(self, error: BaseException | None = None) -> None:
        """End the span."""
        if error is not None:
            self.span.set_attribute("error.type", type(error).__qualname__)
            self.span.set_status(trace.StatusCode.ERROR)
        self.span.end()


def make_resource(environment: Mapping[str, str], environment_id: str) -> Resource:
    """Return what the spans and metrics come from. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    defaults = {
        "service.name": "ticketctl",
        "service.version": ticketctl.__version__,
        "service.instance.id": environment_id,
    }
    on_lambda = {
        "cloud.region": environment.get("AWS_REGION"),
        "faas.name": environment.get("AWS_LAMBDA_FUNCTION_NAME"),
        "faas.version": environment.get("AWS_LAMBDA_FUNCTION_VERSION"),
        "faas.instance": environment.get("AWS_LAMBDA_LOG_STREAM_NAME"),
    }
    if on_lambda["faas.name"]:
        defaults |= {"cloud.provider": "aws", "cloud.platform": "aws_lambda"}
        defaults |= {name: value for name, value in on_lambda.items() if value}
    chosen = dict(Resource.create().attributes)
    if str(chosen.get("service.name", "")).startswith("unknown_service"):
        del chosen["service.name"]
    return Resource({**defaults, **chosen})


def _parse(traceparent: str) -> trace.SpanContext:
    extracted = _propagator.extract({_HEADER: traceparent}, context=context.Context())
    return trace.get_current_span(extracted).get_span_context()
