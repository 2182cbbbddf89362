"""Sends JSON to a provider over HTTP, again and again where that may help, and never longer than there is time."""

import asyncio
import logging
import math
import random
import re
import time
from asyncio import sleep
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import msgspec

from ticketctl.ai.sanitize import strip_invisible
from ticketctl.errors import ProviderError
from ticketctl.processing.deadline import remaining

if TYPE_CHECKING:
    from ssl import SSLContext

log = logging.getLogger(__name__)

RESERVE = 1.0
"""Seconds before the deadline at which nothing more is waited for: the offline engine still has to stand in."""

_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.5, 8.0, 60.0  # seconds: backing off, and at a server's own wish
_MONEY = re.compile(r"quota|credit_balance|credit balance|spend_limit|spend limit|billing", re.IGNORECASE)
_SHOWN = 200  # characters of a server's own words

LONGEST = 600.0
"""Seconds that one answer may take as a whole, however steadily it comes, unless its first byte may take longer."""

LARGEST = 4_000_000
"""Bytes of an answer at most; one of two thousand tokens has some ten thousand."""


class ProviderUnavailableError(ProviderError):
    """The AI provider cannot be reached, or keeps failing: it may work again later."""


class RequestRefusedError(ProviderError):
    """The AI provider refuses this request; the same one will be refused again. `status` is HTTP's."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class HttpClient:
    """Posts to one provider. `client` belongs to the running loop; `retries` are tries after the first."""

    def __init__(self, client: httpx.AsyncClient, *, retries: int) -> None:
        self._client = client
        self._longest = max(LONGEST, client.timeout.read or 0.0)
        self._retries = retries

    async def post(self, url: str, headers: Mapping[str, str], body: Any) -> dict[str, Any]:
        """The JSON object that the server answers.

        Raises:
            ProviderUnavailableError: It could not be had in time, after all tries.
            RequestRefusedError: The server refuses the request itself.
        """
        content = msgspec.json.encode(body)
        headers = {**headers, "content-type": "application/json"}
        tries = 0
        while True:
            try:
                return await self._once(url, headers, content)
            except _RetryableError as failed:
                wait = _backoff(tries) if failed.wait is None else failed.wait
                if tries == self._retries or wait > _PATIENCE or wait > remaining() - RESERVE:
                    raise ProviderUnavailableError(str(failed)) from failed
                log.info("the AI provider is asked again", extra={"reason": str(failed), "wait": wait})
                await sleep(wait)
                tries += 1

    async def _once(self, url: str, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
        left = remaining() - RESERVE
        if left <= 0:
            raise ProviderUnavailableError("there is no time left to ask the AI provider")
        try:
            async with asyncio.timeout(min(left, self._longest)):
                response = await self._answered(url, headers, content)
        except TimeoutError:
            if left > self._longest:
                raise ProviderUnavailableError(
                    f"the AI provider did not end its answer within {self._longest:g} s"
                ) from None
            raise ProviderUnavailableError(
                "the AI provider did not answer in the time that was left"
            ) from None
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
        return _object(response)

    async def _answered(self, url: str, headers: Mapping[str, str], content: bytes) -> "_Response":
        """The whole response, read as it comes, for a server may send without end."""
        body = bytearray()
        async with self._client.stream("POST", url, headers=dict(headers), content=content) as response:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise ProviderUnavailableError(
                        f"the AI provider's answer is longer than {LARGEST:,} bytes"
                    )
        return _Response(response.status_code, response.headers, bytes(body), response.request.headers)


class _Response(NamedTuple):
    """What a server said, with the headers that it was sent."""

    status: int
    headers: httpx.Headers
    body: bytes
    asked_with: httpx.Headers

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class _RetryableError(Exception):
    """A failure that may pass; `wait` is how many seconds the server asked for, if it did."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def open_client(timeout: float) -> httpx.AsyncClient:
    """A client for the running loop; `timeout` in seconds bounds each wait for the server's next bytes."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)), verify=_tls(), follow_redirects=False
    )


@cache
def _tls() -> "SSLContext":
    """One for the process: reading the certificates takes longer than all the rest, and binds to no loop."""
    return httpx.create_ssl_context()


def _object(response: _Response) -> dict[str, Any]:
    """The JSON object in a response, or the error that its status and words amount to."""
    status = response.status
    if status == HTTPStatus.OK:
        try:
            return msgspec.json.decode(response.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _RetryableError(f"the AI provider did not answer in JSON: {error}") from error
    said = f"the AI provider answers {status}: {_words(response)}"
    if status == HTTPStatus.PAYMENT_REQUIRED or (
        status == HTTPStatus.TOO_MANY_REQUESTS and _MONEY.search(response.text)
    ):
        raise RequestRefusedError(
            said, status=status, hint="this is about money: see the provider's billing page"
        )
    if status in _AGAIN or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    ):
        raise _RetryableError(said, _asked_wait(response.headers))
    raise RequestRefusedError(said, status=status, hint=_HINTS.get(status))


_HINTS = {
    401: "check TICKETCTL_AI_API_KEY",
    403: "check TICKETCTL_AI_API_KEY and what it may do",
    404: "check TICKETCTL_AI_BASE_URL and TICKETCTL_AI_MODEL",
}


def _words(response: _Response) -> str:
    """What the server says went wrong, in one line: an object, a text or a page of HTML."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = re.sub(r"<(script|style)\b.*?</\1>|<[^>]{0,500}>", " ", response.text, flags=re.DOTALL)
    for key in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(key):
            body = body[key]
    said = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return " ".join(strip_invisible(_without_key(said, response)).split())[:_SHOWN] or "(nothing)"


def _without_key(said: str, response: _Response) -> str:
    """A server's words, should it repeat the key that it was sent."""
    sent = (response.asked_with.get(name, "") for name in ("authorization", "x-api-key"))
    for key in filter(None, (header.removeprefix("Bearer ") for header in sent)):
        said = said.replace(key, "********")
    return said


def _asked_wait(headers: httpx.Headers) -> float | None:
    """The seconds that a server asks to wait: retry-after-ms, or retry-after in seconds or as a date."""
    try:
        if "retry-after-ms" in headers:
            return _sensible(float(headers["retry-after-ms"]) / 1000)
        after = headers.get("retry-after", "")
        return _sensible(float(after)) if re.fullmatch(r"\s*[\d.]+\s*", after) else _until(after)
    except ValueError:
        return None


def _until(date: str) -> float | None:
    if not date:
        return None
    when = parsedate_to_datetime(date)
    return max(
        0.0,
        (when.replace(tzinfo=when.tzinfo or UTC) - datetime.fromtimestamp(time.time(), UTC)).total_seconds(),
    )


def _sensible(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _backoff(tries: int) -> float:
    """Twice as long each time, with jitter, so that those who failed together do not come back together."""
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**tries) * random.uniform(0.75, 1.0)  # noqa: S311  (no secret)
