"""The interface that both wire formats implement: a conversation in, a model's text out."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, Protocol

from ticketctl.ai.providers.error_responses import AccountRefusedError, RequestRefusedError
from ticketctl.ai.providers.http_client import OnUnanswered
from ticketctl.ai.providers.prompts import Prompt

_TICKET_SPECIFIC_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "context_length_exceeded",
        "string_above_max_length",
        "invalid_prompt",
        "request_too_large",
        "exceed_context_size_error",
    }
)
"""Error codes about the text of the ticket: another form of the request would be refused too."""


class ChatMessage(NamedTuple):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's text and its token counts; `problem` says why the text cannot be used, None if it can."""

    text: str
    input_tokens: int
    output_tokens: int
    problem: str | None = None


class ChatModel(Protocol):
    """A client of one wire format."""

    async def complete(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], on_unanswered: OnUnanswered
    ) -> Completion:
        """Return the model's reply to the last message. Raises the errors of HttpClient.post."""

    async def ping(self, model: str) -> None:
        """Send the smallest request there is. Raises the errors of HttpClient.post."""


class FormatMemory:
    """Remembers the strictest response format that a server accepts, as an index into a list of formats.

    A refusal that names the format is remembered at once. Any other refusal may be about one ticket only, so it
    counts after several tickets in a row were refused in one format and answered in the next.
    """

    REPEATS = 3

    def __init__(self) -> None:
        self.index = 0
        self._unexplained = 0

    def record(self, index: int, *, is_explained: bool) -> None:
        """Record a response in the format `index`; `is_explained`: the refusals before it named the format."""
        if index <= self.index:
            self._unexplained = 0
            return
        self._unexplained += 1
        if is_explained or self._unexplained >= self.REPEATS:
            # requests run concurrently: another one may have found a simpler format already
            self.index, self._unexplained = max(self.index, index), 0


def may_suit_another_form(error: RequestRefusedError) -> bool:
    """Whether the refusal may be about the form of the request, rather than about the ticket's text."""
    if isinstance(error, AccountRefusedError):
        return False
    statuses = {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.NOT_IMPLEMENTED,
    }
    return error.status in statuses and not error.codes & _TICKET_SPECIFIC_CODES


def token_count(usage: Any, name: str) -> int:
    """Return one token count of a server's usage report; 0 where the server reports none."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count > 0 else 0


def message_dicts(conversation: list[ChatMessage]) -> list[dict[str, str]]:
    """Return the conversation as both wire formats write it."""
    return [{"role": message.role, "content": message.text} for message in conversation]


def content_text(content: Any) -> str:
    """Return the text of a message whose content is a text, or a list of parts with texts among them."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = [part if isinstance(part, str) else _part_text(part) for part in parts]
    return "".join(text for text in texts if text)


def _part_text(part: Any) -> str:
    """Return the text of a part; parts with a model's thoughts have another key or a list."""
    text = (
        part.get("text")
        if isinstance(part, dict) and part.get("type") not in {"thinking", "reasoning"}
        else ""
    )
    return text if isinstance(text, str) else ""
