import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mangum.handlers import HTTPGateway

from ticketctl.api import http_api_events

EVENT: dict[str, Any] = {
    "version": "2.0",
    "rawQueryString": "limit=1",
    "headers": {"host": "abc.execute-api.eu-central-1.amazonaws.com", "x-forwarded-port": "443"},
    "requestContext": {"http": {"method": "GET", "path": "/tickets", "sourceIp": "192.0.2.1"}},
    "isBase64Encoded": False,
}
CONFIG = {"api_gateway_base_path": "/", "text_mime_types": [], "exclude_headers": []}
HTTP = EVENT["requestContext"]["http"]


def handle_http_error(**changes: Any) -> dict[str, Any]:
    return EVENT | {"requestContext": {"http": HTTP | changes}}


@pytest.mark.parametrize(
    "event", [EVENT, EVENT | {"body": None}, EVENT | {"body": "e30=", "isBase64Encoded": True}]
)
def test_a_request_is_let_through(event: dict[str, Any]) -> None:
    assert http_api_events.reject_foreign(event) is None


NO_REQUESTS = {
    "nothing": None,
    "a list": [],
    "an empty object": {},
    "a message of a queue": {"Records": [{"messageId": "1", "body": "{}"}]},
    "the older format": EVENT | {"version": "1.0", "httpMethod": "GET", "path": "/", "resource": "/"},
    "a later format": EVENT | {"version": "3.0"},
    "a version that is a number": EVENT | {"version": 2.0},
    "a load balancer's": {"httpMethod": "GET", "path": "/", "requestContext": {"elb": {}}, "headers": {}},
    "no context": {name: value for name, value in EVENT.items() if name != "requestContext"},
    "no method": EVENT | {"requestContext": {"http": {"path": "/", "sourceIp": "192.0.2.1"}}},
    "a path that is no text": handle_http_error(path=None),
    "headers that are no texts": EVENT | {"headers": {"host": ["a"]}},
    "no base64": EVENT | {"body": "a", "isBase64Encoded": True},
    "a host that is none": EVENT | {"headers": {"Host": "a:b:c"}},
    "a port that is none": EVENT | {"headers": {"X-Forwarded-Port": "https"}},
    "half a surrogate pair": handle_http_error(path="/\ud800"),
}


@pytest.mark.parametrize("name", NO_REQUESTS)
def test_anything_else_is_answered_as_a_problem(name: str) -> None:
    answer = http_api_events.reject_foreign(NO_REQUESTS[name])
    assert answer is not None
    assert answer["statusCode"] == 400
    assert answer["headers"] == {"content-type": "application/problem+json"}
    told = json.loads(answer["body"])
    assert told["status"] == 400
    assert told["detail"].startswith("the event is not a request of an HTTP API: ")


texts = st.text() | st.none() | st.integers() | st.text(st.characters(categories=["Cs", "L"]))
requests = st.fixed_dictionaries(
    {
        "version": st.just("2.0"),
        "requestContext": st.fixed_dictionaries(
            {"http": st.fixed_dictionaries({"method": texts, "path": texts, "sourceIp": texts})}
        ),
    },
    optional={
        "rawQueryString": texts,
        "headers": st.dictionaries(
            st.sampled_from(["host", "Host", "x-forwarded-port", "a"]) | st.text(), texts
        ),
        "cookies": st.lists(texts),
        "body": texts,
        "isBase64Encoded": st.booleans(),
    },
)


@given(requests)
def test_what_is_let_through_can_be_read(event: dict[str, Any]) -> None:
    if http_api_events.reject_foreign(event) is None:
        reading = HTTPGateway(event, None, CONFIG)
        assert reading.scope["type"] == "http"
        assert isinstance(reading.body, bytes)
