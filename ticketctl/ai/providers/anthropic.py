"""Client of the Anthropic messages API.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

import logging
from typing import Any

from ticketctl.ai.providers.chat import (
    ChatMessage,
    Completion,
    FormatMemory,
    content_text,
    may_suit_another_form,
    message_dicts,
    token_count,
)
from ticketctl.ai.providers.error_responses import RequestRefusedError
from ticketctl.ai.providers.http_client import HttpClient, OnUnanswered
from ticketctl.ai.providers.prompts import Prompt

log = logging.getLogger(__name__)

BASE_URL = "https://api.anthropic.com"
API_VERSION = "2023-06-01"

_PROBLEMS = {
    "refusal": "the model refused to answer",
    "max_tokens": "the answer was cut off: it was too long",
    "model_context_window_exceeded": "the answer was cut off: the conversation is too long",
}
"""Stop reasons after which the text cannot be used."""
_SCHEMA, _PROMPT_ONLY = 0, 1
"""How the JSON Schema is sent: in output_config, which older models and some gateways refuse, or in the prompt."""
_FORMAT_WORDS = ("output_config", "output_format", "json_schema", "structured output")
_PING_TOKENS = 16


class AnthropicMessages:
    """Client of one server; it remembers whether the server accepts output_config."""

    def __init__(self, http: HttpClient, *, base_url: str, max_tokens: int) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/').removesuffix('/v1')}/v1/messages"
        self._headers = {"anthropic-version": API_VERSION}
        self._max_tokens = max_tokens
        self._format = FormatMemory()

    async def complete(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], on_unanswered: OnUnanswered
    ) -> Completion:
        """Return the model's reply to the last message. Raises the errors of HttpClient.post."""
        index, is_explained = self._format.index, False
        try:
            body = self._request_body(model, prompt, conversation, index)
            response = await self._http.post(self._url, self._headers, body, on_unanswered)
        except RequestRefusedError as error:
            if index == _PROMPT_ONLY or not may_suit_another_form(error):
                raise
            log.info("the AI provider refuses output_config: %s", error)
            index, is_explained = _PROMPT_ONLY, any(word in error.body for word in _FORMAT_WORDS)
            body = self._request_body(model, prompt, conversation, index)
            response = await self._http.post(self._url, self._headers, body, on_unanswered)
        self._format.record(index, is_explained=is_explained)
        return _parse_completion(response)

    async def ping(self, model: str) -> None:
        """Send the smallest request there is. Raises the errors of HttpClient.post."""
        body = {
            "model": model,
            "max_tokens": _PING_TOKENS,
            "messages": [{"role": "user", "content": "Answer: ok"}],
        }
        await self._http.post(self._url, self._headers, body, lambda _: None)

    def _request_body(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], index: int
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": self._max_tokens,
            "system": prompt.system if index == _SCHEMA else prompt.with_schema,
            "messages": message_dicts(conversation),
        }
        if index == _SCHEMA:
            body["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
        return body


def _parse_completion(response: dict[str, Any]) -> Completion:
    text = content_text(response.get("content"))
    reason = response.get("stop_reason")
    problem = _PROBLEMS.get(reason) if isinstance(reason, str) else None
    if problem is None and not text.strip():
        problem = "the model gave no answer"
    usage = response.get("usage")
    return Completion(text, token_count(usage, "input_tokens"), token_count(usage, "output_tokens"), problem)
