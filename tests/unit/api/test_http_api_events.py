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


def change_request(**changes: Any) -> dict[str, Any]:
    return EVENT | {"requestContext": {"http": HTTP | changes}}


@pytest.mark.parametrize(
    "event", [EVENT, EVENT | {"body": None}, EVENT | {"body": "e30=", "isBase64Encoded": True}]
)
def test_a_request_is_accepted(event: dict[str, Any]) -> None:
    assert http_api_events.reject_foreign(event) is None


OTHER_EVENTS = {
    "null": None,
    "a list": [],
    "an empty object": {},
    "an SQS event": {"Records": [{"messageId": "1", "body": "{}"}]},
    "format 1.0": EVENT | {"version": "1.0", "httpMethod": "GET", "path": "/", "resource": "/"},
    "format 3.0": EVENT | {"version": "3.0"},
    "a version that is a number": EVENT | {"version": 2.0},
    "a load balancer's event": {
        "httpMethod": "GET",
        "path": "/",
        "requestContext": {"elb": {}},
        "headers": {},
    },
    "no request context": {name: value for name, value in EVENT.items() if name != "requestContext"},
    "no method": EVENT | {"requestContext": {"http": {"path": "/", "sourceIp": "192.0.2.1"}}},
    "a path that is not text": change_request(path=None),
    "headers that are not text": EVENT | {"headers": {"host": ["a"]}},
    "a body that is not base64": EVENT | {"body": "a", "isBase64Encoded": True},
    "an invalid host": EVENT | {"headers": {"Host": "a:b:c"}},
    "an invalid port": EVENT | {"headers": {"X-Forwarded-Port": "https"}},
    "half a surrogate pair": change_request(path="/\ud800"),
}


@pytest.mark.parametrize("name", OTHER_EVENTS)
def test_any_other_event_gets_a_problem(name: str) -> None:
    response = http_api_events.reject_foreign(OTHER_EVENTS[name])
    assert response is not None
    assert response["statusCode"] == 400
    assert response["headers"] == {"content-type": "application/problem+json"}
    problem = json.loads(response["body"])
    assert problem["status"] == 400
    assert problem["detail"].startswith("the event is not a request of an HTTP API: ")
    assert not {"Object", "Expected", "surrogates"} & set(problem["detail"].split())


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
def test_mangum_can_read_every_accepted_event(event: dict[str, Any]) -> None:
    if http_api_events.reject_foreign(event) is None:
        request = HTTPGateway(event, None, CONFIG)
        assert request.scope["type"] == "http"
        assert isinstance(request.body, bytes)
