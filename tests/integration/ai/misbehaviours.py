"""What AI providers answer besides a plain good answer: known errors, outages and deviations from the format.

Each is a function from a request and the number of requests before it to a reply, with the status that a ticket must
have after its worker met it: `processed` where the request can be repeated or written differently, else `needs_review`.
"""

import gzip
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.integration.ai.provider_server import (
    Reply,
    chat,
    claude,
    dripping,
    endless,
    failing,
    hanging,
    http,
    raw,
)

ANSWER = {
    "category": "billing",
    "priority": "high",
    "sentiment": "negative",
    "language": "en",
    "confidence": 0.93,
    "entities": [{"kind": "invoice_id", "value": "INV-2024-001"}],
    "reply": "We are looking into INV-2024-001.",
}
"""An answer with the fields of every step."""
GOOD, GOOD_CLAUDE = chat(ANSWER), claude(ANSWER)


class Misbehaviour(NamedTuple):
    """`choose` gets the body of a request and the number of requests before it."""

    choose: Callable[[dict[str, Any], int], Reply]
    status: str
    reason: str = ""
    """Part of the review's reason."""
    timeout: float = 30.0
    """Seconds for an answer, which no good one needs on a busy machine."""


def always(reply: Reply, reason: str = "", timeout: float = 30.0) -> Misbehaviour:
    """The server never answers otherwise."""
    return Misbehaviour(lambda _body, _number: reply, "needs_review", reason, timeout)


def first(reply: Reply, then: Reply = GOOD, *, times: int = 1) -> Misbehaviour:
    """The first requests fail."""
    return Misbehaviour(lambda _body, number: reply if number < times else then, "processed")


def refuses(is_refused: Callable[[dict[str, Any]], bool], error: Reply, then: Reply = GOOD) -> Misbehaviour:
    """The server refuses requests of a certain form."""
    return Misbehaviour(lambda body, _number: error if is_refused(body) else then, "processed")


def answers(reply: Reply) -> Misbehaviour:
    """The server's usual answer deviates from the documented form, but can be understood."""
    return Misbehaviour(lambda _body, _number: reply, "processed")


def completion(message: dict[str, Any], **more: Any) -> Reply:
    """A chat completion with exactly this message."""
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **more}
    return http(200, json.dumps(body).encode())


def page(status: int, text: str = "<html><style>p{}</style><h1>Sorry</h1></html>") -> Reply:
    """A web page."""
    return http(status, text.encode(), "content-type: text/html; charset=utf-8\r\n")


def _chunked(body: bytes) -> Reply:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return raw(head + b"".join(b"1\r\n" + body[i : i + 1] + b"\r\n" for i in range(len(body))) + b"0\r\n\r\n")


def _error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def _gemini(message: str, *details: Any) -> list[Any]:
    return [
        {"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": list(details)}}
    ]


TEXT = json.dumps(ANSWER)
SHOUTED = {
    **ANSWER,
    "category": "Billing ",
    "priority": "HIGH",
    "sentiment": "Negative",
    "language": "en-US",
    "confidence": "0.93",
    "entities": [{"kind": "INVOICE_ID", "value": "INV-2024-001"}],
}
EXTRA_FORBIDDEN = [
    {
        "type": "extra_forbidden",
        "loc": ["body", "max_completion_tokens"],
        "msg": "Extra inputs are not permitted",
    }
]
OPENROUTER_FLAGGED = _error(
    "Your chosen model requires moderation and your input was flagged",
    code=403,
    metadata={"reasons": ["harassment"], "flagged_input": "..."},
)
AZURE_FILTER = _error(
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    type=None,
    param="prompt",
    code="content_filter",
    status=400,
    innererror={
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"hate": {"filtered": True}},
    },
)

OPENAI: dict[str, Misbehaviour] = {
    # refused for good
    "OpenAI: wrong key": always(failing(401, _error("Incorrect API key provided", code="invalid_api_key")), "401"),
    "a proxy: 401 in plain text": always(http(401, b"Unauthorized"), "401"),
    "OpenRouter: no credits": always(failing(402, _error("Insufficient credits", code=402)), "402"),
    "DeepSeek: no balance": always(failing(402, _error("Insufficient Balance", type="unknown_error")), "402"),
    "OpenAI: country not supported": always(
        failing(403, _error("Country not supported", code="unsupported_country_region_territory")), "403"
    ),
    "OpenRouter: moderation": always(failing(403, OPENROUTER_FLAGGED), "flagged"),
    "Cloudflare: challenge page": always(page(403), "403"),
    "Bedrock: expired token": always(
        http(
            403,
            b'{"message": "The security token included in the request is expired"}',
            "x-amzn-errortype: ExpiredTokenException:http://internal/\r\n",
        ),
        "expired",
    ),
    "Ollama: unknown model": always(failing(404, _error('model "m" not found', type="api_error")), "404"),
    "a wrong path": always(page(404), "404"),
    "a method that is not allowed": always(page(405), "405"),
    "a redirect": always(http(302, b"", "location: /login\r\n"), "302"),
    "a body that is too large": always(failing(413, {"detail": "Request Entity Too Large"}), "413"),
    "blocked for legal reasons": always(failing(451, _error("blocked")), "451"),
    "OpenAI: no quota": always(
        failing(429, _error("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota")),
        "quota",
    ),
    "OpenAI: no credits": always(
        failing(429, _error("You have no credits", type="insufficient_quota", code="credit_balance_exhausted")),
        "credits",
    ),
    "OpenAI: hard limit": always(
        failing(400, _error("Billing hard limit has been reached", code="billing_hard_limit_reached")), "limit"
    ),
    "Azure: content filter": always(failing(400, AZURE_FILTER), "content management"),
    "OpenAI: context too long": always(
        failing(400, _error("maximum context length is 8192", code="context_length_exceeded")), "context"
    ),
    "llama.cpp: context too long": always(
        failing(400, _error("exceeds the context", code=400, type="exceed_context_size_error")), "context"
    ),
    "every request is refused": always(failing(400, _error("Bad request")), "Bad request"),
    "every request is unprocessable": always(failing(422, {"detail": "no"}), "422"),
    "nothing is implemented": always(failing(501, _error("not implemented")), "501"),
    # passes
    "429 with Retry-After": first(failing(429, _error("slow down"), "retry-after: 2\r\n")),
    "Gemini: quota per minute": first(
        failing(
            429,
            _gemini(
                "You exceeded your current quota, please check your plan and billing details.",
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"},
            ),
        )
    ),
    "a proxy: nested rate limit": first(
        failing(429, _error(json.dumps(_error("Rate limit reached", type="requests")), code="429"))
    ),
    "500": first(failing(500, _error("The server had an error", type="server_error"))),
    "502 without a body": first(http(502, b"")),
    "503 with a page": first(page(503)),
    "524 of Cloudflare": first(page(524)),
    "408": first(failing(408, {"error": "timeout"})),
    "409": first(failing(409, {"detail": "conflict"})),
    "no answer": first(raw(b"")),
    "a body cut off": first(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")),
    "a keep-alive connection closed": answers(chat(ANSWER, then_close=True)),
    "OpenRouter: error in a 200": first(failing(200, _error("Provider returned error", code=502))),
    "OpenRouter: rate limit in a 200": first(failing(200, _error("Rate limited", code=429))),
    "OpenRouter: error in a choice": first(
        http(
            200,
            json.dumps(
                {
                    "choices": [
                        {
                            "message": {"role": "assistant", "content": '{"cat'},
                            "finish_reason": "error",
                            "error": {"code": 502, "message": "upstream"},
                        }
                    ]
                }
            ).encode(),
        )
    ),
    "finish_reason error": first(chat(TEXT[:9], finish_reason="error")),
    "JSON cut off": first(http(200, b'{"choices": [')),
    "one unusable answer": first(chat("I think it is about billing.")),
    "one refusal": first(chat("", refusal="I cannot help with that.")),
    # fails until the retries are exhausted
    "500 for ever": always(failing(500, _error("down")), "500"),
    "429 for ever": always(failing(429, _error("slow down")), "429"),
    "a wait of an hour": always(failing(429, _error("slow down"), "retry-after: 3600\r\n"), "429"),
    "overloaded in a 200 for ever": always(failing(200, _error("overloaded", code=503)), "503"),
    "a server that hangs": always(hanging, "did not answer in time", timeout=0.2),
    "a server that drips": always(dripping, "did not finish", timeout=0.4),
    "an endless answer": always(endless, "longer than"),
    "a decompression bomb": always(
        http(200, gzip.compress(b" " * 5_000_000), "content-encoding: gzip\r\n"), "longer than"
    ),
    "broken gzip": always(http(200, b"not gzip", "content-encoding: gzip\r\n"), "cannot be reached"),
    "no HTTP": always(raw(b"220 mail.example.com ESMTP\r\n"), "cannot be reached"),
    "a maintenance page": always(page(200), "text/html"),
    "an event stream": always(
        http(200, b'data: {"choices": []}\n\n', "content-type: text/event-stream\r\n"), "text/event-stream"
    ),
    "a JSON list": always(http(200, b"[]"), "JSON object"),
    "no UTF-8": always(http(200, b'{"choices": "\xff"}'), "JSON object"),
    # answers that cannot be used, again and again
    "no choices": always(http(200, b'{"choices": []}'), "no answer"),
    "choices of another type": always(http(200, b'{"choices": {"0": 1}, "usage": "a lot"}'), "no answer"),
    "no content": always(chat("", content=None), "no answer"),
    "refusals": always(chat("", refusal="I cannot help with that."), "refused"),
    "answers cut off": always(chat(TEXT, finish_reason="length"), "cut off"),
    "answers filtered": always(chat("", finish_reason="content_filter"), "filter"),
    "prose": always(chat("I think it is about billing."), "no JSON"),
    "another vocabulary": always(
        chat({**ANSWER, "category": "gardening", "entities": 5, "reply": ""}), "must be"
    ),
    "a list of answers": always(chat("[1, 2]"), "no JSON"),
    # other forms of requests and answers
    "Mistral: max_completion_tokens": refuses(
        lambda body: "max_completion_tokens" in body,
        failing(
            422,
            {"object": "error", "message": {"detail": EXTRA_FORBIDDEN}, "type": "invalid_request_error"},
        ),
    ),
    "vLLM: max_completion_tokens": refuses(
        lambda body: "max_completion_tokens" in body,
        failing(400, {"object": "error", "message": str(EXTRA_FORBIDDEN), "type": "BadRequestError", "code": 400}),
    ),
    "Ollama: the limit is ignored": answers(
        completion(
            {"role": "assistant", "content": TEXT}, usage={"prompt_tokens": 10, "completion_tokens": 9_999}
        )
    ),
    "no response_format": refuses(
        lambda body: "response_format" in body, failing(400, _error("response_format is not supported"))
    ),
    "no json_schema": refuses(
        lambda body: body.get("response_format", {}).get("type") == "json_schema",
        failing(400, _error("Invalid parameter: 'response_format' of type 'json_schema' is not supported")),
    ),
    "a form that is refused without a reason": refuses(
        lambda body: "response_format" in body, failing(422, {"detail": "Unprocessable"})
    ),
    "OpenRouter: no server takes response_format": refuses(
        lambda body: "response_format" in body,
        failing(404, _error("No endpoints found that can handle the requested parameters.", code=404)),
    ),
    "Mistral: content in parts": answers(
        completion({"role": "assistant", "content": [{"type": "text", "text": part} for part in (TEXT[:9], TEXT[9:])]})
    ),
    "Mistral: thoughts in parts": answers(
        completion(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "{hm}"}]},
                    {"type": "text", "text": TEXT},
                ],
            }
        )
    ),
    "DeepSeek: reasoning_content": answers(
        completion({"role": "assistant", "reasoning_content": "{hm}", "content": TEXT})
    ),
    "thoughts in the text": answers(chat(f"<think>Is it {{bug}}?</think>\n{TEXT}")),
    "thoughts without an opening tag": answers(chat(f'Maybe {{"category": "bug"}}?</think>\n{TEXT}')),
    "a code block": answers(chat(f"```json\n{TEXT}\n```")),
    "an example before the answer": answers(chat(f'For example {{"category": "x"}}. My answer: {TEXT} {{}}')),
    "an answer in a list": answers(chat([ANSWER])),
    "capitals, a region, numbers as text": answers(chat(SHOUTED)),
    "unknown fields": answers(chat({**ANSWER, "reasoning": "because", "id": None})),
    "a byte order mark": answers(
        http(200, b"\xef\xbb\xbf" + json.dumps({"choices": [{"message": {"content": TEXT}}]}).encode())
    ),
    "usage of nothing": answers(completion({"role": "assistant", "content": TEXT}, usage=None)),
    "usage of another type": answers(
        completion({"role": "assistant", "content": TEXT}, usage={"prompt_tokens": "many"})
    ),
    "an unknown finish_reason": answers(chat(ANSWER, finish_reason="eos")),
    "one byte at a time": answers(
        _chunked(json.dumps({"choices": [{"message": {"role": "assistant", "content": TEXT}}]}).encode())
    ),
}  # fmt: skip


def _anthropic_error(kind: str, message: str = "no", **fields: Any) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": kind, "message": message, **fields},
        "request_id": "req_011",
    }


def _claude_blocks(*blocks: dict[str, Any], stop_reason: str = "end_turn") -> Reply:
    body = {"type": "message", "role": "assistant", "content": list(blocks), "stop_reason": stop_reason}
    return http(200, json.dumps(body).encode())


ANTHROPIC: dict[str, Misbehaviour] = {
    "wrong key": always(failing(401, _anthropic_error("authentication_error", "invalid x-api-key")), "401"),
    "billing": always(failing(402, _anthropic_error("billing_error")), "402"),
    "no permission": always(failing(403, _anthropic_error("permission_error")), "403"),
    "unknown model": always(failing(404, _anthropic_error("not_found_error", "model: claude-9")), "404"),
    "credit balance too low": always(
        failing(400, _anthropic_error("invalid_request_error", "Your credit balance is too low to access")),
        "credit balance",
    ),
    "spend limit": always(
        failing(429, _anthropic_error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})),
        "429",
    ),
    "prompt too long": always(
        failing(400, _anthropic_error("invalid_request_error", "prompt is too long: 210000 tokens")), "too long"
    ),
    "request too large": always(failing(413, _anthropic_error("request_too_large")), "413"),
    "rate limit": first(failing(429, _anthropic_error("rate_limit_error"), "retry-after: 5\r\n"), GOOD_CLAUDE),
    "api_error": first(failing(500, _anthropic_error("api_error")), GOOD_CLAUDE),
    "overloaded": first(failing(529, _anthropic_error("overloaded_error", "Overloaded")), GOOD_CLAUDE, times=2),
    "overloaded for ever": always(failing(529, _anthropic_error("overloaded_error")), "529"),
    "timeout_error for ever": always(failing(504, _anthropic_error("timeout_error")), "504"),
    "overloaded in a 200": first(failing(200, _anthropic_error("overloaded_error")), GOOD_CLAUDE),
    "a page": always(page(200), "text/html"),
    "an event stream": always(
        http(200, b"event: message_start\ndata: {}\n\n", "content-type: text/event-stream\r\n"), "event-stream"
    ),
    "hangs": always(hanging, "did not answer in time", timeout=0.2),
    "Vertex: output_config refused": refuses(
        lambda body: "output_config" in body,
        failing(400, _anthropic_error("invalid_request_error", "output_config: Extra inputs are not permitted")),
        GOOD_CLAUDE,
    ),
    "output_config refused without a reason": refuses(
        lambda body: "output_config" in body, failing(400, {"message": "Bad Request"}), GOOD_CLAUDE
    ),
    "refusal": always(claude(ANSWER, "refusal"), "refused"),
    "max_tokens": always(claude(TEXT[:20], "max_tokens"), "cut off"),
    "context window": always(claude("", "model_context_window_exceeded"), "too long"),
    "pause_turn": always(_claude_blocks(stop_reason="pause_turn"), "no answer"),
    "a tool call": always(
        _claude_blocks({"type": "tool_use", "id": "t", "name": "x", "input": {}}, stop_reason="tool_use"),
        "no answer",
    ),
    "no content": always(http(200, b'{"type": "message", "content": null}'), "no answer"),
    "thoughts before the answer": answers(
        _claude_blocks(
            {"type": "thinking", "thinking": "{hm}", "signature": "x"}, {"type": "text", "text": TEXT}
        )
    ),
    "a redacted thought": answers(
        _claude_blocks({"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": TEXT})
    ),
    "an answer in two blocks": answers(
        _claude_blocks({"type": "text", "text": TEXT[:9]}, {"type": "text", "text": TEXT[9:]})
    ),
    "a code block": answers(claude(f"Here you are:\n```json\n{TEXT}\n```")),
    "capitals, a region, numbers as text": answers(claude(SHOUTED)),
    "one unusable answer": first(claude("billing"), GOOD_CLAUDE),
}  # fmt: skip
