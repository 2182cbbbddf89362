"""Tell from a provider's response what to do: retry, change the request, or stop asking for every ticket.

Servers report errors in many forms: https://platform.openai.com/docs/guides/error-codes,
https://platform.claude.com/docs/en/api/errors, https://openrouter.ai/docs/api-reference/errors,
https://cloud.google.com/apis/design/errors (Gemini), and FastAPI's `detail` (vLLM, Mistral).
"""

import codecs
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx
import msgspec

from ticketctl.ai.providers.retry_delays import read_retry_after, read_retry_info
from ticketctl.ai.sanitize import strip_invisible
from ticketctl.errors import ProviderError

_RETRYABLE_STATUSES = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_MONEY_CODE = re.compile(
    r"insufficient_(quota|balance|credits?|funds)|credit_balance|spend_limit|hard_limit_reached|billing"
    r"|access_terminated"
)
"""Part of the codes with which providers say that an account is out of money, in lower case.

Only codes are searched: "quota" and "billing" occur in the messages of plain rate limits too (Gemini).
"""
_MONEY_MESSAGE = re.compile(r"credit balance is too low", re.IGNORECASE)
"""Anthropic reports it as a plain invalid_request_error with status 400; no rate limit has this status."""
_AWS_CREDENTIAL_CODES = re.compile(
    r"expiredtoken|unrecognizedclient|invalidsignature|signaturedoesnotmatch|accessdenied"
)
_STATUS_BY_CODE = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "overloaded_error": 529,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "content_filter": 400,
    "context_length_exceeded": 400,
}
"""HTTP statuses of errors that some gateways send with status 200."""
_HINTS = {
    401: "check TICKETCTL_AI_API_KEY",
    403: "check TICKETCTL_AI_API_KEY and its permissions",
    404: "check TICKETCTL_AI_BASE_URL and TICKETCTL_AI_MODEL",
}
_QUOTED_CHARACTERS = 200  # of the server's own error text
_MAX_PAGE = 5_000  # characters of a web page that are searched for text
_MAX_SEARCHED = 20_000  # characters of a body that are searched for the name of a parameter


class ProviderUnavailableError(ProviderError):
    """The AI provider cannot be reached, or keeps failing; it may work again later."""


class RequestRefusedError(ProviderError):
    """The AI provider refuses this request, and would refuse it again.

    `status` is the HTTP status, `codes` are the error's codes in lower case, `body` is its text in lower case.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        hint: str | None = None,
        codes: frozenset[str] = frozenset(),
        body: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.codes = codes
        self.body = body


class AccountRefusedError(RequestRefusedError):
    """The AI provider refuses every request of this account: the key, the balance, the model or the address."""


class RetryableError(Exception):
    """A failure that may pass; `wait` is the number of seconds that the server asks for, None if it names none."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Response(NamedTuple):
    """A complete response, and the headers of its request."""

    status: int
    headers: httpx.Headers
    body: bytes
    request_headers: httpx.Headers

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")


def parse_response(response: Response) -> dict[str, Any]:
    """Return the JSON object of a successful response.

    Raises:
        RetryableError: The same request may succeed later.
        AccountRefusedError: The server refuses whatever this account sends.
        RequestRefusedError: The server refuses this request.
    """
    if response.status != HTTPStatus.OK:
        raise _to_exception(response, response.status, _decode(response.body))
    if _is_page(response):
        raise AccountRefusedError(
            f"the AI provider answers with {_media_type(response)} instead of JSON: {_error_text(response, None)}",
            status=response.status,
            hint="check TICKETCTL_AI_BASE_URL",
        )
    body = _decode(response.body)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]  # Gemini wraps its errors in a list
    if not isinstance(body, dict):
        raise RetryableError("the AI provider did not answer with a JSON object")
    if error := _embedded_error(body):
        raise _to_exception(response, _embedded_status(error), body)
    return body


def _embedded_error(body: dict[str, Any]) -> Any:
    """Return the error that a gateway puts into a response with status 200, or None."""
    if body.get("error"):
        return body["error"]
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice.get("error") if isinstance(choice, dict) else None


def _embedded_status(error: Any) -> int:
    """Return the HTTP status that an embedded error stands for; 500 if it tells none."""
    codes = set(_codes({"error": error}))
    numbers = [int(code) for code in codes if re.fullmatch(r"[45]\d\d", code)]
    known = [_STATUS_BY_CODE[code] for code in sorted(codes) if code in _STATUS_BY_CODE]
    return next(iter(numbers + known), HTTPStatus.INTERNAL_SERVER_ERROR)


def _to_exception(response: Response, status: int, body: Any) -> Exception:
    codes = frozenset(_codes(body)) | _aws_codes(response.headers)
    message = f"the AI provider answers {status}: {_error_text(response, body)}"
    searched = response.text[:_MAX_SEARCHED].lower()
    if _is_about_money(status, codes, searched):
        return AccountRefusedError(
            message,
            status=status,
            hint="the account has no money left: see the provider's billing page",
            codes=codes,
            body=searched,
        )
    if status in _RETRYABLE_STATUSES or (status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED):  # noqa: PLR2004  (server errors)
        wait = read_retry_after(response.headers)
        return RetryableError(message, read_retry_info(body) if wait is None else wait)
    kind = AccountRefusedError if _is_account_wide(status, codes, searched) else RequestRefusedError
    return kind(message, status=status, hint=_HINTS.get(status), codes=codes, body=searched)


def _is_about_money(status: int, codes: frozenset[str], body: str) -> bool:
    if status == HTTPStatus.PAYMENT_REQUIRED or any(_MONEY_CODE.search(code) for code in codes):
        return True
    return status == HTTPStatus.BAD_REQUEST and _MONEY_MESSAGE.search(body) is not None


def _is_account_wide(status: int, codes: frozenset[str], body: str) -> bool:
    """Whether other tickets would be refused too."""
    if status == HTTPStatus.FORBIDDEN:
        return "moderation" not in body and "flagged" not in body  # OpenRouter refuses single tickets so
    if status == HTTPStatus.NOT_FOUND:
        return "parameter" not in body  # OpenRouter: no server of this model takes response_format
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.UNAUTHORIZED:
        return True
    return any(_AWS_CREDENTIAL_CODES.search(code) for code in codes)


def _codes(body: Any) -> Iterator[str]:
    """Yield an error's codes in lower case, from wherever a server puts them."""
    for error in _error_objects(body):
        nested = [error.get(name) for name in ("details", "innererror", "metadata")]
        for part in (error, *(part for part in nested if isinstance(part, dict))):
            for name in ("code", "type", "status", "error_code", "error_type", "__type"):
                if isinstance(value := part.get(name), str | int) and not isinstance(value, bool):
                    yield str(value).lower()


def _error_objects(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a body that may describe an error, from the outside to the inside."""
    if isinstance(body, list) and body:
        body = body[0]
    for _ in range(4):  # a proxy may wrap an error several times
        if not isinstance(body, dict):
            return
        yield body
        choices = body.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict) and "error" not in body:
            body = choices[0]
        inner = body.get("error") or body.get("message") or body.get("detail")
        body = _decode(inner.encode(errors="replace")) if isinstance(inner, str) else inner


def _aws_codes(headers: httpx.Headers) -> frozenset[str]:
    code = headers.get("x-amzn-errortype", "")
    return frozenset({code.partition(":")[0].lower()} if code else ())


def _is_page(response: Response) -> bool:
    """Whether a web page or an event stream came instead of JSON: the address is wrong, and no retry helps."""
    start = response.body[:200].lstrip().lower()
    is_page = start.startswith((b"<", b"data:", b"event:", b": "))
    return is_page or _media_type(response) in {"text/html", "text/event-stream"}


def _media_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() or "something else"


def _error_text(response: Response, body: Any) -> str:
    """Return what the server says went wrong, in one line; its body may be JSON, text or a page of HTML."""
    if body is None:
        start = response.text[:_MAX_PAGE]  # the pattern takes quadratic time on a page of unclosed tags
        body = re.sub(r"<(script|style)\b.*?</\1>|<[^>]{0,500}>", " ", start, flags=re.DOTALL)
    for error in _error_objects(body):
        body = error
        for name in ("error", "message", "detail"):
            if error.get(name):
                body = error[name]
                break
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return " ".join(strip_invisible(_mask_key(text, response)).split())[:_QUOTED_CHARACTERS] or "(empty)"


def _mask_key(text: str, response: Response) -> str:
    """Replace the credentials in a server's text: some servers repeat the key that they refuse."""
    names = ("authorization", "x-api-key", "api-key", "x-amz-security-token")
    headers = (response.request_headers.get(name, "") for name in names)
    for key in filter(None, (header.removeprefix("Bearer ") for header in headers)):
        text = text.replace(key, "********")
    return text


def _decode(body: bytes) -> Any:
    """Return decoded JSON, or None if it is none."""
    try:
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
