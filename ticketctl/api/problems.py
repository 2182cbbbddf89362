"""Errors as problem details (RFC 9457): the one place that maps the error tree to HTTP responses."""

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
"""The status of each error class; other classes get that of their nearest ancestor."""
_BUG = "this is a bug in ticketctl; see its log"
_DETAILS = {
    400: "the body is not JSON",
    401: "a bearer token is required",
    403: "the token may only read",
    404: "there is no ticket 4711",
    409: "ticket 4711 is processed and cannot be retried",
    408: "the body did not arrive within 20 seconds",
    413: "the body is larger than 2,500,000 bytes",
    422: "the subject is empty",
    429: "this client sends too many requests",
    500: _BUG,
    503: DatabaseError.__doc__,
}
"""An example for each status."""
_MAXIMUM_ERRORS = 20
"""Validation errors in one response: a request may have thousands of unknown fields."""
_RETRY_AFTER = {"Retry-After": "5"}
"""Seconds after which a client should repeat a request that got 503."""
_HEADERS = {
    401: {"WWW-Authenticate": "string"},
    429: {"Retry-After": "integer"},
    503: {"Retry-After": "integer"},
}
_CONSTRAINTS = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "string_type": "it must be text",
    "string_unicode": "it is not valid text",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_parsing_size": "the number is too large",
    "int_from_float": "it must be a whole number",
    "model_attributes_type": "it must be an object",
    "dict_type": "it must be an object",
}
"""What is wrong, in plain words, by the type of the validation error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One invalid part of a request: its place ("body.subject", "query.limit") and the reason."""

    at: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document of RFC 9457: `detail` says what happened, `hint` what to do next."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    hint: str | None = None
    errors: list[FieldError] | None = None

    def to_response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Return the problem as a response without its empty fields."""
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers = {**_RETRY_AFTER, **(headers or {})}
        document = {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}
        return Response(msgspec.json.encode(document), self.status, headers, MEDIA_TYPE)


def problem_for(
    status: int, detail: str | None, *, hint: str | None = None, errors: list[FieldError] | None = None
) -> Problem:
    """Return the problem of a status, with the status's standard title."""
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=status, detail=detail, hint=hint, errors=errors)


def stopping_error() -> HTTPException:
    """Return the error of a request that the server cannot wait for, because it stops."""
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the server is stopping")


def respond_to_stop() -> Response:
    """Return the response to a request that is given up, because the server stops."""
    error = stopping_error()
    return problem_for(error.status_code, error.detail).to_response()


def register_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    app.add_exception_handler(TicketctlError, _handle_error)
    app.add_exception_handler(HTTPException, handle_http_error)
    app.add_exception_handler(RequestValidationError, _handle_invalid_request)
    app.add_exception_handler(Exception, _handle_bug)


async def _handle_error(_: Request, error: Exception) -> Response:
    """Map an error of the error tree. A server-side failure is logged, not returned: its text may name hosts."""
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem_for(status, str(error), hint=getattr(error, "hint", None)).to_response()
    log.error("%s", error, exc_info=error)
    return problem_for(status, type(error).__doc__).to_response()


async def handle_http_error(_: Request, error: Exception) -> Response:
    """Map an HTTP error: unknown path, wrong method, missing token."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for this class only
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return problem_for(error.status_code, detail).to_response(error.headers)


async def _handle_invalid_request(_: Request, error: Exception) -> Response:
    """Map an invalid request. The response does not repeat what was sent."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem_for(HTTPStatus.BAD_REQUEST, "the body is not JSON").to_response()
    errors = [
        FieldError(at=".".join(map(str, one["loc"])), detail=_explain(one)) for one in found[:_MAXIMUM_ERRORS]
    ]
    return problem_for(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is invalid", errors=errors).to_response()


def _explain(error: Mapping[str, Any]) -> str:
    """Return what is wrong with one field in plain words."""
    expected = error.get("ctx", {}).get("expected")
    if expected is not None:  # an enumeration or literal: "'a', 'b' or 'c'"
        return f"it must be {expected.replace(chr(39), '')}"
    return _CONSTRAINTS.get(error["type"], "it is invalid")


async def _handle_bug(_: Request, __: Exception) -> Response:
    """Map any other exception; the server logs it with its traceback."""
    return problem_for(HTTPStatus.INTERNAL_SERVER_ERROR, _BUG).to_response()


def document_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses: a problem for each status."""
    return {status: _document_response(status) for status in statuses}


def _document_response(status: int) -> dict[str, Any]:
    phrase, detail = HTTPStatus(status).phrase, _DETAILS[status]
    example = {"type": "about:blank", "title": phrase, "status": status, "detail": detail}
    headers = {name: {"schema": {"type": kind}} for name, kind in _HEADERS.get(status, {}).items()}
    return {
        "description": phrase,
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
