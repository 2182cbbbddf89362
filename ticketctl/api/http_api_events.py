"""Events that API Gateway's HTTP API sends to Lambda, in payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import binascii
import re
from base64 import b64decode
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ticketctl.api.problems import problem_for
from ticketctl.errors import explain_validation_error

_HOST = re.compile(r"[^:]*(?::[0-9]{1,5})?")
_PORT = re.compile(r"[0-9]{1,5}")


class _Http(Struct):
    method: str
    path: str
    source_ip: str = msgspec.field(name="sourceIp")


class _RequestContext(Struct):
    http: _Http


class _Event(Struct, rename="camel"):
    """The fields of an event that are read; an event has more."""

    version: Literal["2.0"]
    request_context: _RequestContext
    raw_query_string: str = ""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    body: str | None = None
    is_base64_encoded: bool = False


def reject_foreign(event: object) -> dict[str, Any] | None:
    """Return the response to an event that is not a request in format 2.0, or None if it is one."""
    try:
        _check(msgspec.convert(event, _Event))
    except msgspec.ValidationError as error:
        field, reason = explain_validation_error(str(error))
        return _response(f"{field or 'the event'}: {reason}")
    except ValueError as error:
        return _response(str(error))
    return None


def _check(event: _Event) -> None:
    """Raise ValueError if the event cannot be read as a request."""
    try:
        msgspec.json.encode(event)
    except UnicodeEncodeError:  # half a surrogate pair
        raise ValueError("it is not valid text") from None
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
    response = problem_for(
        HTTPStatus.BAD_REQUEST,
        f"the event is not a request of an HTTP API: {reason}",
        hint="call the function through an HTTP API with payload format version 2.0",
    ).to_response()
    return {
        "statusCode": response.status_code,
        "headers": {"content-type": response.headers["content-type"]},
        "body": bytes(response.body).decode(),
        "isBase64Encoded": False,
    }
