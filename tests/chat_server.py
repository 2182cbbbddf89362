"""A local server that speaks the chat completions format and gives every request the same answer."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any


class ChatServer(socketserver.ThreadingTCPServer):
    """Speaks the chat-completions format.

    `answer` is the JSON of each answer. `error_status` is a status to answer instead, with a body that repeats the
    key. `reports_usage` says whether it reports tokens; `delay` is the seconds before each answer. `requests` holds
    the key and the body of each request.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.error_status: int | None = None
        self.reports_usage = True
        self.delay = 0.0
        self.answer: dict[str, Any] = {
            "category": "billing",
            "priority": "normal",
            "sentiment": "neutral",
            "language": "en",
            "confidence": 0.9,
            "entities": [],
            "reply": "We are looking into it.",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def serve_chat() -> Iterator[ChatServer]:
    with ChatServer() as model:
        thread = threading.Thread(target=model.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield model
        finally:
            model.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        model = self.server
        assert isinstance(model, ChatServer)
        key = self.headers["authorization"]
        model.requests.append((key, json.loads(self.rfile.read(int(self.headers["content-length"])))))
        time.sleep(model.delay)
        answer: dict[str, Any] = {"error": {"message": f"not with the key {key}"}}
        if model.error_status is None:
            message = {"role": "assistant", "content": json.dumps(model.answer)}
            answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            if model.reports_usage:
                answer["usage"] = {"prompt_tokens": 1000, "completion_tokens": 500}
        sent = json.dumps(answer).encode()
        self.send_response(model.error_status or 200)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Keep the log out of the test output."""
