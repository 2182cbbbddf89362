"""Whatever a server sends ends in a completion or in one of the provider's own errors."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.ai.providers import anthropic, openai
from ticketctl.ai.providers.chat import Completion
from ticketctl.ai.providers.error_responses import (
    RequestRefusedError,
    Response,
    RetryableError,
    parse_response,
)
from ticketctl.ai.providers.response_parsing import (
    UnusableResponseError,
    parse_classification,
    parse_draft,
    parse_extraction,
)
from ticketctl.ai.redaction import redact
from ticketctl.ai.taxonomy.loader import default_taxonomy

KEYS = st.sampled_from(
    [
        *("error", "message", "detail", "details", "code", "type", "status", "choices", "content", "text"),
        *(
            "finish_reason",
            "stop_reason",
            "refusal",
            "usage",
            "completion_tokens",
            "retryDelay",
            "innererror",
        ),
        *(
            "category",
            "priority",
            "sentiment",
            "language",
            "confidence",
            "entities",
            "kind",
            "value",
            "reply",
        ),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["429", "billing", "en-US", "0.5", "high", "Negative", "email"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=5),
    max_leaves=15,
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "content-type", "x-amzn-errortype"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
)
TAXONOMY = default_taxonomy()


def response(status: int, body: bytes, headers: dict[str, str]) -> Response:
    return Response(status, httpx.Headers(headers), body, httpx.Headers({"authorization": "Bearer k"}))


@given(status=st.integers(100, 599), body=VALUES.map(json.dumps) | st.text(), headers=HEADERS)
def test_any_response_is_an_object_or_an_error_of_the_provider(status, body, headers):
    try:
        parsed = parse_response(response(status, body.encode(errors="replace"), headers))
    except (RequestRefusedError, RetryableError) as error:
        parsed, message = {}, str(error)
    else:
        message = ""
    assert isinstance(parsed, dict)
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("module", [openai, anthropic])
@given(body=st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_object_is_a_completion(module, body):
    assert isinstance(module._parse_completion(body), Completion)


@given(body=st.dictionaries(KEYS, VALUES, max_size=9), around=st.text(max_size=20))
def test_any_text_is_a_result_or_unusable(body, around):
    text = f"{around}{json.dumps(body)}{around}"
    ticket = "Mail me at ada@example.com"
    for parse in (
        lambda: parse_classification(text, TAXONOMY),
        lambda: parse_extraction(text, TAXONOMY, ticket, redact(ticket)),
        lambda: parse_draft(text, TAXONOMY, ticket, redact(ticket)),
    ):
        try:
            parse()
        except UnusableResponseError as error:
            problem = str(error)
        else:
            problem = ""
        assert "Expected `" not in problem


@pytest.mark.parametrize(
    "text", ["{" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "{", "<think>" * 100_000, "</think>{" * 10_000]
)
def test_hostile_nesting_is_unusable_at_once(text):
    with pytest.raises(UnusableResponseError):
        parse_classification(text, TAXONOMY)


def test_a_hostile_page_is_refused_at_once():
    page = response(500, b"<script>" * 500_000, {"content-type": "text/html"})
    with pytest.raises(RetryableError, match="answers 500"):
        parse_response(page)
