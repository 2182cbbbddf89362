"""An OTLP/HTTP collector of the tests' own: it decodes what is posted to it."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanKinds


class ReceivedSpan(NamedTuple):
    """A span that arrived; ids in hexadecimal, `parent` empty at the root."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: list[str]
    attributes: dict[str, Any]
    failed: bool
    start: int
    end: int
    resource: dict[str, Any]


class OtlpReceiver:
    """What has arrived. `status` is what the collector answers."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.metrics: dict[str, list[tuple[dict[str, Any], float]]] = {}
        self.requests = 0
        self.status = 200
        self.url = ""

    def clear(self) -> None:
        self.spans.clear()
        self.metrics.clear()

    def children(self, parent: ReceivedSpan) -> list[str]:
        """The names of a span's children in the order of their start."""
        found = [span for span in self.spans if span.parent == parent.id]
        return [span.name for span in sorted(found, key=lambda span: span.start)]

    def only(self, name: str) -> ReceivedSpan:
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def receive(self, path: str, body: bytes) -> None:
        self.requests += 1
        if path == "/v1/traces":
            self._receive_traces(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self._receive_metrics(ExportMetricsServiceRequest.FromString(body))
        else:
            raise AssertionError(path)

    def _receive_traces(self, request: Any) -> None:
        for group in request.resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [
                    ReceivedSpan(
                        span.name,
                        SpanKinds.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        [link.trace_id.hex() for link in span.links],
                        _attributes(span.attributes),
                        span.status.code == 2,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        resource,
                    )
                    for span in scope.spans
                ]

    def _receive_metrics(self, request: Any) -> None:
        """Keep the last export of each metric: sums are cumulative."""
        for group in request.resource_metrics:
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    points = getattr(metric, metric.WhichOneof("data")).data_points
                    self.metrics[metric.name] = [(_attributes(p.attributes), _value(p)) for p in points]


def _value(point: Any) -> float:
    return point.sum if hasattr(point, "sum") else getattr(point, point.WhichOneof("value"))


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open, as collectors do

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            body = gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body
            if receiver.status == 200:
                receiver.receive(self.path, body)
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
