"""Lambda's side of an HTTP API: its events in the payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import binascii
import re
from base64 import b64decode
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ticketctl.api.problems import problem

_HOST = re.compile(r"[^:]*(?::[0-9]{1,5})?")
_PORT = re.compile(r"[0-9]{1,5}")


class _Http(Struct):
    method: str
    path: str
    source_ip: str = msgspec.field(name="sourceIp")


class _RequestContext(Struct):
    http: _Http


class _Event(Struct, rename="camel"):
    """What of an event is read; more may be there."""

    version: Literal["2.0"]
    request_context: _RequestContext
    raw_query_string: str = ""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    body: str | None = None
    is_base64_encoded: bool = False


def refusal(event: object) -> dict[str, Any] | None:
    """The response to an event that is no request of an HTTP API in format 2.0, None where it is one."""
    try:
        _check(msgspec.convert(event, _Event))
    except (msgspec.ValidationError, ValueError) as error:
        return _response(str(error))
    return None


def _check(event: _Event) -> None:
    """Refuse what cannot be read as a request. Raises ValueError."""
    msgspec.json.encode(event)  # half a surrogate pair is no text
    if event.is_base64_encoded:
        try:
            b64decode(event.body or "")
        except binascii.Error:
            raise ValueError("the body is not base64") from None
    headers = {name.lower(): value for name, value in event.headers.items()}
    if not (
        _HOST.fullmatch(headers.get("host", "")) and _PORT.fullmatch(headers.get("x-forwarded-port", "80"))
    ):
        raise ValueError("the host cannot be read")


def _response(reason: str) -> dict[str, Any]:
    told = problem(
        HTTPStatus.BAD_REQUEST,
        f"the event is no request of an HTTP API: {reason[:1].lower()}{reason[1:]}",
        hint="API Gateway's HTTP API sends it, with payload format version 2.0",
    ).response()
    return {
        "statusCode": told.status_code,
        "headers": {"content-type": told.headers["content-type"]},
        "body": bytes(told.body).decode(),
        "isBase64Encoded": False,
    }
