"""A model behind HTTP, as a process of somebody else's: it answers every question alike."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any


class Model(socketserver.ThreadingTCPServer):
    """Speaks the chat-completions format.

    `says` is its answer to each step; `refuses` is a status to answer instead, with a body that repeats the key;
    `counts` is whether it tells its usage, `takes` the seconds before each answer. `asked` holds the key and the body of each request.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Reply)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuses: int | None = None
        self.counts = True
        self.takes = 0.0
        self.says: dict[str, Any] = {
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
def serving() -> Iterator[Model]:
    with Model() as model:
        thread = threading.Thread(target=model.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield model
        finally:
            model.shutdown()
            thread.join()


class _Reply(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        model = self.server
        assert isinstance(model, Model)
        key = self.headers["authorization"]
        model.asked.append((key, json.loads(self.rfile.read(int(self.headers["content-length"])))))
        time.sleep(model.takes)
        answer: dict[str, Any] = {"error": {"message": f"not with the key {key}"}}
        if model.refuses is None:
            message = {"role": "assistant", "content": json.dumps(model.says)}
            answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            if model.counts:
                answer["usage"] = {"prompt_tokens": 1000, "completion_tokens": 500}
        sent = json.dumps(answer).encode()
        self.send_response(model.refuses or 200)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """A test's output is not the place for a log."""
