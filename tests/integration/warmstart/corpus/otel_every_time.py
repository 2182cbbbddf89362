"""A tracer provider for each invocation. Measured: ok six times, and a thread and a socket more each time."""

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def handler(_event, _context):
    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=os.environ["JSON"])
    provider.add_span_processor(BatchSpanProcessor(exporter))  # cause
    with provider.get_tracer(__name__).start_as_current_span("ticket"):
        pass
    return provider.force_flush()
