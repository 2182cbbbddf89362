"""Spans, traceparents and sampling; and how they are encoded, against OpenTelemetry's own SDK."""

import asyncio
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import ticketctl
from ticketctl.telemetry.metric_recorder import MetricRecorder
from ticketctl.telemetry.otlp import describe_resource
from ticketctl.telemetry.otlp_encoding import MAX_TEXT, OtlpEncoder
from ticketctl.telemetry.protocols import Metric
from ticketctl.telemetry.spans import MAX_SPANS, SpanRecorder, make_sampler

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
ATTRIBUTES: dict[str, Any] = {"text": "ä" * 300, "count": 7, "share": 0.5, "is_on": True, "one": 1}


@pytest.fixture
def recorder() -> SpanRecorder:
    return SpanRecorder(make_sampler({}))


def decode(recorder: SpanRecorder) -> list[Any]:
    request = ExportTraceServiceRequest.FromString(OtlpEncoder({}).encode_spans(recorder.ended))
    return list(request.resource_spans[0].scope_spans[0].spans)


def test_a_span_is_encoded_as_the_sdk_encodes_it(recorder: SpanRecorder) -> None:
    """Ids and times differ, so they are copied from one to the other before the comparison."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "x"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    propagator = TraceContextTextMapPropagator()
    context = propagator.extract({"traceparent": PARENT})
    (linked,) = propagator.extract({"traceparent": OTHER}).values()
    theirs = provider.get_tracer("ticketctl", ticketctl.__version__).start_span(
        "POST", context, SpanKind.CLIENT, ATTRIBUTES, links=[Link(linked.get_span_context())]
    )
    theirs.set_attribute("error.type", "ValueError")
    theirs.set_status(StatusCode.ERROR)
    theirs.end()
    expected = encode_spans(memory.get_finished_spans())

    recorder.start("POST", "client", ATTRIBUTES, parent=PARENT, links=[OTHER]).end(ValueError("secret"))
    made = ExportTraceServiceRequest.FromString(
        OtlpEncoder({"service.name": "x"}).encode_spans(recorder.ended)
    )
    (span,), (other,) = (request.resource_spans[0].scope_spans[0].spans for request in (made, expected))
    for name in ("span_id", "start_time_unix_nano", "end_time_unix_nano"):
        assert getattr(span, name)
        setattr(span, name, getattr(other, name))
    assert made == expected


def test_spans_nest_by_context(recorder: SpanRecorder) -> None:
    async def work(name: str) -> None:
        with recorder.start(name):
            await asyncio.sleep(0)
            recorder.start(f"in {name}").end()

    async def run() -> None:
        with recorder.start("root"):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(run())
    assert recorder.traceparent is None
    spans = {span.name: span for span in recorder.ended}
    assert len({span.context.trace_id for span in spans.values()}) == 1
    assert spans["root"].parent_id == 0
    for name in ("a", "b"):
        assert spans[name].parent_id == spans["root"].context.span_id
        assert spans[f"in {name}"].parent_id == spans[name].context.span_id


def test_an_exception_marks_a_span_as_failed_without_its_text(recorder: SpanRecorder) -> None:
    with pytest.raises(ValueError, match="secret"), recorder.start("step"):
        raise ValueError("secret")
    (span,) = decode(recorder)
    assert span.status.code == 2
    assert "secret" not in str(span)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "garbage",
        "0" * 10_000,
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
    ],
)
def test_an_invalid_traceparent_starts_a_trace(recorder: SpanRecorder, parent: str) -> None:
    with recorder.start("span", parent=parent, links=[parent, PARENT]) as span:
        assert span.parent_id == 0
        assert len(span.links) == 1
        assert recorder.traceparent is not None


def test_a_traceparent_is_continued(recorder: SpanRecorder) -> None:
    with recorder.start("span", parent=PARENT):
        inside = recorder.traceparent or ""
    assert inside[:36] == PARENT[:36]
    assert inside[52:] == "-01"
    assert inside != PARENT


@pytest.mark.parametrize(
    ("chosen", "remote", "local"),
    [
        ({}, 0, 1),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, 1, 1),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0, 0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0, 0),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0, 0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "many"}, 1, 1),
    ],
)
def test_the_sampler_decides_for_whole_traces(chosen: dict[str, str], remote: int, local: int) -> None:
    recorder = SpanRecorder(make_sampler(chosen))
    with recorder.start("under an unsampled parent", parent=OTHER):
        recorder.start("child").end()
        assert (recorder.traceparent or "").endswith("-01" if remote else "-00")
    assert len(recorder.ended) == 2 * remote
    recorder.ended.clear()
    with recorder.start("root"):
        recorder.start("child").end()
    assert len(recorder.ended) == 2 * local


def test_a_ratio_samples_some_traces() -> None:
    chosen = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    recorder = SpanRecorder(make_sampler(chosen))
    for _ in range(200):
        recorder.start("root").end()
    assert 40 < len(recorder.ended) < 160


def test_of_too_many_spans_the_oldest_are_dropped(recorder: SpanRecorder) -> None:
    for number in range(MAX_SPANS + 1):
        recorder.start(str(number)).end()
    assert (recorder.ended[0].name, len(recorder.ended)) == ("1", MAX_SPANS)


def test_attributes_of_clients_are_bounded_and_encodable(recorder: SpanRecorder) -> None:
    recorder.start("GET", attributes={"url.path": "/\ud800" + "a" * 100_000}).end()
    (span,) = decode(recorder)
    assert len(span.attributes[0].value.string_value) == MAX_TEXT


def test_metrics_add_up() -> None:
    recorder = MetricRecorder()
    counter = Metric("counter", "done", "{ticket}", "Done.")
    gauge, histogram = Metric("gauge", "depth", "1", ""), Metric("histogram", "age", "s", "")
    for value in (1, 2):
        recorder.record(counter, value, {"b": "x", "a": "y"})
        recorder.record(counter, value, {"a": "y", "b": "x"})
        recorder.record(gauge, value, {})
        recorder.record(histogram, value * 7000.5, {})
    request = ExportMetricsServiceRequest.FromString(OtlpEncoder({}).encode_metrics(recorder))
    done, depth, age = request.resource_metrics[0].scope_metrics[0].metrics
    (point,) = done.sum.data_points
    assert (point.as_int, done.sum.is_monotonic, done.sum.aggregation_temporality) == (6, True, 2)
    assert depth.gauge.data_points[0].as_int == 2
    (distribution,) = age.histogram.data_points
    assert (distribution.count, distribution.sum, distribution.min) == (2, 21001.5, 7000.5)
    assert len(distribution.bucket_counts) == len(distribution.explicit_bounds) + 1
    assert distribution.bucket_counts[-1] == 2


def test_the_resource_is_what_the_environment_says() -> None:
    chosen = {
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=a%20b, team = desk,broken",
        "OTEL_SERVICE_NAME": "desk",
        "AWS_LAMBDA_FUNCTION_NAME": "worker",
    }
    described = describe_resource(chosen, "one")
    assert described["service.name"] == "desk"
    assert described["deployment.environment.name"] == "a b"
    assert described["team"] == "desk"
    assert described["faas.name"] == "worker"
    assert "broken" not in described
