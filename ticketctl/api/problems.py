"""What a client is told of an error: problem details (RFC 9457), made of the error tree in this one place."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ticketctl.errors import (
    ConfigError,
    ConflictError,
    DatabaseError,
    InvalidInputError,
    NotFoundError,
    ProviderError,
    QueueError,
    TicketctlError,
    UnsafeError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUSES: Mapping[type[TicketctlError], HTTPStatus] = MappingProxyType(
    {
        InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
        ConflictError: HTTPStatus.CONFLICT,
        NotFoundError: HTTPStatus.NOT_FOUND,
        ConfigError: HTTPStatus.INTERNAL_SERVER_ERROR,
        DatabaseError: HTTPStatus.SERVICE_UNAVAILABLE,
        QueueError: HTTPStatus.SERVICE_UNAVAILABLE,
        ProviderError: HTTPStatus.SERVICE_UNAVAILABLE,
        UnsafeError: HTTPStatus.INTERNAL_SERVER_ERROR,
        TicketctlError: HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)
"""The status of each error; one that is not named has its nearest ancestor's."""
_BUG = "this is a bug in ticketctl; its log tells more"
_DETAILS = {
    400: "the body is not JSON",
    401: "a bearer token is needed",
    403: "the token may only read",
    404: "there is no ticket 4711",
    409: "ticket 4711 is processed and cannot be retried",
    413: "the body is larger than 2,500,000 bytes",
    422: "the subject is empty",
    429: "this client asks too often",
    500: _BUG,
    503: DatabaseError.__doc__,
}
"""An example for each status."""
_TOLD = 20
"""Things wrong with one request that are told: it may have thousands of unknown fields."""
_HEADERS = {401: {"WWW-Authenticate": "string"}, 429: {"Retry-After": "integer"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """One thing that is wrong with a request: where ("body.subject", "query.limit"), and what."""

    at: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as RFC 9457 has it: what happened in `detail`, what to do next in `hint`."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    hint: str | None = None
    errors: list[Invalid] | None = None

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The problem as a response; what it does not tell is left out."""
        told = {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}
        return Response(msgspec.json.encode(told), self.status, headers, MEDIA_TYPE)


def problem(
    status: int, detail: str | None, *, hint: str | None = None, errors: list[Invalid] | None = None
) -> Problem:
    """The problem of a status, with its standard title."""
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=status, detail=detail, hint=hint, errors=errors)


def handle(app: FastAPI) -> None:
    """Have every error of the application answered as a problem."""
    app.add_exception_handler(TicketctlError, _of_error)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Exception, _of_bug)


async def _of_error(_: Request, error: Exception) -> Response:
    """Of the error tree. What failed on our side goes to the log: it may name hosts, which are no client's business."""
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem(status, str(error), hint=getattr(error, "hint", None)).response()
    log.error("%s", error, exc_info=error)
    return problem(status, type(error).__doc__).response()


async def of_http(_: Request, error: Exception) -> Response:
    """Of a refusal that is HTTP's own: no such path, no such method, no token."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return problem(error.status_code, detail).response(error.headers)


async def _of_validation(_: Request, error: Exception) -> Response:
    """Of a request that does not fit its description; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem(HTTPStatus.BAD_REQUEST, "the body is not JSON").response()
    errors = [Invalid(at=".".join(map(str, one["loc"])), detail=one["msg"]) for one in found[:_TOLD]]
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "the request does not fit its description", errors=errors
    ).response()


async def _of_bug(_: Request, __: Exception) -> Response:
    """Of anything else, which the server then logs with its traceback."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, _BUG).response()


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses for an OpenAPI document: a problem for each status."""
    return {status: _documented(status) for status in statuses}


def _documented(status: int) -> dict[str, Any]:
    phrase, detail = HTTPStatus(status).phrase, _DETAILS[status]
    example = {"type": "about:blank", "title": phrase, "status": status, "detail": detail}
    headers = {name: {"schema": {"type": kind}} for name, kind in _HEADERS.get(status, {}).items()}
    return {
        "description": phrase,
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
