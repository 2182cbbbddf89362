"""POST JSON to an AI provider: bounded in time and size, retried where a retry can help."""

import asyncio
import logging
import math
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import msgspec

from ticketctl.ai.sanitize import strip_invisible
from ticketctl.errors import ProviderError
from ticketctl.processing.deadline import get_remaining_seconds

if TYPE_CHECKING:
    from ssl import SSLContext

log = logging.getLogger(__name__)

RESERVED_SECONDS = 1.0
"""Seconds kept free before the deadline, so that the offline engine can still answer instead of the provider."""

MAX_RESPONSE_SECONDS = 600.0
"""Seconds one whole response may take while bytes keep arriving; a longer read timeout raises this limit."""

MAX_RESPONSE_BYTES = 4_000_000
"""Bytes one response may have; a response of 2,000 tokens has about 10,000."""

_RETRYABLE_STATUSES = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)
_FIRST_BACKOFF, _MAX_BACKOFF, _MAX_RETRY_AFTER = 0.5, 8.0, 60.0  # seconds
_MONEY = re.compile(r"quota|credit_balance|credit balance|spend_limit|spend limit|billing", re.IGNORECASE)
_QUOTED_CHARACTERS = 200  # of the server's own error text
_HINTS = {
    401: "check TICKETCTL_AI_API_KEY",
    403: "check TICKETCTL_AI_API_KEY and its permissions",
    404: "check TICKETCTL_AI_BASE_URL and TICKETCTL_AI_MODEL",
}


class ProviderUnavailableError(ProviderError):
    """The AI provider cannot be reached, or keeps failing; it may work again later."""


class RequestRefusedError(ProviderError):
    """The AI provider refuses this request, and would refuse it again. `status` is the HTTP status."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class _RetryableError(Exception):
    """A failure that may pass; `wait` is the number of seconds that the server asks for, None if it names none."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class _Response(NamedTuple):
    """A complete response, and the headers of its request."""

    status: int
    headers: httpx.Headers
    body: bytes
    request_headers: httpx.Headers

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class HttpClient:
    """POST JSON to one provider.

    `client` belongs to the running loop. `retries` counts the attempts after the first. `sleep` waits between
    attempts, and `max_seconds` bounds one response; tests replace both.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        retries: int,
        max_seconds: float = MAX_RESPONSE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._max_seconds = max(max_seconds, client.timeout.read or 0.0)
        self._retries = retries
        self._sleep = sleep

    async def post(self, url: str, headers: Mapping[str, str], body: Any) -> dict[str, Any]:
        """Return the JSON object of the server's response.

        Raises:
            ProviderUnavailableError: All attempts failed, or the time ran out.
            RequestRefusedError: The server refuses the request itself.
        """
        content = msgspec.json.encode(body)
        headers = {**headers, "content-type": "application/json"}
        attempt = 0
        while True:
            try:
                return await self._attempt(url, headers, content)
            except _RetryableError as error:
                wait = _backoff(attempt) if error.wait is None else error.wait
                if (
                    attempt == self._retries
                    or wait > _MAX_RETRY_AFTER
                    or wait > get_remaining_seconds() - RESERVED_SECONDS
                ):
                    raise ProviderUnavailableError(str(error)) from error
                log.info(
                    "retrying the request to the AI provider", extra={"reason": str(error), "wait": wait}
                )
                await self._sleep(wait)
                attempt += 1

    async def _attempt(self, url: str, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
        available = get_remaining_seconds() - RESERVED_SECONDS
        if available <= 0:
            raise ProviderUnavailableError("no time is left to ask the AI provider")
        try:
            async with asyncio.timeout(min(available, self._max_seconds)):
                response = await self._send(url, headers, content)
        except TimeoutError:
            if available > self._max_seconds:
                raise ProviderUnavailableError(
                    f"the AI provider did not finish its answer within {self._max_seconds:g} s"
                ) from None
            raise ProviderUnavailableError("the AI provider did not answer in the time left") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise RequestRefusedError(
                f"the AI provider's address cannot be used: {error}",
                status=0,
                hint="check TICKETCTL_AI_BASE_URL",
            ) from error
        except httpx.TimeoutException as error:
            raise _RetryableError(
                f"the AI provider did not answer in time ({type(error).__name__})"
            ) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _RetryableError(
                f"the AI provider cannot be reached: {str(error) or type(error).__name__}"
            ) from error
        return _parse_response(response)

    async def _send(self, url: str, headers: Mapping[str, str], content: bytes) -> _Response:
        """Return the whole response; stop reading at MAX_RESPONSE_BYTES, because a server may never stop sending."""
        body = bytearray()
        async with self._client.stream("POST", url, headers=dict(headers), content=content) as response:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_RESPONSE_BYTES:
                    raise ProviderUnavailableError(
                        f"the AI provider's answer is longer than {MAX_RESPONSE_BYTES:,} bytes"
                    )
        return _Response(response.status_code, response.headers, bytes(body), response.request.headers)


def open_client(timeout: float) -> httpx.AsyncClient:
    """Return a client for the running loop; `timeout` in seconds bounds each wait for the server's next bytes."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
        verify=_tls_context(),
        follow_redirects=False,
    )


@cache
def _tls_context() -> "SSLContext":
    """Return the TLS context of the process: reading the certificates is slow, and it is bound to no loop."""
    return httpx.create_ssl_context()


def _parse_response(response: _Response) -> dict[str, Any]:
    """Return the JSON object in a response, or raise the error that its status and text stand for."""
    status = response.status
    if status == HTTPStatus.OK:
        try:
            return msgspec.json.decode(response.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _RetryableError("the AI provider did not answer with a JSON object") from error
    message = f"the AI provider answers {status}: {_error_text(response)}"
    if status == HTTPStatus.PAYMENT_REQUIRED or (
        status == HTTPStatus.TOO_MANY_REQUESTS and _MONEY.search(response.text)
    ):
        raise RequestRefusedError(
            message, status=status, hint="the account has no money left: see the provider's billing page"
        )
    if status in _RETRYABLE_STATUSES or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    ):
        raise _RetryableError(message, _retry_after(response.headers))
    raise RequestRefusedError(message, status=status, hint=_HINTS.get(status))


def _error_text(response: _Response) -> str:
    """Return what the server says went wrong, in one line; its body may be JSON, text or a page of HTML."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = re.sub(r"<(script|style)\b.*?</\1>|<[^>]{0,500}>", " ", response.text, flags=re.DOTALL)
    for key in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(key):
            body = body[key]
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return " ".join(strip_invisible(_mask_key(text, response)).split())[:_QUOTED_CHARACTERS] or "(empty)"


def _mask_key(text: str, response: _Response) -> str:
    """Replace the API key in a server's text: some servers repeat the key that they refuse."""
    headers = (response.request_headers.get(name, "") for name in ("authorization", "x-api-key"))
    for key in filter(None, (header.removeprefix("Bearer ") for header in headers)):
        text = text.replace(key, "********")
    return text


def _retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds that a server asks to wait: retry-after-ms, or retry-after in seconds or as a date."""
    try:
        if "retry-after-ms" in headers:
            return _finite_seconds(float(headers["retry-after-ms"]) / 1000)
        after = headers.get("retry-after", "")
        return (
            _finite_seconds(float(after)) if re.fullmatch(r"\s*[\d.]+\s*", after) else _seconds_until(after)
        )
    except ValueError:
        return None


def _seconds_until(date: str) -> float | None:
    if not date:
        return None
    when = parsedate_to_datetime(date)
    now = datetime.fromtimestamp(time.time(), UTC)
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())


def _finite_seconds(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _backoff(attempt: int) -> float:
    """Return the seconds before the next attempt: doubled each time, with jitter so that clients spread out."""
    delay = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2.0**attempt)
    return delay * random.uniform(0.75, 1.0)  # noqa: S311  (jitter is no secret)
