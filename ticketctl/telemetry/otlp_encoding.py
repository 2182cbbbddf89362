"""Encode spans and metrics as requests of OTLP, https://opentelemetry.io/docs/specs/otlp/.

Attributes that repeat, as most do, are serialized once: making them anew for each span would take longer than all the rest.
This uses that a message can be serialized in parts: parsers merge them, https://protobuf.dev/programming-guides/encoding/.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, SpanFlags, Status

import ticketctl
from ticketctl.telemetry.metric_recorder import Histogram, Key, MetricRecorder, Series
from ticketctl.telemetry.protocols import Attributes, SpanKind
from ticketctl.telemetry.spans import RecordedSpan, SpanContext

MAX_TEXT = 8192
"""Characters of an attribute; the rest is cut off, because some attributes come from a client."""
_KINDS: Mapping[SpanKind, Span.SpanKind.ValueType] = MappingProxyType(
    {
        "internal": Span.SPAN_KIND_INTERNAL,
        "server": Span.SPAN_KIND_SERVER,
        "client": Span.SPAN_KIND_CLIENT,
        "producer": Span.SPAN_KIND_PRODUCER,
        "consumer": Span.SPAN_KIND_CONSUMER,
    }
)
_ERROR = Status(code=Status.STATUS_CODE_ERROR)
_LOCAL = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _LOCAL | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_CUMULATIVE = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE


class OtlpEncoder:
    """Encodes what comes from one resource."""

    def __init__(self, resource: Attributes) -> None:
        self._resource = Resource(attributes=_make_attributes(resource.items()))
        self._scope = InstrumentationScope(name="ticketctl", version=ticketctl.__version__)

    def encode_spans(self, spans: Iterable[RecordedSpan]) -> bytes:
        """Return the body of a request with these spans."""
        scope_spans = ScopeSpans(scope=self._scope).SerializeToString()
        scope_spans += b"".join([_frame(ScopeSpans.SPANS_FIELD_NUMBER, _encode_span(span)) for span in spans])
        group = ResourceSpans(resource=self._resource).SerializeToString()
        group += _frame(ResourceSpans.SCOPE_SPANS_FIELD_NUMBER, scope_spans)
        return _frame(ExportTraceServiceRequest.RESOURCE_SPANS_FIELD_NUMBER, group)

    def encode_metrics(self, recorder: MetricRecorder) -> bytes:
        """Return the body of a request with the current values of all metrics."""
        period = recorder.started, time.time_ns()
        metrics = [_encode_metric(series, period) for series in recorder.read()]
        scope_metrics = metrics_pb2.ScopeMetrics(scope=self._scope, metrics=metrics)
        group = metrics_pb2.ResourceMetrics(resource=self._resource, scope_metrics=[scope_metrics])
        body: bytes = ExportMetricsServiceRequest(resource_metrics=[group]).SerializeToString()
        return body


def _frame(field_number: int, message: bytes) -> bytes:
    """Return a message as a field of another one: tag, length, and the message itself."""
    prefix, length = bytearray((field_number << 3 | 2,)), len(message)
    while length > 0x7F:  # noqa: PLR2004 - seven bits for each byte
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + message


def _encode_span(span: RecordedSpan) -> bytes:
    context = span.context
    encoded: bytes = Span(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        parent_span_id=span.parent_id.to_bytes(8, "big") if span.parent_id else b"",
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end_time,
        links=[_encode_link(link) for link in span.links],
        status=_ERROR if span.has_failed else None,
        flags=_REMOTE if span.is_parent_remote else _LOCAL,
    ).SerializeToString()
    return encoded + b"".join([_encode_attribute(name, value) for name, value in span.attributes.items()])


def _encode_link(context: SpanContext) -> Span.Link:
    return Span.Link(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        flags=_REMOTE,
    )


def _encode_metric(series: Series, period: tuple[int, int]) -> metrics_pb2.Metric:
    metric = series.metric
    encoded = metrics_pb2.Metric(name=metric.name, unit=metric.unit, description=metric.description)
    if metric.kind == "histogram":
        histograms = _encode_histograms(series.histograms, period)
        encoded.histogram.MergeFrom(
            metrics_pb2.Histogram(data_points=histograms, aggregation_temporality=_CUMULATIVE)
        )
    elif metric.kind == "gauge":
        encoded.gauge.MergeFrom(metrics_pb2.Gauge(data_points=_encode_numbers(series.numbers, period)))
    else:
        points = _encode_numbers(series.numbers, period)
        encoded.sum.MergeFrom(
            metrics_pb2.Sum(
                data_points=points,
                aggregation_temporality=_CUMULATIVE,
                is_monotonic=metric.kind == "counter",
            )
        )
    return encoded


def _encode_numbers(
    numbers: Mapping[Key, float], period: tuple[int, int]
) -> Iterator[metrics_pb2.NumberDataPoint]:
    start, end = period
    for key, value in numbers.items():
        point = metrics_pb2.NumberDataPoint(
            attributes=_make_attributes(key), start_time_unix_nano=start, time_unix_nano=end
        )
        if isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value
        yield point


def _encode_histograms(
    histograms: Mapping[Key, Histogram], period: tuple[int, int]
) -> Iterator[metrics_pb2.HistogramDataPoint]:
    start, end = period
    for key, histogram in histograms.items():
        yield metrics_pb2.HistogramDataPoint(
            attributes=_make_attributes(key),
            start_time_unix_nano=start,
            time_unix_nano=end,
            count=sum(histogram.counts),
            sum=histogram.total,
            min=histogram.minimum,
            max=histogram.maximum,
            bucket_counts=histogram.counts,
            explicit_bounds=histogram.bounds,
        )


@lru_cache(maxsize=512, typed=True)  # typed, because 1 and True are the same key
def _encode_attribute(name: str, value: object) -> bytes:
    """Return a span that has nothing but this attribute."""
    encoded: bytes = Span(attributes=[_make_attribute(name, value)]).SerializeToString()
    return encoded


def _make_attributes(attributes: Iterable[tuple[str, object]]) -> list[KeyValue]:
    return [_make_attribute(name, value) for name, value in attributes]


def _make_attribute(name: str, value: object) -> KeyValue:
    match value:
        case bool():
            return KeyValue(key=name, value=AnyValue(bool_value=value))
        case int():
            return KeyValue(key=name, value=AnyValue(int_value=value))
        case float():
            return KeyValue(key=name, value=AnyValue(double_value=value))
    # half of a surrogate pair cannot be sent
    text = str(value)[:MAX_TEXT].encode("utf-8", "replace").decode()
    return KeyValue(key=name, value=AnyValue(string_value=text))
