"""POST JSON to an AI provider: bounded in time and size, retried where a retry can help."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import msgspec

from ticketctl.ai.providers.authentication import Authentication
from ticketctl.ai.providers.error_responses import (
    AccountRefusedError,
    ProviderUnavailableError,
    Response,
    RetryableError,
    parse_response,
)
from ticketctl.processing.deadline import OutOfTimeError, get_remaining_seconds
from ticketctl.telemetry.protocols import OFF, Attributes, Span, Telemetry

if TYPE_CHECKING:
    from ssl import SSLContext

log = logging.getLogger(__name__)

RESERVED_SECONDS = 1.0
"""Seconds kept free before the deadline, so that the offline engine can still answer instead of the provider."""

FAIR_SECONDS = 10.0
"""Seconds after which a provider without an answer counts as slow; before, the invocation counts as out of time."""

MAX_RESPONSE_SECONDS = 600.0
"""Seconds one whole response may take while bytes keep arriving; a longer read timeout raises this limit."""

MAX_RESPONSE_BYTES = 4_000_000
"""Bytes one response may have; a response of 2,000 tokens has about 10,000."""

_FIRST_BACKOFF, _MAX_BACKOFF, _MAX_RETRY_AFTER = 0.5, 8.0, 60.0  # seconds

OnUnanswered = Callable[[int], None]
"""Is called with the bytes of a request that the server may have processed, and billed, without a usable response."""


class HttpClient:
    """POST JSON to one provider.

    `client` belongs to the running loop. `retries` counts the attempts after the first. `sleep` waits between
    attempts, and `max_seconds` bounds one response; tests replace both.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        authentication: Authentication,
        *,
        retries: int,
        max_seconds: float = MAX_RESPONSE_SECONDS,
        telemetry: Telemetry = OFF,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._telemetry = telemetry
        self._authentication = authentication
        self._max_seconds = max(max_seconds, client.timeout.read or 0.0)
        self._retries = retries
        self._sleep = sleep

    async def post(
        self, url: str, headers: Mapping[str, str], body: Any, on_unanswered: OnUnanswered
    ) -> dict[str, Any]:
        """Return the JSON object of the server's response.

        Raises:
            ProviderUnavailableError: All attempts failed, or the time ran out.
            RequestRefusedError: The server refuses the request itself.
            AccountRefusedError: The server refuses every request of this account.
            OutOfTimeError: The invocation has too little time left for a request.
        """
        content = msgspec.json.encode(body)
        headers = {**headers, "content-type": "application/json"}
        attempt, is_renewed = 0, False
        credentials: dict[str, str] = {}
        while True:
            try:
                with self._telemetry.span("POST", "client", _describe_request(url, attempt)) as span:
                    return await self._attempt(url, headers, content, credentials, on_unanswered, span)
            except AccountRefusedError as error:
                is_key = error.status == HTTPStatus.UNAUTHORIZED
                if is_renewed or not is_key or not await self._authentication.renew(credentials):
                    raise
                is_renewed = True
            except RetryableError as error:
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

    async def _attempt(
        self,
        url: str,
        headers: Mapping[str, str],
        content: bytes,
        credentials: dict[str, str],
        on_unanswered: OnUnanswered,
        span: Span,
    ) -> dict[str, Any]:
        """Send the request once, with new `credentials`."""
        available = get_remaining_seconds() - RESERVED_SECONDS
        if available <= 0:
            raise OutOfTimeError("no time is left to ask the AI provider")
        received = _Received()
        try:
            async with asyncio.timeout(min(available, self._max_seconds)):
                credentials.update(await self._authentication.headers(url, headers, content))
                response = await self._send(url, {**headers, **credentials}, content, received)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, UnicodeError, _OversizedError) as error:
            if _may_be_billed(error, received):
                on_unanswered(len(content))
            raise self._translate(error, available) from error
        finally:
            if received.status:
                span.set_attributes({"http.response.status_code": received.status})
        return parse_response(response)

    def _translate(self, error: Exception, available: float) -> Exception:
        """Return the provider error that a failed transfer stands for."""
        if isinstance(error, TimeoutError):
            return self._timeout_error(available)
        match error:
            case _OversizedError():
                return ProviderUnavailableError(
                    f"the AI provider's answer is longer than {MAX_RESPONSE_BYTES:,} bytes"
                )
            case httpx.InvalidURL() | httpx.UnsupportedProtocol() | UnicodeError():
                return AccountRefusedError(
                    f"the AI provider's address cannot be used: {error}",
                    status=0,
                    hint="check TICKETCTL_AI_BASE_URL",
                )
            case httpx.TimeoutException():
                return RetryableError(f"the AI provider did not answer in time ({type(error).__name__})")
        return RetryableError(f"the AI provider cannot be reached: {str(error) or type(error).__name__}")

    def _timeout_error(self, available: float) -> Exception:
        """Return the error for a request that had `available` seconds and got no whole response."""
        if available > self._max_seconds:
            return ProviderUnavailableError(
                f"the AI provider did not finish its answer within {self._max_seconds:g} s"
            )
        if available < min(FAIR_SECONDS, self._client.timeout.read or FAIR_SECONDS):
            return OutOfTimeError("the AI provider did not answer in the time left")
        return ProviderUnavailableError(f"the AI provider did not answer within {available:.0f} s")

    async def _send(
        self, url: str, headers: Mapping[str, str], content: bytes, received: "_Received"
    ) -> Response:
        """Return the whole response; stop reading at MAX_RESPONSE_BYTES, because a server may never stop sending."""
        body = bytearray()
        async with self._client.stream("POST", url, headers=dict(headers), content=content) as response:
            received.status = response.status_code
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_RESPONSE_BYTES:
                    raise _OversizedError
        return Response(response.status_code, response.headers, bytes(body), response.request.headers)


def _describe_request(url: str, attempt: int) -> Attributes:
    """Return the attributes of a request's span, by the semantic conventions of HTTP clients."""
    attributes: dict[str, str | int] = {"http.request.method": "POST"}
    with suppress(ValueError):  # the request itself reports an address that cannot be used
        parts = urlsplit(url)
        attributes |= {
            # without a user and a password
            "url.full": parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
            "server.address": parts.hostname or "",
            "server.port": parts.port or (443 if parts.scheme == "https" else 80),
        }
    return attributes | ({"http.request.resend_count": attempt} if attempt else {})


class _Received:
    """What has arrived of a response so far; `status` is 0 before its first line."""

    status = 0


class _OversizedError(Exception):
    """The response is longer than MAX_RESPONSE_BYTES."""


def _may_be_billed(error: Exception, received: _Received) -> bool:
    """Whether the server may have run the model although no usable response came.

    It may after a timeout before the response began, and after a successful response that was not received whole.
    """
    if isinstance(error, TimeoutError | httpx.ReadTimeout) and received.status == 0:
        return True
    return received.status == HTTPStatus.OK


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


def _backoff(attempt: int) -> float:
    """Return the seconds before the next attempt: doubled each time, with jitter so that clients spread out."""
    delay = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2.0**attempt)
    return delay * random.uniform(0.75, 1.0)  # noqa: S311  (jitter is no secret)
