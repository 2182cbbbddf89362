"""What providers have in common: a conversation goes in, a model's text comes out."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from ticketctl.ai.providers.prompts import Prompt


class ChatMessage(NamedTuple):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's text, the tokens that it cost, and why it is not whole, if it is not."""

    text: str
    input_tokens: int
    output_tokens: int
    problem: str | None = None


class ChatModel(Protocol):
    """Models behind one of the wire formats."""

    async def complete(self, model: str, prompt: Prompt, conversation: list[ChatMessage]) -> Completion:
        """Answer the last of the conversation. Raises ProviderError, as HttpClient.post says."""


def token_count(usage: Any, name: str) -> int:
    """A count of tokens in a server's report of usage; 0 where it reports none."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count > 0 else 0


def message_dicts(conversation: list[ChatMessage]) -> list[dict[str, str]]:
    """The conversation as both wire formats write them."""
    return [{"role": turn.role, "content": turn.text} for turn in conversation]
