"""One tracer provider for all invocations, flushed at the end of each. Measured: ok six times, one thread."""

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=os.environ["JSON"])))


def handler(_event, _context):
    with provider.get_tracer(__name__).start_as_current_span("ticket"):
        pass
    return provider.force_flush()
