"""A collector that answers each OTLP/HTTP request at once and counts what it got.

Prints its port. A GET is answered with the number of spans and of metrics that have arrived, as JSON: bodies are kept and
decoded only then, so that it takes no processor time from what is measured.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": []}
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


class Handler(BaseHTTPRequestHandler):
    """Keeps its connection, as collectors do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Keep the body and answer."""
        length = int(self.headers["content-length"])
        bodies[self.path].append(self.rfile.read(length))
        self.wfile.write(_ANSWER)

    def do_GET(self) -> None:
        """Answer with the counts."""
        body = json.dumps({"spans": _count_spans(), "metrics": _count_metrics()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _count_spans() -> int:
    requests = map(ExportTraceServiceRequest.FromString, bodies["/v1/traces"])
    return sum(
        len(scope.spans)
        for request in requests
        for group in request.resource_spans
        for scope in group.scope_spans
    )


def _count_metrics() -> int:
    requests = map(ExportMetricsServiceRequest.FromString, bodies["/v1/metrics"])
    return sum(
        len(scope.metrics)
        for request in requests
        for group in request.resource_metrics
        for scope in group.scope_metrics
    )


if __name__ == "__main__":
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
