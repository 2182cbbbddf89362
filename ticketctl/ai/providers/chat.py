"""What providers have in common: a conversation goes in, a model's text comes out."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from ticketctl.ai.providers.prompts import Prompt


class Turn(NamedTuple):
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

    async def complete(self, model: str, prompt: Prompt, turns: list[Turn]) -> Completion:
        """Answer the last of the turns. Raises ProviderError, as Transport.post says."""


def tokens(usage: Any, name: str) -> int:
    """A count of tokens in a server's report of usage; 0 where it reports none."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count > 0 else 0


def messages(turns: list[Turn]) -> list[dict[str, str]]:
    """The turns as both wire formats write them."""
    return [{"role": turn.role, "content": turn.text} for turn in turns]
