"""Request ids: accepted or made, returned, and in every log record of the request."""

import logging
import re
from typing import Any

import httpx
import pytest

from ticketctl.api.request_log import RequestLogMiddleware
from ticketctl.telemetry.logs import REQUEST_ID

log = logging.getLogger(__name__)
INVALID = ["", "a" * 129, "a b", 'a"b', "<script>"]


async def application(scope: Any, _: Any, send: Any) -> None:
    assert REQUEST_ID.get()
    if scope["path"] == "/broken":
        raise ConnectionError
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def request(path: str = "/tickets", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(RequestLogMiddleware(application), client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.get(path, headers=headers)


async def test_a_clients_id_is_returned() -> None:
    response = await request(**{"X-Request-ID": "order-4711:a.b_c"})
    assert response.headers["x-request-id"] == "order-4711:a.b_c"
    assert REQUEST_ID.get() is None


@pytest.mark.parametrize("sent", INVALID)
async def test_an_invalid_id_is_replaced(sent: str) -> None:
    response = await request(**{"X-Request-ID": sent})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


async def test_the_id_of_lambda_is_used() -> None:
    token = REQUEST_ID.set("aws-id")
    try:
        assert (await request()).headers["x-request-id"] == "aws-id"
    finally:
        REQUEST_ID.reset(token)


@pytest.mark.parametrize(("path", "status"), [("/tickets", 204), ("/broken", 0)])
async def test_each_request_is_logged(caplog: pytest.LogCaptureFixture, path: str, status: int) -> None:
    caplog.set_level(logging.INFO)
    try:
        await request(path)
    except ConnectionError:
        assert path == "/broken"
    (record,) = [one for one in caplog.records if one.name == "ticketctl.api.request_log"]
    fields = {name: record.__dict__[name] for name in ("method", "path", "status", "client")}
    assert fields == {"method": "GET", "path": path, "status": status, "client": "192.0.2.1"}
    assert record.getMessage().startswith(f"GET {path}: {status} in ")
