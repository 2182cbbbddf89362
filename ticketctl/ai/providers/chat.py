"""The interface that both wire formats implement: a conversation in, a model's text out."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from ticketctl.ai.providers.prompts import Prompt


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

    async def complete(self, model: str, prompt: Prompt, conversation: list[ChatMessage]) -> Completion:
        """Return the model's reply to the last message. Raises the errors of HttpClient.post."""


def token_count(usage: Any, name: str) -> int:
    """Return one token count of a server's usage report; 0 where the server reports none."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count > 0 else 0


def message_dicts(conversation: list[ChatMessage]) -> list[dict[str, str]]:
    """Return the conversation as both wire formats write it."""
    return [{"role": message.role, "content": message.text} for message in conversation]
