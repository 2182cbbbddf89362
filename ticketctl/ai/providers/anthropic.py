"""Client of the Anthropic messages API.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from typing import Any

from ticketctl.ai.providers.chat import ChatMessage, Completion, message_dicts, token_count
from ticketctl.ai.providers.http_client import HttpClient
from ticketctl.ai.providers.prompts import Prompt

BASE_URL = "https://api.anthropic.com"
API_VERSION = "2023-06-01"

_PROBLEMS = {
    "refusal": "the model refused to answer",
    "max_tokens": "the answer was cut off: it was too long",
    "model_context_window_exceeded": "the answer was cut off: the conversation is too long",
}
"""Stop reasons after which the text cannot be used."""


class AnthropicMessages:
    """Client of one server; output_config.format carries the JSON Schema of the answer."""

    def __init__(self, http: HttpClient, *, base_url: str, api_key: str | None, max_tokens: int) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/').removesuffix('/v1')}/v1/messages"
        self._headers = {"anthropic-version": API_VERSION} | ({"x-api-key": api_key} if api_key else {})
        self._max_tokens = max_tokens

    async def complete(self, model: str, prompt: Prompt, conversation: list[ChatMessage]) -> Completion:
        """Return the model's reply to the last message. Raises the errors of HttpClient.post."""
        body = {
            "model": model,
            "max_tokens": self._max_tokens,
            "system": prompt.system,
            "messages": message_dicts(conversation),
            "output_config": {"format": {"type": "json_schema", "schema": prompt.schema}},
        }
        return _parse_completion(await self._http.post(self._url, self._headers, body))


def _parse_completion(response: dict[str, Any]) -> Completion:
    content = response.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    text = "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
    reason = response.get("stop_reason")
    problem = _PROBLEMS.get(reason) if isinstance(reason, str) else None
    if problem is None and not text.strip():
        problem = "the model gave no answer"
    usage = response.get("usage")
    return Completion(text, token_count(usage, "input_tokens"), token_count(usage, "output_tokens"), problem)
